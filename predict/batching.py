"""Items of many callers in shared batches: who comes while some are computed is in the next.

Nobody waits without need: an idle machine starts at once, and waits, for milliseconds, only while others are known to
be on their way. Batches have few sizes and are always full; what is over begins the next one.

While few wait, all of them are one batch that has the machine to itself, and is done soonest. When more wait than the
machine has streams, every stream has a batch of its own, which takes longer and gets more done.
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
    """How batches are made: their sizes, from 1; the places in the line; the wait for others; streams at a time.

    `may_be_alone`: a batch is done sooner when nothing else is computed meanwhile.
    """

    sizes: tuple[int, ...] = (1, 2, 4, 8)
    places: int = 128
    wait_s: float = 0.005
    streams: int = 1
    may_be_alone: bool = True

    def __post_init__(self) -> None:
        if 1 not in self.sizes:
            raise ValueError(f'an item that is alone needs a batch of its own, the sizes are {self.sizes}')
        if self.places < max(self.sizes):
            raise ValueError(f'{self.places} places are fewer than a batch of {max(self.sizes)} takes')


@dataclass(frozen=True)
class _Entry(Generic[Item, Answer]):
    item: Item
    answer: 'Future[Answer]'


@dataclass(frozen=True)
class _Batch(Generic[Item, Answer]):
    entries: list[_Entry[Item, Answer]]
    alone: bool


class Batcher(Generic[Item, Answer]):
    """A line of items, and threads that answer them in batches: `run` is told whether a batch is alone."""

    def __init__(
        self,
        run: Callable[[list[Item], bool], Sequence[Answer]],
        batching: Batching,
        *,
        watch: Watch = lambda n, s: None,
    ) -> None:
        self._run = run
        self._batching = batching
        self._watch = watch
        self._changed = threading.Condition()
        self._waiting: deque[_Entry[Item, Answer]] = deque()
        self._coming = 0
        self._computing = 0
        self._busy_streams = 0
        self._is_one_alone = False
        self._closing = False
        self._item_s = 0.0
        self._threads = [threading.Thread(target=self._work, name=f'batch {n}') for n in range(batching.streams)]
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
        until_free_s = self._taken() * self._item_s / self._batching.streams
        return min(max(math.ceil(until_free_s), 1), _LONGEST_RETRY_S)

    def _work(self) -> None:
        while batch := self._next():
            self._compute(batch)

    def _next(self) -> _Batch[Item, Answer] | None:
        """The next batch of a stream that is free; none when all is over."""
        with self._changed:
            while not (ready := self._ready()):
                if self._closing and not self._coming and not self._waiting:
                    return None
                self._changed.wait()
            alone = self._are_few()
            batch = _Batch([self._waiting.popleft() for _ in range(ready)], alone)
            self._computing += ready
            self._busy_streams += 1
            self._is_one_alone = alone
            return batch

    def _ready(self) -> int:
        """How many of those waiting are the next batch, after a moment for others that are on their way."""
        most = max(self._batching.sizes)
        deadline = time.monotonic() + self._batching.wait_s
        while self._waiting and self._coming and len(self._waiting) < most:
            if not self._changed.wait(max(deadline - time.monotonic(), 0)):
                break
        self._forget_cancelled()
        if self._is_one_alone or not self._waiting:
            return 0
        sharing = 1 if self._are_few() else self._batching.streams - self._busy_streams
        share = math.ceil(len(self._waiting) / sharing)
        return max(size for size in self._batching.sizes if size <= share)

    def _are_few(self) -> bool:
        """Whether those waiting should be one batch, and alone."""
        is_idle = not self._busy_streams
        return self._batching.may_be_alone and is_idle and len(self._waiting) <= self._batching.streams

    def _forget_cancelled(self) -> None:
        """Whoever asked for these went away."""
        if any(entry.answer.cancelled() for entry in self._waiting):
            self._waiting = deque(entry for entry in self._waiting if not entry.answer.cancelled())

    def _compute(self, batch: _Batch[Item, Answer]) -> None:
        begun = time.monotonic()
        wanted = [entry.answer.set_running_or_notify_cancel() for entry in batch.entries]
        try:
            answers = self._run([entry.item for entry in batch.entries], batch.alone)
            for entry, is_wanted, answer in zip(batch.entries, wanted, answers, strict=True):
                if is_wanted:
                    entry.answer.set_result(answer)
        except Exception as error:  # whatever it is, those who wait for it must hear of it
            for entry, is_wanted in zip(batch.entries, wanted, strict=True):
                if is_wanted and not entry.answer.done():
                    entry.answer.set_exception(error)
        self._settle(len(batch.entries), time.monotonic() - begun)

    def _settle(self, count: int, seconds: float) -> None:
        with self._changed:
            self._computing -= count
            self._busy_streams -= 1
            self._is_one_alone = False
            newest = seconds / count
            self._item_s = self._item_s + _NEWEST * (newest - self._item_s) if self._item_s else newest
            self._changed.notify_all()
        self._watch(count, seconds)
