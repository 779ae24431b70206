"""What a head says along a recording: of each of its frames, or of each window of consecutive ones.

A frame comes with its row, which is what the head looks at: its vector, or its pixels.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from predict.description import Windowing
from predict.footage import Sampled
from predict.segment_files import Sample
from predict.segments import Track

Scores: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = 'NDArray[np.float32 | np.uint8]'
Score: TypeAlias = Callable[[Rows], Scores]  # [N,...] -> [N, labels]; windows [N,n,...] where the head looks at these
T = TypeVar('T')
# Frames that are scored together, always as many: rows of other batches differ in their last bits.
FRAMES_AT_ONCE = 32
_WINDOW_BYTES = 64 << 20
_MOST_WINDOWS = 64


class Said(NamedTuple):
    """The scores of a window, or of one frame, which is its own first and last."""

    first: Sampled
    last: Sampled
    spoken: Sampled  # the frame it speaks for
    scores: Scores


class FrameRow(NamedTuple):
    """A frame, and what the head looks at of it."""

    frame: Sampled
    row: Rows


@dataclass
class Found:
    """What was said of one recording."""

    video: str
    samples: list[Sample] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def add(self, one: Said, labels: Sequence[str]) -> None:
        """Take in one more answer; they come in the order of their times."""
        scores = tuple(float(score) for score in one.scores)
        best = labels[int(one.scores.argmax())]
        self.samples.append(Sample(self.video, one.last.uri, one.first.uri, one.spoken.time, best, scores))
        self.times.append(one.spoken.time)
        self.ends.append(one.spoken.end)

    def close_gaps(self, window: Windowing | None) -> None:
        """Where windows are some frames apart, what one says holds until the next speaks."""
        stride = window.stride if window else 1
        for place, (end, begin) in enumerate(zip(self.ends, self.times[1:], strict=False)):
            step = end - self.times[place]
            if begin - end <= (stride - 1) * step * 1.5:
                self.ends[place] = begin

    def track(self, classes: int) -> Track:
        """Its scores along its time."""
        scores = np.array([one.scores for one in self.samples], np.float64).reshape(len(self.samples), classes)
        return Track(self.video, np.array(self.times), np.array(self.ends), scores)


def said(rows: Iterable[FrameRow], window: Windowing | None, score: Score) -> Iterator[Said]:
    """The answers for the frames of a recording in their order, or for its windows."""
    yield from _of_windows(windows(iter(rows), window), window, score) if window else _of_frames(rows, score)


def _of_frames(rows: Iterable[FrameRow], score: Score) -> Iterator[Said]:
    for some in batches(rows, FRAMES_AT_ONCE):
        answers = score(padded([one.row for one in some], FRAMES_AT_ONCE))
        for one, scores in zip(some, answers, strict=False):
            yield Said(one.frame, one.frame, one.frame, np.asarray(scores, np.float32))


def _of_windows(found: Iterator[tuple[FrameRow, ...]], window: Windowing, score: Score) -> Iterator[Said]:
    first = next(found, None)
    if first is None:
        return
    size = max(4, min(_MOST_WINDOWS, _WINDOW_BYTES // (window.length * first[0].row.nbytes)))
    for some in batches(chain([first], found), size):
        stacked = padded([np.stack([one.row for one in rows]) for rows in some], size)
        for rows, scores in zip(some, score(stacked), strict=False):
            yield Said(rows[0].frame, rows[-1].frame, rows[window.spoken].frame, scores)


def windows(rows: Iterator[FrameRow], window: Windowing) -> Iterator[tuple[FrameRow, ...]]:
    """Windows of consecutive frames, every `stride`-th of each stretch without a cut."""
    run: list[FrameRow] = []
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


def batches(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """As many at a time; the last ones as they are."""
    coming = iter(items)
    while batch := tuple(islice(coming, size)):
        yield batch


def padded(rows: Sequence[Rows], size: int) -> Rows:
    """Rows as one array of so many, zeros behind them."""
    whole = np.zeros((size, *rows[0].shape), rows[0].dtype)
    whole[: len(rows)] = rows
    return whole
