"""Servers in threads of this process, and clients for them: HTTP by the standard library, and raw sockets."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from predict import running
from predict.answers import Prediction
from predict.description import Description
from predict.server_config import ServerConfig

_PATIENCE_S = 60


@dataclass
class FakeAnswerer:
    """Answers by a picture's colour; a test may hold it before a batch, and sees every batch's size."""

    labels: tuple[str, ...] = ('dark', 'light')
    side: int = 8
    gate: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)
    fails_with: Exception | None = None
    began: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.gate.set()

    def forget(self) -> None:
        """Begin anew, after the batches that make a server ready."""
        self.batches.clear()
        while self.began.acquire(blocking=False):
            pass

    @property
    def description(self) -> Description:
        return Description(self.labels, False, 0.5, self.input_shape)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.side, self.side, 3

    def answers(self, squares: Sequence[np.ndarray], *, alone: bool) -> list[Prediction]:
        self.batches.append(len(squares))
        self.began.release()
        assert self.gate.wait(_PATIENCE_S)
        if self.fails_with:
            raise self.fails_with
        return [self._answer(float(square.mean()) / 255) for square in squares]

    def _answer(self, light: float) -> Prediction:
        best = int(light > 0.5)
        return Prediction('', best, self.labels[best], (1 - light, light), (self.labels[best],))


@dataclass
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Running:
    """A server under way."""

    def __init__(self, port: int, stop: threading.Event, thread: threading.Thread) -> None:
        self.port = port
        self.url = f'http://127.0.0.1:{port}'
        self._stop = stop
        self._thread = thread

    def ask(self, method: str, path: str, body: bytes = b'', **headers: str) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=_PATIENCE_S)
        with contextlib.closing(connection):
            named = {name.replace('_', '-'): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def is_ready(self) -> bool:
        """Whether it would answer."""
        try:
            return self.get('/readyz').status == 200
        except ConnectionError:
            return False

    def get(self, path: str) -> Answer:
        return self.ask('GET', path)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        return self.ask('POST', path, body, **headers)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(('127.0.0.1', self.port), timeout=_PATIENCE_S)

    def tell_to_end(self) -> None:
        """What a signal does."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join(_PATIENCE_S)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def serving(answerer: FakeAnswerer | None = None, **settings) -> Iterator[Running]:
    """A server of a model, or of a fake one, ready, and gone at the end."""
    if answerer is not None:
        settings = {'model_dir': 'fake', 'network_threads': 1, **settings}
    config = ServerConfig(port=0, **{'decoders': 1, 'reload_secs': 0, **settings})
    load = (lambda: (answerer, None)) if answerer is not None else None
    listener = running.listening(config.host, 0)
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(running.serve(config, listener, told_to_end=stop.is_set, load=load))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name='server')
    thread.start()
    server = Running(listener.getsockname()[1], stop, thread)
    try:
        until(lambda: bool(failures) or server.is_ready())
        if failures:
            raise failures[0]
        if answerer is not None:
            answerer.forget()
        yield server
    finally:
        if answerer is not None:
            answerer.gate.set()
        server.tell_to_end()
        server.join()
        listener.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something another thread does."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, 'it never came'
        time.sleep(0.01)


def together(*asks: Callable[[], Answer]) -> list[Answer]:
    """Requests at the same time; their answers in order."""
    with ThreadPoolExecutor(len(asks)) as clients:
        return [one.result() for one in [clients.submit(ask) for ask in asks]]
