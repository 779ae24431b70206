"""A CSV's bytes -> its records with the physical line each starts on, and back: encodings, gzip, RFC 4180 quoting."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, TextIO

from preprocess import files, near
from preprocess.failures import InputError

_GZIP_MAGIC = b'\x1f\x8b'
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PIECE_BYTES = 1 << 20
# What a spreadsheet takes for a formula begins so; an apostrophe is here to be told from the one put in front.
_FORMULA_STARTS = ('=', '+', '-', '@', '\t', '\r', '\n', "'")
# The csv module's words for what RFC 4180 forbids.
_PROBLEMS = {
    'unexpected end of data': 'a quote that opens a cell is never closed',
    "',' expected after '\"'": 'text follows the quote that closes a cell',
}


class Record(NamedTuple):
    """One record: the line it starts on (from 1), its cells, and what is wrong with its quotes if anything is."""

    line: int
    cells: list[str]
    problem: str | None = None


def check(path: str) -> None:
    """Refuse a file that can't be read or isn't UTF-8, naming the first byte that isn't."""
    with _bytes_of(path) as opened:
        head = opened.read(4)
        if head.startswith(_UTF16_MARKS) or b'\0' in head:
            raise _not_utf8(path, 0, 'it begins like UTF-16', guess='UTF-16')
        decoder = codecs.getincrementaldecoder('utf-8')()
        piece, position = head + opened.read(_PIECE_BYTES), 0
        while True:
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                wrong = f'byte 0x{error.object[error.start]:02x} fits no UTF-8 text'
                raise _not_utf8(path, position - waiting + error.start, wrong, guess='LATIN1') from None
            if not piece:
                return
            position += len(piece)
            piece = opened.read(_PIECE_BYTES)


def records(path: str, *, delimiter: str = ',') -> Iterator[Record]:
    """The records of a checked file, in order; blank lines are left out, broken quotes cost one line only."""
    with _bytes_of(path) as opened, io.TextIOWrapper(opened, encoding='utf-8-sig', newline='') as text:
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            line = lines.begin_record()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Record(line, [lines.keep_first_only().rstrip('\r\n')], _PROBLEMS.get(str(error), str(error)))
                continue
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield Record(line, cells)


@contextmanager
def writing(opened: BinaryIO) -> Iterator[TextIO]:
    """The text of a CSV on its way to a file; InputError when it has a path whose bytes no text can hold."""
    text = io.TextIOWrapper(opened, encoding='utf-8', newline='')
    try:
        yield text
    except UnicodeEncodeError as error:
        raise InputError(
            'a path holds bytes that are not UTF-8, which no CSV can hold',
            where=ascii(error.object.strip()),
            do='rename that file or folder',
        ) from error
    text.detach()  # with what it still held written; the file stays open


class _Lines:
    """The lines of a text, which can be taken back to the second line of a record that turned out broken."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._taken: list[str] = []
        self._again: list[str] = []
        self._line = 1

    def __iter__(self) -> '_Lines':
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._text)
        self._taken.append(line)
        return line

    def begin_record(self) -> int:
        """Count what was taken as done; the number of the line that comes next."""
        self._line += len(self._taken)
        self._taken.clear()
        return self._line

    def keep_first_only(self) -> str:
        """Give back all lines of this record but its first, which is returned."""
        self._again.extend(reversed(self._taken[1:]))
        del self._taken[1:]
        return self._taken[0]


@contextmanager
def _bytes_of(path: str) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked when they are gzip's; what can't be read is an InputError."""
    try:
        with files.open_read(near.file(path)) as opened:
            packed = opened.read(2) == _GZIP_MAGIC
            opened.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=opened) as unpacked:
                    yield unpacked  # type: ignore[misc] # GzipFile is a BinaryIO in all but name
            else:
                yield opened
    except FileNotFoundError as error:
        raise InputError('there is no such CSV', where=path, do='check the path') from error
    except IsADirectoryError as error:
        raise InputError(
            'a CSV is wanted here, this is a directory',
            where=path,
            do='give a CSV, or make one from the folder with `python -m preprocess.create_docs`',
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f'the gzip file is damaged: {error}', where=path, do='pack it again') from error
    except OSError as error:
        if isinstance(error, InputError):
            raise
        why = (error.strerror or str(error)).lower()
        raise InputError(
            f'the CSV can not be read: {why}', where=path, do='mend its permissions or the path'
        ) from error


def _not_utf8(path: str, offset: int, why: str, *, guess: str) -> InputError:
    return InputError(
        f'the CSV is not UTF-8: {why}',
        where=f'{path}: byte {offset}',
        do=f'save it as UTF-8, e.g. iconv -f {guess} -t UTF-8 {files.name(path)}',
    )


def harmless(cell: str) -> str:
    """A cell as it is written: one that a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def as_meant(cell: str) -> str:
    """A cell without the apostrophe that `harmless` puts in front; any other is the text's own."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS) else cell
