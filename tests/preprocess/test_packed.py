"""Blocks on their way between steps."""

import pickle

from apache_beam.coders import FastPrimitivesCoder

from preprocess.packed import Packed
from preprocess.rows import Row


def rows(count: int) -> list[Row]:
    return [
        Row(f'gs://bucket/pictures/{n:08d}.jpg', f'{n:08d}.jpg', ('a',), 'gs://bucket/a.csv', n) for n in range(count)
    ]


def test_what_was_packed_comes_out_again():
    assert Packed.of(rows(3)).open() == rows(3)
    assert Packed.of([]).open() == []


def test_a_runner_that_decodes_what_it_groups_holds_bytes():
    coder = FastPrimitivesCoder()
    held = coder.decode(coder.encode(Packed.of(rows(256))))
    assert isinstance(held.data, bytes)
    assert held.open() == rows(256)


def test_blocks_are_a_quarter_of_what_they_would_be():
    assert 4 * len(Packed.of(rows(256)).data) < len(pickle.dumps(rows(256)))
