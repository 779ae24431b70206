"""Parts on one clock: which files, in which order, and where each begins."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from preprocess import files
from preprocess.failures import InputError
from preprocess.locations import Places
from preprocess.recordings import Recording, natural_key, part_uris, typed
from preprocess.sampling import EVERY_FRAME, KEYFRAMES, Sampling
from preprocess.timelines import Timeline

BEGUN = datetime(2019, 4, 4, 9, 21, tzinfo=UTC)


def timeline(
    times: Sequence[int], *, end: int, keyframes: Sequence[int] = (0,), created: datetime | None = None
) -> Timeline:
    """Frames at these tenths of a second after some start that isn't 0."""
    pts, keys = np.array(times) + 7, np.array(keyframes)
    return Timeline(
        time_base=Fraction(1, 10),
        pts=pts,
        end=end + 7,
        places=np.arange(len(pts)),
        packets=len(pts),
        disposable=np.zeros(len(pts), np.bool_),
        keyframes=keys,
        key_places=keys,
        key_pts=pts[keys],
        width=8,
        height=8,
        created=created,
    )


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_one_file_is_its_only_part() -> None:
    assert part_uris('/videos/a.mp4') == ('/videos/a.mp4',)
    assert part_uris('gs://bucket/a b.mp4') == ('gs://bucket/a b.mp4',)


def test_parts_joined_by_semicolons_lie_beside_the_first() -> None:
    assert part_uris('/videos/part1.mp4;part2.mp4; sub/part3.mp4;/else/4.mp4') == (
        '/videos/part1.mp4',
        '/videos/part2.mp4',
        '/videos/sub/part3.mp4',
        '/else/4.mp4',
    )
    assert part_uris('gs://b/x/1.mp4;2.mp4') == ('gs://b/x/1.mp4', 'gs://b/x/2.mp4')


def test_a_file_with_a_semicolon_in_its_name_is_one_file(tmp_path: Path) -> None:
    touch(tmp_path, 'a;b.mp4')
    assert part_uris(str(tmp_path / 'a;b.mp4')) == (str(tmp_path / 'a;b.mp4'),)


def test_a_folder_is_its_videos_by_the_numbers_in_their_names(tmp_path: Path) -> None:
    touch(tmp_path, 'part10.mp4', 'part2.MP4', 'part1.mov', 'notes.txt', '.hidden.mp4', 'sub/part0.mp4')
    assert part_uris(str(tmp_path)) == tuple(str(tmp_path / name) for name in ('part1.mov', 'part2.MP4', 'part10.mp4'))


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='holds no video'):
        part_uris(str(tmp_path))


@pytest.mark.parametrize(
    'ordered',
    [
        ['GOPR0042.MP4', 'GP010042.MP4', 'GP020042.MP4', 'GOPR0043.MP4', 'GP010043.MP4'],
        ['GH010042.MP4', 'GH020042.MP4', 'GH110042.MP4', 'GH010043.MP4'],
        ['GX010007.MP4', 'GX020007.MP4', 'GX010010.MP4'],
        ['gx010007.mp4', 'gx020007.mp4'],
        ['DJI_0009.MP4', 'DJI_0010.MP4', 'DJI_0100.MP4'],
        ['00001.MTS', '00002.MTS', '00010.MTS'],
        ['cam 1 part 2.mp4', 'cam 1 part 10.mp4', 'cam 2 part 1.mp4'],
        ['2019-04-04 09.21.mp4', '2019-04-04 10.01.mp4', '2019-04-05 08.00.mp4'],
    ],
)
def test_cameras_names_are_ordered_by_recording_and_chapter(ordered: list[str]) -> None:
    mixed = ordered.copy()
    random.Random(0).shuffle(mixed)
    assert sorted(mixed, key=natural_key) == ordered


def test_an_ffmpeg_list_is_read_as_ffmpeg_reads_it(tmp_path: Path) -> None:
    touch(tmp_path, 'mylist.txt')
    (tmp_path / 'mylist.txt').write_text(
        "ffconcat version 1.0\n# made by printf\n\nfile './b.MP4'\n  file 'it'\\''s here.mp4'\nfile plain.mp4\n"
        'file /else/c.mp4\nduration 3.5\nfile with\\ space.mp4\n'
    )
    assert part_uris(str(tmp_path / 'mylist.txt')) == (
        str(tmp_path / './b.MP4'),
        str(tmp_path / "it's here.mp4"),
        str(tmp_path / 'plain.mp4'),
        '/else/c.mp4',
        str(tmp_path / 'with space.mp4'),
    )


@pytest.mark.parametrize('line', ['inpoint 3.5', 'file', 'a.mp4'])
def test_a_line_of_a_list_that_would_be_misread_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / 'mylist.txt').write_text(f"file 'a.mp4'\n{line}\n")
    with pytest.raises(InputError) as refused:
        part_uris(str(tmp_path / 'mylist.txt'))
    assert refused.value.where.endswith('mylist.txt:2')


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'mylist.txt').write_text('# nothing\n')
    with pytest.raises(InputError, match='names no file'):
        part_uris(str(tmp_path / 'mylist.txt'))


TWO = Recording.of('r', [('a', timeline([0, 4, 9], end=11)), ('b', timeline([0, 5], end=10, keyframes=(0, 1)))])


def test_each_part_begins_where_the_one_before_ends() -> None:
    assert [part.offset for part in TWO.parts] == pytest.approx([0, 1.1])
    assert TWO.duration == pytest.approx(2.1)
    assert TWO.times.tolist() == pytest.approx([0, 0.4, 0.9, 1.1, 1.6])


def test_samples_know_part_frame_and_time() -> None:
    every = TWO.samples(EVERY_FRAME)
    assert (every.part.tolist(), every.frame.tolist()) == ([0, 0, 0, 1, 1], [0, 1, 2, 0, 1])
    assert every.time.tolist() == pytest.approx([0, 0.4, 0.9, 1.1, 1.6])
    keys = TWO.samples(KEYFRAMES)
    assert (keys.part.tolist(), keys.frame.tolist()) == ([0, 1, 1], [0, 0, 1])


def test_one_grid_runs_through_all_parts() -> None:
    # Points 0, 0.5, 1, 1.5, 2: at 1.0 the last frame of the first part still stands.
    samples = TWO.samples(Sampling(2.0))
    found = list(zip(samples.part.tolist(), samples.frame.tolist(), samples.time.tolist(), strict=True))
    assert found == [(0, 0, 0.0), (0, 1, 0.5), (0, 2, 1.0), (1, 0, 1.5), (1, 1, 2.0)]


def test_a_stretch_takes_the_steps_whose_times_are_in_it() -> None:
    samples = TWO.samples(Sampling(2.0))
    assert list(samples.within(0.5, 1.5)) == [1, 2]
    assert list(samples.within(0.6, 0.9)) == []
    assert list(samples.within(1.2, None)) == [3, 4]
    assert list(samples.within(7, 9)) == []


def test_other_borders_take_other_steps_of_the_same_samples() -> None:
    samples = TWO.samples(EVERY_FRAME)
    assert sorted([*samples.within(0, 0.7), *samples.within(0.7, 1.1), *samples.within(1.1, None)]) == list(range(5))


def test_the_same_file_twice_is_two_parts() -> None:
    once = timeline([0, 5], end=10)
    assert [part.offset for part in Recording.of('r', [('a', once), ('a', once)]).parts] == pytest.approx([0, 1])


def recording(*begun_s: float | None, uri: str = 'r') -> Recording:
    times = [None if s is None else BEGUN + timedelta(seconds=s) for s in begun_s]
    return Recording.of(
        uri, [(f'{uri}/{n}.mp4', timeline(range(0, 100, 5), end=100, created=at)) for n, at in enumerate(times)]
    )


def test_creation_times_that_fit_say_nothing() -> None:
    assert recording(0, 10, 21).notes() == []
    assert recording(0, None, 500).notes() == []
    # GoPro gives every chapter the time its recording was begun.
    assert recording(0, 0, 0).notes() == []


def test_creation_times_tell_of_missing_and_of_doubled_time() -> None:
    (missing,) = recording(0, 10, 50).notes()
    assert missing.startswith('30.0 s lie between 1.mp4 and 2.mp4')
    (doubled,) = recording(0, 5).notes()
    assert doubled.startswith('5.0 s are in both of 0.mp4 and 1.mp4')


def test_a_folder_in_the_wrong_order_is_refused_and_a_written_order_is_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='wrong order'):
        recording(0, -40, uri=str(tmp_path)).check_order()
    recording(0, -40).check_order()
    (note,) = recording(0, -40).notes()
    assert 'begun 40 s before' in note


def test_parts_with_folders_are_seen_from_where_the_first_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, 'dam/1.mp4', 'dam/2.mp4', 'else/3.mp4', 'dam/sub/4.mp4')
    monkeypatch.chdir(tmp_path)
    expected = tuple(str(tmp_path / name) for name in ('dam/1.mp4', 'dam/2.mp4', 'else/3.mp4', 'dam/sub/4.mp4'))
    word = 'dam/1.mp4;dam/2.mp4; else/3.mp4;sub/4.mp4'
    assert part_uris(typed(word)) == expected
    # In the cell of a CSV they are seen from its folder, or, like the first, from the working directory.
    for places in (Places(str(tmp_path), '/'), Places(str(tmp_path / 'dam'), str(tmp_path))):
        assert part_uris(places.find(word).uri) == expected
    assert part_uris(typed('dam/1.mp4;2.mp4')) == expected[:2]


def test_a_part_that_is_in_neither_place_is_named_with_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, 'dam/1.mp4')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        typed('dam/1.mp4;dam/2.mp4')
    assert refused.value.where == f'{tmp_path}/dam/2.mp4 and {tmp_path}/dam/dam/2.mp4'


def test_storages_are_asked_once_for_a_part_with_a_folder_and_never_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def exists(uri: str) -> bool:
        asked.append(uri)
        return uri.endswith('dam/2.mp4')

    monkeypatch.setattr(files, 'exists', exists)
    places = Places('gs://bucket-of-parts/x', '/')
    for _ in range(3):
        assert places.find('dam/1.mp4;3.mp4').uri == 'gs://bucket-of-parts/x/dam/1.mp4;3.mp4'
        found = places.find('dam/1.mp4;dam/2.mp4').uri
        assert part_uris(found) == ('gs://bucket-of-parts/x/dam/1.mp4', 'gs://bucket-of-parts/x/dam/2.mp4')
    assert asked == ['gs://bucket-of-parts/x/dam/2.mp4']
