"""How long the recordings of sheets are, and when each of their frames is shown, where the files can tell."""

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from preprocess import command, files, interrupts
from preprocess.failures import InputError, Interrupted
from preprocess.range_footage import Footage
from preprocess.recordings import Recording

_MICRO = 10**6
# Rates of cameras are whole numbers, or those over 1.001.
_LARGEST_DENOMINATOR = 1001
# What frames of an even pace may be early or late, in frames: clocks of files are coarse.
_JITTER = 0.25


@dataclass(frozen=True, eq=False)
class RecordingClock:
    """When each frame of a recording is shown and when the last is over: its own microseconds, moved by `shift` s."""

    ticks: NDArray[np.int64]
    last: int
    shift: Fraction = Fraction(0)

    @classmethod
    def of(cls, recording: Recording) -> 'RecordingClock':
        """Its own clock."""
        ticks = np.rint(recording.times * _MICRO).astype(np.int64)
        return cls(ticks, max(math.ceil(recording.duration * _MICRO), int(ticks[-1]) + 1))

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def end(self) -> Fraction:
        """When the last frame is over."""
        return Fraction(self.last, _MICRO) + self.shift

    def ahead(self, seconds: Fraction) -> 'RecordingClock':
        """The same on a clock that is so far ahead of this one."""
        return replace(self, shift=self.shift + seconds)

    def holds(self, start: Fraction, stop: Fraction | None) -> bool:
        """Whether a frame is shown in [start, stop)."""
        first = self._first(start)
        return first < len(self) if stop is None else first < self._first(stop)

    def at(self, frame: int) -> Fraction:
        """When a frame begins; behind the last, when that is over."""
        return Fraction(int(self.ticks[frame]), _MICRO) + self.shift if frame < len(self) else self.end

    @property
    def rate(self) -> Fraction | None:
        """Frames a second, where they come at an even pace."""
        count = len(self) - 1
        if not count:
            return None
        pace = Fraction(int(self.ticks[-1] - self.ticks[0]), count)
        early = self.ticks - self.ticks[0] - np.arange(count + 1) * float(pace)
        even = np.abs(early).max() <= _JITTER * pace
        return (_MICRO / pace).limit_denominator(_LARGEST_DENOMINATOR) if even else None

    def _first(self, time: Fraction) -> int:
        """The first frame that is shown at a time or after it, as the pipeline has it."""
        return int(np.searchsorted(self.ticks, math.ceil((time - self.shift) * _MICRO) - 1, 'left'))


def read_clocks(footage: Sequence[Footage]) -> tuple[dict[str, RecordingClock], list[str]]:
    """The clocks of recordings by uri, and a note for each whose times can't be read."""
    if footage and importlib.util.find_spec('av') is None:
        return {}, ["how long the videos are isn't known: that needs pip install 'headlight[video]'"]
    from preprocess import video

    found: dict[str, RecordingClock] = {}
    notes: list[str] = []
    for one in footage:
        if interrupts.requested():
            raise Interrupted('interrupted', where=one.uri, do=f'run it again: {command.this_command()}')
        try:
            found[one.uri] = RecordingClock.of(video.survey_recording(one.uri))
        except InputError as error:
            notes.append(
                f"warning: {one.sheet}: how long {files.name(one.uri.rstrip('/'))} is isn't known: {error.what}"
            )
    return found, notes
