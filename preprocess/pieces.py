"""The embedding store's pieces: immutable files of rows under content keys, written as the work goes, sorted by key.

    b'HLPIECE1'                      magic, padded with zeros to 64 bytes
    bytes[n, R]                      rows, in the order of their keys; a vector is R / 4 float32, little-endian
    bytes[n, K]                      keys, ascending; K = 32
    uint32[n]                        CRC-32C of each row
    JSON                             what the rows are, n, R, K
    uint32, uint32, b'HLPIECE1'      length of the JSON; CRC-32C of keys, CRCs and JSON; magic

Because the keys ascend, any range of keys is one run of bytes; because every row has its own CRC, a run can be checked
without the rest. A piece gets its name when it is whole, and never changes.
"""

import hashlib
import json
import logging
import struct
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from preprocess import files

Rows = NDArray[np.uint8]
_log = logging.getLogger(__name__)

# What a kill can cost a worker: a piece is closed when it is this big, or this much work is in it.
PIECE_BYTES = 64 << 20
PIECE_SECONDS = 30.0
SUFFIX = '.piece'
# Beside a piece that is damaged: nobody reads it any more.
BAD = '.bad'
# Beside a piece whose rows are in others now: new readers pass it by, those under way may finish.
OLD = '.old'
KEY_BYTES = 32
_MAGIC = b'HLPIECE1'
_HEADER_BYTES = 64
_TAIL = struct.Struct('<II8s')
# Rows this near are read in one go: skipping less than this costs more than reading it.
_GAP_BYTES = 256 << 10


class PieceError(ValueError):
    """A piece that is torn or corrupt; the message names it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f'{path}: {why}')
        self.path = path
        self.why = why


@dataclass(frozen=True)
class Shelf:
    """A folder of pieces of one kind: what their rows are, and how long one is."""

    folder: str
    holds: str
    row_bytes: int


@dataclass(frozen=True)
class Piece:
    """A published piece: where it is, and whose rows it holds, in order."""

    path: str
    holds: str
    row_bytes: int
    index: bytes  # the keys, one after the other
    crcs: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.crcs)

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """The keys, ascending."""
        return tuple(map(self.key, range(len(self))))

    def key(self, position: int) -> bytes:
        """The key at a position."""
        return self.index[position * KEY_BYTES : (position + 1) * KEY_BYTES]

    def rows(self, positions: Sequence[int]) -> Rows:
        """The rows at ascending positions, checked against their CRCs."""
        out = np.empty((len(positions), self.row_bytes), np.uint8)
        done = 0
        with files.open_read(self.path) as opened:
            for first, last in _runs(positions, gap=_GAP_BYTES // self.row_bytes):
                rows = self._read(opened, first, last)
                while done < len(positions) and positions[done] <= last:
                    out[done] = rows[positions[done] - first]
                    self._check(positions[done], out[done])
                    done += 1
        return out

    def _read(self, opened: BinaryIO, first: int, last: int) -> Rows:
        opened.seek(_HEADER_BYTES + first * self.row_bytes)
        data = opened.read((last - first + 1) * self.row_bytes)
        if len(data) < (last - first + 1) * self.row_bytes:
            raise PieceError(self.path, 'torn: it is shorter than it says')
        return np.frombuffer(data, np.uint8).reshape(-1, self.row_bytes)

    def _check(self, position: int, row: Rows) -> None:
        if google_crc32c.value(row.tobytes()) != self.crcs[position]:
            raise PieceError(self.path, f'corrupt: row {position} fails its checksum')


class PieceWriter:
    """Gathers rows and publishes them as pieces; one per writer, not for several threads."""

    def __init__(self, shelf: Shelf, *, staging: str = '', clock: Callable[[], float] = time.monotonic) -> None:
        self._shelf = shelf
        # Unfinished pieces lie where the next run of the same work finds and removes them. An object store has no
        # unfinished objects.
        self._staging = '' if files.is_remote(shelf.folder) else staging
        self._clock = clock
        # Names differ between writers, so that nobody waits for or overwrites anybody.
        self._writer = uuid.uuid4().hex[:12]
        self._published = 0
        self._rows: dict[bytes, bytes] = {}
        self._begun = clock()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, key: bytes, row: bytes) -> None:
        """Take one row; a key that is there already keeps its first."""
        if len(key) != KEY_BYTES or len(row) != self._shelf.row_bytes:
            raise ValueError(f'a key of {len(key)} and a row of {len(row)} bytes do not belong into {self._shelf}')
        if not self._rows:
            self._begun = self._clock()
        self._rows.setdefault(key, row)

    def drop(self, key: bytes) -> None:
        """Forget a row that is not published yet."""
        self._rows.pop(key, None)

    @property
    def is_full(self) -> bool:
        """Whether what was gathered is as big as a piece gets."""
        return len(self._rows) * self._shelf.row_bytes >= PIECE_BYTES

    @property
    def is_due(self) -> bool:
        """Whether what was gathered should be published now."""
        return bool(self._rows) and (self.is_full or self._clock() - self._begun >= PIECE_SECONDS)

    def publish(self) -> Piece | None:
        """Write what was gathered as one piece and start the next; None when nothing was."""
        if not self._rows:
            return None
        keys = sorted(self._rows)
        crcs = np.array([google_crc32c.value(self._rows[key]) for key in keys], '<u4')
        index = b''.join(keys)
        footer = _footer(self._shelf, index, crcs)
        name = f'{self._writer}-{self._published:05d}-{hashlib.sha256(footer).hexdigest()[:16]}{SUFFIX}'
        piece = Piece(files.join(self._shelf.folder, name), self._shelf.holds, self._shelf.row_bytes, index, crcs)
        written_at = files.join(self._staging, name) if self._staging else piece.path
        with files.writing_atomic(written_at) as opened:
            opened.write(_MAGIC.ljust(_HEADER_BYTES, b'\0'))
            for key in keys:
                opened.write(self._rows[key])
            opened.write(footer)
        if self._staging:
            files.rename(written_at, piece.path)
        self._rows.clear()
        self._published += 1
        return piece


@dataclass(frozen=True)
class Found:
    """The pieces in a folder by what is to be done with them, with their sizes."""

    good: dict[str, int]
    bad: dict[str, int]
    old: dict[str, int]


def find(folder: str) -> Found:
    """Every piece in a folder; those with a marker beside them apart."""
    sizes = {one.uri: one.size for one in files.list_dir(folder)} if files.is_dir(folder) else {}
    found = Found({}, {}, {})
    for path, size in sizes.items():
        if path.endswith(SUFFIX):
            kind = found.bad if path + BAD in sizes else found.old if path + OLD in sizes else found.good
            kind[path] = size
    return found


def mark_bad(error: PieceError) -> None:
    """Set a damaged piece aside; whoever comes first says why."""
    _log.error('set aside: %s', error)
    _mark(error.path + BAD, error.why)


def mark_old(path: str) -> None:
    """Have a piece passed by whose rows are in others now."""
    _mark(path + OLD, 'its rows are in other pieces')


def _mark(path: str, why: str) -> None:
    files.create_if_absent(path, json.dumps({'why': why, 'since': time.time()}).encode())


def open_piece(path: str, *, holds: str | None = None) -> Piece:
    """A piece's keys, checked; the rows are read when they are asked for. PieceError when they aren't what `holds`."""
    size = files.stat(path).size
    with files.open_read(path) as opened:
        try:
            piece = _parse(path, opened, size)
        except PieceError:
            raise
        except (ValueError, KeyError, TypeError, struct.error, OverflowError) as error:
            raise PieceError(path, f'torn or corrupt: {error}') from None
    if holds is not None and piece.holds != holds:
        raise PieceError(path, f'it holds {piece.holds}, not {holds}')
    return piece


def range_of(key: bytes, ranges: int) -> int:
    """In which of so many equal ranges of all keys this one lies; its first eight bytes say it."""
    return int.from_bytes(key[:8], 'big') * ranges >> 64


def split_by_range(index: bytes, ranges: int) -> Iterator[tuple[int, int, int]]:
    """Ascending keys -> (range, first, end) for every range that has any."""
    count = len(index) // KEY_BYTES
    first = 0
    while first < count:
        at = first * KEY_BYTES
        number = range_of(index[at : at + 8], ranges)
        end = _first_beyond(index, number, ranges, first)
        yield number, first, end
        first = end


def _first_beyond(index: bytes, number: int, ranges: int, first: int) -> int:
    low, high = first + 1, len(index) // KEY_BYTES
    while low < high:
        middle = (low + high) // 2
        at = middle * KEY_BYTES
        if range_of(index[at : at + 8], ranges) <= number:
            low = middle + 1
        else:
            high = middle
    return low


def _footer(shelf: Shelf, index: bytes, crcs: NDArray[np.uint32]) -> bytes:
    said = {'holds': shelf.holds, 'count': len(crcs), 'row_bytes': shelf.row_bytes, 'key_bytes': KEY_BYTES}
    text = json.dumps(said).encode()
    checked = index + crcs.tobytes() + text
    return checked + _TAIL.pack(len(text), google_crc32c.value(checked), _MAGIC)


def _parse(path: str, opened: BinaryIO, size: int) -> Piece:
    opened.seek(max(0, size - _TAIL.size))
    length, crc, magic = _TAIL.unpack(opened.read(_TAIL.size))
    if magic != _MAGIC:
        raise PieceError(path, 'torn: it does not end like a piece')
    opened.seek(size - _TAIL.size - length)
    text = opened.read(length)
    said = json.loads(text)
    count, row_bytes = said['count'], said['row_bytes']
    if size != _HEADER_BYTES + count * (row_bytes + KEY_BYTES + 4) + length + _TAIL.size:
        raise PieceError(path, 'torn: its size is not what it says')
    opened.seek(_HEADER_BYTES + count * row_bytes)
    index = opened.read(count * (KEY_BYTES + 4))
    if google_crc32c.value(index + text) != crc or said['key_bytes'] != KEY_BYTES:
        raise PieceError(path, 'corrupt: its keys fail their checksum')
    crcs = np.frombuffer(index, '<u4', count, count * KEY_BYTES)
    return Piece(path, said['holds'], row_bytes, index[: count * KEY_BYTES], crcs)


def _runs(positions: Sequence[int], *, gap: int) -> list[tuple[int, int]]:
    """Ascending positions as first-last runs, those at most `gap` apart joined."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position - runs[-1][1] <= gap + 1:
            runs[-1] = runs[-1][0], position
        else:
            runs.append((position, position))
    return runs
