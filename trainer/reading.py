"""Shards of records in batches, parsed by TensorFlow, and the examples in them gathered piece by piece."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import records
from preprocess.failures import InputError
from preprocess.record_sets import FoundShard
from preprocess.records import RecordError
from trainer.forms import Form, Values
from trainer.windows import Ints

_log = logging.getLogger(__name__)
# Large enough that parsing isn't felt, small enough that a batch of long vectors or of frames is a few megabytes.
READ_BATCH = 512
_READ_BYTES = 16 << 20


@dataclass(frozen=True, eq=False)
class Places:
    """Where frames of footage stand: their recordings (empty: of none), numbers, times and steps."""

    videos: tf.Tensor
    frames: Ints
    times: NDArray[np.float32]
    steps: Ints


@dataclass(frozen=True, eq=False)
class Batch:
    """Some records in the order of their file; `label_counts` says how many of `label_ids` each has."""

    uris: tf.Tensor
    values: tf.Tensor  # vectors or frames; None where only labels were asked for
    label_ids: Ints
    label_counts: Ints
    places: Places | None  # where they were asked for


def read_shard(shard: FoundShard, form: Form, *, values: bool = True, places: bool = False) -> Iterator[Batch]:
    """The records of one file in batches; RecordError names the file that is torn, corrupt or of another kind."""
    features = _features(form if values else None, places=places)
    count = 0
    try:
        size = max(min(READ_BATCH, _READ_BYTES // form.bytes), 1)
        found = records.read_bytes(shard.path)
        while serialised := list(itertools.islice(found, size)):
            batch = _batch(tf.io.parse_example(serialised, features), form)
            count += len(batch.label_counts)
            yield batch
    except tf.errors.InvalidArgumentError as error:
        _log.info('%s: %s', shard.path, error)
        what = 'frames' if form.is_pixels else 'embeddings'
        raise RecordError(
            f'not records with {what} of {form}', where=shard.path, do='make all records with one encoder'
        ) from None
    except OSError as error:
        raise InputError(
            f'the records can not be read: {error.strerror or error}', where=shard.path, do='mend its permissions'
        ) from error
    if shard.records is not None and count != shard.records:
        raise RecordError(f'it holds {count} records where its manifest lists {shard.records}', where=shard.path)


def _features(form: Form | None, *, places: bool) -> dict[str, tf.io.FixedLenFeature | tf.io.RaggedFeature]:
    features = {
        'image_uri': tf.io.FixedLenFeature([], tf.string, default_value=''),
        'label': tf.io.RaggedFeature(tf.int64),
    }
    if form is not None and form.is_pixels:
        features['pixels'] = tf.io.FixedLenFeature([], tf.string)
    elif form is not None:
        features['embedding'] = tf.io.FixedLenFeature(form.shape, tf.float32)
    if places:
        features['video'] = tf.io.FixedLenFeature([], tf.string, default_value='')
        features['frame'] = tf.io.FixedLenFeature([], tf.int64, default_value=0)
        features['time'] = tf.io.FixedLenFeature([], tf.float32, default_value=0.0)
        features['step'] = tf.io.FixedLenFeature([], tf.int64, default_value=0)
    return features


def _batch(parsed: dict[str, tf.Tensor], form: Form) -> Batch:
    labels = parsed['label']
    values = parsed.get('embedding')
    if 'pixels' in parsed:
        # Of another length than the shape says, they are refused as InvalidArgumentError.
        values = tf.reshape(tf.io.decode_raw(parsed['pixels'], tf.uint8), [-1, *form.shape])
        tf.debugging.assert_equal(len(values), len(parsed['pixels']))
    places = None
    if 'step' in parsed:
        numbers = (parsed[name].numpy() for name in ('frame', 'time', 'step'))
        places = Places(parsed['video'], *numbers)
    return Batch(
        parsed['image_uri'],
        values,
        labels.values.numpy(),
        labels.row_lengths().numpy().astype(np.int64),
        places,
    )


@dataclass(frozen=True, eq=False)
class Piece:
    """Some examples: number `rows[i]` of the set is made of the records in `values` from `at[i]` on."""

    rows: Ints
    at: Ints
    values: Values

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice | Ints) -> 'Piece':
        return Piece(self.rows[part], self.at[part], self.values)

    def gathered(self, length: int | None) -> Values:
        """What the examples are: records, or windows of so many of them."""
        places = self.at if length is None else self.at[:, None] + np.arange(length)
        return self.values[places]

    def compact(self, length: int | None) -> 'Piece':
        """Without the records that none of its examples needs."""
        steps = np.zeros(len(self.values) + 1, np.int64)
        np.add.at(steps, self.at, 1)
        np.add.at(steps, self.at + (length or 1), -1)
        needed = np.cumsum(steps[:-1]) > 0
        if needed.all():
            return self
        return Piece(self.rows, (np.cumsum(needed) - 1)[self.at], self.values[needed])

    @classmethod
    def joined(cls, parts: Sequence['Piece']) -> 'Piece':
        """All of them in one."""
        if len(parts) == 1:
            return parts[0]
        before = np.cumsum([0, *(len(part.values) for part in parts)])
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.at + start for part, start in zip(parts, before[:-1], strict=True)]),
            np.concatenate([part.values for part in parts]),
        )


def pieces(shard: FoundShard, form: Form, rows: Ints, *, first: int, length: int | None) -> Iterator[Piece]:
    """The examples `rows` (ascending) of a shard whose first record is number `first`, a batch of records at a time.

    Windows of `length` records reach from one batch into the next; None: examples are single records.
    """
    beyond = (length or 1) - 1
    kept: Values | None = None
    begin = first  # the number of the first record in `values`
    for batch in read_shard(shard, form):
        values = batch.values.numpy()
        if kept is not None:
            values = np.concatenate([kept, values])
        end = begin + len(values) - beyond
        wanted, rows = np.split(rows, [np.searchsorted(rows, end)])
        if len(wanted):
            yield Piece(wanted, wanted - begin, values)
        if beyond:
            kept = values[max(len(values) - beyond, 0) :]
            begin += len(values) - len(kept)
        else:
            begin += len(values)


@dataclass(frozen=True, eq=False)
class OnDisk:
    """Examples that are read from their shards each time: records, or windows of `length`, by their first records."""

    shards: tuple[FoundShard, ...]
    sizes: tuple[int, ...]  # of the shards, in records
    form: Form
    rows: Ints  # ascending
    length: int | None

    def by_shard(self) -> Iterator[tuple[FoundShard, int, Ints]]:
        """Each shard with the number of its first record, and those of the rows that begin in it."""
        ends = np.cumsum(self.sizes).tolist()
        for shard, size, end in zip(self.shards, self.sizes, ends, strict=True):
            first, last = np.searchsorted(self.rows, (end - size, end))
            yield shard, end - size, self.rows[first:last]

    def batches(self, size: int) -> Iterator[tuple[Ints, Values]]:
        """The rows in order, `size` at a time or fewer, with what they are."""
        for shard, first, rows in self.by_shard():
            for piece in pieces(shard, self.form, rows, first=first, length=self.length):
                for at in range(0, len(piece), size):
                    part = piece[at : at + size]
                    yield part.rows, part.gathered(self.length)
