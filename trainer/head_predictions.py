"""What a head says of records, without the model it goes into: the rows of predictions.csv."""

from collections.abc import Iterator, Sequence

import numpy as np

from trainer import heads, predictions, reading
from trainer.data import ExampleSet
from trainer.heads import TrainedHead
from trainer.moments import Moments
from trainer.predictions import Predictions

_BATCH = 4096


def of_head(head: TrainedHead, examples: ExampleSet, *, threshold: float | None) -> Predictions:
    """Predictions of every example of a set, also of those without a label or not in use."""
    whole = examples.whole()
    names = examples.classes.names
    size = heads.batch_within(head.spec, _BATCH)
    scores = np.concatenate([head.scores(values) for _, values in whole.batches(size)])
    uris, moments = _places(whole)
    return Predictions(
        uris,
        tuple(_label_texts(whole, names)),
        predictions.answers(scores, names, threshold=threshold),
        scores,
        names,
        moments,
    )


def _places(examples: ExampleSet) -> tuple[tuple[str, ...], Moments | None]:
    """Where each example in use is: the picture, or the frame a window speaks for."""
    uris: list[str] = []
    rows: list[tuple[str, int, float]] = []
    is_footage = examples.windowing is not None or any(one.sampling for one in examples.found.manifests)
    for shard in examples.shards:
        for batch in reading.read_shard(shard, examples.form, values=False, places=is_footage):
            uris += _texts(batch.uris.numpy())
            if batch.places:
                numbers = batch.places.frames.tolist(), batch.places.times.tolist()
                rows += zip(_texts(batch.places.videos.numpy()), *numbers, strict=True)
    speakers, moments = examples.rows, Moments.of(rows)
    if examples.windowing is not None:
        speakers = examples.rows + examples.windowing.spoken
        moments = moments.of_windows(examples.rows, examples.windowing) if moments else None
    elif moments is not None:
        moments = moments.taken(examples.rows)
    return tuple(uris[row] for row in speakers), moments


def _texts(found: Sequence[bytes]) -> Iterator[str]:
    return (text.decode('utf-8', 'surrogateescape') for text in found)


def _label_texts(examples: ExampleSet, names: Sequence[str]) -> Iterator[str]:
    """The labels of each example in use as a cell holds them: joined by |, empty without one."""
    ends = np.cumsum(examples.labels.counts)
    ids = examples.labels.ids.tolist()
    for end, count in zip(ends[examples.rows].tolist(), examples.labels.counts[examples.rows].tolist(), strict=True):
        yield '|'.join(names[label] for label in sorted(ids[end - count : end]))
