"""The lines of a batch on their way to disk: JSON Lines of limited length each, and a CSV."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

from predict import segment_files
from predict.answers import Prediction, Style
from predict.batch_layout import Layout
from preprocess import csv_text, files
from preprocess.settings import Json

# A file of so many lines is read by anything, and a million rows make a handful of them.
LINES_PER_FILE = 250_000
_COLUMNS = ('image_uri', 'label', 'prediction')


@dataclass(frozen=True)
class Written:
    """A finished file in the work folder, and the name it is to have."""

    path: str
    name: str
    lines: int


class Lines:
    """Writes lines one after the other; a new file when one has as many as it may."""

    def __init__(self, folder: str, *, most: int | None) -> None:
        self._folder = folder
        self._most = most
        self._counts: list[int] = []
        self._held = ExitStack()
        self._sink: BinaryIO | None = None

    def __enter__(self) -> Self:
        self._next()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)

    def write(self, line: bytes) -> None:
        """Write one line."""
        if self._most and self._counts[-1] >= self._most:
            self._held.close()
            self._next()
        if self._sink:
            self._sink.write(line)
        self._counts[-1] += 1

    def _next(self) -> None:
        self._sink = self._held.enter_context(files.writing_atomic(self._path(len(self._counts))))
        self._counts.append(0)

    def _path(self, number: int) -> str:
        return files.join(self._folder, f'lines-{number:05d}')

    def written(self, layout: Layout) -> Iterator[Written]:
        """What was written, once it is closed."""
        for number, count in enumerate(self._counts):
            yield Written(self._path(number), layout.lines(number, len(self._counts)), count)


class Table:
    """The CSV: a line for every row, as trainer.evaluate writes it, and what failed behind the scores."""

    def __init__(self, sink: BinaryIO, style: Style) -> None:
        self._sink = sink
        self._empty = [''] * len(style.names)
        sink.write(segment_files.line([*_COLUMNS, *(f'score_{name}' for name in style.names), 'error']))

    def write(self, key: str, truth: str, answer: Prediction | None) -> None:
        """One row; without an answer it is footage, whose scores are in a file of their own."""
        said = answer or Prediction(key)
        scores = [f'{score:.7g}' for score in said.scores] or self._empty
        cells = [key, truth, '|'.join(said.labels)]
        error = csv_text.harmless(said.error or '')
        self._sink.write(segment_files.line([*map(csv_text.harmless, cells), *scores, error]))


def as_json(said: Mapping[str, Json]) -> bytes:
    """One line."""
    # What is not UTF-8 in a path keeps its surrogates, escaped.
    try:
        return (json.dumps(said, ensure_ascii=False) + '\n').encode()
    except UnicodeEncodeError:
        return (json.dumps(said) + '\n').encode()
