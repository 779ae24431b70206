"""When a training looks up from its work: after an interval, which grows where looking up takes too large a share."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Before so much time has passed, a share of it says nothing.
_SETTLED_S = 2.0


class Pace:
    """Keeps the time spent training at least `min_rate` times that spent on evaluating and saving."""

    def __init__(self, interval_s: float, min_rate: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self.interval_s = interval_s
        self._min_rate = min_rate
        self._now = now
        self._started = now()
        self._since = self._started
        self._looking_s = 0.0  # since the last full evaluation
        self._selecting_s = 0.0  # since the start
        self._evaluations = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._now() - self._started

    def due(self) -> bool:
        """Whether there was enough training for a full evaluation."""
        return self._now() - self._since - self._looking_s >= self.interval_s

    @contextmanager
    def selecting(self) -> Iterator[None]:
        """A look at the evaluation set, to see whether the weights are the best yet."""
        begun = self._now()
        yield
        self._looking_s += self._now() - begun
        self._selecting_s += self._now() - begun

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """A full evaluation, with everything that is written after it."""
        begun = self._now()
        yield
        self._looking_s += self._now() - begun

    def evaluated(self) -> str | None:
        """Start the next interval; the line to say when it had to grow."""
        looking_s, before = self._looking_s, self.interval_s
        self._since, self._looking_s = self._now(), 0.0
        self._evaluations += 1
        # The first evaluation includes compiling, which doesn't come again.
        if self._evaluations == 1 or before >= self._min_rate * looking_s:
            return None
        self.interval_s = self._min_rate * looking_s
        return f'Adjusting eval interval from {before:.2f}s to {self.interval_s:.2f}s'

    def selects_too_often(self) -> bool:
        """Whether selecting alone takes more than evaluation's share."""
        elapsed_s = self.elapsed_s
        return elapsed_s > _SETTLED_S and self._selecting_s * (1 + self._min_rate) > elapsed_s
