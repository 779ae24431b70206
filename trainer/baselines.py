"""What any head must beat to be worth having: the most common class, and logistic regression on the same vectors."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.metrics import Bools, Floats, Ints, bootstrap_interval

# rows x vector size x classes that are fitted: about 5 s on two cores for 100 iterations, and 200 MB.
_WORK_LIMIT = 100_000_000
_ITERATIONS = 100
# However large the vectors and however many the classes, a class is worth this many rows.
_ROWS_PER_CLASS = 30


@dataclass(frozen=True)
class Baseline:
    """How well something simple does on the same rows."""

    accuracy: float
    accuracy_interval: tuple[float, float]
    note: str  # how it was made, for a reader


@dataclass(frozen=True)
class Targets:
    """What is to be learnt of a set of rows: class ids[N], or with several labels a row bools[N, C]."""

    values: Ints | Bools
    classes: int

    @property
    def multi_label(self) -> bool:
        """Whether a row may have several labels."""
        return self.values.ndim == 2

    def __len__(self) -> int:
        return len(self.values)


def majority(counts: Sequence[int], truth: Targets, label_names: Sequence[str], *, source: str, seed: int) -> Baseline:
    """Always answering the class with the largest count (the first of equals)."""
    common = int(np.argmax(counts))
    if truth.multi_label:
        answer = np.arange(truth.classes) == common
        right = (truth.values == answer).all(axis=1)
    else:
        right = truth.values == common
    return _baseline(right, f'always {label_names[common]!r}, the most common label {source}', seed=seed)


class LogisticRegression:
    """Logistic regression on standardised vectors, fitted once to the training rows (or a sample of them)."""

    def __init__(self, vectors: Floats, targets: Targets, *, seed: int) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression as Estimator
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        rows = _sample(targets, row_limit(vectors.shape[1], targets.classes), seed=seed)
        self.rows, self.of = len(rows), len(targets)
        estimator = Estimator(max_iter=_ITERATIONS)
        self._model = make_pipeline(
            StandardScaler(), OneVsRestClassifier(estimator) if targets.multi_label else estimator
        )
        with warnings.catch_warnings():
            # Fitting is bounded on purpose: a hundred iterations are close enough for a yardstick.
            warnings.simplefilter('ignore', ConvergenceWarning)
            # A label that every row or no row has needs no regression; the estimator says so in a warning.
            warnings.filterwarnings('ignore', message='Label .* is present in all training examples')
            warnings.filterwarnings('ignore', message='Label not .* is present in all training examples')
            self._model.fit(vectors[rows], targets.values[rows])

    def measured(self, vectors: Floats, truth: Targets, *, seed: int) -> Baseline:
        """Its accuracy on other rows."""
        right = self._model.predict(vectors) == truth.values
        if truth.multi_label:
            right = right.all(axis=1)
        sample = '' if self.rows == self.of else f' (a sample of {self.of:,})'
        return _baseline(right, f'fitted to {self.rows:,} training rows{sample}', seed=seed)


def row_limit(vector_size: int, classes: int) -> int:
    """How many rows are fitted, so that the time is bounded whatever the size of vectors and dictionary."""
    return max(_WORK_LIMIT // (vector_size * max(classes, 2)), _ROWS_PER_CLASS * classes)


def _sample(targets: Targets, limit: int, *, seed: int) -> Ints:
    """Up to `limit` row numbers, each class keeping its share."""
    order = np.random.default_rng(seed).permutation(len(targets))
    if len(targets) <= limit:
        return np.sort(order)
    if targets.multi_label:
        return np.sort(order[:limit])
    shuffled = targets.values[order]
    by_class = np.argsort(shuffled, kind='stable')
    counts = np.bincount(shuffled, minlength=targets.classes)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    place = np.empty(len(order))
    # How far through its class each row comes: the smallest places are an equal share of every class.
    place[by_class] = (np.arange(len(order)) - starts + 0.5) / np.repeat(counts, counts)
    return np.sort(order[np.argsort(place, kind='stable')[:limit]])


def _baseline(right: Bools, note: str, *, seed: int) -> Baseline:
    accuracy = float(np.mean(right))
    return Baseline(accuracy, bootstrap_interval(accuracy, len(right), seed=seed), note)
