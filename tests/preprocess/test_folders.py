"""Folders of labelled pictures -> rows."""

import os
from pathlib import Path

import pytest

from preprocess.failures import InputError
from preprocess.folders import read_folder


def make(folder: Path, *paths: str) -> str:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return str(folder)


def found(folder: str) -> list[tuple[str, str, str | None]]:
    return [(row.cell, row.labels[0], row.split) for row in read_folder(folder).rows]


def test_a_folder_is_a_label_however_deep_its_pictures_are(tmp_path: Path) -> None:
    source = make(tmp_path, 'rose/a.jpg', 'rose/2019/may/b.JPEG', 'tulip/c.png')
    listing = read_folder(source)
    assert [(row.uri, row.cell, row.labels) for row in listing.rows] == [
        (f'{tmp_path}/rose/2019/may/b.JPEG', 'rose/2019/may/b.JPEG', ('rose',)),
        (f'{tmp_path}/rose/a.jpg', 'rose/a.jpg', ('rose',)),
        (f'{tmp_path}/tulip/c.png', 'tulip/c.png', ('tulip',)),
    ]
    assert [listing.key(row) for row in listing.rows] == ['2019/may/b.JPEG', 'a.jpg', 'c.png']


def test_a_relative_folder_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, 'set/rose/a.jpg')
    monkeypatch.chdir(tmp_path)
    for source in ('set', 'set/', './set', f'file://{tmp_path}/set'):
        assert [row.uri for row in read_folder(source).rows] == [f'{tmp_path}/set/rose/a.jpg']


def test_of_two_split_folders_the_one_that_is_not_training_is_eval(tmp_path: Path) -> None:
    source = make(tmp_path, 'Training/Positives/a.jpg', 'Testing/Positives/b.jpg', 'Testing/NEGATIVE/c.jpg')
    assert found(source) == [
        ('Testing/NEGATIVE/c.jpg', 'negative', 'eval'),
        ('Testing/Positives/b.jpg', 'positive', 'eval'),
        ('Training/Positives/a.jpg', 'positive', 'train'),
    ]
    listing = read_folder(source)
    assert [listing.key(row) for row in listing.rows] == ['c.jpg', 'b.jpg', 'a.jpg']


def test_of_three_split_folders_testing_is_test(tmp_path: Path) -> None:
    source = make(tmp_path, 'Train/x/a.jpg', 'VALIDATION/x/b.jpg', 'tests/x/c.jpg', 'val/x/d.jpg')
    assert {side for _, _, side in found(source)} == {'train', 'eval', 'test'}
    assert ('tests/x/c.jpg', 'x', 'test') in found(source)
    assert ('val/x/d.jpg', 'x', 'eval') in found(source)


def test_one_split_folder_splits_nothing_but_its_labels_count(tmp_path: Path) -> None:
    source = make(tmp_path, 'Training/rose/a.jpg', 'Training/tulip/b.jpg', 'notes/readme.txt')
    assert found(source) == [('Training/rose/a.jpg', 'rose', None), ('Training/tulip/b.jpg', 'tulip', None)]
    assert read_folder(source).key(read_folder(source).rows[0]) == 'a.jpg'


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    source = make(tmp_path, 'train/a.jpg', 'car/b.jpg', 'car/red/c.jpg')
    assert {label for _, label, _ in found(source)} == {'train', 'car'}
    assert {side for _, _, side in found(source)} == {None}


def test_pictures_beside_split_folders_are_an_error_that_names_them(tmp_path: Path) -> None:
    source = make(tmp_path, 'Training/rose/a.jpg', 'Testing/rose/b.jpg', 'more/c.jpg')
    with pytest.raises(InputError, match="'Testing', 'Training' are split folders, 'more' beside them"):
        read_folder(source)


def test_what_is_no_picture_is_passed_over_and_counted(tmp_path: Path) -> None:
    source = make(
        tmp_path,
        'rose/a.jpg',
        'rose/._a.jpg',
        'rose/.hidden.jpg',
        '.git/x.jpg',
        '__MACOSX/rose/b.jpg',
        'rose/Thumbs.db',
        'rose/notes.txt',
        'rose/more.TXT',
        'rose/README',
        'rose/b.heic',
        'loose.jpg',
    )
    listing = read_folder(source)
    assert [row.cell for row in listing.rows] == ['rose/a.jpg']
    assert listing.skipped == {
        '._* (macOS metadata)': 2,
        'hidden': 2,
        'other files (.db)': 1,
        'other files (.heic)': 1,
        'other files (.txt)': 2,
        'other files (no extension)': 1,
        'pictures outside the class folders': 1,
    }


def test_a_name_that_is_not_utf_8_is_passed_over_and_counted(tmp_path: Path) -> None:
    source = make(tmp_path, 'rose/a.jpg')
    with open(os.fsencode(source) + b'/rose/caf\xe9.jpg', 'wb'):
        pass
    listing = read_folder(source)
    assert (len(listing.rows), listing.skipped) == (1, {'names that are not UTF-8': 1})


def test_forms_of_one_character_are_one_label_and_one_key(tmp_path: Path) -> None:
    source = make(tmp_path, 'ros\u00e9/\u00e9.jpg', 'rose\u0301/e\u0301.jpg')
    listing = read_folder(source)
    assert {row.labels for row in listing.rows} == {('ros\u00e9',)}
    assert {listing.key(row) for row in listing.rows} == {'\u00e9.jpg'}


@pytest.mark.parametrize(
    ('paths', 'what'),
    [
        ([], 'no pictures in this folder'),
        (['rose/a.txt'], 'no pictures in this folder'),
        (['a.jpg', 'b.jpg'], 'none in a folder of its label'),
        (['Training/a.jpg', 'Testing/b.jpg'], "no class folders in the split folders 'Testing', 'Training'"),
        (['ro\nse/a.jpg'], 'can not be a label'),
    ],
)
def test_a_folder_that_can_not_be_used_says_why(tmp_path: Path, paths: list[str], what: str) -> None:
    with pytest.raises(InputError, match=what):
        read_folder(make(tmp_path, *paths))


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='can not be listed: no such file'):
        read_folder(str(tmp_path / 'nothing'))
