"""Scores along a video -> smoothed segments, each with its label, its times and its mean score."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Times = NDArray[np.float64]
Choice = NDArray[np.int64]
# Times that were divided and multiplied again differ in their last bits.
_SLACK_S = 1e-6
# The choice where no label reaches the threshold.
_NOTHING = -1
# From here on a label holds, where several may.
_HOLDS = 0.5


@dataclass(frozen=True, eq=False)
class Track:
    """Scores along one video: those of sample i hold from its time until `ends[i]`.

    A sample that ends before the next one begins is the last before a cut: nothing is smoothed across it.
    """

    video: str
    times: Times
    ends: Times
    scores: Scores  # [samples, labels]

    def __post_init__(self) -> None:
        if not len(self.times) == len(self.ends) == len(self.scores):
            raise ValueError(f'{len(self.times)} times, {len(self.ends)} ends, {len(self.scores)} scores')
        if np.any(np.diff(self.times) <= 0) or np.any(self.ends < self.times):
            raise ValueError('times that do not ascend')

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True)
class Segment:
    """A stretch of video that has a label: [start, stop) in seconds, and the mean of its smoothed scores."""

    start: float
    stop: float
    label: str
    score: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.stop - self.start


@dataclass(frozen=True)
class Rule:
    """How scores become segments; several labels at a time where each has a threshold of its own to reach."""

    smooth_s: float = 1.0
    min_segment_s: float = 0.0
    threshold: float | None = None  # below it there is no segment; with several labels: from it on there is one
    multi_label: bool = False

    def __post_init__(self) -> None:
        for name, value in (('smooth_s', self.smooth_s), ('min_segment_s', self.min_segment_s)):
            if not 0 <= value < math.inf:
                raise ValueError(f'{name} is a time from 0 s up, got {value}')


def segments(track: Track, labels: Sequence[str], rule: Rule) -> list[Segment]:
    """The segments of a track in order of their times; where one label excludes the others they don't overlap."""
    smoothed = smooth(track, rule.smooth_s)
    found = []
    for choice in _choices(smoothed, rule):
        for first, end in _stretches(track):
            _settle(choice[first:end], track.times[first:end], track.ends[first:end], smoothed[first:end], rule)
            for begin, stop in _runs(choice, first, end):
                if (label := int(choice[begin])) != _NOTHING:
                    score = float(smoothed[begin:stop, label].mean())
                    found.append(Segment(float(track.times[begin]), float(track.ends[stop - 1]), labels[label], score))
    return sorted(found, key=lambda segment: (segment.start, segment.label))


def joined(tracks: Sequence[Track], begins: Sequence[int]) -> Track:
    """Tracks that overlap, each from one of its samples on, behind the one before it, as one."""
    ends = [track.ends[begin:].copy() for track, begin in zip(tracks, begins, strict=True)]
    for before, track, begin in zip(ends, tracks[1:], begins[1:], strict=False):
        # Where windows are some frames apart, what one says holds until the next speaks.
        before[-1] = max(before[-1], track.ends[begin - 1])
    times = [track.times[begin:] for track, begin in zip(tracks, begins, strict=True)]
    scores = [track.scores[begin:] for track, begin in zip(tracks, begins, strict=True)]
    return Track(tracks[0].video, np.concatenate(times), np.concatenate(ends), np.concatenate(scores))


def smooth(track: Track, smooth_s: float) -> Scores:
    """The mean over the samples within half of `smooth_s` before and after, as far as there is no cut.

    As long on one side as on the other: where one label changes into another stays where it was.
    """
    out = np.array(track.scores, np.float64)
    for first, end in _stretches(track):
        times, places = track.times[first:end], np.arange(end - first)
        after = np.searchsorted(times, times + smooth_s / 2 + _SLACK_S, 'right') - 1 - places
        before = places - np.searchsorted(times, times - smooth_s / 2 - _SLACK_S, 'left')
        reach = np.minimum(before, after)
        sums = np.cumsum(np.pad(out[first:end], ((1, 0), (0, 0))), axis=0)
        out[first:end] = (sums[places + reach + 1] - sums[places - reach]) / (2 * reach + 1)[:, None]
    return out


def _choices(smoothed: Scores, rule: Rule) -> Iterator[Choice]:
    """The label of every sample, or nothing; with several labels at a time, of each of them by itself."""
    if rule.multi_label:
        holds = smoothed >= (_HOLDS if rule.threshold is None else rule.threshold)
        yield from (np.where(holds[:, label], label, _NOTHING) for label in range(smoothed.shape[1]))
    elif len(smoothed):
        best = smoothed.argmax(axis=1)
        is_sure = smoothed.max(axis=1) >= (0 if rule.threshold is None else rule.threshold)
        yield np.where(is_sure, best, _NOTHING)


def _stretches(track: Track) -> Iterator[tuple[int, int]]:
    """Samples without a cut between them, as first and end."""
    if len(track):
        cuts = np.flatnonzero(track.times[1:] - track.ends[:-1] > _SLACK_S) + 1
        yield from itertools.pairwise([0, *cuts.tolist(), len(track)])


def _runs(choice: Choice, first: int, end: int) -> list[tuple[int, int]]:
    """Samples of one choice, as first and end."""
    changes = np.flatnonzero(np.diff(choice[first:end])) + first + 1
    return list(itertools.pairwise([first, *changes.tolist(), end]))


def _settle(choice: Choice, times: Times, ends: Times, smoothed: Scores, rule: Rule) -> None:
    """What is too short goes, the shortest first, to the neighbour whose label scores higher there; in place."""
    while True:
        runs = _runs(choice, 0, len(choice))
        short = [run for run in runs if ends[run[1] - 1] - times[run[0]] < rule.min_segment_s - _SLACK_S]
        if len(runs) == 1 and short:
            choice[:] = _NOTHING
        if len(runs) == 1 or not short:
            return
        first, end = min(short, key=lambda run: ends[run[1] - 1] - times[run[0]])
        around = [int(choice[place]) for place in (first - 1, end) if 0 <= place < len(choice)]
        choice[first:end] = max(around, key=lambda label: _mean(smoothed[first:end], label))


def _mean(smoothed: Scores, label: int) -> float:
    """The score of a label; nothing at all wins only where it is the only neighbour."""
    return -1.0 if label == _NOTHING else float(smoothed[:, label].mean())
