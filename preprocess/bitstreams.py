"""What an encoded frame says of itself before it is decoded: whether others need it, whether to begin with it.

Only headers are read. Where nothing is known of a codec, what the container says holds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from av.buffer import Buffer

from preprocess.h264_fields import Field, SliceLayout, slice_layout

_START_CODE = b'\0\0\1'
# NAL unit kinds of H.264 (ITU-T H.264, table 7-1): slices 1 to 5, and supplemental information.
_H264_SLICES, _H264_IDR, _H264_SEI = range(1, 6), 5, 6
_RECOVERY_POINT = 6  # the supplemental message of that kind (H.264 annex D)
# NAL unit kinds of HEVC (ITU-T H.265, table 7-1): pictures are below 32, even ones below 16 are needed by no other
# picture of their own temporal layer.
_HEVC_PICTURES, _HEVC_TRAILING = 32, 16
_MPEG_PICTURE, _MPEG4_PICTURE = b'\0\0\1\0', b'\0\0\1\xb6'
_B_PICTURE = 3  # of MPEG-1 and 2; MPEG-4 counts from 0 in the first two bits
_HEADERS_BYTES = 4096


class Facts(NamedTuple):
    """What one encoded frame says; None where it doesn't."""

    disposable: bool | None = None
    layer: int = 0  # among temporal layers, of which the topmost alone can be left out
    may_begin: bool | None = None
    shown: bool | None = None
    field: Field | None = None  # where it is only half of a frame


@dataclass(frozen=True)
class Parsing:
    """How the frames of a stream are read."""

    read: 'Callable[[bytes, Stream], Facts] | None'
    stream: 'Stream'

    def facts(self, packet: Buffer) -> Facts:
        """What an encoded frame says."""
        # Headers stand in front; the picture, megabytes of it, is not copied.
        return self.read(bytes(memoryview(packet)[:_HEADERS_BYTES]), self.stream) if self.read else Facts()


@dataclass(frozen=True)
class Stream:
    """What a stream says once: bytes of a length, 0 where codes mark its units; how slices of fields look, if any."""

    length_bytes: int = 0
    layout: SliceLayout | None = None


def parsing(codec: str, extradata: bytes | None) -> Parsing:
    """How the frames of a stream are read for what they say."""
    layout = slice_layout(extradata or b'') if codec == 'h264' else None
    return Parsing(_READERS.get(codec), Stream(_length_bytes(codec, extradata or b''), layout))


def _length_bytes(codec: str, extradata: bytes) -> int:
    """Bytes of the length before each NAL unit in MP4 and Matroska; 0 where start codes stand before them."""
    place = {'h264': 4, 'hevc': 21}.get(codec)
    if place is None or len(extradata) <= place or extradata[0] != 1:
        return 0
    return (extradata[place] & 3) + 1


def _units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """The beginnings of the NAL units of a frame."""
    at = 0
    if not length_bytes:
        while (at := data.find(_START_CODE, at)) >= 0:
            at += 3
            yield data[at : at + 64]
        return
    while at + length_bytes < len(data):
        size = int.from_bytes(data[at : at + length_bytes], 'big')
        at += length_bytes
        yield data[at : at + min(size, 64)]
        at += size


def _h264(data: bytes, stream: Stream) -> Facts:
    recovery: bool | None = None
    for unit in _units(data, stream.length_bytes):
        kind = unit[0] & 31 if unit else 0
        if kind == _H264_SEI and recovery is None:
            recovery = _recovers_at_once(unit[1:])
        elif kind in _H264_SLICES:
            return Facts(
                disposable=not unit[0] & 0x60,
                may_begin=True if kind == _H264_IDR else recovery,
                field=stream.layout.field(unit) if stream.layout else None,
            )
    return Facts()


def _recovers_at_once(sei: bytes) -> bool | None:
    """Whether decoding that begins here shows right pictures from here on; None where that isn't said."""
    at = 0
    while at + 2 <= len(sei):
        kind, size = sei[at], sei[at + 1]
        if kind == 255 or size == 255:  # long ones: user data
            return None
        if kind == _RECOVERY_POINT and at + 2 < len(sei):
            return bool(sei[at + 2] & 0x80)  # the first bit of an Exp-Golomb 0
        at += 2 + size
    return None


def _hevc(data: bytes, stream: Stream) -> Facts:
    for unit in _units(data, stream.length_bytes):
        if len(unit) > 1 and (kind := unit[0] >> 1 & 63) < _HEVC_PICTURES:
            return Facts(disposable=kind < _HEVC_TRAILING and kind % 2 == 0, layer=(unit[1] & 7) - 1)
    return Facts()


def _mpeg2(data: bytes, stream: Stream) -> Facts:
    at = data.find(_MPEG_PICTURE)
    return Facts(disposable=data[at + 5] >> 3 & 7 == _B_PICTURE) if 0 <= at < len(data) - 5 else Facts()


def _mpeg4(data: bytes, stream: Stream) -> Facts:
    at = data.find(_MPEG4_PICTURE)
    return Facts(disposable=data[at + 4] >> 6 == _B_PICTURE - 1) if 0 <= at < len(data) - 4 else Facts()


def _vp8(data: bytes, stream: Stream) -> Facts:
    return Facts(shown=bool(data[0] & 0x10)) if data else Facts()


_READERS: dict[str, Callable[[bytes, Stream], Facts]] = {
    'h264': _h264,
    'hevc': _hevc,
    'mpeg1video': _mpeg2,
    'mpeg2video': _mpeg2,
    'mpeg4': _mpeg4,
    'vp8': _vp8,
}
