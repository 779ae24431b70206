"""Baselines on vectors whose answer is known."""

import numpy as np
import pytest

from trainer import baselines
from trainer.baselines import LogisticRegression, Targets


def separable(rows: int, classes: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    vectors = random.normal(size=(rows, 8)).astype(np.float32)
    vectors[np.arange(rows), labels] += 8
    return vectors, labels


def test_the_majority_answers_the_most_common_training_label_whatever_the_eval_set_holds() -> None:
    found = baselines.majority([3, 5, 5], Targets(np.array([0, 0, 1, 2]), 3), ('a', 'b', 'c'), source='there', seed=0)

    assert found.accuracy == 1 / 4
    assert found.note == "always 'b', the most common label there"


def test_with_several_labels_the_majority_is_right_where_that_label_stands_alone() -> None:
    truth = Targets(np.array([[1, 0], [1, 1], [0, 1]], bool), 2)

    assert baselines.majority([9, 2], truth, ('a', 'b'), source='there', seed=0).accuracy == 1 / 3


def test_logistic_regression_tells_separable_classes_apart() -> None:
    vectors, labels = separable(90, 3)
    fitted = LogisticRegression(vectors, Targets(labels, 3), seed=0)

    others, truth = separable(30, 3, seed=1)
    found = fitted.measured(others, Targets(truth, 3), seed=0)

    assert (found.accuracy, found.note) == (1.0, 'fitted to 90 training rows')


def test_logistic_regression_learns_each_of_several_labels() -> None:
    vectors, labels = separable(80, 4)
    several = np.stack([labels < 2, labels % 2 == 0, labels >= 0], axis=1)  # the last is true of all
    fitted = LogisticRegression(vectors, Targets(several, 3), seed=0)

    assert fitted.measured(vectors, Targets(several, 3), seed=0).accuracy == 1.0


def test_too_many_rows_are_sampled_with_every_class_keeping_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, 'row_limit', lambda size, classes: 50)
    labels = np.array([0] * 400 + [1] * 80 + [2] * 20)

    chosen = baselines._sample(Targets(labels, 3), 50, seed=0)

    assert np.bincount(labels[chosen]).tolist() == [40, 8, 2]
    vectors = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    found = LogisticRegression(vectors, Targets(labels, 3), seed=0).measured(vectors, Targets(labels, 3), seed=0)
    assert found.note == 'fitted to 50 training rows (a sample of 500)'


def test_the_work_is_bounded_by_the_size_of_the_vectors_and_of_the_dictionary() -> None:
    assert baselines.row_limit(2048, 5) == 100_000_000 // (2048 * 5)
    assert baselines.row_limit(2048, 1000) == 30 * 1000
