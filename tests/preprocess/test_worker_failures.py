"""Failures through a runner's text: what went in comes out."""

import pytest

from preprocess import worker_failures
from preprocess.failures import InputError, RunFailed
from preprocess.pieces import PieceError
from preprocess.worker_failures import WorkerFailure, carried

FAILURE = InputError('bad "label" \'ü\'\n[x]', where='/tmp/a b.csv:3', do='mend it, see `docs`')


class Step:
    place = '/out'

    @carried
    def process(self, error):
        yield 1
        raise error


def text_of(error: Exception) -> str:
    results = []
    with pytest.raises(WorkerFailure) as raised:
        results.extend(Step().process(error))
    return str(raised.value)


@pytest.mark.parametrize(
    'wrap',
    [
        str,
        repr,
        lambda text: f"RuntimeError: {text} [while running 'Embed']",
        lambda text: repr(repr(f'Traceback:\n  File "x"\n{text}')),
    ],
)
def test_a_failure_comes_back_however_it_was_quoted(wrap):
    found = worker_failures.from_runner(wrap(text_of(FAILURE)))
    assert type(found) is InputError
    assert found.lines() == FAILURE.lines()


def test_a_full_disk_names_what_the_system_names_or_where_the_step_writes():
    named = worker_failures.from_runner(text_of(OSError(28, 'No space left on device', '/disk/file')))
    unnamed = worker_failures.from_runner(text_of(OSError(28, 'No space left on device')))
    assert isinstance(named, RunFailed) and isinstance(unnamed, RunFailed)
    assert (named.what, named.where) == ('no space left on device', '/disk/file')
    assert (unnamed.what, unnamed.where) == ('no space left on device', '/out')


def test_a_corrupt_piece_is_a_failed_run_that_names_it():
    found = worker_failures.from_runner(text_of(PieceError('/store/a.piece', 'torn')))
    assert isinstance(found, RunFailed) and '/store/a.piece' in found.what


def test_a_bug_stays_a_bug():
    with pytest.raises(KeyError):
        list(Step().process(KeyError('x')))
    assert worker_failures.from_runner("KeyError: 'x' [while running 'Embed']") is None


@pytest.mark.parametrize(
    'text', ['Channel closed prematurely.', 'Worker subprocess exited with return code -9', 'StatusCode: Socket closed']
)
def test_a_lost_worker_is_a_failed_run(text):
    found = worker_failures.from_runner(f'RuntimeError: {text}')
    assert isinstance(found, RunFailed) and found.what.startswith('a worker was lost')
