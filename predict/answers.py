"""Answers about pictures, and the forms they are shown in: JSON objects and rows of a table."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.settings import Json

UNSURE = 'unsure'
_NONE_HOLDS = '-'


@dataclass(frozen=True)
class Prediction:
    """The answer for one picture, or why there is none.

    `prediction` and `label` are the class with the highest score. `labels` is what holds of the picture: that label
    alone, or with a multi-label model every label whose score reaches the model's threshold.
    """

    key: str
    prediction: int | None = None
    label: str | None = None
    scores: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    error: str | None = None


def answered(scores: NDArray[np.float32], labels: tuple[str, ...], *, threshold: float | None) -> Prediction:
    """The answer, without a key, that these scores of all classes mean; `threshold` is that of several labels."""
    best = int(np.argmax(scores))
    reached = [best] if threshold is None else np.flatnonzero(scores >= threshold)
    return Prediction('', best, labels[best], tuple(scores.tolist()), tuple(labels[index] for index in reached))


@dataclass(frozen=True)
class Style:
    """What every answer of one model is shown with: its label names, how many of the best to name."""

    names: tuple[str, ...]
    multi_label: bool
    top_k: int | None = None

    def decided(self, answer: Prediction, threshold: float) -> Prediction:
        """The answer with the labels that reach a threshold, and `unsure` when none does."""
        if answer.prediction is None or answer.label is None:
            return answer
        names = self.names if self.multi_label else (answer.label,)
        scores = answer.scores if self.multi_label else (answer.scores[answer.prediction],)
        labels = tuple(name for name, score in zip(names, scores, strict=True) if score >= threshold)
        return dataclasses.replace(answer, labels=labels or (UNSURE,))

    def json(self, answer: Prediction) -> dict[str, Json]:
        """The answer as `serving_default` gives it; with several labels a list of them beside the joined name."""
        if answer.error is not None:
            return {'key': answer.key, 'error': answer.error}
        found: dict[str, Json] = {'key': answer.key, 'prediction': answer.prediction, 'label': _joined(answer)}
        if self.multi_label:
            found['labels'] = list(answer.labels)
        found['scores'] = [_shortest(score) for score in answer.scores]
        if self.top_k:
            found['top'] = [{'label': name, 'score': _shortest(score)} for name, score in self._best(answer)]
        return found

    def table(self, keys: Iterable[str]) -> 'Table':
        """A table wide enough for these keys."""
        widths = (_widest(['KEY', *keys]), _widest(['PREDICTION']), _widest(['LABEL', UNSURE, *self.names]))
        return Table(self, widths)

    def scores(self, answer: Prediction) -> str:
        """The last column: every score in the order of the classes, or the best with their names."""
        if self.top_k:
            return ', '.join(f'{visible(name)} {score:.4f}' for name, score in self._best(answer))
        return '[' + ', '.join(f'{score:.4f}' for score in answer.scores) + ']'

    def _best(self, answer: Prediction) -> list[tuple[str, float]]:
        pairs = zip(self.names, answer.scores, strict=True)
        return sorted(pairs, key=lambda pair: pair[1], reverse=True)[: self.top_k]


@dataclass(frozen=True)
class Table:
    """Lines of the table gcloud shows for predictions, with the label beside its number."""

    style: Style
    widths: tuple[int, int, int]

    @property
    def header(self) -> str:
        """The names of the columns."""
        return self._line(('KEY', 'PREDICTION', 'LABEL', 'SCORES'))

    def row(self, answer: Prediction) -> str:
        """One answered picture."""
        label = visible(_joined(answer)) or _NONE_HOLDS
        return self._line((visible(answer.key), str(answer.prediction), label, self.style.scores(answer)))

    def _line(self, cells: Sequence[str]) -> str:
        *columns, last = cells
        return '  '.join([*(cell.ljust(width) for cell, width in zip(columns, self.widths, strict=True)), last])


def visible(text: str) -> str:
    """Text that can't move the cursor, hide or reorder what follows: all but printable characters are escaped."""
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode('ascii') for c in text)


def _joined(answer: Prediction) -> str:
    return '|'.join(answer.labels)


def _widest(cells: Iterable[str]) -> int:
    return max(len(visible(cell)) for cell in cells)


def _shortest(score: float) -> float:
    # The shortest decimal that is the same float32: 0.1 rather than 0.10000000149011612.
    return float(str(np.float32(score)))
