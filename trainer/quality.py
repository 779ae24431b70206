"""How good a network is on a whole set while it trains: loss, accuracy, AUC, and whether it tells inputs apart."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess.progress import Progress
from trainer import heads
from trainer.classes import Classes
from trainer.data import ExampleSet
from trainer.heads import Floats
from trainer.metrics import mean_of, positive_class
from trainer.network import Network
from trainer.result import Quality
from trainer.windows import Ints

# Sorting is what AUC costs: of larger sets, evenly spread rows are looked at.
_AUC_SCORES = 50_000_000
# float32 scores that differ by less say the same of every input.
_SAME = 1e-6
MULTI_LABEL_THRESHOLD = 0.5
# About what two cores compute in two seconds.
_SHORT_FLOPS = 1e11


class Stopped(Exception):
    """Somebody asked to stop before everything was measured."""


def measure(
    network: Network,
    examples: ExampleSet,
    *,
    batch_size: int,
    with_auc: bool = True,
    stop: Callable[[], bool] | None = None,
) -> Quality:
    """Measure every row in use of a set, the last partial batch included; Stopped when `stop` says so meanwhile."""
    found = _Measuring(examples.classes, stride=-(-len(examples) * len(examples.classes) // _AUC_SCORES))
    with _progress(network, examples) as advance:
        for rows, values in examples.batches(heads.batch_within(network.recipe.spec, batch_size)):
            targets = tf.gather(examples.targets, rows)
            losses, scores = network.score(values, targets)
            found.add(losses, scores, targets.numpy())
            advance(len(rows))
            if stop is not None and found.rows < len(examples) and stop():
                raise Stopped
    return found.quality(with_auc=with_auc)


@contextmanager
def _progress(network: Network, examples: ExampleSet) -> Iterator[Callable[[int], None]]:
    """How far a long measuring has come; a short one is part of the training's own lines."""
    if len(examples) * heads.flops(network.recipe.spec) < _SHORT_FLOPS:
        yield lambda count: None
        return
    with Progress(f'evaluating on the {examples.name} set', total=len(examples)) as progress:
        yield progress.advance


def majority_accuracy(examples: ExampleSet, counts: Ints) -> float:
    """The accuracy of always answering the class with the largest count (the first of equals)."""
    targets = examples.targets.numpy()[examples.rows]
    common = int(np.argmax(counts))
    if not examples.classes.multi_label:
        return float(np.mean(targets == common))
    return float(np.mean((targets == (np.arange(len(examples.classes)) == common)).all(axis=1)))


def auc(truth: NDArray[np.bool_], scores: Floats) -> float | None:
    """The chance that a row that is true scores above one that isn't, ties counting half; None without both."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    above = mean_ranks[places][truth].sum() - positives * (positives + 1) / 2
    return float(above / positives / negatives)


class _Measuring:
    """Sums over batches, and of the scores as many as AUC looks at."""

    def __init__(self, classes: Classes, *, stride: int) -> None:
        self._classes = classes
        self._stride = max(stride, 1)
        self.rows = self._right = 0
        self._loss = 0.0
        self._scores: list[Floats] = []
        self._targets: list[NDArray[np.int32] | NDArray[np.uint8]] = []
        self._low = np.full(len(classes), np.inf)
        self._high = np.full(len(classes), -np.inf)

    def add(self, losses: Floats, scores: Floats, targets: NDArray[np.int32] | NDArray[np.uint8]) -> None:
        if not len(losses):
            return
        kept = slice((-self.rows) % self._stride, None, self._stride)
        self.rows += len(losses)
        self._loss += float(losses.sum(dtype=np.float64))
        self._right += int(self._is_right(scores, targets).sum())
        self._low = np.minimum(self._low, scores.min(axis=0))
        self._high = np.maximum(self._high, scores.max(axis=0))
        self._scores.append(scores[kept])
        self._targets.append(targets[kept])

    def quality(self, *, with_auc: bool) -> Quality:
        return Quality(
            self._loss / self.rows,
            self._right / self.rows,
            self._auc() if with_auc else None,
            constant=self.rows > 1 and bool(np.all(self._high - self._low < _SAME)),
        )

    def _is_right(self, scores: Floats, targets: NDArray[np.int32] | NDArray[np.uint8]) -> NDArray[np.bool_]:
        if self._classes.multi_label:
            every: NDArray[np.bool_] = ((scores >= MULTI_LABEL_THRESHOLD) == (targets == 1)).all(axis=1)
            return every
        first: NDArray[np.bool_] = scores.argmax(axis=1) == targets
        return first

    def _auc(self) -> float | None:
        """Of the positive class where there is one, else the mean over classes, each against the rest."""
        scores, targets = np.concatenate(self._scores), np.concatenate(self._targets)
        if self._classes.multi_label:
            return mean_of([auc(targets[:, index] == 1, scores[:, index]) for index in range(len(self._classes))])
        positive = positive_class(self._classes.names)
        of: Sequence[int] = range(len(self._classes)) if positive is None else [positive]
        return mean_of([auc(targets == index, scores[:, index]) for index in of])
