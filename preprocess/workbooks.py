"""Excel workbooks -> rows of text: the results of formulas, dates as text, and no more than a sheet of times can be."""

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from preprocess import command, files
from preprocess.failures import InputError

_ZIP_MAGIC = b'PK\x03\x04'
# What the older .xls, and a workbook with a password, begin with.
_OLE_MAGIC = b'\xd0\xcf\x11\xe0'
# A day's sheet has thousands of rows; what unpacks to more than these is no sheet of times.
_MOST_BYTES = 64 << 20
_MOST_UNPACKED = 256 << 20
_MOST_PARTS = 2000
_MOST_COLUMNS = 256
_MOST_ROWS = 1 << 20
_WORKSHEETS = 'xl/worksheets/'
_ROW_NUMBER = re.compile(rb'<row\b[^>]*?\sr="(\d{1,18})')
# A part's declaration comes before its content.
_DECLARATION_BYTES = 4096
# What openpyxl raises where a workbook isn't made as it should be.
_DAMAGE = (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError, SyntaxError, EOFError)


@dataclass(frozen=True)
class Worksheet:
    """One worksheet as text, from its first row on."""

    title: str
    rows: tuple[tuple[str, ...], ...]


def is_workbook(path: str) -> bool:
    """Whether a file is one for a spreadsheet program, by its first bytes."""
    try:
        return files.read_bytes(path, limit=len(_ZIP_MAGIC)) in (_ZIP_MAGIC, _OLE_MAGIC)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        return False


def read(path: str) -> list[Worksheet]:
    """The worksheets that are shown, in order."""
    command.require('openpyxl', extra='video', why='Excel workbooks')
    import openpyxl

    content = _checked(path)
    try:
        with warnings.catch_warnings():
            # It warns of styles and extensions, which are of no interest here.
            warnings.simplefilter('ignore')
            shown = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
            written = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
            return [
                Worksheet(sheet.title, tuple(_rows(_values(sheet), _values(written[sheet.title]))))
                for sheet in shown.worksheets
                if sheet.sheet_state == 'visible'
            ]
    except _DAMAGE as error:
        raise _unreadable(path, f'the workbook is damaged: {error}') from error


def _values(sheet: object) -> Iterator[Sequence[object]]:
    """Rows of values; the size a worksheet claims to have is not believed."""
    sheet.reset_dimensions()  # type: ignore[attr-defined]  # openpyxl has no types
    return sheet.iter_rows(max_col=_MOST_COLUMNS, max_row=_MOST_ROWS, values_only=True)  # type: ignore[attr-defined,no-any-return]


def _rows(results: Iterator[Sequence[object]], formulas: Iterator[Sequence[object]]) -> Iterator[tuple[str, ...]]:
    for row, written in zip(results, formulas, strict=True):
        if not any(row) and all(cell is None for cell in row) and not any(written):
            # A workbook may claim a row far below the others: those between are made up, and go fast.
            yield ()
            continue
        # A formula nobody computed has no result: it stays to be seen, and named.
        cells = [_text(was if value is None else value) for value, was in zip(row, written, strict=False)]
        while cells and not cells[-1]:
            cells.pop()
        yield tuple(cells)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=' ')
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return repr(value.total_seconds())
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return '' if value is None else str(value)


def _checked(path: str) -> bytes:
    """The bytes of a workbook that unpacks to a reasonable size."""
    content = files.read_bytes(path, limit=_MOST_BYTES + 1)
    if content.startswith(_OLE_MAGIC):
        raise _unreadable(path, 'this is an old .xls workbook, or one with a password')
    if not content.startswith(_ZIP_MAGIC):
        raise _unreadable(path, 'this is not a workbook, though its name says so')
    if len(content) > _MOST_BYTES:
        raise _unreadable(path, f'the workbook has more than {_MOST_BYTES >> 20} MB')
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            _check_parts(path, packed)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise _unreadable(path, f'the workbook is damaged: {error}') from error
    return content


def _check_parts(path: str, packed: zipfile.ZipFile) -> None:
    parts = packed.infolist()
    names = {part.filename for part in parts}
    if 'mimetype' in names:
        raise _unreadable(path, 'this is an OpenDocument file')
    if '[Content_Types].xml' not in names:
        raise _unreadable(path, 'this is a zip file, but no workbook')
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > _MOST_PARTS or unpacked > _MOST_UNPACKED:
        what = f'the workbook unpacks to {len(parts):,} parts of {unpacked / 1e6:,.0f} MB together'
        raise _unreadable(path, what)
    for part in parts:
        with packed.open(part) as opened:
            # Entities are what makes a short XML text endless; no workbook declares any.
            if b'<!DOCTYPE' in opened.read(_DECLARATION_BYTES):
                raise _unreadable(path, f'{part.filename} in the workbook declares a document type')
        if part.filename.startswith(_WORKSHEETS):
            last = max(map(int, _ROW_NUMBER.findall(packed.read(part))), default=0)
            # All rows above it are made up, one by one.
            if last > _MOST_ROWS:
                raise _unreadable(path, f'{part.filename} in the workbook has a row {last:,}, which Excel has not')


def _unreadable(path: str, what: str) -> InputError:
    return InputError(what, where=path, do='save the sheet as .xlsx or .csv and give that')
