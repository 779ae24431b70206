"""The files of a batch's footage: rows that overlap, of which every moment is told once."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from predict import segment_files, segments
from predict.batch_footage import FootageFiles
from predict.batch_scores import FrameScores
from predict.segment_files import Sample
from predict.segments import Rule, Segment, Track
from preprocess.failures import Interrupted
from preprocess.sheet_columns import ColumnChoice
from preprocess.sheet_formats import read_sheets

LABELS = ('cut', 'sew')
Find = Callable[[Track], list[Segment]]


def find(track: Track) -> list[Segment]:
    """Every sample for itself."""
    return segments.segments(track, LABELS, Rule(smooth_s=0))


def none_found(track: Track) -> list[Segment]:
    raise AssertionError('the segments of a row that overlaps with no other are those of the row')


class Rows:
    """Rows of a batch, each with its two files: of second 0 to 4 everything is `cut`, then `sew`."""

    def __init__(self, folder: Path, find: Find = find) -> None:
        self.folder = folder
        self.footage = FootageFiles(str(folder / 'scores'), find=find)
        self.count = 0

    def add(self, video: str, times: list[float], *, lasts: float = 1.0) -> None:
        self.count += 1
        stem = str(self.folder / f'{self.count:05d}')
        scores = np.array([(0.9, 0.1) if time < 4 else (0.2, 0.8) for time in times])
        begins = np.array(times, float)
        ends = np.array([*times[1:], times[-1] + 1]) if lasts > 1 else begins + lasts
        track = Track(video, begins, ends, scores)
        FrameScores(len(times), track).write(f'{stem}.npz')
        samples = [
            Sample(
                video, f'{video}#frame={time:g}', f'{video}#frame={time:g}', time, LABELS[int(row.argmax())], (*row,)
            )
            for time, row in zip(times, scores, strict=True)
        ]
        segment_files.write_samples(f'{stem}.csv', samples, LABELS)
        self.footage.add(stem, track, find(track))

    def written(self) -> list[tuple[str, float]]:
        """Which moments the scores are of."""
        self.footage.write_scores(lambda: None)
        with (self.folder / 'scores').open(encoding='utf-8', newline='') as opened:
            rows = list(csv.DictReader(opened))
        assert len(rows) == self.footage.samples
        assert all(row['frame'] == f'{row["video"]}#frame={float(row["time"]):g}' for row in rows)
        return [(row['video'], float(row['time'])) for row in rows]

    def found(self, video: str) -> list[tuple[float, float, str]]:
        return [(one.start, one.stop, one.label) for one in self.footage.by_video[video]]


def times(*bounds: int) -> list[float]:
    return [float(time) for time in range(*bounds)]


@pytest.mark.parametrize(
    'stretches',
    [
        [(0, 8), (1, 3), (3, 6)],  # within the first
        [(3, 6), (1, 3), (0, 8)],
        [(0, 8), (0, 8)],
        [(0, 5), (3, 8)],
        [(3, 8), (0, 5), (4, 6)],
        [(0, 3), (2, 5), (4, 8), (0, 1)],
    ],
)
def test_moments_that_several_rows_ask_for_are_told_once(tmp_path: Path, stretches: list[tuple[int, int]]) -> None:
    rows = Rows(tmp_path)
    for stretch in stretches:
        rows.add('a.mp4', times(*stretch))
    assert rows.written() == [('a.mp4', time) for time in times(8)]
    assert rows.found('a.mp4') == [(0.0, 4.0, 'cut'), (4.0, 8.0, 'sew')]


def test_rows_that_follow_one_another_keep_their_segments_in_order_of_time(tmp_path: Path) -> None:
    rows = Rows(tmp_path, none_found)
    for stretch in [(2, 4), (6, 8), (0, 2)]:
        rows.add('a.mp4', times(*stretch))
    assert [time for _, time in rows.written()] == [0, 1, 2, 3, 6, 7]
    assert rows.found('a.mp4') == [(0.0, 2.0, 'cut'), (2.0, 4.0, 'cut'), (6.0, 8.0, 'sew')]


def test_recordings_have_each_their_own(tmp_path: Path) -> None:
    rows = Rows(tmp_path, none_found)
    rows.add('b,"\n.mp4', times(3))
    rows.add('a.mp4', times(2))
    assert rows.written() == [('b,"\n.mp4', 0), ('b,"\n.mp4', 1), ('b,"\n.mp4', 2), ('a.mp4', 0), ('a.mp4', 1)]


def test_a_name_that_goes_over_lines_is_skipped_as_one(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    rows.add('odd\n"name".mp4', times(0, 4))
    rows.add('odd\n"name".mp4', times(2, 6))
    assert [time for _, time in rows.written()] == times(6)


def test_windows_some_frames_apart_leave_no_gap_where_rows_meet(tmp_path: Path) -> None:
    for shift in (0, 1):
        folder = tmp_path / str(shift)
        folder.mkdir()
        rows = Rows(folder)
        rows.add('a.mp4', times(0, 10, 2), lasts=2)
        rows.add('a.mp4', times(6 + shift, 16, 2), lasts=2)
        assert [time for _, time in rows.written()] == [*times(0, 10, 2), *times(10 - shift, 16, 2)]
        assert rows.found('a.mp4')[0] == (0.0, 4.0, 'cut')
        assert len(rows.found('a.mp4')) == 2


def test_events_of_rows_that_overlap_are_read_back_as_one_observation(tmp_path: Path) -> None:
    pytest.importorskip('openpyxl', reason='the extra `video` is not installed')
    rows = Rows(tmp_path)
    for stretch in [(0, 8), (1, 6), (3, 7)]:
        rows.add('a.mp4', times(*stretch))
    rows.written()
    rows.footage.write_workbooks(str(tmp_path / 'boris'))
    (sheet,) = read_sheets([str(tmp_path / 'boris' / 'a.xlsx')], ColumnChoice())
    assert [(entry.start, entry.stop, entry.label) for entry in sheet.entries] == [('0', '4', 'cut'), ('4', '8', 'sew')]
    assert not sheet.dropped


def test_an_interrupt_ends_the_copying_and_leaves_no_file(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    rows.add('a.mp4', times(3))

    def stop() -> None:
        raise Interrupted('interrupted', where='here', do='again')

    with pytest.raises(Interrupted):
        rows.footage.write_scores(stop)
    assert not (tmp_path / 'scores').exists()


def test_without_footage_nothing_is_written(tmp_path: Path) -> None:
    FootageFiles(str(tmp_path / 'scores'), find=none_found).write_scores(none_found)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
