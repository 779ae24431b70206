"""The store's layout, and its rows: what is written comes back, and files at two moments are two."""

import numpy as np
import pytest

from preprocess import pieces, shelves
from preprocess.files import FileStat
from preprocess.shelves import Refusal


def test_every_kind_has_its_folder():
    key = '0123456789abcdef' * 4
    assert shelves.index('/s').folder == '/s/index'
    assert shelves.vectors('/s', key, 8192) == pieces.Shelf('/s/0123456789abcdef', f'vectors {key}', 8192)
    assert shelves.rejects('/s', key).folder == '/s/0123456789abcdef/rejects'


def test_a_file_is_another_with_another_path_size_or_time():
    seen = [
        FileStat('/a.jpg', 10, '1000'),
        FileStat('/b.jpg', 10, '1000'),
        FileStat('/a.jpg', 11, '1000'),
        FileStat('/a.jpg', 10, '1001'),
        FileStat('/a\udcff.jpg', 10, '1000'),
    ]
    assert len({shelves.file_key(one) for one in seen}) == len(seen)
    assert shelves.file_key(seen[0]) == shelves.file_key(FileStat('/a.jpg', 10, '1000'))


def test_entries_of_one_path_lie_together():
    keys = {shelves.file_key(FileStat('/a.jpg', size, '1'))[:8] for size in range(10)}
    assert keys == {shelves.path_key('/a.jpg')}
    assert shelves.hash_of('/a.jpg') == int.from_bytes(keys.pop(), 'big')


def test_a_vector_is_written_as_little_endian_floats():
    assert shelves.vector_row(np.array([1.0, -2.0])) == b'\x00\x00\x80\x3f\x00\x00\x00\xc0'


@pytest.mark.parametrize('message', ['it ends early', '', 'x' * 5000, 'é"\n' * 2000, '\udcff' * 300])
def test_a_refusal_comes_back_with_as_many_of_its_words_as_fit(message):
    row = shelves.refusal_row(Refusal('decode', 'truncated', message))
    assert len(row) == shelves.rejects('/s', 'k').row_bytes
    back = shelves.read_refusal(row)
    assert back[:2] == ('decode', 'truncated')
    assert message.startswith(back.message)
    assert back.message == message or len(back.message) > 40
