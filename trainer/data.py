"""Records -> what a training works on: labels always in memory, embeddings in memory where they fit."""

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import files, near, records
from preprocess.failures import InputError
from preprocess.progress import Progress
from preprocess.record_sets import FoundShard, RecordSet
from preprocess.records import RecordError
from trainer.classes import Classes
from trainer.inputs import empty

_log = logging.getLogger(__name__)
Ints: TypeAlias = NDArray[np.int64]

# Large enough that parsing isn't felt, small enough that a batch of long vectors is a few megabytes.
_READ_BATCH = 512
_BUFFER_BYTES = 8 << 20
# Of the memory there is now; reading needs for a moment twice what stays.
_MEMORY_SHARE = 0.4
# Vectors with many zeros pack to less than half.
_UNPACKED = 2.5
_READERS = 4
# By words of TensorFlow's errors.
_DAMAGES = {
    'inflate() failed': 'its compressed data can not be unpacked',
    'corrupted record': 'a record fails its checksum',
    'truncated record': 'it ends in the middle of a record',
}


@dataclass(frozen=True, eq=False)
class Batch:
    """Some records in the order of their file; `label_counts` says how many of `label_ids` each has."""

    uris: tf.Tensor
    embeddings: tf.Tensor  # None where only labels were asked for
    label_ids: Ints
    label_counts: Ints


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """A set of records; row i of everything is record i, `rows` are those in use."""

    name: str
    shards: tuple[FoundShard, ...]
    vector_size: int
    label_ids: Ints  # of all records, one after the other
    label_counts: Ints  # how many of them each record has
    embeddings: tf.Tensor | None  # float32[all records, vector_size]; None: read from the shards each time
    shard_sizes: tuple[int, ...]
    targets: tf.Tensor  # int32[all records], or uint8[all records, classes] with several labels
    rows: Ints
    classes: Classes

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def unlabelled(self) -> int:
        """How many records have no label."""
        return int(np.count_nonzero(self.label_counts == 0))

    def counts(self) -> Ints:
        """How many of the rows in use are of each class."""
        targets = self.targets.numpy()[self.rows]
        if self.classes.multi_label:
            return targets.sum(axis=0, dtype=np.int64)  # type: ignore[no-any-return]  # a TensorFlow array
        return np.bincount(targets, minlength=len(self.classes))

    def batches(self, size: int) -> Iterator[tuple[int, tf.Tensor]]:
        """The embeddings of all records in order, with the number of the first, `size` at a time."""
        if self.embeddings is None:
            at = 0
            for shard in self.shards:
                for batch in read_shard(shard, self.vector_size):
                    yield at, batch.embeddings
                    at += len(batch.label_counts)
            return
        for at in range(0, len(self.label_counts), size):
            yield at, self.embeddings[at : at + size]

    def used(self, start: int, stop: int) -> Ints:
        """Those of the records start..stop-1 that are in use."""
        return between(self.rows, start, stop)

    def not_finite(self) -> str | None:
        """The first shard with an embedding in use that holds NaN or infinity."""
        ends = np.cumsum(self.shard_sizes)
        for start, embeddings in self.batches(_READ_BATCH):
            wrong = np.flatnonzero(~np.isfinite(embeddings.numpy()).all(axis=1)) + start
            if len(wrong := np.intersect1d(wrong, self.rows)):
                return self.shards[int(np.searchsorted(ends, wrong[0], side='right'))].path
        return None

    def uris(self) -> list[str]:
        """Where the picture of every record is."""
        batches = (batch for shard in self.shards for batch in read_shard(shard, self.vector_size, vectors=False))
        return [uri.decode('utf-8', 'surrogateescape') for batch in batches for uri in batch.uris.numpy()]


@dataclass(frozen=True, eq=False)
class Raw:
    """A set as it was read, before it is known which classes there are."""

    name: str
    found: RecordSet
    vector_size: int
    label_ids: Ints
    label_counts: Ints
    embeddings: tf.Tensor  # None where only labels were asked for
    shard_sizes: tuple[int, ...]

    def largest_id(self) -> int:
        """The largest label id; -1 when no record has a label."""
        return int(self.label_ids.max(initial=-1))


def read(name: str, found: RecordSet, *, stream: bool = False) -> Raw:
    """Read a set once: all its labels, and its embeddings unless they are to be streamed or don't fit in memory."""
    width = found.vector_size or _width(name, found)
    if width is None:
        raise empty(name, found)
    keep = not stream and fits_in_memory(_bytes(found, width))
    near.bring(found.paths, what=f'the {name} records')
    with Progress(f'reading the {name} records', total=found.records, unit='records') as progress:

        def content(shard: FoundShard) -> list[Batch]:
            batches = []
            for batch in read_shard(shard, width, vectors=keep):
                progress.advance(len(batch.label_counts))
                batches.append(batch)
            return batches

        with ThreadPoolExecutor(_READERS) as pool:
            by_shard = list(pool.map(content, found.shards))
    batches = [batch for shard in by_shard for batch in shard]
    if not batches:
        raise empty(name, found)
    with tf.device('CPU:0'):  # a GPU needs its memory for the steps
        embeddings = tf.concat([batch.embeddings for batch in batches], axis=0) if keep else None
    return Raw(
        name,
        found,
        width,
        label_ids=np.concatenate([batch.label_ids for batch in batches]),
        label_counts=np.concatenate([batch.label_counts for batch in batches]),
        embeddings=embeddings,
        shard_sizes=tuple(sum(len(batch.label_counts) for batch in shard) for shard in by_shard),
    )


def examples(raw: Raw, classes: Classes) -> ExampleSet:
    """The set as examples of these classes; records without a label are left out unless they are a class."""
    _check_ids(raw, classes)
    targets = _targets(raw, classes)
    labelled = np.flatnonzero(raw.label_counts)
    rows = np.arange(len(raw.label_counts)) if classes.unlabelled else labelled
    if not len(rows):
        raise empty(f'labelled {raw.name}', raw.found)
    return ExampleSet(
        raw.name,
        raw.found.shards,
        raw.vector_size,
        raw.label_ids,
        raw.label_counts,
        raw.embeddings,
        raw.shard_sizes,
        tf.constant(targets),
        rows,
        classes,
    )


def spread_over_classes(examples: ExampleSet, limit: int, seed: int) -> ExampleSet:
    """At most `limit` rows, drawn by the seed, as many of each class as there are or as are due."""
    if len(examples) <= limit:
        return examples
    order = np.random.default_rng(seed).permutation(examples.rows)
    starts = np.cumsum(examples.label_counts) - examples.label_counts
    # By its first label a record stands for one class; those without stand for one of their own.
    padded = np.append(examples.label_ids, -1)
    first = np.where(examples.label_counts > 0, padded[np.minimum(starts, len(padded) - 1)], -1)[order]
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


def read_shard(shard: FoundShard, width: int, *, vectors: bool = True) -> Iterator[Batch]:
    """The records of one file in batches; RecordError names the file that is torn, corrupt or of another kind."""
    features = _features(width if vectors else None)
    count = 0
    try:
        path = near.file(near.if_brought(shard.path))
        with files.open_read(path) as opened:
            packed = opened.read(2) == b'\x1f\x8b'
        lines = tf.data.TFRecordDataset(path, 'GZIP' if packed else '', _BUFFER_BYTES)
        for serialised in lines.batch(_READ_BATCH).prefetch(1):
            # Not by map(): tracing a function costs more than a small shard.
            batch = _batch(tf.io.parse_example(serialised, features))
            count += len(batch.label_counts)
            yield batch
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError) as error:
        _log.info('%s: %s', shard.path, error)
        raise RecordError(f'the file is torn or corrupt{_damage(error)}', where=shard.path) from None
    except tf.errors.InvalidArgumentError as error:
        _log.info('%s: %s', shard.path, error)
        raise RecordError(
            f'not records with embeddings of {width} numbers',
            where=shard.path,
            do='make all records with one encoder',
        ) from None
    except OSError as error:
        raise InputError(
            f'the records can not be read: {error.strerror or error}', where=shard.path, do='mend its permissions'
        ) from error
    if shard.records is not None and count != shard.records:
        raise RecordError(f'it holds {count} records where its manifest lists {shard.records}', where=shard.path)


def between(rows: Ints, start: int, stop: int) -> Ints:
    """Those of the ascending `rows` that are start..stop-1."""
    first, last = np.searchsorted(rows, (start, stop))
    return rows[first:last]


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


def _bytes(found: RecordSet, width: int) -> int:
    if found.records is not None:
        return found.records * width * 4
    return int(sum(files.stat(path).size for path in found.paths) * _UNPACKED)


def _width(name: str, found: RecordSet) -> int | None:
    """How long the first embedding is; None when there is no record."""
    for path in found.paths:
        for record in records.read(path):
            return len(record.vector)
    return None


def _features(width: int | None) -> dict[str, tf.io.FixedLenFeature | tf.io.RaggedFeature]:
    features = {
        'image_uri': tf.io.FixedLenFeature([], tf.string, default_value=''),
        'label': tf.io.RaggedFeature(tf.int64),
    }
    if width is not None:
        features['embedding'] = tf.io.FixedLenFeature([width], tf.float32)
    return features


def _batch(parsed: dict[str, tf.Tensor]) -> Batch:
    labels = parsed['label']
    return Batch(
        parsed['image_uri'],
        parsed.get('embedding'),
        labels.values.numpy(),
        labels.row_lengths().numpy().astype(np.int64),
    )


def _check_ids(raw: Raw, classes: Classes) -> None:
    several = raw.label_counts > 1
    if several.any() and not classes.multi_label:
        row = int(np.argmax(several))
        raise InputError(
            f'{int(several.sum())} of the records have several labels',
            where=_shard_of(raw, row),
            do='add --multi_label, or make the records again with one label each',
        )
    wrong = (raw.label_ids < 0) | (raw.label_ids >= classes.labels)
    if wrong.any():
        row = int(np.repeat(np.arange(len(raw.label_counts)), raw.label_counts)[np.argmax(wrong)])
        raise InputError(
            f'label id {raw.label_ids[np.argmax(wrong)]} where there are {classes.labels} labels (from 0)',
            where=_shard_of(raw, row),
            do='give the dictionary the records were made with, or the right --label_count',
        )


def _shard_of(raw: Raw, row: int) -> str:
    shard = int(np.searchsorted(np.cumsum(raw.shard_sizes), row, side='right'))
    return raw.found.shards[shard].path


def _targets(raw: Raw, classes: Classes) -> NDArray[np.int32] | NDArray[np.uint8]:
    owners = np.repeat(np.arange(len(raw.label_counts)), raw.label_counts)
    unlabelled = np.flatnonzero(raw.label_counts == 0)
    last = len(classes) - 1
    if classes.multi_label:
        matrix = np.zeros((len(raw.label_counts), len(classes)), np.uint8)
        matrix[owners, raw.label_ids] = 1
        matrix[unlabelled, last] = classes.unlabelled
        return matrix
    # Records without a label that aren't in use get some class: they are never looked at.
    single = np.full(len(raw.label_counts), last, np.int32)
    single[owners] = raw.label_ids
    return single


def _damage(error: tf.errors.OpError) -> str:
    """What TensorFlow's sentence, which goes to the log, means to somebody who has a damaged file."""
    return next((f' ({plain})' for word, plain in _DAMAGES.items() if word in error.message), '')


def label_texts(examples: ExampleSet, names: Sequence[str]) -> list[str]:
    """The labels of every record as a cell holds them: joined by |, empty without one."""
    ends = np.cumsum(examples.label_counts)
    ids = examples.label_ids.tolist()
    return [
        '|'.join(names[label] for label in sorted(ids[end - count : end]))
        for end, count in zip(ends.tolist(), examples.label_counts.tolist(), strict=True)
    ]
