"""Recordings cut in time order."""

from fractions import Fraction

import pytest

from preprocess.contiguous import Contiguous, Part
from preprocess.failures import InputError, UsageError


def test_counts_of_frames_are_met_to_the_frame() -> None:
    found = Contiguous.parse('44956,3593,5367').cut(53916)
    assert found == [Part('train', 0, 44956), Part('eval', 44956, 48549), Part('test', 48549, 53916)]


def test_counts_that_are_not_all_frames_are_refused_with_both_numbers() -> None:
    with pytest.raises(InputError, match='80 frames, the recording has 1,000'):
        Contiguous.parse('60,10,10').cut(1000, where='tank.mp4')


@pytest.mark.parametrize('text', ['0.8,0.1,0.1', '8.0,1,1', '0.4,0.05,0.05', ' 0.8 , 0.1 ,0.1'])
def test_fractions_are_made_one_together(text: str) -> None:
    assert Contiguous.parse(text).cut(100) == [Part('train', 0, 80), Part('eval', 80, 90), Part('test', 90, 100)]


@pytest.mark.parametrize('count', [0, 1, 2, 3, 7, 99, 1001])
@pytest.mark.parametrize('text', ['0.83,0.07,0.1', '0.5,0.5', '0.9,0,0.1', '1,0,0', '0.333,0.333,0.333'])
def test_every_frame_is_in_exactly_one_part_and_parts_follow_each_other(text: str, count: int) -> None:
    parts = Contiguous.parse(text).cut(count)
    assert [number for part in parts for number in range(part.first, part.end)] == list(range(count))


def test_a_share_of_nothing_gets_nothing() -> None:
    assert [part.end - part.first for part in Contiguous.parse('0.9,0,0.1').cut(7)] == [6, 0, 1]


def test_two_numbers_are_training_and_evaluation() -> None:
    assert Contiguous.parse('0.75,0.25').cut(4) == [Part('train', 0, 3), Part('eval', 3, 4)]


@pytest.mark.parametrize(
    'text', ['', '1', '0.5', 'a,b', '0.5,-0.1', '0,0', '1,2,3,4', '0.5;0.5', '1/0,1', 'nan,1', 'inf,1']
)
def test_what_is_no_division_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Contiguous.parse(text)
    assert caught.value.where == '--contiguous'


def test_things_that_are_not_cut_go_where_their_middles_are() -> None:
    half = Contiguous.parse('0.5,0.25,0.25')
    assert half.sides_of([Fraction(1)] * 4) == ['train', 'train', 'eval', 'test']
    assert half.sides_of([Fraction(6), Fraction(1), Fraction(1)]) == ['train', 'test', 'test']
    assert half.sides_of([Fraction(0), Fraction(4), Fraction(4), Fraction(0)]) == ['train', 'train', 'test', 'test']


def test_the_sides_of_things_never_go_back() -> None:
    order = ['train', 'eval', 'test']
    for weights in ([1, 1, 1], [5, 1, 1, 1, 9], [0, 0, 1], [2] * 31):
        found = Contiguous.parse('0.6,0.2,0.2').sides_of([Fraction(weight) for weight in weights])
        assert sorted(found, key=order.index) == found


def test_counts_split_single_frames_exactly() -> None:
    assert Contiguous.parse('2,1,1').sides_of([Fraction(1)] * 4) == ['train', 'train', 'eval', 'test']
