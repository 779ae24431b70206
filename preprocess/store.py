"""The embedding store's pieces: immutable files of vectors, written as the work goes and sorted by key.

    b'HLPIECE1'                      magic, padded with zeros to 64 bytes
    float32[n, D]                    vectors, little-endian, in the order of their keys
    bytes[n, K]                      keys, ascending; K = 32: the sha256 of the picture's bytes
    uint32[n]                        CRC-32C of each vector's bytes
    JSON                             encoder key, n, D, K
    uint32, uint32, b'HLPIECE1'      length of the JSON; CRC-32C of keys, CRCs and JSON; magic

Because the keys ascend, any range of keys is one run of bytes; because every vector has its own CRC, a run can be
checked without the rest. A piece gets its name when it is whole, and never changes.
"""

import hashlib
import json
import struct
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from preprocess import files

Vectors = NDArray[np.float32]

# What a kill can cost a worker: a piece is closed when it is this big, or this much work is in it.
PIECE_BYTES = 64 << 20
PIECE_SECONDS = 30.0
SUFFIX = '.piece'
_MAGIC = b'HLPIECE1'
_HEADER_BYTES = 64
_TAIL = struct.Struct('<II8s')
# Vectors this near are read in one go: skipping less than this costs more than reading it.
_GAP_BYTES = 256 << 10


class PieceError(ValueError):
    """A piece that is torn or corrupt; the message names it."""


@dataclass(frozen=True)
class Piece:
    """A published piece: where it is, and whose vectors it holds, in order."""

    path: str
    encoder_key: str
    vector_size: int
    keys: tuple[bytes, ...]
    crcs: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.keys)

    def vectors(self, positions: Sequence[int]) -> Vectors:
        """The vectors at ascending positions, checked against their CRCs."""
        out = np.empty((len(positions), self.vector_size), np.float32)
        done = 0
        with files.open_read(self.path) as opened:
            for first, last in _runs(positions, gap=_GAP_BYTES // (4 * self.vector_size)):
                rows = self._read(opened, first, last)
                while done < len(positions) and positions[done] <= last:
                    out[done] = rows[positions[done] - first]
                    self._check(positions[done], out[done])
                    done += 1
        return out

    def _read(self, opened: BinaryIO, first: int, last: int) -> Vectors:
        row_bytes = 4 * self.vector_size
        opened.seek(_HEADER_BYTES + first * row_bytes)
        data = opened.read((last - first + 1) * row_bytes)
        if len(data) < (last - first + 1) * row_bytes:
            raise PieceError(f'{self.path}: the piece is shorter than it says')
        return np.frombuffer(data, '<f4').reshape(-1, self.vector_size)

    def _check(self, position: int, vector: NDArray[np.float32]) -> None:
        if google_crc32c.value(vector.tobytes()) != self.crcs[position]:
            raise PieceError(f'{self.path}: vector {position} fails its checksum')


class PieceWriter:
    """Gathers vectors and publishes them as pieces; one per writer, not for several threads."""

    def __init__(
        self,
        directory: str,
        *,
        encoder_key: str,
        vector_size: int,
        staging: str = '',
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = files.join(directory, encoder_key[:16])
        # Unfinished pieces lie where the next run of the same work finds and removes them. An object store has no
        # unfinished objects.
        self._staging = '' if files.is_remote(directory) else staging
        self._encoder_key = encoder_key
        self._vector_size = vector_size
        self._clock = clock
        # Names differ between writers, so that nobody waits for or overwrites anybody.
        self._writer = uuid.uuid4().hex[:12]
        self._published = 0
        self._vectors: dict[bytes, bytes] = {}
        self._begun = clock()

    def add(self, key: bytes, vector: Vectors) -> None:
        """Take one vector; a key that is there already keeps its first."""
        if not self._vectors:
            self._begun = self._clock()
        self._vectors.setdefault(key, np.ascontiguousarray(vector, '<f4').tobytes())

    @property
    def is_due(self) -> bool:
        """Whether what was gathered should be published now."""
        if not self._vectors:
            return False
        is_big = len(self._vectors) * 4 * self._vector_size >= PIECE_BYTES
        return is_big or self._clock() - self._begun >= PIECE_SECONDS

    def publish(self) -> Piece | None:
        """Write what was gathered as one piece and start the next; None when nothing was."""
        if not self._vectors:
            return None
        keys = tuple(sorted(self._vectors))
        crcs = np.array([google_crc32c.value(self._vectors[key]) for key in keys], '<u4')
        index = b''.join(keys) + crcs.tobytes()
        name = f'{self._writer}-{self._published:05d}-{hashlib.sha256(index).hexdigest()[:16]}{SUFFIX}'
        piece = Piece(files.join(self._directory, name), self._encoder_key, self._vector_size, keys, crcs)
        written_at = files.join(self._staging, name) if self._staging else piece.path
        with files.writing_atomic(written_at) as opened:
            opened.write(_MAGIC.ljust(_HEADER_BYTES, b'\0'))
            for key in keys:
                opened.write(self._vectors[key])
            opened.write(index)
            opened.write(_footer(piece, index))
        if self._staging:
            files.rename(written_at, piece.path)
        self._vectors.clear()
        self._published += 1
        return piece


def open_piece(path: str) -> Piece:
    """A piece's keys, checked; the vectors are read when they are asked for."""
    size = files.stat(path).size
    with files.open_read(path) as opened:
        try:
            return _parse(path, opened, size)
        except (ValueError, KeyError, TypeError, struct.error, OverflowError) as error:
            raise error if isinstance(error, PieceError) else PieceError(f'{path}: torn or corrupt: {error}') from None


def read_piece(path: str) -> tuple[tuple[bytes, ...], Vectors]:
    """All keys and vectors of a piece, checked."""
    piece = open_piece(path)
    return piece.keys, piece.vectors(range(len(piece)))


def _footer(piece: Piece, index: bytes) -> bytes:
    said = {
        'encoder': piece.encoder_key,
        'count': len(piece),
        'vector_size': piece.vector_size,
        'key_size': len(piece.keys[0]),
    }
    text = json.dumps(said).encode()
    return text + _TAIL.pack(len(text), google_crc32c.value(index + text), _MAGIC)


def _parse(path: str, opened: BinaryIO, size: int) -> Piece:
    opened.seek(max(0, size - _TAIL.size))
    length, crc, magic = _TAIL.unpack(opened.read(_TAIL.size))
    if magic != _MAGIC:
        raise PieceError(f'{path}: torn: it does not end like a piece')
    opened.seek(size - _TAIL.size - length)
    text = opened.read(length)
    said = json.loads(text)
    count, key_size, vector_size = said['count'], said['key_size'], said['vector_size']
    if size != _HEADER_BYTES + count * (4 * vector_size + key_size + 4) + length + _TAIL.size:
        raise PieceError(f'{path}: torn: its size is not what it says')
    opened.seek(_HEADER_BYTES + count * 4 * vector_size)
    index = opened.read(count * (key_size + 4))
    if google_crc32c.value(index + text) != crc:
        raise PieceError(f'{path}: corrupt: its keys fail their checksum')
    keys = tuple(index[at : at + key_size] for at in range(0, count * key_size, key_size))
    return Piece(path, said['encoder'], vector_size, keys, np.frombuffer(index, '<u4', count, count * key_size))


def _runs(positions: Sequence[int], *, gap: int) -> list[tuple[int, int]]:
    """Ascending positions as first-last runs, those at most `gap` apart joined."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position - runs[-1][1] <= gap + 1:
            runs[-1] = runs[-1][0], position
        else:
            runs.append((position, position))
    return runs
