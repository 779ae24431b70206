"""Paths by wildcards and named parts."""

from pathlib import Path

import pytest

from preprocess import files
from preprocess.failures import UsageError
from preprocess.path_patterns import PathPattern

NAMES = ('subject', 'camera', 'frame')


def found(folder: Path, pattern: str) -> list[tuple[str, dict[str, str]]]:
    start = len(str(folder)) + 1
    fitting = PathPattern.parse(str(folder / pattern), names=NAMES, flag='--frames').find()
    return [(one.uri[start:], dict(one.fields)) for one in fitting]


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def test_the_labs_names_come_apart(tmp_path: Path) -> None:
    touch(
        tmp_path, 'S1C2000001.jpg', 'S1C2000010.jpg', 'S12C4123456.jpg', 'S1C2.jpg', 'thumb000001.jpg', 'S1C2000001.png'
    )
    assert found(tmp_path, 'S{subject}C{camera}{frame}.jpg') == [
        ('S12C4123456.jpg', {'subject': '12', 'camera': '4', 'frame': '123456'}),
        ('S1C2000001.jpg', {'subject': '1', 'camera': '2', 'frame': '000001'}),
        ('S1C2000010.jpg', {'subject': '1', 'camera': '2', 'frame': '000010'}),
    ]


def test_the_width_of_a_number_tells_it_from_the_one_before(tmp_path: Path) -> None:
    touch(tmp_path, 'S1C10000001.jpg', 'S1C2000001.jpg')
    assert [fields['camera'] for _, fields in found(tmp_path, 'S{subject}C{camera}{frame:06d}.jpg')] == ['10', '2']
    assert found(tmp_path, 'S{subject}C{camera}{frame:6}.jpg') == found(tmp_path, 'S{subject}C{camera}{frame:06}.jpg')


def test_a_part_named_twice_is_the_same_twice(tmp_path: Path) -> None:
    touch(tmp_path, 'S1C2/S1C2000001.jpg', 'S1C2/S1C3000001.jpg', 'S2C2/S1C2000001.jpg', '1-1.jpg', '1-2.jpg')
    assert [path for path, _ in found(tmp_path, 'S{subject}C{camera}/S{subject}C{camera}{frame}.jpg')] == [
        'S1C2/S1C2000001.jpg'
    ]
    assert [path for path, _ in found(tmp_path, '{frame}-{frame}.jpg')] == ['1-1.jpg']


def test_wildcards_are_those_of_a_shell(tmp_path: Path) -> None:
    touch(
        tmp_path,
        'S1C1/a.MP4',
        'S1C1/b.mp4',
        'S1C2/a.MP4',
        'S2C1/a.MP4',
        '.hidden/a.MP4',
        'S1C1/.a.MP4',
        'S1C1/deep/er/c.MP4',
    )
    assert [path for path, _ in found(tmp_path, 'S1C*/*.MP4')] == ['S1C1/a.MP4', 'S1C2/a.MP4']
    assert [path for path, _ in found(tmp_path, 'S[12]C?/[!b].*')] == ['S1C1/a.MP4', 'S1C2/a.MP4', 'S2C1/a.MP4']
    assert [path for path, _ in found(tmp_path, '**/*.MP4')] == [
        'S1C1/a.MP4',
        'S1C1/deep/er/c.MP4',
        'S1C2/a.MP4',
        'S2C1/a.MP4',
    ]
    assert [path for path, _ in found(tmp_path, 'S?C1')] == ['S1C1', 'S2C1']


def test_a_path_that_is_there_as_it_is_written_is_itself(tmp_path: Path) -> None:
    touch(tmp_path, 'a[1].mp4', 'a1.mp4', 'x{y}.mp4')
    assert [path for path, _ in found(tmp_path, 'a[1].mp4')] == ['a[1].mp4']
    assert [path for path, _ in found(tmp_path, 'x{{y}}.mp4')] == ['x{y}.mp4']
    assert found(tmp_path, 'absent.mp4') == []
    assert found(tmp_path, 'absent/*.mp4') == []


@pytest.mark.parametrize('pattern', ['{number}.jpg', 'S{subjet}{frame}.jpg', '{frame}/{x:03}.jpg'])
def test_an_unknown_part_names_those_there_are(pattern: str) -> None:
    with pytest.raises(UsageError) as caught:
        PathPattern.parse(pattern, names=NAMES, flag='--frames')
    assert caught.value.where == f'--frames {pattern}'
    assert '{subject}, {camera}, {frame}' in caught.value.do


def test_the_letters_before_a_part_are_known() -> None:
    pattern = PathPattern.parse('f/S{subject}C{camera}{frame:06}.jpg', names=NAMES, flag='--frames')
    assert (pattern.before('subject'), pattern.before('camera'), pattern.before('frame')) == ('S', 'C', '')
    assert pattern.has('frame') and not PathPattern.parse('a.jpg', names=NAMES, flag='--frames').has('frame')


def test_no_file_is_looked_at_to_list_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *(f'f/S1C2{number:06}.jpg' for number in range(1, 200)))

    def refuse(uri: str) -> bool:
        raise AssertionError(f'{uri} was looked at')

    monkeypatch.setattr(files, 'exists', refuse)
    monkeypatch.setattr(files, 'is_dir', refuse)
    monkeypatch.setattr(files, 'stat', refuse)
    assert len(found(tmp_path, 'f/S{subject}C{camera}{frame}.jpg')) == 199
