"""What an exported model says of itself in its assets, and which records are for it: read without TensorFlow."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from preprocess import files, records
from preprocess.failures import InputError, UsageError
from preprocess.labels import Labels
from preprocess.manifest import Manifest
from preprocess.record_sets import RecordSet
from preprocess.settings import Json
from trainer.classes import UNLABELLED
from trainer.head_kinds import FRAMES, KINDS, Windowing

_LONGEST_LIST = 5


@dataclass(frozen=True)
class Exported:
    """A SavedModel of ours by what stands beside its graph."""

    directory: str
    labels: tuple[str, ...]  # one for each class
    threshold: float | None  # the score from which a label holds; None where each picture has one label
    vector_shape: tuple[int, ...]  # of its records: (D,) of vectors, (H, W, C) of frames
    encoder_key: str | None  # of the encoder its training records came from
    manifest: Manifest | None  # of its training records
    picture_shape: tuple[int, int, int] | None  # None for a model without its encoder
    head: str
    windowing: Windowing | None  # how windows are cut, where it looks at windows
    sampling: Json  # which frames of footage it learnt from

    @property
    def vector_size(self) -> int:
        """How many numbers one of its records has."""
        return math.prod(self.vector_shape)

    @property
    def looks_at_frames(self) -> bool:
        """Whether its records hold pixels."""
        return KINDS[self.head].looks_at == FRAMES

    @property
    def record_labels(self) -> tuple[str, ...]:
        """The labels of the records it was trained on: without the class of those that have none."""
        if self.manifest:
            return self.manifest.labels
        return self.labels[:-1] if self.labels[-1] == UNLABELLED else self.labels

    @property
    def unlabelled_class(self) -> int | None:
        """The class of records without a label, where the model has one."""
        return len(self.record_labels) if len(self.labels) > len(self.record_labels) else None


def read(directory: str) -> Exported:
    """What the model in a directory says of itself; InputError when there is none of ours."""
    try:
        about = json.loads(files.read_text(_asset(directory, 'model.json')))
        manifest = _manifest(directory)
        encoder, shape = about['encoder'], about['input_shape']
        return Exported(
            directory=directory,
            labels=Labels.read(_asset(directory, 'dict.txt')).names,
            threshold=float(about['threshold']) if about['multi_label'] else None,
            vector_shape=tuple(about.get('vector_shape') or [int(about['vector_size'])]),
            encoder_key=manifest.encoder.key if manifest else encoder['key'] if encoder else None,
            manifest=manifest,
            picture_shape=cast('tuple[int, int, int]', tuple(shape)) if shape else None,
            # What models of the first releases don't say.
            head=about.get('head', 'softmax'),
            windowing=_windowing(about.get('window')),
            sampling=about.get('sampling'),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise not_loadable(directory, error) from error


def not_loadable(directory: str, error: Exception) -> InputError:
    """The error for a folder that holds no whole model of ours."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return InputError(
        f'no model of ours can be loaded: {said}',
        where=directory,
        do='give the folder that trainer.task or trainer.export wrote (saved_model.pb lies in it)',
    )


def check_positive(model: Exported, label: str | None) -> None:
    """Refuse a class looked for that the model has not."""
    if label is None or label in model.labels:
        return
    nearest = Labels(model.labels).nearest(label)
    raise UsageError(
        f'the model has no label {label!r}',
        where='--positive_label',
        do=f'did you mean {nearest!r}?' if nearest else f'give one of {", ".join(model.labels)}',
    )


def check(model: Exported, found: RecordSet) -> None:
    """Refuse records that are not of the model's kind, by their manifests or else by the first of them."""
    if not found.manifests:
        _check_first(model, found)
        return
    theirs = found.manifests[0]
    differences = [
        (theirs.labels == model.record_labels, 'labels', _listed(theirs.labels), _listed(model.record_labels)),
        (model.encoder_key in (None, theirs.encoder.key), 'encoder', theirs.encoder.spec, _encoder_of(model)),
        (theirs.vector_size == model.vector_size, 'vector size', theirs.vector_size, model.vector_size),
        (
            theirs.is_pixels == model.looks_at_frames,
            'kind of content',
            _kind(theirs.is_pixels),
            _kind(model.looks_at_frames),
        ),
        # Windows of the same length are as many seconds.
        (
            model.windowing is None or theirs.sampling == model.sampling,
            'sampling',
            json.dumps(theirs.sampling),
            json.dumps(model.sampling),
        ),
        (
            theirs.multi_label == (model.threshold is not None),
            'multi_label',
            theirs.multi_label,
            not theirs.multi_label,
        ),
    ]
    for alike, aspect, its, ours in differences:
        if not alike:
            raise InputError(
                f'these records have another {aspect} than the model: {its}, the model {ours}',
                where=files.parent(found.paths[0]) if found.paths else theirs.name,
                do='give records made with the dictionary, encoder and flags of the model',
            )


def check_width(model: Exported, width: int, *, where: str) -> None:
    """Refuse vectors of another size than the model takes."""
    if width != model.vector_size:
        raise not_for(f'they have vectors of {width} numbers, the model takes {model.vector_size}', where=where)


def not_for(what: str, *, where: str) -> InputError:
    """The error for records of another kind than the model's."""
    return InputError(
        f'these are not records for this model: {what}',
        where=where,
        do='give records made with the dictionary, encoder and flags of the model',
    )


def _check_first(model: Exported, found: RecordSet) -> None:
    for path in found.paths:
        for record in records.read(path):
            if (record.embedding is None) != model.looks_at_frames:
                held = _kind(record.embedding is None)
                raise not_for(f'they hold {held}, the model looks at {_kind(model.looks_at_frames)}', where=path)
            if record.embedding is not None:
                check_width(model, len(record.embedding), where=path)
            return


def _kind(is_pixels: bool) -> str:
    return 'frames' if is_pixels else 'vectors'


def _windowing(said: Mapping[str, Json] | None) -> Windowing | None:
    if said is None:
        return None
    return Windowing(int(cast('int', said['frames'])), int(cast('int', said['stride'])), str(said['label']))


def _manifest(directory: str) -> Manifest | None:
    path = _asset(directory, 'manifest.json')
    return Manifest.read(path) if files.exists(path) else None


def _asset(directory: str, name: str) -> str:
    return files.join(directory, 'assets', name)


def _listed(labels: tuple[str, ...]) -> str:
    more = f', … ({len(labels)} in all)' if len(labels) > _LONGEST_LIST else ''
    return ', '.join(labels[:_LONGEST_LIST]) + more


def _encoder_of(model: Exported) -> str:
    """The spec, or its key where nothing else is known: specs may be alike while weights or precision differ."""
    return model.manifest.encoder.spec if model.manifest else f'with the key {model.encoder_key}'
