"""Pieces of the embedding store: what goes in comes out, and what is damaged says so."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from preprocess import store


def key(number: int) -> bytes:
    return hashlib.sha256(b'%d' % number).digest()


def vector(number: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(size).astype(np.float32)


def written(folder: Path, count: int = 20) -> store.Piece:
    writer = store.PieceWriter(str(folder), encoder_key='e' * 64, vector_size=8)
    for number in range(count):
        writer.add(key(number), vector(number))
    piece = writer.publish()
    assert piece
    return piece


def test_a_piece_gives_back_its_vectors_in_the_order_of_their_keys(tmp_path):
    piece = written(tmp_path)
    keys, vectors = store.read_piece(piece.path)
    assert list(keys) == sorted(key(number) for number in range(20))
    assert {k: v.tobytes() for k, v in zip(keys, vectors, strict=True)} == {
        key(number): vector(number).tobytes() for number in range(20)
    }
    assert store.open_piece(piece.path).encoder_key == 'e' * 64


@pytest.mark.parametrize('gap_bytes', [0, 64, 1 << 20])
def test_single_vectors_are_read_whatever_lies_between_them(tmp_path, monkeypatch, gap_bytes):
    monkeypatch.setattr(store, '_GAP_BYTES', gap_bytes)
    piece = written(tmp_path)
    everything = piece.vectors(range(20))
    positions = [0, 1, 4, 11, 19]
    np.testing.assert_array_equal(piece.vectors(positions), everything[positions])
    assert piece.vectors([]).shape == (0, 8)


def test_a_key_added_twice_is_kept_once(tmp_path):
    writer = store.PieceWriter(str(tmp_path), encoder_key='e', vector_size=8)
    writer.add(key(1), vector(1))
    writer.add(key(1), vector(2))
    piece = writer.publish()
    assert piece and len(piece) == 1
    np.testing.assert_array_equal(piece.vectors([0])[0], vector(1))


def test_nothing_gathered_publishes_nothing(tmp_path):
    writer = store.PieceWriter(str(tmp_path), encoder_key='e', vector_size=8)
    assert writer.publish() is None
    assert not writer.is_due
    assert list(tmp_path.iterdir()) == []


def test_a_piece_is_due_when_it_is_big_or_holds_thirty_seconds_of_work(tmp_path, monkeypatch):
    now = [100.0]
    writer = store.PieceWriter(str(tmp_path), encoder_key='e', vector_size=8, clock=lambda: now[0])
    now[0] = 500.0
    writer.add(key(1), vector(1))
    assert not writer.is_due
    now[0] += store.PIECE_SECONDS
    assert writer.is_due
    writer.publish()
    assert not writer.is_due
    monkeypatch.setattr(store, 'PIECE_BYTES', 64)
    writer.add(key(2), vector(2))
    assert not writer.is_due
    writer.add(key(3), vector(3))
    assert writer.is_due


def test_two_writers_of_the_same_vectors_do_not_meet(tmp_path):
    assert written(tmp_path).path != written(tmp_path).path
    assert len(list(tmp_path.rglob('*.piece'))) == 2


def test_a_torn_piece_is_named(tmp_path):
    piece = written(tmp_path)
    whole = Path(piece.path).read_bytes()
    for length in (0, 5, 64, len(whole) // 2, len(whole) - 1):
        Path(piece.path).write_bytes(whole[:length])
        with pytest.raises(store.PieceError, match='piece'):
            store.open_piece(piece.path)


def test_no_flipped_byte_goes_unseen(tmp_path):
    piece = written(tmp_path)
    whole = Path(piece.path).read_bytes()
    padding = range(len(store._MAGIC), store._HEADER_BYTES)
    for place in set(range(store._HEADER_BYTES, len(whole), 7)) - set(padding):
        Path(piece.path).write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        with pytest.raises(store.PieceError):
            store.read_piece(piece.path)


def test_a_piece_cut_after_it_was_opened_is_named(tmp_path):
    piece = written(tmp_path)
    Path(piece.path).write_bytes(Path(piece.path).read_bytes()[:100])
    with pytest.raises(store.PieceError, match='shorter'):
        piece.vectors([19])
