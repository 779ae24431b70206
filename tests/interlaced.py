"""Video as interlaced camcorders write it: each half of a frame, a field, coded by itself; made bit by bit.

No encoder at hand does this, so the pictures are written as they are (I_PCM, ITU-T H.264, 7.3.5).
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.footage import HEIGHT, WIDTH, Pixels, numbered

_SIDE = 16  # of a macroblock
_GROUP = 4  # frames from one keyframe to the next


class Bits:
    """A NAL unit's content."""

    def __init__(self) -> None:
        self._bits = ''

    def put(self, value: int, count: int) -> 'Bits':
        self._bits += format(value, f'0{count}b')
        return self

    def unsigned(self, *values: int) -> 'Bits':
        """Exp-Golomb numbers."""
        for value in values:
            written = format(value + 1, 'b')
            self._bits += '0' * (len(written) - 1) + written
        return self

    def bytes(self, data: bytes) -> 'Bits':
        self._bits += '0' * (-len(self._bits) % 8) + ''.join(format(byte, '08b') for byte in data)
        return self

    def unit(self, header: int) -> bytes:
        """With its start code, its end mark, and no second start code in it."""
        self._bits += '1'
        self._bits += '0' * (-len(self._bits) % 8)
        content = int(self._bits, 2).to_bytes(len(self._bits) // 8, 'big')
        guarded, zeros = bytearray(), 0
        for byte in content:
            if zeros == 2 and byte <= 3:
                guarded.append(3)
                zeros = 0
            guarded.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b'\0\0\0\1' + bytes([header]) + bytes(guarded)


def parameters() -> bytes:
    """Of the sequence, which may hold fields, and of its pictures."""
    sequence = Bits().put(77, 8).put(0, 8).put(30, 8).unsigned(0, 0, 0, 4, 1).put(0, 1)
    sequence.unsigned(WIDTH // _SIDE - 1, HEIGHT // _SIDE // 2 - 1).put(0b00100, 5)
    pictures = Bits().unsigned(0, 0).put(0, 2).unsigned(0, 0, 0).put(0, 3).unsigned(0, 0, 0).put(0b100, 3)
    return sequence.unit(0x67) + pictures.unit(0x68)


def field(pixels: Pixels, number: int, *, bottom: bool) -> bytes:
    """Every second row of a frame, as a picture of its own."""
    in_group = number % _GROUP
    begins = in_group == 0 and not bottom
    header = Bits().unsigned(0, 7, 0).put(in_group, 4).put(0b10 | bottom, 2)
    if begins:
        header.unsigned(number // _GROUP % 2)
    header.put(2 * in_group + bottom, 8).put(0, 2 if begins else 1).unsigned(0, 1)
    rows = pixels[int(bottom) :: 2, :, 0]
    for down in range(0, rows.shape[0], _SIDE):
        for across in range(0, WIDTH, _SIDE):
            block = rows[down : down + _SIDE, across : across + _SIDE]
            header.unsigned(25).bytes(np.clip(block, 16, 235).tobytes() + b'\x80' * (2 * _SIDE * _SIDE // 4))
    return header.unit(0x65 if begins else 0x61)


def write_fields(path: Path, count: int, *, together: bool = True) -> Path:
    """A transport stream of numbered frames, 25 a second; both fields of a frame under one time, or each its own."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        container.start_encoding()
        for number in range(count):
            pixels = numbered(number)
            halves = [field(pixels, number, bottom=False), field(pixels, number, bottom=True)]
            if number % _GROUP == 0:
                halves[0] = parameters() + halves[0]
            for half, data in enumerate([b''.join(halves)] if together else halves):
                packet = av.Packet(data)
                packet.stream = stream
                packet.pts = packet.dts = 2 * number + half
                packet.time_base = Fraction(1, 50)
                packet.is_keyframe = number % _GROUP == 0 and half == 0
                container.mux(packet)
    return path
