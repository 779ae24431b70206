"""A web server on loopback for the fakes: keep-alive, chunked bodies, answers that go wrong as `Faults` say."""

import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.faults import Faults

# No test waits for a stalled answer as long as this.
_STALL_S = 60.0


@dataclass(frozen=True)
class Request:
    """A request as it came; `path` is still percent-encoded."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict:
        """The body, JSON."""
        return json.loads(self.body or b'{}')


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int = 200
    body: bytes = b''
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: object, *, status: int = 200, **headers: str) -> 'Answer':
        """JSON."""
        return cls(status, json.dumps(content).encode(), {'Content-Type': 'application/json; charset=UTF-8', **headers})


class ApiError(Exception):
    """An error as Google's services word it."""

    def __init__(self, code: int, message: str, reason: str = '', **more: object) -> None:
        super().__init__(message)
        said = {'code': code, 'message': message, 'errors': [{'reason': reason, 'message': message}], **more}
        self.answer = Answer.of({'error': said}, status=code)


class FakeServer:
    """Subclasses answer in `respond`; a context manager, because a server must end with its test."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        # Bytes of answers' bodies, whether or not they arrived.
        self.bytes_sent = 0
        self._server = ThreadingHTTPServer(('127.0.0.1', 0), type('_OfServer', (_Handler,), {'fake': self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.over = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where it listens, as clients are told."""
        return f'http://127.0.0.1:{self.port}'

    def respond(self, request: Request) -> Answer:
        """The answer to a request; ApiError for those that are refused."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def failing(self, rate: float, *kinds: str, **more):
        """Meanwhile requests go wrong at this rate; the faults, to count what was done."""
        before, self.faults = self.faults, Faults(rate, *([kinds] if kinds else []), **more)
        try:
            yield self.faults
        finally:
            self.faults = before


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:
        """Not a word: the tests' output is for the tests."""

    def handle_expect_100(self) -> bool:
        """Tell a client that asks before it sends a body, at once: it waits for a second."""
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(self.command, url.path, query, self.headers, self._body())
        self.fake.requests[request.method] += 1
        fault = self.fake.faults.pick(request.method, self.path)
        if fault in ('429', '503'):
            self._send(ApiError(int(fault), 'try again later', 'rateLimitExceeded').answer)
        elif fault == 'reset':
            self._hang_up()
        else:
            self._answer(request, fault)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve  # http.server's names

    def _answer(self, request: Request, fault: str | None) -> None:
        try:
            answer = self.fake.respond(request)
        except ApiError as error:
            answer = error.answer
        if fault == 'lost':
            self._hang_up()
        elif fault:
            self._send_badly(answer, fault)
        else:
            self._send(answer)

    def _body(self) -> bytes:
        # TensorFlow sends both headers; the body is chunked then.
        if 'chunked' not in self.headers.get('Transfer-Encoding', '').lower():
            return self.rfile.read(int(self.headers.get('Content-Length') or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b';')[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b''.join(pieces)

    def _head(self, answer: Answer) -> None:
        self.fake.bytes_sent += len(answer.body)
        self.send_response(answer.status)
        headers = {'Content-Length': str(len(answer.body)), **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, answer: Answer) -> None:
        self._head(answer)
        if self.command != 'HEAD':
            self.wfile.write(answer.body)

    def _send_badly(self, answer: Answer, fault: str) -> None:
        self._head(answer)
        eighth = -(-len(answer.body) // 8) or 1
        pieces = [answer.body[at : at + eighth] for at in range(0, len(answer.body), eighth)]
        for number, piece in enumerate(pieces):
            if fault != 'slow' and number == 4:
                break
            self.wfile.write(piece)
            self.wfile.flush()
            if fault == 'slow':
                time.sleep(self.fake.faults.slowness_s)
        if fault == 'stalled':
            self.fake.over.wait(_STALL_S)
        if fault != 'slow':
            self._hang_up()

    def _hang_up(self) -> None:
        """Reset the connection."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            self.connection.close()
        # What is written from here on goes nowhere.
        self.wfile = _Nowhere()


class _Nowhere:
    closed = False

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
