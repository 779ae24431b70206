"""Events of BORIS (exports of either generation, aggregated, or as it imports them) -> a sheet of each observation."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from preprocess import csv_text
from preprocess.clock_times import BadTime, parse
from preprocess.failures import InputError
from preprocess.labels import tidy
from preprocess.sheet_columns import headings
from preprocess.sheet_tables import Table
from preprocess.sheets import Dropped, Entry, Sheet

_ROWS_LOOKED_AT = 60
# `player #1:a.mp4;b.mp4|player #2:c.mp4`: files one after the other on each, players side by side.
_PLAYER = re.compile(r'\|?\s*player #\d+:\s*', re.IGNORECASE)
_RATE = re.compile(r'\d+(?:\.\d+)?')
_NOT_AVAILABLE = ('', 'na', 'not found')
# Older exports say START and STOP in `Status`, newer ones in `Behavior type`.
_KINDS = ('behavior_type', 'status')
# Events as they are imported say it in the comment: `start, score 0.93`.
_IMPORTED = {'time', 'code', 'comment'}
_KIND_IN_COMMENT = re.compile(r'(start|stop)\b', re.IGNORECASE)
_MEDIA = ('source', 'media_file', 'media_file_path', 'media_file_name')
_AGGREGATED = {'behavior', 'start', 'stop', 'behavior_type'}
# Seconds that BORIS adds to the time on the media when an event is noted.
_OFFSET = 'time_offset'


@dataclass
class _Observation:
    """An observation as its rows are read."""

    name: str
    source: str
    begins: Fraction
    entries: list[Entry] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    open: dict[tuple[str, ...], Entry] = field(default_factory=dict)
    media: dict[str, None] = field(default_factory=dict)
    rates: dict[str, None] = field(default_factory=dict)
    unlabelled: int = 0


def header_row(table: Table) -> int | None:
    """Which record heads the events of a BORIS export; None when it is none."""
    for place, record in enumerate(table.records[:_ROWS_LOOKED_AT]):
        names = {*headings(record.cells)}
        if {'time', 'behavior'} <= names and names & {*_KINDS}:
            return place
        if names >= _AGGREGATED and 'observation_id' in names:
            return place
        if names >= _IMPORTED and 'behavior' not in names:
            return place
    return None


def read(table: Table, header: int) -> list[Sheet]:
    """The observations of an export; START and STOP of one subject and behaviour (and its modifiers) are a range."""
    names = _names(table.records[header].cells)
    found: dict[str, _Observation] = {}
    default = _said_above(table, header, 'observation_id') or table.name
    offset = _said_above(table, header, _OFFSET)
    for record in table.records[header + 1 :]:
        cells = dict(zip(names, (cell.strip() for cell in record.cells), strict=False))
        name = cells.get('observation_id') or default
        if name not in found:
            found[name] = _Observation(name, table.source, _begins(cells.get(_OFFSET, offset), table))
        observation = found[name]
        if record.problem and not (cells.get('behavior') and (cells.get('time') or cells.get('stop'))):
            entry = Entry(table.source, record.line, '', '', '')
            observation.dropped.append(Dropped(entry, 'bad-quotes', record.problem))
        else:
            _take(observation, record.line, cells)
    return [_sheet(observation, table) for observation in found.values()]


def _names(cells: Sequence[str]) -> list[str]:
    """The columns' names; events to be imported have a `code` for the behaviour."""
    names = headings(cells)
    return names if 'behavior' in names else ['behavior' if name == 'code' else name for name in names]


def _said_above(table: Table, header: int, name: str) -> str:
    """What older exports write of an observation above its events; nothing where they don't."""
    for record in table.records[:header]:
        if headings(record.cells[:1]) == [name] and len(record.cells) > 1:
            return record.cells[1].strip()
    return ''


def _begins(cell: str, table: Table) -> Fraction:
    """What the clock of an observation shows when its media begin."""
    try:
        time = None if cell.lower() in _NOT_AVAILABLE else parse(cell, decimal_comma=table.decimal_comma)
    except BadTime as error:
        raise InputError(
            f'the time offset of an observation is no time: {error}',
            where=table.source,
            do='export it again, or mend it',
        ) from error
    return time.seconds if time else Fraction(0)


def _take(observation: _Observation, line: int, cells: Mapping[str, str]) -> None:
    label = tidy(csv_text.as_meant(cells.get('behavior', '')))
    if not label:
        observation.unlabelled += 1
        return
    kept = next((cells[name] for name in _MEDIA if cells.get(name, '').lower() not in _NOT_AVAILABLE), None)
    if kept:
        observation.media[csv_text.as_meant(kept)] = None
    if rate := _RATE.match(next((value for name, value in cells.items() if name.startswith('fps')), '')):
        observation.rates[rate[0]] = None
    kind = next((cells[name].upper() for name in _KINDS if cells.get(name)), '')
    if not kind and (said := _KIND_IN_COMMENT.match(cells.get('comment', ''))):
        kind = said[1].upper()
    if 'start' in cells:
        stop = cells.get('stop', '')
        is_point = kind == 'POINT'
        observation.entries.append(
            Entry(observation.source, line, label, cells['start'], cells['start'] if is_point else stop, is_point)
        )
    else:
        _pair(observation, line, label, kind, cells)


def _pair(observation: _Observation, line: int, label: str, kind: str, cells: Mapping[str, str]) -> None:
    time = cells.get('time', '')
    entry = Entry(observation.source, line, label, time, time, is_point=True)
    modifiers = [value for name, value in cells.items() if name.startswith('modifier')]
    key = (cells.get('subject', ''), label, *modifiers)
    if kind == 'START':
        if earlier := observation.open.pop(key, None):
            observation.dropped.append(_unpaired(earlier, 'starts, and starts again before it stops'))
        observation.open[key] = entry
    elif kind == 'STOP':
        begun = observation.open.pop(key, None)
        if begun is None:
            observation.dropped.append(_unpaired(entry, 'stops without a start'))
        else:
            observation.entries.append(Entry(entry.source, begun.line, label, begun.start, time))
    else:
        observation.entries.append(entry)


def _unpaired(entry: Entry, what: str) -> Dropped:
    return Dropped(entry, 'unpaired', f'{entry.label} {what}')


def _sheet(observation: _Observation, table: Table) -> Sheet:
    never = [_unpaired(entry, 'starts and never stops') for entry in observation.open.values()]
    rate = next(iter(observation.rates), None)
    return Sheet(
        name=observation.name,
        source=observation.source,
        entries=tuple(sorted(observation.entries, key=lambda entry: entry.line)),
        group=observation.name,
        kind='boris',
        media=tuple(_recordings(list(observation.media))),
        unlabelled=observation.unlabelled,
        dropped=(*observation.dropped, *never),
        fps=Fraction(rate) if rate and Fraction(rate) else None,
        decimal_comma=table.decimal_comma,
        begins=observation.begins,
    )


def _recordings(cells: Sequence[str]) -> Iterator[str]:
    """One recording for each player, its files in order; files named row by row follow each other."""
    players = [[piece for piece in _PLAYER.split(cell) if piece.strip()] for cell in cells]
    if len(cells) > 1 and all(len(pieces) == 1 for pieces in players):
        players = [[';'.join(pieces[0] for pieces in players)]]
    for piece in dict.fromkeys(piece for pieces in players for piece in pieces):
        yield ';'.join(part.strip() for part in piece.split(';') if part.strip())
