"""The order of a training whose records don't fit in memory: shards shuffled, and rows within windows of them."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.batches import Ints, Order, Work
from trainer.data import ExampleSet, between, read_shard

# How much is shuffled at a time; about four windows are in memory at once.
WINDOW_BYTES = 256 << 20
# How much one call of the compiled step is given.
_CALL_BYTES = 64 << 20
# The part of an epoch's chance that orders its shards; windows count from 0.
_OF_SHARDS = 1 << 32


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some rows, by number, with their embeddings."""

    rows: Ints
    embeddings: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice | Ints) -> '_Piece':
        return _Piece(self.rows[part], self.embeddings[part])

    @classmethod
    def joined(cls, parts: list['_Piece']) -> '_Piece':
        if len(parts) == 1:
            return parts[0]
        return cls(np.concatenate([part.rows for part in parts]), np.concatenate([part.embeddings for part in parts]))


class Streamed:
    """Batches read from the shards as training goes, the next window while the last one is learnt from."""

    def __init__(self, examples: ExampleSet, batch_size: int, seed: int) -> None:
        self._targets = examples.targets
        self._windows = _Windows(examples, Order(len(examples), seed))
        self._batch_size = batch_size
        self._steps_a_call = max(_CALL_BYTES // (4 * examples.vector_size * batch_size), 1)
        self._rows = _Exactly(iter(()))
        self._next_step = -1

    def steps(self, first: int, last: int) -> Iterator[Work]:
        """As many at a time as fit a call."""
        if first != self._next_step:
            self._rows = _Exactly(_ahead(self._windows.since(first * self._batch_size)))
        self._next_step = last
        for step in range(first, last, self._steps_a_call):
            count = min(self._steps_a_call, last - step)
            taken = self._rows.take(count * self._batch_size)
            indices = np.arange(len(taken), dtype=np.int32).reshape(count, self._batch_size)
            yield Work(tf.constant(taken.embeddings), tf.gather(self._targets, taken.rows), indices)


class _Windows:
    """The rows in use of a set, shuffled within windows of consecutive ones."""

    def __init__(self, examples: ExampleSet, order: Order) -> None:
        self._examples = examples
        self._order = order
        self._size = max(WINDOW_BYTES // (4 * examples.vector_size), 1)
        self._starts = np.cumsum((0, *examples.shard_sizes))
        self._rows_of = [
            between(examples.rows, start, stop) for start, stop in zip(self._starts[:-1], self._starts[1:], strict=True)
        ]

    def since(self, position: int) -> Iterator[_Piece]:
        """What comes from a position of the training on, for ever."""
        epoch, at = divmod(position, self._order.rows)
        while True:
            for number, window in enumerate(self._of_epoch(epoch, at // self._size), at // self._size):
                shuffled = window[self._order.shuffled(epoch, len(window), part=number)]
                yield shuffled[max(at - number * self._size, 0) :]
            epoch, at = epoch + 1, 0

    def _of_epoch(self, epoch: int, skipped: int) -> Iterator[_Piece]:
        """The windows of one epoch in order, without the first `skipped`."""
        waiting: list[_Piece] = []
        for part in self._parts(epoch, skipped * self._size):
            waiting.append(part)
            if sum(map(len, waiting)) >= self._size:
                whole = _Piece.joined(waiting)
                full = len(whole) - len(whole) % self._size
                yield from (whole[at : at + self._size] for at in range(0, full, self._size))
                waiting = [whole[full:]]
        if sum(map(len, waiting)):
            yield _Piece.joined(waiting)

    def _parts(self, epoch: int, skipped: int) -> Iterator[_Piece]:
        """The rows of one epoch, shard by shard, without the first `skipped`."""
        for shard in self._order.shuffled(epoch, len(self._rows_of), part=_OF_SHARDS):
            wanted = self._rows_of[shard]
            if skipped < len(wanted):
                yield from self._of_shard(int(shard), wanted[skipped:])
            skipped = max(skipped - len(wanted), 0)

    def _of_shard(self, shard: int, wanted: Ints) -> Iterator[_Piece]:
        at = int(self._starts[shard])
        for batch in read_shard(self._examples.shards[shard], self._examples.vector_size):
            end = at + len(batch.label_counts)
            rows = between(wanted, at, end)
            yield _Piece(rows, batch.embeddings.numpy()[rows - at])
            at = end


class _Exactly:
    """Pieces of any size, taken in pieces of the size wanted."""

    def __init__(self, pieces: Iterator[_Piece]) -> None:
        self._pieces = pieces
        self._waiting: list[_Piece] = []

    def take(self, count: int) -> _Piece:
        while sum(map(len, self._waiting)) < count:
            self._waiting.append(next(self._pieces))
        whole = _Piece.joined(self._waiting)
        self._waiting = [whole[count:]]
        return whole[:count]


def _ahead(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    """The same pieces, the next one made by a thread while this one is used."""
    made: queue.Queue[_Piece | Exception] = queue.Queue(maxsize=1)
    over = threading.Event()

    def put(piece: _Piece | Exception) -> None:
        while not over.is_set():
            try:
                made.put(piece, timeout=1)
                return
            except queue.Full:
                continue

    def make() -> None:
        try:
            while not over.is_set():
                put(next(pieces))
        except Exception as error:  # whatever it is, the one who waits for the piece raises it
            put(error)

    threading.Thread(target=make, name='reading ahead', daemon=True).start()
    try:
        while True:
            piece = made.get()
            if isinstance(piece, Exception):
                raise piece
            yield piece
    finally:
        over.set()
