"""Groups on the sides chosen for them."""

import random

import pytest

from preprocess.failures import Failure, InputError, UsageError
from preprocess.group_split import GroupSplit, in_order, leaving_out

LAB = [f'P{number}' for number in range(5, 12)]


def test_the_labs_split_is_one_line() -> None:
    sides = GroupSplit.parse('train=P5-P9,eval=P10,test=P11').sides(LAB)
    assert sides == {
        'P5': 'train',
        'P6': 'train',
        'P7': 'train',
        'P8': 'train',
        'P9': 'train',
        'P10': 'eval',
        'P11': 'test',
    }


@pytest.mark.parametrize(
    'text',
    [
        'train=P5-9,validation=P10,test=P11',
        ' train = P5 , P6,P7-P9 , eval = P10, test = P11',
        'Training=P?,eval=P10,test=P11',
        'train=*,eval=P10,test=P11',
        'test=P11,eval=P10,train=*',
    ],
)
def test_sides_and_groups_may_be_written_in_several_ways(text: str) -> None:
    assert GroupSplit.parse(text).sides(LAB) == GroupSplit.parse('train=P5-P9,eval=P10,test=P11').sides(LAB)


def test_a_group_whose_name_looks_like_a_range_is_itself() -> None:
    sides = GroupSplit.parse('train=P5-P6,eval=P5,P6').sides(['P5-P6', 'P5', 'P6'])
    assert sides == {'P5-P6': 'train', 'P5': 'eval', 'P6': 'eval'}


def test_zeros_in_front_of_numbers_do_not_matter() -> None:
    assert GroupSplit.parse('train=S1-S2,eval=S003').sides(['S01', 'S02', 'S003']) == {
        'S01': 'train',
        'S02': 'train',
        'S003': 'eval',
    }


def test_numbers_that_are_not_there_may_lie_between_the_ends() -> None:
    assert GroupSplit.parse('train=P1-P9,eval=Q5').sides(['P1', 'P9', 'Q5', 'P4']) == {
        'P1': 'train',
        'P4': 'train',
        'P9': 'train',
        'Q5': 'eval',
    }


@pytest.mark.parametrize(
    ('text', 'what', 'do'),
    [
        ('train=P5-P9,eval=P10', 'on no side: P11', 'P5, P6, P7, P8, P9, P10, P11'),
        ('train=P5-P12,eval=P10,test=P11', "no group 'P5-P12'", 'P5, P6, P7, P8, P9, P10, P11'),
        ('train=P5-P9,eval=P10,test=P11,P12', "no group 'P12'", 'the groups there are: P5'),
        ('train=*,eval=p10', "no group 'p10'", 'P10'),
        ('train=P5-P10,eval=P10,test=P11', 'P10 is on two sides, train and eval', 'once'),
        ('train=P5,eval=P6,test=P6,P*', 'P6 is on two sides, eval and test', 'once'),
    ],
)
def test_unknown_forgotten_and_twofold_groups_are_refused_by_name(text: str, what: str, do: str) -> None:
    with pytest.raises(Failure) as caught:
        GroupSplit.parse(text).sides(LAB)
    assert what in caught.value.what
    assert caught.value.where == '--split'
    assert do in caught.value.do


@pytest.mark.parametrize('text', ['', 'P5', 'P5-P9,eval=P10', 'eval=P10', 'all=P5', 'train=', ','])
def test_what_names_no_side_to_learn_from_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        GroupSplit.parse(text)


def test_an_equals_sign_may_be_part_of_a_name() -> None:
    assert GroupSplit.parse('train=dose=5,dose=7,eval=dose=9').sides(['dose=5', 'dose=7', 'dose=9']) == {
        'dose=5': 'train',
        'dose=7': 'train',
        'dose=9': 'eval',
    }


def test_every_group_gets_a_side_or_the_split_is_refused() -> None:
    chance = random.Random(5)
    for _ in range(300):
        groups = [f'P{number}' for number in chance.sample(range(1, 15), chance.randint(1, 8))]
        words = [
            f'{chance.choice(["train", "eval", "test"])}=P{chance.randint(1, 15)}' for _ in range(chance.randint(1, 8))
        ]
        try:
            sides = GroupSplit.parse(','.join(words)).sides(groups)
        except (InputError, UsageError):
            continue
        assert {*sides} == {*groups}


def test_names_are_ordered_as_people_count() -> None:
    assert in_order(['P10', 'P9', 'P10', 'a', '7', 'P1b2', 'P1b10']) == ['7', 'P1b2', 'P1b10', 'P9', 'P10', 'a']


def test_leaving_one_out_learns_from_all_the_others() -> None:
    assert leaving_out('b', ['a', 'b', 'c']) == {'a': 'train', 'b': 'eval', 'c': 'train'}
