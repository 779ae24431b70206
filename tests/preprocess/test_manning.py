"""How workers share a machine."""

import pytest

from preprocess import manning, processor
from preprocess.embedder import Hands
from preprocess.manning import Manning, processes_here


@pytest.fixture
def machine(monkeypatch):
    """A machine of eight processors."""
    monkeypatch.setattr(manning, 'usable_cores', lambda: 8)


def test_a_worker_alone_has_the_whole_machine(machine):
    assert Manning().hands() == Hands(readers=10, decoders=8)
    assert Manning().threads() is None


def test_workers_on_one_machine_share_it(machine):
    shared = Manning(processes=4, remote=True)
    assert (shared.hands(), shared.threads()) == (Hands(readers=16, decoders=2), 2)


def test_more_workers_than_processors_have_one_each(machine):
    assert (Manning(processes=20).hands().decoders, Manning(processes=20).threads()) == (1, 1)


def test_what_was_asked_for_holds(machine):
    asked = Manning(readers=3, decoders=5, network_threads=6, processes=4)
    assert (asked.hands(), asked.threads()) == (Hands(readers=3, decoders=5), 6)


@pytest.mark.parametrize(
    ('beam_args', 'expected'),
    [
        ([], 1),
        (['--direct_num_workers=4'], 1),
        (['--direct_num_workers=4', '--direct_running_mode=multi_threading'], 1),
        (['--direct_num_workers', '4', '--direct_running_mode', 'multi_processing'], 4),
        (['--direct_num_workers=0', '--direct_running_mode=multi_processing'], processor.usable_cores()),
        (['--direct_running_mode=multi_processing'], 1),
        (['--runner=DataflowRunner', '--direct_num_workers=4', '--direct_running_mode=multi_processing'], 1),
    ],
)
def test_processes_are_counted_where_they_share_this_machine(beam_args, expected):
    assert processes_here(beam_args) == expected
