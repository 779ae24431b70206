"""Frames of footage on their way to records: which file, which numbers, what a set says of them; many frames in arrays.

The key of a frame begins with what is the same for all frames of a file, and ends with its number: so the frames of a
file lie together in the store, in their order, whoever embedded them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocess.pictures import Use
from preprocess.rows import Reject
from preprocess.shelves import Refusal

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
# Raised when the same frames of the same file would give other pixels.
FRAMES_VERSION = 2
PREFIX_BYTES = 24
_NUMBER_BYTES = 8


class VideoFile(NamedTuple):
    """A file of frames as it was when its times were read; these travel with it where they are few bytes."""

    uri: str
    size: int
    version: str
    sha256: bytes
    times: bytes = b''

    def prefix(self, preparation: str) -> bytes:
        """What the keys of its frames begin with, prepared like this."""
        told = b'\0'.join((b'frames', str(FRAMES_VERSION).encode(), preparation.encode(), self.sha256))
        return hashlib.sha256(told).digest()[:PREFIX_BYTES]


def frame_key(prefix: bytes, number: int) -> bytes:
    """What the store knows a frame by."""
    return prefix + number.to_bytes(_NUMBER_BYTES, 'big')


def frame_uri(uri: str, number: int) -> str:
    """How a record names a frame."""
    return f'{uri}#frame={number}'


@dataclass(frozen=True, eq=False, slots=True)
class Taken:
    """Frames of one file that a set takes of one recording, by ascending numbers; `uses[rows[i]]` takes the ith."""

    set_index: int
    video: str
    file: VideoFile
    numbers: Ints
    steps: Ints
    times: Floats
    rows: Ints
    uses: tuple[Use, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def some(self, chosen: NDArray[np.bool_] | Ints) -> 'Taken':
        """Some of the frames."""
        kept, rows = np.unique(self.rows[chosen], return_inverse=True)
        return replace(
            self,
            numbers=self.numbers[chosen],
            steps=self.steps[chosen],
            times=self.times[chosen],
            rows=rows.astype(np.int64),
            uses=tuple(self.uses[row] for row in kept),
        )

    def among(self, numbers: Ints) -> 'Taken':
        """Those of the frames that are among these numbers, which ascend."""
        return self.some(np.isin(self.numbers, numbers, assume_unique=True))


@dataclass(frozen=True, slots=True)
class RefusedFrames:
    """Frames of a recording that a set does not get: runs of frames that follow one another, refused for one reason."""

    video: str
    rejects: tuple[Reject, ...]

    @property
    def frames(self) -> int:
        """How many frames these are."""
        return sum(reject.frames for reject in self.rejects)


def refused(taken: Taken, why: Sequence[Refusal]) -> RefusedFrames:
    """The frames that are taken but can't be had, each for its own reason."""
    reasons = {refusal: place for place, refusal in enumerate(dict.fromkeys(why))}
    kinds = np.array([reasons[refusal] for refusal in why], np.int64)
    begins = np.flatnonzero(
        np.concatenate([[True], (np.diff(taken.steps) != 1) | (np.diff(taken.rows) != 0) | (np.diff(kinds) != 0)])
    )
    ends = [*begins[1:].tolist(), len(taken)]
    runs = zip(begins.tolist(), ends, strict=True)
    return RefusedFrames(taken.video, tuple(_run(taken, first, end, why[first]) for first, end in runs))


def _run(taken: Taken, first: int, end: int, refusal: Refusal) -> Reject:
    use = taken.uses[taken.rows[first]]
    uri = frame_uri(taken.file.uri, int(taken.numbers[first]))
    last = int(taken.numbers[end - 1])
    return Reject(use.source, use.line, uri, *refusal, frames=end - first, last_frame=last)


@dataclass(frozen=True, eq=False, slots=True)
class WantedFrames:
    """Frames of one file that have no vector yet, by ascending numbers, and every set's use of them."""

    prefix: bytes
    file: VideoFile
    numbers: Ints
    taken: tuple[Taken, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def some(self, numbers: Sequence[int]) -> 'WantedFrames':
        """Those with these numbers."""
        chosen = np.asarray(numbers, np.int64)
        taken = tuple(part for one in self.taken if len(part := one.among(chosen)))
        return WantedFrames(self.prefix, self.file, chosen, taken)


@dataclass(frozen=True, slots=True)
class Expanded:
    """What rows of a set became: how many rows, how many frames, and rows that go on beyond the recording's end."""

    video: str
    rows: int
    frames: int
    cut_rows: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the user should know of a recording."""

    video: str
    note: str
