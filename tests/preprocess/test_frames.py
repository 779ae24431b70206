"""Frames as files: the right ones under the right names, none twice, and what is said of it."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess import frame_files, frames
from preprocess.claims import Claim
from preprocess.failures import InputError, Interrupted, TooManyRejects, UsageError
from preprocess.frame_options import FrameNames
from tests import footage
from tests.footage import Style


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return footage.write_numbered(tmp_path / 'movie.mp4', 40, times=10)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The command on a source, into `out`; what it printed."""

    def run(source: object, *flags: object) -> str:
        assert frames.main([str(source), f'--output_dir={tmp_path / "out"}', *map(str, flags)]) == 0
        return capsys.readouterr().out.strip()

    return run


def pictures(folder: Path) -> dict[str, int]:
    """The number each picture shows, by its name."""
    found = sorted(path for path in folder.iterdir() if path.suffix in ('.jpg', '.png'))
    return {path.name: footage.number_of(np.asarray(Image.open(path).convert('RGB'))) for path in found}


def times_written(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix in ('.jpg', '.png')}


def test_every_frame_is_numbered_from_1_as_ffmpeg_does(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    said = run(movie, '--every_frame')
    assert pictures(tmp_path / 'out') == {f'{n + 1:06d}.jpg': n for n in range(40)}
    assert said == f'40 frames in {tmp_path / "out"} (40 written, 0 were there), 000001.jpg to 000040.jpg'
    assert Image.open(tmp_path / 'out' / '000001.jpg').size == (96, 64)


def test_names_and_sizes_are_those_of_the_lab(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    run(movie, '--every_frame', '--size', '224x224', '--name', 'S4C2%06d.jpg')
    found = pictures(tmp_path / 'out')
    assert (list(found)[0], list(found)[-1], len(found)) == ('S4C2000001.jpg', 'S4C2000040.jpg', 40)
    assert Image.open(tmp_path / 'out' / 'S4C2000007.jpg').size == (224, 224)


def test_names_and_pixels_are_those_of_the_fish_tank(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    run(movie, '--every_frame', '--size', '48x32', '--name', '%05d.png', '--first', 0, '--gray')
    assert pictures(tmp_path / 'out') == {f'{n:05d}.png': n for n in range(40)}
    picture = Image.open(tmp_path / 'out' / '00000.png')
    assert (picture.mode, picture.size, picture.format) == ('L', (48, 32), 'PNG')


def test_one_a_second_is_the_default(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    run(movie)
    assert pictures(tmp_path / 'out') == {'000001.jpg': 0, '000002.jpg': 10, '000003.jpg': 20, '000004.jpg': 30}


def test_keyframes_alone(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    run(movie, '--keyframes')
    assert list(pictures(tmp_path / 'out').values()) == [0, 12, 24, 36]


def test_a_frame_has_the_same_name_in_every_stretch(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    said = run(movie, '--every_frame', '--start', 1.0, '--stop', 1.3)
    assert pictures(tmp_path / 'out') == {'000011.jpg': 10, '000012.jpg': 11, '000013.jpg': 12}
    assert '000011.jpg to 000013.jpg' in said
    run(movie, '--every_frame', '--start', 1.2, '--stop', 1.5)
    assert list(pictures(tmp_path / 'out').values()) == [10, 11, 12, 13, 14]


def test_parts_are_numbered_through(run: Callable[..., str], tmp_path: Path) -> None:
    for number, name in enumerate(['GX010042.MP4', 'GX020042.MP4', 'GX030042.MP4']):
        footage.write_numbered(tmp_path / 'movie.mp4', 15, first=15 * number, times=10)
        (tmp_path / 'camera').mkdir(exist_ok=True)
        (tmp_path / 'movie.mp4').rename(tmp_path / 'camera' / name)
    run(tmp_path / 'camera', '--every_frame')
    assert pictures(tmp_path / 'out') == {f'{n + 1:06d}.jpg': n for n in range(45)}
    run(f'{tmp_path}/camera/GX030042.MP4;GX010042.MP4', '--every_frame', '--overwrite')
    assert list(pictures(tmp_path / 'out').values())[:30] == [*range(30, 45), *range(15)]


def test_frames_stand_upright(run: Callable[..., str], tmp_path: Path) -> None:
    run(footage.write(tmp_path / 'a.mp4', [footage.quarters()] * 2, style=Style(turned=90)), '--every_frame')
    picture = Image.open(tmp_path / 'out' / '000001.jpg')
    assert picture.size == (64, 96)
    assert footage.colour_at(np.asarray(picture), 0.2, 0.2) == 'blue'


def test_a_region_keeps_its_size(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    run(movie, '--roi', '24,16,48,32')
    assert Image.open(tmp_path / 'out' / '000001.jpg').size == (48, 32)


def test_what_is_there_is_not_written_again(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    run(movie, '--every_frame')
    before = times_written(tmp_path / 'out')
    for name in ('000003.jpg', '000030.jpg'):
        (tmp_path / 'out' / name).unlink()
    assert '(2 written, 38 were there)' in run(movie, '--every_frame')
    after = times_written(tmp_path / 'out')
    assert {name for name in before if before[name] != after[name]} == {'000003.jpg', '000030.jpg'}
    assert pictures(tmp_path / 'out') == {f'{n + 1:06d}.jpg': n for n in range(40)}


def test_an_interrupted_run_says_how_to_go_on_and_goes_on(
    run: Callable[..., str], movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count(1)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(frame_files.interrupts, 'requested', lambda: next(looks) >= 7)
        with pytest.raises(Interrupted) as stopped:
            run(movie, '--every_frame')
    assert stopped.value.what == 'interrupted after 7 of 40 frames'
    assert list(pictures(tmp_path / 'out').values()) == list(range(7))
    assert '(33 written, 7 were there)' in run(movie, '--every_frame')
    assert list(pictures(tmp_path / 'out').values()) == list(range(40))


def test_a_folder_of_other_frames_is_refused(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    run(movie, '--every_frame', '--size', '48x32')
    with pytest.raises(InputError, match='preparation: size=48x32 -> size=96x64'):
        run(movie, '--every_frame', '--size', '96x64')
    footage.write_numbered(movie, 40, times=12)
    with pytest.raises(InputError, match=r'part 0 movie\.mp4'):
        run(movie, '--every_frame', '--size', '48x32')
    run(movie, '--every_frame', '--size', '96x64', '--overwrite')
    assert Image.open(tmp_path / 'out' / '000001.jpg').size == (96, 64)


def test_bad_frames_are_left_out_and_listed(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    damaged = footage.damaged(movie, tmp_path / 'damaged.mp4', packet=36)
    said = run(damaged, '--every_frame', '--max_reject_fraction', 0.2)
    assert said.startswith('36 frames')
    assert list(pictures(tmp_path / 'out').values()) == list(range(36))
    rejects = [json.loads(line) for line in (tmp_path / 'out' / 'rejects.jsonl').read_text().splitlines()]
    assert [reject['uri'] for reject in rejects] == [f'{damaged}#frame={n}' for n in range(36, 40)]
    assert {reject['reason'] for reject in rejects} == {'corrupt'}


def test_too_many_bad_frames_are_an_error_and_the_others_are_there(
    run: Callable[..., str], movie: Path, tmp_path: Path
) -> None:
    damaged = footage.damaged(movie, tmp_path / 'damaged.mp4', packet=36)
    with pytest.raises(TooManyRejects, match='4 of 40 frames can not be decoded'):
        run(damaged, '--every_frame')
    assert len(pictures(tmp_path / 'out')) == 36


def test_a_mended_video_leaves_no_rejects(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'rejects.jsonl').write_text('{}\n')
    run(movie)
    assert not (tmp_path / 'out' / 'rejects.jsonl').exists()


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        (['--start', '4.0'], 'the recording lasts 4.000 s'),
        (['--start', '1.01', '--stop', '1.9'], 'no frame of the stretch is taken'),
        (['--roi', '90,0,20,20'], 'outside'),
    ],
)
def test_what_can_not_be_taken_is_three_lines(
    run: Callable[..., str], movie: Path, flags: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        run(movie, *flags)


def test_a_video_that_can_not_be_read_is_three_lines(run: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no such file'):
        run(tmp_path / 'missing.mp4')
    (tmp_path / 'a.mp4').write_text('hello')
    with pytest.raises(InputError, match='not-a-video'):
        run(tmp_path / 'a.mp4')


def test_two_runs_do_not_write_one_folder(run: Callable[..., str], movie: Path, tmp_path: Path) -> None:
    with (
        Claim(str(tmp_path / 'out' / '.claim'), doing='another'),
        pytest.raises(InputError, match='another run is writing'),
    ):
        run(movie)


@pytest.mark.parametrize(
    'flags',
    [
        ['--name', 'frame.jpg'],
        ['--name', '%06d_%02d.jpg'],
        ['--name', 'a/%06d.jpg'],
        ['--name', '%s.jpg'],
        ['--name', '%06d.png', '--format', 'jpg'],
        ['--first', '-1'],
        ['--quality', '0'],
        ['--start', '-1'],
        ['--start', '5', '--stop', '5'],
        ['--threads', '0'],
        ['--max_reject_fraction', '2'],
        ['--every_frame', '--keyframes'],
    ],
)
def test_impossible_flags_are_refused(run: Callable[..., str], movie: Path, flags: list[str]) -> None:
    with pytest.raises(UsageError):
        run(movie, *flags)


def test_the_format_is_the_names_or_the_flags() -> None:
    assert FrameNames.of(None, kind=None, first=1) == FrameNames('%06d.jpg', 1)
    assert FrameNames.of(None, kind='png', first=0).name(0) == '000000.png'
    assert FrameNames.of('x%05d', kind='png', first=0).name(7) == 'x00007.png'
    assert FrameNames.of('%d.JPEG', kind='jpg', first=1).kind == 'jpg'
    assert FrameNames.of('cam.1 %d', kind=None, first=1).name(0) == 'cam.1 1.jpg'
