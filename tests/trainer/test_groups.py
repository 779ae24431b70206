"""Figures of each subject, worked out by hand and as the whole set's figures would be."""

import numpy as np
import pytest

from trainer import groups, metrics
from trainer.groups import Answered

LABELS = np.array([0, 0, 1, 1, 1, 0, 2])
SCORES = np.array(
    [
        [0.8, 0.1, 0.1],
        [0.3, 0.6, 0.1],
        [0.2, 0.7, 0.1],
        [0.1, 0.9, 0.0],
        [0.6, 0.3, 0.1],
        [0.7, 0.2, 0.1],
        [0.1, 0.2, 0.7],
    ],
    np.float32,
)


def answered(positive: int | None = None) -> Answered:
    classes = np.arange(3)
    return Answered(LABELS[:, None] == classes, SCORES.argmax(axis=1)[:, None] == classes, SCORES, positive)


def test_each_group_is_measured_by_its_own_rows() -> None:
    found = groups.measure(answered(), ['p5', 'p5', 'p5', 'p6', 'p6', None, 'p7'])

    assert list(found) == ['p5', 'p6', 'p7']
    first = found['p5']
    assert (first.examples, first.accuracy) == (3, 2 / 3)
    assert first.balanced_accuracy == (1 / 2 + 1) / 2
    assert first.macro_f1 == pytest.approx(2 / 3)  # class 2 occurs nowhere in it
    assert first.roc_auc == 1.0
    assert (found['p6'].accuracy, found['p6'].roc_auc) == (0.5, None)  # one class only
    assert found['p7'] == groups.GroupFigures(1, 1.0, (1.0, 1.0), 1.0, 1.0, None, None, None, None, None)


def test_one_group_of_all_rows_has_the_figures_of_the_set() -> None:
    whole = metrics.measure(LABELS, SCORES, ('a', 'b', 'c'), positive_label='b')

    (found,) = groups.measure(answered(positive=1), ['p'] * 7).values()

    assert (found.accuracy, found.accuracy_interval) == (whole.accuracy, whole.accuracy_interval)
    assert (found.balanced_accuracy, found.macro_f1) == pytest.approx((whole.balanced_accuracy, whole.macro_f1))
    assert whole.positive is not None
    assert (found.roc_auc, found.youden_j, found.youden_threshold) == (
        whole.roc_auc,
        whole.positive.youden_j,
        whole.positive.youden_threshold,
    )
    best = whole.thresholds['b'].best_accuracy
    assert (found.best_accuracy, found.best_accuracy_threshold) == (best.accuracy, best.threshold)


def test_without_groups_there_are_none() -> None:
    assert groups.measure(answered(), [None] * 7) == {}


def test_the_worst_group_comes_first() -> None:
    found = groups.measure(answered(), ['p5', 'p5', 'p5', 'p6', 'p6', 'p7', 'p7'])

    assert [name for name, _ in groups.in_order_of_accuracy(found)] == ['p6', 'p5', 'p7']
