"""Items of many callers in shared batches: who comes while one batch is computed is in the next.

Nobody waits without need: an idle machine starts at once, and waits, for milliseconds, only while others are known to
be on their way. Batches have few sizes and are always full; what is over begins the next one.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar('Item')
Answer = TypeVar('Answer')
Watch = Callable[[int, float], None]  # told of every batch: how many items, how many seconds

# How much of the measured pace is the last batch's.
_NEWEST = 0.2
_LONGEST_RETRY_S = 60


class Busy(Exception):
    """The line is full; `retry_after_s` is when there will be room, by the pace it moves at."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Batching:
    """How batches are made: their sizes, from 1, the places in the line, the wait for others, batches at a time."""

    sizes: tuple[int, ...] = (1, 2, 4, 8, 16)
    places: int = 128
    wait_s: float = 0.005
    workers: int = 1

    def __post_init__(self) -> None:
        if 1 not in self.sizes:
            raise ValueError(f'an item that is alone needs a batch of its own, the sizes are {self.sizes}')
        if self.places < max(self.sizes):
            raise ValueError(f'{self.places} places are fewer than a batch of {max(self.sizes)} takes')


@dataclass(frozen=True)
class _Entry(Generic[Item, Answer]):
    item: Item
    answer: 'Future[Answer]'


class Batcher(Generic[Item, Answer]):
    """A line of items, and threads that answer them in batches."""

    def __init__(
        self, run: Callable[[list[Item]], Sequence[Answer]], batching: Batching, *, watch: Watch = lambda n, s: None
    ) -> None:
        self._run = run
        self._batching = batching
        self._watch = watch
        self._changed = threading.Condition()
        self._waiting: deque[_Entry[Item, Answer]] = deque()
        self._coming = 0
        self._computing = 0
        self._closing = False
        self._item_s = 0.0
        self._threads = [threading.Thread(target=self._work, name=f'batch {n}') for n in range(batching.workers)]
        for thread in self._threads:
            thread.start()

    @property
    def in_line(self) -> int:
        """How many places are taken."""
        with self._changed:
            return self._taken()

    def reserve(self, count: int) -> None:
        """Take places for items on their way, each of which must `submit` or `give_up`; Busy when there are none."""
        with self._changed:
            if self._taken() + count > self._batching.places:
                raise Busy(self._retry_after_s())
            self._coming += count

    def give_up(self, count: int = 1) -> None:
        """Free places that were reserved: nothing will come."""
        with self._changed:
            self._coming -= count
            self._changed.notify_all()

    def submit(self, item: Item, answer: 'Future[Answer]') -> None:
        """An item takes its reserved place; `answer` hears of the result."""
        with self._changed:
            self._coming -= 1
            self._waiting.append(_Entry(item, answer))
            self._changed.notify_all()

    def close(self) -> None:
        """Answer everything that has a place, then end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _taken(self) -> int:
        return self._coming + len(self._waiting) + self._computing

    def _retry_after_s(self) -> int:
        until_free_s = self._taken() * self._item_s / self._batching.workers
        return min(max(math.ceil(until_free_s), 1), _LONGEST_RETRY_S)

    def _work(self) -> None:
        while batch := self._next():
            self._compute(batch)

    def _next(self) -> list[_Entry[Item, Answer]]:
        """The next batch; none when all is over."""
        with self._changed:
            while not (ready := self._ready()):
                if self._closing and not self._coming and not self._waiting:
                    return []
                self._changed.wait()
            batch = [self._waiting.popleft() for _ in range(ready)]
            self._computing += len(batch)
            return batch

    def _ready(self) -> int:
        """How many of those waiting make a full batch, after a moment for others that are on their way."""
        most = max(self._batching.sizes)
        deadline = time.monotonic() + self._batching.wait_s
        while self._waiting and self._coming and len(self._waiting) < most:
            if not self._changed.wait(max(deadline - time.monotonic(), 0)):
                break
        self._forget_cancelled()
        return max((size for size in self._batching.sizes if size <= len(self._waiting)), default=0)

    def _forget_cancelled(self) -> None:
        """Whoever asked for these went away."""
        if any(entry.answer.cancelled() for entry in self._waiting):
            self._waiting = deque(entry for entry in self._waiting if not entry.answer.cancelled())

    def _compute(self, batch: list[_Entry[Item, Answer]]) -> None:
        begun = time.monotonic()
        wanted = [entry.answer.set_running_or_notify_cancel() for entry in batch]
        try:
            answers = self._run([entry.item for entry in batch])
            for entry, is_wanted, answer in zip(batch, wanted, answers, strict=True):
                if is_wanted:
                    entry.answer.set_result(answer)
        except Exception as error:  # whatever it is, those who wait for it must hear of it
            for entry, is_wanted in zip(batch, wanted, strict=True):
                if is_wanted and not entry.answer.done():
                    entry.answer.set_exception(error)
        self._settle(len(batch), time.monotonic() - begun)

    def _settle(self, count: int, seconds: float) -> None:
        with self._changed:
            self._computing -= count
            newest = seconds / count
            self._item_s = self._item_s + _NEWEST * (newest - self._item_s) if self._item_s else newest
            self._changed.notify_all()
        self._watch(count, seconds)
