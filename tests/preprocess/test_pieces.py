"""Pieces of the embedding store: what goes in comes out, and what is damaged says so."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from preprocess import pieces, shelves
from preprocess.pieces import PieceWriter, Shelf


def key(number: int) -> bytes:
    return hashlib.sha256(b'%d' % number).digest()


def vector(number: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(size).astype(np.float32)


def shelf(folder: Path) -> Shelf:
    return shelves.vectors(str(folder), 'e' * 64, 32)


def add(writer: PieceWriter, number: int, seed: int | None = None) -> None:
    writer.add(key(number), shelves.vector_row(vector(number if seed is None else seed)))


def read(path: str) -> tuple[tuple[bytes, ...], np.ndarray]:
    piece = pieces.open_piece(path)
    return piece.keys, piece.rows(range(len(piece))).view(np.float32)


def written(folder: Path, count: int = 20) -> pieces.Piece:
    writer = PieceWriter(shelf(folder))
    for number in range(count):
        add(writer, number)
    piece = writer.publish()
    assert piece
    return piece


def test_a_piece_gives_back_its_vectors_in_the_order_of_their_keys(tmp_path):
    piece = written(tmp_path)
    keys, vectors = read(piece.path)
    assert list(keys) == sorted(key(number) for number in range(20))
    assert {k: v.tobytes() for k, v in zip(keys, vectors, strict=True)} == {
        key(number): vector(number).tobytes() for number in range(20)
    }
    assert pieces.open_piece(piece.path).holds == 'vectors ' + 'e' * 64


@pytest.mark.parametrize('gap_bytes', [0, 64, 1 << 20])
def test_single_vectors_are_read_whatever_lies_between_them(tmp_path, monkeypatch, gap_bytes):
    monkeypatch.setattr(pieces, '_GAP_BYTES', gap_bytes)
    piece = written(tmp_path)
    everything = piece.rows(range(20))
    positions = [0, 1, 4, 11, 19]
    np.testing.assert_array_equal(piece.rows(positions), everything[positions])
    assert piece.rows([]).shape == (0, 32)


def test_a_key_added_twice_is_kept_once(tmp_path):
    writer = PieceWriter(shelf(tmp_path))
    add(writer, 1)
    add(writer, 1, 2)
    piece = writer.publish()
    assert piece and len(piece) == 1
    np.testing.assert_array_equal(piece.rows([0])[0].view(np.float32), vector(1))


def test_nothing_gathered_publishes_nothing(tmp_path):
    writer = PieceWriter(shelf(tmp_path))
    assert writer.publish() is None
    assert not writer.is_due
    assert list(tmp_path.iterdir()) == []


def test_a_piece_is_due_when_it_is_big_or_holds_thirty_seconds_of_work(tmp_path, monkeypatch):
    now = [100.0]
    writer = PieceWriter(shelf(tmp_path), clock=lambda: now[0])
    now[0] = 500.0
    add(writer, 1)
    assert not writer.is_due
    now[0] += pieces.PIECE_SECONDS
    assert writer.is_due
    writer.publish()
    assert not writer.is_due
    monkeypatch.setattr(pieces, 'PIECE_BYTES', 64)
    add(writer, 2)
    assert not writer.is_due
    add(writer, 3)
    assert writer.is_due


def test_two_writers_of_the_same_vectors_do_not_meet(tmp_path):
    assert written(tmp_path).path != written(tmp_path).path
    assert len(list(tmp_path.rglob('*.piece'))) == 2


def test_a_torn_piece_is_named(tmp_path):
    piece = written(tmp_path)
    whole = Path(piece.path).read_bytes()
    for length in (0, 5, 64, len(whole) // 2, len(whole) - 1):
        Path(piece.path).write_bytes(whole[:length])
        with pytest.raises(pieces.PieceError, match='piece'):
            pieces.open_piece(piece.path)


def test_no_flipped_byte_goes_unseen(tmp_path):
    piece = written(tmp_path)
    whole = Path(piece.path).read_bytes()
    padding = range(len(pieces._MAGIC), pieces._HEADER_BYTES)
    for place in set(range(pieces._HEADER_BYTES, len(whole), 7)) - set(padding):
        Path(piece.path).write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        with pytest.raises(pieces.PieceError):
            read(piece.path)


def test_a_piece_cut_after_it_was_opened_is_named(tmp_path):
    piece = written(tmp_path)
    Path(piece.path).write_bytes(Path(piece.path).read_bytes()[:100])
    with pytest.raises(pieces.PieceError, match='shorter'):
        piece.rows([19])


def test_a_piece_of_another_shelf_is_not_taken_for_one_of_this(tmp_path):
    piece = written(tmp_path)
    with pytest.raises(pieces.PieceError, match='it holds vectors e.*, not files'):
        pieces.open_piece(piece.path, holds='files')


def test_a_row_or_key_of_another_length_is_not_taken(tmp_path):
    with pytest.raises(ValueError, match='do not belong'):
        PieceWriter(shelf(tmp_path)).add(key(1), b'short')
    with pytest.raises(ValueError, match='do not belong'):
        PieceWriter(shelf(tmp_path)).add(b'k', b'x' * 32)


@pytest.mark.parametrize('ranges', [1, 2, 7, 1000])
def test_keys_split_by_range_meet_in_order_and_none_is_lost(tmp_path, ranges):
    piece = written(tmp_path, 50)
    parts = list(pieces.split_by_range(piece.index, ranges))
    assert [place for _, first, end in parts for place in range(first, end)] == list(range(50))
    for number, first, end in parts:
        assert {pieces.range_of(piece.key(place), ranges) for place in range(first, end)} == {number}
    assert len({number for number, _, _ in parts}) == len(parts)


def test_pieces_with_a_marker_are_found_apart(tmp_path):
    good, bad, old = (written(tmp_path) for _ in range(3))
    pieces.mark_bad(pieces.PieceError(bad.path, 'torn'))
    pieces.mark_bad(pieces.PieceError(bad.path, 'torn, says another'))
    pieces.mark_old(old.path)
    found = pieces.find(shelf(tmp_path).folder)
    assert (list(found.good), list(found.bad), list(found.old)) == ([good.path], [bad.path], [old.path])
    assert json.loads(Path(bad.path + '.bad').read_bytes())['why'] == 'torn'
    assert found.good[good.path] == Path(good.path).stat().st_size


def test_nothing_is_found_where_there_is_no_store(tmp_path):
    assert pieces.find(str(tmp_path / 'none')) == pieces.Found({}, {}, {})
