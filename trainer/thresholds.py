"""A score from which on an answer is yes: the ROC curve, its area, and where accuracy and Youden's J are best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# The thresholds a table shows.
SHOWN = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
Truth: TypeAlias = NDArray[np.bool_]
Scores: TypeAlias = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """What a threshold comes to; it is None where nothing is called positive, whatever it scores."""

    threshold: float | None
    accuracy: float
    youden_j: float
    true_positive_rate: float
    false_positive_rate: float


@dataclass(frozen=True, eq=False)
class Roc:
    """A point for each distinct score, from above the highest to the lowest: how many are called positive, rightly."""

    thresholds: NDArray[np.float64]  # the first is infinite
    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    positives: int
    negatives: int

    @property
    def area(self) -> float:
        """The chance that a positive scores above a negative, ties counting half."""
        steps = np.diff(self.false_positives)
        doubled = np.sum(steps * (self.true_positives[1:] + self.true_positives[:-1]))
        return float(doubled / (2 * self.positives * self.negatives))

    def best_accuracy(self) -> Point:
        """Where most answers are right; of equals the highest threshold."""
        return self._point(int(np.argmax(self.true_positives - self.false_positives)))

    def best_youden(self) -> Point:
        """Where the two rates are furthest apart; of equals the highest threshold."""
        # In whole numbers, so that equals are equal.
        return self._point(int(np.argmax(self.true_positives * self.negatives - self.false_positives * self.positives)))

    def at(self, threshold: float) -> Point:
        """What calling everything positive that scores `threshold` or more comes to."""
        reached = int(np.searchsorted(-self.thresholds, -threshold, side='right')) - 1
        point = self._point(reached)
        return Point(threshold, point.accuracy, point.youden_j, point.true_positive_rate, point.false_positive_rate)

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """False and true positive rates, from (0, 0) to (1, 1)."""
        return self.false_positives / self.negatives, self.true_positives / self.positives

    def _point(self, place: int) -> Point:
        found, wrong = int(self.true_positives[place]), int(self.false_positives[place])
        true_rate, false_rate = found / self.positives, wrong / self.negatives
        threshold = float(self.thresholds[place])
        return Point(
            threshold=threshold if np.isfinite(threshold) else None,
            accuracy=(found + self.negatives - wrong) / (self.positives + self.negatives),
            youden_j=true_rate - false_rate,
            true_positive_rate=true_rate,
            false_positive_rate=false_rate,
        )


@dataclass(frozen=True)
class ThresholdFigures:
    """How well a score tells yes from no, whatever threshold is chosen; and at the best and some usual ones."""

    roc_auc: float
    best_accuracy: Point
    best_youden: Point
    at: tuple[Point, ...]


def roc(true: Truth, scores: Scores) -> Roc | None:
    """The curve; None when only one side occurs."""
    positives = int(np.count_nonzero(true))
    negatives = len(true) - positives
    if not positives or not negatives:
        return None
    order = np.argsort(-scores, kind='stable')
    ranked, found = scores[order].astype(np.float64), np.cumsum(true[order])
    last_of_equals = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true_positives = found[last_of_equals].astype(np.int64)
    return Roc(
        thresholds=np.append(np.inf, ranked[last_of_equals]),
        true_positives=np.append(0, true_positives),
        false_positives=np.append(0, last_of_equals + 1 - true_positives),
        positives=positives,
        negatives=negatives,
    )


def measure(true: Truth, scores: Scores, *, shown: Sequence[float] = SHOWN) -> ThresholdFigures | None:
    """Every figure of a score; None when only one side occurs."""
    found = roc(true, scores)
    if found is None:
        return None
    return ThresholdFigures(
        found.area, found.best_accuracy(), found.best_youden(), tuple(found.at(threshold) for threshold in shown)
    )
