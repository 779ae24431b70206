"""Joining pictures with what the store has: by file, by content, and nothing taken for something else."""

import hashlib
import os
import pickle

import pytest

from preprocess import lookup, pieces, shelves
from preprocess.lookup import Located, Named, Unnamed, Wanted
from preprocess.pictures import Picture
from preprocess.pieces import PieceError, PieceWriter
from preprocess.shelves import Refusal
from preprocess.stock import KeySlice, Stock, how_many_ranges, read_list, write_lists


def key(number: int) -> bytes:
    return hashlib.sha256(b'%d' % number).digest()


def named(uri: str, number: int) -> Named:
    return Named(Picture(uri, ()), key(number))


def vectors(piece: str, *numbers: int, first: int = 0) -> KeySlice:
    return KeySlice(piece, first, b''.join(sorted(map(key, numbers))))


def refusals(*numbers: int) -> KeySlice:
    rows = [shelves.refusal_row(Refusal('decode', 'corrupt', str(number))) for number in sorted(numbers, key=key)]
    return KeySlice('r', 0, b''.join(sorted(map(key, numbers))), b''.join(rows))


def test_pictures_are_located_refused_or_wanted():
    joined = lookup.join(
        [named('a', 1), named('b', 2), named('c', 3), named('d', 3)], [vectors('p', 1, 7, first=10), refusals(2, 9)]
    )
    place = 10 + sorted([key(1), key(7)]).index(key(1))
    assert joined.located == [Located(Picture('a', ()), key(1), 'p', place)]
    assert joined.refused == [(Picture('b', ()), Refusal('decode', 'corrupt', '2'))]
    assert joined.wanted == [Wanted(key(3), (Picture('c', ()), Picture('d', ())))]


def test_of_several_pieces_with_a_vector_the_first_by_name_is_taken():
    for order in (['b', 'a', 'c'], ['a', 'b', 'c'], ['c', 'b', 'a']):
        (one,) = lookup.join([named('x', 1)], [vectors(piece, 1) for piece in order]).located
        assert one.piece == 'a'


def test_what_has_a_vector_is_not_refused():
    joined = lookup.join([named('x', 1)], [refusals(1), vectors('p', 1)])
    assert [len(joined.located), len(joined.refused), len(joined.wanted)] == [1, 0, 0]


def test_a_file_gets_its_name_from_the_index_and_otherwise_from_its_bytes(tmp_path, monkeypatch):
    path = tmp_path / 'a.jpg'
    path.write_bytes(b'picture')
    os.utime(path, ns=(0, 10**18))
    picture = Picture(str(path), ())
    (first,) = lookup.name([picture], {})
    assert isinstance(first, Named) and first.new_entry
    assert first.key == hashlib.sha256(b'picture').digest()
    monkeypatch.setattr('preprocess.pictures.content_key', None)
    assert lookup.name([picture], {first.new_entry: first.key}) == [Named(picture, first.key)]


def test_a_file_that_is_a_moment_old_is_not_noted(tmp_path, monkeypatch):
    path = tmp_path / 'a.jpg'
    path.write_bytes(b'picture')
    monkeypatch.setattr('time.time_ns', lambda: path.stat().st_mtime_ns + 50_000_000)
    (found,) = lookup.name([Picture(str(path), ())], {})
    assert found == Named(Picture(str(path), ()), hashlib.sha256(b'picture').digest(), None)


def test_a_file_that_can_not_be_read_says_why(tmp_path):
    (tmp_path / 'folder').mkdir()
    found = lookup.name([Picture(str(tmp_path / name), ()) for name in ('gone', 'folder')], {})
    assert [one.refusal.reason for one in found if isinstance(one, Unnamed)] == ['missing', 'is-a-directory']


@pytest.fixture
def stock(tmp_path) -> Stock:
    writer = PieceWriter(shelves.index(str(tmp_path)))
    for number in range(40):
        writer.add(key(number), key(number + 100))
    piece = writer.publish()
    assert piece
    lists = write_lists(str(tmp_path / 'lists'), [piece.path])
    return Stock(shelves.index(str(tmp_path)), lists, 5, with_rows=True)


def only_piece(stock: Stock) -> str:
    [path] = [path for one in stock.lists for path in read_list(one)]
    return path


def test_a_stock_is_read_in_slices_by_range(stock):
    slices = list(stock.read(only_piece(stock)))
    assert [number for number, _ in slices] == [0, 1, 2, 3, 4]
    assert all(pieces.range_of(one, 5) == number for number, some in slices for _, one in some)
    known = lookup.known_files(some for _, some in slices)
    assert known == {key(number): key(number + 100) for number in range(40)}


def test_slices_without_rows_say_where_they_begin(stock):
    bare = Stock(stock.shelf, stock.lists, 5, with_rows=False)
    piece = pieces.open_piece(only_piece(stock))
    for _, some in bare.read(only_piece(stock)):
        assert some.rows == b''
        assert all(piece.key(some.first + number) == one for number, one in some)


def test_a_stock_of_another_shelf_is_damage(stock, tmp_path):
    other = Stock(shelves.vectors(str(tmp_path), 'k', 8), stock.lists, 5, with_rows=False)
    with pytest.raises(PieceError):
        list(other.read(only_piece(stock)))


def test_many_pieces_are_named_in_several_lists_and_none_in_none(tmp_path):
    paths = [f'gs://bucket/store/index/{number}.piece' for number in range(2001)]
    lists = write_lists(str(tmp_path), paths)
    assert [len(read_list(one)) for one in lists] == [1000, 1000, 1]
    assert [path for one in lists for path in read_list(one)] == paths
    assert write_lists(str(tmp_path), []) == ()


def test_a_job_carries_no_names_of_pieces(tmp_path):
    paths = [f'gs://bucket/store/index/{number}.piece' for number in range(2001)]
    stock = Stock(shelves.index('gs://bucket/store'), write_lists(str(tmp_path), paths), 5, with_rows=True)
    assert b'/2000.piece' not in pickle.dumps(stock)
    assert b'/2000.piece' in pickle.dumps(paths)


@pytest.mark.parametrize(
    ('rows', 'keys', 'ranges'),
    [
        # Small runs: about a thousand rows each.
        (0, 0, 1),
        (10_000, 0, 10),
        # Large ones: as many rows to a range as leaves 64 for each other one.
        (1_000_000, 0, 126),
        (100_000_000, 0, 1251),
        (10_000_000_000, 0, 12_501),
        # A large store and few rows: some ten thousand keys each.
        (10, 100_000_000, 1526),
        (10**12, 10**12, 1 << 14),
    ],
)
def test_keys_are_cut_into_ranges_that_one_worker_can_hold(rows, keys, ranges):
    assert how_many_ranges(rows, keys) == ranges


def test_newcomers_are_the_pieces_that_came_after_the_listing(stock):
    assert stock.newcomers() == []
    writer = PieceWriter(stock.shelf)
    writer.add(key(1), key(2))
    piece = writer.publish()
    assert piece and stock.newcomers() == [piece.path]
