"""Figures worked out by hand, and agreement with scikit-learn where its definition is meant."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from trainer import metrics

# Ten rows of three classes; the largest score of each row is the prediction named beside it.
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
SCORES = np.array(
    [
        [0.8, 0.1, 0.1],  # 0 right
        [0.6, 0.3, 0.1],  # 0 right
        [0.5, 0.4, 0.1],  # 0 right
        [0.2, 0.7, 0.1],  # 1 wrong
        [0.1, 0.8, 0.1],  # 1 right
        [0.3, 0.6, 0.1],  # 1 right
        [0.6, 0.2, 0.2],  # 0 wrong
        [0.1, 0.1, 0.8],  # 2 right
        [0.2, 0.2, 0.6],  # 2 right
        [0.7, 0.2, 0.1],  # 0 wrong
    ],
    np.float32,
)
NAMES = ('a', 'b', 'c')
# Labels and scores of a detector: ROC goes through (0, 1/3), (0, 2/3), (1/2, 2/3), (1/2, 1), (1, 1).
BINARY = np.array([1, 1, 0, 1, 0])
POSITIVE_SCORES = np.array([0.9, 0.8, 0.7, 0.4, 0.1], np.float32)


def two_columns(positive: np.ndarray) -> np.ndarray:
    return np.stack([1 - positive, positive], axis=1).astype(np.float32)


def test_three_classes_give_the_figures_worked_out_by_hand() -> None:
    found = metrics.measure(LABELS, SCORES, NAMES)

    assert (found.examples, found.accuracy) == (10, 0.7)
    assert found.confusion_matrix == ((3, 1, 0), (1, 2, 0), (1, 0, 2))
    a, b, c = (found.per_class[name] for name in NAMES)
    assert (a.support, a.predicted, a.precision, a.recall, a.f1) == (4, 5, 3 / 5, 3 / 4, 6 / 9)
    assert (b.support, b.predicted, b.precision, b.recall, b.f1) == (3, 3, 2 / 3, 2 / 3, 4 / 6)
    assert (c.support, c.predicted, c.precision, c.recall, c.f1) == (3, 2, 1.0, 2 / 3, 4 / 5)
    assert found.balanced_accuracy == pytest.approx((3 / 4 + 2 / 3 + 2 / 3) / 3)
    assert found.macro_f1 == pytest.approx((6 / 9 + 4 / 6 + 4 / 5) / 3)
    given = [0.8, 0.6, 0.5, 0.2, 0.8, 0.6, 0.2, 0.8, 0.6, 0.1]
    assert found.log_loss == pytest.approx(-sum(map(math.log, given)) / 10, abs=1e-6)
    assert found.positive is None


def test_three_classes_give_the_figures_of_scikit_learn() -> None:
    found = metrics.measure(LABELS, SCORES, NAMES)

    predicted = SCORES.argmax(axis=1)
    assert found.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(LABELS, predicted))
    assert found.macro_f1 == pytest.approx(sk.f1_score(LABELS, predicted, average='macro'))
    assert found.roc_auc == pytest.approx(sk.roc_auc_score(LABELS, SCORES, multi_class='ovr'))
    # 21 pairs of a c and another: 14 in order, 6 ties, 1 not.
    assert found.per_class['c'].roc_auc == pytest.approx(17 / 21)
    assert found.per_class['b'].average_precision == pytest.approx(
        sk.average_precision_score(LABELS == 1, SCORES[:, 1])
    )


def test_a_detector_is_measured_by_its_positive_class() -> None:
    found = metrics.measure(BINARY, two_columns(POSITIVE_SCORES), ('no', 'yes')).positive

    assert found is not None
    assert (found.label, found.sensitivity, found.specificity, found.precision) == ('yes', 2 / 3, 1 / 2, 2 / 3)
    # Of six pairs of a positive and a negative, five are in order.
    assert found.roc_auc == pytest.approx(5 / 6)
    assert found.youden_j == pytest.approx(2 / 3)
    assert found.youden_threshold == pytest.approx(0.8)


def test_the_positive_class_is_the_one_asked_for_then_the_one_of_that_name_then_the_second_of_two() -> None:
    assert metrics.positive_class(('cat', 'dog')) == 1
    assert metrics.positive_class(('Positive', 'negative')) == 0
    assert metrics.positive_class(('Positive', 'negative'), 'negative') == 1
    assert metrics.positive_class(('a', 'b', 'positive')) == 2
    assert metrics.positive_class(('a', 'b', 'c')) is None
    assert metrics.positive_class(('a', 'b', 'c'), 'a') == 0


def test_a_positive_class_among_several_decides_the_roc_auc() -> None:
    found = metrics.measure(LABELS, SCORES, NAMES, positive_label='b')

    assert found.positive is not None
    assert found.roc_auc == found.positive.roc_auc == found.per_class['b'].roc_auc


def test_a_class_that_no_row_has_and_none_is_predicted_is_null_not_nan() -> None:
    found = metrics.measure(np.array([0, 0, 1]), two_columns(np.array([0.1, 0.6, 0.9])), ('a', 'b'))
    wider = np.hstack([two_columns(np.array([0.1, 0.6, 0.9])), np.zeros((3, 1), np.float32)])
    with_absent = metrics.measure(np.array([0, 0, 1]), wider, NAMES)

    absent = with_absent.per_class['c']
    assert absent == metrics.ClassFigures(0, 0, None, None, None, None, None)
    assert with_absent.balanced_accuracy == found.balanced_accuracy == 0.75
    assert with_absent.macro_f1 == found.macro_f1


def test_one_class_alone_has_accuracy_but_no_auc() -> None:
    found = metrics.measure(np.array([1, 1]), two_columns(np.array([0.9, 0.3])), ('a', 'b'))

    assert (found.accuracy, found.roc_auc) == (0.5, None)
    assert found.positive is not None
    assert (found.positive.specificity, found.positive.youden_j, found.positive.youden_threshold) == (None, None, None)


def test_a_score_of_zero_costs_much_but_not_infinitely() -> None:
    found = metrics.measure(np.array([0]), np.array([[0.0, 1.0]], np.float32), ('a', 'b'))

    assert found.log_loss == pytest.approx(-math.log(np.finfo(np.float32).eps), rel=1e-3)


def test_the_interval_is_the_bootstrap_of_the_rows() -> None:
    random = np.random.default_rng(1)
    right = np.arange(60) < 45
    resampled = [right[random.integers(0, 60, 60)].mean() for _ in range(20_000)]

    low, high = metrics.bootstrap_interval(0.75, 60, seed=0)

    assert (low, high) == pytest.approx(np.percentile(resampled, [2.5, 97.5]), abs=1.5 / 60)
    assert metrics.bootstrap_interval(0.75, 60, seed=0) == (low, high)
    assert metrics.bootstrap_interval(1.0, 60, seed=0) == (1.0, 1.0)
