"""The entries of a sheet on the clock of its recording: midnight, the clap that begins it, offsets of cameras."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from preprocess import clock_times
from preprocess.clock_times import DAY_S, BadTime, ClockTime
from preprocess.failures import InputError, UsageError
from preprocess.labels import tidy
from preprocess.sheets import Dropped, Entry, Sheet

CLAP, FIRST_ROW = 'CLAP', 'first_row'
# The clock of a sheet of a lab's day begins with a clap; that of a video with its first frame.
_BEGINNING = '0'
_MOST_NAMED = 3


@dataclass(frozen=True)
class ClockRules:
    """Where sheets' clocks begin, and by how many seconds a recording's zero lies before that: by name, '' for all."""

    origins: Mapping[str, str] = field(default_factory=dict)
    offsets: Mapping[str, Fraction] = field(default_factory=dict)
    midnight: str = 'auto'

    def __post_init__(self) -> None:
        if self.midnight not in MIDNIGHT:
            raise UsageError(
                f'{self.midnight!r} is no rule for midnight',
                where='--midnight',
                do=f'choose from {", ".join(MIDNIGHT)}',
            )


@dataclass(frozen=True, slots=True)
class TimedEntry:
    """An entry with its times in seconds of the sheet's clock, None where none is given."""

    entry: Entry
    start: Fraction | None
    stop: Fraction | None


@dataclass(frozen=True)
class TimedSheet:
    """A sheet whose times were read; `origin` is when its recording begins (with a row of the label `marker`, if any).

    `offset` is how many seconds of its recordings lie before that.
    """

    sheet: Sheet
    entries: tuple[TimedEntry, ...]
    origin: Fraction
    marker: str | None = None
    offset: Fraction = Fraction(0)
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """An entry whose cells were read as times."""

    entry: Entry
    start: ClockTime | None
    stop: ClockTime | None


def timed(sheet: Sheet, rules: ClockRules) -> TimedSheet:
    """The entries of a sheet in seconds; cells that are no times are dropped with their rows."""
    read: list[_Read] = []
    dropped: list[Dropped] = []
    for entry in sheet.entries:
        try:
            read.append(_Read(entry, *(_clock(cell, sheet) for cell in (entry.start, entry.stop))))
        except BadTime as error:
            dropped.append(Dropped(entry, 'bad-time', str(error)))
    entries = tuple(MIDNIGHT[rules.midnight](read))
    origin = _origin(sheet, entries, rules)
    return TimedSheet(
        sheet,
        entries,
        origin=origin.at,
        marker=origin.marker,
        offset=rules.offsets.get(sheet.name, rules.offsets.get('', Fraction(0))),
        dropped=tuple(dropped),
        notes=(*origin.notes, *_doubts(sheet, read, entries, rules)),
    )


def parse_origins(values: Sequence[str]) -> dict[str, str]:
    """`CLAP`, or `SHEET=CLAP` for one sheet, by sheet."""
    return dict(_by_name(value) for value in values)


def parse_offsets(values: Sequence[str]) -> dict[str, Fraction]:
    """`12.5`, or `NAME=12.5` for one sheet or recording, by name."""
    found = {}
    for value in values:
        name, text = _by_name(value)
        try:
            time = clock_times.parse(text)
        except BadTime:
            time = None
        if time is None:
            raise UsageError(
                f'{text!r} is no number of seconds', where=f'--video_offset {value}', do='give seconds: 12.5 or P5=12.5'
            )
        found[name] = time.seconds
    return found


def _by_name(value: str) -> tuple[str, str]:
    name, equals, rest = value.partition('=')
    return (name.strip(), rest.strip()) if equals else ('', value.strip())


def _clock(cell: str, sheet: Sheet) -> ClockTime | None:
    time = clock_times.parse(cell, decimal_comma=sheet.decimal_comma)
    if time and sheet.is_lab and 0 <= time.seconds < DAY_S:
        return ClockTime(time.seconds, True, time.day)
    return time


def _by_clock(read: Sequence[_Read]) -> Iterator[TimedEntry]:
    """Times of a day within half a day of those in the row before: the clock runs on past midnight."""
    return _running_on(read, lambda near, _, __: near)


def _agreed(read: Sequence[_Read]) -> Iterator[TimedEntry]:
    """The same, where a date that is written says so too; else a time is of the day of the one before."""
    first = _first_day(read)

    def choose(near: Fraction, time: ClockTime, last: Fraction) -> Fraction:
        if time.day is None or first is None or near == time.seconds + (time.day - first).days * DAY_S:
            return near
        return time.seconds + last // DAY_S * DAY_S

    return _running_on(read, choose)


def _running_on(
    read: Sequence[_Read], choose: Callable[[Fraction, ClockTime, Fraction], Fraction]
) -> Iterator[TimedEntry]:
    last: Fraction | None = None

    def place(time: ClockTime | None) -> Fraction | None:
        nonlocal last
        if time is None:
            return None
        if last is None or not time.of_day:
            placed = time.seconds
        else:
            placed = choose(clock_times.near(time.seconds, last), time, last)
        last = placed if time.of_day else last
        return placed

    for row in read:
        start = place(row.start)
        stop = place(row.stop)
        # The row that follows is near this one's start: a stop that was mistyped spoils its own row only.
        last = start if start is not None and row.start and row.start.of_day else last
        yield TimedEntry(row.entry, start, stop)


def _as_dated(read: Sequence[_Read]) -> Iterator[TimedEntry]:
    """Times on the days that are written with them."""
    first = _first_day(read)

    def place(time: ClockTime | None) -> Fraction | None:
        if time is None:
            return None
        return time.seconds + (0 if time.day is None or first is None else (time.day - first).days * DAY_S)

    return (TimedEntry(row.entry, place(row.start), place(row.stop)) for row in read)


def _as_written(read: Sequence[_Read]) -> Iterator[TimedEntry]:
    """Times of a day as they are: what is after midnight is before all else."""
    return (
        TimedEntry(row.entry, *(None if time is None else time.seconds for time in (row.start, row.stop)))
        for row in read
    )


MIDNIGHT: dict[str, Callable[[Sequence[_Read]], Iterator[TimedEntry]]] = {
    'auto': _agreed,
    'clock': _by_clock,
    'dates': _as_dated,
    'never': _as_written,
}


def _first_day(read: Sequence[_Read]) -> date | None:
    return next((time.day for row in read for time in (row.start, row.stop) if time and time.day), None)


class _Origin(NamedTuple):
    """When a recording begins on the sheet's clock, the label that marks it, and what is doubtful of that."""

    at: Fraction
    marker: str | None = None
    notes: tuple[str, ...] = ()


def _origin(sheet: Sheet, entries: Sequence[TimedEntry], rules: ClockRules) -> _Origin:
    said = rules.origins.get(sheet.name, rules.origins.get(''))
    if said is None and sheet.begins:
        taken_off = f'{sheet.name}: {float(sheet.begins):,g} s are taken off its times, as its time offset says'
        return _Origin(sheet.begins, notes=(taken_off,))
    wanted = said or (CLAP if sheet.is_lab or _has_days(entries, sheet) else _BEGINNING)
    begun = [one for one in entries if one.start is not None]
    if wanted == FIRST_ROW and begun:
        return _Origin(begun[0].start or Fraction(0))
    fitting = [one for one in begun if one.entry.label.casefold() == tidy(wanted).casefold()]
    if fitting:
        several = (
            f'{sheet.name}: {len(fitting)} rows are {wanted}; the recording begins with row {fitting[0].entry.line}'
        )
        return _Origin(fitting[0].start or Fraction(0), fitting[0].entry.label, (several,) if len(fitting) > 1 else ())
    if (time := _time(wanted, sheet)) is not None:
        if time.of_day and begun and begun[0].start is not None and rules.midnight in ('auto', 'clock'):
            return _Origin(clock_times.near(time.seconds, begun[0].start))
        return _Origin(time.seconds)
    if not entries and said is None:
        return _Origin(Fraction(0))
    raise InputError(
        f'no row of {sheet.name} is {wanted}, with which its recording would begin',
        where=sheet.source,
        do=f'say what does: --origin {FIRST_ROW}, a label or a time; {sheet.name}=… for this sheet alone',
    )


def _has_days(entries: Sequence[TimedEntry], sheet: Sheet) -> bool:
    return any(
        time.of_day for one in entries for cell in (one.entry.start, one.entry.stop) if (time := _clock(cell, sheet))
    )


def _time(text: str, sheet: Sheet) -> ClockTime | None:
    try:
        return _clock(text, sheet)
    except BadTime:
        return None


def _doubts(sheet: Sheet, read: Sequence[_Read], entries: Sequence[TimedEntry], rules: ClockRules) -> Iterator[str]:
    """Rows whose date says another day than the clock that runs on."""
    first = _first_day(read)
    if rules.midnight not in ('auto', 'clock') or first is None:
        return
    lines = [
        row.entry.line
        for row, placed in zip(read, entries, strict=True)
        for time, at in ((row.start, placed.start), (row.stop, placed.stop))
        if time and time.day and at is not None and at - time.seconds != (time.day - first).days * DAY_S
    ]
    # What the clock alone would say, where that is not what was taken.
    lines += [
        placed.entry.line
        for placed, other in zip(entries, _by_clock(read), strict=True)
        if (placed.start, placed.stop) != (other.start, other.stop)
    ]
    if lines:
        rows = sorted(dict.fromkeys(lines))
        named = ', '.join(map(str, rows[:_MOST_NAMED])) + (' …' if len(rows) > _MOST_NAMED else '')
        yield (
            f'warning: {sheet.name}: dates and times of rows {named} say different days; the days of the rows before '
            'them were taken; --midnight dates or --midnight clock takes the one or the other'
        )
