"""predictions.csv: what a model said of every picture of a set.

    image_uri,label,prediction,score_daisy,score_rose
    /pictures/1.jpg,daisy,rose,0.31,0.69

Of footage, `video,frame,time` stand before the scores: the recording, the frame's number in its own file, the second on
the recording's clock. Of windows they are those of the frame the window speaks for, and `first_frame,last_frame`
follow, each by its number in its own file.

A picture without a label has an empty label cell; several labels of one picture are joined by |. Spreadsheets take a
cell that begins with = + - @, a tab or a carriage return for a formula, so such a text gets an apostrophe in front, as
does one that begins with an apostrophe itself: `read` can take off exactly what `write` put there.
"""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preprocess import csv_text, files
from preprocess.failures import InputError
from trainer.metrics import Bools, Floats
from trainer.moments import Moments

_COLUMNS = ('image_uri', 'label', 'prediction')
_OF_FOOTAGE = ('video', 'frame', 'time')
_OF_WINDOWS = ('first_frame', 'last_frame')
_SCORE = 'score_'
_QUOTE = '"'
_SPECIAL = frozenset(',"\r\n')


@dataclass(frozen=True, eq=False)
class Predictions:
    """Row i of everything belongs to one picture; labels and predictions are texts as a CSV cell holds them."""

    uris: tuple[str, ...]
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    scores: Floats
    label_names: tuple[str, ...]
    moments: Moments | None = None  # of footage

    def __len__(self) -> int:
        return len(self.uris)

    def truths(self) -> dict[str, str]:
        """The label of each picture that has one."""
        return {uri: label for uri, label in zip(self.uris, self.labels, strict=True) if label}


@dataclass(frozen=True)
class BeforeAndNow:
    """Two models on the pictures both were evaluated on, by the labels these have now."""

    rows: int
    before: float
    now: float


def answers(scores: Floats, label_names: Sequence[str], *, threshold: float | None) -> tuple[str, ...]:
    """What a model says: the label with the highest score, or with a threshold every label that reaches it."""
    if threshold is None:
        return tuple(label_names[index] for index in scores.argmax(axis=1))
    return tuple(_joined(row >= threshold, label_names) for row in scores)


def write(path: str, predictions: Predictions) -> None:
    """Write predictions.csv whole or not at all."""
    moments = predictions.moments
    more = _columns_of(moments) if moments else ()
    header = [*_COLUMNS, *more, *(_SCORE + name for name in predictions.label_names)]
    with files.writing_atomic(path) as sink:
        sink.write(_line(header))
        for row, scores in enumerate(predictions.scores.tolist()):
            said = predictions.uris[row], predictions.labels[row], predictions.predicted[row]
            where = _where(moments, row) if moments else ()
            sink.write(_line([*map(csv_text.harmless, said), *where, *(f'{score:.7g}' for score in scores)]))


def read(path: str) -> Predictions:
    """The predictions in a file that `write` wrote."""
    text = files.read_bytes(path).decode('utf-8', 'surrogateescape')
    rows = list(csv.reader(io.StringIO(text, newline='')))
    if not rows or tuple(rows[0][: len(_COLUMNS)]) != _COLUMNS or any(len(row) != len(rows[0]) for row in rows):
        raise InputError(
            f'not predictions: the header must begin with {",".join(_COLUMNS)} and rows be as long as it',
            where=path,
            do='write them again with trainer.evaluate',
        )
    header, *body = rows
    columns = [tuple(column) for column in zip(*body, strict=True)] or [()] * len(header)
    uris, labels, predicted = (tuple(map(csv_text.as_meant, column)) for column in columns[:3])
    first = next((place for place, name in enumerate(header) if name.startswith(_SCORE)), len(header))
    more = tuple(header[len(_COLUMNS) : first])
    moments = _moments(dict(zip(more, columns[len(_COLUMNS) : first], strict=True))) if more else None
    scores = np.array([row[first:] for row in body], np.float32).reshape(len(body), len(header) - first)
    names = tuple(name.removeprefix(_SCORE) for name in header[first:])
    return Predictions(uris, labels, predicted, scores, names, moments)


def accuracy_on(predictions: Predictions, truths: Mapping[str, str], uris: Collection[str]) -> float | None:
    """The share of these pictures whose prediction is the label they have in `truths`; None for no picture."""
    wanted = set(uris)
    right = [
        predicted == truths[uri]
        for uri, predicted in zip(predictions.uris, predictions.predicted, strict=True)
        if uri in wanted
    ]
    return sum(right) / len(right) if right else None


def compare(before: Predictions, now: Predictions) -> BeforeAndNow | None:
    """Accuracy before and now on the labelled pictures common to both; None when there are none.

    Both are held against the labels of `now`: where labels were mended in between, the mended ones are the truth.
    """
    truths = now.truths()
    common = truths.keys() & set(before.uris)
    then, today = accuracy_on(before, truths, common), accuracy_on(now, truths, common)
    return None if then is None or today is None else BeforeAndNow(len(common), then, today)


def _columns_of(moments: Moments) -> tuple[str, ...]:
    return _OF_FOOTAGE + (_OF_WINDOWS if moments.spans is not None else ())


def _where(moments: Moments, row: int) -> Sequence[str]:
    """The cells of a row that is footage; empty ones of one that isn't."""
    if not moments.videos[row]:
        return [''] * len(_columns_of(moments))
    span = map(str, moments.spans[row]) if moments.spans is not None else ()
    return csv_text.harmless(moments.videos[row]), str(moments.frames[row]), f'{moments.times[row]:.7g}', *span


def _moments(columns: Mapping[str, Sequence[str]]) -> Moments | None:
    if not columns.keys() >= {*_OF_FOOTAGE}:
        return None
    numbers = {
        name: np.array([int(cell or 0) for cell in columns[name]], np.int64)
        for name in ('frame', *_OF_WINDOWS)
        if name in columns
    }
    return Moments(
        tuple(map(csv_text.as_meant, columns['video'])),
        numbers['frame'],
        np.array([float(time or 0) for time in columns['time']], np.float64),
        np.stack([numbers[name] for name in _OF_WINDOWS], axis=1) if numbers.keys() >= {*_OF_WINDOWS} else None,
    )


def _joined(chosen: Bools, label_names: Sequence[str]) -> str:
    return '|'.join(name for name, is_chosen in zip(label_names, chosen, strict=True) if is_chosen)


def _line(cells: Sequence[str]) -> bytes:
    # Python's writer leaves a carriage return bare where lines don't end in one, and then can't read it back.
    quoted = (f'"{cell.replace(_QUOTE, 2 * _QUOTE)}"' if _SPECIAL & set(cell) else cell for cell in cells)
    return (','.join(quoted) + '\n').encode('utf-8', 'surrogateescape')
