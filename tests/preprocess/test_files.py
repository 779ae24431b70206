"""Paths used verbatim, writes whole or not at all, Python's own errors."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from preprocess import files, local_files

ODD_NAMES = [
    'plain.jpg',
    'two words.jpg',
    ' leading and trailing .jpg ',
    'caf\u00e9 composed.jpg',
    'cafe\u0301 decomposed.jpg',
    '日本語.png',
    'emoji 🐦.jpg',
    '100%20.jpg',
    '50%.jpg',
    '#1.jpg',
    'a#b.jpg',
    'clip.mp4#t=1,2',
    'what?.jpg',
    'a[1].jpg',
    '*.jpg',
    '{x}.jpg',
    "it's.jpg",
    'say "hi".jpg',
    'a,b.jpg',
    'two\nlines.jpg',
    'tab\there.jpg',
    'back\\slash.jpg',
    '=cmd().jpg',
    '~home.jpg',
    '-name.jpg',
    '&amp;<b>.jpg',
]


@pytest.mark.parametrize('name', ODD_NAMES)
def test_an_odd_name_is_written_found_and_read_as_it_is(tmp_path: Path, name: str) -> None:
    path = files.join(str(tmp_path), name)
    files.write_atomic(path, b'bytes')
    assert os.listdir(tmp_path) == [name]
    assert files.read_bytes(path) == b'bytes'
    assert files.read_bytes('file://' + path) == b'bytes'
    assert files.glob(path) == [path]
    assert [found.uri for found in files.list_dir(str(tmp_path))] == [path]
    assert (files.name(path), files.parent(path)) == (name, str(tmp_path))


def test_a_bracketed_name_is_not_taken_for_a_pattern(tmp_path: Path) -> None:
    for name in ('a[1].jpg', 'a1.jpg'):
        (tmp_path / name).touch()
    assert files.glob(f'{tmp_path}/a[1].jpg') == [f'{tmp_path}/a[1].jpg']
    (tmp_path / 'a[1].jpg').unlink()
    assert files.glob(f'{tmp_path}/a[1].jpg') == [f'{tmp_path}/a1.jpg']


def test_a_pattern_finds_files_in_a_folder_with_brackets_in_its_name(tmp_path: Path) -> None:
    for path in ('d[1]/x.csv', 'd[1]/y.csv', 'd1/z.csv', 'd[1]/sub.csv/inner.csv'):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert files.glob(f'{tmp_path}/d[1]/*.csv') == [f'{tmp_path}/d[1]/x.csv', f'{tmp_path}/d[1]/y.csv']
    assert files.glob(f'{tmp_path}/*/z.csv') == [f'{tmp_path}/d1/z.csv']
    assert files.glob(f'{tmp_path}/**/inner.csv') == [f'{tmp_path}/d[1]/sub.csv/inner.csv']
    assert files.glob(f'{tmp_path}/none*') == []


def test_a_pattern_passes_over_hidden_names_unless_it_asks_for_them(tmp_path: Path) -> None:
    for name in ('.train.tmp', 'train-0'):
        (tmp_path / name).touch()
    assert files.glob(f'{tmp_path}/*train*') == [f'{tmp_path}/train-0']
    assert files.glob(f'{tmp_path}/.train*') == [f'{tmp_path}/.train.tmp']


def test_a_relative_pattern_gives_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'a.csv').touch()
    monkeypatch.chdir(tmp_path)
    assert files.glob('data/*.csv') == ['data/a.csv']
    assert files.glob('*/a.csv') == ['data/a.csv']


def test_a_write_that_raises_leaves_nothing_and_the_old_file_alone(tmp_path: Path) -> None:
    path = str(tmp_path / 'result')
    files.write_atomic(path, b'old')
    with pytest.raises(RuntimeError, match='half-way'), files.writing_atomic(path) as opened:
        opened.write(b'new')
        raise RuntimeError('half-way')
    assert os.listdir(tmp_path) == ['result']
    assert files.read_bytes(path) == b'old'


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow beyond a kilobyte: writing fails as it does on a full disk, without a path in the error.

    Not a fixture: pytest's own output may be a file, too, and longer.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize('write', [files.write_atomic, files.create_if_absent])
def test_a_full_disk_is_told_with_the_path_that_was_asked_for(
    write: Callable[[str, bytes], object], tmp_path: Path
) -> None:
    with pytest.raises(OSError, match='too large') as raised, full_disk():
        write(f'{tmp_path}/result', bytes(1 << 20))
    assert (raised.value.filename, os.listdir(tmp_path)) == (f'{tmp_path}/result', [])


@pytest.mark.parametrize('write', [files.write_atomic, files.create_if_absent])
def test_a_disk_that_can_not_be_written_is_told_with_the_path_that_was_asked_for(
    write: Callable[[str, bytes], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, *_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    # A read-only file system refuses to remove as well, even what isn't there.
    monkeypatch.setattr(local_files, 'open', refuse, raising=False)
    monkeypatch.setattr(os, 'unlink', refuse)
    with pytest.raises(OSError, match='Read-only') as raised:
        write(f'{tmp_path}/result', b'x')
    assert raised.value.filename == f'{tmp_path}/result'


def test_an_error_of_the_writer_s_own_keeps_its_words(tmp_path: Path) -> None:
    with pytest.raises(OSError, match='^the source ended early$'), files.writing_atomic(f'{tmp_path}/result'):
        raise OSError('the source ended early')
    with pytest.raises(FileNotFoundError) as raised, files.writing_atomic(f'{tmp_path}/result'):
        files.read_bytes(f'{tmp_path}/source')
    assert raised.value.filename == f'{tmp_path}/source'


def test_writing_makes_the_folders_above(tmp_path: Path) -> None:
    files.write_atomic(f'{tmp_path}/a/b/c.txt', b'x')
    assert files.create_if_absent(f'{tmp_path}/d/e.txt', b'y')
    files.rename(f'{tmp_path}/d/e.txt', f'{tmp_path}/f/g.txt')
    assert sorted(found.uri for found in files.list_dir(str(tmp_path), recursive=True)) == [
        f'{tmp_path}/a/b/c.txt',
        f'{tmp_path}/f/g.txt',
    ]


def test_the_longest_legal_name_can_be_written(tmp_path: Path) -> None:
    path = f'{tmp_path}/{"é" * 127}'
    files.write_atomic(path, b'x')
    assert files.read_bytes(path) == b'x'


def test_a_bare_name_is_written_into_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files.write_atomic('bare', b'x')
    files.make_dirs(files.parent('bare'))
    assert [found.uri for found in files.list_dir('.')] == ['./bare']
    assert files.exists('bare')


def test_only_the_first_creates_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / 'claim')
    assert files.create_if_absent(path, b'first')
    assert not files.create_if_absent(path, b'second')
    assert files.read_bytes(path) == b'first'
    assert os.listdir(tmp_path) == ['claim']


def test_creating_works_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, 'Operation not permitted')

    monkeypatch.setattr(os, 'link', no_links)
    path = str(tmp_path / 'claim')
    assert files.create_if_absent(path, b'first')
    assert not files.create_if_absent(path, b'second')
    assert (files.read_bytes(path), os.listdir(tmp_path)) == (b'first', ['claim'])


def test_deleting_what_is_gone_is_no_error(tmp_path: Path) -> None:
    files.delete(str(tmp_path / 'nothing'))
    files.delete_tree(str(tmp_path / 'nothing'))
    files.write_atomic(f'{tmp_path}/d/e/f', b'')
    files.delete_tree(f'{tmp_path}/d')
    assert not files.exists(f'{tmp_path}/d')


def test_deleting_a_link_to_a_folder_leaves_the_folder(tmp_path: Path) -> None:
    (tmp_path / 'real').mkdir()
    (tmp_path / 'real' / 'kept').touch()
    (tmp_path / 'link').symlink_to(tmp_path / 'real')
    files.delete_tree(str(tmp_path / 'link'))
    assert sorted(os.listdir(tmp_path)) == ['real']
    assert files.exists(str(tmp_path / 'real' / 'kept'))


def test_each_kind_of_failed_access_has_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.open_read(str(tmp_path / 'nothing'))
    with pytest.raises(FileNotFoundError):
        files.stat(str(tmp_path / 'nothing'))
    with pytest.raises(FileNotFoundError):
        list(files.list_dir(str(tmp_path / 'nothing')))
    with pytest.raises(IsADirectoryError):
        files.read_bytes(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_forbidden_file_is_a_permission_error(tmp_path: Path) -> None:
    (tmp_path / 'secret').touch(mode=0)
    with pytest.raises(PermissionError):
        files.read_bytes(str(tmp_path / 'secret'))


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(OSError, match='not a regular file'):
        files.read_bytes(str(tmp_path / 'pipe'))


def test_a_storage_that_is_not_known_is_an_input_error_and_an_os_error() -> None:
    with pytest.raises(OSError, match='no storage is known for ftp://') as caught:
        files.read_bytes('ftp://host/a.jpg')
    assert isinstance(caught.value, files.InputError)
    assert caught.value.where == caught.value.filename == 'ftp://host/a.jpg'


@pytest.mark.parametrize(('mistyped', 'meant'), [('gs:/bucket/a', 'gs://bucket/a'), ('s3:bucket/a', 's3://bucket/a')])
def test_an_address_with_a_slash_too_few_is_not_taken_for_a_folder(mistyped: str, meant: str) -> None:
    with pytest.raises(files.InputError) as caught:
        files.absolute(mistyped)
    assert (caught.value.where, caught.value.do) == (mistyped, f'write {meant}')


def test_listing_goes_in_order_of_the_whole_paths_and_below_when_asked(tmp_path: Path) -> None:
    for path in ('a/z', 'a.txt', 'a-b/x', 'b/.hidden'):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b'12')
    everything = list(files.list_dir(str(tmp_path), recursive=True))
    below = [found.uri.removeprefix(f'{tmp_path}/') for found in everything]
    assert below == sorted(below) == ['a-b/x', 'a.txt', 'a/z', 'b/.hidden']
    assert {found.size for found in everything} == {2}
    assert [found.uri for found in files.list_dir(str(tmp_path))] == [f'{tmp_path}/a.txt']


def test_listing_follows_links_but_never_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / 'set').mkdir()
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'elsewhere' / 'x.jpg').touch()
    (tmp_path / 'set' / 'linked').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'set' / 'circle').symlink_to(tmp_path / 'set')
    (tmp_path / 'set' / 'broken.jpg').symlink_to(tmp_path / 'nothing')
    found = list(files.list_dir(str(tmp_path / 'set'), recursive=True))
    assert [each.uri.removeprefix(f'{tmp_path}/set/') for each in found] == ['broken.jpg', 'linked/x.jpg']
    assert found[0] == files.FileStat(f'{tmp_path}/set/broken.jpg', 0, '')


def test_the_version_changes_with_the_time_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / 'x'
    path.write_bytes(b'abc')
    os.utime(path, ns=(1, 7))
    assert files.stat(str(path)) == files.FileStat(str(path), 3, '7')
    assert next(files.list_dir(str(tmp_path))) == files.stat(str(path))


@pytest.mark.parametrize(
    ('base', 'part', 'whole'),
    [
        ('/data', 'a.jpg', '/data/a.jpg'),
        ('/data/', 'a.jpg', '/data/a.jpg'),
        ('/data', '/other/a.jpg', '/other/a.jpg'),
        ('/data', 'gs://bucket/a.jpg', 'gs://bucket/a.jpg'),
        ('gs://bucket/data', 'a.jpg', 'gs://bucket/data/a.jpg'),
        ('gs://bucket', 'a//b', 'gs://bucket/a//b'),
    ],
)
def test_joining(base: str, part: str, whole: str) -> None:
    assert files.join(base, part) == whole


def test_paths_of_their_storages() -> None:
    assert [files.is_remote(path) for path in ('a', '/a', 'file:///a', 'gs://b/a', 's3://b/a', 'c:a', 'a:/b')] == [
        False,
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert files.without_scheme('file:///a%20b#c') == '/a%20b#c'
    assert files.without_scheme('file://localhost/a') == '/a'
    assert files.absolute('gs://b/../a') == 'gs://b/../a'
    assert files.absolute('file:///a/./b') == '/a/b'
    assert (files.parent('gs://b/a.csv'), files.name('gs://b/set/')) == ('gs://b', 'set')


def test_copy_hash_text_and_a_limit(tmp_path: Path) -> None:
    files.write_atomic(f'{tmp_path}/a', 'grün'.encode())
    files.copy(f'{tmp_path}/a', f'{tmp_path}/new/b')
    assert files.read_text(f'{tmp_path}/new/b') == 'grün'
    assert files.read_bytes(f'{tmp_path}/a', limit=2) == b'gr'
    assert files.sha256(f'{tmp_path}/a') == 'fe263064ba02eaeac482aaf1309553779bdb78e385cb1374654de293e191d785'
