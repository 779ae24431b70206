"""What lies on a shelf of the store when a run looks: its pieces, read in slices by ranges of keys."""

from collections.abc import Iterator
from dataclasses import dataclass

from preprocess import pieces
from preprocess.pieces import KEY_BYTES, Shelf


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
    """The pieces of one shelf as they were listed, to be read in slices of so many ranges."""

    shelf: Shelf
    paths: tuple[str, ...]
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
        return [path for path in pieces.find(self.shelf.folder).good if path not in self.paths]
