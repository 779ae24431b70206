"""How much moves from each frame of a recording to the next: the mean absolute difference of their gray values."""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocess.bursts import Signal

Gray: TypeAlias = NDArray[np.uint8]
_WHITE = np.float32(255)


def difference(frame: Gray, following: Gray) -> float:
    """The mean absolute difference of two frames of gray uint8, white being 1."""
    # Before the subtraction: uint8 would wrap.
    before, after = frame.astype(np.float32) / _WHITE, following.astype(np.float32) / _WHITE
    return float(np.abs(after - before).sum(dtype=np.float64) / frame.size)


def of_frames(frames: Iterable[Gray]) -> Signal:
    """A value for each frame: its difference to the next one; 0 for the last, which has none."""
    values: list[float] = []
    before: Gray | None = None
    for frame in frames:
        if before is not None:
            if frame.shape != before.shape:
                raise ValueError(f'frame {len(values) + 1} is {_size(frame)}, those before it {_size(before)}')
            values.append(difference(before, frame))
        before = frame
    if before is not None:
        values.append(0.0)
    return np.array(values, np.float64)


def _size(frame: Gray) -> str:
    height, width = frame.shape[:2]
    return f'{width}x{height}'
