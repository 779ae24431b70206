"""An exported model at work on records: loaded with what its assets say, and held against the records' manifests."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from preprocess import files
from preprocess.failures import InputError, RunFailed
from preprocess.labels import Labels
from preprocess.manifest import Manifest, RecordSet
from trainer.embedded_set import EmbeddedSet
from trainer.metrics import Floats

Pixels: TypeAlias = NDArray[np.uint8]
# The name of the extra class of --unlabelled_class.
_UNLABELLED = 'unlabelled'
_BATCH = 4096
_LONGEST_LIST = 5


@dataclass(frozen=True)
class ExportedModel:
    """A loaded SavedModel of ours and what its assets say of it."""

    directory: str
    sha256: str  # of saved_model.pb
    labels: tuple[str, ...]  # one for each class
    threshold: float | None  # the score from which a label holds; None where each picture has one label
    vector_size: int
    encoder_key: str | None  # of the encoder its training records came from
    manifest: Manifest | None  # of its training records
    picture_shape: tuple[int, int, int] | None  # None for a model without its encoder
    score_vectors: Callable[[Floats], Floats]
    score_pixels: Callable[[Pixels], Floats]

    @property
    def record_labels(self) -> tuple[str, ...]:
        """The labels of the records it was trained on: without the class of those that have none."""
        if self.manifest:
            return self.manifest.labels
        return self.labels[:-1] if self.labels[-1] == _UNLABELLED else self.labels

    @property
    def unlabelled_class(self) -> int | None:
        """The class of records without a label, where the model has one."""
        return len(self.record_labels) if len(self.labels) > len(self.record_labels) else None

    def scores(self, vectors: Floats) -> Floats:
        """Scores float32[N, classes] of vectors float32[N, D]."""
        starts = range(0, len(vectors), _BATCH)
        batches = [self.score_vectors(vectors[start : start + _BATCH]) for start in starts]
        scores = np.concatenate(batches) if batches else np.zeros((0, len(self.labels)), np.float32)
        if not np.isfinite(scores).all():
            raise RunFailed(
                'the model answers with NaN or infinity',
                where=self.directory,
                do='train it again with a smaller learning rate',
            )
        return scores


def load(directory: str) -> ExportedModel:
    """The model in a directory that training or export left behind."""
    try:
        sha256 = files.sha256(files.join(directory, 'saved_model.pb'))
        about = json.loads(files.read_text(_asset(directory, 'model.json')))
        loaded = tf.saved_model.load(directory)
        manifest = _manifest(directory)
        encoder, shape = about['encoder'], about['input_shape']
        labels = Labels.read(_asset(directory, 'dict.txt')).names
        if (classes := loaded.signatures['classify'].structured_outputs['scores'].shape[1]) != len(labels):
            raise ValueError(f'it has {classes} classes, its dict.txt {len(labels)} labels')
        return ExportedModel(
            directory=directory,
            sha256=sha256,
            labels=labels,
            threshold=float(about['threshold']) if about['multi_label'] else None,
            vector_size=int(about['vector_size']),
            encoder_key=manifest.encoder.key if manifest else encoder['key'] if encoder else None,
            manifest=manifest,
            picture_shape=cast('tuple[int, int, int]', tuple(shape)) if shape else None,
            # Through `loaded`, which must live as long as its signatures are called.
            score_vectors=lambda rows: np.asarray(loaded.signatures['classify'](embedding=tf.constant(rows))['scores']),
            score_pixels=lambda rows: np.asarray(loaded.signatures['pixels'](pixels=tf.constant(rows))['scores']),
        )
    except (OSError, ValueError, KeyError, TypeError, DecodeError, tf.errors.OpError) as error:
        raise InputError(
            f'no model of ours can be loaded: {_first_line(error)}',
            where=directory,
            do='give the folder that trainer.task or trainer.export wrote (saved_model.pb lies in it)',
        ) from error


def check(model: ExportedModel, found: RecordSet) -> None:
    """Refuse records whose manifests say that they are not of the model's kind."""
    if not found.manifests:
        return
    theirs = found.manifests[0]
    differences = [
        (theirs.labels == model.record_labels, 'labels', _listed(theirs.labels), _listed(model.record_labels)),
        (model.encoder_key in (None, theirs.encoder.key), 'encoder', theirs.encoder.spec, _encoder_of(model)),
        (theirs.vector_size == model.vector_size, 'vector size', theirs.vector_size, model.vector_size),
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


def check_rows(model: ExportedModel, rows: EmbeddedSet, *, where: str) -> None:
    """Refuse what only the records themselves tell, where there is no manifest."""
    top = max((ids[-1] for ids in rows.label_ids if ids), default=0)
    several = model.threshold is None and any(len(ids) > 1 for ids in rows.label_ids)
    if len(rows) and rows.vectors.shape[1] != model.vector_size:
        what = f'they have vectors of {rows.vectors.shape[1]} numbers, the model takes {model.vector_size}'
    elif top >= len(model.labels):
        what = f'they have label ids up to {top}, the model has {len(model.labels)} classes'
    elif several:
        what = 'some have several labels, the model gives one'
    else:
        return
    raise InputError(
        f'these are not records for this model: {what}',
        where=where,
        do='give records made with the dictionary, encoder and flags of the model',
    )


def _manifest(directory: str) -> Manifest | None:
    path = _asset(directory, 'manifest.json')
    return Manifest.read(path) if files.exists(path) else None


def _asset(directory: str, name: str) -> str:
    return files.join(directory, 'assets', name)


def _listed(labels: tuple[str, ...]) -> str:
    more = f', … ({len(labels)} in all)' if len(labels) > _LONGEST_LIST else ''
    return ', '.join(labels[:_LONGEST_LIST]) + more


def _encoder_of(model: ExportedModel) -> str:
    """The spec, or its key where nothing else is known: specs may be alike while weights or precision differ."""
    return model.manifest.encoder.spec if model.manifest else f'with the key {model.encoder_key}'


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
