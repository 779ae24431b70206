"""Which half of a picture an H.264 packet holds: interlaced camcorders code each half, a field, by itself.

Two such packets are one frame. Whether a packet is a field stands in its slice header, whose layout the stream's
parameters tell (ITU-T H.264, 7.3.2.1.1 and 7.3.3).
"""

from dataclasses import dataclass
from typing import NamedTuple

_PARAMETERS = 7  # the kind of NAL unit that holds them
_START_CODE = b'\0\0\1'
# The third byte keeps two zeros from being taken for a start code; it is not part of the content.
_GUARDED, _ZEROS = b'\0\0\3', b'\0\0'
# Profiles whose parameters tell of colour formats (table 7.3.2.1.1).
_HIGH_PROFILES = frozenset([44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244])
_MOST_CYCLED, _MOST_ZEROS = 255, 32


class Field(NamedTuple):
    """Half of the picture with this number in its group; bottom or top."""

    frame_num: int
    bottom: bool

    def completes(self, other: 'Field') -> bool:
        """Whether both are one picture."""
        return self.frame_num == other.frame_num and self.bottom != other.bottom


@dataclass(frozen=True)
class SliceLayout:
    """Where a slice header says whether it is of a field."""

    frame_num_bits: int
    separate_planes: bool

    def field(self, slice_unit: bytes) -> Field | None:
        """The field a slice is of; None for one of a whole frame."""
        bits = _Bits(slice_unit[1:])
        try:
            for _ in range(3):  # first macroblock, type, parameters
                bits.unsigned()
            if self.separate_planes:
                bits.take(2)
            frame_num = bits.take(self.frame_num_bits)
            return Field(frame_num, bool(bits.take(1))) if bits.take(1) else None
        except IndexError:
            return None


def slice_layout(extradata: bytes) -> SliceLayout | None:
    """The layout of slice headers in a stream that may hold fields; None in one of whole frames."""
    parameters = _parameters(extradata)
    try:
        return _read(_Bits(parameters[1:])) if parameters else None
    except IndexError:
        return None


class _Bits:
    """A NAL unit's content, bit by bit; IndexError behind its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data.replace(_GUARDED, _ZEROS)
        self._at = 0

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self._data[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def unsigned(self) -> int:
        """An Exp-Golomb number."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _MOST_ZEROS:
                raise IndexError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """An Exp-Golomb number with a sign."""
        value = self.unsigned()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def _parameters(extradata: bytes) -> bytes:
    """The sequence parameters, as MP4 and Matroska keep them or behind a start code."""
    if extradata[:1] == b'\1' and len(extradata) > 8:
        length = int.from_bytes(extradata[6:8], 'big')
        return extradata[8 : 8 + length]
    units = (unit for unit in extradata.split(_START_CODE)[1:] if unit)
    return next((unit for unit in units if unit[0] & 31 == _PARAMETERS), b'')


def _read(bits: _Bits) -> SliceLayout | None:
    profile = bits.take(8)
    bits.take(16)  # constraints, level
    bits.unsigned()  # its number
    separate_planes = _skip_colours(bits) if profile in _HIGH_PROFILES else False
    frame_num_bits = bits.unsigned() + 4
    _skip_order(bits)
    bits.unsigned()  # reference frames
    bits.take(1)
    bits.unsigned()  # width
    bits.unsigned()  # height
    frames_alone = bits.take(1)
    return None if frames_alone else SliceLayout(frame_num_bits, separate_planes)


def _skip_colours(bits: _Bits) -> bool:
    """What high profiles say first; whether the planes are coded apart."""
    colour_format = bits.unsigned()
    separate_planes = bool(bits.take(1)) if colour_format == 3 else False
    bits.unsigned()  # depth of brightness
    bits.unsigned()  # and of colours
    bits.take(1)
    if bits.take(1):
        for number in range(12 if colour_format == 3 else 8):
            if bits.take(1):
                _skip_scaling(bits, 16 if number < 6 else 64)
    return separate_planes


def _skip_scaling(bits: _Bits, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_order(bits: _Bits) -> None:
    """How the order in which pictures are shown is told."""
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), _MOST_CYCLED)):
            bits.signed()
