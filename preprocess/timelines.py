"""When each frame of one video file is shown, and where decoding may begin: what a pass over its packets tells."""

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Seconds = NDArray[np.float64]

# Times are written with a few decimals, by people and by Matroska: this much before a frame's time it counts as shown.
TOLERANCE_S = 1e-6
_MAGIC = b'HLTIME2\n'
# Their clocks began with the first keyframe, whatever stood before it.
_OUTDATED = b'HLTIME1\n'
_LENGTH = struct.Struct('<I')


class OutdatedTimeline(ValueError):
    """A timeline as an earlier version told it: the video has to be read again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """The shown frames of one file in order of their times; frame N is `pts[N]`, `places[N]` its turn in decoding."""

    time_base: Fraction  # seconds a tick of pts
    pts: Integers
    end: int  # when the last frame is over, in ticks
    places: Integers  # which packet of the stream holds the frame, from 0
    packets: int  # of the stream, with those that show nothing
    disposable: Flags  # no other frame needs it
    keyframes: Integers  # frames where decoding may begin, ascending; what is shown before the first can't be decoded
    key_places: Integers  # the packets to begin with
    key_pts: Integers  # their times (a packet may be needed and yet show nothing)
    counted: bool = False  # its packets don't tell their times: frames are told by counting them from the first
    width: int  # as shown: upright
    height: int
    rotation: int = 0  # degrees to turn a decoded frame clockwise: 0, 90, 180, 270
    mirrored: bool = False  # and then to mirror it, left to right
    codec: str = ''
    created: datetime | None = None

    def __post_init__(self) -> None:
        frames, keys = len(self.pts), len(self.keyframes)
        if not frames or len(self.places) != frames or len(self.disposable) != frames:
            raise ValueError(f'{frames} times, {len(self.places)} places, {len(self.disposable)} flags of frames')
        if np.any(np.diff(self.pts) <= 0) or self.end < self.pts[-1]:
            raise ValueError('times that do not ascend')
        if not keys or len(self.key_places) != keys or len(self.key_pts) != keys:
            raise ValueError('decoding must begin somewhere')
        if np.any(np.diff(self.keyframes) <= 0) or np.any(np.diff(self.key_places) <= 0):
            raise ValueError('keyframes that do not ascend')

    def __len__(self) -> int:
        return len(self.pts)

    @cached_property
    def times(self) -> Seconds:
        """Seconds from the first shown frame."""
        times: Seconds = (self.pts - self.pts[0]) * float(self.time_base)
        return times

    @property
    def duration(self) -> float:
        """Seconds from the first shown frame to the end of the last."""
        return float((self.end - int(self.pts[0])) * self.time_base)

    @cached_property
    def numbers(self) -> Integers:
        """The frame each packet holds, -1 for those that show nothing."""
        numbers = np.full(self.packets, -1, np.int64)
        numbers[self.places] = np.arange(len(self))
        return numbers

    @cached_property
    def skippable(self) -> Flags:
        """Which packets can be left out where their own frame isn't wanted."""
        skippable = np.zeros(self.packets, np.bool_)
        skippable[self.places] = self.disposable
        return skippable

    def at(self, seconds: float) -> int:
        """The frame for a time: the last one shown by then."""
        return max(0, int(np.searchsorted(self.times, seconds + TOLERANCE_S, 'right')) - 1)

    def within(self, start: float, stop: float) -> tuple[int, int]:
        """The frames whose times are in [start, stop), as first and end."""
        first, end = np.searchsorted(self.times, (start - TOLERANCE_S, stop - TOLERANCE_S))
        return int(first), max(int(first), int(end))

    def key_of(self, frame: int) -> int:
        """The index of the keyframe that decoding begins with for a frame; -1 before the first."""
        return int(np.searchsorted(self.keyframes, frame, 'right')) - 1

    @cached_property
    def digest(self) -> str:
        """Differs between files that differ in any time, and most likely between any two."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The timeline as a file, as docs/formats.md describes it; the same bytes for the same timeline."""
        header = {
            'time_base': [self.time_base.numerator, self.time_base.denominator],
            'frames': len(self),
            'keyframes': len(self.keyframes),
            'packets': self.packets,
            'end': self.end,
            'counted': self.counted,
            'width': self.width,
            'height': self.height,
            'rotation': self.rotation,
            'mirrored': self.mirrored,
            'codec': self.codec,
            'created': self.created.isoformat() if self.created else None,
        }
        said = json.dumps(header, sort_keys=True, separators=(',', ':')).encode()
        body = b''.join(
            [
                _steps(self.pts),
                _steps(self.places),
                _steps(self.keyframes),
                _steps(self.key_places),
                _steps(self.key_pts),
                np.packbits(self.disposable).tobytes(),
            ]
        )
        return _MAGIC + _LENGTH.pack(len(said)) + said + zlib.compress(body, 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> 'Timeline':
        """The timeline a file holds; ValueError when it isn't one."""
        if data.startswith(_OUTDATED):
            raise OutdatedTimeline('an earlier version read these times')
        if not data.startswith(_MAGIC):
            raise ValueError('not the timeline of a video')
        begin = len(_MAGIC) + _LENGTH.size
        try:
            (length,) = _LENGTH.unpack_from(data, len(_MAGIC))
            header = json.loads(data[begin : begin + length])
            body = zlib.decompress(data[begin + length :])
            frames, keys = header['frames'], header['keyframes']
            sizes = [frames, frames, keys, keys, keys]
            if len(body) != 8 * sum(sizes) + (frames + 7) // 8:
                raise ValueError(f'{len(body)} bytes for {frames} frames')
            columns = _columns(body, sizes)
            flags = np.frombuffer(body, np.uint8, offset=8 * sum(sizes))
        except (struct.error, zlib.error, KeyError, TypeError, ValueError) as error:
            raise ValueError(f'a damaged timeline: {error}') from None
        return cls(
            time_base=Fraction(*header['time_base']),
            pts=columns[0],
            places=columns[1],
            keyframes=columns[2],
            key_places=columns[3],
            key_pts=columns[4],
            disposable=np.unpackbits(flags, count=frames).astype(np.bool_),
            end=header['end'],
            packets=header['packets'],
            counted=header['counted'],
            width=header['width'],
            height=header['height'],
            rotation=header['rotation'],
            mirrored=header['mirrored'],
            codec=header['codec'],
            created=datetime.fromisoformat(header['created']).astimezone(UTC) if header['created'] else None,
        )


def _steps(column: Integers) -> bytes:
    # Frames come at nearly the same distance: the steps between numbers are as good as nothing when compressed.
    return np.diff(column, prepend=0).astype('<i8').tobytes()


def _columns(body: bytes, sizes: list[int]) -> list[Integers]:
    begins = np.cumsum([0, *sizes[:-1]]) * 8
    return [
        np.cumsum(np.frombuffer(body, '<i8', count=size, offset=int(begin)), dtype=np.int64)
        for size, begin in zip(sizes, begins, strict=True)
    ]
