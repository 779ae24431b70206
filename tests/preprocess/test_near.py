"""Copies on this machine of what is elsewhere."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from preprocess import files, interrupts, near
from preprocess.failures import InputError, Interrupted, RunFailed
from tests.fakes.fixtures import gcs_environment
from tests.fakes.gcs import FakeGcs


def test_what_is_here_is_used_where_it_is(tmp_path: Path) -> None:
    (tmp_path / 'a').write_bytes(b'x')
    assert near.file(f'{tmp_path}/a') == near.file(f'file://{tmp_path}/a') == f'{tmp_path}/a'
    assert near.tree(str(tmp_path), what='a model') == str(tmp_path)
    near.bring([f'{tmp_path}/a', f'{tmp_path}/none'], what='records')


def test_an_object_is_copied_once_and_again_when_it_changed(place: str) -> None:
    uri = f'{place}/odd [1]#%20.tfrecord.gz'
    files.write_atomic(uri, b'first')
    path = near.file(uri)
    assert Path(path).read_bytes() == b'first' and path.endswith('.tfrecord.gz')
    assert near.file(uri) == path
    files.write_atomic(uri, b'second')
    assert Path(near.file(uri)).read_bytes() == b'second'
    assert Path(path).read_bytes() == b'first'
    with pytest.raises(FileNotFoundError):
        near.file(f'{place}/gone')


def test_several_are_copied_at_once_and_read_from_there(place: str, gcs: FakeGcs) -> None:
    uris = [f'{place}/{number}' for number in range(20)]
    for uri in uris:
        files.write_atomic(uri, uri.encode())
    near.bring([*uris, uris[0]], what='records')
    assert [Path(near.file(uri)).read_bytes() for uri in uris] == [uri.encode() for uri in uris]


def test_many_are_found_by_one_listing(gcs: FakeGcs) -> None:
    uris = [f'gs://bucket/near many/{number}' for number in range(30)]
    for uri in uris:
        files.write_atomic(uri, b'x')
    before = gcs.requests['GET']
    near.bring(uris, what='records')
    assert gcs.requests['GET'] - before == 31
    with pytest.raises(FileNotFoundError):
        near.bring([*uris, 'gs://bucket/near many/gone'], what='records')


def test_what_was_brought_is_used_without_asking_again(gcs: FakeGcs) -> None:
    files.write_atomic('gs://bucket/brought', b'x')
    assert near.if_brought('gs://bucket/brought') == 'gs://bucket/brought'
    near.bring(['gs://bucket/brought'], what='records')
    with gcs.failing(1.0):
        assert Path(near.if_brought('gs://bucket/brought')).read_bytes() == b'x'


def test_a_long_copy_tells_how_far_it_is_and_can_be_interrupted(
    gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(near, '_TELL_FROM_BYTES', 1000)
    monkeypatch.setattr(near, '_MEGABYTE', 1000)
    files.write_atomic('gs://bucket/long/1', bytes(3000))
    with caplog.at_level('INFO', 'preprocess.progress'):
        near.bring(['gs://bucket/long/1'], what='the records')
    assert 'copying the records near: 3 of 3 MB' in caplog.text
    files.write_atomic('gs://bucket/long/2', bytes(3000))
    monkeypatch.setattr(interrupts, 'requested', lambda: True)
    with pytest.raises(Interrupted):
        near.bring(['gs://bucket/long/2'], what='the records')


def test_a_tree_is_copied_with_its_folders(place: str) -> None:
    for name in ('saved_model.pb', 'assets/dict.txt', 'variables/v'):
        files.write_atomic(f'{place}/model/{name}', name.encode())
    found = near.tree(f'{place}/model', what='the model')
    assert {str(path.relative_to(found)): path.read_text() for path in Path(found).rglob('*') if path.is_file()} == {
        name: name for name in ('saved_model.pb', 'assets/dict.txt', 'variables/v')
    }
    assert near.tree(f'{place}/model/', what='the model') != '' and near.tree(f'{place}/model', what='it') == found
    files.write_atomic(f'{place}/model/saved_model.pb', b'new')
    newer = Path(near.tree(f'{place}/model', what='it'))
    assert (newer / 'saved_model.pb').read_bytes() == b'new'
    other = near.file(f'{place}/model/assets/dict.txt')
    near.forget(f'{place}/model')
    assert not newer.exists() and not Path(found).exists() and not Path(other).exists()
    assert (Path(near.tree(f'{place}/model', what='it')) / 'saved_model.pb').read_bytes() == b'new'


def test_no_name_leads_out_of_the_folder(gcs: FakeGcs) -> None:
    gcs.objects.write('bucket', 'evil/../../../x', b'')
    with pytest.raises(InputError, match='no local file can have'):
        near.tree('gs://bucket/evil', what='it')


def test_too_little_room_is_told_before_anything_is_copied(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_atomic(f'{place}/x', b'x' * 1000)
    monkeypatch.setattr(near, '_SPARE_BYTES', 1 << 60)
    with pytest.raises(RunFailed, match='the records, 0.0 GB, are to be copied near, where 0.0 GB are free'):
        near.bring([f'{place}/x'], what='the records')


def test_the_folder_goes_with_the_process_and_those_of_killed_ones_later(gcs: FakeGcs, tmp_path: Path) -> None:
    files.write_atomic('gs://bucket/near/x', b'')
    environment = {**os.environ, **gcs_environment(gcs), 'TMPDIR': str(tmp_path)}
    work = 'import os; from preprocess import near; print(near.file("gs://bucket/near/x")); '

    def run(then: str) -> str:
        command = [sys.executable, '-c', work + then]
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    killed = Path(run('import sys; sys.stdout.flush(); os._exit(0)'))
    assert killed.exists() and killed.is_relative_to(tmp_path)
    assert not Path(run('')).exists()
    assert list(tmp_path.iterdir()) == []
    assert Path(near.folder()).is_relative_to(tempfile.gettempdir())
