"""Excel workbooks, those that can't be trusted among them."""

import datetime
import zipfile
from pathlib import Path

import pytest

from preprocess import workbooks
from preprocess.failures import InputError
from preprocess.range_times import ClockRules, timed
from preprocess.sheet_columns import ColumnChoice
from preprocess.sheet_formats import read_sheets
from preprocess.sheets import Sheet
from tests.preprocess.sheet_files import clock, workbook

HEAD = ['video', 'label', 'start', 'stop']


def sheets(path: str) -> list[Sheet]:
    return read_sheets([path], ColumnChoice())


def seconds(sheet: Sheet) -> list[tuple[float | None, float | None]]:
    found = timed(sheet, ClockRules()).entries
    return [tuple(None if time is None else float(time) for time in (one.start, one.stop)) for one in found]  # type: ignore[misc]


def test_numbers_times_and_text_of_a_workbook_are_times(tmp_path: Path) -> None:
    rows = [
        HEAD,
        ['a.mp4', 'run', 1, 2.5],
        ['a.mp4', 'sit', datetime.time(0, 1, 2, 500000), datetime.timedelta(hours=25)],
        ['a.mp4', 'lie', '00:00:03.25', None],
    ]
    (sheet,) = sheets(workbook(tmp_path / 'times.xlsx', {'Sheet1': rows}))
    assert seconds(sheet) == [(1, 2.5), (62.5, 90000), (3.25, None)]
    assert (sheet.media, sheet.entries[0].line) == (('a.mp4',), 2)


def test_the_labs_sheet_may_be_a_workbook(tmp_path: Path) -> None:
    # Excel keeps milliseconds; the lab's microseconds are there as text only.
    moment = datetime.datetime(2019, 4, 4, 9, 21, 58, 740000)
    rows = [
        ['ignore', 'PROCEDURE', 'Original_Start_Time', 'Original_Stop_Time'],
        ['clap', 'CLAP', clock(0), clock(0)],
        ['Bag', 'BAGGING', clock(5), moment + datetime.timedelta(seconds=6.25)],
        [None, None, None, None],
        [None, None, 'junk', None],
    ]
    (sheet,) = sheets(workbook(tmp_path / 'P5.xlsx', {'Sheet1': rows}))
    found = timed(sheet, ClockRules())
    assert [float((one.stop or 0) - found.origin) for one in found.entries] == [0, 6.249561]
    assert (sheet.name, sheet.is_lab, sheet.unlabelled) == ('P5', True, 1)


def test_every_page_that_is_a_sheet_is_one_and_notes_are_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, row = ['label', 'start', 'stop'], ['run', 0, 1]
    pages = {'P5': [head, row], 'notes': [['written by me']], 'P6': [head, row], 'old': [head, row], 'empty': []}
    path = workbook(tmp_path / 'all.xlsx', pages, hidden=['old'])
    assert [(sheet.name, sheet.source) for sheet in sheets(path)] == [('P5', f'{path}[P5]'), ('P6', f'{path}[P6]')]
    assert f'passed over: {path}[notes]:1' in capsys.readouterr().err


def test_a_formula_without_its_result_is_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / 'a.xlsx', {'s': [HEAD, ['a.mp4', 'run', '=1+1', 3], ['a.mp4', 'run', 4, 5]]})
    (dropped,) = timed(sheets(path)[0], ClockRules()).dropped
    assert (dropped.entry.line, dropped.reason) == (2, 'bad-time')
    assert "'=1+1' is a formula without its result" in dropped.message


def test_the_result_of_a_formula_counts(tmp_path: Path) -> None:
    path = Path(workbook(tmp_path / 'a.xlsx', {'s': [HEAD, ['a.mp4', 'run', '=1+1', 3]]}))
    rewritten(path, 'xl/worksheets/sheet1.xml', b'<f>1+1</f><v />', b'<f>1+1</f><v>2</v>')
    assert seconds(sheets(str(path))[0]) == [(2, 3)]


def rewritten(path: Path, part: str, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    assert old in parts[part], parts[part]
    parts[part] = parts[part].replace(old, new)
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'bomb.xlsx'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as packed:
        packed.writestr('[Content_Types].xml', '')
        packed.writestr('xl/worksheets/sheet1.xml', bytes(16 << 20))
    assert path.stat().st_size < 1 << 15
    monkeypatch.setattr(workbooks, '_MOST_UNPACKED', 15 << 20)
    monkeypatch.setattr(zipfile.ZipFile, 'open', lambda *_: pytest.fail('it was opened'))
    with pytest.raises(InputError, match='unpacks to 2 parts of 17 MB'):
        sheets(str(path))


def test_entities_are_refused(tmp_path: Path) -> None:
    path = Path(workbook(tmp_path / 'a.xlsx', {'s': [HEAD]}))
    rewritten(path, 'xl/workbook.xml', b'<workbook', b'<!DOCTYPE lolz [<!ENTITY lol "lol">]><workbook')
    with pytest.raises(InputError, match=r'xl/workbook\.xml in the workbook declares a document type'):
        sheets(str(path))


def test_a_claim_of_endless_rows_is_refused(tmp_path: Path) -> None:
    path = Path(workbook(tmp_path / 'a.xlsx', {'s': [['label', 'start', 'stop'], ['run', 0, 1], ['sit', 1, 2]]}))
    rewritten(path, 'xl/worksheets/sheet1.xml', b'<row r="3"', b'<row r="99999999999"')
    with pytest.raises(InputError, match='has a row 99,999,999,999, which Excel has not'):
        sheets(str(path))


def test_rows_keep_their_numbers_where_others_are_missing(tmp_path: Path) -> None:
    path = Path(workbook(tmp_path / 'a.xlsx', {'s': [['label', 'start', 'stop'], ['run', 0, 1], ['sit', 1, 2]]}))
    rewritten(path, 'xl/worksheets/sheet1.xml', b'<row r="3"', b'<row r="5000"')
    assert [entry.line for entry in sheets(str(path))[0].entries] == [2, 5000]


@pytest.mark.parametrize(
    ('content', 'what'),
    [
        (b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1' + bytes(600), 'an old .xls workbook, or one with a password'),
        (b'PK\x03\x04' + bytes(100), 'the workbook is damaged'),
        (b'PK\x03\x04', 'the workbook is damaged'),
    ],
)
def test_other_files_are_refused_with_the_way_out(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / 'a.xlsx').write_bytes(content)
    with pytest.raises(InputError, match=what) as caught:
        sheets(str(tmp_path / 'a.xlsx'))
    assert '.xlsx or .csv' in caught.value.do


@pytest.mark.parametrize(('name', 'what'), [('mimetype', 'OpenDocument'), ('a.txt', 'no workbook')])
def test_other_archives_are_refused(tmp_path: Path, name: str, what: str) -> None:
    with zipfile.ZipFile(tmp_path / 'a.xlsx', 'w') as packed:
        packed.writestr(name, 'x')
    with pytest.raises(InputError, match=what):
        sheets(str(tmp_path / 'a.xlsx'))


def test_damage_inside_is_told_as_such(tmp_path: Path) -> None:
    for part in ('xl/workbook.xml', 'xl/worksheets/sheet1.xml', 'xl/styles.xml'):
        path = Path(workbook(tmp_path / 'a.xlsx', {'s': [HEAD, ['a.mp4', 'run', 1, 2]]}))
        rewritten(path, part, b'>', b'<')
        with pytest.raises(InputError, match='the workbook is damaged'):
            sheets(str(path))


def test_without_openpyxl_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / 'a.xlsx', {'s': [HEAD]})
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(InputError, match=r'openpyxl, which is not installed') as caught:
        workbooks.read(path)
    assert "pip install 'headlight[video]'" in caught.value.do
