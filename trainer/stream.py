"""The order of a training whose records don't fit in memory: shards shuffled, and rows within blocks of them."""

import queue
import threading
from collections.abc import Iterator
from typing import cast

import numpy as np
import tensorflow as tf

from trainer.batches import Order, Work
from trainer.data import ExampleSet
from trainer.forms import Values
from trainer.reading import Piece, pieces
from trainer.windows import Ints

# How much is shuffled at a time; about four blocks are in memory at once.
BLOCK_BYTES = 256 << 20
# How much one call of the compiled step is given.
_CALL_BYTES = 64 << 20
# The part of an epoch's chance that orders its shards; blocks count from 0.
_OF_SHARDS = 1 << 32


class Streamed:
    """Batches read from the shards as training goes, the next block while the last one is learnt from."""

    def __init__(self, examples: ExampleSet, batch_size: int, seed: int) -> None:
        self._targets = examples.targets
        self._length = examples.length
        self._blocks = _Blocks(examples, Order(len(examples), seed))
        self._batch_size = batch_size
        example_bytes = examples.form.bytes * (self._length or 1)
        self._steps_a_call = max(_CALL_BYTES // (example_bytes * batch_size), 1)
        self._waiting = _Exactly(iter(()), self._length)
        self._next_step = -1

    def steps(self, first: int, last: int) -> Iterator[Work]:
        """As many at a time as fit a call."""
        if first != self._next_step:
            self._waiting = _Exactly(_ahead(self._blocks.since(first * self._batch_size)), self._length)
        self._next_step = last
        for step in range(first, last, self._steps_a_call):
            yield self._work(min(self._steps_a_call, last - step))

    def _work(self, count: int) -> Work:
        rows, values = self._waiting.take(count * self._batch_size)
        targets = tf.gather(self._targets, rows)
        shape: tuple[int, ...] = (count, self._batch_size)
        if self._length is not None:
            # Each window has records of its own here, and a target beside the first of them.
            values = values.reshape(-1, *values.shape[2:])
            targets = tf.repeat(targets, self._length, axis=0)
            shape = (*shape, self._length)
        return Work(tf.constant(values), targets, np.arange(len(values), dtype=np.int32).reshape(shape))


class _Blocks:
    """The rows in use of a set, shuffled within blocks of consecutive ones."""

    def __init__(self, examples: ExampleSet, order: Order) -> None:
        self._examples = examples
        self._order = order
        self._size = max(BLOCK_BYTES // (examples.form.bytes * _records_an_example(examples)), 1)
        self._shards = list(examples.on_disk.by_shard())

    def since(self, position: int) -> Iterator[Piece]:
        """What comes from a position of the training on, for ever."""
        epoch, at = divmod(position, self._order.rows)
        while True:
            for number, block in enumerate(self._of_epoch(epoch, at // self._size), at // self._size):
                shuffled = block[self._order.shuffled(epoch, len(block), part=number)]
                yield shuffled[max(at - number * self._size, 0) :]
            epoch, at = epoch + 1, 0

    def _of_epoch(self, epoch: int, skipped: int) -> Iterator[Piece]:
        """The blocks of one epoch in order, without the first `skipped`."""
        waiting: list[Piece] = []
        for part in self._parts(epoch, skipped * self._size):
            waiting.append(part)
            if sum(map(len, waiting)) >= self._size:
                whole = Piece.joined(waiting)
                full = len(whole) - len(whole) % self._size
                yield from (whole[at : at + self._size] for at in range(0, full, self._size))
                waiting = [whole[full:].compact(self._examples.length)]
        if sum(map(len, waiting)):
            yield Piece.joined(waiting)

    def _parts(self, epoch: int, skipped: int) -> Iterator[Piece]:
        """The rows of one epoch, shard by shard, without the first `skipped`."""
        examples = self._examples
        for place in self._order.shuffled(epoch, len(self._shards), part=_OF_SHARDS):
            shard, first, rows = self._shards[place]
            if skipped < len(rows):
                for piece in pieces(shard, examples.form, rows[skipped:], first=first, length=examples.length):
                    yield piece.compact(examples.length)
            skipped = max(skipped - len(rows), 0)


def _records_an_example(examples: ExampleSet) -> int:
    """How many records must be in memory for each example, where they overlap."""
    if examples.length is None:
        return 1
    apart = np.minimum(np.diff(examples.rows), examples.length)
    return int(np.ceil((apart.sum() + examples.length) / len(examples)))


class _Exactly:
    """Pieces of any size, gathered as many examples at a time as are wanted."""

    def __init__(self, pieces_: Iterator[Piece], length: int | None) -> None:
        self._pieces = pieces_
        self._length = length
        self._rest: Piece | None = None

    def take(self, count: int) -> tuple[Ints, Values]:
        """So many examples: their rows, and what they are."""
        rows: list[Ints] = []
        values: list[Values] = []
        missing = count
        while missing:
            piece = self._rest if self._rest is not None else next(self._pieces)
            part, self._rest = piece[:missing], piece[missing:] if len(piece) > missing else None
            rows.append(part.rows)
            values.append(part.gathered(self._length))
            missing -= len(part)
        return np.concatenate(rows), cast('Values', np.concatenate(values))


def _ahead(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same pieces, the next one made by a thread while this one is used."""
    made: queue.Queue[Piece | Exception] = queue.Queue(maxsize=1)
    over = threading.Event()

    def put(piece: Piece | Exception) -> None:
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
