"""How good scores are where a row may have several labels: each label by itself, and all of them together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.metrics import (
    Bools,
    ClassFigures,
    Floats,
    bootstrap_interval,
    class_figures,
    mean_of,
    of_thresholds,
    ratio,
)
from trainer.thresholds import ThresholdFigures

# Scores of exactly 0 or 1 would cost infinitely much in the log loss.
_EPSILON = np.finfo(np.float32).eps


@dataclass(frozen=True)
class MultiLabelMetrics:
    """Everything measured on one set of rows; `accuracy` counts rows whose labels are all right and no other."""

    examples: int
    accuracy: float
    accuracy_interval: tuple[float, float]  # 95 %
    label_accuracy: float  # the share of all row-label decisions that are right
    micro_f1: float | None
    macro_f1: float | None
    macro_average_precision: float | None
    log_loss: float  # mean over all row-label decisions
    roc_auc: float | None  # mean over labels
    threshold: float
    per_class: dict[str, ClassFigures]
    thresholds: dict[str, ThresholdFigures]  # of each label, where some rows have it and some don't


def measure(
    labels: Bools, scores: Floats, label_names: Sequence[str], *, threshold: float = 0.5, seed: int = 0
) -> MultiLabelMetrics:
    """Measure scores[N, C] against labels[N, C]; at least one row."""
    predicted = scores >= threshold
    accuracy = float(np.mean((predicted == labels).all(axis=1)))
    per_class = {
        name: class_figures(labels[:, index], predicted[:, index], scores[:, index])
        for index, name in enumerate(label_names)
    }
    figures = list(per_class.values())
    found, support, named = int(np.sum(labels & predicted)), int(labels.sum()), int(predicted.sum())
    return MultiLabelMetrics(
        examples=len(labels),
        accuracy=accuracy,
        accuracy_interval=bootstrap_interval(accuracy, len(labels), seed=seed),
        label_accuracy=float(np.mean(predicted == labels)),
        micro_f1=ratio(2 * found, support + named),
        macro_f1=mean_of([one.f1 for one in figures]),
        macro_average_precision=mean_of([one.average_precision for one in figures]),
        log_loss=_binary_log_loss(labels, scores),
        roc_auc=mean_of([one.roc_auc for one in figures]),
        threshold=threshold,
        per_class=per_class,
        thresholds=of_thresholds(list(labels.T), scores, label_names),
    )


def _binary_log_loss(labels: Bools, scores: Floats) -> float:
    given = np.clip(np.where(labels, scores, 1 - scores), _EPSILON, 1)
    return float(-np.mean(np.log(given)))
