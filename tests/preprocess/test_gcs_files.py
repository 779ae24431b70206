"""gs:// paths when the network, the service or the credentials fail."""

import os
import time
import uuid

import pytest

from preprocess import files, gcs_files, objects, pictures, retries
from preprocess.failures import InputError, RunFailed
from preprocess.image_formats import ImageError
from preprocess.retries import Patience
from tests.fakes.fixtures import BUCKET
from tests.fakes.gcs import FakeGcs


@pytest.fixture
def folder(gcs: FakeGcs) -> str:
    return f'gs://{BUCKET}/{uuid.uuid4().hex}'


@pytest.mark.parametrize('kind', ['429', '503', 'reset', 'lost', 'truncated', 'slow'])
def test_every_operation_comes_through_when_half_of_the_requests_fail(gcs: FakeGcs, folder: str, kind: str) -> None:
    with gcs.failing(0.5, kind, seed=3) as faults:
        for number in range(5):
            path = f'{folder}/{number}'
            assert files.create_if_absent(path, b'first')
            assert not files.create_if_absent(path, b'second')
            files.write_atomic(path, b'third')
            assert files.read_bytes(path) == b'third'
            assert files.stat(path).size == 5
            files.rename(path, path + 'b')
        assert [files.name(found.uri) for found in files.list_dir(folder)] == ['0b', '1b', '2b', '3b', '4b']
        files.delete_tree(folder)
        assert not files.exists(folder)
    assert faults.done[kind] > 10


def test_a_large_object_comes_through(gcs: FakeGcs, folder: str) -> None:
    data = os.urandom(3 * objects.PART_BYTES)
    with gcs.failing(0.3, seed=2) as faults:
        with files.writing_atomic(f'{folder}/large') as opened:
            opened.write(data)
        assert files.read_bytes(f'{folder}/large') == data
    assert faults.done.total() > 2


def test_what_is_damaged_on_the_way_is_fetched_again(gcs: FakeGcs, folder: str, monkeypatch) -> None:
    files.write_atomic(f'{folder}/x', b'content')
    answers = [b'comtent', b'content']
    monkeypatch.setattr(gcs_files._Sink, 'getvalue', lambda sink: answers.pop(0))
    assert files.read_bytes(f'{folder}/x') == b'content'
    assert answers == []


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, 'PATIENCE', Patience(first_s=0.01, most_s=0.05, in_all_s=0.2))


def test_damage_in_a_file_of_several_blocks_is_an_error(gcs: FakeGcs, folder: str, monkeypatch) -> None:
    files.write_atomic(f'{folder}/x', bytes(5 << 20))
    monkeypatch.setattr(gcs_files, '_crc', lambda blob: 7)
    with pytest.raises(OSError, match='fails its checksum'):
        files.read_bytes(f'{folder}/x')


def test_a_trickle_is_given_up(gcs: FakeGcs, folder: str, monkeypatch, hasty) -> None:
    files.write_atomic(f'{folder}/x', bytes(100_000))
    monkeypatch.setattr(gcs_files, '_SLOW_AFTER_S', 0.0)
    monkeypatch.setattr(gcs_files, '_SLOWEST_BYTES_PER_S', 1 << 40)
    with pytest.raises(OSError, match='again and again: .* bytes came in 0 s'):
        files.read_bytes(f'{folder}/x')


def test_silence_is_given_up(gcs: FakeGcs, folder: str, monkeypatch, hasty) -> None:
    files.write_atomic(f'{folder}/x', bytes(100_000))
    monkeypatch.setattr(gcs_files, '_TIMEOUT_S', (5.0, 0.05))
    bodies = gcs.failing(1.0, 'stalled', where=lambda method, path: 'alt=media' in path)
    with bodies, pytest.raises(OSError, match='again and again: .*timed out'):
        files.read_bytes(f'{folder}/x')


@pytest.mark.parametrize(
    ('reason', 'name'),
    [('missing', 'gone.jpg'), ('forbidden', 'secret/a.jpg'), ('is-a-directory', 'folder'), ('unreadable', 'bad.jpg')],
)
def test_a_picture_that_can_not_be_had_has_its_reason(gcs: FakeGcs, folder: str, hasty, reason: str, name: str) -> None:
    for path in ('secret/a.jpg', 'folder/a.jpg', 'bad.jpg', 'good.jpg'):
        files.write_atomic(f'{folder}/{path}', b'bytes')
    gcs.objects.forbidden.append(f'{folder}/secret/'.removeprefix('gs://'))
    with gcs.failing(1.0, '503', where=lambda method, path: path.endswith('bad.jpg') or 'bad.jpg?' in path):
        for ask in (pictures.stat, pictures.read_bytes):
            with pytest.raises(ImageError) as raised:
                ask(f'{folder}/{name}')
            assert raised.value.reason == reason
            assert pictures.read_bytes(f'{folder}/good.jpg') == b'bytes'


def test_a_service_that_is_down_is_told_within_its_limit(gcs: FakeGcs, folder: str, hasty) -> None:
    with gcs.failing(1.0, '503', 'reset'):
        for write in (lambda: files.write_atomic(f'{folder}/x', b''), lambda: files.exists(f'{folder}/x')):
            with pytest.raises(RunFailed, match='the storage does not answer') as raised:
                write()
            assert raised.value.lines().count('\n') == 2
        with pytest.raises(RunFailed), files.writing_atomic(f'{folder}/large') as opened:
            opened.write(bytes(2 * objects.PART_BYTES))


def test_nobody_listens_there(gcs: FakeGcs, folder: str, monkeypatch, hasty) -> None:
    monkeypatch.setenv('STORAGE_EMULATOR_HOST', 'http://127.0.0.1:9')
    with pytest.raises(RunFailed, match='the storage does not answer: connection refused'):
        files.read_bytes(f'{folder}/x')


def test_credentials_that_are_refused_end_the_run_at_once(gcs: FakeGcs, folder: str) -> None:
    gcs.refuses_everybody = True
    with pytest.raises(InputError, match='credentials for Google Cloud are refused') as raised:
        files.read_bytes(f'{folder}/x')
    assert 'gcloud auth application-default login' in raised.value.do


def test_without_credentials_three_lines_come_without_waiting(monkeypatch, tmp_path) -> None:
    for name in ('STORAGE_EMULATOR_HOST', 'GOOGLE_APPLICATION_CREDENTIALS', 'NO_GCE_CHECK'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('CLOUDSDK_CONFIG', str(tmp_path))
    monkeypatch.setattr(gcs_files, '_METADATA', ('127.0.0.1', 9))
    # Set in the process and left there: put back what was.
    monkeypatch.setenv('NO_GCE_CHECK', 'false')
    gcs_files._client_for.cache_clear()

    def asleep(seconds: float) -> None:
        raise AssertionError(f'waits for {seconds} s')

    monkeypatch.setattr(time, 'sleep', asleep)
    with pytest.raises(InputError, match='there are no credentials for Google Cloud') as raised:
        files.exists('gs://somewhere/x')
    assert raised.value.lines().count('\n') == 2
