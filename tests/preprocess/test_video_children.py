"""Videos read apart: the same times and frames, and a process that ends costs what it was at."""

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from preprocess import video_children
from preprocess.image_formats import ImageError
from preprocess.preparation import Preparation
from preprocess.shelves import Refusal
from preprocess.timelines import Timeline
from preprocess.video_children import ReaderApart
from preprocess.video_reader import VideoReader
from tests import footage
from tests.preprocess.poison import CRASHING_FRAME

SHAPE = (48, 64, 3)
FRAMES = 40
CRASHING = ReaderApart('tests.preprocess.poison:CrashingReader')


@pytest.fixture(scope='module')
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage.write_numbered(tmp_path_factory.mktemp('film') / 'a.mp4', FRAMES)


@pytest.fixture(scope='module', autouse=True)
def _all_ended() -> Iterator[None]:
    yield
    video_children.close()


def frames(reader: VideoReader, film: Path, timeline: Timeline, numbers: list[int]) -> dict[int, object]:
    return dict(reader.frames(str(film), timeline, numbers, SHAPE, Preparation()))


def test_times_and_frames_are_those_that_are_found_here(film: Path) -> None:
    here, apart = VideoReader(), ReaderApart()
    timeline = apart.survey(str(film))
    assert timeline.to_bytes() == here.survey(str(film)).to_bytes()
    for numbers in ([0, 7, 39], list(range(FRAMES))):
        expected, found = (frames(reader, film, timeline, numbers) for reader in (here, apart))
        assert list(found) == numbers
        for number in numbers:
            np.testing.assert_array_equal(found[number], expected[number])


def test_a_child_is_used_again_and_keeps_the_times_it_was_sent(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = ReaderApart().survey(str(film))
    frames(ReaderApart(), film, timeline, [1])

    def no_more(*_: object) -> None:
        raise AssertionError('a second child')

    monkeypatch.setattr(video_children.subprocess, 'Popen', no_more)
    monkeypatch.setattr(Timeline, 'to_bytes', no_more)
    assert list(frames(ReaderApart(), film, timeline, [2, 3])) == [2, 3]


def test_more_timelines_than_a_child_keeps_are_sent_again(tmp_path: Path) -> None:
    films = [footage.write_numbered(tmp_path / f'{count}.mp4', count) for count in range(5, 12)]
    timelines = {film: ReaderApart().survey(str(film)) for film in films}
    for film in [*films, *reversed(films)]:
        found = frames(ReaderApart(), film, timelines[film], [4])
        assert footage.number_of(np.asarray(found[4])) == 4


def test_faults_of_a_file_are_told_as_they_are_and_the_child_goes_on(film: Path, tmp_path: Path) -> None:
    (tmp_path / 'text.mp4').write_text('no video')
    reader = ReaderApart()
    with pytest.raises(ImageError, match='not-a-video'):
        reader.survey(str(tmp_path / 'text.mp4'))
    with pytest.raises(ImageError, match='missing'):
        reader.survey(str(tmp_path / 'gone.mp4'))
    assert len(reader.survey(str(film))) == FRAMES


def test_a_bug_is_raised_with_where_it_was() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)poison\.py.*KeyError: 'as asked'"):
        ReaderApart('tests.preprocess.poison:FailingReader').survey('a.mp4')


def test_a_child_that_is_killed_in_the_middle_of_a_video_is_followed_by_another(film: Path) -> None:
    video_children.close()
    timeline = ReaderApart().survey(str(film))
    child = video_children._idle[ReaderApart().reader].queue[0]
    found = ReaderApart().frames(str(film), timeline, list(range(FRAMES)), SHAPE, Preparation())
    begun = list(itertools.islice(found, 3))

    os.kill(child._process.pid, signal.SIGKILL)

    whole = dict([*begun, *found])
    assert list(whole) == list(range(FRAMES))
    assert [footage.number_of(np.asarray(whole[number])) for number in whole] == list(whole)


def test_frames_that_end_every_child_are_refused_and_those_before_them_stay(film: Path) -> None:
    timeline = ReaderApart().survey(str(film))
    found = frames(CRASHING, film, timeline, [3, 20, CRASHING_FRAME, 30])
    assert [number for number in found if not isinstance(found[number], Refusal)] == [3, 20]
    why = found[CRASHING_FRAME]
    assert why == Refusal('decode', 'too-slow', 'decoding it: its process ended (Segmentation fault)')
    # What is decoded by itself, beside it, is none the worse.
    assert footage.number_of(np.asarray(frames(CRASHING, film, timeline, [30])[30])) == 30


def test_a_file_whose_times_end_every_child_is_refused(film: Path, tmp_path: Path) -> None:
    (tmp_path / 'crash.mp4').write_bytes(film.read_bytes())
    with pytest.raises(ImageError, match='reading its times: its process ended'):
        CRASHING.survey(str(tmp_path / 'crash.mp4'))


def test_a_child_killed_from_outside_is_no_fault_of_the_video(film: Path) -> None:
    timeline = ReaderApart().survey(str(film))
    with pytest.raises(ImageError, match='unreadable: reading its times: its process ended [(]Killed[)]'):
        ReaderApart('tests.preprocess.poison:KilledReader').survey(str(film))
    found = frames(ReaderApart('tests.preprocess.poison:KilledReader'), film, timeline, [1])
    assert found == {1: Refusal('decode', 'unreadable', 'decoding it: its process ended (Killed)')}


def test_the_times_of_a_large_file_may_take_as_long_as_it_takes_to_read(film: Path) -> None:
    with film.open('r+b') as opened:
        size = os.path.getsize(film)
        opened.truncate(size + 10**11)  # a hole: no bytes on the disk
        try:
            assert video_children._allowed_s(video_children._Survey(str(film))) > 100_000
        finally:
            opened.truncate(size)


def test_whoever_stops_listening_leaves_no_process_behind(film: Path) -> None:
    video_children.close()
    timeline = ReaderApart().survey(str(film))
    (child,) = video_children._idle[ReaderApart().reader].queue
    found = ReaderApart().frames(str(film), timeline, list(range(FRAMES)), SHAPE, Preparation())
    next(found)
    found.close()  # type: ignore[attr-defined]  # a generator
    assert child._process.poll() is not None
    assert video_children._idle[ReaderApart().reader].empty()
