"""Labelled CSVs -> rows, one picture each; what can't be a row leaves as a reject that says why."""

import math
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from preprocess import csv_text, files, moments, splits
from preprocess.csv_text import Record
from preprocess.failures import InputError
from preprocess.labels import Labels, tidy
from preprocess.locations import Location, Places, is_recording
from preprocess.moments import Moment
from preprocess.reasons import REASONS

HEADER_NAMES = frozenset(
    [
        'image',
        'image_uri',
        'image_path',
        'image_name',
        'uri',
        'gcs_uri',
        'path',
        'filepath',
        'file_path',
        'filename',
        'file_name',
        'file',
        'img',
    ]
)
# How many of the rows of one picture a message quotes.
_MOST_SHOWN = 3
_LABEL_COLUMNS = ('label', 'labels')
# A header that has one of these and no label column was meant to have one.
_LIKE_LABEL = frozenset(
    ['class', 'classes', 'class_name', 'category', 'categories', 'target', 'species', 'tag', 'tags', 'y']
)


@dataclass(frozen=True, slots=True)
class Row:
    """A picture or stretch of footage and what is known of it; `uri` is where it is, `cell` how the input names it."""

    uri: str
    cell: str
    labels: tuple[str, ...]
    source: str
    line: int
    split: str | None = None
    group: str | None = None
    start: float | None = None
    stop: float | None = None
    frame: int | None = None
    from_working_dir: bool = False
    most: int | None = None  # frames that are taken of it, where a run is limited
    moment: Moment | None = None  # of a picture that is a frame of a recording

    @property
    def is_footage(self) -> bool:
        """Whether it is a recording, or a stretch or frame of one, rather than a picture."""
        return self._is_part or is_recording(self.uri)

    @property
    def recording(self) -> str:
        """Of footage, where the whole recording is; of a picture, where that is."""
        return self.uri[: self.uri.rindex('#')] if self._is_part else self.uri

    @property
    def _is_part(self) -> bool:
        return self.start is not None or self.frame is not None


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was left out: where it stands, the stage that refused it and why.

    Or frames of a row that was accepted: `frames` of them, the first being `uri` and the last `last_frame`.
    """

    source: str
    row: int
    uri: str
    stage: str
    reason: str
    message: str
    frames: int = 0
    last_frame: int | None = None

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise ValueError(f'unknown reason {self.reason!r}; choose from {", ".join(REASONS)}')


def reject(row: Row, *, stage: str, reason: str, message: str) -> Reject:
    """The reject of a row that was read."""
    return Reject(row.source, row.line, row.uri, stage, reason, message)


class Resolution(NamedTuple):
    """What becomes of all rows of one picture."""

    kept: Row | None
    rejects: list[Reject]
    duplicates: int


def expand_inputs(spec: str) -> list[str]:
    """The CSVs a comma list of paths and globs names, each once, in one order however they were listed."""
    parts = [spec] if files.exists(spec) else [part for part in map(str.strip, spec.split(',')) if part]
    paths = {files.absolute(path): path for part in parts for path in _csvs(part)}
    if not paths:
        raise InputError('no CSV is named', where=repr(spec), do='give the path of a CSV')
    return [paths[key] for key in sorted(paths)]


def _csvs(part: str) -> list[str]:
    found = files.glob(part)
    if not found:
        raise InputError('there is no such CSV', where=part, do='check the path or the pattern')
    for path in found:
        check_csv(path)
    return found


def check_csv(path: str) -> None:
    """Refuse a CSV that is missing, a directory, not UTF-8 throughout, or without rows."""
    csv_text.check(path)
    if all(_names_columns(record.cells) for record in csv_text.records(path)):
        raise InputError(
            'the CSV has no rows', where=path, do='give a CSV with one picture and its label a line: image,label'
        )


def read_csv(path: str, *, image_root: str | None = None, working_dir: str | None = None) -> Iterator[Row | Reject]:
    """The rows of a CSV in order; one that can't be used at all is refused before the first row."""
    check_csv(path)
    if image_root and not files.is_remote(image_root) and not files.is_dir(image_root):
        raise InputError('there is no such folder', where=f'--image_root {image_root}', do='check the path')
    places = Places(files.absolute(image_root or files.parent(path)), files.absolute(working_dir or os.getcwd()))
    return _read(path, places)


def label_ids(
    row: Row, labels: Labels, *, ignore_case: bool = False, multi_label: bool = False
) -> tuple[int, ...] | Reject:
    """The sorted class ids of a row, or why it has none that count."""
    if len(row.labels) > 1 and not multi_label:
        message = f'{len(row.labels)} labels: {", ".join(row.labels)}'
        return reject(row, stage='labels', reason='several-labels', message=message)
    found = set()
    for label in row.labels:
        if (place := labels.id_of(label, ignore_case=ignore_case)) is None:
            nearest = labels.nearest(label)
            hint = f'; the nearest one is {nearest!r}' if nearest else ''
            message = f'{label!r} is not among the {len(labels)} labels{hint}'
            return reject(row, stage='labels', reason='unknown-label', message=message)
        found.add(place)
    return tuple(sorted(found))


def resolve_duplicates(rows: Sequence[Row], *, ignore_case: bool = False) -> Resolution:
    """One row of a picture's equal ones, the first by source and line; none where they disagree."""
    ordered = sorted(rows, key=lambda row: (row.source, row.line))
    if len({_statement(row, ignore_case) for row in ordered}) == 1:
        return Resolution(ordered[0], [], len(ordered) - 1)
    quoted = '; '.join(said(row) for row in ordered[:_MOST_SHOWN]) + (' …' if len(ordered) > _MOST_SHOWN else '')
    rejects = [reject(row, stage='duplicates', reason='conflicting-labels', message=quoted) for row in ordered]
    return Resolution(None, rejects, 0)


def _statement(row: Row, ignore_case: bool) -> tuple[frozenset[str], str | None, str | None]:
    labels = frozenset(label.casefold() if ignore_case else label for label in row.labels)
    return labels, row.split, row.group


def said(row: Row) -> str:
    """What a row says and where, for those who compare it with another."""
    details = [f'{key} {value}' for key, value in (('split', row.split), ('group', row.group)) if value]
    return f'{row.source}:{row.line} says ' + ', '.join(['|'.join(row.labels) or 'no label', *details])


class _Unfit(Exception):
    """Why a record is no row."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


class _Fields(NamedTuple):
    """What the cells after the image's say."""

    labels: Sequence[str]
    split: str = ''
    group: str = ''
    start: str = ''
    stop: str = ''
    moment: Moment | None = None


@dataclass(frozen=True)
class _Header:
    """Which column is what, by the names in the first row."""

    names: tuple[str, ...]
    label_columns: tuple[int, ...]

    @classmethod
    def of(cls, record: Record, source: str) -> '_Header':
        names = tuple(_column_name(cell) for cell in record.cells)
        labels = tuple(place for place, name in enumerate(names) if name in _LABEL_COLUMNS)
        if not labels and (meant := sorted(_LIKE_LABEL.intersection(names))):
            raise InputError(
                'the header has no column `label`',
                where=f'{source}:{record.line}',
                do=f'rename the column `{meant[0]}` to `label`',
            )
        return cls(names, labels)

    def fields(self, cells: Sequence[str]) -> _Fields:
        """The cells by name; several labels are several columns, or one column's joined by `|`."""
        if len(cells) != len(self.names):
            raise _Unfit('wrong-columns', f'{len(cells)} cells where the header has {len(self.names)}')
        labels = [cells[place] for place in self.label_columns]
        if len(labels) == 1:
            labels = labels[0].split('|')
        split, group, start, stop = (self._cell(cells, name) for name in ('split', 'group', 'start', 'stop'))
        # Looked for only where there may be one: a million rows have a million of them.
        of_frames = 'video' in self.names and 'frame' in self.names
        moment = Moment.of(*(self._cell(cells, name) for name in moments.COLUMNS)) if of_frames else None
        return _Fields(labels, split, group, start, stop, moment)

    def _cell(self, cells: Sequence[str], name: str) -> str:
        return cells[self.names.index(name)].strip() if name in self.names else ''


def _read(path: str, places: Places) -> Iterator[Row | Reject]:
    header: _Header | None = None
    seeking = True
    for record in csv_text.records(path):
        # Remarks may stand above the header.
        if seeking and not record.cells[0].startswith('#'):
            seeking = False
            if _names_columns(record.cells):
                header = _Header.of(record, path)
                continue
        try:
            yield _row(record, path, places, header)
        except _Unfit as unfit:
            yield Reject(path, record.line, record.cells[0], 'rows', unfit.reason, unfit.message)


def _row(record: Record, source: str, places: Places, header: _Header | None) -> Row:
    _check_text(record)
    cells = record.cells
    if _has_cell_to_spare(cells, header) and places.is_split_stretch(cells[0], cells[1]):
        cells = [f'{cells[0]},{cells[1].strip()}', *cells[2:]]
    _check_image_cell(cells, places, header)
    fields = header.fields(cells) if header else _Fields(cells[1:])
    found = _with_times(places.find(cells[0]), fields)
    return Row(
        uri=found.uri,
        cell=cells[0],
        labels=_labels(tuple(fields.labels)),
        source=source,
        line=record.line,
        split=_split(fields.split),
        group=unicodedata.normalize('NFC', fields.group) if fields.group else None,
        start=found.start,
        stop=found.stop,
        frame=found.frame,
        from_working_dir=found.from_working_dir,
        moment=None if found.start is not None or found.frame is not None or is_recording(found.uri) else fields.moment,
    )


def _has_cell_to_spare(cells: Sequence[str], header: _Header | None) -> bool:
    return len(cells) == len(header.names) + 1 if header else len(cells) > 1


def _check_text(record: Record) -> None:
    if record.problem:
        raise _Unfit('bad-quotes', record.problem)
    if '\0' in ''.join(record.cells):
        raise _Unfit('bad-encoding', 'a NUL character')


def _check_image_cell(cells: Sequence[str], places: Places, header: _Header | None) -> None:
    cell = cells[0]
    if not cell.strip():
        raise _Unfit('wrong-columns', 'the image cell is empty')
    if cell.startswith('#') and not places.holds(cell):
        raise _Unfit('comment', 'a comment, or a file that does not exist')
    if _names_columns(cells) and not places.holds(cell) and _is_header_again(cells, header):
        raise _Unfit('repeated-header', 'a header row among the rows')


def _is_header_again(cells: Sequence[str], header: _Header | None) -> bool:
    names = tuple(map(_column_name, cells))
    return names == header.names if header else any(name in _LABEL_COLUMNS for name in names[1:])


def _names_columns(cells: Sequence[str]) -> bool:
    return _column_name(cells[0]) in HEADER_NAMES


def _column_name(cell: str) -> str:
    return cell.strip().lower()


@lru_cache(maxsize=1 << 14)
def _labels(cells: tuple[str, ...]) -> tuple[str, ...]:
    # Millions of rows have few labels between them: equal ones share their memory.
    labels = tuple(dict.fromkeys(filter(None, map(tidy, cells))))
    for label in labels:
        if '\n' in label or '\r' in label:
            raise _Unfit('bad-label', f'{label!r} holds a line break')
    return labels


def _split(cell: str) -> str | None:
    side = splits.side_named(cell) if cell else None
    if cell and side is None:
        raise _Unfit('unknown-split', f'{cell!r} is not train, eval or test')
    return side


def _with_times(found: Location, fields: _Fields) -> Location:
    """The location with the stretch that the columns `start` and `stop` give a recording."""
    is_whole = found.start is None and found.frame is None and is_recording(found.uri)
    if is_whole and fields.stop and not fields.start:
        raise _Unfit('bad-times', f'a stop, {fields.stop}, without a start')
    if is_whole and fields.start:
        stretch = f'#t={fields.start},{fields.stop}' if fields.stop else f'#t={fields.start}'
        start, stop = _seconds(fields.start), _seconds(fields.stop) if fields.stop else None
        found = found._replace(uri=found.uri + stretch, start=start, stop=stop)
    if found.start is not None and found.stop is not None and found.stop < found.start:
        raise _Unfit('bad-times', f'it stops at {found.stop:g} s, before it starts at {found.start:g} s')
    return found


def _seconds(cell: str) -> float:
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise _Unfit('bad-times', f'{cell!r} is no number of seconds')
    return seconds
