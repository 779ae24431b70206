"""What a cell of a CSV points at."""

from pathlib import Path

import pytest

from preprocess import locations
from preprocess.locations import Location, Places, is_recording, is_video


def places(tmp_path: Path) -> Places:
    for folder in ('csvs', 'here'):
        (tmp_path / folder).mkdir(exist_ok=True)
    return Places(f'{tmp_path}/csvs', f'{tmp_path}/here')


def test_a_relative_path_belongs_to_the_folder_else_to_the_working_directory(tmp_path: Path) -> None:
    found = places(tmp_path)
    (tmp_path / 'csvs' / 'both.jpg').touch()
    (tmp_path / 'here' / 'both.jpg').touch()
    (tmp_path / 'here' / 'only.jpg').touch()
    assert found.find('both.jpg') == Location(f'{tmp_path}/csvs/both.jpg')
    assert found.find('only.jpg') == Location(f'{tmp_path}/here/only.jpg', from_working_dir=True)
    assert found.find('nowhere.jpg') == Location(f'{tmp_path}/csvs/nowhere.jpg')


@pytest.mark.parametrize(
    ('cell', 'uri'),
    [
        ('/data/a%20b.jpg', '/data/a%20b.jpg'),
        ('file:///data/a%20b#1?.jpg', '/data/a%20b#1?.jpg'),
        ('file://localhost/data/a.jpg', '/data/a.jpg'),
        ('gs://bucket/a b//c%20#?.jpg', 'gs://bucket/a b//c%20#?.jpg'),
        ('s3://bucket/../a.jpg', 's3://bucket/../a.jpg'),
        ('/data//./x/a.jpg', '/data/x/a.jpg'),
        ('/no/such/../a.jpg', '/no/a.jpg'),
        ('/data/.hidden.jpg', '/data/.hidden.jpg'),
    ],
)
def test_other_paths_are_taken_as_they_are_in_one_spelling(tmp_path: Path, cell: str, uri: str) -> None:
    assert places(tmp_path).find(cell) == Location(uri)


def test_a_csv_in_a_bucket_has_its_pictures_beside_it(tmp_path: Path) -> None:
    found = Places('gs://bucket/set', str(tmp_path))
    assert found.find('a.jpg') == Location('gs://bucket/set/a.jpg')
    assert found.find('/local/a.jpg') == Location('/local/a.jpg')


def test_the_folder_above_a_linked_one_is_the_real_one(tmp_path: Path) -> None:
    (tmp_path / 'real' / 'inner').mkdir(parents=True)
    (tmp_path / 'real' / 'a.jpg').touch()
    (tmp_path / 'csvs').mkdir()
    (tmp_path / 'csvs' / 'link').symlink_to(tmp_path / 'real' / 'inner')
    found = places(tmp_path).find('link/../a.jpg')
    assert Path(found.uri).resolve() == tmp_path / 'real' / 'a.jpg'
    (tmp_path / 'csvs' / 'sub').mkdir()
    assert places(tmp_path).find('sub/../b.jpg').uri == f'{tmp_path}/csvs/b.jpg'


@pytest.mark.parametrize(
    ('ending', 'start', 'stop', 'frame'),
    [
        ('#t=12.5,19.0', 12.5, 19.0, None),
        ('#t=12', 12.0, None, None),
        ('#t=.5,1', 0.5, 1.0, None),
        ('#frame=120', None, None, 120),
    ],
)
def test_a_stretch_of_video_is_told_at_the_end(
    tmp_path: Path, ending: str, start: float | None, stop: float | None, frame: int | None
) -> None:
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here' / 'my clip#2.MP4').touch()
    found = places(tmp_path).find('my clip#2.MP4' + ending)
    assert found == Location(f'{tmp_path}/here/my clip#2.MP4{ending}', start, stop, frame, from_working_dir=True)


@pytest.mark.parametrize(
    'cell',
    [
        'a#t=1.jpg',
        'a.jpg#t=1,2',
        'clip.mp4#t=',
        'clip.mp4#t=-1',
        'clip.mp4#t=1,2,3',
        'clip.mp4#t=1#',
        'clip.mp4#frame=x',
    ],
)
def test_what_only_looks_like_a_stretch_is_a_path(tmp_path: Path, cell: str) -> None:
    assert places(tmp_path).find(cell) == Location(f'{tmp_path}/csvs/{cell}')


def test_a_file_of_the_whole_name_hides_the_stretch(tmp_path: Path) -> None:
    found = places(tmp_path)
    for name in ('clip.mp4', 'clip.mp4#t=1,2', 'clip.mp4#t=3'):
        (tmp_path / 'csvs' / name).touch()
    assert found.find('clip.mp4#t=1,2') == Location(f'{tmp_path}/csvs/clip.mp4#t=1,2')
    assert not found.is_split_stretch('clip.mp4#t=3', '4')


@pytest.mark.parametrize(
    ('first', 'second', 'joined'),
    [
        ('clip.mp4#t=12.5', '19.0', True),
        ('clip.mp4#t=12.5', ' 19 ', True),
        ('clip.mp4#t=12.5', 'WALK', False),
        ('clip.mp4#t=12.5', '', False),
        ('clip.mp4#t=1,2', '3', False),
        ('clip.mp4', '3', False),
        ('clip.jpg#t=1', '3', False),
    ],
)
def test_two_cells_are_one_stretch_when_a_comma_came_between(
    tmp_path: Path, first: str, second: str, joined: bool
) -> None:
    assert places(tmp_path).is_split_stretch(first, second) is joined


def test_videos_are_told_by_their_extension() -> None:
    assert [is_video(path) for path in ('a.mp4', 'gs://b/A.MOV', 'a.tlv', 'a.gif', 'mp4', 'a.mp4.jpg')] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_recording_is_a_video_its_parts_a_list_of_them_or_a_folder(tmp_path: Path) -> None:
    found = places(tmp_path)
    (tmp_path / 'here' / 'P5').mkdir()
    (tmp_path / 'here' / 'a.mp4').touch()
    (tmp_path / 'here' / 'mylist.txt').touch()
    assert found.find('P5') == Location(f'{tmp_path}/here/P5/', from_working_dir=True)
    assert found.find('P5/#t=1,2') == Location(f'{tmp_path}/here/P5/#t=1,2', 1.0, 2.0, from_working_dir=True)
    assert found.find('P5#t=1,2') == found.find('P5/#t=1,2')
    assert found.find('mylist.txt#t=3') == Location(f'{tmp_path}/here/mylist.txt#t=3', 3.0, from_working_dir=True)
    assert found.find('a.mp4;b.mp4#t=3') == Location(f'{tmp_path}/here/a.mp4;b.mp4#t=3', 3.0, from_working_dir=True)
    assert found.find('gs://b/P5/#t=1,2') == Location('gs://b/P5/#t=1,2', 1.0, 2.0)
    assert found.is_split_stretch('P5#t=1', '2.5')
    assert [is_recording(path) for path in ('x.MP4', 'P5/', 'list.txt', 'a.mp4;b.mp4', 'a.jpg', 'P5')] == [
        *[True] * 4,
        *[False] * 2,
    ]


def test_a_folder_named_like_a_picture_stays_one(tmp_path: Path) -> None:
    found = places(tmp_path)
    (tmp_path / 'csvs' / 'odd.png').mkdir()
    assert found.find('odd.png') == Location(f'{tmp_path}/csvs/odd.png')
    assert not is_recording(found.find('odd.png').uri)


@pytest.mark.parametrize(
    'number, uri, cell, place',
    [
        (1, '/x/dam/1.mp4;dam/2.mp4', 'dam/1.mp4;dam/2.mp4', '/x/dam/2.mp4'),
        (2, '/x/dam/1.mp4;2.mp4;up/3.mp4', './dam/1.mp4; 2.mp4;up/3.mp4#t=1,2', '/x/up/3.mp4'),
        (1, 'gs://b/x/dam/1.mp4;dam/2.mp4', 'dam/1.mp4;dam/2.mp4#frame=3', 'gs://b/x/dam/2.mp4'),
        (0, '/x/dam/1.mp4;dam/2.mp4', 'dam/1.mp4;dam/2.mp4', None),
        (1, '/x/dam/1.mp4;2.mp4', 'dam/1.mp4;2.mp4', None),
        (1, '/x/1.mp4;/y/2.mp4', '/x/1.mp4;/y/2.mp4', None),
        (3, '/x/videos/', 'videos', None),
    ],
)
def test_where_a_part_was_looked_for_first(number: int, uri: str, cell: str, place: str | None) -> None:
    assert locations.place_named_first(number, uri, cell) == place
