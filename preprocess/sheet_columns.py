"""Which column of a table is what: by the names people give them, by those somebody said, by their places."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from preprocess import clock_times
from preprocess.clock_times import BadTime
from preprocess.failures import InputError, UsageError
from preprocess.rows import HEADER_NAMES
from preprocess.sheet_tables import Table
from preprocess.sheets import LAB_HEADER

FLAG = '--columns'
_EXAMPLE = 'label=PROCEDURE,start=2,stop=3'
_LAB_START, _LAB_STOP = (name.lower() for name in LAB_HEADER[1:])
# The first name that is there counts; a column has the role of one of them only.
_NAMES: dict[str, tuple[str, ...]] = {
    'label': ('procedure', 'label', 'labels', 'behavior', 'behaviour', 'class', 'activity', 'annotation', 'event'),
    'start': (_LAB_START, 'start', 'start_time', 'begin', 'begin_time', 'onset', 'from'),
    'stop': (_LAB_STOP, 'stop', 'stop_time', 'end', 'end_time', 'to', 'original_end_time'),
    'video': (
        'video',
        'video_file',
        'media',
        'media_file',
        'media_file_path',
        'media_file_name',
        'recording',
        'clip',
        *sorted(HEADER_NAMES),
    ),
    'group': ('group', 'subject', 'participant'),
}
# In the lab's sheets column 0 is the label as it was typed, column 1 the one that counts, whatever its header says.
_LAB_PLACES = {'label': 1, 'start': 2, 'stop': 3}
_PLAIN_PLACES = {'video': 0, 'label': 1, 'start': 2, 'stop': 3}
# What an export writes above its table is shorter than this.
_ROWS_LOOKED_AT = 60


@dataclass(frozen=True)
class Columns:
    """Where the roles are, and after how many records of the table its entries begin."""

    places: Mapping[str, int]
    begin: int
    is_lab: bool = False
    header: Sequence[str] = ()

    def cell(self, cells: Sequence[str], role: str) -> str:
        """A row's cell for a role; empty where the row is short or the table has no such column."""
        place = self.places.get(role)
        return cells[place].strip() if place is not None and place < len(cells) else ''

    @property
    def lab_header(self) -> tuple[str, str, str]:
        """What heads the three columns that count, as it is written."""
        label, start, stop = (self.cell(self.header, role) for role in ('label', 'start', 'stop'))
        return (label or LAB_HEADER[0], start or LAB_HEADER[1], stop or LAB_HEADER[2])


@dataclass(frozen=True)
class ColumnChoice:
    """Columns somebody named: a heading, or a place from 0, by role."""

    chosen: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`role=heading or place`, with commas between."""
        chosen = {}
        for pair in text.split(','):
            role, equals, column = (word.strip() for word in pair.partition('='))
            if role not in _NAMES or not equals or not column:
                raise UsageError(
                    f'{pair.strip()!r} names no column',
                    where=FLAG,
                    do=f'write {_EXAMPLE}; the roles are {", ".join(_NAMES)}',
                )
            chosen[role] = column
        return cls(chosen)


def find(table: Table, choice: ColumnChoice) -> Columns:
    """The columns of a table of ranges; one without a column for each of label, start and stop is refused."""
    if choice.chosen:
        return _chosen(table, choice)
    for place, record in enumerate(table.records[:_ROWS_LOOKED_AT]):
        names = headings(record.cells)
        found = _by_name(names)
        if {'start', 'stop'} <= {*found}:
            is_lab = names[found['start']] == _LAB_START
            # Its other columns, `Site` of the patient among them, are nobody's.
            found = {role: at for role, at in found.items() if not is_lab or role in _LAB_PLACES}
            return _complete(
                table, Columns({**(_LAB_PLACES if is_lab else {}), **found}, place + 1, is_lab, record.cells)
            )
    return _by_place(table)


def headings(cells: Sequence[str]) -> list[str]:
    """A header's cells as names: `Start (s)` is start."""
    return [re.sub(r'[\s_-]+', '_', re.sub(r'\(.*?\)', '', cell).strip().lower()).strip('_') for cell in cells]


def _by_name(names: Sequence[str]) -> dict[str, int]:
    found = {}
    for role, spellings in _NAMES.items():
        known = [name for name in spellings if name in names]
        if known:
            found[role] = names.index(known[0])
    return found


def _by_place(table: Table) -> Columns:
    """A table without headings: the lab's columns, or `video,label,start,stop`, told from where times stand."""
    for place, record in enumerate(table.records[:2]):
        cells = record.cells
        if len(cells) > max(_LAB_PLACES.values()) and all(_is_time(table, cell) for cell in cells[2:4]):
            is_lab = clock_times.parse(cells[2], decimal_comma=table.decimal_comma) is not None and _of_day(
                table, cells[2]
            )
            header = table.records[0].cells if place else ()
            return Columns(_LAB_PLACES if is_lab else _PLAIN_PLACES, place, is_lab, header)
    raise _missing(table, 'no columns of start and stop are found')


def _chosen(table: Table, choice: ColumnChoice) -> Columns:
    """Columns by the headings and places somebody said, the others as they would be found."""
    for place, record in enumerate(table.records[:_ROWS_LOOKED_AT]):
        names = headings(record.cells)
        found = {
            role: at
            for role, column in choice.chosen.items()
            if (at := _place(column, record.cells, names)) is not None
        }
        if len(found) < len(choice.chosen):
            continue
        others = {role: at for role, at in _by_name(names).items() if at not in found.values()}
        columns = Columns({**others, **found}, place + 1, _LAB_START in names, record.cells)
        if not _is_time(table, columns.cell(record.cells, 'start')):
            return _complete(table, columns)
        # The first row is one of ranges already: nothing heads it.
        return _complete(table, Columns(found, place))
    raise _missing(table, f'no row heads the columns {", ".join(choice.chosen.values())}')


def _place(column: str, cells: Sequence[str], names: Sequence[str]) -> int | None:
    """Where a heading, as it is written or nearly so, or a number is."""
    for among, name in (([cell.strip() for cell in cells], column), (list(names), headings([column])[0])):
        if name in among:
            return among.index(name)
    return int(column) if column.isdecimal() and int(column) < len(cells) else None


def _complete(table: Table, columns: Columns) -> Columns:
    if missing := [role for role in ('label', 'start', 'stop') if role not in columns.places]:
        raise _missing(table, f'no column of {" and ".join(missing)} is found')
    return columns


def _missing(table: Table, what: str) -> InputError:
    first = table.records[0]
    return InputError(
        what,
        where=f'{table.source}:{first.line}: {", ".join(first.cells)[:200]}',
        do=f'say which they are by heading or place (from 0): {FLAG} {_EXAMPLE}',
    )


def _is_time(table: Table, cell: str) -> bool:
    try:
        return clock_times.parse(cell, decimal_comma=table.decimal_comma) is not None
    except BadTime:
        return False


def _of_day(table: Table, cell: str) -> bool:
    found = clock_times.parse(cell, decimal_comma=table.decimal_comma)
    return found is not None and found.of_day
