"""Pictures the store has vectors of, counted without being read."""

import hashlib
from pathlib import Path

import pytest

from preprocess import kept_vectors, pieces, shelves
from preprocess.compiled import CompiledEncoder
from preprocess.files import FileStat
from preprocess.pieces import PieceError, PieceWriter

ENCODER = 'e' * 64
OTHER = 'f' * 64
COMPILED = CompiledEncoder(
    directory='',
    spec='two',
    key=ENCODER,
    sha256='',
    input_shape=(8, 8, 3),
    vector_size=2,
    engine='tensorflow',
    precision='float32',
    batch_size=4,
)


def stat(number: int, *, version: str = '1') -> FileStat:
    return FileStat(f'/pictures/{number}.jpg', 100 + number, version)


def content(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def know(store: Path, numbers: range) -> None:
    entries = PieceWriter(shelves.index(str(store)))
    for number in numbers:
        entries.add(shelves.file_key(stat(number)), content(number))
    entries.publish()


def embed(store: Path, numbers: range, encoder: str = ENCODER) -> str:
    vectors = PieceWriter(shelves.vectors(str(store), encoder, 8))
    for number in numbers:
        vectors.add(content(number), bytes(8))
    piece = vectors.publish()
    assert piece
    return piece.path


def count(store: Path, found: list[FileStat]) -> int:
    return kept_vectors.count(found, str(store), COMPILED)


@pytest.fixture
def store(tmp_path) -> Path:
    """Files 0 to 29 were seen, in two pieces; of 10 to 39 there are vectors, in two; of all by another encoder."""
    know(tmp_path, range(0, 20))
    know(tmp_path, range(20, 30))
    embed(tmp_path, range(10, 25))
    embed(tmp_path, range(25, 40))
    embed(tmp_path, range(0, 50), OTHER)
    return tmp_path


def test_files_that_were_seen_and_whose_content_has_a_vector_count(store):
    assert count(store, [stat(number) for number in range(50)]) == 20
    assert count(store, [stat(number) for number in (3, 11, 29, 33)]) == 2


def test_a_file_that_changed_since_counts_as_new(store):
    assert count(store, [stat(11), stat(12, version='2')]) == 1


def test_a_file_named_twice_counts_twice(store):
    assert count(store, [stat(11), stat(11), stat(3)]) == 2


def test_nothing_is_in_a_store_that_is_not_there(tmp_path):
    assert count(tmp_path / 'none', [stat(1)]) == 0
    assert count(tmp_path / 'none', []) == 0


def test_a_damaged_piece_counts_for_nothing(store):
    path = embed(store, range(0, 10))
    assert count(store, [stat(number) for number in range(50)]) == 30
    Path(path).write_bytes(Path(path).read_bytes()[:-1])
    assert count(store, [stat(number) for number in range(50)]) == 20
    pieces.mark_bad(PieceError(path, 'torn'))
    assert count(store, [stat(number) for number in range(50)]) == 20
