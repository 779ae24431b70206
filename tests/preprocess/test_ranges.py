"""From sheets to frame ranges, labelled rows and a report, by the command."""

import csv
import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from preprocess import files
from preprocess.documents import DocsConfig, create_docs
from preprocess.failures import Failure, InputError, UsageError
from preprocess.labels import Labels
from preprocess.ranges import main
from preprocess.rows import Row, label_ids, read_csv
from tests.preprocess.sheet_files import lab_sheet, workbook

LIVE = Path(__file__).parents[3] / 'shared' / 'reference' / 'live'
needs_live = pytest.mark.skipif(not LIVE.exists(), reason='the published sheets of the lab are not here')
STRICT = ['--ends', 'strict', '--frame_base', '0', '--ignore', 'none']
LABELLED_FRAMES = {'P5': 97_070, 'P6': 115_999, 'P7': 133_682, 'P8': 140_706}


def cells(path: Path | str) -> list[list[str]]:
    with open(path, newline='') as opened:
        return list(csv.reader(opened))


def rows(path: Path | str) -> list[Row]:
    found = list(read_csv(str(path)))
    assert all(isinstance(row, Row) for row in found), found
    return [row for row in found if isinstance(row, Row)]


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def report(folder: Path) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads((folder / 'ranges_report.json').read_text())
    return found


def sheets(folder: Path, *names: str) -> list[str]:
    """Sheets of the lab whose subjects do two things, for ten seconds each, with pauses of ten."""
    return [lab_sheet(folder / f'{name}.csv', [('CUT', 10, 20), ('SEW', 30, 40), ('CUT', 50, 60)]) for name in names]


@needs_live
def test_the_labs_frame_ranges_are_reproduced_to_the_byte(tmp_path: Path) -> None:
    assert main([str(LIVE / 'rawcsv'), '--output_dir', str(tmp_path)]) == 0
    for name in LABELLED_FRAMES:
        ours = (tmp_path / 'framecsv' / f'{name}frame.csv').read_bytes()
        assert ours == (LIVE / 'framecsv' / f'{name}frame.csv').read_bytes()


@needs_live
def test_the_labs_ranges_by_label_are_those_of_its_frame_ranges(tmp_path: Path) -> None:
    main([str(LIVE / 'rawcsv'), '--output_dir', str(tmp_path)])
    for name in LABELLED_FRAMES:
        by_label: dict[str, list[list[str]]] = {}
        for label, start, stop in cells(LIVE / 'framecsv' / f'{name}frame.csv')[1:]:
            by_label.setdefault(label, []).append([start, stop])
        assert {path.stem: cells(path) for path in (tmp_path / 'ranges' / name).iterdir()} == by_label


@needs_live
def test_the_labs_strict_rule_labels_the_frames_it_labelled(tmp_path: Path) -> None:
    main([str(LIVE / 'rawcsv'), '--output_dir', str(tmp_path), *STRICT])
    found = {str(sheet['name']): sheet for sheet in report(tmp_path)['sheets']}
    assert {name: sum(sheet['frames'].values()) for name, sheet in found.items()} == LABELLED_FRAMES  # type: ignore[attr-defined]
    assert {name: (sheet['rows'], sheet['unlabelled']) for name, sheet in found.items()} == {
        'P5': (112, 0),
        'P6': (185, 90),
        'P7': (150, 0),
        'P8': (185, 0),
    }
    assert found['P8']['dropped'] == {'zero-length': 2}


@pytest.mark.slow
@needs_live
@pytest.mark.parametrize('names', [('P5',), pytest.param(('P6', 'P7', 'P8'), marks=pytest.mark.slow)])
def test_extracted_frames_of_the_lab_get_the_same_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    # A storage that knows the names of all frames, which nobody has to write.
    subjects = {name: int(name[1:]) - 4 for name in names}
    listed = {f'S{subject}C2{number:06}.jpg': False for subject in subjects.values() for number in range(1, 330_001)}
    monkeypatch.setattr(files, 'entries', lambda folder: listed if folder.endswith('frames') else {})
    argv = [*(str(LIVE / 'rawcsv' / f'{name}.csv') for name in names), '--output_dir', str(tmp_path), *STRICT]
    tied = ','.join(f'{name}={subject}' for name, subject in subjects.items())
    assert main([*argv, '--frames', '/far/frames/S{subject}C{camera}{frame}.jpg', '--subjects', tied]) == 0
    found = cells(tmp_path / 'all_data.csv')[1:]
    assert Counter(row[4] for row in found) == {name: LABELLED_FRAMES[name] for name in names}
    if 'P5' in names:
        # The sheet says frames 5998.35 to 7011.74.
        assert next(row[0] for row in found if row[3] == 'COMBAT TOURNIQUET') == '/far/frames/S1C2005999.jpg'


def test_a_sheet_with_every_quirk_of_the_lab_is_read(tmp_path: Path) -> None:
    path = lab_sheet(
        tmp_path / 'P11.csv',
        [
            ('PLACE CUFF', 10, 20.5),
            ('PULSE-OX', 20, 30),
            ('', 1, 2),
            ('IV LINE', None, 40),
            ('SEW', 50, None),
            ('CUT', 70, 60),
        ],
        header='ignore,IGNORE,Original_Start_Time,Original_Stop_Time,Video_Start,Video_Stop,Total_Time',
    )
    assert main([path, '--output_dir', str(tmp_path / 'out')]) == 0
    (sheet,) = report(tmp_path / 'out')['sheets']
    assert (sheet['rows'], sheet['used'], sheet['unlabelled']) == (7, 2, 1)
    assert sheet['dropped'] == {'empty-time': 2, 'inverted': 1, 'zero-length': 1}
    assert sheet['overlaps'] == [{'rows': [3, 4], 'labels': ['PLACE CUFF', 'PULSE-OX'], 'seconds': 0.5}]
    frames = cells(tmp_path / 'out' / 'framecsv' / 'P11frame.csv')
    assert frames[0] == ['IGNORE', 'Original_Start_Time', 'Original_Stop_Time']
    # An empty time is midnight to the lab's programs; their rows stay comparable one by one.
    assert [row[0] for row in frames[1:]] == ['CLAP', 'PLACE CUFF', 'PULSE-OX', 'IV LINE', 'SEW', 'CUT']
    assert float(frames[4][1]) == -33718.740439 * (30000 / 1001)
    assert [row[1:3] + row[5:6] for row in cells(tmp_path / 'out' / 'dropped_rows.csv')[1:]] == [
        ['2', 'CLAP', 'zero-length'],
        ['6', 'IV LINE', 'empty-time'],
        ['7', 'SEW', 'empty-time'],
        ['8', 'CUT', 'inverted'],
    ]


def test_without_footage_frame_ranges_alone_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*sheets(tmp_path, 'P5'), '--output_dir', str(tmp_path / 'out')]) == 0
    assert sorted(os.listdir(tmp_path / 'out')) == ['dropped_rows.csv', 'framecsv', 'ranges', 'ranges_report.json']
    captured = capsys.readouterr()
    assert 'no video and no frames are named' in captured.err
    assert captured.out.splitlines()[1].split() == [
        'P5',
        'P5',
        '4',
        '3',
        '0',
        '1',
        '0',
        '30',
        '899',
        'zero-length',
        '1',
    ]


def test_rows_of_videos_are_read_by_the_pipeline_as_they_are(tmp_path: Path) -> None:
    touch(tmp_path, *(f'S{s}C{c}/GX0{part}0001.MP4' for s in (1, 2, 3) for c in (1, 2) for part in (1, 2)))
    out = tmp_path / 'out'
    argv = [
        *sheets(tmp_path, 'P5', 'P6', 'P7'),
        '--videos',
        f'{tmp_path}/S{{subject}}C*/*.MP4',
        '--subjects',
        'P5-P7=1-3',
    ]
    assert main([*argv, '--split', 'train=P5,eval=P6,test=P7', '--output_dir', str(out)]) == 0
    assert cells(out / 'all_data.csv')[:2] == [
        ['image', 'start', 'stop', 'label', 'group', 'split'],
        [f'{tmp_path}/S1C1/', '10', '20', 'CUT', 'P5', 'train'],
    ]
    found = rows(out / 'all_data.csv')
    assert len(found) == 18
    assert {(row.recording, row.group, row.split) for row in found} == {
        (f'{tmp_path}/S{subject}C{camera}/', f'P{subject + 4}', side)
        for subject, side in ((1, 'train'), (2, 'eval'), (3, 'test'))
        for camera in (1, 2)
    }
    assert [(row.start, row.stop, row.labels) for row in found[:3]] == [
        (10, 20, ('CUT',)),
        (30, 40, ('SEW',)),
        (50, 60, ('CUT',)),
    ]
    labels = Labels.read(str(out / 'dict.txt'))
    assert labels.names == ('CUT', 'SEW')
    assert [label_ids(row, labels) for row in found[:2]] == [(0,), (1,)]
    result = create_docs(DocsConfig(str(out / 'all_data.csv'), str(tmp_path / 'data')))
    assert result.counts == {
        (label, side): n for label, n in (('CUT', 4), ('SEW', 2)) for side in ('train', 'eval', 'test')
    }
    for side in ('train', 'eval', 'test'):
        assert [row.uri for row in rows(result.paths[side])] == [row.uri for row in rows(out / f'{side}_set.csv')]


def test_every_camera_may_begin_at_another_moment(tmp_path: Path) -> None:
    touch(tmp_path, 'S1C1/a.mp4', 'S1C2/a.mp4', 'S1C3/a.mp4')
    argv = [
        *sheets(tmp_path, 'P5'),
        '--videos',
        f'P5={tmp_path}/S1C{{camera}}/a.mp4',
        '--output_dir',
        str(tmp_path / 'out'),
    ]
    assert main([*argv, '--video_offset', '2.5', '--video_offset', 'S1C2=-15', '--video_offset', '3=100']) == 0
    begins = {row.recording[-10:-6]: [] for row in rows(tmp_path / 'out' / 'all_data.csv')}
    for row in rows(tmp_path / 'out' / 'all_data.csv'):
        begins[row.recording[-10:-6]].append((row.start, row.stop))
    assert begins == {
        'S1C1': [(12.5, 22.5), (32.5, 42.5), (52.5, 62.5)],
        'S1C2': [(0, 5), (15, 25), (35, 45)],
        'S1C3': [(110, 120), (130, 140), (150, 160)],
    }
    with pytest.raises(InputError, match='called S1C9'):
        main([*argv, '--video_offset', 'S1C9=1'])


def frames_of(tmp_path: Path, numbers: Sequence[int], *, width: int = 6) -> str:
    touch(tmp_path, *(f'f/S1C2{number:0{width}}.jpg' for number in numbers))
    return f'{tmp_path}/f/S{{subject}}C{{camera}}{{frame:{width}}}.jpg'


def labels_by_number(path: Path) -> dict[int, str]:
    return {int(row.uri[-10:-4]): '|'.join(row.labels) for row in rows(path)}


@pytest.mark.parametrize(
    ('numbers', 'flags', 'expected'),
    [
        # At one frame a second, number 11 is shown 10 s after number 1.
        (range(1, 71), [], {'CUT': [*range(11, 21), *range(51, 61)], 'SEW': [*range(31, 41)]}),
        (range(0, 70), [], {'CUT': [*range(10, 20), *range(50, 60)], 'SEW': [*range(30, 40)]}),
        (range(1, 71), ['--frame_base', '0'], {'CUT': [*range(10, 20), *range(50, 60)], 'SEW': [*range(30, 40)]}),
        (range(1, 71), ['--ends', 'strict'], {'CUT': [*range(12, 21), *range(52, 61)], 'SEW': [*range(32, 41)]}),
        (range(1, 71), ['--ends', 'closed'], {'CUT': [*range(11, 22), *range(51, 62)], 'SEW': [*range(31, 42)]}),
        (range(1, 71), ['--video_offset', '-5.5'], {'CUT': [*range(6, 16), *range(46, 56)], 'SEW': [*range(26, 36)]}),
        (range(5, 71, 10), [], {'CUT': [15, 55], 'SEW': [35]}),
        # Every seventh from the first: 1, 8, 15 …
        (range(1, 71), ['--stride', '7'], {'CUT': [15, 57], 'SEW': [36]}),
    ],
)
def test_frames_are_labelled_by_their_numbers(
    tmp_path: Path, numbers: Sequence[int], flags: list[str], expected: dict[str, list[int]]
) -> None:
    argv = [
        *sheets(tmp_path, 'P5'),
        '--frames',
        frames_of(tmp_path, numbers),
        '--fps',
        '1',
        '--output_dir',
        str(tmp_path / 'out'),
    ]
    assert main([*argv, *flags]) == 0
    found = labels_by_number(tmp_path / 'out' / 'all_data.csv')
    assert found == {number: label for label, held in expected.items() for number in held}


def test_frames_that_ranges_hold_and_nobody_extracted_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*sheets(tmp_path, 'P5'), '--fps', '1', '--output_dir', str(tmp_path / 'out')]
    main([*argv, '--frames', frames_of(tmp_path, range(1, 66))])
    assert 'not there' not in capsys.readouterr().err
    for number in range(52, 57):
        os.unlink(tmp_path / 'f' / f'S1C2{number:06}.jpg')
    main([*argv, '--frames', frames_of(tmp_path, range(1, 46))])
    said = 'warning: 5 that its ranges hold are not there: P5 (2): 60 frames, 1 to 65, the first is 1; 25 labelled'
    assert said in capsys.readouterr().err
    main([*argv, '--frames', frames_of(tmp_path, range(1, 46)), '--stride', '2'])
    assert 'warning: 2 that its ranges hold are not there' in capsys.readouterr().err
    main([*argv, '--frames', frames_of(tmp_path, range(1, 46)), '--fps', '3'])
    assert 'labelled; were there 3 frames of each second? --fps says another rate' in capsys.readouterr().err


def test_the_background_gets_a_label_where_one_is_given(tmp_path: Path) -> None:
    path = lab_sheet(tmp_path / 'P5.csv', [('CUT', 2, 4), ('CLAP', 5, 7)])
    pattern = frames_of(tmp_path, range(1, 11))
    main([path, '--frames', pattern, '--fps', '1', '--background', 'rest', '--output_dir', str(tmp_path / 'out')])
    # Frames 6 and 7 are of a label that is ignored: neither CUT nor the background.
    assert labels_by_number(tmp_path / 'out' / 'all_data.csv') == {
        **dict.fromkeys([3, 4], 'CUT'),
        **dict.fromkeys([1, 2, 5, 8, 9, 10], 'rest'),
    }
    assert (tmp_path / 'out' / 'dict.txt').read_text() == 'CUT\nrest\n'


def test_the_background_of_a_video_goes_on_to_its_end(tmp_path: Path) -> None:
    touch(tmp_path, 'P5.mp4')
    argv = [
        *sheets(tmp_path, 'P5'),
        '--videos',
        f'{tmp_path}/P5.mp4',
        '--background',
        'rest',
        '--output_dir',
        str(tmp_path / 'out'),
    ]
    assert main(argv) == 0
    assert [(row.start, row.stop) for row in rows(tmp_path / 'out' / 'all_data.csv') if row.labels == ('rest',)] == [
        (0, 10),
        (20, 30),
        (40, 50),
        (60, None),
    ]


def test_overlapping_labels_are_rows_of_several_labels_where_all_count(tmp_path: Path) -> None:
    path = lab_sheet(tmp_path / 'P5.csv', [('CUT', 2, 6), ('A|B', 4, 8)])
    touch(tmp_path, 'P5.mp4')
    main([path, '--videos', f'{tmp_path}/P5.mp4', '--overlap', 'all', '--output_dir', str(tmp_path / 'out')])
    assert [(row.start, row.stop, row.labels) for row in rows(tmp_path / 'out' / 'all_data.csv')] == [
        (2, 4, ('CUT',)),
        (4, 6, ('CUT', 'A|B')),
        (6, 8, ('A|B',)),
    ]


def test_video_rows_by_another_rule_have_their_borders_between_frames(tmp_path: Path) -> None:
    path = lab_sheet(tmp_path / 'P5.csv', [('CUT', 2, 4)])
    touch(tmp_path, 'P5.mp4')
    for ends, borders in (('half_open', (2, 4)), ('strict', (2.05, 3.95)), ('closed', (1.95, 4.05))):
        main(
            [
                path,
                '--videos',
                f'{tmp_path}/P5.mp4',
                '--ends',
                ends,
                '--fps',
                '10',
                '--output_dir',
                str(tmp_path / 'out'),
            ]
        )
        assert [(row.start, row.stop) for row in rows(tmp_path / 'out' / 'all_data.csv')] == [borders]


def test_ranges_of_the_only_subject_are_split_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lab_sheet(
        tmp_path / 'P5.csv', [(label, 10 * k, 10 * k + 10) for k, label in enumerate(['CUT', 'SEW', 'TIE'] * 5)]
    )
    argv = [
        path,
        '--fps',
        '1',
        '--eval_fraction',
        '0.2',
        '--test_fraction',
        '0.2',
        '--output_dir',
        str(tmp_path / 'out'),
    ]
    assert main([*argv, '--frames', frames_of(tmp_path, range(1, 151))]) == 0
    sides = {int(row.uri[-10:-4]): row.split for row in rows(tmp_path / 'out' / 'all_data.csv')}
    assert [len({sides[number] for number in range(begin, begin + 10)}) for begin in range(1, 151, 10)] == [1] * 15
    by_label = Counter((row.labels[0], row.split) for row in rows(tmp_path / 'out' / 'all_data.csv'))
    assert by_label == {
        (label, side): n for label in ('CUT', 'SEW', 'TIE') for side, n in (('train', 30), ('eval', 10), ('test', 10))
    }
    assert 'P5 is the only group, so its ranges are split' in capsys.readouterr().err


def test_subjects_are_kept_back_whole_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, *(f'P{number}.mp4' for number in range(5, 12)))
    argv = [*sheets(tmp_path, *(f'P{number}' for number in range(5, 12))), '--videos', f'{tmp_path}/*.mp4']
    assert main([*argv, '--test_fraction', '0.3', '--output_dir', str(tmp_path / 'out')]) == 0
    sides = {(row.group, row.split) for row in rows(tmp_path / 'out' / 'all_data.csv')}
    assert Counter(side for _, side in sides) == {'train': 4, 'eval': 1, 'test': 2}
    told = next(line for line in capsys.readouterr().err.splitlines() if line.startswith('kept back by chance'))
    assert all(f'{group} {side}' in told for group, side in sides if side != 'train')


def test_every_subject_can_be_left_out(tmp_path: Path) -> None:
    touch(tmp_path, 'P5.mp4', 'P6.mp4', 'P7.mp4')
    out = tmp_path / 'out'
    argv = [*sheets(tmp_path, 'P5', 'P6', 'P7'), '--videos', f'{tmp_path}/*.mp4', '--output_dir', str(out)]
    assert main([*argv, '--leave_one_out']) == 0
    assert {path.name for path in (out / 'leave_one_out').iterdir()} == {'P5', 'P6', 'P7'}
    assert {row.group for row in rows(out / 'leave_one_out/P6/train_set.csv')} == {'P5', 'P7'}
    assert {row.group for row in rows(out / 'leave_one_out/P6/eval_set.csv')} == {'P6'}
    assert {row.split for row in rows(out / 'all_data.csv')} == {None}
    assert not (out / 'eval_set.csv').exists()


def test_recordings_are_cut_in_time_at_the_border_itself(tmp_path: Path) -> None:
    path = lab_sheet(tmp_path / 'P5.csv', [('CUT', 0, 50), ('SEW', 50, 100)])
    touch(tmp_path, 'P5.mp4')
    main([path, '--videos', f'{tmp_path}/P5.mp4', '--contiguous', '0.7,0.1,0.2', '--output_dir', str(tmp_path / 'out')])
    assert [(row.start, row.stop, row.labels[0], row.split) for row in rows(tmp_path / 'out' / 'all_data.csv')] == [
        (0, 50, 'CUT', 'train'),
        (50, 70, 'SEW', 'train'),
        (70, 80, 'SEW', 'eval'),
        (80, 100, 'SEW', 'test'),
    ]
    pattern = frames_of(tmp_path, range(1, 121))
    main([path, '--frames', pattern, '--fps', '1', '--contiguous', '60,20,40', '--output_dir', str(tmp_path / 'out')])
    sides = {int(row.uri[-10:-4]): row.split for row in rows(tmp_path / 'out' / 'all_data.csv')}
    assert sides == {
        number: 'train' if number <= 60 else 'eval' if number <= 80 else 'test' for number in range(1, 101)
    }


def test_all_cameras_are_cut_at_the_same_moment(tmp_path: Path) -> None:
    path = lab_sheet(tmp_path / 'P5.csv', [('CUT', 0, 50), ('SEW', 50, 100)])
    touch(tmp_path, 'C1/a.mp4', 'C2/a.mp4')
    argv = [
        path,
        '--videos',
        f'P5={tmp_path}/C*/a.mp4',
        '--video_offset',
        'C2=10',
        '--output_dir',
        str(tmp_path / 'out'),
    ]
    assert main([*argv, '--contiguous', '0.7,0.3']) == 0
    found = [(row.recording[-8:-6], row.start, row.stop, row.split) for row in rows(tmp_path / 'out' / 'all_data.csv')]
    assert found == [
        ('C1', 0, 50, 'train'),
        ('C1', 50, 70, 'train'),
        ('C1', 70, 100, 'eval'),
        ('C2', 10, 60, 'train'),
        ('C2', 60, 80, 'train'),
        ('C2', 80, 110, 'eval'),
    ]


def test_what_overlaps_leave_of_a_range_is_a_row_however_short_it_is(tmp_path: Path) -> None:
    path = lab_sheet(tmp_path / 'P5.csv', [('CUT', 10, 20), ('SEW', 9.99, 30), ('TIE', 29.5, 40), ('JAB', 50, 50.01)])
    touch(tmp_path, 'P5.mp4')
    argv = [path, '--videos', f'{tmp_path}/P5.mp4', '--output_dir', str(tmp_path / 'out')]
    main([*argv, '--background', 'rest'])
    found = [(row.start, row.stop, row.labels[0]) for row in rows(tmp_path / 'out' / 'all_data.csv')]
    # Whether a frame is shown in the 0.01 s of SEW before CUT, the recording alone tells.
    assert found == [
        (0, 9.99, 'rest'),
        (9.99, 10, 'SEW'),
        (10, 20, 'CUT'),
        (20, 30, 'SEW'),
        (30, 40, 'TIE'),
        (40, 50, 'rest'),
        (50, 50.01, 'JAB'),
        (50.01, None, 'rest'),
    ]
    main([*argv, '--overlap', 'reject'])
    assert [row.labels[0] for row in rows(tmp_path / 'out' / 'all_data.csv')] == ['JAB']


def test_a_frame_between_the_borders_of_two_labels_keeps_its_label(tmp_path: Path) -> None:
    touch(tmp_path, 'b.mp4')
    path = tmp_path / 'sheet.csv'
    path.write_text('video,label,start,stop\nb.mp4,RED,4,9\nb.mp4,BLUE,4.01,4.02\n')
    main([str(path), '--overlap', 'all', '--output_dir', str(tmp_path / 'out')])
    assert [(row.start, row.stop, row.labels) for row in rows(tmp_path / 'out' / 'all_data.csv')] == [
        (4, 4.01, ('RED',)),
        (4.01, 4.02, ('RED', 'BLUE')),
        (4.02, 9, ('RED',)),
    ]


def test_every_row_that_counts_as_used_is_a_row_of_the_result(tmp_path: Path) -> None:
    touch(tmp_path, 'b.mp4')
    path = tmp_path / 'sheet.csv'
    path.write_text('video,label,start,stop\nb.mp4,GREEN,1,4\nb.mp4,RED,4.01,9\nb.mp4,BLUE,3.99,4.02\n')
    main([str(path), '--output_dir', str(tmp_path / 'out')])
    assert {row.labels[0] for row in rows(tmp_path / 'out' / 'all_data.csv')} == {'GREEN', 'RED', 'BLUE'}
    assert report(tmp_path / 'out')['sheets'][0]['used'] == 3


def test_the_report_tells_what_to_look_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = lab_sheet(tmp_path / 'P5.csv', [('CUT', 10, 20), ('DRILL', 30, 40), ('SEW', 35, 50)])
    second = lab_sheet(tmp_path / 'P6.csv', [('CUT', 10, 20), ('SEW', 30.0, 30.001)])
    touch(tmp_path, 'P5.mp4', 'P6.mp4')
    main(
        [
            first,
            second,
            '--videos',
            f'{tmp_path}/*.mp4',
            '--split',
            'train=P5,eval=P6',
            '--output_dir',
            str(tmp_path / 'out'),
        ]
    )
    told = capsys.readouterr().err
    for line in (
        'warning: in one group only: DRILL (P5)',
        'warning: the eval set has nothing of DRILL',
        'warning: P5: overlapping: rows 4 and 5 (DRILL, SEW) 5.000 s',
        'warning: P6: too short for a frame: row 4 (SEW)',
    ):
        assert line in told
    assert 'zero-length' not in told
    assert {line for line in report(tmp_path / 'out')['notes'] if str(line).startswith('warning')} == {
        line for line in told.splitlines() if line.startswith('warning')
    }


def test_what_an_earlier_run_wrote_and_this_one_does_not_is_taken_away(tmp_path: Path) -> None:
    out = tmp_path / 'out'
    touch(tmp_path, 'P5.mp4', 'P6.mp4', 'out/ranges/P5/mine.txt')
    argv = [*sheets(tmp_path, 'P5', 'P6'), '--videos', f'{tmp_path}/*.mp4', '--output_dir', str(out)]
    main([*argv, '--split', 'train=P5,eval=P6'])
    assert (out / 'framecsv' / 'P6frame.csv').exists() and (out / 'eval_set.csv').exists()
    lab_sheet(tmp_path / 'P5.csv', [('TIE', 1, 2)])
    main([str(tmp_path / 'P5.csv'), '--output_dir', str(out)])
    left = sorted(str(path.relative_to(out)) for path in out.rglob('*') if path.is_file())
    assert left == [
        'dropped_rows.csv',
        'framecsv/P5frame.csv',
        'ranges/P5/CLAP.csv',
        'ranges/P5/TIE.csv',
        'ranges/P5/mine.txt',
        'ranges_report.json',
    ]


def test_labels_that_no_file_can_be_called_get_a_name_all_the_same(tmp_path: Path) -> None:
    odd = ['a/b', '..', '.hidden', '=1+1', 'ä " ,', 'x' * 300]
    quoted = [label.replace('"', '""') for label in odd]
    path = tmp_path / 'sheet.csv'
    path.write_text(
        'video,label,start,stop\n'
        + ''.join(f'v.mp4,"{label}",{k},{k + 1}\n' for k, label in enumerate(quoted))
        + 'v.mp4,"=bad",x,y\n'
    )
    touch(tmp_path, 'v.mp4')
    assert main([str(path), '--output_dir', str(tmp_path / 'out')]) == 0
    assert len(list((tmp_path / 'out' / 'ranges' / 'v').iterdir())) == len(odd)
    assert [row.labels[0] for row in rows(tmp_path / 'out' / 'all_data.csv')] == odd
    # A spreadsheet that opens the list of dropped rows must not compute them.
    assert cells(tmp_path / 'out' / 'dropped_rows.csv')[1][2] == "'=bad"


def test_a_workbook_in_name_alone_is_called_so(tmp_path: Path) -> None:
    (tmp_path / 'a.xlsx').write_bytes(b'\x00\xff\xfe not a workbook \xe9')
    with pytest.raises(InputError, match='not a workbook'):
        main([str(tmp_path / 'a.xlsx'), '--output_dir', str(tmp_path / 'out')])


def test_events_as_boris_imports_them_are_ranges(tmp_path: Path) -> None:
    lines: list[list[object]] = [
        ['time', 'subject', 'code', 'modifier', 'comment'],
        [1.5, None, 'run', None, 'start, score 0.9312'],
        [2.25, None, 'run', None, 'stop'],
        [2.25, None, 'sit', None, 'start, score 0.8000'],
        [4, None, 'sit', None, 'stop'],
    ]
    touch(tmp_path, 'v.mp4')
    path = workbook(tmp_path / 'v.xlsx', {'events': lines})
    main([path, '--videos', f'{tmp_path}/v.mp4', '--output_dir', str(tmp_path / 'out')])
    assert cells(tmp_path / 'out' / 'all_data.csv')[1:] == [
        [f'{tmp_path}/v.mp4', '1.5', '2.25', 'run', 'v', 'train'],
        [f'{tmp_path}/v.mp4', '2.25', '4', 'sit', 'v', 'train'],
    ]


def test_a_workbook_gives_the_rows_of_the_same_csv(tmp_path: Path) -> None:
    lines = [
        ['video', 'label', 'start', 'stop'],
        ['v.mp4', 'run', 1.5, 2.25],
        ['v.mp4', 'sit', '0:00:03', '0:00:04.125'],
    ]
    touch(tmp_path, 'v.mp4')
    (tmp_path / 'a.csv').write_text('\n'.join(','.join(map(str, line)) for line in lines))
    for path in (str(tmp_path / 'a.csv'), workbook(tmp_path / 'b.xlsx', {'Sheet1': lines})):
        main([path, '--output_dir', str(tmp_path / 'out')])
        assert cells(tmp_path / 'out' / 'all_data.csv')[1:] == [
            [f'{tmp_path}/v.mp4', '1.5', '2.25', 'run', 'v', 'train'],
            [f'{tmp_path}/v.mp4', '3', '4.125', 'sit', 'v', 'train'],
        ]


@pytest.mark.parametrize(
    ('flags', 'where'),
    [
        (['--videos', 'a.mp4', '--frames', '{frame}.jpg'], '--videos and --frames'),
        (['--leave_one_out', '--contiguous', '0.5,0.5'], '--leave_one_out and --contiguous'),
        (['--stride', '2'], '--stride'),
        (['--frames', '{frame}.jpg', '--stride', '0'], '--stride'),
        (['--fps', '0'], '--fps'),
        (['--fps', 'fast'], '--fps'),
        (['--frame_base', '2'], 'python -m preprocess.ranges'),
        (['--point_seconds', 'x'], '--point_seconds'),
        (['--origin', 'P9=CLAP'], '--origin'),
        (['--video_offset', 'P9=1'], '--video_offset'),
        (['--split', 'train=P5,eval=P9'], '--split'),
        (['--videos', 'P9=x.mp4'], '--videos P9=x.mp4'),
        (['--overlaps', 'all'], 'python -m preprocess.ranges'),
    ],
)
def test_a_mistake_is_named_with_its_flag(tmp_path: Path, flags: list[str], where: str) -> None:
    with pytest.raises(Failure) as caught:
        main([*sheets(tmp_path, 'P5'), '--output_dir', str(tmp_path / 'out'), *flags])
    assert caught.value.where == where
    assert len(caught.value.lines().splitlines()) == 3
    assert not (tmp_path / 'out').exists()


def test_frames_of_a_plain_sheet_need_their_rate(tmp_path: Path) -> None:
    (tmp_path / 'P5.csv').write_text('label,start,stop\nCUT,1,2\n')
    with pytest.raises(UsageError, match='how many frames a second') as caught:
        main(
            [
                str(tmp_path / 'P5.csv'),
                '--frames',
                frames_of(tmp_path, range(1, 5)),
                '--output_dir',
                str(tmp_path / 'out'),
            ]
        )
    assert '--fps 30000/1001' in caught.value.do


def test_nothing_to_label_is_an_error(tmp_path: Path) -> None:
    argv = [
        *sheets(tmp_path, 'P5'),
        '--frames',
        frames_of(tmp_path, range(1, 5)),
        '--output_dir',
        str(tmp_path / 'out'),
    ]
    with pytest.raises(InputError, match='nothing is labelled'):
        main([*argv, '--fps', '1'])


def test_a_sheet_that_would_be_overwritten_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'all_data.csv').write_text('label,start,stop\nCUT,1,2\n')
    with pytest.raises(InputError, match='would be overwritten'):
        main([str(tmp_path / 'all_data.csv'), '--output_dir', str(tmp_path)])
    with pytest.raises(InputError, match='no such sheet'):
        main([str(tmp_path / 'gone*.csv'), '--output_dir', str(tmp_path)])


def test_the_order_of_sheets_on_the_command_line_does_not_matter(tmp_path: Path) -> None:
    touch(tmp_path, *(f'P{number}.mp4' for number in (5, 6, 10)))
    paths = sheets(tmp_path, 'P5', 'P6', 'P10')
    written = set()
    for _ in range(3):
        random.Random(len(written)).shuffle(paths)
        main([*paths, '--videos', f'{tmp_path}/*.mp4', '--output_dir', str(tmp_path / 'out')])
        written.add((tmp_path / 'out' / 'all_data.csv').read_bytes())
    assert len(written) == 1


def test_sheets_frames_and_results_may_be_on_an_object_store(tmp_path: Path, place: str) -> None:
    (path,) = sheets(tmp_path, 'P5')
    files.copy(path, f'{place}/rawcsv/P5.csv')
    for number in (1, 15, 35, 70):
        files.write_atomic(f'{place}/frames/S1C2/S1C2{number:06}.jpg', b'x')
    argv = [f'{place}/rawcsv/*.csv', '--output_dir', f'{place}/out', '--fps', '1', '--eval_fraction', '0']
    assert (
        main([*argv, '--frames', f'{place}/frames/S{{subject}}C{{camera}}/S{{subject}}C{{camera}}{{frame}}.jpg']) == 0
    )
    found = [row for row in read_csv(f'{place}/out/all_data.csv') if isinstance(row, Row)]
    assert [(row.uri, row.labels, row.split) for row in found] == [
        (f'{place}/frames/S1C2/S1C2000015.jpg', ('CUT',), 'train'),
        (f'{place}/frames/S1C2/S1C2000035.jpg', ('SEW',), 'train'),
    ]
    assert files.read_text(f'{place}/out/dict.txt') == 'CUT\nSEW\n'


def test_videos_may_be_on_an_object_store(tmp_path: Path, place: str) -> None:
    for name in ('S1C1/a.mp4', 'S1C1/b.mp4', 'S1C2/a.mp4', 'S1C2/notes.txt'):
        files.write_atomic(f'{place}/{name}', b'x')
    argv = [*sheets(tmp_path, 'P5'), '--videos', f'P5={place}/S1C*/*.mp4', '--output_dir', str(tmp_path / 'out')]
    assert main(argv) == 0
    assert {row.recording for row in rows(tmp_path / 'out' / 'all_data.csv')} == {
        f'{place}/S1C1/',
        f'{place}/S1C2/a.mp4',
    }
    # A sheet that lies there names what lies beside it.
    files.write_atomic(f'{place}/sheet.csv', b'video,label,start,stop\nS1C2/a.mp4,run,0,1\n')
    assert main([f'{place}/sheet.csv', '--output_dir', str(tmp_path / 'plain')]) == 0
    assert {row.recording for row in rows(tmp_path / 'plain' / 'all_data.csv')} == {f'{place}/S1C2/a.mp4'}
