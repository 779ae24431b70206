"""Bytes of a CSV -> records and their lines."""

import csv
import gzip
import io
import random
from pathlib import Path

import pytest

from preprocess import csv_text
from preprocess.csv_text import Record
from preprocess.failures import InputError


def records(folder: Path, data: bytes) -> list[Record]:
    path = folder / 'data.csv'
    path.write_bytes(data)
    csv_text.check(str(path))
    return list(csv_text.records(str(path)))


def test_marks_and_line_ends_leave_no_trace(tmp_path: Path) -> None:
    plain = [Record(1, ['a.jpg', 'rose']), Record(2, ['b.jpg', 'tulip'])]
    assert records(tmp_path, b'a.jpg,rose\nb.jpg,tulip\n') == plain
    assert records(tmp_path, b'a.jpg,rose\r\nb.jpg,tulip') == plain
    assert records(tmp_path, b'a.jpg,rose\rb.jpg,tulip\r') == plain
    assert records(tmp_path, b'\xef\xbb\xbfa.jpg,rose\r\nb.jpg,tulip\r\n') == plain
    assert records(tmp_path, gzip.compress(b'\xef\xbb\xbf"a.jpg",rose\nb.jpg,tulip\n')) == plain


def test_quoted_cells_hold_commas_quotes_and_line_breaks_and_lines_are_physical(tmp_path: Path) -> None:
    data = b'"a,b.jpg",rose\n\n"say ""hi"".jpg",rose\r\n"two\nlines\r\nor three.jpg",tulip\nlast.jpg,rose\n'
    assert records(tmp_path, data) == [
        Record(1, ['a,b.jpg', 'rose']),
        Record(3, ['say "hi".jpg', 'rose']),
        Record(4, ['two\nlines\r\nor three.jpg', 'tulip']),
        Record(7, ['last.jpg', 'rose']),
    ]


def test_blank_lines_are_no_records_and_are_counted(tmp_path: Path) -> None:
    assert records(tmp_path, b'\n  \n\t\r\na.jpg\n,\n') == [Record(4, ['a.jpg']), Record(5, ['', ''])]


def test_a_quote_inside_an_unquoted_cell_is_a_character(tmp_path: Path) -> None:
    assert records(tmp_path, b'6" lens.jpg,rose\n') == [Record(1, ['6" lens.jpg', 'rose'])]


@pytest.mark.parametrize(
    ('broken', 'problem'),
    [
        (b'"open.jpg,rose', 'a quote that opens a cell is never closed'),
        (b'"a" b.jpg,rose', 'text follows the quote that closes a cell'),
        (b'"long' + b'x' * 200_000, 'field larger than field limit (131072)'),
        (b'"a.jpg,rose\nx"y,tulip', None),
    ],
)
def test_broken_quotes_cost_the_line_they_begin_on(tmp_path: Path, broken: bytes, problem: str | None) -> None:
    found = records(tmp_path, b'a.jpg,rose\n' + broken + b'\nb.jpg,tulip\nc.jpg,rose\n')
    assert found[0] == Record(1, ['a.jpg', 'rose'])
    assert (found[1].line, found[1].problem is not None) == (2, True)
    assert problem is None or found[1].problem == problem
    assert found[1].cells == [broken.split(b'\n')[0].decode()]
    assert found[-2:] == [
        Record(3 + broken.count(b'\n'), ['b.jpg', 'tulip']),
        Record(4 + broken.count(b'\n'), ['c.jpg', 'rose']),
    ]


def test_many_open_quotes_cost_one_line_each(tmp_path: Path) -> None:
    data = b''.join(b'"open%d.jpg,rose\nok%d.jpg,rose\n' % (i, i) for i in range(50))
    found = records(tmp_path, data)
    bad = [record.line for record in found if record.problem]
    # Two open quotes in a row may also be one cell that is closed by the second; then text follows its end.
    assert bad == list(range(1, 100, 2))
    assert [record.cells[0] for record in found if not record.problem] == [f'ok{i}.jpg' for i in range(50)]


@pytest.mark.parametrize('junk', [b'', gzip.compress(b'', mtime=0)])
def test_nothing_gives_no_records(tmp_path: Path, junk: bytes) -> None:
    assert records(tmp_path, junk) == []


@pytest.mark.parametrize('length', [0, 3, (1 << 20) - 2, (1 << 20) + 1, (1 << 20) + 3])
def test_the_first_byte_that_is_not_utf_8_is_named(tmp_path: Path, length: int) -> None:
    start = 'a' * (length - length % 2) if length < 10 else 'é' * (length // 2)
    offset = len(start.encode())
    with pytest.raises(InputError, match='not UTF-8: byte 0xe9') as caught:
        records(tmp_path, start.encode() + b'\xe9,rose\n')
    assert caught.value.where == f'{tmp_path}/data.csv: byte {offset}'


def test_text_cut_inside_a_character_is_refused_at_its_start(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        records(tmp_path, b'a.jpg,ros\xc3')
    assert caught.value.where.endswith(': byte 9')


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-16-le', 'utf-16-be', 'utf-32'])
def test_utf_16_is_refused_at_its_first_byte(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(InputError, match='begins like UTF-16') as caught:
        records(tmp_path, 'a.jpg,rose\n'.encode(encoding))
    assert caught.value.where.endswith('data.csv: byte 0')
    assert 'iconv -f UTF-16' in caught.value.do


def test_a_picture_given_as_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='not UTF-8') as caught:
        records(tmp_path, b'\xff\xd8\xff\xe0\x00\x10JFIF')
    assert caught.value.where.endswith(': byte 0')


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b'a.jpg,rose\n' * 1000)
    for damaged in (packed[:-9], packed[:20] + b'\0\0\0\0' + packed[24:]):
        with pytest.raises(InputError, match='gzip file is damaged'):
            records(tmp_path, damaged)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no such CSV'):
        csv_text.check(str(tmp_path / 'nothing.csv'))
    with pytest.raises(InputError, match='this is a directory'):
        csv_text.check(str(tmp_path))


def test_whatever_a_csv_writer_writes_is_read_back(tmp_path: Path) -> None:
    dice = random.Random(4)
    given = [
        [''.join(dice.choices('ab ,"\'\n\r#|é日', k=dice.randrange(1, 9))) for _ in range(dice.randrange(2, 5))]
        for _ in range(2000)
    ]
    text = io.StringIO()
    csv.writer(text).writerows(given)
    assert [record.cells for record in records(tmp_path, text.getvalue().encode())] == given


def test_a_path_that_is_no_text_is_refused_and_named():
    with pytest.raises(InputError, match='which no CSV can hold') as caught, csv_text.writing(io.BytesIO()) as text:
        csv.writer(text).writerow(['caf\udce9/a.jpg', 'cat'])
    assert caught.value.where == "'caf\\udce9/a.jpg,cat'"


def test_text_is_in_its_file_when_it_is_written_and_the_file_stays_open():
    opened = io.BytesIO()
    with csv_text.writing(opened) as text:
        csv.writer(text, lineterminator='\n').writerow(['café.jpg', 'cat'])
    assert opened.getvalue() == 'café.jpg,cat\n'.encode()
