"""An exported model at work on records."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from preprocess import files, near
from preprocess.failures import RunFailed
from trainer import exported
from trainer.embedded_set import EmbeddedSet
from trainer.exported import Exported
from trainer.metrics import Floats

Pixels: TypeAlias = NDArray[np.uint8]
_BATCH = 4096


@dataclass(frozen=True)
class ExportedModel(Exported):
    """A loaded SavedModel of ours with what its assets say of it."""

    sha256: str  # of saved_model.pb
    score_vectors: Callable[[Floats], Floats]
    score_pixels: Callable[[Pixels], Floats]

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


def load(said: Exported) -> ExportedModel:
    """The graph of a model whose assets were read."""
    directory, labels = said.directory, said.labels
    try:
        sha256 = files.sha256(files.join(directory, 'saved_model.pb'))
        loaded = tf.saved_model.load(near.tree(directory, what='the model'))
        if (classes := loaded.signatures['classify'].structured_outputs['scores'].shape[1]) != len(labels):
            raise ValueError(f'it has {classes} classes, its dict.txt {len(labels)} labels')
    except (OSError, ValueError, KeyError, TypeError, DecodeError, tf.errors.OpError) as error:
        raise exported.not_loadable(directory, error) from error
    return ExportedModel(
        **vars(said),
        sha256=sha256,
        # Through `loaded`, which must live as long as its signatures are called.
        score_vectors=lambda rows: np.asarray(loaded.signatures['classify'](embedding=tf.constant(rows))['scores']),
        score_pixels=lambda rows: np.asarray(loaded.signatures['pixels'](pixels=tf.constant(rows))['scores']),
    )


def check_rows(model: ExportedModel, rows: EmbeddedSet, *, where: str) -> None:
    """Refuse what only the records themselves tell, where there is no manifest."""
    if len(rows):
        exported.check_width(model, rows.vectors.shape[1], where=where)
    top = max((ids[-1] for ids in rows.label_ids if ids), default=0)
    if top >= len(model.labels):
        raise exported.not_for(
            f'they have label ids up to {top}, the model has {len(model.labels)} classes', where=where
        )
    if model.threshold is None and any(len(ids) > 1 for ids in rows.label_ids):
        raise exported.not_for('some have several labels, the model gives one', where=where)
