"""A trained head and its encoder -> one SavedModel, swapped in when it is proved; and other forms of a model.

`python -m trainer.export MODEL --format FORM` writes another form.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preprocess import claims, command, files, quiet
from preprocess.command import FlagParser
from preprocess.compiled import CompiledEncoder
from preprocess.failures import InputError, UsageError
from preprocess.labels import Labels
from preprocess.progress import Progress, say
from preprocess.settings import Json
from trainer import other_forms, publishing
from trainer.head_kinds import Windowing

if TYPE_CHECKING:
    import tensorflow as tf

    from trainer.heads import TrainedHead
    from trainer.signatures import Signatures

# Raised when a reader of the older model.json could misunderstand the newer.
FORMAT_VERSION = 1
_LOCAL_PATH = re.compile(r'(?:(?<=^)|(?<=[,:=\s]))(?:file://)?(?:/(?!/)|~)[^,]*')


@dataclass(frozen=True)
class ModelParts:
    """What a model is made of; without an encoder it takes vectors only."""

    head: 'TrainedHead'
    labels: tuple[str, ...]  # one for each class of the head, also `unlabelled` where it has that one
    encoder: CompiledEncoder | None
    threshold: float = 0.5  # with multi_label: the score from which a label holds
    manifest_json: str | None = None  # of the training records
    windowing: Windowing | None = None  # how windows were cut of them, where the head looks at windows

    def __post_init__(self) -> None:
        spec = self.head.spec
        if len(Labels(self.labels)) != spec.classes:
            raise ValueError(f'{len(self.labels)} labels for a head of {spec.classes} classes')
        if self.encoder and self.encoder.vector_shape != spec.record_shape:
            raise ValueError(f'a head for {spec.record_shape} on an encoder of {self.encoder.vector_shape}')
        if (self.windowing.length if self.windowing else 1) != spec.window:
            raise ValueError(f'a head for windows of {spec.window}, cut as {self.windowing}')


def export_model(parts: ModelParts, directory: str, *, keep_previous: bool = False) -> None:
    """Write the SavedModel, prove it in a fresh process, and swap it in; the old one may stay as DIRECTORY.previous."""
    from trainer import proof, specimens

    if parts.encoder is None:
        say('no encoder is known for these records: the model takes vectors (signature classify), not pictures')
    with publishing.publishing(directory, keep_previous=keep_previous) as staged:
        with Progress('writing the model'):
            written = write_model(parts, staged)
        shape = parts.encoder.input_shape if parts.encoder else None
        proof.check(staged, 'signatures', specimens.cases(written, shape, parts.head.spec))


def write_model(parts: ModelParts, directory: str) -> 'Signatures':
    """Write the SavedModel as it is, unproved; the signatures it was written from."""
    from trainer import signatures

    classifier = signatures.Classifier(parts.head.spec, parts.labels, _scores_of(parts.head))
    built = signatures.build(classifier, parts.encoder)
    signatures.save(built, _assets(parts), directory)
    return built


def _scores_of(head: 'TrainedHead') -> 'Callable[[tf.Tensor], tf.Tensor]':
    import tensorflow as tf

    from trainer import heads

    return lambda examples: heads.apply(head.spec, [tf.constant(weight) for weight in head.weights], examples)


def _assets(parts: ModelParts) -> dict[str, bytes]:
    assets = {'dict.txt': Labels(parts.labels).text(), 'model.json': _text(_description(parts))}
    if parts.manifest_json is not None:
        assets['manifest.json'] = _text(_without_local_paths(json.loads(parts.manifest_json)))
    return {name: text.encode() for name, text in assets.items()}


def _description(parts: ModelParts) -> Json:
    """What prediction needs to know before, or without, loading the graph."""
    encoder, spec, windowing = parts.encoder, parts.head.spec, parts.windowing
    of_records = json.loads(parts.manifest_json) if parts.manifest_json else {}
    return {
        'version': FORMAT_VERSION,
        'head': spec.kind,
        'multi_label': spec.multi_label,
        'threshold': parts.threshold,
        'vector_size': spec.input_size,
        'vector_shape': list(spec.record_shape),
        'input_shape': list(encoder.input_shape) if encoder else None,
        'window': {'frames': windowing.length, 'stride': windowing.stride, 'label': windowing.label}
        if windowing
        else None,
        # Of footage: which frames of a recording the head learnt from, and what was done to them first.
        'sampling': of_records.get('sampling'),
        'preparation': of_records.get('preparation'),
        'encoder': {
            'spec': encoder.spec,
            'key': encoder.key,
            'sha256': encoder.sha256,
            'engine': encoder.engine,
            'precision': encoder.precision,
            'batch_size': encoder.batch_size,
        }
        if encoder
        else None,
    }


def _text(content: Json) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + '\n'


def _without_local_paths(content: Json, *, under: str = '') -> Json:
    """The manifest without where things were on the machine it was made on; labels may look like paths and stay."""
    if under in ('labels', 'counts_per_label'):
        return content
    if isinstance(content, dict):
        return {name: _without_local_paths(value, under=name) for name, value in content.items()}
    if isinstance(content, list):
        return [_without_local_paths(value) for value in content]
    if isinstance(content, str):
        return _LOCAL_PATH.sub(lambda found: files.name(found[0]), content)
    return content


def _tf1(model: str, directory: str) -> None:
    with quiet.loading():
        from trainer import tf1

    tf1.write(model, directory)
    tf1.prove(model, directory)


# Forms besides those of trainer.other_forms. Each writes into a new directory and proves that it answers as the model.
FORMATS: dict[str, Callable[[str, str], None]] = {'tf1': _tf1}


def main(argv: Sequence[str] | None = None) -> None:
    """Write another form of a model."""
    options = _parser().parse_args(argv)
    write, main_file = _writer(options)
    model = options.model.rstrip('/')
    suffix = options.format if options.precision == 'float32' else f'{options.format}.{options.precision}'
    output = (options.output or f'{model}.{suffix}').rstrip('/')
    if not files.exists(files.join(model, 'saved_model.pb')):
        raise InputError('not a SavedModel', where=model, do='give the folder that holds saved_model.pb')
    if files.absolute(output) == files.absolute(model):
        raise UsageError('the output would replace the model itself', where=f'--output {output}', do='give another')
    claim = files.join(files.parent(output), f'.{files.name(output)}.claim')
    with claims.Claim(claim, doing='exporting'), publishing.publishing(output, main_file=main_file) as staged:
        say(f'writing {model} as {suffix}')
        write(model, staged)
    say(f'the {suffix} form is in {output}, and answers as {model} does')


def _writer(options: argparse.Namespace) -> tuple[Callable[[str, str], None], str]:
    """What writes the form that is asked for, and the file by which it is known."""
    if options.format in FORMATS:
        if options.precision != 'float32' or options.calibration_pictures:
            raise UsageError(
                f'--format {options.format} is the model as it is',
                where='--precision, --calibration_pictures',
                do='leave them out, or choose --format litert or openvino',
            )
        return FORMATS[options.format], publishing.GRAPH
    wish = other_forms.Wish(options.format, options.precision, options.calibration_pictures)
    return lambda model, directory: other_forms.write(model, directory, wish), wish.runtime.file


def _parser() -> FlagParser:
    parser = FlagParser(
        'python -m trainer.export',
        'Write another form of a model, checked against it.',
        epilog='tf1: tensors named Placeholder:0 (JPEG bytes) and final_ops/softmax:0 (scores), for old clients.\n'
        'litert, openvino, onnx: uint8 pixels in, scores out, with labels.txt and feeding.json beside them.',
    )
    parser.add_argument('model', metavar='MODEL', help='the folder that holds saved_model.pb')
    parser.add_argument('--format', choices=[*FORMATS, *other_forms.RUNTIMES], required=True, help='the form to write')
    parser.add_argument('--output', metavar='DIR', help='where to (default: MODEL.FORMAT, or MODEL.FORMAT.int8)')
    parser.add_argument(
        '--precision',
        choices=['float32', 'int8'],
        default='float32',
        help='int8: litert and openvino (default float32)',
    )
    parser.add_argument(
        '--calibration_pictures', metavar='DIR|CSV', help='for int8: pictures such as it will see, 100 at the least'
    )
    return parser


if __name__ == '__main__':
    command.run(main)
