"""Rows of a recording -> the frames they claim, by file and set.

A frame that several rows of a set claim is theirs together when they say the same; with several labels allowed it has
them all. Otherwise it is refused, and the rest of these rows stays.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from preprocess import footage, rows
from preprocess.footage import Expanded, Floats, Ints, RefusedFrames, Taken, VideoFile
from preprocess.pictures import Rules, Use
from preprocess.recordings import Recording, Samples
from preprocess.rows import Reject, Row
from preprocess.sampling import Sampling
from preprocess.shelves import Refusal
from preprocess.stretches import Claim, Claimed

# People note the end of a stretch by the second, and the last frame is shown for a moment.
_END_SLACK_S = 1.0
_UNCLAIMED = -1
# How many of the rows that disagree about a frame its refusal quotes.
_MOST_SHOWN = 3
_NOTHING_TAKEN = {
    'frames_per_second': 'no frame is taken at this number of frames a second (raise --frames_per_second)',
    'every_frame': 'no frame begins to be shown',
    'keyframes': 'there is no keyframe',
}


@dataclass
class Expansion:
    """What became of the rows of a recording, by set; and the frames taken, by file and set."""

    taken: list[Taken] = field(default_factory=list)
    expanded: dict[int, Expanded] = field(default_factory=dict)
    rejects: dict[int, list[Reject]] = field(default_factory=lambda: defaultdict(list))
    refused_frames: dict[int, list[RefusedFrames]] = field(default_factory=lambda: defaultdict(list))


def expand(
    claimed: Claimed, recording: Recording, files: Sequence[VideoFile], sampling: Sampling, jobs: Sequence[Rules]
) -> Expansion:
    """The frames that rows claim of a recording, whose parts are these files."""
    frames = _Frames.of(recording, sampling, [claim.row for claim in claimed.claims])
    by_set: dict[int, list[Claim]] = defaultdict(list)
    for claim in claimed.claims:
        by_set[claim.set_index].append(claim)
    result = Expansion()
    for set_index, claims in by_set.items():
        _expand_set(claims, frames, files, jobs[set_index], result)
    return result


class _NoFrames(Exception):
    """Why a row has no frames."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.refusal = Refusal('frames', reason, message)


@dataclass(frozen=True, eq=False)
class _Frames:
    """The frames of a recording that rows may claim: its samples, and behind them those that are named by number.

    The steps of named frames that are no samples are negative and lie apart: nothing follows upon them.
    """

    recording: Recording
    sampling: Sampling
    samples: Samples
    parts: Ints
    numbers: Ints
    times: Floats
    steps: Ints

    @classmethod
    def of(cls, recording: Recording, sampling: Sampling, found: Iterable[Row]) -> '_Frames':
        """All frames that these rows can claim."""
        samples = recording.samples(sampling)
        timeline = recording.parts[0].timeline
        named = np.zeros(0, np.int64)
        if len(recording.parts) == 1:
            asked = {row.frame for row in found if row.frame is not None and row.frame < len(timeline)}
            named = np.setdiff1d(np.array(sorted(asked), np.int64), samples.frame)
        return cls(
            recording,
            sampling,
            samples,
            parts=np.concatenate([samples.part, np.zeros(len(named), np.int64)]),
            numbers=np.concatenate([samples.frame, named]),
            times=np.concatenate([samples.time, timeline.times[named]]),
            steps=np.concatenate([np.arange(len(samples)), -2 * (named + 1)]),
        )

    def of_row(self, row: Row) -> range:
        """Where the frames of a row are."""
        if row.frame is not None:
            place = self._place_of(row.frame)
            return range(place, place + 1)
        found = range(len(self.samples)) if row.start is None else self._within(row.start, row.stop)
        return found if row.most is None else found[: row.most]

    def _within(self, start: float, stop: float | None) -> range:
        duration = self.recording.duration
        if start >= duration:
            raise _NoFrames('beyond-the-end', f'it begins at {start:g} s; the recording ends at {duration:.3f} s')
        found = self.samples.within(start, stop)
        if not found:
            until = 'the end' if stop is None else f'{stop:g} s'
            raise _NoFrames('no-frame', f'from {start:g} s to {until} {_NOTHING_TAKEN[self.sampling.which]}')
        return found

    def _place_of(self, frame: int) -> int:
        if len(self.recording.parts) > 1:
            raise _NoFrames('bad-times', 'a frame of a recording in several files: name the file itself')
        count = len(self.recording.parts[0].timeline)
        if frame >= count:
            raise _NoFrames('beyond-the-end', f'frame {frame:,}, where the last one is {count - 1:,}')
        place = int(np.searchsorted(self.samples.frame, frame))
        if place < len(self.samples) and self.samples.frame[place] == frame:
            return place
        return len(self.samples) + int(np.searchsorted(self.numbers[len(self.samples) :], frame))


@dataclass(frozen=True, eq=False)
class _Owners:
    """Who claims each frame: `groups[of[i]]` are the places of the claims on frame i."""

    of: Ints
    groups: list[tuple[int, ...]]

    @classmethod
    def found(cls, places: Sequence[range], frames: int) -> '_Owners':
        """Owners of so many frames, from where each claim's are."""
        of, groups = np.full(frames, _UNCLAIMED, np.int64), list[tuple[int, ...]]()
        for claim, where in enumerate(places):
            before = of[where.start : where.stop]
            after = np.empty_like(before)
            for group in np.unique(before).tolist():
                after[before == group] = len(groups)
                groups.append((*(groups[group] if group != _UNCLAIMED else ()), claim))
            of[where.start : where.stop] = after
        return cls(of, groups)


def _expand_set(
    claims: Sequence[Claim], frames: _Frames, files: Sequence[VideoFile], job: Rules, result: Expansion
) -> None:
    kept: list[tuple[Claim, range]] = []
    for claim in claims:
        try:
            kept.append((claim, frames.of_row(claim.row)))
        except _NoFrames as error:
            result.rejects[job.index].append(rows.reject(claim.row, **error.refusal._asdict()))
    if not kept:
        return
    video, duration = frames.recording.uri, frames.recording.duration
    owners = _Owners.found([place for _, place in kept], len(frames.numbers))
    cut = sum(1 for claim, _ in kept if claim.row.stop is not None and claim.row.stop > duration + _END_SLACK_S)
    taken = int(np.count_nonzero(owners.of != _UNCLAIMED))
    result.expanded[job.index] = Expanded(video, len(kept), taken, cut)
    ruling = _Ruling.of([claim for claim, _ in kept], owners, job)
    for part, file in enumerate(files):
        of_part = np.flatnonzero((frames.parts == part) & (owners.of != _UNCLAIMED))
        of_part = of_part[np.argsort(frames.numbers[of_part])]
        every = Taken(
            set_index=job.index,
            video=video,
            file=file,
            numbers=frames.numbers[of_part],
            steps=frames.steps[of_part],
            times=frames.times[of_part],
            rows=ruling.rows[owners.of[of_part]],
            uses=ruling.uses,
        )
        _divide(every, ruling, result)


def _divide(every: Taken, ruling: '_Ruling', result: Expansion) -> None:
    """Frames whose rows agree are taken, the others refused."""
    disputed = np.isin(every.rows, list(ruling.disputes))
    if len(agreed := every.some(~disputed)):
        result.taken.append(agreed)
    if disputed.any():
        why = [ruling.disputes[row] for row in every.rows[disputed].tolist()]
        result.refused_frames[every.set_index].append(footage.refused(every.some(disputed), why))


@dataclass(frozen=True, eq=False)
class _Ruling:
    """What the claims on a frame come to: `uses[rows[g]]` for the frames of group g, or a dispute of that row."""

    rows: Ints
    uses: tuple[Use, ...]
    disputes: dict[int, Refusal]

    @classmethod
    def of(cls, claims: Sequence[Claim], owners: _Owners, job: Rules) -> '_Ruling':
        """The ruling over every group that has frames."""
        rulings = np.zeros(len(owners.groups), np.int64)
        uses: list[Use] = []
        disputes: dict[int, Refusal] = {}
        for group in np.unique(owners.of[owners.of != _UNCLAIMED]).tolist():
            members = [claims[place] for place in owners.groups[group]]
            if dispute := _dispute(members, job):
                disputes[len(uses)] = dispute
            rulings[group] = len(uses)
            uses.append(_use(members))
        return cls(rulings, tuple(uses), disputes)


def _dispute(members: Sequence[Claim], job: Rules) -> Refusal | None:
    """Why the claims on a frame can't all hold."""
    sides = {(claim.row.group, claim.row.split) for claim in members}
    if len(sides) == 1 and (job.multi_label or len({claim.label_ids for claim in members}) == 1):
        return None
    said = '; '.join(rows.said(claim.row) for claim in members[:_MOST_SHOWN])
    return Refusal('duplicates', 'conflicting-labels', said + (' …' if len(members) > _MOST_SHOWN else ''))


def _use(members: Sequence[Claim]) -> Use:
    """All claims on a frame as one, in the name of the first."""
    first = members[0]
    label_ids = tuple(sorted({label for claim in members for label in claim.label_ids}))
    return Use(first.set_index, label_ids, first.row.group, first.row.source, first.row.line)
