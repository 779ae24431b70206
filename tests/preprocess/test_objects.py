"""Objects on gs:// and s3:// as files: alike on both, and as local files are wherever there is no difference."""

import io
import os

import pytest

from preprocess import files, objects
from preprocess.failures import InputError
from preprocess.files import FileStat
from tests.fakes.gcs import FakeGcs
from tests.preprocess.test_files import ODD_NAMES

# S3's protocol is XML, which has no place for these.
ODD = [name for name in ODD_NAMES if name.isprintable()]


@pytest.mark.parametrize('name', ODD)
def test_an_odd_name_is_written_found_and_read_as_it_is(place: str, name: str) -> None:
    path = files.join(place, name)
    files.write_atomic(path, b'bytes')
    assert files.read_bytes(path) == b'bytes'
    assert files.exists(path) and not files.is_dir(path)
    assert files.glob(path) == [path]
    assert [found.uri for found in files.list_dir(place)] == [path]
    files.rename(path, f'{place}/moved/{name}')
    assert [found.uri for found in files.list_dir(place, recursive=True)] == [f'{place}/moved/{name}']


def test_a_prefix_is_a_directory_while_something_is_below_it(place: str) -> None:
    files.make_dirs(place)
    assert not files.exists(place) and not files.is_dir(place)
    files.write_atomic(f'{place}/a/b', b'')
    assert files.exists(f'{place}/a') and files.is_dir(f'{place}/a') and files.is_dir(f'{place}/a/')
    assert not files.is_dir(f'{place}/a/b')
    files.delete(f'{place}/a/b')
    assert not files.exists(place)
    bucket = place.rpartition('/')[0]
    assert files.is_dir(bucket) and files.is_dir(bucket + '/')
    assert not files.is_dir(f'{place.partition("://")[0]}://no-such-bucket-here')


def test_listing_goes_in_order_of_the_whole_paths_and_below_when_asked(place: str) -> None:
    for path in ('a/z', 'a.txt', 'a-b/x', 'b/.hidden', 'é', '\U00010000'):
        files.write_atomic(f'{place}/{path}', b'12')
    everything = list(files.list_dir(place, recursive=True))
    below = [found.uri.removeprefix(f'{place}/') for found in everything]
    assert below == sorted(below) == ['a-b/x', 'a.txt', 'a/z', 'b/.hidden', 'é', '\U00010000']
    assert everything[0] == files.stat(f'{place}/a-b/x')
    assert {found.size for found in everything} == {2}
    assert [found.uri for found in files.list_dir(place + '/')] == [
        f'{place}/{name}' for name in below if '/' not in name
    ]
    with pytest.raises(FileNotFoundError):
        list(files.list_dir(f'{place}/none'))


def test_a_long_listing_comes_in_pages(place: str, gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f'{number:02d}' for number in range(9)]
    for name in [*names, 'a/x', 'b/x', 'b/y']:
        files.write_atomic(f'{place}/{name}', b'')
    monkeypatch.setattr(gcs.objects, 'page', 4)
    monkeypatch.setenv('MOTO_S3_DEFAULT_MAX_KEYS', '4')
    assert [files.name(found.uri) for found in files.list_dir(place)] == names
    assert [files.name(found.uri) for found in files.list_dir(place, recursive=True)] == [*names, 'x', 'x', 'y']
    assert files.glob(f'{place}/*/y') == [f'{place}/b/y']
    files.delete_tree(place)
    assert not files.exists(place)


def test_patterns_find_objects_as_they_find_files(place: str) -> None:
    for path in ('d[1]/x.csv', 'd[1]/y.csv', 'd1/z.csv', 'd[1]/sub.csv/inner.csv', '.hidden.csv'):
        files.write_atomic(f'{place}/{path}', b'')
    assert files.glob(f'{place}/d[1]/*.csv') == [f'{place}/d[1]/x.csv', f'{place}/d[1]/y.csv']
    assert files.glob(f'{place}/*/z.csv') == [f'{place}/d1/z.csv']
    assert files.glob(f'{place}/**/inner.csv') == [f'{place}/d[1]/sub.csv/inner.csv']
    assert files.glob(f'{place}/*.csv') == []
    assert files.glob(f'{place}/.h*') == [f'{place}/.hidden.csv']
    assert files.glob(f'{place}/none/*') == files.glob(f'{place}/d1/none.csv') == []


def test_a_write_that_raises_leaves_nothing_and_the_old_object_alone(place: str) -> None:
    path = f'{place}/result'
    files.write_atomic(path, b'old')
    with pytest.raises(RuntimeError, match='half-way'), files.writing_atomic(path) as opened:
        opened.write(b'new')
        raise RuntimeError('half-way')
    assert files.read_bytes(path) == b'old'
    assert [found.uri for found in files.list_dir(place)] == [path]


def test_only_the_first_creates(place: str) -> None:
    path = f'{place}/claim'
    assert files.create_if_absent(path, b'mine')
    assert not files.create_if_absent(path, b'theirs')
    assert files.read_bytes(path) == b'mine'


def test_the_version_changes_with_the_content(place: str) -> None:
    path = f'{place}/x'
    files.write_atomic(path, b'abc')
    before = files.stat(path)
    assert before == FileStat(path, 3, before.version) and before.version
    files.write_atomic(path, b'abd')
    assert files.stat(path).version != before.version


def test_what_is_not_there_and_what_is_a_directory_are_told_as_python_tells_them(place: str) -> None:
    files.write_atomic(f'{place}/folder/x', b'')
    for ask in (files.stat, files.read_bytes):
        with pytest.raises(FileNotFoundError, match='no such object') as raised:
            ask(f'{place}/gone')
        assert raised.value.filename == f'{place}/gone'
        with pytest.raises(IsADirectoryError):
            ask(f'{place}/folder')
    with pytest.raises(FileNotFoundError):
        files.rename(f'{place}/gone', f'{place}/there')
    files.delete(f'{place}/gone')
    files.delete_tree(f'{place}/gone')


def test_a_bucket_that_is_not_there_is_told_in_three_lines_when_it_is_written_to(place: str) -> None:
    nowhere = f'{place.partition("://")[0]}://no-such-bucket-here'
    with pytest.raises(FileNotFoundError):
        files.read_bytes(f'{nowhere}/x')
    with pytest.raises(InputError, match='there is no such bucket') as raised:
        files.write_atomic(f'{nowhere}/x', b'')
    assert raised.value.where == nowhere
    with pytest.raises(OSError, match='names no bucket'):
        files.read_bytes(place[:5])


def test_a_tree_is_removed_with_all_below_it_and_nothing_beside_it(place: str) -> None:
    for path in ('a/1', 'a/b/2', 'ab/3'):
        files.write_atomic(f'{place}/{path}', b'')
    files.delete_tree(f'{place}/a')
    assert [found.uri for found in files.list_dir(place, recursive=True)] == [f'{place}/ab/3']
    files.delete_tree(f'{place}/ab/3')
    assert not files.exists(place)


def test_a_large_object_goes_in_parts_and_is_read_wherever_one_looks(place: str) -> None:
    data = os.urandom(objects.PART_BYTES) * 2 + b'the end'
    path = f'{place}/large'
    with files.writing_atomic(path) as opened:
        opened.write(data)
    assert files.stat(path).size == len(data)
    assert files.read_bytes(path) == data
    assert files.read_bytes(path, limit=10) == data[:10]
    with files.open_read(path) as opened:
        assert (opened.seek(-7, io.SEEK_END), opened.read()) == (len(data) - 7, b'the end')
        assert (opened.seek(5_000_000), opened.read(3)) == (5_000_000, data[5_000_000:5_000_003])
        assert (opened.seek(0), opened.read(4), opened.tell()) == (0, data[:4], 4)
        assert opened.read() == data[4:]
        assert opened.seek(len(data) + 5) and opened.read() == b''
    files.copy(path, f'{place}/copy')
    assert files.sha256(f'{place}/copy') == files.sha256(path)


@pytest.mark.parametrize('size', [0, 1, 4 << 20])
def test_an_object_of_any_size_ends_where_it_ends(place: str, size: int) -> None:
    files.write_atomic(f'{place}/x', bytes(size))
    with files.open_read(f'{place}/x') as opened:
        assert len(opened.read()) == size
        assert opened.read() == b''
        assert opened.seek(0, io.SEEK_END) == size


def test_a_file_that_changes_while_it_is_read_is_noticed(place: str) -> None:
    path = f'{place}/x'
    files.write_atomic(path, bytes(9 << 20))
    with files.open_read(path) as opened:
        assert opened.read(1) == b'\0'
        files.write_atomic(path, b'1' * (9 << 20))
        with pytest.raises(OSError, match='changed while it was read'):
            opened.read()


def test_who_jumps_asks_for_little(gcs: FakeGcs) -> None:
    path = 'gs://bucket/jumps/large'
    files.write_atomic(path, bytes(40 << 20))
    before = gcs.bytes_sent
    with files.open_read(path) as opened:
        opened.seek(-16, io.SEEK_END)
        assert len(opened.read(16)) == 16
        # What is before the end came with it.
        opened.seek(-100_000, io.SEEK_END)
        assert len(opened.read(50_000)) == 50_000
        opened.seek(20 << 20)
        assert len(opened.read(1000)) == 1000
    assert gcs.bytes_sent - before < 1 << 20


def test_a_copy_within_a_storage_is_made_there(gcs: FakeGcs) -> None:
    files.write_atomic('gs://bucket/copies/a', bytes(5 << 20))
    before = gcs.bytes_sent
    files.copy('gs://bucket/copies/a', 'gs://bucket/copies/b')
    assert gcs.bytes_sent - before < 10_000
    assert files.stat('gs://bucket/copies/b').size == 5 << 20
    with pytest.raises(FileNotFoundError):
        files.copy('gs://bucket/copies/none', 'gs://bucket/copies/b')


def test_files_of_several_storages_are_copied_to_each_other(place: str, tmp_path) -> None:
    (tmp_path / 'a').write_bytes(b'abc')
    files.copy(f'{tmp_path}/a', f'{place}/a')
    files.copy(f'{place}/a', f'{tmp_path}/b')
    assert (tmp_path / 'b').read_bytes() == b'abc'
