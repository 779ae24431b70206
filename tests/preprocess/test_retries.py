"""Patience with a storage: longer and longer waits, an end, and who is to blame then."""

import pytest

from preprocess import retries
from preprocess.failures import RunFailed
from preprocess.retries import Line, Patience, Transient


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        monkeypatch.setattr(retries.time, 'monotonic', lambda: self.now)
        monkeypatch.setattr(retries.time, 'sleep', self._sleep)
        monkeypatch.setattr(retries.random, 'uniform', lambda low, high: high)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(retries, 'PATIENCE', Patience(first_s=1, most_s=4, in_all_s=20))
    return Clock(monkeypatch)


def failing(times: int):
    left = [times]

    def request() -> str:
        if left[0]:
            left[0] -= 1
            raise Transient('503 Service Unavailable')
        return 'answer'

    return request


def down() -> None:
    raise Transient('reset')


def refusing() -> None:
    raise PermissionError('no listing for you')


def test_waits_double_up_to_the_longest(clock: Clock) -> None:
    assert Line().persist(failing(5), uri='gs://b/x', probe=down) == 'answer'
    assert clock.slept == [1, 2, 4, 4, 4]


def test_waits_differ_by_chance(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(retries.random, 'uniform', lambda low, high: (low + high) / 2)
    Line().persist(failing(2), uri='gs://b/x', probe=down)
    assert clock.slept == [0.75, 1.5]


@pytest.mark.parametrize('probe', [refusing, lambda: 'a listing'])
def test_one_object_that_fails_for_ever_is_an_error_of_its_own(clock: Clock, probe) -> None:
    with pytest.raises(OSError, match='the storage fails again and again: 503 Service Unavailable') as raised:
        Line().persist(failing(1000), uri='gs://b/x', probe=probe)
    assert raised.value.filename == 'gs://b/x'
    assert sum(clock.slept) == 20


def test_a_storage_that_answers_nothing_ends_the_run(clock: Clock) -> None:
    with pytest.raises(RunFailed, match='the storage does not answer: 503') as raised:
        Line().persist(failing(1000), uri='gs://b/x', probe=down)
    assert raised.value.where == 'gs://b/x'


def test_nobody_waits_twice_for_a_storage_that_is_down_until_it_is_up_again(clock: Clock) -> None:
    line = Line()
    with pytest.raises(RunFailed):
        line.persist(failing(1000), uri='gs://b/x', probe=down)
    clock.slept.clear()
    with pytest.raises(RunFailed):
        line.persist(failing(1000), uri='gs://b/y', probe=down)
    assert clock.slept == []
    assert line.persist(failing(0), uri='gs://b/y', probe=down) == 'answer'
    assert line.persist(failing(3), uri='gs://b/y', probe=down) == 'answer'


def test_other_errors_are_raised_at_once(clock: Clock) -> None:
    def request() -> None:
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        Line().persist(request, uri='gs://b/x', probe=down)
    assert clock.slept == []


def test_a_long_wait_is_told_every_five_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    Line().persist(failing(1), uri='gs://b/x', probe=down)
    assert capsys.readouterr().err == ''
    Line().persist(failing(6), uri='gs://b/x', probe=down)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ['gs://b/x: 503 Service Unavailable; trying again, for 20 s in all'] * 2
