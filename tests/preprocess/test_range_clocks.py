"""Sheets tied to videos that are there: their own lengths, frames and rates count."""

import csv
import json
from pathlib import Path

import pytest

from preprocess.failures import InputError
from preprocess.ranges import main
from tests import footage


def labelled(folder: Path, text: str, *flags: str, rate: int = 30, count: int = 300) -> list[tuple[str, ...]]:
    """What is written (start, stop, label, side) of a sheet of `b.mp4`, ten seconds long."""
    if not (folder / 'b.mp4').exists():
        footage.write_numbered(folder / 'b.mp4', count, times=rate)
    (folder / 'sheet.csv').write_text(f'video,label,start,stop\n{text}')
    assert main([str(folder / 'sheet.csv'), '--output_dir', str(folder / 'out'), *flags]) == 0
    with open(folder / 'out' / 'all_data.csv', newline='') as opened:
        return [(row[1], row[2], row[3], row[5]) for row in list(csv.reader(opened))[1:]]


def sheet_report(folder: Path) -> dict[str, object]:
    found: dict[str, list[dict[str, object]]] = json.loads((folder / 'out' / 'ranges_report.json').read_text())
    return found['sheets'][0]


def notes(folder: Path) -> list[str]:
    found: list[str] = json.loads((folder / 'out' / 'ranges_report.json').read_text())['notes']
    return found


def test_parts_are_of_the_recording_not_of_its_labels(tmp_path: Path) -> None:
    found = labelled(tmp_path, 'b.mp4,RED,0,5\nb.mp4,BLUE,5,9\n', '--contiguous', '0.8,0.2')
    assert found == [('0', '5', 'RED', 'train'), ('5', '8', 'BLUE', 'train'), ('8', '9', 'BLUE', 'eval')]


def test_a_stop_behind_the_end_moves_no_border_and_is_told(tmp_path: Path) -> None:
    found = labelled(tmp_path, 'b.mp4,BLUE,1,2\nb.mp4,RED,4,400\n', '--contiguous', '0.8,0.2')
    assert found == [('1', '2', 'BLUE', 'train'), ('4', '8', 'RED', 'train'), ('8', '400', 'RED', 'eval')]
    told = 'warning: b: row 3 (RED) stops at 400.000 s; the recording ends at 10.000 s'
    assert told in notes(tmp_path)


def test_a_part_without_labels_is_told(tmp_path: Path) -> None:
    labelled(tmp_path, 'b.mp4,RED,0,5\n', '--contiguous', '0.8,0.1,0.1')
    assert {note for note in notes(tmp_path) if 'nothing is labelled' in note} == {
        'warning: b: nothing is labelled in its eval part',
        'warning: b: nothing is labelled in its test part',
    }


def test_counts_of_frames_are_of_the_videos_own(tmp_path: Path) -> None:
    found = labelled(tmp_path, 'b.mp4,RED,0,10\n', '--contiguous', '150,150', rate=25, count=300)
    assert found == [('0', '6', 'RED', 'train'), ('6', '10', 'RED', 'eval')]
    assert not any('adds up' in note for note in notes(tmp_path))


def test_counts_that_are_not_the_recordings_are_told_with_both_numbers(tmp_path: Path) -> None:
    labelled(tmp_path, 'b.mp4,RED,0,10\n', '--contiguous', '150,100')
    assert any('adds up to 250 frames, the recording has 300' in note for note in notes(tmp_path))


def test_counts_that_leave_a_part_with_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='the eval part of b would begin at 10.000 s') as caught:
        labelled(tmp_path, 'b.mp4,RED,0,10\n', '--contiguous', '300,100')
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(('stop', 'tail'), [('8', [('8', '10', 'rest', 'train')]), ('10', []), ('10.5', [])])
def test_the_background_ends_with_the_recording(tmp_path: Path, stop: str, tail: list[tuple[str, ...]]) -> None:
    found = labelled(tmp_path, f'b.mp4,RED,1,{stop}\n', '--background', 'rest', '--eval_fraction', '0')
    assert found == [('0', '1', 'rest', 'train'), ('1', stop, 'RED', 'train'), *tail]


def test_the_frames_of_the_last_background_are_counted(tmp_path: Path) -> None:
    labelled(tmp_path, 'b.mp4,RED,1,8\n', '--background', 'rest')
    assert sheet_report(tmp_path)['frames'] == {'RED': 210, 'rest': 90}
    assert sheet_report(tmp_path)['seconds'] == {'RED': 7, 'rest': 3}


def test_a_gap_that_no_frame_is_shown_in_is_no_background(tmp_path: Path) -> None:
    found = labelled(tmp_path, 'b.mp4,RED,0,4.01\nb.mp4,BLUE,4.02,10\n', '--background', 'rest')
    assert [label for _, _, label, _ in found] == ['RED', 'BLUE']


def test_frames_are_counted_at_the_rate_of_the_video(tmp_path: Path) -> None:
    labelled(tmp_path, 'b.mp4,RED,1,8\n')
    assert sheet_report(tmp_path)['frames_per_second'] == '30'
    assert 'frames are counted at 30 a second, as in the videos' in notes(tmp_path)
    labelled(tmp_path, 'b.mp4,RED,1,8\n', '--fps', '10')
    assert sheet_report(tmp_path)['frames_per_second'] == '10'


def test_a_video_that_can_not_be_read_is_told_and_the_last_label_taken(tmp_path: Path) -> None:
    (tmp_path / 'b.mp4').write_bytes(b'no video')
    found = labelled(tmp_path, 'b.mp4,RED,0,10\n', '--contiguous', '0.8,0.2')
    assert found == [('0', '8', 'RED', 'train'), ('8', '10', 'RED', 'eval')]
    assert any("how long b.mp4 is isn't known" in note for note in notes(tmp_path))
    assert any('taken to end with its last label, at 10.000 s' in note for note in notes(tmp_path))


def test_a_row_without_a_frame_is_not_used_where_frames_are_what_is_labelled(tmp_path: Path) -> None:
    labelled(tmp_path, 'b.mp4,RED,4,9\nb.mp4,BLUE,4.01,4.02\n', '--ends', 'strict')
    assert (sheet_report(tmp_path)['used'], sheet_report(tmp_path)['dropped']) == (1, {'too-short': 1})
