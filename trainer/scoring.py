"""An exported model at work on records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from preprocess import files, near
from preprocess.failures import RunFailed
from preprocess.progress import Progress
from preprocess.record_sets import RecordSet
from trainer import exported
from trainer.embedded_set import EmbeddedSet
from trainer.exported import Exported
from trainer.forms import Form, Values
from trainer.metrics import Floats
from trainer.reading import OnDisk

Pixels: TypeAlias = NDArray[np.uint8]
_BATCH = 4096
# As float32, which frames become.
_BATCH_BYTES = 64 << 20


@dataclass(frozen=True)
class ExportedModel(Exported):
    """A loaded SavedModel of ours with what its assets say of it."""

    sha256: str  # of saved_model.pb
    score: Callable[[Values], Floats]  # what its head looks at: vectors, frames, or windows of them
    score_pixels: Callable[[Pixels], Floats]  # pictures; or the frames of a clip, which have a row for each window

    def scores(self, rows: EmbeddedSet, found: RecordSet) -> Floats:
        """Scores float32[N, classes] of the rows of a set."""
        batches = [self.score(batch) for batch in self._batches(rows, found)]
        scores = np.concatenate(batches) if batches else np.zeros((0, len(self.labels)), np.float32)
        if not np.isfinite(scores).all():
            raise RunFailed(
                'the model answers with NaN or infinity',
                where=self.directory,
                do='train it again with a smaller learning rate',
            )
        return scores

    def _batches(self, rows: EmbeddedSet, found: RecordSet) -> Iterator[Values]:
        """What the head looks at; frames and windows are too large to be kept, and are read again."""
        if self.windowing is None and not self.looks_at_frames:
            for start in range(0, len(rows), _BATCH):
                yield rows.vectors[start : start + _BATCH]
            return
        if rows.source is None:
            raise ValueError('only a whole set is scored')
        length = rows.source.length
        form = Form(self.vector_shape)
        again = OnDisk(found.shards, tuple(rows.source.sizes), form, rows.source.starts, length)
        size = max(min(_BATCH, _BATCH_BYTES // (4 * form.size * (length or 1))), 1)
        with Progress(f'scoring the {rows.name} set', total=len(rows)) as progress:
            for part, values in again.batches(size):
                yield values
                progress.advance(len(part))


def load(said: Exported) -> ExportedModel:
    """The graph of a model whose assets were read."""
    directory, labels = said.directory, said.labels
    # Of single frames `pixels` is what others call `classify`.
    by = 'pixels' if said.looks_at_frames and said.windowing is None else 'classify'
    argument = 'pixels' if said.looks_at_frames else 'embedding'
    try:
        sha256 = files.sha256(files.join(directory, 'saved_model.pb'))
        loaded = tf.saved_model.load(near.tree(directory, what='the model'))
        if (classes := loaded.signatures[by].structured_outputs['scores'].shape[1]) != len(labels):
            raise ValueError(f'it has {classes} classes, its dict.txt {len(labels)} labels')
    except (OSError, ValueError, KeyError, TypeError, DecodeError, tf.errors.OpError) as error:
        raise exported.not_loadable(directory, error) from error

    def scores(signature: str, argument: str, values: Values) -> Floats:
        # Through `loaded`, which must live as long as its signatures are called.
        return np.asarray(loaded.signatures[signature](**{argument: tf.constant(values)})['scores'])

    return ExportedModel(
        **vars(said),
        sha256=sha256,
        score=lambda values: scores(by, argument, values),
        score_pixels=lambda pixels: scores('pixels', 'pixels', pixels),
    )


def check_rows(model: ExportedModel, rows: EmbeddedSet, *, where: str) -> None:
    """Refuse what only the records themselves tell, where there is no manifest."""
    if len(rows) and not model.looks_at_frames:
        exported.check_width(model, rows.vectors.shape[1], where=where)
    top = max((ids[-1] for ids in rows.label_ids if ids), default=0)
    if top >= len(model.labels):
        raise exported.not_for(
            f'they have label ids up to {top}, the model has {len(model.labels)} classes', where=where
        )
    if model.threshold is None and any(len(ids) > 1 for ids in rows.label_ids):
        raise exported.not_for('some have several labels, the model gives one', where=where)
