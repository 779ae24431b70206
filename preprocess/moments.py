"""Of a picture that is a frame of a recording: which recording, which frame of it, when, and what it follows on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

COLUMNS = ('video', 'frame', 'time', 'step')
# Numbers of this many frames and more are none.
_MOST = 1 << 62
# Digits of a rate: behind them, times that were written and read again differ, of every few frames in another way.
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """Frame `frame` of `video`, shown at `time` s; what follows on it is at the next `step`."""

    video: str
    frame: int
    time: float
    step: int

    @classmethod
    def of(cls, video: str, frame: str, time: str, step: str) -> Self | None:
        """What a row's cells say; None where they don't say it all. Without a step frames follow by their numbers."""
        number, place = _whole(frame), _whole(step or frame)
        try:
            seconds = float(time)
        except ValueError:
            return None
        if not video or number is None or place is None or not math.isfinite(seconds):
            return None
        return cls(video, number, seconds, place)

    @property
    def cells(self) -> tuple[str, ...]:
        """The same as cells of COLUMNS."""
        return self.video, str(self.frame), written_time(self.time), str(self.step)


def written_time(seconds: float) -> str:
    """Seconds as a cell: microseconds, and no exponent."""
    return f'{seconds:.6f}'.rstrip('0').rstrip('.')


def rate(moments: Sequence[Moment]) -> float | None:
    """How many steps a second these are apart; None when nothing follows on anything."""
    seconds = steps = 0.0
    for one, other in zip(moments, moments[1:], strict=False):
        if one.video == other.video and other.step == one.step + 1 and other.time > one.time:
            seconds, steps = seconds + other.time - one.time, steps + 1
    return float(f'{steps / seconds:.{_DIGITS}g}') if seconds else None


def _whole(cell: str) -> int | None:
    return int(cell) if cell.isascii() and cell.isdecimal() and int(cell) < _MOST else None
