import pytest

from trainer.pace import Pace


class _Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return _Clock()


def _evaluate(pace, clock, seconds):
    with pace.evaluating():
        clock.now += seconds
    return pace.evaluated()


def test_an_evaluation_is_due_after_the_interval(clock):
    pace = Pace(2, 2, now=clock)
    clock.now = 1.9
    assert not pace.due()
    clock.now = 2
    assert pace.due()


def test_time_spent_looking_does_not_count_as_training(clock):
    pace = Pace(2, 2, now=clock)
    with pace.selecting():
        clock.now += 5
    assert not pace.due()


def test_the_interval_grows_where_evaluation_takes_more_than_a_third(clock):
    pace = Pace(2, 2, now=clock)
    assert _evaluate(pace, clock, 30) is None  # the first one compiles
    assert _evaluate(pace, clock, 1) is None
    assert _evaluate(pace, clock, 1.755) == 'Adjusting eval interval from 2.00s to 3.51s'
    assert pace.interval_s == pytest.approx(3.51)


def test_an_interval_that_grew_stays(clock):
    pace = Pace(2, 2, now=clock)
    for seconds in (1, 4, 1):
        _evaluate(pace, clock, seconds)
    assert pace.interval_s == 8


def test_selecting_counts_as_evaluating(clock):
    pace = Pace(2, 2, now=clock)
    _evaluate(pace, clock, 0)
    with pace.selecting():
        clock.now += 1
    assert _evaluate(pace, clock, 1) == 'Adjusting eval interval from 2.00s to 4.00s'


def test_over_a_long_training_evaluation_takes_at_most_a_third(clock):
    pace, evaluating = Pace(2, 2, now=clock), 0.0
    while clock.now < 1000:
        clock.now += 0.5
        if pace.due():
            evaluating += 3
            _evaluate(pace, clock, 3)
    assert evaluating <= clock.now / 3 + 3


def test_selecting_alone_may_not_take_more_than_its_share(clock):
    pace = Pace(2, 2, now=clock)
    with pace.selecting():
        clock.now += 1.9
    assert not pace.selects_too_often()  # too early to say
    clock.now += 2
    assert pace.selects_too_often()
    clock.now += 4
    assert not pace.selects_too_often()
