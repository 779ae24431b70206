"""Windows over consecutive records: where they begin, and which label each of them has.

Records are consecutive that are frames of one recording and whose steps differ by one: whatever was left out between
two frames (a stretch without a label, a frame that could not be decoded) is a cut, which no window crosses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocess.failures import InputError
from trainer.head_kinds import MAJORITY, Windowing

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
# Windows whose labels are counted at a time.
_COUNTED = 4096


@dataclass(frozen=True, eq=False)
class RecordLabels:
    """The label ids of records, one after the other, and how many each record has."""

    ids: Ints
    counts: Ints

    @property
    def owners(self) -> Ints:
        """Whose each of the ids is."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


@dataclass(frozen=True, eq=False)
class Runs:
    """Stretches of consecutive records: the first of each, and how many there are."""

    starts: Ints
    lengths: Ints

    @property
    def longest(self) -> int:
        """How many records the longest run has."""
        return int(self.lengths.max(initial=0))

    def too_short(self, windowing: Windowing, *, name: str, where: str) -> InputError:
        """The error where no run is long enough for a window."""
        if not self.longest:
            return InputError(
                f'the {name} records are no frames of footage: windows are made of consecutive frames',
                where=where,
                do='embed videos (clip.mp4#t=0,60), say which frames the pictures are (columns video,frame,time), '
                'or choose a head that looks at single records',
            )
        shorter = f'give --window {self.longest} or less, or ' if self.longest > 1 else ''
        return InputError(
            f'a window has {windowing.length} frames, and the longest run of consecutive {name} frames {self.longest}',
            where=where,
            do=f'{shorter}embed more frames of each second (--frames_per_second)',
        )

    def windows(self, windowing: Windowing) -> Ints:
        """The first records of all windows, ascending."""
        counts = np.maximum((self.lengths - windowing.length) // windowing.stride + 1, 0)
        places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        found: Ints = np.repeat(self.starts, counts) + windowing.stride * places
        return found


def runs(videos: Sequence[str | bytes], steps: Ints, shard_sizes: Sequence[int]) -> Runs:
    """The runs among records of these recordings (empty: of none) and steps; no run goes over the end of a shard."""
    numbers: dict[str | bytes, int] = {}
    of_video = np.array([numbers.setdefault(video, len(numbers)) if video else -1 for video in videos], np.int64)
    begins = np.ones(len(steps), bool)
    begins[1:] = (np.diff(steps) != 1) | (np.diff(of_video) != 0) | (of_video[1:] < 0)
    first_of_shards = np.cumsum((0, *shard_sizes[:-1]))
    begins[first_of_shards[first_of_shards < len(steps)]] = True
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, len(steps)))
    return Runs(starts, np.where(of_video[starts] < 0, 0, lengths))


def labels(of_records: RecordLabels, starts: Ints, windowing: Windowing, *, multi_label: bool) -> RecordLabels:
    """The labels of windows, by the number of their first records; records that begin none have none."""
    if windowing.label != MAJORITY:
        return _taken_from(of_records, starts, starts + windowing.spoken)
    chosen = _held_by_most(of_records, starts, windowing) if multi_label else _most(of_records, starts, windowing)
    rows, ids = np.nonzero(chosen)
    counts = np.zeros(len(of_records.counts), np.int64)
    counts[starts] = chosen.sum(axis=1)
    return RecordLabels(ids.astype(np.int64), counts)


def _taken_from(of_records: RecordLabels, starts: Ints, speakers: Ints) -> RecordLabels:
    counts = np.zeros(len(of_records.counts), np.int64)
    counts[starts] = of_records.counts[speakers]
    firsts = (np.cumsum(of_records.counts) - of_records.counts)[speakers]
    taken = of_records.counts[speakers]
    places = np.arange(taken.sum()) - np.repeat(np.cumsum(taken) - taken, taken)
    return RecordLabels(of_records.ids[np.repeat(firsts, taken) + places], counts)


def _most(of_records: RecordLabels, starts: Ints, windowing: Windowing) -> Bools:
    """For each window the class most of its records have; of equals the one that comes last. Without a label counts as
    a class of its own, which no column stands for."""
    classes = int(of_records.ids.max(initial=-1)) + 1
    single = np.full(len(of_records.counts), classes)
    single[of_records.owners] = of_records.ids
    chosen = np.zeros((len(starts), classes), bool)
    for at in range(0, len(starts), _COUNTED):
        part = slice(at, at + _COUNTED)
        inside = single[starts[part, None] + np.arange(windowing.length)]
        rows = np.arange(len(inside))
        best, votes = np.full(len(inside), -1), np.zeros(len(inside), np.int64)
        # From the last frame to the first: a later class keeps its place against an earlier one with as many votes.
        for place in reversed(range(windowing.length)):
            found = (inside == inside[:, place, None]).sum(axis=1)
            better = found > votes
            best, votes = np.where(better, inside[:, place], best), np.where(better, found, votes)
        labelled = best < classes
        chosen[part][rows[labelled], best[labelled]] = True
    return chosen


def _held_by_most(of_records: RecordLabels, starts: Ints, windowing: Windowing) -> Bools:
    """For each window every label that more than half of its records have."""
    classes = int(of_records.ids.max(initial=-1)) + 1
    has = np.zeros((len(of_records.counts) + 1, classes), np.int32)
    has[of_records.owners + 1, of_records.ids] = 1
    before = np.cumsum(has, axis=0)
    held = before[starts + windowing.length] - before[starts]
    chosen: Bools = 2 * held > windowing.length
    return chosen
