"""dict.txt: a line's number is the id."""

import pickle
from pathlib import Path

import pytest

from preprocess.failures import InputError
from preprocess.labels import Labels


def written(folder: Path, data: bytes) -> str:
    path = folder / 'dict.txt'
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    'data',
    [
        b'positive\nnegative',
        b'positive\nnegative\n',
        b'positive\r\nnegative\r\n',
        b'positive\rnegative\r',
        b'\xef\xbb\xbfpositive\nnegative\n',
        b'\xef\xbb\xbf positive \r\nnegative\t\r\n',
    ],
)
def test_ends_of_lines_marks_and_spaces_do_not_matter(tmp_path: Path, data: bytes) -> None:
    assert Labels.read(written(tmp_path, data)).names == ('positive', 'negative')


def test_ids_are_line_numbers_from_0(tmp_path: Path) -> None:
    labels = Labels.read(written(tmp_path, b'hugs\nnot-hugs\n'))
    assert [labels.id_of(name) for name in ('hugs', 'not-hugs', ' hugs ', 'Hugs', 'tasty')] == [0, 1, 0, None, None]
    assert len(labels) == 2


@pytest.mark.parametrize(
    ('data', 'line', 'what'),
    [
        (b'a\n\nb\n', 2, 'a blank line'),
        (b'a\n  \t\nb', 2, 'a blank line'),
        (b'a\nb\n\n', 3, 'a blank line'),
        (b'\na\n', 1, 'a blank line'),
        (b'a\nb\na\n', 3, "'a' stands here and in line 1"),
        ('é\ne\u0301\n'.encode(), 2, 'stands here and in line 1'),
    ],
)
def test_a_blank_or_repeated_line_is_named(tmp_path: Path, data: bytes, line: int, what: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(InputError, match=what) as caught:
        Labels.read(path)
    assert caught.value.where == f'{path}:{line}'


def test_a_dictionary_that_can_not_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='can not be read: no such file'):
        Labels.read(str(tmp_path / 'nothing.txt'))
    with pytest.raises(InputError, match='can not be read: is a directory'):
        Labels.read(str(tmp_path))
    with pytest.raises(InputError, match='is empty'):
        Labels.read(written(tmp_path, b''))
    with pytest.raises(InputError, match='is empty'):
        Labels.read(written(tmp_path, b'\xef\xbb\xbf'))
    with pytest.raises(InputError, match='not UTF-8 at byte 3'):
        Labels.read(written(tmp_path, 'caf\xe9\n'.encode('latin-1')))
    with pytest.raises(InputError, match='not UTF-8 at byte 6'):
        Labels.read(written(tmp_path, b'\xef\xbb\xbfcaf\xe9\n'))
    with pytest.raises(InputError, match='not UTF-8 at byte 0'):
        Labels.read(written(tmp_path, 'a\n'.encode('utf-16')))


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    labels = Labels(('=1+1', 'a|b', 'with, comma', '\x1b[31mred', 'grün', '<script>'))
    path = str(tmp_path / 'dict.txt')
    labels.write(path)
    assert Labels.read(path) == labels
    assert labels.text().count('\n') == 6


def test_a_separator_that_is_no_line_end_stays_in_the_label(tmp_path: Path) -> None:
    assert Labels.read(written(tmp_path, 'a\u2028b\nc\x0bd\n'.encode())).names == ('a\u2028b', 'c\x0bd')


@pytest.mark.parametrize('names', [('a', ''), ('a', 'a'), ('a\nb',), ('a\rb',), (' a',), ('e\u0301',)])
def test_labels_that_no_dictionary_can_hold_are_not_born(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match='label'):
        Labels(names)


def test_case_is_ignored_where_asked_unless_two_labels_differ_in_it_alone() -> None:
    labels = Labels(('Rose', 'tulip', 'TULIP', 'STRASSE'))
    assert labels.id_of('ROSE') is None
    assert labels.id_of('ROSE', ignore_case=True) == 0
    assert labels.id_of('straße', ignore_case=True) == 3
    assert [labels.id_of(name, ignore_case=True) for name in ('tulip', 'TULIP', 'Tulip')] == [1, 2, None]


def test_forms_of_one_character_are_one_label() -> None:
    assert Labels(('caf\u00e9',)).id_of('cafe\u0301') == 0


def test_the_nearest_label_is_named_and_nothing_when_none_is_near() -> None:
    labels = Labels(('daisy', 'dandelion', 'Roses'))
    assert [labels.nearest(name) for name in ('dasy', 'rose', 'dandelions', 'qqq')] == [
        'daisy',
        'Roses',
        'dandelion',
        None,
    ]


def test_labels_travel_to_workers() -> None:
    labels = Labels(('a', 'b'))
    assert labels.id_of('b') == 1
    assert pickle.loads(pickle.dumps(labels)) == labels
