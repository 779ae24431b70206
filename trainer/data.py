"""Records -> what a training works on: labels always in memory, vectors or frames in memory where they fit."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import files, near, records
from preprocess.failures import InputError
from preprocess.progress import Progress
from preprocess.record_sets import FoundShard, RecordSet
from trainer import reading, windows
from trainer.classes import Classes
from trainer.forms import Form
from trainer.head_kinds import Windowing
from trainer.inputs import empty
from trainer.reading import READ_BATCH, Batch, OnDisk
from trainer.windows import Ints, RecordLabels, Runs

# Of the memory there is now; reading needs for a moment twice what stays.
_MEMORY_SHARE = 0.4
# Vectors with many zeros pack to less than half.
_UNPACKED = 2.5
_READERS = 4


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """A set of records; row i of everything is the example that begins with record i: the record itself, or the window
    from it on. `starts` are the examples there are, `rows` those in use."""

    name: str
    found: RecordSet
    form: Form
    windowing: Windowing | None  # None: examples are single records
    labels: RecordLabels  # of examples
    values: tf.Tensor | None  # [all records, *form.shape]; None: read from the shards each time
    shard_sizes: tuple[int, ...]
    targets: tf.Tensor  # int32[all records], or uint8[all records, classes] with several labels
    starts: Ints
    rows: Ints
    classes: Classes

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shards(self) -> tuple[FoundShard, ...]:
        """Its files."""
        return self.found.shards

    @property
    def length(self) -> int | None:
        """How many records a window has; None where examples are records."""
        return self.windowing.length if self.windowing else None

    @property
    def unlabelled(self) -> int:
        """How many examples have no label."""
        return int(np.count_nonzero(self.labels.counts[self.starts] == 0))

    def counts(self) -> Ints:
        """How many of the rows in use are of each class."""
        targets = self.targets.numpy()[self.rows]
        if self.classes.multi_label:
            return targets.sum(axis=0, dtype=np.int64)  # type: ignore[no-any-return]  # a TensorFlow array
        return np.bincount(targets, minlength=len(self.classes))

    def whole(self) -> 'ExampleSet':
        """The same set with every example in use, also those without a label."""
        return replace(self, rows=self.starts)

    def batches(self, size: int) -> Iterator[tuple[Ints, tf.Tensor]]:
        """The rows in use in order, `size` at a time or fewer, with what they are: records, or windows of them."""
        if self.values is None:
            yield from ((rows, tf.constant(values)) for rows, values in self.on_disk.batches(size))
            return
        for at in range(0, len(self.rows), size):
            rows = self.rows[at : at + size]
            with tf.device('CPU:0'):
                if self.length is not None:
                    values = tf.gather(self.values, rows[:, None] + np.arange(self.length))
                elif rows[-1] - rows[0] == len(rows) - 1:
                    values = self.values[rows[0] : rows[-1] + 1]
                else:
                    values = tf.gather(self.values, rows)
            yield rows, values

    @property
    def on_disk(self) -> OnDisk:
        """The rows in use as they are read from their shards."""
        return OnDisk(self.shards, self.shard_sizes, self.form, self.rows, self.length)

    def not_finite(self) -> str | None:
        """The first shard with a vector in use that holds NaN or infinity."""
        ends = np.cumsum(self.shard_sizes)
        for rows, values in self.batches(READ_BATCH) if not self.form.is_pixels else ():
            wrong = ~np.isfinite(values.numpy()).reshape(len(rows), -1).all(axis=1)
            if wrong.any():
                return self.shards[int(np.searchsorted(ends, rows[np.argmax(wrong)], side='right'))].path
        return None


@dataclass(frozen=True, eq=False)
class Raw:
    """A set as it was read, before it is known which classes there are."""

    name: str
    found: RecordSet
    form: Form
    windowing: Windowing | None
    labels: RecordLabels  # of records
    values: tf.Tensor  # None where only labels were asked for
    shard_sizes: tuple[int, ...]
    runs: Runs | None  # where windows are wanted

    def largest_id(self) -> int:
        """The largest label id; -1 when no record has a label."""
        return int(self.labels.ids.max(initial=-1))

    def starts(self) -> Ints:
        """The records that examples begin with; InputError when no run of frames is long enough for a window."""
        if self.windowing is None or self.runs is None:
            return np.arange(len(self.labels.counts))
        starts = self.runs.windows(self.windowing)
        if not len(starts):
            raise self.runs.too_short(self.windowing, name=self.name, where=self.found.paths[0])
        return starts


def read(name: str, found: RecordSet, *, stream: bool = False, windowing: Windowing | None = None) -> Raw:
    """Read a set once: all its labels, and what its records hold unless that is to be streamed or too much to keep."""
    form = form_of(name, found)
    keep = not stream and fits_in_memory(_bytes(found, form))
    near.bring(found.paths, what=f'the {name} records')
    with Progress(f'reading the {name} records', total=found.records, unit='records') as progress:

        def content(shard: FoundShard) -> list[Batch]:
            batches = []
            for batch in reading.read_shard(shard, form, values=keep, places=windowing is not None):
                progress.advance(len(batch.label_counts))
                batches.append(batch)
            return batches

        with ThreadPoolExecutor(_READERS) as pool:
            by_shard = list(pool.map(content, found.shards))
    batches = [batch for shard in by_shard for batch in shard]
    if not batches:
        raise empty(name, found)
    with tf.device('CPU:0'):  # a GPU needs its memory for the steps
        values = tf.concat([batch.values for batch in batches], axis=0) if keep else None
    shard_sizes = tuple(sum(len(batch.label_counts) for batch in shard) for shard in by_shard)
    return Raw(
        name,
        found,
        form,
        windowing,
        RecordLabels(
            np.concatenate([batch.label_ids for batch in batches]),
            np.concatenate([batch.label_counts for batch in batches]),
        ),
        values,
        shard_sizes,
        _runs(batches, shard_sizes) if windowing else None,
    )


def form_of(name: str, found: RecordSet) -> Form:
    """What the records hold, by their manifest, else by the first of them."""
    if found.vector_shape is not None:
        return Form(found.vector_shape)
    for path in found.paths:
        for record in records.read(path):
            if record.embedding is None:
                raise InputError(
                    'these records hold pixels, and without a manifest nothing tells the shape of their frames',
                    where=path,
                    do='name them by their PREFIX, with their manifest beside them',
                )
            return Form(record.embedding.shape)
    raise empty(name, found)


def examples(raw: Raw, classes: Classes) -> ExampleSet:
    """The set as examples of these classes; what has no label is left out unless that is a class."""
    _check_ids(raw, classes)
    starts, labels = raw.starts(), raw.labels
    if raw.windowing is not None:
        labels = windows.labels(labels, starts, raw.windowing, multi_label=classes.multi_label)
    rows = starts if classes.unlabelled else starts[labels.counts[starts] > 0]
    if not len(rows):
        raise empty(f'labelled {raw.name}', raw.found)
    return ExampleSet(
        raw.name,
        raw.found,
        raw.form,
        raw.windowing,
        labels,
        raw.values,
        raw.shard_sizes,
        tf.constant(_targets(labels, classes)),
        starts,
        rows,
        classes,
    )


def spread_over_classes(examples: ExampleSet, limit: int, seed: int) -> ExampleSet:
    """At most `limit` rows, drawn by the seed, as many of each class as there are or as are due."""
    if len(examples) <= limit:
        return examples
    order = np.random.default_rng(seed).permutation(examples.rows)
    ids, counts = examples.labels.ids, examples.labels.counts
    starts = np.cumsum(counts) - counts
    # By its first label an example stands for one class; those without stand for one of their own.
    padded = np.append(ids, -1)
    first = np.where(counts > 0, padded[np.minimum(starts, len(padded) - 1)], -1)[order]
    turn = np.empty(len(order), np.int64)
    for label in np.unique(first):
        of_label = np.flatnonzero(first == label)
        turn[of_label] = np.arange(len(of_label))
    # Round by round one of each class, until there are enough.
    chosen = order[np.lexsort((first, turn))[:limit]]
    return replace(examples, rows=np.sort(chosen))


def some(examples: ExampleSet, size: int, seed: int) -> ExampleSet:
    """At most `size` rows, drawn by the seed."""
    if len(examples) <= size:
        return examples
    return replace(examples, rows=np.sort(np.random.default_rng(seed).permutation(examples.rows)[:size]))


def fits_in_memory(size: int) -> bool:
    """Whether embeddings of so many bytes are kept in memory."""
    return size <= _MEMORY_SHARE * _free_memory()


def _free_memory() -> int:
    try:
        with open('/proc/meminfo', encoding='ascii') as meminfo:
            kilobytes = dict(line.split()[:2] for line in meminfo)
        return int(kilobytes['MemAvailable:']) << 10
    except (OSError, KeyError):
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 2


def _bytes(found: RecordSet, form: Form) -> int:
    if found.records is not None:
        return found.records * form.bytes
    return int(sum(files.stat(path).size for path in found.paths) * _UNPACKED)


def _runs(batches: Sequence[Batch], shard_sizes: tuple[int, ...]) -> Runs:
    """The runs of consecutive frames."""
    places = [batch.places for batch in batches if batch.places]
    videos = np.concatenate([place.videos.numpy() for place in places])
    return windows.runs(videos.tolist(), np.concatenate([place.steps for place in places]), shard_sizes)


def _check_ids(raw: Raw, classes: Classes) -> None:
    several = raw.labels.counts > 1
    if several.any() and not classes.multi_label:
        row = int(np.argmax(several))
        raise InputError(
            f'{int(several.sum())} of the records have several labels',
            where=_shard_of(raw, row),
            do='add --multi_label, or make the records again with one label each',
        )
    wrong = (raw.labels.ids < 0) | (raw.labels.ids >= classes.labels)
    if wrong.any():
        row = int(raw.labels.owners[np.argmax(wrong)])
        raise InputError(
            f'label id {raw.labels.ids[np.argmax(wrong)]} where there are {classes.labels} labels (from 0)',
            where=_shard_of(raw, row),
            do='give the dictionary the records were made with, or the right --label_count',
        )


def _shard_of(raw: Raw, row: int) -> str:
    shard = int(np.searchsorted(np.cumsum(raw.shard_sizes), row, side='right'))
    return raw.found.shards[shard].path


def _targets(labels: RecordLabels, classes: Classes) -> NDArray[np.int32] | NDArray[np.uint8]:
    owners = labels.owners
    unlabelled = np.flatnonzero(labels.counts == 0)
    last = len(classes) - 1
    if classes.multi_label:
        matrix = np.zeros((len(labels.counts), len(classes)), np.uint8)
        matrix[owners, labels.ids] = 1
        matrix[unlabelled, last] = classes.unlabelled
        return matrix
    # What has no label and isn't in use gets some class: it is never looked at.
    single = np.full(len(labels.counts), last, np.int32)
    single[owners] = labels.ids
    return single
