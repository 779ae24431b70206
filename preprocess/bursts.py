"""Burst labels of a motion signal: a frame at rest, soon before the animals move much more than they do now."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocess.failures import UsageError

Signal: TypeAlias = NDArray[np.float64]
# A clip is n slices of this many frames: before so many frames have passed, nothing can be said of one.
FRAMES_PER_SLICE = 4


@dataclass(frozen=True)
class BurstRule:
    """What makes a burst: within the next h frames motion varies by c at least, and is still within b of its least."""

    n: int = 30  # slices of a clip; a label needs 4 n frames up to its own
    h: int = 45  # frames looked ahead: 1.5 s at 30 frames a second
    b: float = 0.1
    c: float = 0.001

    def __post_init__(self) -> None:
        for name, value, least in (('n', self.n, 1), ('h', self.h, 0)):
            if value < least:
                raise UsageError(f'{value} is too small', where=f'--{name}', do=f'give {least} or more')
        for name, share in (('b', self.b), ('c', self.c)):
            if not 0 <= share < np.inf:
                raise UsageError(f'{share:g} is no threshold', where=f'--{name}', do='give a number from 0')

    def valid(self, frames: int) -> range:
        """The frames of a signal of this length that have a past and a future: the others' label 0 says nothing."""
        return range(first_valid(self.n), max(frames - 1 - self.h, first_valid(self.n)))

    def labels(self, signal: Signal) -> Signal:
        """1.0 where a burst follows, 0.0 elsewhere and outside the valid frames; as long as the signal."""
        found = np.zeros(len(signal))
        valid = self.valid(len(signal))
        if valid:
            windows = np.lib.stride_tricks.sliding_window_view(signal, self.h + 1)[valid.start : valid.stop]
            least = windows.min(axis=1)
            spread = windows.max(axis=1) - least
            rests = signal[valid.start : valid.stop] <= least + self.b * spread
            found[valid.start : valid.stop] = (spread >= self.c) & rests
        return found


def first_valid(n: int) -> int:
    """The first frame that a whole clip of n slices ends with."""
    return FRAMES_PER_SLICE * n - 1
