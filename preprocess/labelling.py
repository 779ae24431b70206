"""Sheets, and the footage that is theirs -> labelled rows, each with its group and the side it is on."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from preprocess import splits
from preprocess.clock_times import written
from preprocess.contiguous import FLAG, Contiguous, Part
from preprocess.failures import InputError, UsageError
from preprocess.group_split import in_order
from preprocess.moments import Moment
from preprocess.overlaps import NO_OWNER, Piece, Settled, Span, settle, with_background
from preprocess.range_clocks import RecordingClock
from preprocess.range_footage import Footage
from preprocess.range_frames import FrameSequence
from preprocess.range_rules import RangeRules, SoundRanges, in_frames, in_seconds, sound
from preprocess.range_times import ClockRules, TimedSheet
from preprocess.sample_sides import ONE_GROUP
from preprocess.split_rules import SplitRules

_HALF = Fraction(1, 2)


class LabelledRow(NamedTuple):
    """One line of a labelled CSV: a stretch of a recording in seconds, or one extracted frame."""

    image: str
    start: str
    stop: str
    labels: tuple[str, ...]
    group: str
    side: str | None
    moment: Moment | None = None


@dataclass(frozen=True)
class Session:
    """A sheet on its clock with its rules: how many frames a second, which ends, which overlaps.

    `clock` is its longest recording, `end` when that is over, both on the sheet's clock; None where nobody knows.
    """

    timed: TimedSheet
    rules: RangeRules
    clock: RecordingClock | None = None
    end: Fraction | None = None

    @property
    def name(self) -> str:
        """The sheet's name."""
        return self.timed.sheet.name

    @property
    def group(self) -> str:
        """What must never be on two sides of a split."""
        return self.timed.sheet.group

    def ranges(self, offset: Fraction | None = None) -> SoundRanges:
        """The ranges on the clock of the sheet, or of a recording that is so far ahead of it."""
        return sound(self.timed, self.rules, offset=offset)

    def by_frames(self, found: SoundRanges, *, end: int | None = None) -> Settled:
        """The pieces of frames."""
        last = None if end is None else Fraction(end)
        return self._settled(in_frames(found.ranges, self.rules), in_frames(found.ignored, self.rules), last)

    def by_seconds(self, found: SoundRanges, *, end: Fraction | None = None) -> Settled:
        """The pieces of seconds: half open, or of the frames by another rule, with borders between two frames."""
        if self.rules.ends == 'half_open':
            return self._settled(in_seconds(found.ranges), in_seconds(found.ignored), end)
        # The border before frame n is half a frame early, so the last frame counts where its middle is reached.
        settled = self.by_frames(found, end=None if end is None else math.ceil(end * self.rules.fps + _HALF))
        return replace(settled, pieces=tuple(self._in_seconds(piece) for piece in settled.pieces))

    def offset(self, names: Sequence[str], clocks: ClockRules) -> Fraction:
        """How many seconds a recording called one of these names is ahead of the sheet."""
        return next((clocks.offsets[name] for name in names if name in clocks.offsets), self.timed.offset)

    def _settled(self, spans: Sequence[Span], ignored: Sequence[Span], end: Fraction | None) -> Settled:
        settled = settle(spans, self.rules.overlap)
        if self.rules.background is None:
            return settled
        taken = [*ignored, *(spans[place] for place in settled.rejected)]
        pieces = with_background(settled.pieces, taken, self.rules.background, end=end)
        return replace(settled, pieces=tuple(pieces))

    def _in_seconds(self, piece: Piece) -> Piece:
        start = max(piece.start - _HALF, Fraction(0)) / self.rules.fps
        return replace(piece, start=start, stop=None if piece.stop is None else (piece.stop - _HALF) / self.rules.fps)


@dataclass(frozen=True)
class Counting:
    """How extracted frames are counted: the number of the first (None: 0 if there is one, else 1), one of how many."""

    base: int | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        if self.base not in (None, 0, 1):
            raise UsageError(f'frames that begin with number {self.base}', where='--frame_base', do='give 0 or 1')
        if self.stride < 1:
            raise UsageError(f'one of {self.stride} frames', where='--stride', do='give 1 or more: 30 is one of thirty')


@dataclass(frozen=True)
class Sides:
    """The side of every group, of every range of the only group, or of every moment of a recording."""

    by_group: Mapping[str, str]
    by_key: Mapping[str, str]
    contiguous: Contiguous | None = None
    notes: tuple[str, ...] = ()

    def of(self, group: str, key: str) -> str | None:
        """The side of a whole range."""
        return self.by_key.get(key, splits.TRAIN) if self.by_key else self.by_group.get(group)


def choose_sides(sessions: Sequence[Session], rules: SplitRules) -> Sides:
    """Sides as flags name them; else groups are dealt out, and the ranges of an only group class by class."""
    groups = in_order(session.group for session in sessions)
    if rules.contiguous:
        return Sides({}, {}, rules.contiguous)
    if rules.groups:
        return Sides(rules.groups.sides(groups), {})
    if len(groups) == 1:
        return Sides({}, _dealt(sessions, rules), notes=(ONE_GROUP.format(group=groups[0]),))
    dealt = rules.deal(groups)
    kept = ', '.join(f'{group} {side}' for group, side in dealt.items() if side != splits.TRAIN)
    return Sides(dealt, {}, notes=(f'kept back by chance: {kept or "nothing"}; --split names them',))


def _dealt(sessions: Sequence[Session], rules: SplitRules) -> dict[str, str]:
    classes: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for session in sessions:
        found = session.ranges()
        for piece, key in _keyed(session, found, session.by_seconds(found).pieces):
            classes[piece.labels].add(key)
    sides: dict[str, str] = {}
    for labels in sorted(classes):
        sides |= rules.deal(classes[labels] - {*sides})
    return sides


def _keyed(session: Session, found: SoundRanges, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, str]]:
    """Pieces with what they are part of, which must stay whole: the row of a range, or the gap before one."""
    following = 'the end'
    keyed = []
    for piece in reversed(pieces):
        owner = piece.owners[0]
        if owner != NO_OWNER:
            following = found.ranges[owner].entry.where
        keyed.append((piece, f'{session.name}#{"before " if owner == NO_OWNER else ""}{following}'))
    return reversed(keyed)


def video_rows(
    session: Session, footage: Footage, clocks: ClockRules, sides: Sides, clock: RecordingClock | None = None
) -> Iterator[LabelledRow]:
    """The stretches of a recording in the order of time; `clock` is its own, where that is known."""
    offset = session.offset(footage.names, clocks)
    found = session.ranges(offset)
    pieces = session.by_seconds(found, end=clock.end if clock else None).pieces
    borders = _borders(session, sides.contiguous, offset) if sides.contiguous else []
    for piece, key in _keyed(session, found, pieces):
        whole = [(sides.of(session.group, key), piece.start, piece.stop)]
        for side, start, stop in _cut(piece, borders) if borders else whole:
            if clock and piece.owners == (NO_OWNER,) and not clock.holds(start, stop):
                # Nobody's label is lost with a gap that no frame is shown in.
                continue
            yield LabelledRow(
                footage.uri, written(start), '' if stop is None else written(stop), piece.labels, session.group, side
            )


def ends_of_parts(session: Session, contiguous: Contiguous) -> list[tuple[str, Fraction]]:
    """When each side ends on the sheet's clock: by the recording where that is known, else by the last label."""
    count = sum(contiguous.shares, Fraction(0))
    ends = contiguous.borders(count if contiguous.are_counts else length(session))
    if contiguous.are_counts and session.clock:
        ends = [session.clock.at(int(end)) for end in ends]
    elif contiguous.are_counts:
        ends = [end / session.rules.fps for end in ends]
    return [*zip(contiguous.sides, ends, strict=True)]


def length(session: Session) -> Fraction:
    """Seconds from the beginning of the sheet's clock to the end of its recording, or else of its last label."""
    if session.end is not None:
        return session.end
    pieces = session.by_seconds(session.ranges()).pieces
    return max((piece.start if piece.stop is None else piece.stop for piece in pieces), default=Fraction(0))


def check_parts(session: Session, contiguous: Contiguous) -> Iterator[str]:
    """Refuse counts that leave a part without anything, and tell those that are not of this recording."""
    whole = length(session)
    begin = Fraction(0)
    known = 'its recording' if session.clock else 'its last label'
    for (side, end), share in zip(ends_of_parts(session, contiguous), contiguous.shares, strict=True):
        if share and begin >= whole:
            raise InputError(
                f'the {side} part of {session.name} would begin at {float(begin):,.3f} s, where {known} ends',
                where=f'{FLAG} {",".join(str(share) for share in contiguous.shares)}',
                do='correct the counts, or give fractions: 0.83,0.07,0.1',
            )
        begin = end
    if not session.clock:
        yield f'{session.name}: its recording is taken to end with its last label, at {float(whole):,.3f} s'
    elif contiguous.are_counts and (count := sum(contiguous.shares)) != len(session.clock):
        yield (
            f'warning: {session.name}: {FLAG} adds up to {int(count):,} frames, the recording has '
            f'{len(session.clock):,}; the last part goes on to its end'
        )


def _borders(session: Session, contiguous: Contiguous, offset: Fraction) -> list[tuple[str, Fraction]]:
    """When each side ends on a recording's clock, at the same moment for all cameras."""
    shift = offset - session.timed.offset
    return [(side, end + shift) for side, end in ends_of_parts(session, contiguous)]


def _cut(
    piece: Piece, borders: Sequence[tuple[str, Fraction]]
) -> Iterator[tuple[str | None, Fraction, Fraction | None]]:
    """The parts of a piece on each side; the last side goes on to the end."""
    begin = Fraction(0)
    for place, (side, border) in enumerate(borders):
        end = None if place == len(borders) - 1 else border
        start = max(piece.start, begin)
        stop = piece.stop if end is None else end if piece.stop is None else min(piece.stop, end)
        if stop is None or start < stop:
            yield side, start, stop
        begin = max(begin, border)


def frame_rows(
    session: Session, sequence: FrameSequence, clocks: ClockRules, sides: Sides, counting: Counting
) -> Iterator[LabelledRow]:
    """The extracted frames that a range (or the background) holds, each with its label."""
    first = sequence.base if counting.base is None else counting.base
    found = session.ranges(session.offset(sequence.names, clocks))
    end = sequence.numbers[-1] - first + 1
    keyed = list(_keyed(session, found, session.by_frames(found, end=end).pieces))
    starts = [int(piece.start) for piece, _ in keyed]
    ends = [end if piece.stop is None else int(piece.stop) for piece, _ in keyed]
    parts = sides.contiguous.cut(len(sequence.numbers), where=sequence.uris[0]) if sides.contiguous else []
    for place, (number, uri) in enumerate(zip(sequence.numbers, sequence.uris, strict=True)):
        at = bisect_right(starts, number - first) - 1
        if at >= 0 and number - first < ends[at] and (number - first) % counting.stride == 0:
            piece, key = keyed[at]
            side = _side_at(place, parts) if parts else sides.of(session.group, key)
            frame = number - first
            moment = Moment(sequence.video, frame, float(frame / session.rules.fps), frame // counting.stride)
            yield LabelledRow(uri, '', '', piece.labels, session.group, side, moment)


def _side_at(place: int, parts: Sequence[Part]) -> str:
    return next(part.side for part in parts if place < part.end)
