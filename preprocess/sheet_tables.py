"""A file of rows somebody wrote (CSV with any usual separator, Excel) -> tables of text."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from preprocess import csv_text, files, workbooks
from preprocess.csv_text import Record
from preprocess.failures import InputError

_SEPARATORS = (',', '\t', ';')
_ROWS_LOOKED_AT = 50
_PACKED = '.gz'
_WORKBOOK = '.xlsx'


@dataclass(frozen=True)
class Table:
    """Rows of text, with the line each stands on; `source` names the file (and worksheet) in messages."""

    name: str
    source: str
    records: tuple[Record, ...]
    decimal_comma: bool = False


def read_tables(path: str) -> list[Table]:
    """The table of a CSV, or one for every worksheet that has rows."""
    if workbooks.is_workbook(path) or path.lower().endswith(_WORKBOOK):
        return _of_workbook(path)
    csv_text.check(path)
    separator = max(_SEPARATORS, key=lambda separator: _cells_more(path, separator))
    records = tuple(_readable(record, separator) for record in csv_text.records(path, delimiter=separator))
    if not records:
        raise InputError('the sheet has no rows', where=path, do='give a sheet with one range of time a row')
    # Where `;` is between cells, it is because the comma is in the numbers.
    return [Table(stem(path), path, records, decimal_comma=separator == ';')]


def stem(path: str) -> str:
    """A file's name without its extension."""
    name = files.name(path)
    name = name.removesuffix(_PACKED) if name.lower().endswith(_PACKED) else name
    return os.path.splitext(name)[0]


def _of_workbook(path: str) -> list[Table]:
    found = [(sheet, tuple(_numbered(sheet.rows))) for sheet in workbooks.read(path)]
    full = [(sheet, records) for sheet, records in found if records]
    if not full:
        raise InputError('the workbook has no rows', where=path, do='give a sheet with one range of time a row')
    if len(full) == 1:
        return [Table(stem(path), path, full[0][1])]
    return [Table(sheet.title, f'{path}[{sheet.title}]', records) for sheet, records in full]


def _numbered(rows: tuple[tuple[str, ...], ...]) -> Iterator[Record]:
    return (Record(line, list(cells)) for line, cells in enumerate(rows, 1) if any(cells))


def _readable(record: Record, separator: str) -> Record:
    """A row with a stray quote, in a remark perhaps, cut at its separators all the same; the problem stays with it."""
    return record._replace(cells=next(csv.reader(record.cells, delimiter=separator), [])) if record.problem else record


def _cells_more(path: str, separator: str) -> int:
    """How many cells more than rows a separator makes of the beginning of a file."""
    return sum(len(record.cells) - 1 for record in islice(csv_text.records(path, delimiter=separator), _ROWS_LOOKED_AT))
