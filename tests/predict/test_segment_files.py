"""Files of what was said of footage: columns, formulas made harmless, BORIS' columns, and the way back in."""

import csv
from pathlib import Path

import pytest

from predict import segment_files
from predict.segment_files import Sample
from predict.segments import Segment
from preprocess.sheet_columns import ColumnChoice
from preprocess.sheet_formats import read_sheets

SEGMENTS = [Segment(0.0, 12.5, 'CUT', 0.91), Segment(12.5, 20.04, 'SEW', 0.75)]


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(path.open(encoding='utf-8')))


def test_segments_are_a_row_each(tmp_path: Path) -> None:
    path = tmp_path / 'segments.csv'
    segment_files.write_segments(str(path), {'a.mp4': SEGMENTS, 'b.mp4': [], 'c,d.mp4': SEGMENTS[:1]})
    assert rows(path) == [
        ['video', 'start', 'stop', 'label', 'score'],
        ['a.mp4', '0.000', '12.500', 'CUT', '0.9100'],
        ['a.mp4', '12.500', '20.040', 'SEW', '0.7500'],
        ['c,d.mp4', '0.000', '12.500', 'CUT', '0.9100'],
    ]


def test_samples_carry_every_score(tmp_path: Path) -> None:
    path = tmp_path / 'scores.csv'
    one = Sample('a.mp4', 'a.mp4#frame=30', 'a.mp4#frame=0', 1.0, 'SEW', (0.25, 0.75))
    assert segment_files.write_samples(str(path), [one], ['CUT', 'SEW']) == 1
    assert rows(path) == [
        ['video', 'frame', 'time', 'first_frame', 'prediction', 'score_CUT', 'score_SEW'],
        ['a.mp4', 'a.mp4#frame=30', '1.000', 'a.mp4#frame=0', 'SEW', '0.25', '0.75'],
    ]


def test_a_label_is_never_a_formula(tmp_path: Path) -> None:
    path = tmp_path / 'segments.csv'
    segment_files.write_segments(str(path), {'=cmd.mp4': [Segment(0, 1, '=1+1', 0.5)]})
    assert rows(path)[1] == ["'=cmd.mp4", '0.000', '1.000', "'=1+1", '0.5000']


@pytest.mark.parametrize('label', ['=1+1', '-2', '@home', '+', "'quoted'", "'=", "''"])
def test_what_was_marked_against_formulas_is_read_back_as_it_was(tmp_path: Path, label: str) -> None:
    pytest.importorskip('openpyxl', reason='the extra `video` is not installed')
    segment_files.write_segments(str(tmp_path / 'segments.csv'), {'=odd.mp4': [Segment(1.5, 2.25, label, 0.9)]})
    segment_files.write_boris(str(tmp_path / 'events.xlsx'), [Segment(1.5, 2.25, label, 0.9)])

    plain, boris = read_sheets([str(tmp_path / name) for name in ('segments.csv', 'events.xlsx')], ColumnChoice())

    assert (plain.name, plain.media) == ('=odd', ('=odd.mp4',))
    assert [entry.label for sheet in (plain, boris) for entry in sheet.entries] == [label, label]


def test_boris_gets_a_start_and_a_stop_in_order_of_time(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip('openpyxl', reason='the extra `video` is not installed')
    path = tmp_path / 'a.xlsx'
    segment_files.write_boris(str(path), [*SEGMENTS, Segment(5.0, 6.0, 'LOOK', 0.6)])
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert [tuple(row) for row in sheet.iter_rows(values_only=True)] == [
        ('time', 'subject', 'code', 'modifier', 'comment'),
        (0, None, 'CUT', None, 'start, score 0.9100'),
        (5, None, 'LOOK', None, 'start, score 0.6000'),
        (6, None, 'LOOK', None, 'stop'),
        (12.5, None, 'CUT', None, 'stop'),
        (12.5, None, 'SEW', None, 'start, score 0.7500'),
        (20.04, None, 'SEW', None, 'stop'),
    ]
