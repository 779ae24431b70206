"""Several labels a row, worked out by hand."""

import math

import numpy as np
import pytest

from trainer import multi_label
from trainer.metrics import ClassFigures

LABELS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
SCORES = np.array([[0.9, 0.2, 0.1], [0.8, 0.4, 0.1], [0.6, 0.7, 0.1], [0.1, 0.1, 0.1]], np.float32)


def test_several_labels_give_the_figures_worked_out_by_hand() -> None:
    found = multi_label.measure(LABELS, SCORES, ('a', 'b', 'c'))

    # Rows: all right; b missed; a too much; all right.
    assert (found.examples, found.accuracy, found.label_accuracy) == (4, 0.5, 10 / 12)
    assert found.per_class['a'] == ClassFigures(2, 3, 2 / 3, 1.0, 4 / 5, 1.0, 1.0)
    assert found.per_class['b'] == ClassFigures(2, 1, 1.0, 1 / 2, 2 / 3, 1.0, 1.0)
    assert found.per_class['c'] == ClassFigures(0, 0, None, None, None, None, None)
    assert found.micro_f1 == 6 / 8
    assert found.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert (found.roc_auc, found.macro_average_precision) == (1.0, 1.0)
    given = [0.9, 0.8, 0.9, 0.8, 0.4, 0.9, 0.4, 0.7, 0.9, 0.9, 0.9, 0.9]
    assert found.log_loss == pytest.approx(-sum(map(math.log, given)) / 12, abs=1e-6)


def test_the_threshold_decides_what_is_predicted() -> None:
    found = multi_label.measure(LABELS, SCORES, ('a', 'b', 'c'), threshold=0.35)

    assert (found.threshold, found.accuracy) == (0.35, 3 / 4)
