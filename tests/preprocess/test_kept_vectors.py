"""Pictures the store has vectors of, counted without being read."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from preprocess import forecast, kept_vectors, pieces, shelves
from preprocess.compiled import CompiledEncoder
from preprocess.files import FileStat
from preprocess.options import SetConfig
from preprocess.pieces import PieceError, PieceWriter
from preprocess.record_sets import find_records
from tests.preprocess.runs import config, embed, write_csv

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


def keep(store: Path, numbers: range, encoder: str = ENCODER) -> str:
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
    keep(tmp_path, range(10, 25))
    keep(tmp_path, range(25, 40))
    keep(tmp_path, range(0, 50), OTHER)
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
    path = keep(store, range(0, 10))
    assert count(store, [stat(number) for number in range(50)]) == 30
    Path(path).write_bytes(Path(path).read_bytes()[:-1])
    assert count(store, [stat(number) for number in range(50)]) == 20
    pieces.mark_bad(PieceError(path, 'torn'))
    assert count(store, [stat(number) for number in range(50)]) == 20


def test_runs_and_dry_runs_name_files_alike(tmp_path, monkeypatch):
    for number in range(6):
        Image.new('RGB', (20, 20), (40 * number, 0, 0)).save(tmp_path / f'{number}.png')
        # A file that may still change within its clock's tick is not noted.
        os.utime(tmp_path / f'{number}.png', (1e9, 1e9))
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    write_csv(tmp_path, 'train.csv', [f'{number}.png,cat' for number in range(5)])
    embed(config(tmp_path), folder=tmp_path)
    write_csv(tmp_path, 'all.csv', [f'{number}.png,dog' for number in range(6)])
    # As a user may name them, from where they are.
    monkeypatch.chdir(tmp_path)
    stock = forecast.take_stock(SetConfig(input_path='all.csv', input_dict='dict.txt', output_path='other/all'))
    encoder_dir = find_records(['out/train']).encoder_dir
    assert encoder_dir
    encoder = CompiledEncoder.load(encoder_dir)
    assert kept_vectors.count(stock.found, 'out/embeddings', encoder) == 5
    assert kept_vectors.count(stock.found, 'out/embeddings', replace(encoder, key=OTHER)) == 0
