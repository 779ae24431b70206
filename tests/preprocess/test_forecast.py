"""What a dry run counts of pictures."""

from pathlib import Path

import pytest

from preprocess import forecast
from preprocess.forecast import Stock
from tests.preprocess.runs import config, write_csv


@pytest.fixture
def folder(tmp_path) -> Path:
    """Ten files of 10, 20 … 100 bytes, one of them empty, one gone, and their CSV."""
    for number in range(10):
        (tmp_path / f'{number}.jpg').write_bytes(b'x' * 10 * (number + 1))
    (tmp_path / '4.jpg').write_bytes(b'')
    (tmp_path / '9.jpg').unlink()
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    write_csv(tmp_path, 'train.csv', [f'{number}.jpg,cat' for number in range(10)] + ['0.jpg,cat', '1.jpg,owl'])
    return tmp_path


def names(stock: Stock) -> list[str]:
    return [Path(row.uri).name for row in stock.rows]


def test_every_picture_is_asked_for_its_size(folder):
    stock = forecast.take_stock(config(folder))
    assert names(stock) == [f'{number}.jpg' for number in (0, 1, 2, 3, 5, 6, 7, 8)]
    assert [one.size for one in stock.found] == [10, 20, 30, 40, 60, 70, 80, 90]
    assert (stock.bytes_to_read, stock.duplicates) == (400, 1)
    assert stock.rejects == {'empty-file': 1, 'missing': 1, 'unknown-label': 1}
    assert forecast.stock_lines('train', stock, max_reject_fraction=0.5) == [
        'train     12 rows: 8 pictures, 0.0 MB, 1 repeats, 3 to be rejected (1 unknown-label, 1 empty-file, 1 missing)'
    ]


def test_of_many_that_are_far_away_some_stand_for_all(folder, monkeypatch):
    monkeypatch.setattr(forecast, '_is_far', lambda uris: any(uris))
    monkeypatch.setattr(forecast, '_MOST_ASKED', 5)
    stock = forecast.take_stock(config(folder))
    # Every other one is asked: 0, 2, 4 (which is empty), 6, 8. The rest is taken to be there and of their size.
    assert names(stock) == [f'{number}.jpg' for number in (0, 1, 2, 3, 5, 6, 7, 8, 9)]
    assert [one.size for one in stock.found] == [10, 30, 70, 90]
    assert stock.bytes_to_read == 9 * 50
    assert 'going by 4 of them' in forecast.stock_lines('train', stock, max_reject_fraction=0.5)[0]


def test_what_is_far_away_is_fetched_once(monkeypatch):
    fetched = []

    def fetch(uri: str) -> bytes:
        fetched.append(uri)
        return uri.encode()

    monkeypatch.setattr(forecast.pictures, 'read_bytes', fetch)
    read = forecast._held(['a', 'b'])
    assert [read('a'), read('b'), read('a')] == [b'a', b'b', b'a']
    assert sorted(fetched) == ['a', 'b']
