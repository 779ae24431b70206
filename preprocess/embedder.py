"""One network kept busy: pictures are read and decoded beside it, and it always has a full batch waiting.

Threads read and hash; decoding happens where the `decode` they call puts it; other threads run the network, as many as
the engine's streams. Several
callers (Beam gives a process more than one bundle) share it, each through a lane of its own. A picture that can't be
used leaves its lane as `Failed`; a fault of the machine or the network is raised in every lane.
"""

import hashlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from preprocess.engines import Engine
from preprocess.image_formats import ImageError
from preprocess.processor import usable_cores

Pixels = NDArray[np.uint8]
Vector = NDArray[np.float32]

# How many batches may be under way beside those in the network: one waiting, the rest being read and decoded.
BATCHES_AHEAD = 3


class _HasUri(Protocol):
    @property
    def uri(self) -> str: ...


T = TypeVar('T', bound=_HasUri)


@dataclass(frozen=True, slots=True)
class Embedded(Generic[T]):
    """A picture's vector, its content's sha256, by which the store knows it, and how many bytes were read."""

    item: T
    key: bytes
    vector: Vector
    bytes: int


@dataclass(frozen=True, slots=True)
class Failed(Generic[T]):
    """Why a picture has no vector; `stage` is read, decode or embed; `key` is its content's, when it could be read."""

    item: T
    stage: str
    reason: str
    message: str
    key: bytes | None = None


@dataclass(frozen=True)
class Hands:
    """How many threads read and how many children decode."""

    readers: int
    decoders: int

    @classmethod
    def for_machine(cls, cores: int | None = None, *, remote: bool = False, decoders: int | None = None) -> 'Hands':
        """What keeps a network on this machine busy: a decoder per core, and readers to hide the storage's latency."""
        cores = cores or usable_cores()
        # An object's first byte takes some 50 ms wherever it is: sixteen at once feed 300 pictures a second.
        return cls(readers=max(16, cores + 2) if remote else cores + 2, decoders=decoders or cores)


class Embedder(Generic[T]):
    """The threads around one engine."""

    def __init__(
        self, engine: Engine, *, read: Callable[[str], bytes], decode: Callable[[bytes], Pixels], readers: int
    ) -> None:
        self.engine = engine
        self._read = read
        self._decode = decode
        self._window = (engine.streams + BATCHES_AHEAD) * engine.batch_size
        self._todo: queue.SimpleQueue[tuple[Lane[T], T] | None] = queue.SimpleQueue()
        # Guards everything below; notified whenever any of it changes.
        self.changed = threading.Condition()
        self.error: BaseException | None = None
        self._ready: list[_Decoded[T]] = []
        self._under_way = 0
        self._in_network = 0
        self._draining = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._read_all, name=f'reader {n}', daemon=True) for n in range(readers)
        ]
        self._threads += [
            threading.Thread(target=self._encode_all, name=f'network {n}', daemon=True) for n in range(engine.streams)
        ]
        for thread in self._threads:
            thread.start()

    def open_lane(self) -> 'Lane[T]':
        """A way in and out for one caller."""
        return Lane(self)

    def close(self) -> None:
        """End the threads; what is under way is given up."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def put(self, lane: 'Lane[T]', item: T) -> None:
        """Take a picture, when there is room for one more."""
        with self.changed:
            self.changed.wait_for(lambda: self._under_way < self._window or self.error)
            self.raise_error()
            self._under_way += 1
        self._todo.put((lane, item))

    def put_pixels(self, decoded: '_Decoded[T]') -> None:
        """Take a picture that is decoded already, when there is room for one more."""
        with self.changed:
            self.changed.wait_for(lambda: self._under_way < self._window or self.error)
            self.raise_error()
            self._under_way += 1
            decoded.lane.under_way += 1
            self._ready.append(decoded)
            if self._can_encode():
                self.changed.notify_all()

    def drain(self, lane: 'Lane[T]') -> None:
        """Wait until the lane is empty; a batch that nobody else will fill is run as it is."""
        with self.changed:
            self._draining += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: lane.under_way == 0 or self.error)
            self._draining -= 1
            self.raise_error()

    def raise_error(self) -> None:
        """Pass on what ended one of the threads."""
        if self.error:
            raise self.error

    def _settle(self, lane: 'Lane[T]', result: 'Embedded[T] | Failed[T]') -> None:
        lane.results.append(result)
        lane.under_way -= 1
        self._under_way -= 1
        self.changed.notify_all()

    def _read_all(self) -> None:
        while task := self._todo.get():
            lane, item = task
            try:
                done = self._pixels(lane, item)
            except BaseException as error:
                self.stop(error)
                return
            with self.changed:
                if isinstance(done, Failed):
                    self._settle(lane, done)
                else:
                    self._ready.append(done)
                    if self._can_encode():
                        self.changed.notify_all()

    def _pixels(self, lane: 'Lane[T]', item: T) -> '_Decoded[T] | Failed[T]':
        stage, key = 'read', None
        try:
            data = self._read(item.uri)
            stage, key = 'decode', hashlib.sha256(data).digest()
            return _Decoded(lane, item, key, self._decode(data), len(data))
        except ImageError as error:
            return Failed(item, stage, error.reason, error.message, key)

    def _can_encode(self) -> bool:
        waiting = len(self._ready)
        nobody_else = self._draining > 0 and waiting + self._in_network == self._under_way
        return waiting >= self.engine.batch_size or (waiting > 0 and nobody_else)

    def _encode_all(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._can_encode() or self._closed)
                if self._closed:
                    return
                batch = self._ready[: self.engine.batch_size]
                del self._ready[: len(batch)]
                self._in_network += len(batch)
            try:
                vectors = self.engine.encode(np.stack([decoded.pixels for decoded in batch]))
            except BaseException as error:
                self.stop(error)
                return
            finite = [bool(np.isfinite(vector).all()) for vector in vectors]
            with self.changed:
                self._in_network -= len(batch)
                for decoded, vector, is_finite in zip(batch, vectors, finite, strict=True):
                    self._settle(decoded.lane, decoded.result(vector) if is_finite else decoded.nonfinite())

    def stop(self, error: BaseException) -> None:
        """End everything: every lane raises the first fault."""
        with self.changed:
            self.error = self.error or error
            self.changed.notify_all()


class Lane(Generic[T]):
    """One caller's pictures on their way through; results come in the order they are ready."""

    def __init__(self, embedder: Embedder[T]) -> None:
        self._embedder = embedder
        self.under_way = 0
        self.results: list[Embedded[T] | Failed[T]] = []

    def put(self, item: T) -> list[Embedded[T] | Failed[T]]:
        """Hand in a picture (waiting while too many are under way); what is ready meanwhile comes back."""
        with self._embedder.changed:
            self.under_way += 1
        self._embedder.put(self, item)
        return self._take()

    def put_pixels(self, item: T, key: bytes, pixels: Pixels) -> None:
        """Hand in a picture that is decoded already (waiting while too many are under way); `take` what is ready."""
        self._embedder.put_pixels(_Decoded(self, item, key, pixels, 0))

    def refuse(self, failed: Failed[T]) -> None:
        """Have what could not be decoded come out of the lane like the rest."""
        with self._embedder.changed:
            self.results.append(failed)
            self._embedder.changed.notify_all()

    def take(self, *, unless: Callable[[], bool], within_s: float) -> list[Embedded[T] | Failed[T]]:
        """What is ready; waits for it so long, unless there is nothing to wait for."""
        with self._embedder.changed:
            self._embedder.changed.wait_for(lambda: self.results or unless() or self._embedder.error, within_s)
            self._embedder.raise_error()
        return self._take()

    def drain(self) -> list[Embedded[T] | Failed[T]]:
        """Wait for everything that was handed in; what had not come back yet."""
        self._embedder.drain(self)
        return self._take()

    def _take(self) -> list[Embedded[T] | Failed[T]]:
        with self._embedder.changed:
            results, self.results = self.results, []
        return results


@dataclass(frozen=True, slots=True)
class _Decoded(Generic[T]):
    lane: Lane[T]
    item: T
    key: bytes
    pixels: Pixels
    bytes: int

    def result(self, vector: Vector) -> Embedded[T]:
        return Embedded(self.item, self.key, vector, self.bytes)

    def nonfinite(self) -> Failed[T]:
        return Failed(
            self.item, 'embed', 'nonfinite-embedding', 'the encoder answered with infinities or NaN', self.key
        )
