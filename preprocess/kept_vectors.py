"""Which pictures the store has vectors of already, found out without reading any of them.

A piece of the store is in memory at a time, and of every picture 64 bytes: a million pictures are no burden.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from preprocess import files, pieces, shelves
from preprocess.compiled import CompiledEncoder
from preprocess.files import FileStat
from preprocess.pieces import KEY_BYTES, Piece, PieceError, Shelf
from preprocess.progress import Progress

Keys = NDArray[np.bytes_]


def count(found: Sequence[FileStat], store: str, encoder: CompiledEncoder) -> int:
    """How many of these files have a vector: the store knows them by path, size and time; a moved one is new to it."""
    if not found:
        return 0
    index, vectors = shelves.index(store), shelves.vectors(store, encoder.key, encoder.vector_bytes)
    # As runs name them: their CSVs are read by absolute paths.
    named = [replace(one, uri=files.absolute(one.uri)) for one in found]
    with Progress('looking what the store has', unit='pieces') as progress:
        keys, repeats = np.unique(_keys([shelves.file_key(one) for one in named]), return_counts=True)
        contents = np.zeros(len(keys), f'S{KEY_BYTES}')
        for piece in _pieces(index, progress):
            _note(piece, keys, contents)
        has_vector = np.zeros(len(keys), bool)
        for piece in _pieces(vectors, progress):
            has_vector |= np.isin(contents, _keys_of(piece))
        # What is not in the index stands there as zeros, which no sha256 is.
        return int(repeats[has_vector & (contents != b'')].sum())


def _note(piece: Piece, keys: Keys, contents: Keys) -> None:
    """Write beside the keys that are in a piece of the index what they stand for."""
    in_piece = _keys_of(piece)
    places = np.searchsorted(in_piece, keys)
    places[places == len(in_piece)] = 0
    known = np.flatnonzero(in_piece[places] == keys) if len(in_piece) else np.array([], np.intp)
    if len(known):
        # Both ascend, so these positions do.
        rows = piece.rows(places[known].tolist())
        contents[known] = rows.view(f'S{KEY_BYTES}').reshape(-1)


def _pieces(shelf: Shelf, progress: Progress) -> Iterator[Piece]:
    for path in pieces.find(shelf.folder).good:
        # One that was compacted meanwhile, or is damaged, is the run's own affair.
        with suppress(FileNotFoundError, PieceError):
            yield pieces.open_piece(path, holds=shelf.holds)
        progress.advance()


def _keys(some: Sequence[bytes]) -> Keys:
    return np.frombuffer(b''.join(some), f'S{KEY_BYTES}')


def _keys_of(piece: Piece) -> Keys:
    return np.frombuffer(piece.index, f'S{KEY_BYTES}')
