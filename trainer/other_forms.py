"""A model for runtimes that take pixels and give scores (LiteRT, OpenVINO, ONNX), checked against the model.

    model.tflite | model.xml, model.bin | model.onnx
    labels.txt    one label a line, in the order of the scores
    feeding.json  what goes in, what comes out, and what the check found

The conversion runs in a process of its own, the check in another that has only the files.
"""

import importlib.util
import json
import tempfile
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocess import children, files, near, quiet
from preprocess.failures import InputError, RunFailed, UsageError
from preprocess.images import Pixels
from preprocess.labels import Labels
from preprocess.progress import Progress
from preprocess.settings import Json
from trainer import exported, form_pictures, proof
from trainer.exported import Exported
from trainer.proof import Case

Precision: TypeAlias = Literal['float32', 'int8']
Scores: TypeAlias = NDArray[np.float32]
INPUT, OUTPUT = 'pixels', 'scores'
LABELS_FILE, FEEDING_FILE = 'labels.txt', 'feeding.json'
# How far a score may be from the model's: another runtime sums in another order.
SCORE_TOLERANCE = 1e-3
# The share of pictures that must keep their label in int8.
LEAST_AGREEMENT = 0.96
# Raised when a reader of the older feeding.json could misunderstand the newer.
_VERSION = 1
# So many pictures are scored at a time.
_AT_ONCE = 16
_RGB = 3


@dataclass(frozen=True)
class Runtime:
    """A form's main file, what it can be written in, how many pictures it takes, and what makes it."""

    file: str
    precisions: tuple[Precision, ...]
    takes: int | None  # pictures at a time; None: as many as one likes
    modules: tuple[str, ...] = ()
    extra: str = ''


RUNTIMES = {
    'litert': Runtime('model.tflite', ('float32', 'int8'), takes=1),
    'openvino': Runtime('model.xml', ('float32', 'int8'), takes=None, modules=('openvino', 'nncf'), extra='fast'),
    'onnx': Runtime('model.onnx', ('float32',), takes=None, modules=('tf2onnx', 'onnxruntime'), extra='onnx'),
}


@dataclass(frozen=True)
class Wish:
    """Which form is wanted, in which precision, calibrated on what."""

    format: str
    precision: Precision = 'float32'
    calibration_pictures: str | None = None

    def __post_init__(self) -> None:
        if self.precision not in self.runtime.precisions:
            raise UsageError(
                f'--format {self.format} is written in {" or ".join(self.runtime.precisions)}',
                where=f'--precision {self.precision}',
                do='leave it out, or choose --format litert or openvino',
            )
        if (self.precision == 'int8') != (self.calibration_pictures is not None):
            raise UsageError(
                '--precision int8 and --calibration_pictures belong together',
                where=f'--precision {self.precision}',
                do='give both, the second a folder or CSV of pictures such as the model will see, 100 at the least',
            )

    @property
    def runtime(self) -> Runtime:
        """What takes this form."""
        return RUNTIMES[self.format]


def write(model: str, directory: str, wish: Wish) -> None:
    """Write the form into a new directory, and prove that it gives the model's answers."""
    about = _usable(model, wish)
    _check_installed(wish)
    shape = about.picture_shape or (0, 0, 0)
    place = wish.calibration_pictures
    pixels = form_pictures.own(place, shape) if place else form_pictures.drawn(shape)
    files.make_dirs(directory)
    expected = _model_scores(about, pixels)
    _convert(near.tree(model, what='the model'), directory, wish, pixels)
    check = _check(directory, wish, pixels, expected)
    files.write_atomic(files.join(directory, LABELS_FILE), Labels(about.labels).text().encode())
    feeding = json.dumps(_feeding(about, wish, check), indent=1) + '\n'
    files.write_atomic(files.join(directory, FEEDING_FILE), feeding.encode())


def _usable(model: str, wish: Wish) -> Exported:
    about = exported.read(model)
    if about.picture_shape is None:
        raise InputError(
            'this model takes no pictures: it was exported without its encoder',
            where=model,
            do='train again with --encoder, so that the encoder is in the model',
        )
    if about.windowing:
        raise UsageError(
            f'this model looks at windows of {about.windowing.length} frames, and this form takes single pictures',
            where=f'--format {wish.format}',
            do=f'use {model} as it is, or train a head that looks at single pictures (softmax, cnn)',
        )
    return about


def _check_installed(wish: Wish) -> None:
    if absent := [module for module in wish.runtime.modules if importlib.util.find_spec(module) is None]:
        raise InputError(
            f'--format {wish.format} needs {" and ".join(absent)}, not installed here',
            where='this Python environment',
            do=f"pip install 'headlight[{wish.runtime.extra}]'",
        )


def _model_scores(about: Exported, pixels: Pixels) -> list[Scores]:
    """What the SavedModel's signature `pixels` answers, some pictures at a time."""
    with quiet.loading():
        from trainer import scoring

    loaded = scoring.load(about)
    found = []
    with Progress('scoring pictures with the model', total=len(pixels), unit='pictures') as progress:
        for piece in _pieces(pixels):
            found.append(loaded.score_pixels(piece).astype(np.float32))
            progress.advance(len(piece))
    return found


def _pieces(pixels: Pixels) -> list[Pixels]:
    return [pixels[start : start + _AT_ONCE] for start in range(0, len(pixels), _AT_ONCE)]


def _convert(model: str, directory: str, wish: Wish, pixels: Pixels) -> None:
    request: dict[str, Json] = {'format': wish.format, 'model': model, 'directory': directory, 'pixels': None}
    doing = f'converting the model to {wish.format}'
    with Progress(f'{doing} in {wish.precision}'), tempfile.NamedTemporaryFile(suffix='.npy') as kept:
        if wish.precision == 'int8':
            np.save(kept.name, pixels)
            request['pixels'] = kept.name
        children.ask('trainer.converting', request, doing=doing, where=f'--format {wish.format}')


def _check(directory: str, wish: Wish, pixels: Pixels, expected: list[Scores]) -> dict[str, Json]:
    """What a fresh process that has only the form found; RunFailed when its answers are not the model's."""
    cases = [
        Case('', {INPUT: piece}, {OUTPUT: scores}) for piece, scores in zip(_pieces(pixels), expected, strict=True)
    ]
    answers = proof.answers(directory, wish.format, cases)
    ours = np.concatenate(expected)
    theirs = np.concatenate([answer[OUTPUT] for answer in answers]).astype(np.float32)
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        raise _refuted(directory, f'it answers {list(theirs.shape)} with {np.sum(~np.isfinite(theirs))} not finite')
    largest = float(np.max(np.abs(ours - theirs)))
    alike = float(np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1)))
    if wish.precision == 'int8' and alike < LEAST_AGREEMENT:
        raise _refuted(
            directory, f'{alike:.1%} of {len(ours)} pictures keep their label, {LEAST_AGREEMENT:.0%} is the least'
        )
    if wish.precision != 'int8' and largest > SCORE_TOLERANCE:
        raise _refuted(directory, f'scores are off by up to {largest:.2g}, {SCORE_TOLERANCE:g} is the most')
    return {'pictures': len(ours), 'same_label': alike, 'largest_score_difference': float(f'{largest:.3g}')}


def _refuted(directory: str, what: str) -> RunFailed:
    return RunFailed(
        f"this form does not give the model's answers: {what}",
        where=directory,
        do='nothing was written; use the model itself, or for int8 other calibration pictures',
    )


def _preparation(model: str) -> Json:
    """What was done to the footage it learnt from, before anything else; None for pictures."""
    said: dict[str, Json] = json.loads(files.read_text(files.join(model, 'assets', 'model.json')))
    return said.get('preparation')


def _feeding(about: Exported, wish: Wish, check: dict[str, Json]) -> Json:
    height, width, channels = about.picture_shape or (0, 0, 0)
    return {
        'version': _VERSION,
        'file': wish.runtime.file,
        'precision': wish.precision,
        'input': {
            'name': INPUT,
            'dtype': 'uint8',
            'shape': [wish.runtime.takes, height, width, channels],
            'range': [0, 255],
            'channels': 'RGB' if channels == _RGB else 'gray',
            'picture': 'upright, resized to this height and width without keeping its aspect, bilinear, antialiased',
            'preparation': _preparation(about.directory),
        },
        'output': {
            'name': OUTPUT,
            'dtype': 'float32',
            'shape': [wish.runtime.takes, len(about.labels)],
            'meaning': 'one probability for each label of labels.txt'
            + ('' if about.threshold is None else f', which holds from {about.threshold:g}'),
            'threshold': about.threshold,
        },
        'check': check,
    }
