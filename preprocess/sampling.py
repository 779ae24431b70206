"""Which frames of a recording are taken: some a second, every one, or those where decoding may begin."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from preprocess.failures import UsageError
from preprocess.settings import Json
from preprocess.timelines import TOLERANCE_S

Which = Literal['frames_per_second', 'every_frame', 'keyframes']


@dataclass(frozen=True)
class Sampling:
    """A grid of `frames_per_second` from the recording's 0 on, or every frame, or the keyframes."""

    frames_per_second: float | None = 1.0
    which: Which = 'frames_per_second'

    def __post_init__(self) -> None:
        if (self.frames_per_second is None) == (self.which == 'frames_per_second'):
            raise ValueError(f'{self.frames_per_second} frames a second of {self.which}')
        if self.frames_per_second is not None and not 0 < self.frames_per_second < float('inf'):
            raise ValueError(f'frames a second must be above 0, got {self.frames_per_second}')

    @property
    def text(self) -> str:
        """The canonical form, for settings and keys."""
        return self.which if self.frames_per_second is None else f'{self.which}={self.frames_per_second!r}'

    def to_json(self) -> dict[str, Json]:
        """As a manifest holds it."""
        return {self.which: True if self.frames_per_second is None else self.frames_per_second}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> 'Sampling':
        """What a manifest says."""
        match dict(value):
            case {'frames_per_second': int() | float() as rate}:
                return cls(float(rate))
            case {'every_frame': True}:
                return EVERY_FRAME
            case {'keyframes': True}:
                return KEYFRAMES
        raise ValueError(f'no sampling: {value}')

    def choose(
        self, times: NDArray[np.float64], keyframes: NDArray[np.int64], end: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The frames taken of those shown at `times` until `end`, and the times they stand for.

        On a grid that is the first of its points at which a frame is the last one shown; one that no point falls on
        is not taken, one that several fall on is taken once.
        """
        if self.which == 'every_frame':
            return np.arange(len(times)), times
        if self.which == 'keyframes':
            return keyframes, times[keyframes]
        assert self.frames_per_second is not None
        rate = self.frames_per_second
        first = np.ceil((times - TOLERANCE_S) * rate) + 0.0  # no negative zero
        over = np.append(times[1:], max(end, times[-1] + 2 * TOLERANCE_S))
        taken = np.flatnonzero(first / rate < over - TOLERANCE_S)
        return taken, first[taken] / rate


EVERY_FRAME = Sampling(None, 'every_frame')
KEYFRAMES = Sampling(None, 'keyframes')


def add_flags(parser: argparse._ActionsContainer) -> None:
    """`--frames_per_second`, `--every_frame`, `--keyframes`."""
    parser.add_argument(
        '--frames_per_second', type=float, metavar='N', help='frames of video taken a second (default: 1)'
    )
    parser.add_argument('--every_frame', action='store_true', help='every frame of video is taken')
    parser.add_argument(
        '--keyframes', action='store_true', help='only the frames of video that decode by themselves are taken'
    )


def from_flags(flags: argparse.Namespace) -> Sampling:
    """The sampling the flags ask for: one at most."""
    given = [name for name in ('frames_per_second', 'every_frame', 'keyframes') if getattr(flags, name)]
    if flags.frames_per_second is not None and not 0 < flags.frames_per_second < float('inf'):
        raise UsageError(
            f'frames a second must be above 0, got {flags.frames_per_second:g}',
            where='--frames_per_second',
            do='give a number like 1, 0.2 or 30',
        )
    if len(given) > 1:
        raise UsageError(
            f'--{given[0]} and --{given[1]} exclude each other', where=f'--{given[1]}', do='give one of them'
        )
    if flags.every_frame:
        return EVERY_FRAME
    return KEYFRAMES if flags.keyframes else Sampling(flags.frames_per_second or 1.0)
