"""What is taken for a recording, and its frames as the signal sees them."""

from pathlib import Path

import numpy as np
import pytest

from preprocess import motion_signal, motion_sources
from preprocess.failures import InputError
from preprocess.motion_sources import Footage, Known, Stills
from preprocess.preparation import Preparation, Region
from tests import tanks

GRAY = Preparation(gray=True)


def one(path: Path | str, rate: float = 30.0) -> motion_sources.Source:
    (found,) = motion_sources.find([str(path)], frames_per_second=rate)
    return found


def signal(source: motion_sources.Source, wanted: Preparation = GRAY) -> list[float]:
    return motion_signal.of_frames(source.grays(wanted, start=0)).tolist()


def test_a_folder_of_frames_needs_no_class_folders(tmp_path: Path) -> None:
    source = one(tanks.write_pictures(tmp_path / 'tank', tanks.frames(7)), rate=25.0)

    assert isinstance(source, Stills)
    assert (source.name, source.uri, len(source)) == ('tank', f'{tmp_path}/tank', 7)
    assert source.times().tolist() == [place / 25 for place in range(8)]


def test_folders_below_are_recordings_named_by_their_paths_and_their_sides(tmp_path: Path) -> None:
    for name in ('train/New folder', 'Validation'):
        tanks.write_pictures(tmp_path / name, tanks.frames(2))

    found = motion_sources.find([str(tmp_path)], frames_per_second=30)

    assert [source.name for source in found] == ['Validation', 'train/New folder']
    assert [motion_sources.side_named(source) for source in found] == ['eval', 'train']


def test_pictures_and_a_lossless_video_of_the_same_frames_have_the_same_signal(tmp_path: Path) -> None:
    film = tanks.frames(30)
    stills = one(tanks.write_pictures(tmp_path / 'a', film))
    video = one(tanks.write_video(tmp_path / 'b.mkv', film))

    assert isinstance(video, Footage)
    assert (video.name, len(video)) == ('b', 30)
    assert video.frames_per_second == pytest.approx(30, rel=1e-3)  # Matroska rounds to milliseconds
    assert signal(video) == signal(stills) == motion_signal.of_frames(film).tolist()


def test_parts_of_a_recording_are_one_signal_and_can_be_begun_anywhere(tmp_path: Path) -> None:
    film = tanks.frames(25)
    tanks.write_video(tmp_path / 'r' / 'part2.mkv', film[10:])
    tanks.write_video(tmp_path / 'r' / 'part10.mkv', film[20:])
    tanks.write_video(tmp_path / 'r' / 'part1.mkv', film[:10])
    source = one(tmp_path / 'r')
    whole = np.concatenate([film, film[20:]])

    assert len(source) == 30
    assert signal(source) == motion_signal.of_frames(whole).tolist()
    for start in (0, 9, 10, 11, 29):
        rest = list(source.grays(GRAY, start=start))
        assert all(np.array_equal(frame, expected) for frame, expected in zip(rest, whole[start:], strict=True))


@pytest.mark.parametrize(
    'wanted',
    [
        Preparation(gray=True, size=(16, 12)),
        Preparation(gray=True, roi=Region(4, 2, 20, 16)),
        Preparation(gray=True, background='median', contrast='stretch'),
        Preparation(gray=True, size=(10, 10), roi=Region(0, 0, 20, 20), background='median'),
    ],
)
def test_pictures_are_prepared_in_the_order_that_video_is(tmp_path: Path, wanted: Preparation) -> None:
    film = tanks.frames(40)
    stills = one(tanks.write_pictures(tmp_path / 'a', film))
    video = one(tanks.write_video(tmp_path / 'b.mkv', film))

    from_pictures = list(stills.grays(wanted, start=0))
    from_video = list(video.grays(wanted, start=0))

    for left, right in zip(from_pictures, from_video, strict=True):
        assert left is not None and right is not None
        assert left.shape == right.shape
        # Two scalers, one wish.
        assert np.abs(left.astype(int) - right.astype(int)).mean() < (2 if wanted.size else 0.001)


def test_a_signal_found_before_is_a_source(tmp_path: Path) -> None:
    np.save(tmp_path / 'Y_tilde.npy', np.arange(5) / 10)

    source = one(tmp_path / 'Y_tilde.npy')

    assert isinstance(source, Known)
    assert (source.name, source.signal.tolist()) == ('Y_tilde', [0, 0.1, 0.2, 0.3, 0.4])


def test_what_can_not_be_read_is_named(tmp_path: Path) -> None:
    folder = tanks.write_pictures(tmp_path / 'tank', tanks.frames(3))
    (folder / '00001.png').write_bytes(b'no picture')
    with pytest.raises(InputError, match='this frame can not be read') as raised:
        signal(one(folder))
    assert raised.value.where == f'{folder}/00001.png'

    tanks.write_pictures(folder, tanks.frames(1)[:, :5], first=1)
    with pytest.raises(InputError, match='this frame is 32x5, the first one 32x24') as raised:
        signal(one(folder))
    assert signal(one(folder), Preparation(gray=True, size=(8, 8)))[0] > 0

    with pytest.raises(InputError, match='the region 30,0,5,5 is not within its 32x24'):
        signal(one(folder), Preparation(gray=True, roi=Region(30, 0, 5, 5)))


@pytest.mark.parametrize(
    ('name', 'data', 'said'),
    [
        ('a.mp4', b'no video', 'the video can not be used: not-a-video'),
        ('a.csv', b'', 'neither a video nor a folder of frames'),
        ('a.npy', b'no array', 'no array of numbers can be read'),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=said):
        one(tmp_path / name)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='there is no such file or folder'):
        one(tmp_path / 'gone.mp4')


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [tanks.write_pictures(tmp_path / day / 'tank', tanks.frames(2)) for day in ('monday', 'tuesday')]
    with pytest.raises(InputError, match="two recordings are called 'tank'"):
        motion_sources.find([str(folder) for folder in folders], frames_per_second=30)


def test_a_changed_frame_changes_the_fingerprint_and_a_stray_file_does_not(tmp_path: Path) -> None:
    folder = tanks.write_pictures(tmp_path / 'tank', tanks.frames(3))
    before = one(folder).fingerprint()
    (folder / 'notes.txt').write_text('stray')
    assert one(folder).fingerprint() == before
    assert one(folder).notes() == ['tank: 1 other files among the frames, left out: notes.txt']

    tanks.write_pictures(folder, tanks.frames(1, seed=7), first=2)
    assert one(folder).fingerprint() != before
