"""Figures for each subject by itself: a model that knows one of them by heart may know nothing of another."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trainer import thresholds
from trainer.metrics import Bools, Floats, Ints, bootstrap_interval, mean_of, ratio
from trainer.thresholds import ThresholdFigures


@dataclass(frozen=True)
class GroupFigures:
    """The labelled rows of one group; None where they can't tell."""

    examples: int
    accuracy: float
    accuracy_interval: tuple[float, float]  # 95 %
    balanced_accuracy: float | None
    macro_f1: float | None
    roc_auc: float | None  # of the positive class where there is one, else the mean over classes
    # Of the positive class, at the thresholds that are best for this group.
    youden_j: float | None
    youden_threshold: float | None
    best_accuracy: float | None
    best_accuracy_threshold: float | None


@dataclass(frozen=True, eq=False)
class Answered:
    """What is true of some rows, what was said, and how strongly; `positive` is the class looked for."""

    true: Bools  # [N, classes]
    said: Bools
    scores: Floats
    positive: int | None

    def rows(self, chosen: Ints) -> 'Answered':
        """Some of the rows."""
        return Answered(self.true[chosen], self.said[chosen], self.scores[chosen], self.positive)


def measure(answered: Answered, groups: Sequence[str | None], *, seed: int = 0) -> dict[str, GroupFigures]:
    """The figures of each group, by name; rows without a group are left out."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        if group is not None:
            members[group].append(row)
    return {name: _figures(answered.rows(np.array(members[name], np.int64)), seed) for name in sorted(members)}


def _figures(answered: Answered, seed: int) -> GroupFigures:
    true, said = answered.true, answered.said
    right = (true == said).all(axis=1)
    accuracy = float(np.mean(right))
    found, support, named = (counts.sum(axis=0).tolist() for counts in (true & said, true, said))
    by_class = _by_class(answered)
    positive = None if answered.positive is None else by_class[answered.positive]
    counted = [positive] if answered.positive is not None else by_class
    return GroupFigures(
        examples=len(right),
        accuracy=accuracy,
        accuracy_interval=bootstrap_interval(accuracy, len(right), seed=seed),
        balanced_accuracy=mean_of([ratio(hits, of) for hits, of in zip(found, support, strict=True)]),
        macro_f1=mean_of([ratio(2 * hits, of + all_) for hits, of, all_ in zip(found, support, named, strict=True)]),
        roc_auc=mean_of([one.roc_auc if one else None for one in counted]),
        youden_j=positive.best_youden.youden_j if positive else None,
        youden_threshold=positive.best_youden.threshold if positive else None,
        best_accuracy=positive.best_accuracy.accuracy if positive else None,
        best_accuracy_threshold=positive.best_accuracy.threshold if positive else None,
    )


def _by_class(answered: Answered) -> list[ThresholdFigures | None]:
    classes = range(answered.true.shape[1])
    return [thresholds.measure(answered.true[:, index], answered.scores[:, index], shown=()) for index in classes]


def in_order_of_accuracy(figures: Mapping[str, GroupFigures]) -> list[tuple[str, GroupFigures]]:
    """The groups, the worst first."""
    return sorted(figures.items(), key=lambda item: (item[1].accuracy, item[0]))
