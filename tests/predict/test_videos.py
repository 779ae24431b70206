"""Footage on the command line: segments to the frame, files, damage that costs only itself, windows across cuts."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from predict import footage as footage_of_model
from predict import local, videos, watching
from predict.description import Description, Manner, Windowing
from predict.footage import Sampled, View
from predict.segments import Rule
from predict.watching import Watcher
from preprocess import command
from preprocess.failures import InputError, UsageError
from preprocess.preparation import Preparation, Region
from preprocess.sampling import Sampling
from preprocess.video_children import ReaderApart
from preprocess.video_reader import VideoReader
from tests.preprocess.poison import CRASHING_FRAME

av = pytest.importorskip('av', reason='the extra `video` is not installed')
from tests import footage  # noqa: E402  # it needs PyAV


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames of red, then ten of blue, 10 a second."""
    frames = [footage.shape('red', number) for number in range(10)] + [footage.shape('blue', n) for n in range(10)]
    return footage.write(tmp_path / 'clip.mp4', frames, times=10)


def predicted(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = local.main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_segments_end_where_the_colour_changes(tiny_model: str, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = predicted(capsys, '--model_dir', tiny_model, '--every_frame', str(clip))
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ['VIDEO', 'START', 'STOP', 'LABEL', 'SCORE']
    assert [row[1:4] for row in rows[1:]] == [['0.000', '1.000', 'red'], ['1.000', '2.000', 'blue']]


def test_without_flags_a_frame_a_second_is_taken(
    tiny_model: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted(capsys, '--model_dir', tiny_model, '--output_dir', str(tmp_path / 'out'), str(clip), str(clip))
    rows = list(csv.DictReader((tmp_path / 'out' / 'scores.csv').open()))
    assert [(row['time'], row['prediction']) for row in rows] == [('0.000', 'red'), ('1.000', 'blue')]
    assert [row['frame'] for row in rows] == [f'{clip}#frame=0', f'{clip}#frame=10']


def test_files_hold_every_frame_and_every_segment(
    tiny_model: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    predicted(capsys, '--model_dir', tiny_model, '--every_frame', '--output_dir', str(out), str(clip))
    scores = list(csv.DictReader((out / 'scores.csv').open()))
    assert [row['prediction'] for row in scores] == ['red'] * 10 + ['blue'] * 10
    assert float(scores[0]['score_red']) > float(scores[0]['score_blue'])
    segments = list(csv.reader((out / 'segments.csv').open()))
    assert [row[:4] for row in segments[1:]] == [
        [str(clip), '0.000', '1.000', 'red'],
        [str(clip), '1.000', '2.000', 'blue'],
    ]
    assert (out / 'boris' / 'clip.xlsx').exists()


def test_segments_are_a_sheet_that_ranges_reads(
    tiny_model: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again = tmp_path / 'out', tmp_path / 'again'
    predicted(capsys, '--model_dir', tiny_model, '--every_frame', '--output_dir', str(out), str(clip))
    from preprocess import ranges

    ranges.main([str(out / 'segments.csv'), '--output_dir', str(again)])
    rows = list(csv.DictReader((again / 'all_data.csv').open()))
    assert [(row['label'], float(row['start']), float(row['stop'])) for row in rows] == [
        ('red', 0.0, 1.0),
        ('blue', 1.0, 2.0),
    ]


def test_parts_are_one_clock_whether_named_from_here_or_from_beside_the_first(
    tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'lab').mkdir()
    footage.write(tmp_path / 'lab' / '1.mp4', [footage.shape('red', n) for n in range(10)], times=10)
    footage.write(tmp_path / 'lab' / '2.mp4', [footage.shape('green', n) for n in range(5)], times=10)
    monkeypatch.chdir(tmp_path)
    for word in ('lab/1.mp4;lab/2.mp4', 'lab/1.mp4;2.mp4', 'lab'):
        _, out, _ = predicted(capsys, '--model_dir', tiny_model, '--every_frame', '--json', word)
        found = [json.loads(line) for line in out.splitlines()]
        assert [(one['start'], one['stop'], one['label']) for one in found] == [(0, 1, 'red'), (1, 1.5, 'green')]
        assert {one['video'] for one in found} == {word}


def test_a_broken_video_costs_only_itself(
    tiny_model: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(b'no video at all')
    code, out, err = predicted(capsys, '--model_dir', tiny_model, '--every_frame', str(broken), str(clip))
    assert code == local.EXIT_SOME_FAILED
    assert f'error: {broken}:' in err
    assert 'blue' in out


def test_a_video_that_ends_its_decoder_costs_the_frames_it_was_at(
    tiny_model: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = [footage.shape('green', number) for number in range(170)]
    footage.write(tmp_path / 'long.mp4', long, times=10)
    out = tmp_path / 'out'
    words = (str(tmp_path / 'crash.mp4'), str(tmp_path / 'long.mp4'), str(clip))
    asked = videos.Asked(words, tiny_model, Rule(), Sampling(None, 'every_frame'), output_dir=str(out))
    (tmp_path / 'crash.mp4').write_bytes(clip.read_bytes())
    assert videos.answer(asked, ReaderApart('tests.preprocess.poison:CrashingReader')) == 1
    said = capsys.readouterr().err
    assert f'error: {words[0]}: too-slow: reading its times: its process ended (Segmentation fault)' in said
    assert f'long.mp4#frame={CRASHING_FRAME}: too-slow' in said
    numbers = [row['frame'].removeprefix(f'{words[1]}#frame=') for row in csv.DictReader((out / 'scores.csv').open())]
    # The rest of its piece is lost, the next piece is not.
    assert [number for number in numbers if number.isdigit()][:CRASHING_FRAME] == [*map(str, range(CRASHING_FRAME))]
    assert '169' in numbers
    assert f'{clip}#frame=19' in numbers


def test_a_region_outside_of_one_video_costs_only_that(
    tiny_model: str, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, description = VideoReader(), Description.read(tiny_model)
    recording = footage_of_model.survey(str(clip), reader)
    view = View(description.shape_for_pictures(tiny_model), Sampling(), Preparation(roi=Region(90, 60, 50, 50)))
    (found,) = videos._told(watcher(None, lambda rows: rows), recording, view, reader)
    assert isinstance(found, InputError)
    assert found.what == 'outside: the region 90,60,50,50 is not within its 96x64'


@pytest.mark.parametrize(
    ('words', 'what'),
    [
        (['clip.mp4', 'a.jpg'], 'is footage and'),
        (['clip.mp4', '--top_k', '1'], 'all scores'),
        (['clip.mp4', '--smooth_s', '-1'], 'smooth_s'),
        (['a.jpg', '--every_frame'], 'for footage'),
        (['a.jpg', '--output_dir', 'out'], 'for footage'),
    ],
)
def test_impossible_commands_are_refused(tiny_model: str, words: list[str], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        local.main(['--model_dir', tiny_model, *words])


def test_the_extra_is_named_where_it_is_missing(
    tiny_model: str, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(module: str, *, extra: str, why: str) -> None:
        raise InputError(f'{module} is not installed', where=why, do=f"pip install 'headlight[{extra}]'")

    monkeypatch.setattr(command, 'require', missing)
    code, _, err = predicted(capsys, '--model_dir', tiny_model, str(clip))
    assert code == local.EXIT_SOME_FAILED
    assert 'av is not installed' in err


def frames(*steps: int) -> Iterator[Sampled]:
    for step in steps:
        yield Sampled(step, f'v#frame={step}', float(step), step + 1.0, np.full((1, 1, 1), step, np.uint8))


def watcher(window: Windowing | None, score: Callable[[np.ndarray], np.ndarray]) -> Watcher:
    description = Description(('a',), False, 0.5, (1, 1, 1), Manner(window, looks_at_frames=True))
    return Watcher(description, (lambda rows: rows) if window else score, score)


def test_windows_are_of_consecutive_frames_and_never_cross_a_cut() -> None:
    seen: list[list[int]] = []

    def score(windows: np.ndarray) -> np.ndarray:
        seen.extend(windows.reshape(len(windows), -1).tolist())
        return windows.reshape(len(windows), -1).sum(axis=1, keepdims=True)

    said = list(watcher(Windowing(3), score).watch(frames(0, 1, 2, 3, 7, 8, 10, 11, 12)))
    assert [(one.first.step, one.last.step, one.spoken.step) for one in said] == [(0, 2, 2), (1, 3, 3), (10, 12, 12)]
    assert [one.scores.tolist() for one in said] == [[3], [6], [33]]
    assert seen[:3] == [[0, 1, 2], [1, 2, 3], [10, 11, 12]]


def test_a_stride_leaves_windows_out_and_the_centre_may_speak() -> None:
    def score(windows: np.ndarray) -> np.ndarray:
        return np.zeros((len(windows), 1))

    said = list(watcher(Windowing(3, stride=2, label='centre'), score).watch(frames(*range(8))))
    assert [(one.first.step, one.spoken.step) for one in said] == [(0, 1), (2, 3), (4, 5)]


def test_frames_go_through_the_encoder_in_batches_of_one_size() -> None:
    sizes: list[int] = []

    def score(rows: np.ndarray) -> np.ndarray:
        sizes.append(len(rows))
        return rows.reshape(len(rows), -1).astype(np.float32)

    said = list(watcher(None, score).watch(frames(*range(40))))
    assert sizes == [watching.FRAMES_AT_ONCE, watching.FRAMES_AT_ONCE]
    assert [one.scores.tolist() for one in said] == [[float(step)] for step in range(40)]
