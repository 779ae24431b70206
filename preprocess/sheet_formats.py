"""The tables of a file -> sheets: the lab's own, plain `video,label,start,stop`, and what BORIS exports."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from preprocess import boris, csv_text, sheet_columns, sheet_tables
from preprocess.failures import InputError
from preprocess.labels import tidy
from preprocess.progress import say
from preprocess.sheet_columns import ColumnChoice, Columns
from preprocess.sheet_tables import Table, read_tables
from preprocess.sheets import Dropped, Entry, Sheet, distinct


@dataclass
class _Part:
    """The rows of one video, or of one group where no video is named."""

    entries: list[Entry] = field(default_factory=list)
    groups: dict[str, int] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    unlabelled: int = 0


def read_sheets(paths: Sequence[str], choice: ColumnChoice) -> list[Sheet]:
    """The sheets of all files, each once."""
    return distinct([sheet for path in paths for sheet in _sheets(path, choice)])


def _sheets(path: str, choice: ColumnChoice) -> list[Sheet]:
    """The sheets of a file; a workbook may hold a page of notes beside them, which is named and passed over."""
    found: list[Sheet] = []
    refused: list[InputError] = []
    for table in read_tables(path):
        try:
            found += _of_table(table, choice)
        except InputError as error:
            refused.append(error)
    if refused and not found:
        raise refused[0]
    for other in refused:
        say(f'passed over: {other.where}: {other.what}')
    return found


def _of_table(table: Table, choice: ColumnChoice) -> list[Sheet]:
    header = None if choice.chosen else boris.header_row(table)
    if header is not None:
        return boris.read(table, header)
    columns = sheet_columns.find(table, choice)
    parts = _parts(table, columns)
    if columns.is_lab or not parts:
        return [_sheet(table, columns, '', table.name, parts.get('', _Part()))]
    names = _names(list(parts), is_video='video' in columns.places) if set(parts) != {''} else {'': table.name}
    return [_sheet(table, columns, key, names[key], part) for key, part in parts.items()]


def _parts(table: Table, columns: Columns) -> dict[str, _Part]:
    """Rows by their video, or by their group where no row names a video."""
    rows = [record for record in table.records[columns.begin :]]
    key_role = None
    if not columns.is_lab:
        key_role = next(
            (role for role in ('video', 'group') if any(columns.cell(row.cells, role) for row in rows)), None
        )
    found: dict[str, _Part] = {}
    for record in rows:
        key = csv_text.as_meant(columns.cell(record.cells, key_role)) if key_role else ''
        label = tidy(csv_text.as_meant(columns.cell(record.cells, 'label')))
        entry = Entry(
            table.source, record.line, label, columns.cell(record.cells, 'start'), columns.cell(record.cells, 'stop')
        )
        problem = _problem(entry, record.problem, missing=key_role if key_role and not key else None)
        part = found.setdefault(key or next(iter(found), ''), _Part())
        if problem and (label or problem.reason == 'bad-quotes'):
            part.dropped.append(problem)
        elif not label:
            part.unlabelled += 1
        else:
            part.entries.append(entry)
            if group := columns.cell(record.cells, 'group'):
                part.groups.setdefault(tidy(csv_text.as_meant(group)), record.line)
    return found


def _problem(entry: Entry, quotes: str | None, *, missing: str | None) -> Dropped | None:
    # A stray quote in a remark behind them leaves the cells that count as they are.
    if quotes and not (entry.label and entry.start and entry.stop):
        return Dropped(entry, 'bad-quotes', quotes)
    if missing:
        return Dropped(entry, 'no-video', f'the cell of the {missing} is empty')
    if '\n' in entry.label or '\r' in entry.label:
        return Dropped(entry, 'bad-label', f'{entry.label!r} holds a line break')
    return None


def _names(keys: Sequence[str], *, is_video: bool) -> dict[str, str]:
    """What the parts of a table are called: a video by its stem, or by its path where stems are the same."""
    if not is_video:
        return {key: key for key in keys}
    stems = {key: sheet_tables.stem(key.rstrip('/').partition(';')[0]) for key in keys}
    counts = Counter(stems.values())
    return {key: stem if counts[stem] == 1 else key for key, stem in stems.items()}


def _sheet(table: Table, columns: Columns, key: str, name: str, part: _Part) -> Sheet:
    if len(part.groups) > 1:
        lines = ' and '.join(str(line) for line in list(part.groups.values())[:2])
        raise InputError(
            f'{name} is of two groups: {", ".join(part.groups)}',
            where=f'{table.source}: rows {lines}',
            do='give every row of a video the same group',
        )
    return Sheet(
        name=name,
        source=table.source,
        entries=tuple(part.entries),
        group=next(iter(part.groups), name),
        kind='lab' if columns.is_lab else 'plain',
        media=(key,) if key and 'video' in columns.places else (),
        header=columns.lab_header,
        unlabelled=part.unlabelled,
        dropped=tuple(part.dropped),
        decimal_comma=table.decimal_comma,
    )
