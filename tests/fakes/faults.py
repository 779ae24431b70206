"""What a bad network and an overloaded service do to requests, at a rate and in kinds of one's choice."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

# `lost`: the request is done, but the connection ends before the answer. `stalled`: half of the answer, then silence.
KINDS = ('429', '503', 'reset', 'lost', 'truncated', 'slow')
STALLED = 'stalled'


@dataclass
class Faults:
    """Which requests go wrong; `where` is asked with method and path."""

    rate: float = 0.0
    kinds: Sequence[str] = KINDS
    where: Callable[[str, str], bool] = lambda method, path: True
    seed: int = 0
    # How long each eighth of a slow answer takes.
    slowness_s: float = 0.005
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def pick(self, method: str, path: str) -> str | None:
        """What goes wrong with a request; None for nothing."""
        if not self.rate or not self.where(method, path):
            return None
        with self._lock:
            if self._random.random() >= self.rate:
                return None
            kind = self._random.choice(self.kinds)
            self.done[kind] += 1
            return kind
