"""Amazon S3 and what speaks like it: the requests behind s3:// paths, by boto3 (extra `aws`), each made once.

`AWS_ENDPOINT_URL` leads to another server than Amazon's; credentials are found as the AWS tools find them.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO

from preprocess.failures import InputError
from preprocess.object_reader import Block
from preprocess.objects import PART_BYTES, Address, Found, Page, Persist
from preprocess.retries import Transient

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

# To be connected, and between two bytes of an answer.
_TIMEOUT_S = 10.0
_CONNECTIONS = 64
# The service copies up to 5 GB in one request.
_MOST_COPIED_BYTES = 5 << 30
_COPIED_PART_BYTES = 512 << 20
_LOG_IN = 'run `aws configure`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
_SETTINGS = ('AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_DEFAULT_REGION')
_TRANSIENT_CODES = frozenset(
    ['SlowDown', 'Throttling', 'ThrottlingException', 'RequestTimeout', 'InternalError', 'ServiceUnavailable']
    + ['RequestLimitExceeded', 'ConditionalRequestConflict', 'OperationAborted', 'BadDigest']
)
_REFUSED_CODES = frozenset(
    ['ExpiredToken', 'ExpiredTokenException', 'InvalidAccessKeyId', 'InvalidToken', 'SignatureDoesNotMatch']
    + ['TokenRefreshRequired', 'AuthFailure', 'UnrecognizedClientException']
)
_TRANSIENT_STATUS = frozenset([408, 429, 500, 502, 503, 504])


class S3Service:
    """Objects of S3; a version is an ETag, which follows from the content."""

    scheme = 's3'

    def stat(self, at: Address) -> Found:
        """An object's size and ETag."""
        with _translated():
            said = _client().head_object(Bucket=at.bucket, Key=at.name)
        return Found(at.name, said['ContentLength'], said['ETag'])

    def read(self, at: Address, first: int, count: int, version: str | None) -> Block:
        """Some bytes of an object."""
        # From its beginning an object is asked for whole: its checksum comes with it, and an empty one has no range.
        asked = {'Range': f'bytes={first}-{first + count - 1}'} if first else {'ChecksumMode': 'ENABLED'}
        if version:
            asked['IfMatch'] = version
        with _translated():
            try:
                said = _client().get_object(Bucket=at.bucket, Key=at.name, **asked)
            except _error() as error:
                if _status(error) == 416:
                    return Block(b'')
                raise
            size = int(said['ContentLength'])
            with said['Body'] as body:
                # Read to its end, a body is checked; of a longer one the rest is never sent.
                data = bytes(body.read() if size <= count else body.read(count))
        if len(data) < min(size, count):
            raise Transient(f'the answer ended after {len(data):,} of {min(size, count):,} bytes')
        return Block(data, str(said['ETag']))

    def page(self, at: Address, *, folded: bool, rest: str = '', most: int | None = None) -> Page:
        """Some of the objects whose names begin like this."""
        asked: dict[str, str | int] = {'Bucket': at.bucket, 'Prefix': at.name}
        if folded:
            asked['Delimiter'] = '/'
        if rest:
            asked['ContinuationToken'] = rest
        if most:
            asked['MaxKeys'] = most
        with _translated():
            said = _client().list_objects_v2(**asked)
        objects = [Found(one['Key'], one['Size'], one['ETag']) for one in said.get('Contents', ())]
        prefixes = [one['Prefix'] for one in said.get('CommonPrefixes', ())]
        return Page(objects, prefixes, said.get('NextContinuationToken', ''))

    def write(self, at: Address, data: bytes, *, only_if_absent: bool = False) -> bool:
        """A whole object in one request; False when there is one already and that matters."""
        condition = {'IfNoneMatch': '*'} if only_if_absent else {}
        with _writing(at):
            try:
                _client().put_object(Bucket=at.bucket, Key=at.name, Body=data, **condition)
            except _error() as error:
                if _status(error) == 412:
                    return False
                raise
        return True

    def write_large(self, at: Address, source: BinaryIO, size: int, persist: Persist) -> None:
        """A whole object in parts; it is there when the last request was answered."""
        # The service takes 10,000 parts.
        part_bytes = max(PART_BYTES, -(-size // 10_000))

        def put(upload: str, number: int) -> dict[str, str | int]:
            data = source.read(part_bytes)
            said = persist(lambda: _upload_part(at, upload, number, data))
            return {'ETag': said, 'PartNumber': number}

        self._in_parts(at, -(-size // part_bytes), put, persist)

    def copy(self, source: Address, target: Address) -> None:
        """A copy of an object, made by the service."""
        whole = {'Bucket': source.bucket, 'Key': source.name}
        with _translated():
            size = int(_client().head_object(**whole)['ContentLength'])
            if size <= _MOST_COPIED_BYTES:
                _client().copy_object(Bucket=target.bucket, Key=target.name, CopySource=whole)
                return

        def put(upload: str, number: int) -> dict[str, str | int]:
            first = (number - 1) * _COPIED_PART_BYTES
            last = min(first + _COPIED_PART_BYTES, size) - 1
            with _translated():
                said = _client().upload_part_copy(
                    Bucket=target.bucket,
                    Key=target.name,
                    CopySource=whole,
                    CopySourceRange=f'bytes={first}-{last}',
                    PartNumber=number,
                    UploadId=upload,
                )
            return {'ETag': said['CopyPartResult']['ETag'], 'PartNumber': number}

        self._in_parts(target, -(-size // _COPIED_PART_BYTES), put, lambda request: request())

    def delete(self, at: Address) -> None:
        """Remove an object."""
        with _translated():
            _client().delete_object(Bucket=at.bucket, Key=at.name)

    def _in_parts(
        self, at: Address, parts: int, put: Callable[[str, int], dict[str, str | int]], persist: Persist
    ) -> None:
        upload = persist(lambda: _begin_parts(at))
        try:
            done = [put(upload, number) for number in range(1, parts + 1)]
            persist(lambda: _join_parts(at, upload, done))
        except BaseException:
            # What was sent costs money until somebody removes it; a failure here hides none.
            with suppress(Exception):
                _client().abort_multipart_upload(Bucket=at.bucket, Key=at.name, UploadId=upload)
            raise


def _begin_parts(at: Address) -> str:
    with _writing(at):
        return str(_client().create_multipart_upload(Bucket=at.bucket, Key=at.name)['UploadId'])


def _upload_part(at: Address, upload: str, number: int, data: bytes) -> str:
    with _writing(at):
        said = _client().upload_part(Bucket=at.bucket, Key=at.name, PartNumber=number, UploadId=upload, Body=data)
    return str(said['ETag'])


def _join_parts(at: Address, upload: str, done: list[dict[str, str | int]]) -> None:
    with _writing(at):
        try:
            _client().complete_multipart_upload(
                Bucket=at.bucket, Key=at.name, UploadId=upload, MultipartUpload={'Parts': done}
            )
        except _error() as error:
            # Joined already, if only the answer was lost.
            if error.response.get('Error', {}).get('Code') != 'NoSuchUpload':
                raise


def _error() -> 'type[ClientError]':
    from botocore.exceptions import ClientError

    return ClientError  # type: ignore[no-any-return]  # the library is untyped


_connecting = threading.Lock()


def _client() -> 'BaseClient':
    # Tests, and commands that set these themselves, must not meet the client of another place.
    with _connecting:
        return _client_for(tuple(os.environ.get(name) for name in _SETTINGS))


@lru_cache(maxsize=4)
def _client_for(told: tuple[str | None, ...]) -> 'BaseClient':
    try:
        import boto3
    except ImportError:
        raise InputError(
            's3:// paths need the package boto3, which is not installed',
            where='this Python environment',
            do="pip install 'headlight[aws]'",
        ) from None
    from botocore.config import Config

    return boto3.session.Session().client(
        's3',
        config=Config(
            connect_timeout=_TIMEOUT_S,
            read_timeout=_TIMEOUT_S,
            max_pool_connections=_CONNECTIONS,
            retries={'total_max_attempts': 1},
        ),
    )


@contextmanager
def _writing(at: Address) -> Iterator[None]:
    """As _translated; a bucket that isn't there can't be made good by trying other objects."""
    try:
        with _translated():
            yield
    except FileNotFoundError:
        raise InputError(
            'there is no such bucket',
            where=f's3://{at.bucket}',
            do=f'make it (aws s3 mb s3://{at.bucket}), or correct the path',
        ) from None


@contextmanager
def _translated() -> Iterator[None]:
    """The library's errors as Python's; what may pass as Transient."""
    _client()  # the first to need the library, and to miss it
    from botocore import exceptions as boto
    from urllib3.exceptions import HTTPError

    try:
        yield
    except boto.ClientError as error:
        raise _of_answer(error) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound) as error:
        raise InputError(f'there are no credentials for S3 ({error})', where='s3:// paths', do=_LOG_IN) from None
    except (boto.CredentialRetrievalError, boto.TokenRetrievalError, boto.UnauthorizedSSOTokenError) as error:
        raise _refused(str(error)) from error
    except (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, boto.FlexibleChecksumError) as error:
        raise Transient(_words(error)) from error
    except (HTTPError, ConnectionError) as error:
        raise Transient(_words(error)) from error
    except boto.ParamValidationError as error:
        raise OSError(errno.EINVAL, _words(error)) from error


def _of_answer(error: 'ClientError') -> Exception:
    said, status = error.response.get('Error', {}), _status(error)
    code, message = str(said.get('Code', '')), str(said.get('Message', ''))
    if status in _TRANSIENT_STATUS or code in _TRANSIENT_CODES:
        return Transient(f'{status} {code}')
    if code in _REFUSED_CODES:
        return _refused(message or code)
    kinds: dict[int, Callable[[], OSError]] = {
        403: lambda: PermissionError(errno.EACCES, f'forbidden: {message or code}'),
        404: lambda: FileNotFoundError(errno.ENOENT, 'there is no such object'),
        412: lambda: OSError(errno.ESTALE, 'it changed while it was read'),
    }
    return kinds.get(status, lambda: OSError(errno.EIO, f'the storage answers {status} {code}: {message}'))()


def _status(error: 'ClientError') -> int:
    return int(error.response.get('ResponseMetadata', {}).get('HTTPStatusCode', 0))


def _refused(said: str) -> InputError:
    return InputError(f'the credentials for S3 are refused ({said})', where='s3:// paths', do=_LOG_IN)


def _words(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
