"""Google Cloud Storage: the requests behind gs:// paths, by google-cloud-storage, each made once.

`STORAGE_EMULATOR_HOST` leads to another server than Google's, without credentials.
"""

import base64
import errno
import io
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import google_crc32c

from preprocess import retries
from preprocess.failures import InputError
from preprocess.object_reader import Block
from preprocess.objects import PART_BYTES, Address, Found, Page, Persist
from preprocess.retries import Transient

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud.storage import Blob, Client

T = TypeVar('T')
EMULATOR = 'STORAGE_EMULATOR_HOST'
# To be connected, and between two bytes of an answer.
_TIMEOUT_S = (10.0, 10.0)
# An answer slower than this is as good as none.
_SLOWEST_BYTES_PER_S, _SLOW_AFTER_S = 2048, 10.0
# A machine on Google Cloud answers for its credentials within milliseconds.
_METADATA = ('169.254.169.254', 80)
_METADATA_TIMEOUT_S = 1.0
_CONNECTIONS = 64
_LISTED = 'items(name,size,generation),prefixes,nextPageToken'
_SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write'
_WHERE = 'gs:// paths'
LOG_IN = 'run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file'
_MESSAGE = re.compile(r'"message":\s*("(?:[^"\\]|\\.)*")')
_TRANSIENT_STATUS = frozenset([408, 429, 500, 502, 503, 504])


class GcsService:
    """Objects of Google Cloud Storage; a version is a generation."""

    scheme = 'gs'

    def stat(self, at: Address) -> Found:
        """An object's size and generation."""
        with _translated(at):
            blob = _blob(at)
            blob.reload(client=_client(), timeout=_TIMEOUT_S, retry=None)
            return _found(blob)

    def read(self, at: Address, first: int, count: int, version: str | None) -> Block:
        """Some bytes of an object."""
        from google.api_core.exceptions import RequestRangeNotSatisfiable

        blob, sink = _blob(at), _Sink()
        with _translated(at):
            try:
                blob.download_to_file(
                    sink,
                    client=_client(),
                    start=first,
                    end=first + count - 1,
                    raw_download=True,
                    if_generation_match=int(version) if version else None,
                    timeout=_TIMEOUT_S,
                    checksum=None,  # checked here: the library checks whole downloads only
                    retry=None,
                )
            except RequestRangeNotSatisfiable:
                return Block(b'')
        data, crc = sink.getvalue(), _crc(blob)
        if first == 0 and len(data) < count and crc not in (None, google_crc32c.value(data)):
            raise Transient('what came fails its checksum')
        return Block(data, str(blob.generation), crc)

    def page(self, at: Address, *, folded: bool, rest: str = '', most: int | None = None) -> Page:
        """Some of the objects whose names begin like this."""
        with _translated(at):
            listing = _client().list_blobs(
                at.bucket,
                prefix=at.name or None,
                delimiter='/' if folded else None,
                page_token=rest or None,
                page_size=most,
                fields=_LISTED,
                timeout=_TIMEOUT_S,
                retry=None,
            )
            objects = [_found(blob) for blob in next(listing.pages, ())]
            return Page(objects, sorted(listing.prefixes), listing.next_page_token or '')

    def write(self, at: Address, data: bytes, *, only_if_absent: bool = False) -> bool:
        """A whole object in one request; False when there is one already and that matters."""
        from google.api_core.exceptions import PreconditionFailed

        with _writing(at):
            try:
                _blob(at).upload_from_string(
                    data,
                    content_type='application/octet-stream',
                    client=_client(),
                    if_generation_match=0 if only_if_absent else None,
                    timeout=_TIMEOUT_S,
                    checksum='crc32c',
                    retry=None,
                )
            except PreconditionFailed:
                return False
        return True

    def write_large(self, at: Address, source: BinaryIO, size: int, persist: Persist) -> None:
        """A whole object in parts; a part that fails is sent again by the library."""
        from google.api_core.retry import Retry

        patience = retries.PATIENCE
        again = Retry(initial=patience.first_s, maximum=patience.most_s, multiplier=2, timeout=patience.in_all_s)
        blob = _blob(at)
        blob.chunk_size = PART_BYTES

        def write() -> None:
            with _writing(at):
                blob.upload_from_file(
                    source,
                    rewind=True,
                    size=size,
                    content_type='application/octet-stream',
                    client=_client(),
                    timeout=_TIMEOUT_S,
                    checksum='crc32c',
                    retry=again,
                )

        persist(write)

    def copy(self, source: Address, target: Address) -> None:
        """A copy of an object, made by the service."""
        blob, token = _blob(target), None
        while True:
            with _translated(source):
                token, _, _ = blob.rewrite(_blob(source), token=token, client=_client(), timeout=_TIMEOUT_S, retry=None)
            if token is None:
                return

    def delete(self, at: Address) -> None:
        """Remove an object."""
        with _translated(at):
            _blob(at).delete(client=_client(), timeout=_TIMEOUT_S, retry=None)


class _Sink(io.BytesIO):
    """Takes what comes, unless it trickles."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = time.monotonic()

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # bytes is what comes
        taken = super().write(data)
        passed_s = time.monotonic() - self._begun
        if passed_s > _SLOW_AFTER_S and self.tell() < passed_s * _SLOWEST_BYTES_PER_S:
            raise Transient(f'{self.tell():,} bytes came in {passed_s:.0f} s')
        return taken


def _blob(at: Address) -> 'Blob':
    return _client().bucket(at.bucket).blob(at.name)


def _found(blob: 'Blob') -> Found:
    return Found(blob.name, int(blob.size or 0), str(blob.generation))


def _crc(blob: 'Blob') -> int | None:
    return int.from_bytes(base64.b64decode(blob.crc32c), 'big') if blob.crc32c else None


_connecting = threading.Lock()


def _client() -> 'Client':
    # Tests, and commands that set these themselves, must not meet the client of another place.
    told = tuple(os.environ.get(name) for name in (EMULATOR, 'GOOGLE_APPLICATION_CREDENTIALS', 'GOOGLE_CLOUD_PROJECT'))
    with _connecting:
        return _client_for(told)


@lru_cache(maxsize=4)
def _client_for(told: tuple[str | None, ...]) -> 'Client':
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud.storage import Client
    from requests.adapters import HTTPAdapter

    who, project = (AnonymousCredentials(), None) if told[0] else credentials(_SCOPE, where=_WHERE)
    session = AuthorizedSession(who)
    for scheme in ('https://', 'http://'):
        session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS))
    return Client(project=project, credentials=who, _http=session)


def credentials(scope: str, *, where: str) -> tuple[object, str | None]:
    """This machine's credentials and their project; without any it is told at once, not after Google's retries."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    if not _is_on_google_cloud():
        os.environ['NO_GCE_CHECK'] = 'true'
    try:
        found, project = google.auth.default(scopes=[scope])
    except DefaultCredentialsError as error:
        # Google's usual words are a page's address; a file that isn't one of credentials is named.
        named = '' if str(error).startswith('Your default credentials') else f' ({_first_line(error)})'
        raise InputError(f'there are no credentials for Google Cloud{named}', where=where, do=LOG_IN) from None
    return found, project


def _is_on_google_cloud() -> bool:
    host, _, port = os.environ.get('GCE_METADATA_HOST', '').partition(':')
    try:
        socket.create_connection((host, int(port or 80)) if host else _METADATA, timeout=_METADATA_TIMEOUT_S).close()
    except OSError:
        return False
    return True


@contextmanager
def _writing(at: Address) -> Iterator[None]:
    """As _translated; a bucket that isn't there can't be made good by trying other objects."""
    try:
        with _translated(at):
            yield
    except FileNotFoundError:
        raise InputError(
            'there is no such bucket',
            where=f'gs://{at.bucket}',
            do=f'make it (gcloud storage buckets create gs://{at.bucket}), or correct the path',
        ) from None


@contextmanager
def _translated(at: Address) -> Iterator[None]:
    """The library's errors as Python's; what may pass as Transient."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth import exceptions as auth
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
    from urllib3.exceptions import HTTPError

    try:
        yield
    except GoogleAPICallError as error:
        raise _of_status(int(error.code or 0), _words(error), at) from error
    except InvalidResponse as error:
        raise _of_status(int(error.response.status_code), _first_line(error), at) from error
    except (requests.RequestException, HTTPError, auth.TransportError, DataCorruption, ConnectionError) as error:
        raise Transient(cause(error)) from error
    except auth.GoogleAuthError as error:
        raise refused(_first_line(error)) from error


def _of_status(status: int, said: str, at: Address) -> Exception:
    if status in _TRANSIENT_STATUS:
        return Transient(f'{status} {_STATUS_WORDS.get(status, "")}'.strip())
    if status == 401:
        return refused(said)
    kinds: dict[int, Callable[[], OSError]] = {
        403: lambda: PermissionError(errno.EACCES, f'forbidden: {said}'),
        404: lambda: FileNotFoundError(errno.ENOENT, 'there is no such object'),
        412: lambda: OSError(errno.ESTALE, 'it changed while it was read'),
    }
    return kinds.get(status, lambda: OSError(errno.EIO, f'the storage answers {status}: {said}'))()


_STATUS_WORDS = {429: 'Too Many Requests', 500: 'Internal Server Error', 503: 'Service Unavailable'}


def refused(said: str, *, where: str = _WHERE) -> InputError:
    """The error for credentials that Google does not take."""
    return InputError(f'the credentials for Google Cloud are refused ({said})', where=where, do=LOG_IN)


def cause(error: BaseException) -> str:
    """The innermost words: the libraries wrap what the socket said three times."""
    while error.__context__ is not None:
        error = error.__context__
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else _first_line(error)


def _words(error: 'GoogleAPICallError') -> str:
    """What the service says, without the address that was asked."""
    told = [str(one['message']) for one in error.errors if isinstance(one, dict) and one.get('message')]
    if not told and (found := _MESSAGE.search(str(error))):
        # Of uploads the library tells the whole answer, behind the address.
        told = [str(json.loads(found[1]))]
    return ' '.join(told[0].split()) if told else _first_line(error)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
