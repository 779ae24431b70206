"""The ranges of a sheet that can label frames, in seconds and in frames, and why the others can not."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from preprocess.failures import UsageError
from preprocess.labels import tidy
from preprocess.overlaps import OVERLAPS, Span
from preprocess.range_times import CLAP, TimedEntry, TimedSheet
from preprocess.sheets import Dropped, Entry

LAB_FPS = Fraction(30000, 1001)


@dataclass(frozen=True)
class RangeRules:
    """Which frames a range holds, what becomes of overlaps and gaps, which labels count for nothing."""

    fps: Fraction = LAB_FPS
    ends: str = 'half_open'
    overlap: str = 'first'
    background: str | None = None
    ignored: tuple[str, ...] = (CLAP,)
    point_seconds: Fraction | None = None

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise UsageError(f'{float(self.fps):g} frames a second', where='--fps', do='give more than 0: 30000/1001')
        for flag, value, choices in (('--ends', self.ends, [*ENDS]), ('--overlap', self.overlap, [*OVERLAPS])):
            if value not in choices:
                raise UsageError(f'{value!r} is no rule', where=flag, do=f'choose from {", ".join(choices)}')
        if self.background is not None and (not tidy(self.background) or '\n' in self.background):
            raise UsageError('the label of the background is blank', where='--background', do='give it a name')
        if self.point_seconds is not None and self.point_seconds <= 0:
            raise UsageError('an event that takes no time', where='--point_seconds', do='give more than 0')

    def is_ignored(self, label: str) -> bool:
        """Whether ranges of a label count for nothing."""
        return label.casefold() in {name.casefold() for name in self.ignored}


@dataclass(frozen=True, slots=True)
class Range:
    """An entry that labels something: seconds of the recording's clock, [start, stop) but for the rule of its ends."""

    entry: Entry
    start: Fraction
    stop: Fraction


@dataclass(frozen=True)
class SoundRanges:
    """The ranges of a sheet that can label frames, in the order of its rows, and those that can not."""

    ranges: tuple[Range, ...]
    ignored: tuple[Range, ...]
    dropped: tuple[Dropped, ...]


def sound(sheet: TimedSheet, rules: RangeRules, *, offset: Fraction | None = None) -> SoundRanges:
    """The ranges of a sheet on the clock of a recording that is `offset` ahead of it."""
    shift = (sheet.offset if offset is None else offset) - sheet.origin
    ranges: list[Range] = []
    ignored: list[Range] = []
    dropped: list[Dropped] = []
    for one in sheet.entries:
        found = _range(one, shift, rules, sheet.sheet.fps)
        if isinstance(found, Dropped):
            dropped.append(found)
        elif rules.is_ignored(found.entry.label):
            ignored.append(found)
            dropped.append(Dropped(found.entry, 'ignored', f'{found.entry.label} is ignored'))
        else:
            ranges.append(found)
    return SoundRanges(tuple(ranges), tuple(ignored), tuple(dropped))


def _range(one: TimedEntry, shift: Fraction, rules: RangeRules, fps: Fraction | None) -> Range | Dropped:
    entry = one.entry
    if one.start is None or one.stop is None:
        return Dropped(entry, 'empty-time', f'there is no {"start" if one.start is None else "stop"}')
    start, stop = one.start + shift, one.stop + shift
    if entry.is_point:
        # The frame nearest to the moment, unless it was said how long such an event takes.
        half = (rules.point_seconds or 1 / (fps or rules.fps)) / 2
        start, stop = start - half, stop + half
    if stop < start:
        return Dropped(entry, 'inverted', f'it stops {float(start - stop):,.3f} s before it starts')
    if stop == start:
        return Dropped(entry, 'zero-length', f'it starts and stops at {float(start):,.3f} s')
    if stop <= 0:
        return Dropped(entry, 'before-recording', f'it stops {float(-stop):,.3f} s before the recording begins')
    return Range(entry, start, stop)


def in_seconds(ranges: Iterable[Range]) -> list[Span]:
    """Ranges as spans of seconds, none before the recording."""
    return [Span(max(each.start, Fraction(0)), each.stop, each.entry.label) for each in ranges]


def in_frames(ranges: Iterable[Range], rules: RangeRules) -> list[Span]:
    """Ranges as spans of frames [first, end), frame n being shown at n/fps; one may hold none."""
    found = []
    for each in ranges:
        first, end = ENDS[rules.ends](each.start * rules.fps, each.stop * rules.fps)
        found.append(Span(Fraction(max(first, 0)), Fraction(max(first, end, 0)), each.entry.label))
    return found


def _half_open(start: Fraction, stop: Fraction) -> tuple[int, int]:
    return math.ceil(start), math.ceil(stop)


def _strict(start: Fraction, stop: Fraction) -> tuple[int, int]:
    return math.floor(start) + 1, math.ceil(stop)


def _closed(start: Fraction, stop: Fraction) -> tuple[int, int]:
    return math.ceil(start), math.floor(stop) + 1


# start <= n < stop; start < n < stop, as the lab's programs have it; start <= n <= stop.
ENDS: dict[str, Callable[[Fraction, Fraction], tuple[int, int]]] = {
    'half_open': _half_open,
    'strict': _strict,
    'closed': _closed,
}
