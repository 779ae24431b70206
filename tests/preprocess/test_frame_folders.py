"""Folders of numbered frames: order, gaps, twins, strays."""

from pathlib import Path

import pytest

from preprocess import frame_folders
from preprocess.failures import InputError


def folder(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_bytes(b'')
    return directory


def test_frames_are_ordered_by_their_numbers_not_by_their_names(tmp_path: Path) -> None:
    (found,) = frame_folders.find(str(folder(tmp_path, '10.png', '9.png', '11.png', '8.png')))

    assert found.names == ('8.png', '9.png', '10.png', '11.png')
    assert (found.first_number, found.strays, len(found)) == (8, (), 4)
    assert found.uri(2) == f'{tmp_path}/10.png'


def test_numbers_may_follow_a_name(tmp_path: Path) -> None:
    names = [f'S4C2{number:06d}.jpg' for number in range(1, 13)]

    (found,) = frame_folders.find(str(folder(tmp_path, *reversed(names))))

    assert found.names == tuple(names)


def test_what_is_no_frame_is_named_and_hidden_files_are_not(tmp_path: Path) -> None:
    folder(tmp_path, '00000.png', '00001.png', 'Thumbs.db', 'cover.png', 'poster1.png', '.DS_Store', '._00000.png')

    (found,) = frame_folders.find(str(tmp_path))

    assert found.names == ('00000.png', '00001.png')
    assert found.strays == ('Thumbs.db', 'cover.png', 'poster1.png')


def test_every_folder_below_is_a_recording_of_its_own(tmp_path: Path) -> None:
    folder(tmp_path / 'train' / 'New folder', '0.png', '1.png')
    folder(tmp_path / 'test', '5.png')
    folder(tmp_path / 'notes', 'a.txt')

    found = frame_folders.find(str(tmp_path))

    assert [(one.directory, len(one)) for one in found] == [
        (f'{tmp_path}/test', 1),
        (f'{tmp_path}/train/New folder', 2),
    ]


@pytest.mark.parametrize(
    ('names', 'said'),
    [
        (['0.png', '2.png'], '1 of 3 frames are missing: 1'),
        (['01.png', '02.png', '05.png', '09.png'], '5 of 9 frames are missing: 3-4, 6-8'),
        ([f'{2 * n}.png' for n in range(9)], '8 of 17 frames are missing: 1, 3, 5, 7, 9 …'),
    ],
)
def test_missing_frames_are_named(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(InputError) as raised:
        frame_folders.find(str(folder(tmp_path, *names)))
    assert raised.value.what == said
    assert raised.value.where == f'{tmp_path}: {names[0]} to {names[-1]}'


def test_two_frames_of_one_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='two frames have the number 1') as raised:
        frame_folders.find(str(folder(tmp_path, '0.png', '1.png', '01.png')))
    assert raised.value.where == f'{tmp_path}: 01.png, 1.png'


@pytest.mark.parametrize(
    'names', [['a1.png', 'a2.png', 'b1.png', 'b2.png'], ['1.png', '2.png', '1.jpg', '2.jpg'], ['a1.png', 'b2.png']]
)
def test_two_series_in_one_folder_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(InputError, match='frames of several recordings') as raised:
        frame_folders.find(str(folder(tmp_path, *names)))
    assert raised.value.where == str(tmp_path)


def test_a_folder_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no numbered pictures') as raised:
        frame_folders.find(str(folder(tmp_path, 'a.txt', 'b.png')))
    assert raised.value.where == str(tmp_path)
