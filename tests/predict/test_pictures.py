import io
import os

import pytest

from predict import pictures
from predict.pictures import Picture, Unusable
from preprocess.command import FlagParser
from preprocess.failures import InputError, UsageError
from tests.models import picture_bytes


def parsed(*words: str) -> tuple[list[str], bool, str | None]:
    parser = FlagParser('prog', 'Tests.')
    parser.add_argument('pictures', nargs='*')
    parser.add_argument('--json', action='store_true')
    parser.add_argument('--model_dir')
    found = pictures.parse_args(parser, words)
    return found.pictures, found.json, found.model_dir


def keys(*words: str, stdin: bytes = b'') -> list[str]:
    return [picture.key for picture in pictures.named(words, io.BytesIO(stdin))]


def test_pictures_may_stand_anywhere_among_the_flags():
    assert parsed('a.jpg', '--model-dir', 'm', 'b.jpg', '--json', 'c.jpg') == (['a.jpg', 'b.jpg', 'c.jpg'], True, 'm')


def test_after_two_hyphens_everything_is_a_name():
    assert parsed('--json', 'a.jpg', '--', '-b.jpg', '--my-c.jpg', '--') == (
        ['a.jpg', '-b.jpg', '--my-c.jpg', '--'],
        True,
        None,
    )


def test_a_single_hyphen_is_standard_input():
    assert parsed('-', '--json')[0] == ['-']


@pytest.mark.parametrize('word', ['--jsn', '-name.jpg'])
def test_an_unknown_flag_is_refused_with_the_way_out_for_names(word):
    with pytest.raises(UsageError, match='goes after --'):
        parsed('a.jpg', word)


def test_a_folder_means_the_pictures_in_and_below_it_in_order(tmp_path):
    for name in ['b.JPG', 'a.png', 'sub/c.webp', 'notes.txt', '.hidden.jpg', '._a.jpg', '.cache/d.jpg']:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'')
    assert keys(str(tmp_path)) == [str(tmp_path / name) for name in ['a.png', 'b.JPG', 'sub/c.webp']]


def test_a_hidden_folder_that_is_named_itself_is_read(tmp_path):
    folder = tmp_path / '.shots'
    folder.mkdir()
    (folder / 'a.jpg').write_bytes(b'')
    assert keys(str(folder)) == [str(folder / 'a.jpg')]


def test_a_folder_without_pictures_is_said_to_have_none(tmp_path):
    found = pictures.named([str(tmp_path)], io.BytesIO())
    assert found == [Unusable(str(tmp_path), 'missing: no pictures in this folder')]


def test_a_pattern_is_expanded_and_a_file_of_that_exact_name_is_itself(tmp_path):
    for name in ['a1.jpg', 'a2.jpg', 'a[1].jpg']:
        (tmp_path / name).write_bytes(b'')
    assert keys(f'{tmp_path}/a?.jpg') == [f'{tmp_path}/a1.jpg', f'{tmp_path}/a2.jpg']
    assert keys(f'{tmp_path}/a[1].jpg') == [f'{tmp_path}/a[1].jpg']


def test_a_pattern_without_matches_stays_to_be_reported_as_missing(tmp_path):
    assert keys(f'{tmp_path}/*.jpg') == [f'{tmp_path}/*.jpg']


@pytest.mark.parametrize('listed', [b'a.jpg\n\nb c.jpg\r\n', b'a.jpg\0b c.jpg\0', b'a.jpg\nb c.jpg'])
def test_paths_on_standard_input_are_one_a_line_or_ended_by_nul(listed):
    assert keys('first.jpg', '-', stdin=listed) == ['first.jpg', 'a.jpg', 'b c.jpg']


@pytest.mark.parametrize('form', ['JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF', 'MPO'])
def test_a_picture_on_standard_input_is_that_picture(form):
    data = picture_bytes(form=form)
    (found,) = pictures.named(['-'], io.BytesIO(data))
    assert isinstance(found, Picture) and (found.key, found.source) == ('-', data)


def test_a_list_that_begins_like_a_picture_is_a_list():
    assert keys('-', stdin=b'BMW.jpg\nRIFF.jpg\n') == ['BMW.jpg', 'RIFF.jpg']


def test_names_that_are_not_utf8_come_through():
    assert keys('-', stdin=b'a\xff.jpg\n') == [os.fsdecode(b'a\xff.jpg')]


def test_nothing_named_is_an_error():
    with pytest.raises(InputError, match='no picture'):
        keys('-', stdin=b'\n')
