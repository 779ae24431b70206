"""Sheets of the lab, plain ones, exports of BORIS, workbooks."""

import gzip
from fractions import Fraction
from pathlib import Path

import pytest

from preprocess.failures import InputError, UsageError
from preprocess.sheet_columns import ColumnChoice
from preprocess.sheet_formats import read_sheets
from preprocess.sheets import DROPPED, Sheet
from tests.preprocess.sheet_files import clock, lab_sheet

NEW_BORIS = (
    'Observation id\tObservation date\tDescription\tObservation duration\tObservation type\tSource\tTime offset (s)\t'
    'Media duration (s)\tFPS (frame/s)\tSubject\tBehavior\tBehavioral category\tModifier #1\tBehavior type\tTime\t'
    'Media file name\tImage index\tImage file path\tComment\n'
)


def sheets(*paths: str, columns: str | None = None) -> list[Sheet]:
    return read_sheets(paths, ColumnChoice.parse(columns) if columns else ColumnChoice())


def only(path: str, columns: str | None = None) -> Sheet:
    (sheet,) = sheets(path, columns=columns)
    return sheet


def text(tmp_path: Path, content: str, name: str = 'sheet.csv') -> str:
    (tmp_path / name).write_text(content)
    return str(tmp_path / name)


def rows(sheet: Sheet) -> list[tuple[int, str, str, str]]:
    return [(entry.line, entry.label, entry.start, entry.stop) for entry in sheet.entries]


def test_a_sheet_of_the_lab_is_read_by_its_headings(tmp_path: Path) -> None:
    sheet = only(lab_sheet(tmp_path / 'P5.csv', [('BAGGING', 10, 20.5), ('', 3, 4), ('CHEST-TUBE', None, 30)]))
    assert (sheet.name, sheet.group, sheet.is_lab, sheet.unlabelled) == ('P5', 'P5', True, 1)
    assert sheet.header == ('PROCEDURE', 'Original_Start_Time', 'Original_Stop_Time')
    assert rows(sheet) == [
        (2, 'CLAP', clock(0), clock(0)),
        (3, 'BAGGING', clock(10), clock(20.5)),
        (5, 'CHEST-TUBE', '', clock(30)),
    ]


def test_the_label_is_in_column_1_whatever_its_heading_says(tmp_path: Path) -> None:
    header = 'ignore,IGNORE,Original_Start_Time,Original_Stop_Time,Video_Start,Video_Stop,Total_Time'
    sheet = only(lab_sheet(tmp_path / 'P11.csv', [('PLACE CUFF', 1, 2)], header=header))
    assert [entry.label for entry in sheet.entries] == ['CLAP', 'PLACE CUFF']
    assert sheet.header[0] == 'IGNORE'


def test_columns_of_junk_behind_the_labs_are_nobodys(tmp_path: Path) -> None:
    header = 'ignore,PROCEDURE,Original_Start_Time,Original_Stop_Time,Site,Subject,Video,,Start,,Label'
    lines = [f'x,{label},{clock(1)},{clock(2)},{place},{place},{place}.mp4,,1,,z' for label, place in ('Aa', 'Bb')]
    sheet = only(text(tmp_path, '\n'.join([header, *lines]), 'P5.csv'))
    assert [entry.label for entry in sheet.entries] == ['A', 'B']
    assert (sheet.group, sheet.media) == ('P5', ())
    assert sheet.entries[0].start == clock(1)


def test_rows_of_a_sheet_without_headings_are_read_by_their_places(tmp_path: Path) -> None:
    lab = only(text(tmp_path, f'clap,CLAP,{clock(0)},{clock(0)}\nBag,BAG,{clock(3)},{clock(4)}\n', 'P5.csv'))
    assert (lab.is_lab, [entry.line for entry in lab.entries]) == (True, [1, 2])
    plain = only(text(tmp_path, 'clip.mp4,run,0,1.5\nclip.mp4,sit,00:02,0:00:03.5\n', 'plain.csv'))
    assert (plain.kind, plain.media, rows(plain)[1]) == ('plain', ('clip.mp4',), (2, 'sit', '00:02', '0:00:03.5'))


def test_one_plain_sheet_may_be_of_many_videos(tmp_path: Path) -> None:
    found = sheets(
        text(
            tmp_path,
            'video,label,start,stop,group\na.mp4,run,0,1,tank 1\nb/c.mp4,sit,1,2,tank 2\na.mp4,sit,1,2,tank 1\n',
        )
    )
    assert [(sheet.name, sheet.group, sheet.media, len(sheet.entries)) for sheet in found] == [
        ('a', 'tank 1', ('a.mp4',), 2),
        ('c', 'tank 2', ('b/c.mp4',), 1),
    ]


def test_videos_of_one_name_in_two_folders_are_called_by_their_paths(tmp_path: Path) -> None:
    found = sheets(text(tmp_path, 'label,start,stop,video\nrun,0,1,a/c.mp4\nsit,1,2,b/c.mp4\n'))
    assert [(sheet.name, sheet.group) for sheet in found] == [('a/c.mp4', 'a/c.mp4'), ('b/c.mp4', 'b/c.mp4')]


def test_sheets_of_one_video_are_one(tmp_path: Path) -> None:
    first = text(tmp_path, 'video,label,start,stop\na.mp4,run,0,1\n', 'monday.csv')
    second = text(tmp_path, 'video,label,start,stop\na.mp4,sit,1,2\na.mp4,,2,3\n', 'tuesday.csv')
    (sheet,) = sheets(first, second)
    assert [entry.where for entry in sheet.entries] == [f'{first}:2', f'{second}:2']
    assert sheet.unlabelled == 1


def test_two_sheets_of_one_name_are_refused(tmp_path: Path) -> None:
    paths = [lab_sheet(tmp_path / folder / 'P5.csv', [('A', 1, 2)]) for folder in ('x', 'y')]
    with pytest.raises(InputError, match='two sheets are called P5') as caught:
        sheets(*paths)
    assert all(path in caught.value.where for path in paths)


def test_a_video_of_two_groups_is_refused_with_its_rows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='a is of two groups: x, y') as caught:
        sheets(text(tmp_path, 'video,label,start,stop,group\na.mp4,run,0,1,x\na.mp4,run,1,2,y\n'))
    assert caught.value.where.endswith('sheet.csv: rows 2 and 3')


@pytest.mark.parametrize(
    ('content', 'comma'),
    [
        ('video;label;start;stop\na.mp4;run;0,5;1,25\n', True),
        ('video\tlabel\tstart\tstop\na.mp4\trun\t0,5\t1\n', False),
    ],
)
def test_other_separators_than_commas_are_seen(tmp_path: Path, content: str, comma: bool) -> None:
    sheet = only(text(tmp_path, content))
    assert (sheet.entries[0].label, sheet.entries[0].start, sheet.decimal_comma) == ('run', '0,5', comma)


def test_packed_sheets_are_read(tmp_path: Path) -> None:
    (tmp_path / 'P5.csv.gz').write_bytes(gzip.compress(b'label,start,stop\nrun,0,1\n'))
    assert only(str(tmp_path / 'P5.csv.gz')).name == 'P5'


def test_rows_that_are_none_leave_with_their_reason(tmp_path: Path) -> None:
    content = 'video,label,start,stop\na.mp4,"run\nfast",0,1\n,sit,1,2\na.mp4,"open,3,4\na.mp4,sit,5,6\n'
    sheet = only(text(tmp_path, content))
    assert [(one.entry.line, one.reason) for one in sheet.dropped] == [
        (2, 'bad-label'),
        (4, 'no-video'),
        (5, 'bad-quotes'),
    ]
    assert rows(sheet) == [(6, 'sit', '5', '6')]


def test_a_stray_quote_in_a_remark_costs_nothing(tmp_path: Path) -> None:
    remarks = ['5" tube', '"he said "hi" to me"', '"never closed', '"two\nlines"', "it's"]
    lines = [f'x,LABEL {k},{clock(k)},{clock(k + 1)},{remark}' for k, remark in enumerate(remarks)]
    header = 'ignore,PROCEDURE,Original_Start_Time,Original_Stop_Time,Comments'
    sheet = only(text(tmp_path, '\n'.join([header, *lines, '']), 'P5.csv'))
    assert [(entry.label, entry.stop) for entry in sheet.entries] == [(f'LABEL {k}', clock(k + 1)) for k in range(5)]
    assert sheet.dropped == ()


def test_columns_may_be_said(tmp_path: Path) -> None:
    path = text(tmp_path, 'who,what,when,until,kind\nme,run,0,1,x\nme,sit,1,2,y\n')
    for columns in ('label=what,start=when,stop=until', 'label=1,start=2,stop=3', 'label=WHAT, start=When, stop=3'):
        assert rows(only(path, columns)) == [(2, 'run', '0', '1'), (3, 'sit', '1', '2')]
    found = sheets(path, columns='label=what,start=when,stop=until,group=kind')
    assert [(sheet.name, sheet.group) for sheet in found] == [('x', 'x'), ('y', 'y')]


def test_said_places_of_a_sheet_without_headings_begin_with_its_first_row(tmp_path: Path) -> None:
    path = text(tmp_path, '0,1,run\n1,2,sit\n')
    assert rows(only(path, 'label=2,start=0,stop=1')) == [(1, 'run', '0', '1'), (2, 'sit', '1', '2')]


def test_another_pair_of_the_labs_times_may_be_said(tmp_path: Path) -> None:
    sheet = only(lab_sheet(tmp_path / 'P5.csv', [('BAGGING', 10, 20)]), 'start=Video_Start,stop=5')
    assert sheet.entries[1].start == '00:00:00.00'
    assert sheet.entries[1].label == 'BAGGING'


@pytest.mark.parametrize('columns', ['label', 'label=', 'lable=1', ''])
def test_what_names_no_column_is_refused(columns: str) -> None:
    with pytest.raises(UsageError) as caught:
        ColumnChoice.parse(columns)
    assert caught.value.where == '--columns'


@pytest.mark.parametrize(
    ('content', 'columns', 'what'),
    [
        ('a,b,c\n1,2,3\n', None, 'no columns of start and stop are found'),
        ('name,start,stop\nrun,0,1\n', None, 'no column of label is found'),
        ('label,start,stop\nrun,0,1\n', 'label=name', 'no row heads the columns name'),
        ('who,start\nrun,0\n', 'label=who', 'no column of stop is found'),
    ],
)
def test_a_sheet_whose_columns_are_unknown_shows_its_first_row(
    tmp_path: Path, content: str, columns: str | None, what: str
) -> None:
    with pytest.raises(InputError) as caught:
        only(text(tmp_path, content), columns)
    assert caught.value.what == what
    assert caught.value.where.endswith(f'sheet.csv:1: {content.splitlines()[0].replace(",", ", ")}')
    assert '--columns label=' in caught.value.do


MEDIA = 'player #1:a.mp4;b.mp4|player #2:c.mp4'


def boris_row(behavior: str, kind: str, time: float, *, subject: str = 'fish', modifier: str = '') -> str:
    before = f'tank 3\t2024\t\t60\tMedia file(s)\t{MEDIA}\t0\t60\t25.000'
    return f'{before}\t{subject}\t{behavior}\tcat\t{modifier}\t{kind}\t{time}\ta.mp4\t5\tNA\t\n'


def test_state_and_point_events_of_boris_become_ranges(tmp_path: Path) -> None:
    content = NEW_BORIS + ''.join(
        [
            boris_row('chase', 'START', 1.5),
            boris_row('chase', 'START', 2, subject='other'),
            boris_row('bite', 'POINT', 3.25),
            boris_row('chase', 'STOP', 4),
            boris_row('chase', 'STOP', 5, subject='other'),
            boris_row('rest', 'START', 6, modifier='deep'),
            boris_row('rest', 'START', 7, modifier='flat'),
            boris_row('rest', 'STOP', 8, modifier='deep'),
            boris_row('hide', 'STOP', 9),
        ]
    )
    sheet = only(text(tmp_path, content, 'export.tsv'))
    assert (sheet.name, sheet.group, sheet.kind, sheet.fps) == ('tank 3', 'tank 3', 'boris', Fraction(25))
    assert sheet.media == ('a.mp4;b.mp4', 'c.mp4')
    assert rows(sheet) == [
        (2, 'chase', '1.5', '4'),
        (3, 'chase', '2', '5'),
        (4, 'bite', '3.25', '3.25'),
        (7, 'rest', '6', '8'),
    ]
    assert [entry.is_point for entry in sheet.entries] == [False, False, True, False]
    assert [(one.entry.line, one.reason) for one in sheet.dropped] == [(10, 'unpaired'), (8, 'unpaired')]


def test_a_time_offset_of_boris_is_in_its_times_and_begins_the_media(tmp_path: Path) -> None:
    rows = boris_row('chase', 'START', 101.5), boris_row('chase', 'STOP', 104)

    def with_offset(offset: str) -> str:
        return text(tmp_path, NEW_BORIS + ''.join(rows).replace('\t0\t60', f'\t{offset}\t60'), 'new.tsv')

    assert only(with_offset('100.25')).begins == Fraction('100.25')
    assert only(with_offset('NA')).begins == 0
    with pytest.raises(InputError, match='time offset .* is no time'):
        only(with_offset('soon'))
    older = 'Observation id\tone\nTime offset (s)\t-3.5\n\nTime\tBehavior\tStatus\n1\ts\tSTART\n2\ts\tSTOP\n'
    assert only(text(tmp_path, older, 'old.tsv')).begins == Fraction('-3.5')


def test_older_exports_of_boris_name_their_observation_above(tmp_path: Path) -> None:
    content = (
        'Observation id\tobservation #1\t\t\nMedia file(s)\t\t\t\nPlayer #1\tv.mp4\t\t\n\t\t\t\n'
        'Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus\n'
        '3.300\tv.mp4\t359.960\t25.0\ts1\ts\t\t\tSTART\n7.750\tv.mp4\t359.960\t25.0\ts1\ts\t\t\tSTOP\n'
        '9.900\tv.mp4\t359.960\t25.0\ts1\tp\t\t\tPOINT\n12\tv.mp4\t359.960\t25.0\ts1\ts\t\t\tSTART\n'
    )
    sheet = only(text(tmp_path, content, 'old.tsv'))
    assert (sheet.name, sheet.media, sheet.fps) == ('observation #1', ('v.mp4',), Fraction(25))
    assert rows(sheet) == [(6, 's', '3.300', '7.750'), (8, 'p', '9.900', '9.900')]
    assert [one.entry.line for one in sheet.dropped] == [9]


def test_aggregated_events_of_boris_hold_several_observations(tmp_path: Path) -> None:
    content = (
        'Observation id,Observation date,Description,Media file,Total length,FPS,Subject,Behavior,Behavioral category,'
        'Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,Comment stop\n'
        'one,2024,,C:\\films\\a.mp4,9,29.97,x,chase,,,STATE,1.000,2.500,1.5,,\n'
        'one,2024,,C:\\films\\a.mp4,9,29.97,x,bite,,,POINT,3.000,3.000,0,,\n'
        'two,2024,,b.mp4,9,29.97,x,chase,,,STATE,0.000,1.000,1,,\n'
    )
    one, two = sheets(text(tmp_path, content, 'aggregated.csv'))
    assert (one.name, one.media, two.media) == ('one', ('C:\\films\\a.mp4',), ('b.mp4',))
    assert rows(one) == [(2, 'chase', '1.000', '2.500'), (3, 'bite', '3.000', '3.000')]
    assert one.entries[1].is_point


def test_every_reason_to_drop_a_row_is_in_the_formats() -> None:
    formats = (Path(__file__).parents[2] / 'docs' / 'formats.md').read_text()
    assert [
        f'| `{reason}` | {why} |' for reason, why in DROPPED.items() if f'| `{reason}` | {why} |' not in formats
    ] == []
