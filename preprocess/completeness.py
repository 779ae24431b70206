"""Whether a video file holds all the bytes its container announces: copies and downloads end early without a word."""

from collections.abc import Iterator
from typing import BinaryIO

from preprocess import files

_HEAD_BYTES = 4096
# What stands at the top of an MP4, and of an AVI. Cameras write notes of their own behind it, of any form.
_BOXES = frozenset(
    [
        b'ftyp',
        b'styp',
        b'moov',
        b'moof',
        b'mdat',
        b'mfra',
        b'sidx',
        b'free',
        b'skip',
        b'wide',
        b'uuid',
        b'udta',
        b'meta',
    ]
)
_CHUNKS = frozenset([b'RIFF', b'LIST', b'JUNK', b'idx1'])
# Matroska and WebM: an EBML header, then one segment (their numbers as the specification writes them).
_EBML, _SEGMENT = b'\x1aE\xdf\xa3', b'\x18S\x80g'


def is_cut_short(uri: str) -> bool:
    """Whether the file ends before the end its own headers tell; False where they tell none."""
    size = files.stat(uri).size
    with files.open_read(uri) as source:
        head = source.read(_HEAD_BYTES)
        if head.startswith(_EBML):
            return _matroska_end(head) > size
        if head.startswith(b'RIFF'):
            return any(end > size for end in _chunks(source, size))
        if head[4:8] == b'ftyp':
            return any(end > size for end in _boxes(source, size))
    return False


def _matroska_end(head: bytes) -> int:
    """Where the segment ends; 0 where it doesn't say, as in a live recording."""
    header_bytes, at = _element_size(head, len(_EBML))
    at += header_bytes or 0
    if head[at : at + len(_SEGMENT)] != _SEGMENT:
        return 0
    segment_bytes, begin = _element_size(head, at + len(_SEGMENT))
    return 0 if segment_bytes is None else begin + segment_bytes


def _element_size(head: bytes, at: int) -> tuple[int | None, int]:
    """The size of an element that stands at `at`, None for an open one, and where its content begins."""
    if at >= len(head) or not head[at]:
        return None, at
    length = 9 - head[at].bit_length()
    bits = 7 * length
    value = int.from_bytes(head[at : at + length], 'big') & ((1 << bits) - 1)
    return (None if value == (1 << bits) - 1 else value), at + length


def _boxes(source: BinaryIO, size: int) -> Iterator[int]:
    """Where the boxes of an MP4 or MOV end, as each announces."""
    at = 0
    while at + 8 <= size:
        source.seek(at)
        head = source.read(16)
        length = int.from_bytes(head[:4], 'big')
        if length == 1:
            length = int.from_bytes(head[8:16], 'big')
        if length < 8 or head[4:8] not in _BOXES:
            return  # to the end of the file, or no box at all
        at += length
        yield at


def _chunks(source: BinaryIO, size: int) -> Iterator[int]:
    """Where the chunks of an AVI end. (What the whole claims to be is often wrong, and never looked at.)"""
    at = 12
    while at + 8 <= size:
        source.seek(at)
        head = source.read(8)
        length = int.from_bytes(head[4:], 'little')
        if not length or head[:4] not in _CHUNKS:
            return  # never filled in, or no chunk at all
        yield at + 8 + length
        at += 8 + length + length % 2
