"""How much moves from each frame of a recording to the next: the mean absolute difference of their gray values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocess.bursts import Signal

Gray: TypeAlias = NDArray[np.uint8]
_WHITE = np.float32(255)


def difference(frame: Gray, following: Gray) -> float:
    """The mean absolute difference of two frames of gray uint8, white being 1."""
    return _difference(_brightness(frame), _brightness(following))


def _brightness(frame: Gray) -> NDArray[np.float32]:
    # Before the subtraction: uint8 would wrap.
    return frame.astype(np.float32) / _WHITE


def _difference(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    if before.shape != after.shape:
        raise ValueError(f'frames of {before.shape} and {after.shape}')
    apart = after - before
    return float(np.abs(apart, out=apart).sum(dtype=np.float64) / apart.size)


@dataclass(frozen=True, eq=False)
class Begun:
    """The first values of a signal; finding goes on with the frame after them, which can be decoded."""

    values: Signal
    undecodable: int  # frames before that one


NOTHING = Begun(np.zeros(0), 0)


class Measuring:
    """The signal of frames that come one by one, after those that were measured before."""

    def __init__(self, begun: Begun = NOTHING) -> None:
        self._values = begun.values.tolist()
        self._before: NDArray[np.float32] | None = None
        self._first = self.frames = len(self._values)
        self.undecodable = begun.undecodable
        self._good = len(self._values), begun.undecodable

    def add(self, frame: Gray | None) -> None:
        """The next frame, None where it can't be decoded."""
        now = None if frame is None else _brightness(frame)
        if self.frames > self._first:
            apart = np.nan if now is None or self._before is None else _difference(self._before, now)
            self._values.append(apart)
        if now is None:
            self.undecodable += 1
        else:
            self._good = len(self._values), self.undecodable
        self._before = now
        self.frames += 1

    def begun(self) -> Begun:
        """What need not be found again: the values up to the last frame that could be decoded."""
        count, undecodable = self._good
        return Begun(np.array(self._values[:count], np.float64), undecodable)

    def signal(self) -> Signal:
        """A value for each frame: its difference to the next one, 0 for the last, which has none.

        Beside a frame that could not be decoded values lie on the line between those around them.
        """
        values = np.array(self._values, np.float64)
        known = np.isfinite(values)
        if not known.any():
            return np.zeros(self.frames)
        places = np.arange(len(values))
        return np.append(np.interp(places, places[known], values[known]), 0.0)


def of_frames(frames: Iterable[Gray | None]) -> Signal:
    """The signal of frames that are at hand."""
    measuring = Measuring()
    for frame in frames:
        measuring.add(frame)
    return measuring.signal()
