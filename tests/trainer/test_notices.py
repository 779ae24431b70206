"""What a reader is told before trusting figures, and that nothing is said without a reason."""

from dataclasses import replace

import numpy as np

from tests.trainer import footage
from tests.trainer.findings import scored
from trainer import notices, scored_set
from trainer.evaluation import ServingAgreement, SetResult
from trainer.leakage import Overlap

LABELS = ('cat', 'dog', 'fox')
NOTHING_SHARED = Overlap('train', 'eval', 60, 0, 0, 0, 60, 0, 0, (), ())


def result(*, wrong: set[int], rows: int = 60, labels: tuple[str, ...] = LABELS) -> SetResult:
    train = scored('train', labels)
    return scored('eval', labels, wrong=wrong, rows=rows).result(
        scored_set.yardsticks(train.rows, train.question), None
    )


def said(found: SetResult) -> list[str]:
    return [notice.replace('\u00a0', ' ') for notice in notices.of_set(found)]


def test_an_ordinary_result_needs_no_word() -> None:
    assert said(replace(result(wrong={1, 2}), logistic_regression=None)) == []


def test_few_rows_and_none_wrong_are_told() -> None:
    assert said(result(wrong=set(), rows=30)) == [
        'The eval set has 30 pictures with a label only: its figures are rough.',
        'All of 30 pictures in the eval set are right, which resampling can not put in doubt: '
        'up to 10.0 % of new ones may still be wrong.',
    ]


def test_of_footage_the_intervals_are_called_too_narrow() -> None:
    asked = footage.scored(videos=('/lab/1.mp4',))
    found = asked.result(scored_set.yardsticks(asked.rows, asked.question), None)

    assert said(found)[0] == (
        'The eval set is frames of 1 recording: '
        'neighbours are alike, and its intervals, which take every frame for a case of its own, too narrow.'
    )


def test_frames_that_look_alike_may_have_other_labels() -> None:
    overlap = replace(NOTHING_SHARED, contradicting=2, groups=1, group_examples=('tank',))

    assert [*notices.of_overlap(overlap, unit='frame')] == [
        '1 group is in both the train and the eval set (tank): the figures say little about new groups.'
    ]
    assert len([*notices.of_overlap(overlap, unit='picture')]) == 2


def test_a_label_without_pictures_is_named() -> None:
    assert 'No picture of the eval set has the label dog, fox.' in said(result(wrong=set(), rows=1))


def test_a_model_that_is_no_better_than_the_most_common_label_is_called_so() -> None:
    poor = result(wrong=set(range(45)))

    assert (
        'On the eval set the model is not clearly better than always giving the most common label '
        '(25.0 % against 33.3 %).' in said(poor)
    )
    assert any(notice.startswith('Logistic regression on the same vectors does better') for notice in said(poor))


def test_a_constant_answer_is_noticed() -> None:
    asked = scored('eval', LABELS)
    constant = replace(asked, scores=np.tile(np.array([[0.5, 0.3, 0.2]], np.float32), (60, 1)))
    train = scored('train', LABELS)

    found = constant.result(scored_set.yardsticks(train.rows, train.question), None)

    assert 'The model gives every picture of the eval set the same label, cat.' in said(found)


def test_twins_are_told_with_the_accuracy_without_them() -> None:
    train = scored('train', LABELS)
    asked = scored('eval', LABELS, wrong={10, 11})
    found = asked.result(scored_set.yardsticks(train.rows, train.question), np.arange(10))

    assert said(found)[-1] == (
        'Of 60 pictures in the eval set, 10 also stand in the training set, or nearly; '
        'accuracy on the others is 96.0 %.'
    )


def test_shared_groups_and_contradictions_are_told() -> None:
    names = tuple(f'subject {number}' for number in range(7))
    overlap = replace(NOTHING_SHARED, groups=70, group_examples=names, contradicting=1)

    assert list(notices.of_overlap(overlap)) == [
        '70 groups are in both the train and the eval set (subject 0, subject 1, subject 2, subject 3, subject 4 and '
        '65 more): the figures say little about new groups.',
        'Under another label in the train set: 1 picture of the eval set, or near copies. '
        'One of the two labels is wrong.',
    ]
    assert list(notices.of_overlap(NOTHING_SHARED)) == []


def test_a_label_that_was_never_learnt_is_named() -> None:
    assert list(notices.of_training({'cat': 3, 'dog': 0})) == [
        'No training picture has the label dog: the model can not know it.'
    ]


def test_a_model_that_disagrees_with_its_records_is_told() -> None:
    assert list(notices.of_agreement(ServingAgreement(200, 0, 0.97, 0.1, 0.01))) == []
    assert list(notices.of_agreement(ServingAgreement(0, 9, None, None, None))) == []
    (notice,) = notices.of_agreement(ServingAgreement(200, 0, 0.9, 0.4, 0.05))
    assert notice.startswith('The exported model gives 90.0\u00a0% of 200 pictures the label their records give')
