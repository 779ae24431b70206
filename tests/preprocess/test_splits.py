"""Sides of keys, on every machine and for ever; balancing."""

import random
from collections import Counter

import pytest

from preprocess import splits
from preprocess.failures import UsageError
from preprocess.splits import Candidate, balance, compile_group_pattern, group_in, merge_two_sides, position, side

# Frozen: a change here moves pictures of every data set ever split from one side to the other.
FROZEN = {
    (0, 'a.jpg'): 18401219446119455222,
    (0, 'daisy/1.jpg'): 10740692184927726564,
    (0, 'subject 7'): 10845463242656270795,
    (0, 'é.jpg'): 9114523871666861613,
    (0, '日本.png'): 2935892584379265889,
    (0, 'gs://b/c.jpg'): 2041792190622595128,
    (1, 'a.jpg'): 2824234783465780607,
    (-3, 'a.jpg'): 10063171187160239877,
    (0, ''): 9523843951405948789,
}


@pytest.mark.parametrize(('seed', 'key'), FROZEN)
def test_the_position_of_a_key_never_changes(seed: int, key: str) -> None:
    assert position(key, seed=seed) == FROZEN[seed, key] / 2**64


def test_sides_of_some_keys_never_change() -> None:
    keys = ['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg', '日本.png', 'gs://b/c.jpg']
    found = [side(key, seed=0, eval_fraction=0.04, test_fraction=0.12) for key in keys]
    assert found == ['train', 'train', 'train', 'eval', 'eval', 'test']


def test_fractions_are_met_and_a_test_set_takes_from_no_more_than_it_must() -> None:
    keys = [f'{number}.jpg' for number in range(10_000)]
    counts = Counter(side(key, seed=3, eval_fraction=0.2, test_fraction=0.1) for key in keys)
    assert (abs(counts['eval'] - 2000) < 120, abs(counts['test'] - 1000) < 90) == (True, True)
    assert {side(key, seed=3, eval_fraction=0.0, test_fraction=0.0) for key in keys} == {'train'}
    smaller = {key for key in keys if side(key, seed=3, eval_fraction=0.1, test_fraction=0.0) == 'eval'}
    larger = {key for key in keys if side(key, seed=3, eval_fraction=0.2, test_fraction=0.0) == 'eval'}
    assert smaller < larger


@pytest.mark.parametrize(
    ('spelling', 'expected'),
    [
        *(
            (word, 'train')
            for word in ('train', 'Training', 'TRAINS', 'trainings', 'train_set', 'Training Data', 'trn')
        ),
        *(
            (word, 'eval')
            for word in ('eval', 'Evaluation', 'val', 'vals', 'valid', 'VALIDATION', 'validations', 'dev')
        ),
        *((word, 'test') for word in ('test', 'Tests', 'testing', 'Testings', 'test-set', 'holdout')),
        *((word, None) for word in ('', 'trainer', 'rose', 'positives', 'testament', 'ing', 's', 'set')),
    ],
)
def test_the_usual_spellings_of_sides(spelling: str, expected: str | None) -> None:
    assert splits.side_named(spelling) == expected


def test_of_two_sides_the_one_that_is_not_training_is_eval() -> None:
    assert merge_two_sides({'Training': 'train', 'Testing': 'test'}) == {'Training': 'train', 'Testing': 'eval'}
    three = {'a': 'train', 'b': 'eval', 'c': 'test'}
    assert merge_two_sides(three) == three
    assert merge_two_sides({'b': 'eval', 'c': 'test'}) == {'b': 'eval', 'c': 'test'}


@pytest.mark.parametrize(
    ('pattern', 'key', 'group'),
    [
        ('video_frame_box', 'site_2_cam_1204_3.jpg', 'site_2_cam'),
        ('video_frame_box', 'a/b/FH102_01_42_0.png', 'FH102_01'),
        ('video_frame_box', 'plain.jpg', None),
        (r'^S\d+', 'S4C2000123.jpg', 'S4'),
        (r'subject(\d+)/', 'subject7/a.jpg', '7'),
        (r'(\w)/(?P<group>\w+)\.', 'x/site.jpg', 'site'),
        (r'(x)?$', 'a.jpg', None),
    ],
)
def test_a_group_is_what_the_pattern_finds(pattern: str, key: str, group: str | None) -> None:
    assert group_in(key, compile_group_pattern(pattern)) == group


def test_a_pattern_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match='not a regular expression'):
        compile_group_pattern('(')


def candidates(*specs: tuple[str, int, str | None]) -> list[Candidate]:
    return [
        Candidate(f'{group}/{label}{number}', label, group) for label, count, group in specs for number in range(count)
    ]


def counts(rows: list[Candidate], places: list[int]) -> dict[tuple[str | None, str], int]:
    return dict(Counter((rows[place].group, rows[place].label) for place in places))


def test_every_class_is_cut_to_the_smallest() -> None:
    rows = candidates(('a', 30, None), ('b', 7, None), ('c', 12, None))
    assert counts(rows, balance(rows, seed=0)) == {(None, 'a'): 7, (None, 'b'): 7, (None, 'c'): 7}
    assert balance([], seed=0) == []


def test_which_rows_stay_depends_on_their_keys_and_the_seed_alone() -> None:
    rows = candidates(('a', 30, None), ('b', 7, None))
    kept = {rows[place] for place in balance(rows, seed=0)}
    shuffled = random.Random(1).sample(rows, len(rows))
    assert {shuffled[place] for place in balance(shuffled, seed=0)} == kept
    assert {rows[place] for place in balance(rows, seed=1)} != kept
    assert balance(rows, seed=0) == sorted(balance(rows, seed=0))


def test_within_a_group_classes_are_cut_to_the_smallest_of_that_group() -> None:
    rows = candidates(('a', 10, 'x'), ('b', 100, 'x'), ('a', 20, 'y'), ('b', 5, 'y'))
    assert counts(rows, balance(rows, seed=0)) == {('x', 'a'): 10, ('x', 'b'): 10, ('y', 'a'): 5, ('y', 'b'): 5}


def test_groups_that_lack_a_class_give_first_where_classes_are_still_uneven() -> None:
    rows = candidates(('a', 10, 'x'), ('b', 12, 'x'), ('b', 100, 'only b'))
    assert counts(rows, balance(rows, seed=0)) == {('x', 'a'): 10, ('x', 'b'): 10}
