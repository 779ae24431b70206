"""A model looks at footage: frames -> scores of each, or of each window of consecutive ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from predict import model
from predict.description import Description, Windowing
from predict.footage import Sampled

Scores: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = 'NDArray[np.float32 | np.uint8]'
T = TypeVar('T')
# Frames that go through the encoder together, always as many: rows of other batches differ in their last bits.
FRAMES_AT_ONCE = 32
_WINDOW_BYTES = 64 << 20
_MOST_WINDOWS = 64


class Said(NamedTuple):
    """The scores of a window, or of one frame, which is its own first and last."""

    first: Sampled
    last: Sampled
    spoken: Sampled  # the frame it speaks for
    scores: Scores


@dataclass(frozen=True)
class Watcher:
    """A loaded model for footage."""

    description: Description
    rows: Callable[[Rows], Rows]  # frames uint8[N,H,W,C] -> what the head looks at; their scores, without windows
    score: Callable[[Rows], Scores]  # windows [N,n,...] -> scores

    def watch(self, frames: Iterable[Sampled]) -> Iterator[Said]:
        """What the model says along a recording."""
        window = self.description.manner.window
        if window is None:
            for batch in _batches(frames, FRAMES_AT_ONCE):
                for frame, scores in zip(batch, self._rows(batch), strict=True):
                    yield Said(frame, frame, frame, np.asarray(scores, np.float32))
            return
        yield from self._scored(window, _windows(self._with_rows(frames), window))

    def _with_rows(self, frames: Iterable[Sampled]) -> Iterator['_Row']:
        for batch in _batches(frames, FRAMES_AT_ONCE):
            yield from map(_Row, map(_without_pixels, batch), self._rows(batch))

    def _rows(self, batch: Sequence[Sampled]) -> Rows:
        return self.rows(_padded([frame.pixels for frame in batch], FRAMES_AT_ONCE))[: len(batch)]

    def _scored(self, window: Windowing, windows: Iterator[tuple['_Row', ...]]) -> Iterator[Said]:
        first = next(windows, None)
        if first is None:
            return
        size = max(4, min(_MOST_WINDOWS, _WINDOW_BYTES // (window.length * first[0].row.nbytes)))
        for some in _batches(chain([first], windows), size):
            stacked = _padded([np.stack([one.row for one in rows]) for rows in some], size)
            for rows, scores in zip(some, self.score(stacked), strict=False):
                yield Said(rows[0].frame, rows[-1].frame, rows[window.spoken].frame, scores)


class _Row(NamedTuple):
    frame: Sampled
    row: Rows


def load(directory: str) -> Watcher:
    """The model in a directory, for footage."""
    description = Description.read(directory)
    description.shape_for_pictures(directory)
    signatures = model.load_graph(directory)

    def pixels(frames: Rows, output: str) -> Rows:
        return np.asarray(signatures.signatures['pixels'](pixels=tf.constant(frames))[output])

    def classify(windows: Rows) -> Scores:
        name = 'pixels' if windows.dtype == np.uint8 else 'embedding'
        return np.asarray(signatures.signatures['classify'](**{name: tf.constant(windows)})['scores'])

    if description.manner.window is None:
        return Watcher(description, lambda frames: pixels(frames, 'scores'), classify)
    if description.manner.looks_at_frames:
        return Watcher(description, lambda frames: frames, classify)
    return Watcher(description, lambda frames: pixels(frames, 'embedding'), classify)


def _windows(rows: Iterator[_Row], window: Windowing) -> Iterator[tuple[_Row, ...]]:
    """Windows of consecutive frames, every `stride`-th of each stretch without a cut."""
    run: list[_Row] = []
    passed = 0
    for row in rows:
        if run and row.frame.step != run[-1].frame.step + 1:
            run, passed = [], 0
        run.append(row)
        if len(run) > window.length:
            del run[0]
            passed += 1
        if len(run) == window.length and passed % window.stride == 0:
            yield tuple(run)


def _batches(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    coming = iter(items)
    while batch := tuple(islice(coming, size)):
        yield batch


def _padded(rows: Sequence[Rows], size: int) -> Rows:
    padded = np.zeros((size, *rows[0].shape), rows[0].dtype)
    padded[: len(rows)] = rows
    return padded


def _without_pixels(frame: Sampled) -> Sampled:
    return frame._replace(pixels=frame.pixels[:0])
