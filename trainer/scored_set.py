"""A set of records with a model's scores, and everything that is measured on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from preprocess.failures import InputError
from trainer import baselines, confusion, groups, metrics, multi_label, predictions
from trainer.baselines import Baseline, LogisticRegression, Targets
from trainer.confusion import Grid
from trainer.embedded_set import EmbeddedSet
from trainer.evaluation import AnyMetrics, SetResult
from trainer.groups import Answered
from trainer.metrics import Floats, Ints
from trainer.predictions import Predictions


@dataclass(frozen=True)
class Question:
    """What a model is asked: which of these labels, and with a threshold, every label that reaches it."""

    label_names: tuple[str, ...]
    threshold: float | None
    positive_label: str | None
    seed: int


@dataclass(frozen=True)
class Yardsticks:
    """What the model is held against: counts of labels, where they come from, and a regression fitted to them."""

    counts: Sequence[int]
    source: str
    logistic: LogisticRegression | None


@dataclass(frozen=True, eq=False)
class ScoredSet:
    """Rows with their scores; unlabelled rows are predicted, not measured."""

    rows: EmbeddedSet
    scores: Floats
    question: Question

    def __post_init__(self) -> None:
        if not len(self.rows.labelled()):
            raise InputError(
                f'the {self.rows.name} set has no labelled picture ({len(self.rows)} without a label)',
                where=f'the {self.rows.name} records',
                do='give records of pictures with labels',
            )

    def targets(self) -> Targets:
        """The labels of the rows that have one."""
        return targets(self.rows, self.question)

    @cached_property
    def predictions(self) -> Predictions:
        """What the model says of every row."""
        names = self.question.label_names
        return Predictions(
            uris=self.rows.uris,
            labels=tuple(self.rows.label_text(row, names) for row in range(len(self.rows))),
            predicted=predictions.answers(self.scores, names, threshold=self.question.threshold),
            scores=self.scores,
            label_names=names,
            moments=self.rows.moments,
        )

    def confidence(self) -> Floats:
        """How sure the model is of each row's answer; with several labels, of the one it is furthest off with."""
        if self.question.threshold is None:
            highest: Floats = self.scores.max(axis=1)
            return highest
        distance: Floats = np.abs(self.scores - self.rows.matrix(len(self.question.label_names))).max(axis=1)
        return distance

    @cached_property
    def measured(self) -> AnyMetrics:
        """The figures of the labelled rows."""
        asked, rows = self.question, self.rows.labelled()
        names, scores = asked.label_names, self.scores[rows]
        if asked.threshold is not None:
            truth = self.rows.matrix(len(names))[rows]
            return multi_label.measure(truth, scores, names, threshold=asked.threshold, seed=asked.seed)
        ids = self.rows.class_ids()
        return metrics.measure(ids, scores, names, positive_label=asked.positive_label, seed=asked.seed)

    def result(self, yardsticks: Yardsticks, twins: Ints | None) -> SetResult:
        """The figures beside those of simpler answers; `twins` are the rows that the training set has too."""
        truth, names, seed = self.targets(), self.question.label_names, self.question.seed
        labelled = self.rows.labelled()
        majority = baselines.majority(yardsticks.counts, truth, names, source=yardsticks.source, seed=seed)
        logistic: Baseline | None = None
        if yardsticks.logistic:
            logistic = yardsticks.logistic.measured(self.rows.vectors[labelled], truth, seed=seed)
        alone = np.setdiff1d(labelled, twins) if twins is not None else labelled
        return SetResult(
            name=self.rows.name,
            rows=len(self.rows),
            unlabelled=len(self.rows) - len(labelled),
            metrics=self.measured,
            majority_class=majority,
            logistic_regression=logistic,
            twins=None if twins is None else len(twins),
            accuracy_without_twins=self._accuracy_on(alone) if twins is not None else None,
            recordings=len({*self.rows.moments.videos} - {''}) if self.rows.moments else 0,
            per_group=groups.measure(self._answered(), [self.rows.groups[row] for row in labelled], seed=seed),
        )

    def grid(self) -> Grid:
        """The confusion matrix to draw."""
        measured, names = self.measured, self.question.label_names
        if isinstance(measured, metrics.Metrics):
            return confusion.of_classes(measured.confusion_matrix, names)
        labelled = self.rows.labelled()
        said = self.scores[labelled] >= measured.threshold
        return confusion.of_labels(self.rows.matrix(len(names))[labelled], said, names)

    def _answered(self) -> Answered:
        asked, labelled = self.question, self.rows.labelled()
        classes, scores = len(asked.label_names), self.scores[labelled]
        if asked.threshold is not None:
            said, positive = scores >= asked.threshold, None
        else:
            said = scores.argmax(axis=1)[:, None] == np.arange(classes)
            positive = metrics.positive_class(asked.label_names, asked.positive_label)
        return Answered(self.rows.matrix(classes)[labelled], said, scores, positive)

    def _accuracy_on(self, rows: Ints) -> float | None:
        said = self.predictions
        right = [said.labels[row] == said.predicted[row] for row in rows]
        return sum(right) / len(right) if right else None


def targets(rows: EmbeddedSet, question: Question) -> Targets:
    """What is to be learnt of the labelled rows."""
    classes = len(question.label_names)
    if question.threshold is not None:
        return Targets(rows.matrix(classes)[rows.labelled()], classes)
    return Targets(rows.class_ids(), classes)


def yardsticks(train: EmbeddedSet, question: Question) -> Yardsticks:
    """What can be held against a model when its training records are at hand."""
    wanted = targets(train, question)
    counts = train.counts(len(question.label_names))
    several = sum(count > 0 for count in counts) > 1
    logistic = LogisticRegression(train.vectors[train.labelled()], wanted, seed=question.seed) if several else None
    return Yardsticks(counts, 'of the training set', logistic)
