"""How good scores are where every row has one label: accuracy with its interval, figures per class, confusion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainer import thresholds
from trainer.thresholds import ThresholdFigures

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

RESAMPLES = 1000
# The name that makes a class the one looked for, in any case and number: folders are called Positives, too.
_POSITIVE_NAMES = ('positive', 'positives')


@dataclass(frozen=True)
class ClassFigures:
    """One class against the others; None where the rows can't tell (no row of it, none predicted)."""

    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None
    average_precision: float | None


@dataclass(frozen=True)
class PositiveFigures:
    """The class looked for: what a detector is judged by."""

    label: str
    sensitivity: float | None
    specificity: float | None
    precision: float | None
    f1: float | None
    roc_auc: float | None
    average_precision: float | None
    youden_j: float | None  # the best sensitivity + specificity - 1 over all thresholds ...
    youden_threshold: float | None  # ... and the score from which on a picture is called positive there


@dataclass(frozen=True)
class Metrics:
    """Everything measured on one set of rows."""

    examples: int
    accuracy: float
    accuracy_interval: tuple[float, float]  # 95 %
    balanced_accuracy: float | None
    macro_f1: float | None
    log_loss: float | None
    roc_auc: float | None  # of the positive class where there is one, else the mean over classes (one against the rest)
    positive: PositiveFigures | None
    per_class: dict[str, ClassFigures]
    thresholds: dict[str, ThresholdFigures]  # of each class against the rest, where the rows have both
    confusion_matrix: tuple[tuple[int, ...], ...]  # a row for each true class, a column for each predicted one


def measure(
    labels: Ints, scores: Floats, label_names: Sequence[str], *, positive_label: str | None = None, seed: int = 0
) -> Metrics:
    """Measure scores[N, C] against the true class ids labels[N]; at least one row."""
    from sklearn import metrics as sk

    predicted = scores.argmax(axis=1)
    classes = np.arange(len(label_names))
    accuracy = float(np.mean(predicted == labels))
    per_class = {
        name: class_figures(labels == index, predicted == index, scores[:, index])
        for index, name in enumerate(label_names)
    }
    chosen = of_thresholds([labels == index for index in classes], scores, label_names)
    positive = _positive(labels, scores, label_names, positive_class(label_names, positive_label))
    aucs = [figures.roc_auc for figures in per_class.values()]
    return Metrics(
        examples=len(labels),
        accuracy=accuracy,
        accuracy_interval=bootstrap_interval(accuracy, len(labels), seed=seed),
        balanced_accuracy=mean_of([figures.recall for figures in per_class.values()]),
        macro_f1=mean_of([figures.f1 for figures in per_class.values()]),
        # float32 on purpose: its epsilon is where log_loss clips a score of 0.
        log_loss=finite(sk.log_loss(labels, scores, labels=classes)),
        roc_auc=positive.roc_auc if positive else mean_of(aucs),
        positive=positive,
        per_class=per_class,
        thresholds=chosen,
        confusion_matrix=confusion(labels, predicted, len(label_names)),
    )


def class_figures(true: Bools, predicted: Bools, score: Floats) -> ClassFigures:
    """One class against the rest: `true` and `predicted` say which rows are of it."""
    found, support, named = int(np.sum(true & predicted)), int(true.sum()), int(predicted.sum())
    return ClassFigures(
        support=support,
        predicted=named,
        precision=ratio(found, named),
        recall=ratio(found, support),
        f1=ratio(2 * found, support + named),
        roc_auc=roc_auc(true, score),
        average_precision=average_precision(true, score),
    )


def bootstrap_interval(accuracy: float, examples: int, *, seed: int) -> tuple[float, float]:
    """The 95 % bootstrap interval of an accuracy, over 1,000 resamples of the rows.

    Drawing N rows with replacement, each right with probability `accuracy`, and counting the right ones is a binomial
    draw: the same distribution as drawing row numbers, without a matrix of 1,000 x N of them.
    """
    right = np.random.default_rng(seed).binomial(examples, accuracy, size=RESAMPLES)
    low, high = np.percentile(right / examples, [2.5, 97.5])
    return float(low), float(high)


def positive_class(label_names: Sequence[str], wanted: str | None = None) -> int | None:
    """The class looked for: the one asked for, else the one named positive, else the second of two."""
    if wanted is not None:
        return list(label_names).index(wanted)
    named = [index for index, name in enumerate(label_names) if name.casefold() in _POSITIVE_NAMES]
    if named:
        return named[0]
    return 1 if len(label_names) == 2 else None


def roc_auc(true: Bools, score: Floats) -> float | None:
    """Area under the ROC curve; None when only one side occurs."""
    curve = thresholds.roc(true, score)
    return curve.area if curve else None


def of_thresholds(true: Sequence[Bools], scores: Floats, label_names: Sequence[str]) -> dict[str, ThresholdFigures]:
    """What thresholds come to for each class that some rows are of and some are not; `true` by class."""
    found = {name: thresholds.measure(true[index], scores[:, index]) for index, name in enumerate(label_names)}
    return {name: figures for name, figures in found.items() if figures}


def average_precision(true: Bools, score: Floats) -> float | None:
    """Area under the precision-recall curve; None when no row is true."""
    from sklearn import metrics as sk

    return finite(sk.average_precision_score(true, score)) if true.any() else None


def confusion(labels: Ints, predicted: Ints, classes: int) -> tuple[tuple[int, ...], ...]:
    """How often a class (row) was given for another (column)."""
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return tuple(tuple(row) for row in counts.reshape(classes, classes).tolist())


def ratio(part: int, whole: int) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of the values there are."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def finite(value: float) -> float | None:
    """A number JSON can hold."""
    return float(value) if np.isfinite(value) else None


def _positive(labels: Ints, scores: Floats, names: Sequence[str], index: int | None) -> PositiveFigures | None:
    if index is None:
        return None
    true, predicted, score = labels == index, scores.argmax(axis=1) == index, scores[:, index]
    figures = class_figures(true, predicted, score)
    curve = thresholds.roc(true, score)
    best = curve.best_youden() if curve else None
    return PositiveFigures(
        label=names[index],
        sensitivity=figures.recall,
        specificity=ratio(int(np.sum(~true & ~predicted)), int(np.sum(~true))),
        precision=figures.precision,
        f1=figures.f1,
        roc_auc=figures.roc_auc,
        average_precision=figures.average_precision,
        youden_j=best.youden_j if best else None,
        youden_threshold=best.threshold if best else None,
    )
