"""What the motion signal alone says of the frame to come: the two rules that any network on the frames must beat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.bursts import Signal, first_valid
from preprocess.failures import UsageError


@dataclass(frozen=True)
class Past:
    """How much of the signal a rule looks back at, and which frames it answers for."""

    d: int  # values looked at, the last of them the one before the frame's own
    n: int = 30  # slices of a clip, as in the labels
    h: int = 10  # frames at the end it does not answer for

    def __post_init__(self) -> None:
        for name, value, least in (('d', self.d, 1), ('n', self.n, 1), ('h', self.h, 0)):
            if value < least:
                raise UsageError(f'{value} is too small', where=f'--{name}', do=f'give {least} or more')

    def valid(self, frames: int) -> range:
        """The frames it answers for: those with a whole clip, d values before them, and h frames after them."""
        start = max(first_valid(self.n), self.d)
        return range(start, max(frames - 1 - self.h, start))

    def windows(self, signal: Signal) -> NDArray[np.float64]:
        """The d values before each valid frame, without copies."""
        valid = self.valid(len(signal))
        if not valid:
            return np.zeros((0, self.d))
        return np.lib.stride_tricks.sliding_window_view(signal, self.d)[valid.start - self.d : valid.stop - self.d]


@dataclass(frozen=True)
class Probabilistic:
    """Two soft thresholds: motion varied by c, sharply by g1, and now is within b of its least, sharply by g2."""

    past: Past = Past(d=89)
    b: float = 0.2
    c: float = 0.0006
    g1: float = 5300.0
    g2: float = 11000.0

    def scores(self, signal: Signal) -> Signal:
        """A score from 0 to 1 for each frame; 0 outside the valid ones."""
        windows = self.past.windows(signal)
        least = windows.min(axis=1)
        spread = windows.max(axis=1) - least
        varied = _sigmoid(self.g1 * (spread - self.c))
        rests = _sigmoid(-self.g2 * (windows[:, -1] - (least + self.b * spread)))
        return _placed((varied + rests) / 2, self.past, len(signal))


@dataclass(frozen=True)
class HardRule:
    """The rule of the labels, asked of the past instead of the future."""

    past: Past = Past(d=45, h=45)
    b: float = 0.1
    c: float = 0.001

    def scores(self, signal: Signal) -> Signal:
        """1 or 0 for each frame; 0 outside the valid ones."""
        windows = self.past.windows(signal)
        least = windows.min(axis=1)
        spread = windows.max(axis=1) - least
        answers = (spread >= self.c) & (windows[:, -1] <= least + self.b * spread)
        return _placed(answers.astype(np.float64), self.past, len(signal))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over='ignore'):  # an infinite exp makes the 0 that is meant
        return 1 / (1 + np.exp(-x))


def _placed(values: NDArray[np.float64], past: Past, frames: int) -> Signal:
    placed = np.zeros(frames)
    valid = past.valid(frames)
    placed[valid.start : valid.stop] = values
    return placed
