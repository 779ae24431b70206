"""How many batches a network works on at a time, on which machine."""

import pytest

from preprocess import processor
from preprocess.streams import Streams


@pytest.mark.parametrize(
    ('threads', 'cores', 'gpus', 'expected'),
    [
        (None, 2, 0, Streams(2, 1)),
        (None, 1, 0, Streams(1, 1)),
        (None, 16, 0, Streams(16, 1)),
        (None, 64, 0, Streams(16, 4)),
        (1, 8, 0, Streams(1, 1)),
        (4, 2, 0, Streams(4, 1)),
        (None, 8, 1, Streams(1, 8, least=64)),
    ],
)
def test_every_core_has_a_batch_of_its_own_and_a_gpu_one_after_the_other(threads, cores, gpus, expected):
    assert Streams.for_machine(threads, cores=cores, gpus=gpus) == expected


def test_no_thread_is_counted_twice():
    assert [Streams.for_machine(None, cores=cores, gpus=0).all_threads for cores in (1, 2, 16, 32, 96)] == [
        *(1, 2, 16, 32, 96)
    ]


def test_unasked_it_is_this_machine():
    assert Streams.for_machine(gpus=0).all_threads == processor.usable_cores()
