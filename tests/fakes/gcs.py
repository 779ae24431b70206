"""A Google Cloud Storage on loopback: the JSON API as google-cloud-storage, Beam and TensorFlow speak it.

`STORAGE_EMULATOR_HOST=fake.url` brings google-cloud-storage and Beam here; TensorFlow comes through `interception`.
"""

import email.parser
import email.policy
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from tests.fakes.objects import Objects, Stored
from tests.fakes.servers import Answer, ApiError, FakeServer, Request

_RANGE = re.compile(r'bytes=(\d*)-(\d*)')
_CONTENT_RANGE = re.compile(r'bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)')


@dataclass
class _Upload:
    """A resumable upload under way."""

    bucket: str
    name: str
    query: dict[str, str]
    about: dict
    data: bytearray = field(default_factory=bytearray)
    stored: Stored | None = None


class FakeGcs(FakeServer):
    """Objects in memory behind the API; `objects` is for tests to fill and look into."""

    def __init__(self, *buckets: str) -> None:
        super().__init__()
        self.objects = Objects()
        for bucket in buckets:
            self.objects.make_bucket(bucket)
        self._uploads: dict[str, _Upload] = {}
        # Whether nobody's credentials are good any more.
        self.refuses_everybody = False

    def respond(self, request: Request) -> Answer:
        """The answer to any of the requests the clients make."""
        if request.path == '/token':
            return Answer.of({'access_token': 'fake', 'expires_in': 3600, 'token_type': 'Bearer'})
        if self.refuses_everybody:
            raise ApiError(401, 'Invalid Credentials', 'authError')
        for pattern, answer in _ROUTES:
            if found := pattern.fullmatch(request.path):
                return answer(self, request, *map(unquote, found.groups()))
        raise ApiError(404, f'the fake knows no {request.method} {request.path}', 'notFound')

    # Buckets.

    def _buckets(self, request: Request) -> Answer:
        if request.method == 'POST':
            self.objects.make_bucket(request.json()['name'])
            return Answer.of(_bucket(request.json()['name']))
        return Answer.of({'kind': 'storage#buckets', 'items': [_bucket(name) for name in self.objects.buckets]})

    def _bucket(self, request: Request, bucket: str) -> Answer:
        self.objects.check(bucket)
        return Answer.of(_bucket(bucket))

    def _permissions(self, request: Request, bucket: str) -> Answer:
        self.objects.check(bucket)
        return Answer.of({'permissions': request.query.get('permissions', '').split()})

    def _list(self, request: Request, bucket: str) -> Answer:
        listed = self.objects.list(bucket, request.query)
        said: dict[str, object] = {'kind': 'storage#objects', 'items': [one.resource() for one in listed.objects]}
        if listed.prefixes:
            said['prefixes'] = listed.prefixes
        if listed.next_page:
            said['nextPageToken'] = listed.next_page
        return Answer.of(said)

    # Objects.

    def _object(self, request: Request, bucket: str, name: str) -> Answer:
        if request.method == 'DELETE':
            self.objects.delete(bucket, name, request.query)
            return Answer(204)
        found = self.objects.get(bucket, name, request.query)
        if request.method in ('PATCH', 'PUT'):
            about = request.json()
            found = self.objects.put(
                bucket, name, found.data, query={}, content_type=found.content_type, metadata=about.get('metadata')
            )
        return _media(request, found) if request.query.get('alt') == 'media' else Answer.of(found.resource())

    def _download(self, request: Request, bucket: str, name: str) -> Answer:
        return _media(request, self.objects.get(bucket, name, request.query))

    def _rewrite(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Answer:
        source = self.objects.get(
            bucket, name, {'generation': g} if (g := request.query.get('sourceGeneration')) else {}
        )
        made = self.objects.put(to_bucket, to_name, source.data, query=request.query, content_type=source.content_type)
        size = str(len(made.data))
        done = {'kind': 'storage#rewriteResponse', 'done': True, 'objectSize': size, 'totalBytesRewritten': size}
        return Answer.of({**done, 'resource': made.resource()})

    def _copy(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Answer:
        source = self.objects.get(bucket, name)
        return Answer.of(self.objects.put(to_bucket, to_name, source.data, query=request.query).resource())

    def _compose(self, request: Request, bucket: str, name: str) -> Answer:
        data = b''.join(self.objects.get(bucket, one['name']).data for one in request.json()['sourceObjects'])
        return Answer.of(self.objects.put(bucket, name, data, query=request.query).resource())

    # Uploads.

    def _upload(self, request: Request, bucket: str) -> Answer:
        if upload_id := request.query.get('upload_id'):
            return self._continue(request, upload_id)
        kind = request.query.get('uploadType')
        if kind == 'resumable':
            return self._begin(request, bucket)
        if kind == 'multipart':
            about, data = _multipart(request)
            content_type = about.get('contentType', 'application/octet-stream')
        else:
            about, data, content_type = {}, request.body, request.headers.get('Content-Type', '')
        name = about.get('name') or request.query['name']
        stored = self.objects.put(
            bucket, name, data, query=request.query, content_type=content_type, metadata=about.get('metadata')
        )
        _check_crc(about, stored)
        return Answer.of(stored.resource())

    def _begin(self, request: Request, bucket: str) -> Answer:
        about = request.json() if request.body else {}
        name = about.get('name') or request.query['name']
        self.objects.check(bucket, name)
        upload_id = uuid.uuid4().hex
        self._uploads[upload_id] = _Upload(bucket, name, request.query, about)
        # By the name they called us: TensorFlow's requests come through an intercepting proxy.
        host = request.headers.get('Host', f'127.0.0.1:{self.port}')
        scheme = 'http' if host.startswith(('127.', 'localhost')) else 'https'
        place = f'{scheme}://{host}/upload/storage/v1/b/{quote(bucket)}/o?uploadType=resumable&upload_id={upload_id}'
        return Answer(200, b'', {'Location': place})

    def _continue(self, request: Request, upload_id: str) -> Answer:
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise ApiError(410, 'the upload is gone', 'gone')
        if request.method == 'DELETE':
            del self._uploads[upload_id]
            return Answer(499)
        if upload.stored:
            return Answer.of(upload.stored.resource())
        found = _CONTENT_RANGE.fullmatch(request.headers.get('Content-Range', ''))
        total = found[3] if found else str(len(request.body))
        if found is None or found[1]:
            first = int(found[1]) if found else 0
            if first > len(upload.data):
                raise ApiError(400, f'the upload is at {len(upload.data)}, not {first}', 'invalid')
            del upload.data[first:]
            upload.data += request.body
        if total == '*' or len(upload.data) < int(total):
            got = {'Range': f'bytes=0-{len(upload.data) - 1}'} if upload.data else {}
            return Answer(308, b'', got)
        upload.stored = self.objects.put(
            upload.bucket,
            upload.name,
            bytes(upload.data),
            query=upload.query,
            content_type=upload.about.get('contentType', 'application/octet-stream'),
            metadata=upload.about.get('metadata'),
        )
        return Answer.of(upload.stored.resource())

    # Several at once, as Beam renames and deletes.

    def _batch(self, request: Request) -> Answer:
        answers = []
        for number, part in enumerate(_parts(request)):
            inner = _inner_request(part)
            try:
                answer = self.respond(inner)
            except ApiError as error:
                answer = error.answer
            head = f'HTTP/1.1 {answer.status} -\r\nContent-Type: application/json\r\nContent-Length: {len(answer.body)}'
            said = part.get('Content-ID', f'<{number}>').strip('<>')
            answers.append(
                b'--batch_fake\r\nContent-Type: application/http\r\n'
                + f'Content-ID: <response-{said}>\r\n\r\n{head}\r\n\r\n'.encode()
                + answer.body
                + b'\r\n'
            )
        body = b''.join(answers) + b'--batch_fake--\r\n'
        return Answer(200, body, {'Content-Type': 'multipart/mixed; boundary=batch_fake'})


def _bucket(name: str) -> dict[str, object]:
    return {'kind': 'storage#bucket', 'id': name, 'name': name, 'location': 'US', 'storageClass': 'STANDARD'}


def _media(request: Request, found: Stored) -> Answer:
    headers = {
        'Content-Type': found.content_type,
        'X-Goog-Generation': str(found.generation),
        'X-Goog-Metageneration': '1',
        'X-Goog-Hash': f'crc32c={found.crc32c}',
        'X-Goog-Stored-Content-Length': str(len(found.data)),
        'X-Goog-Stored-Content-Encoding': 'identity',
        'ETag': f'e{found.generation}',
        'Accept-Ranges': 'bytes',
    }
    wanted, size = _RANGE.fullmatch(request.headers.get('Range', '')), len(found.data)
    if not wanted:
        return Answer(200, found.data, headers)
    first = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
    last = min(int(wanted[2]) if wanted[1] and wanted[2] else size - 1, size - 1)
    if first >= size:
        return Answer(416, b'', {'Content-Range': f'bytes */{size}', 'Content-Type': 'text/plain'})
    return Answer(206, found.data[first : last + 1], {**headers, 'Content-Range': f'bytes {first}-{last}/{size}'})


def _parts(request: Request) -> list[email.message.Message]:
    head = f'Content-Type: {request.headers["Content-Type"]}\r\n\r\n'.encode()
    parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    return list(parsed.iter_parts())


def _multipart(request: Request) -> tuple[dict, bytes]:
    """The description and the bytes of a multipart upload; by hand, because mail would change the bytes."""
    boundary = re.search(r'boundary="?([^";]+)', request.headers['Content-Type'])[1].strip("'")
    _, about, media, _ = request.body.split(f'--{boundary}'.encode(), 3)
    content = media.partition(b'\r\n\r\n')[2]
    return json.loads(about.partition(b'\r\n\r\n')[2]), content.removesuffix(b'\r\n')


def _inner_request(part: email.message.Message) -> Request:
    head, _, body = part.get_payload(decode=True).partition(b'\r\n\r\n')
    first, *lines = head.decode().splitlines()
    method, target, *_ = first.split(' ')
    path, _, query = target.partition('?')
    path = re.sub(r'^https?://[^/]+', '', path)
    pairs = (pair.partition('=') for pair in query.split('&') if pair)
    headers = email.message.Message()
    for name, _, value in (line.partition(':') for line in lines):
        headers[name] = value.strip()
    return Request(method, path, {unquote(k): unquote(v) for k, _, v in pairs}, headers, body)


def _check_crc(about: dict, stored: Stored) -> None:
    if about.get('crc32c') not in (None, stored.crc32c):
        raise ApiError(400, f'Provided CRC32C {about["crc32c"]} does not match {stored.crc32c}', 'invalid')


_B, _O = r'/storage/v1/b/([^/]+)', r'/o/([^/]+)'
_ROUTES: list[tuple[re.Pattern[str], Callable[..., Answer]]] = [
    (re.compile(pattern), answer)
    for pattern, answer in [
        (r'/storage/v1/b', FakeGcs._buckets),
        (_B, FakeGcs._bucket),
        (_B + '/iam/testPermissions', FakeGcs._permissions),
        (_B + '/o', FakeGcs._list),
        (_B + _O, FakeGcs._object),
        (_B + _O + '/rewriteTo/b/([^/]+)' + _O, FakeGcs._rewrite),
        (_B + _O + '/copyTo/b/([^/]+)' + _O, FakeGcs._copy),
        (_B + _O + '/compose', FakeGcs._compose),
        ('/download' + _B + _O, FakeGcs._download),
        (r'(?:/resumable)?/upload' + _B + '/o', FakeGcs._upload),
        (r'/batch/storage/v1', FakeGcs._batch),
        # TensorFlow reads objects by the address browsers use.
        (r'/([^/]+)/(.+)', FakeGcs._download),
    ]
]
