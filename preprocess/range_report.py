"""What became of the rows of sheets: how much each label holds of each subject, what was dropped, what to look at."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from preprocess.group_split import in_order
from preprocess.labelling import Session
from preprocess.overlaps import Overlap, Settled, lengths, settle
from preprocess.range_rules import SoundRanges, in_frames, in_seconds
from preprocess.sample_files import aligned, printable
from preprocess.sheets import Dropped, Entry
from preprocess.splits import EVAL, SIDES, TRAIN

# A table of more groups than these is no summary.
_MOST_GROUPS = 12
_MOST_NAMED = 8


@dataclass(frozen=True)
class Account:
    """One sheet's rows, all of them; `by_frame` where it is frames that are labelled, not stretches of time."""

    session: Session
    by_frame: bool = False

    @cached_property
    def found(self) -> SoundRanges:
        """The ranges that can label something."""
        return self.session.ranges()

    @cached_property
    def in_seconds(self) -> Settled:
        """Its pieces of seconds."""
        return self.session.by_seconds(self.found, end=self.session.end)

    @cached_property
    def in_frames(self) -> Settled:
        """Its pieces of frames."""
        end, rate = self.session.end, self.session.rules.fps
        return self.session.by_frames(self.found, end=None if end is None else math.ceil(end * rate))

    @cached_property
    def seconds(self) -> Mapping[str, Fraction]:
        """Seconds by label."""
        return lengths(self.in_seconds.pieces)

    @cached_property
    def frames(self) -> Mapping[str, Fraction]:
        """Frames by label."""
        return lengths(self.in_frames.pieces)

    @cached_property
    def overlaps(self) -> tuple[Overlap, ...]:
        """Pairs of ranges that share some seconds."""
        return settle(in_seconds(self.found.ranges), 'first').overlaps

    @cached_property
    def dropped(self) -> tuple[Dropped, ...]:
        """Every labelled row that labels nothing, in the order of rows."""
        sheet, ranges = self.session.timed.sheet, self.found.ranges
        settled = self.in_frames if self.by_frame else self.in_seconds
        rejected = [Dropped(ranges[place].entry, 'overlap', self._with(place)) for place in settled.rejected]
        covered = [Dropped(ranges[place].entry, 'covered', self._with(place)) for place in settled.covered]
        # By half-open seconds even these are written: whether a frame lies in them, the recording alone tells.
        by_number = self.by_frame or self.session.rules.ends != 'half_open'
        short = [Dropped(entry, 'too-short', 'no frame is shown in it') for entry in self.without_frame if by_number]
        found = [*sheet.dropped, *self.session.timed.dropped, *self.found.dropped, *rejected, *covered, *short]
        return tuple(sorted(found, key=lambda one: (one.entry.source, one.entry.line)))

    @cached_property
    def without_frame(self) -> tuple[Entry, ...]:
        """Ranges so short that no frame is shown in them."""
        spans = in_frames(self.found.ranges, self.session.rules)
        return tuple(each.entry for each, span in zip(self.found.ranges, spans, strict=True) if span.start == span.stop)

    @property
    def read(self) -> int:
        """How many rows the sheet has, those without a label too."""
        sheet = self.session.timed.sheet
        return len(sheet.entries) + len(sheet.dropped) + sheet.unlabelled

    @property
    def used(self) -> int:
        """How many rows label something."""
        return self.read - self.session.timed.sheet.unlabelled - len(self.dropped)

    def rows_of(self, pair: Overlap) -> tuple[Entry, Entry]:
        """The two rows that overlap."""
        return self.found.ranges[pair.first].entry, self.found.ranges[pair.second].entry

    def _with(self, place: int) -> str:
        """Which rows a range overlaps."""
        others = {pair.first + pair.second - place for pair in self.overlaps if place in (pair.first, pair.second)}
        lines = ', '.join(str(self.found.ranges[other].entry.line) for other in sorted(others))
        return f'rows {lines} hold at the same time' if others else 'other rows hold at the same time'


@dataclass(frozen=True)
class Written:
    """How many rows were written of each (label, side); `unit` is what a row is."""

    rows: Mapping[tuple[str, str | None], int]
    unit: str


def text(accounts: Sequence[Account], written: Written | None) -> str:
    """The tables a user sees."""
    parts = [_sheets(accounts), _held(accounts, 'seconds'), _held(accounts, 'frames')]
    if written and any(side for _, side in written.rows):
        parts.append(_by_side(written))
    return '\n\n'.join(parts)


def warnings(accounts: Sequence[Account], written: Written | None) -> Iterator[str]:
    """What is worth a look."""
    yield from _faults(accounts)
    groups = _groups_of_labels(accounts)
    lonely = [f'{label} ({next(iter(found))})' for label, found in sorted(groups.items()) if len(found) == 1]
    if lonely and len({account.session.group for account in accounts}) > 1:
        yield f'warning: in one group only: {_some(lonely)}'
    if written:
        yield from _absent(written)


def content(accounts: Sequence[Account], written: Written | None) -> dict[str, object]:
    """The same as values, for report.json."""
    return {
        'sheets': [_sheet_content(account) for account in accounts],
        'groups_of_labels': {label: in_order(found) for label, found in sorted(_groups_of_labels(accounts).items())},
        'rows': [
            {'label': label, 'split': side, 'rows': count}
            for (label, side), count in sorted(written.rows.items(), key=str)
        ]
        if written
        else [],
    }


def _sheets(accounts: Sequence[Account]) -> str:
    head = ['sheet', 'group', 'rows', 'used', 'no label', 'dropped', 'overlaps', 'seconds', 'frames', 'why dropped']
    lines: list[list[str | int]] = []
    for account in accounts:
        sheet = account.session.timed.sheet
        reasons = Counter(one.reason for one in account.dropped)
        why = ', '.join(f'{reason} {count}' for reason, count in sorted(reasons.items()))
        numbers = [account.read, account.used, sheet.unlabelled, len(account.dropped), len(account.overlaps)]
        held = [round(sum(account.seconds.values())), int(sum(account.frames.values()))]
        lines.append([printable(sheet.name), printable(sheet.group), *numbers, *held, why])
    return aligned(head, lines)


def _held(accounts: Sequence[Account], unit: str) -> str:
    """Seconds or frames of each label and group."""
    held: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for account in accounts:
        amounts = account.seconds if unit == 'seconds' else account.frames
        for label, amount in amounts.items():
            held[label, account.session.group] += amount
    groups = in_order(account.session.group for account in accounts)
    shown = groups if len(groups) <= _MOST_GROUPS else []
    labels = sorted({label for label, _ in held})
    lines: list[list[str | int]] = [
        [
            printable(label),
            *(round(held[label, group]) for group in shown),
            round(sum(held[label, group] for group in groups)),
            sum(bool(held[label, group]) for group in groups),
        ]
        for label in labels
    ]
    totals = [round(sum(held[label, group] for label in labels)) for group in shown]
    lines.append(['all', *totals, round(sum(held.values())), len(groups)])
    return aligned([f'{unit} of', *map(printable, shown), 'total', 'groups'], lines)


def _by_side(written: Written) -> str:
    sides = [side for side in SIDES if any(found == side for _, found in written.rows)]
    labels = sorted({label for label, _ in written.rows})
    lines: list[list[str | int]] = [
        [printable(label), *(written.rows.get((label, side), 0) for side in sides)] for label in labels
    ]
    lines.append(['all', *(sum(count for (_, on), count in written.rows.items() if on == side) for side in sides)])
    return aligned([f'{written.unit} of', *sides], lines)


def _faults(accounts: Sequence[Account]) -> Iterator[str]:
    for account in accounts:
        name = account.session.name
        by_reason: defaultdict[str, list[Entry]] = defaultdict(list)
        for one in account.dropped:
            # What begins the recording is a moment; what is ignored is meant to be.
            # What is too short has a warning of its own, written or not.
            if one.reason not in ('ignored', 'too-short') and (one.reason, one.entry.label) != (
                'zero-length',
                account.session.timed.marker,
            ):
                by_reason[one.reason].append(one.entry)
        for reason, entries in sorted(by_reason.items()):
            yield f'warning: {name}: {reason}: {_named(entries)}'
        if account.without_frame:
            yield f'warning: {name}: too short for a frame: {_named(account.without_frame)}'
        pairs = [(account.rows_of(pair), pair.length) for pair in account.overlaps]
        if pairs:
            told = [f'rows {a.line} and {b.line} ({a.label}, {b.label}) {float(s):,.3f} s' for (a, b), s in pairs]
            yield f'warning: {name}: overlapping: {_some(told)}'


def _absent(written: Written) -> Iterator[str]:
    sides = {side for _, side in written.rows if side}
    labels = sorted({label for label, _ in written.rows})
    for side in SIDES:
        if side in sides and (absent := [label for label in labels if not written.rows.get((label, side))]):
            yield f'warning: the {side} set has nothing of {_some(absent)}'
    if sides and (missing := [side for side in (TRAIN, EVAL) if side not in sides]):
        yield f'warning: there is no {" and no ".join(missing)} set'


def _groups_of_labels(accounts: Sequence[Account]) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for account in accounts:
        for label, amount in account.seconds.items():
            if amount:
                found[label].add(account.session.group)
    return dict(found)


def _sheet_content(account: Account) -> dict[str, object]:
    session = account.session
    return {
        'name': session.name,
        'group': session.group,
        'source': session.timed.sheet.source,
        'frames_per_second': str(session.rules.fps),
        'origin_seconds': float(session.timed.origin),
        'rows': account.read,
        'used': account.used,
        'unlabelled': session.timed.sheet.unlabelled,
        'dropped': dict(sorted(Counter(one.reason for one in account.dropped).items())),
        'without_frame': [entry.line for entry in account.without_frame],
        'overlaps': [
            {'rows': [first.line, second.line], 'labels': [first.label, second.label], 'seconds': float(pair.length)}
            for pair in account.overlaps
            for first, second in [account.rows_of(pair)]
        ],
        'seconds': {label: float(amount) for label, amount in sorted(account.seconds.items())},
        'frames': {label: int(amount) for label, amount in sorted(account.frames.items())},
    }


def _named(entries: Sequence[Entry]) -> str:
    return _some([f'row {entry.line} ({entry.label})' if entry.label else f'row {entry.line}' for entry in entries])


def _some(names: Sequence[str]) -> str:
    more = f' and {len(names) - _MOST_NAMED} more' if len(names) > _MOST_NAMED else ''
    return printable(', '.join(names[:_MOST_NAMED])) + more
