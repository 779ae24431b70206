"""What lies on a shelf of the store when a run looks: its pieces, read in slices by ranges of keys."""

import json
import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from preprocess import files, pieces
from preprocess.pieces import KEY_BYTES, Shelf

# Rows settled together, and keys of the store they meet: what one worker holds in memory at a time.
_ROWS_PER_RANGE = 1024
_KEYS_PER_RANGE = 1 << 16
# From one range to the others rows travel in blocks: with more ranges than this leaves, most blocks would be one row.
_ROWS_PER_BLOCK = 64
_MOST_RANGES = 1 << 14
# A job's graph is sent whole, and services take no large ones: it names lists of pieces, each so long.
_PATHS_PER_LIST = 1000


@dataclass(frozen=True, slots=True)
class KeySlice:
    """Ascending keys of one piece, from its `first` on; their rows too, where these are small."""

    piece: str
    first: int
    keys: bytes
    rows: bytes = b''

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        keys = self.keys
        return ((number, keys[at : at + KEY_BYTES]) for number, at in enumerate(range(0, len(keys), KEY_BYTES)))

    def row(self, number: int) -> bytes:
        """The row of the key with this number in the slice."""
        size = len(self.rows) * KEY_BYTES // len(self.keys)
        return self.rows[number * size : (number + 1) * size]


@dataclass(frozen=True)
class Stock:
    """The pieces of one shelf as they were listed, in files that name them, to be read in slices of so many ranges."""

    shelf: Shelf
    lists: tuple[str, ...]
    ranges: int
    with_rows: bool

    def read(self, path: str) -> Iterator[tuple[int, KeySlice]]:
        """A piece in slices; PieceError when it is damaged, FileNotFoundError when it vanished."""
        piece = pieces.open_piece(path, holds=self.shelf.holds)
        for number, first, end in pieces.split_by_range(piece.index, self.ranges):
            rows = piece.rows(range(first, end)).tobytes() if self.with_rows else b''
            yield number, KeySlice(path, first, piece.index[first * KEY_BYTES : end * KEY_BYTES], rows)

    def newcomers(self) -> list[str]:
        """Pieces that were not there at the listing: what vanished since is in one of them."""
        listed = {path for one in self.lists for path in read_list(one)}
        return [path for path in pieces.find(self.shelf.folder).good if path not in listed]


def write_lists(folder: str, paths: Sequence[str]) -> tuple[str, ...]:
    """Files in a folder that name these pieces, some in each."""
    lists = []
    for first in range(0, len(paths), _PATHS_PER_LIST):
        lists.append(files.join(folder, f'{uuid.uuid4().hex}.json'))
        files.write_atomic(lists[-1], json.dumps(paths[first : first + _PATHS_PER_LIST]).encode())
    return tuple(lists)


def read_list(path: str) -> list[str]:
    """The pieces that a list names."""
    return cast('list[str]', json.loads(files.read_bytes(path)))


def how_many_ranges(about_rows: int, about_keys: int, *, least: int = 0) -> int:
    """How finely to cut a shelf's keys for about so many rows and keys; at least so often, if that may be."""
    rows_per_range = max(_ROWS_PER_RANGE, math.isqrt(_ROWS_PER_BLOCK * about_rows))
    return min(_MOST_RANGES, 1 + max(about_rows // rows_per_range, about_keys // _KEYS_PER_RANGE, least))
