"""In which order a training sees its examples: shuffled by the seed, epoch after epoch, from any step on."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.data import ExampleSet
from trainer.windows import Ints


@dataclass(frozen=True, eq=False)
class Work:
    """Some steps for the compiled function: row `indices[k, i]` of the tensors is example i of its k-th batch; where
    examples are windows, rows `indices[k, i, :]` of the values, and the first of them of the targets."""

    values: tf.Tensor
    targets: tf.Tensor
    indices: NDArray[np.int32]


class Batches(Protocol):
    """A set in its shuffled order, cut into batches."""

    def steps(self, first: int, last: int) -> Iterator[Work]:
        """The batches of steps first..last-1, in one or several pieces."""
        ...


@dataclass(frozen=True)
class Order:
    """Every example comes equally often, whatever the size of a batch, and any step is found without those before it:
    position p of a training is number `shuffled(p // rows)[p % rows]`."""

    rows: int
    seed: int

    def epochs(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """The epochs that positions start..stop-1 lie in, with the range inside each."""
        while start < stop:
            epoch, at = divmod(start, self.rows)
            end = min(self.rows, at + stop - start)
            yield epoch, at, end
            start += end - at

    def shuffled(self, epoch: int, size: int, part: int = 0) -> Ints:
        """The numbers below `size`, shuffled for this epoch and this part of it."""
        return _permutation(self.seed, epoch, part, size)


class InMemory:
    """Batches gathered from tensors that hold the whole set."""

    def __init__(self, examples: ExampleSet, batch_size: int, seed: int) -> None:
        self._examples = examples
        self._batch_size = batch_size
        self._order = Order(len(examples), seed)

    def steps(self, first: int, last: int) -> Iterator[Work]:
        """All of them in one piece."""
        parts = [
            self._order.shuffled(epoch, self._order.rows)[at:end]
            for epoch, at, end in self._order.epochs(first * self._batch_size, last * self._batch_size)
        ]
        examples = self._examples
        rows = examples.rows[np.concatenate(parts)].reshape(last - first, self._batch_size)
        indices = rows if examples.length is None else rows[:, :, None] + np.arange(examples.length)
        yield Work(examples.values, examples.targets, indices.astype(np.int32))


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, part: int, size: int) -> Ints:
    return np.random.default_rng([seed, epoch, part]).permutation(size)
