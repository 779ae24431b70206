"""Headers that would cost more than any picture: refused before Pillow, which trusts them, reads the file.

Pillow walks headers in Python, piece by piece, and copies what each tag of a TIFF or EXIF directory points at: a small
file of a million pieces, or of ten thousand tags that all point at the same megabyte, takes minutes or all memory.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from preprocess.image_formats import ImageError

# Real JPEGs and GIFs have a few dozen pieces in front of their pixels (a large colour profile 200).
_MAX_PIECES = 10_000
# A PNG's pixels come in pieces too, often of 8 KB.
_MAX_CHUNKS = 100_000
# Real progressive JPEGs have about ten scans; each costs a pass over all pixels.
_MAX_SCANS = 100
# What the tags of one file may hold beyond the file's own size (some writers let tags share a value).
_MAX_SHARED_BYTES = 32 << 20
# Numbers in one tag: a picture of the most pixels in tiles of 16 x 16 has 350,000 addresses.
_MAX_NUMBERS = 1 << 20

# Bytes of a value by its kind, as TIFF numbers them; and the kinds that are text and plain bytes.
_VALUE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_BYTES = (1, 2, 6, 7)
# Tags that point at a further directory: EXIF, GPS, interoperability.
_DIRECTORIES = (34665, 34853, 40965)
_MAX_DIRECTORIES = 16

_SCAN = 0xDA
# A marker that begins a segment, or ends the picture; within pixels 0xFF is followed by zero or a restart's number.
_JPEG_MARKER = re.compile(rb'\xff([^\x00\x01\xd0-\xd8\xff])', re.DOTALL)


def refuse_floods(data: bytes) -> None:
    """Raise ImageError for a header that is an attack on whoever reads it."""
    for magic, check in _CHECKS.items():
        if data.startswith(magic):
            check(data)


def is_sane_directory(exif: bytes) -> bool:
    """Whether the tags of a TIFF or EXIF block may be read without great cost."""
    held = 0
    for number_of_values, size, kind in _tags(exif):
        held += size
        if number_of_values > _MAX_NUMBERS and kind not in _BYTES:
            return False
        if held > len(exif) + _MAX_SHARED_BYTES:
            return False
    return True


def _check_jpeg(data: bytes) -> None:
    exif, scans = b'', 0
    for marker, segment in _jpeg_segments(data):
        if marker == _SCAN:
            scans += 1
        elif marker == 0xE1 and segment.startswith(b'Exif\0\0'):
            exif += segment[6:]  # a long one comes in several segments
        elif marker == 0xE2 and segment.startswith(b'MPF\0'):
            _check_directory(segment[4:])
    _check_directory(exif)
    if scans > _MAX_SCANS:
        raise ImageError('corrupt', f'a JPEG of {scans:,} scans; the limit is {_MAX_SCANS}')


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The marked segments of the first picture; what a phone appends behind it doesn't count."""
    at = 2
    for _ in range(_MAX_PIECES):
        found = _JPEG_MARKER.search(data, at)
        if not found or found[1] == b'\xd9':
            return
        end = found.end() + int.from_bytes(data[found.end() : found.end() + 2], 'big')
        yield found[1][0], data[found.end() + 2 : end]
        at = max(end, found.end())
    raise ImageError('corrupt', f'a JPEG of more than {_MAX_PIECES:,} segments')


def _check_png(data: bytes) -> None:
    at, chunks = 8, 0
    while at + 8 <= len(data):
        at += 12 + int.from_bytes(data[at : at + 4], 'big')
        chunks += 1
        if chunks > _MAX_CHUNKS:
            raise ImageError('corrupt', f'a PNG of more than {_MAX_CHUNKS:,} chunks')


def _check_gif(data: bytes) -> None:
    """Count the pieces of the extensions in front of the first frame."""
    flags = int.from_bytes(data[10:11], 'big')
    palette_bytes = 3 << (flags & 7) + 1 if flags & 0x80 else 0
    at, pieces = 13 + palette_bytes, 0
    while data[at : at + 1] == b'!':
        at += 2
        while length := int.from_bytes(data[at : at + 1], 'big'):
            at += 1 + length
            pieces += 1
        at += 1
        pieces += 1
        if pieces > _MAX_PIECES:
            raise ImageError('corrupt', f'a GIF of more than {_MAX_PIECES:,} pieces before its first frame')


def _check_directory(data: bytes) -> None:
    if not is_sane_directory(data):
        raise ImageError('corrupt', 'its tags (EXIF, TIFF) claim far more data than the file has')


@dataclass(frozen=True)
class _Layout:
    """How directories are written: TIFF's way or BigTIFF's, in either byte order."""

    count: struct.Struct
    entry: struct.Struct  # tag, kind, number of values, value or where the values are
    pointer: struct.Struct
    first_at: int  # where the address of the first directory stands


def _layout(data: bytes) -> _Layout | None:
    order = {b'II': '<', b'MM': '>'}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    (version,) = struct.unpack_from(order + 'H', data, 2)
    count, entry, pointer, first_at = ('Q', 'HHQQ', 'Q', 8) if version == 43 else ('H', 'HHII', 'I', 4)
    return _Layout(struct.Struct(order + count), struct.Struct(order + entry), struct.Struct(order + pointer), first_at)


def _tags(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Number of values, their bytes outside of the directory, and their kind, for every tag a reader comes upon."""
    layout = _layout(data)
    if layout is None:
        return
    waiting: list[int] = list(layout.pointer.unpack_from(data, layout.first_at))
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_DIRECTORIES:
        if (begin := waiting.pop()) in seen:
            continue
        seen.add(begin)
        further: dict[int, int] = {}
        for tag, kind, values, value in _entries(data, layout, begin):
            size = values * _VALUE_SIZES.get(kind, 0)
            outside = size if size > layout.pointer.size else 0
            if outside and value + size > len(data):
                break  # here readers give up
            yield values, outside, kind
            if tag in _DIRECTORIES:
                further[tag] = value  # of a repeated tag readers keep the last
        waiting += further.values()


def _entries(data: bytes, layout: _Layout, begin: int) -> Iterator[tuple[int, int, int, int]]:
    """The entries of the directory that begins there, as far as the data goes."""
    first = begin + layout.count.size
    if first > len(data):
        return
    (announced,) = layout.count.unpack_from(data, begin)
    there = min(announced, (len(data) - first) // layout.entry.size)
    yield from layout.entry.iter_unpack(memoryview(data)[first : first + there * layout.entry.size])


_CHECKS = {
    b'\xff\xd8\xff': _check_jpeg,
    b'\x89PNG': _check_png,
    b'GIF8': _check_gif,
    b'II*\0': _check_directory,
    b'II+\0': _check_directory,
    b'MM\0*': _check_directory,
    b'MM\0+': _check_directory,
}
