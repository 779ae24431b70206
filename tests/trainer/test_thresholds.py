"""Thresholds: figures worked out by hand, and agreement with scikit-learn's curve on random scores."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

from trainer import thresholds

PUBLISHED = Path(__file__).parents[3] / 'shared' / 'reference' / 'fish' / 'targets' / 'train'
needs_published = pytest.mark.skipif(not PUBLISHED.exists(), reason='the published scores are not beside the checkout')

# The curve of these goes through (0, 1/3), (0, 2/3), (1/2, 2/3), (1/2, 1), (1, 1).
TRUE = np.array([True, True, False, True, False])
SCORES = np.array([0.9, 0.8, 0.7, 0.4, 0.1])


def test_five_rows_give_the_figures_worked_out_by_hand() -> None:
    found = thresholds.measure(TRUE, SCORES, shown=(0.5, 0.8, 1.5, 0.0))

    assert found is not None
    assert found.roc_auc == pytest.approx(5 / 6)
    best = thresholds.Point(0.8, 4 / 5, 2 / 3, 2 / 3, 0.0)
    assert found.best_accuracy == found.best_youden == best
    half, reached, above, everything = found.at
    assert half == thresholds.Point(0.5, 3 / 5, 2 / 3 - 1 / 2, 2 / 3, 1 / 2)
    assert reached == best  # a score of exactly the threshold is a yes
    assert above == thresholds.Point(1.5, 2 / 5, 0.0, 0.0, 0.0)
    assert everything == thresholds.Point(0.0, 3 / 5, 0.0, 1.0, 1.0)


@pytest.mark.parametrize('seed', range(8))
@pytest.mark.parametrize('distinct', [2, 7, 100_000])
def test_every_figure_is_the_best_of_scikit_learn_s_curve(seed: int, distinct: int) -> None:
    random = np.random.default_rng(seed)
    true = random.random(400) < 0.2
    scores = (random.integers(0, distinct, 400) / distinct + 0.2 * true).astype(np.float32)

    found = thresholds.measure(true, scores)

    assert found is not None
    assert found.roc_auc == pytest.approx(sk.roc_auc_score(true, scores), abs=1e-12)
    false_rate, true_rate, marks = sk.roc_curve(true, scores, drop_intermediate=False)
    accuracies = [np.mean((scores >= mark) == true) for mark in marks]
    assert found.best_accuracy.accuracy == max(accuracies)
    assert found.best_youden.youden_j == pytest.approx(np.max(true_rate - false_rate), abs=1e-12)
    for point in (found.best_accuracy, found.best_youden, *found.at):
        called = scores >= (np.inf if point.threshold is None else np.float64(point.threshold))
        assert point.accuracy == np.mean(called == true)
        assert point.true_positive_rate == np.mean(called[true])
        assert point.false_positive_rate == np.mean(called[~true])


def test_where_calling_nothing_positive_is_best_there_is_no_threshold() -> None:
    found = thresholds.measure(np.array([False, False, True]), np.array([0.9, 0.8, 0.1]))

    assert found is not None
    assert found.best_accuracy == thresholds.Point(None, 2 / 3, 0.0, 0.0, 0.0)
    assert found.best_youden.threshold is None


def test_of_equally_good_thresholds_the_highest_is_told() -> None:
    found = thresholds.measure(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.6]))

    assert found is not None
    assert (found.best_youden.threshold, found.best_accuracy.threshold) == (0.9, 0.9)


@pytest.mark.parametrize('true', [[True, True], [False, False], []])
def test_one_side_alone_has_no_curve(true: list[bool]) -> None:
    assert thresholds.measure(np.array(true, bool), np.ones(len(true))) is None


def test_the_curve_begins_at_nothing_and_ends_at_everything() -> None:
    roc = thresholds.roc(TRUE, SCORES)

    assert roc is not None
    false_rate, true_rate = roc.curve()
    assert false_rate.tolist() == [0, 0, 0, 0.5, 0.5, 1]
    assert true_rate.tolist() == [0, 1 / 3, 2 / 3, 2 / 3, 1, 1]


@needs_published
def test_a_published_model_that_says_nearly_the_same_of_every_frame_is_measured_by_the_little_it_says() -> None:
    labels, scores = (np.load(PUBLISHED / f'{name}.npy') for name in ('Y_label', 'Y_pred'))
    true, said = labels[119:400] == 1, scores[119:400, 0]
    assert np.ptp(said) < 1e-4

    found = thresholds.measure(true, said)

    assert found is not None
    assert found.roc_auc == pytest.approx(sk.roc_auc_score(true, said), abs=1e-12)
    assert found.at[4].true_positive_rate == 0.0
    assert found.best_accuracy.accuracy >= 1 - true.mean()
