"""s3:// paths when the network, the service or the credentials fail."""

import os
import sys
import uuid
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from preprocess import files, objects, pictures, retries, s3_files
from preprocess.failures import InputError, RunFailed
from preprocess.image_formats import ImageError
from preprocess.retries import Patience, Transient
from tests.fakes.faulty import FaultyRelay
from tests.fakes.fixtures import BUCKET


@pytest.fixture(scope='module')
def relay_server(s3_server: str) -> Iterator[FaultyRelay]:
    with FaultyRelay(s3_server) as between:
        yield between


@pytest.fixture
def relay(s3: str, relay_server: FaultyRelay, monkeypatch: pytest.MonkeyPatch) -> FaultyRelay:
    monkeypatch.setenv('AWS_ENDPOINT_URL', relay_server.url)
    return relay_server


@pytest.fixture
def folder(relay: FaultyRelay) -> str:
    return f's3://{BUCKET}/{uuid.uuid4().hex}'


@pytest.mark.parametrize('kind', ['429', '503', 'reset', 'lost', 'truncated', 'slow'])
def test_every_operation_comes_through_when_half_of_the_requests_fail(
    relay: FaultyRelay, folder: str, kind: str
) -> None:
    with relay.failing(0.5, kind, seed=3) as faults:
        for number in range(3):
            path = f'{folder}/{number}'
            assert files.create_if_absent(path, b'first')
            assert not files.create_if_absent(path, b'second')
            files.write_atomic(path, b'third')
            assert files.read_bytes(path) == b'third'
            assert files.stat(path).size == 5
            files.rename(path, path + 'b')
        assert [files.name(found.uri) for found in files.list_dir(folder)] == ['0b', '1b', '2b']
        files.delete_tree(folder)
        assert not files.exists(folder)
    assert faults.done[kind] > 10


def test_a_large_object_comes_through(relay: FaultyRelay, folder: str) -> None:
    data = os.urandom(3 * objects.PART_BYTES)
    with relay.failing(0.3, seed=2) as faults:
        with files.writing_atomic(f'{folder}/large') as opened:
            opened.write(data)
        assert files.read_bytes(f'{folder}/large') == data
    assert faults.done.total() > 2


def test_an_upload_that_fails_for_ever_leaves_no_parts_behind(relay: FaultyRelay, folder: str, monkeypatch) -> None:
    monkeypatch.setattr(retries, 'PATIENCE', Patience(0.01, 0.05, 0.2))
    with (
        relay.failing(1.0, '503', where=lambda method, path: 'partNumber=2' in path),
        pytest.raises(OSError, match='again and again'),
        files.writing_atomic(f'{folder}/large') as opened,
    ):
        opened.write(bytes(3 * objects.PART_BYTES))
    assert s3_files._client().list_multipart_uploads(Bucket=BUCKET).get('Uploads', []) == []
    assert not files.exists(f'{folder}/large')


def test_a_very_large_object_is_copied_in_parts(relay: FaultyRelay, folder: str, monkeypatch) -> None:
    data = os.urandom(12 << 20)
    files.write_atomic(f'{folder}/a', data)
    monkeypatch.setattr(s3_files, '_MOST_COPIED_BYTES', 1 << 20)
    monkeypatch.setattr(s3_files, '_COPIED_PART_BYTES', 5 << 20)
    files.rename(f'{folder}/a', f'{folder}/b')
    assert files.read_bytes(f'{folder}/b') == data
    assert not files.exists(f'{folder}/a')


def test_a_service_that_is_down_is_told_within_its_limit(relay: FaultyRelay, folder: str, monkeypatch) -> None:
    monkeypatch.setattr(retries, 'PATIENCE', Patience(0.01, 0.05, 0.2))
    with relay.failing(1.0, '503', 'reset'):
        for write in (lambda: files.write_atomic(f'{folder}/x', b''), lambda: files.exists(f'{folder}/x')):
            with pytest.raises(RunFailed, match='the storage does not answer'):
                write()


def answered(status: int, code: str, message: str = '') -> ClientError:
    return ClientError(
        {'Error': {'Code': code, 'Message': message}, 'ResponseMetadata': {'HTTPStatusCode': status}}, 'GetObject'
    )


@pytest.mark.parametrize(
    ('status', 'code', 'kind', 'said'),
    [
        (403, 'AccessDenied', PermissionError, 'forbidden: no'),
        (404, 'NoSuchKey', FileNotFoundError, 'no such object'),
        (412, 'PreconditionFailed', OSError, 'changed while it was read'),
        (400, 'InvalidRequest', OSError, 'the storage answers 400 InvalidRequest: no'),
        (503, 'SlowDown', Transient, '503 SlowDown'),
        (400, 'RequestTimeout', Transient, '400 RequestTimeout'),
        (409, 'ConditionalRequestConflict', Transient, '409'),
        (400, 'ExpiredToken', InputError, 'credentials for S3 are refused'),
        (403, 'SignatureDoesNotMatch', InputError, 'credentials for S3 are refused'),
    ],
)
def test_what_the_service_answers_is_told_as_python_tells_it(status: int, code: str, kind: type, said: str) -> None:
    found = s3_files._of_answer(answered(status, code, 'no'))
    assert isinstance(found, kind) and said in str(found)


def test_a_picture_that_may_not_be_read_is_forbidden(relay: FaultyRelay, folder: str, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise answered(403, 'AccessDenied', 'no')

    monkeypatch.setattr(s3_files._client(), 'get_object', refuse)
    with pytest.raises(ImageError) as raised:
        pictures.read_bytes(f'{folder}/x.jpg')
    assert raised.value.reason == 'forbidden'


def test_without_credentials_three_lines_say_what_to_do(s3: str, monkeypatch, tmp_path) -> None:
    for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
        monkeypatch.delenv(name)
    monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', str(tmp_path / 'none'))
    monkeypatch.setenv('AWS_CONFIG_FILE', str(tmp_path / 'none'))
    s3_files._client_for.cache_clear()
    with pytest.raises(InputError, match='there are no credentials for S3') as raised:
        files.read_bytes(f's3://{BUCKET}/x')
    assert 'aws configure' in raised.value.do
    s3_files._client_for.cache_clear()


def test_without_the_package_the_extra_is_named(s3: str, monkeypatch) -> None:
    s3_files._client_for.cache_clear()
    monkeypatch.setitem(sys.modules, 'boto3', None)
    with pytest.raises(InputError, match='need the package boto3') as raised:
        files.exists(f's3://{BUCKET}/x')
    assert raised.value.do == "pip install 'headlight[aws]'"
