"""Decoding pictures in child processes: one that never ends, or ends its process, costs that picture and no other.

A child is this module run by itself (`python -m preprocess.decoders`): it knows Pillow and numpy, no Beam and no
TensorFlow. Before each picture it sets the kernel's alarm; a decoder that is caught in a loop is ended by it even when
it holds Python's lock, and even when the parent is gone.
"""

import contextlib
import importlib
import json
import os
import queue
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from preprocess import heap, pipes
from preprocess.failures import RunFailed
from preprocess.image_formats import ImageError

Pixels = NDArray[np.uint8]
Shape = tuple[int, int, int]

# The largest pictures the policy allows take 3 s on one slow core; the rest is for a busy machine.
TIMEOUT_S = 20.0
DECODE = 'preprocess.images:to_pixels'
_LENGTH = struct.Struct('<Q')
_PIXELS, _REFUSED, _READY = b'\0', b'\1', b'\2'


class DecoderPool:
    """Children that decode, handed to whichever thread asks."""

    def __init__(self, shape: Shape, *, children: int, timeout_s: float = TIMEOUT_S, decode: str = DECODE) -> None:
        self._shape = shape
        self._timeout_s = timeout_s
        self._decode = decode
        # The child used last is taken first: its memory is warm, and unneeded ones are never started.
        self._free: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(children):
            self._free.put(None)
        self._children = children

    def start_one(self) -> None:
        """Start a child for the first picture, without waiting for it."""
        child = self._free.get()
        try:
            child = child or _Child(self._shape, self._timeout_s, self._decode)
        finally:
            self._free.put(child)

    def decode(self, data: bytes) -> Pixels:
        """The picture's pixels; ImageError says why not. Any thread may call, and waits for a free child."""
        child = self._free.get()
        kept: _Child | None = None
        try:
            child = child or _Child(self._shape, self._timeout_s, self._decode)
            pixels = child.decode(data)
            kept = child
            return pixels
        except ImageError:
            kept = child
            raise
        except (EOFError, BrokenPipeError) as error:
            raise ImageError('too-slow', f'decoding {cast(_Child, child).end()}') from error
        finally:
            # A child that failed us is replaced by the next picture that needs one.
            if kept is None and child is not None:
                child.end()
            self._free.put(kept)

    def close(self) -> None:
        """End the children; nobody may be decoding."""
        for _ in range(self._children):
            if child := self._free.get():
                child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Child:
    """One decoding process, one picture at a time."""

    def __init__(self, shape: Shape, timeout_s: float, decode: str) -> None:
        self._shape = shape
        self._timeout_s = timeout_s
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'preprocess.decoders', json.dumps([shape, timeout_s, decode])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                **heap.DECODING,
                'PYTHONPATH': paths,
                'OPENBLAS_NUM_THREADS': '1',
                'OMP_NUM_THREADS': '1',
            },
            process_group=0,  # Ctrl-C is for the parent: the picture under way is still wanted
        )
        pipes.widen(self._process)
        self._is_ready = False

    def _await_start(self) -> None:
        if not self._is_ready and cast(BinaryIO, self._process.stdout).read(1) != _READY:
            raise RunFailed(
                f'the process that decodes pictures did not start: it {self.end()}',
                where=sys.executable,
                do='check that this Python can import preprocess, and that there is memory left',
            )
        self._is_ready = True

    def decode(self, data: bytes) -> Pixels:
        self._await_start()
        sink, source = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        sink.write(_LENGTH.pack(len(data)))
        sink.write(data)
        sink.flush()
        if _exactly(source, 1) == _REFUSED:
            (length,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
            reason, message = json.loads(_exactly(source, length))
            raise ImageError(reason, message)
        pixels = np.empty(self._shape, np.uint8)
        _fill(source, pixels.data.cast('B'))
        return pixels

    def end(self) -> str:
        """End the process; how it had ended by itself."""
        with contextlib.suppress(OSError):  # it holds what the child never read
            cast(BinaryIO, self._process.stdin).close()
        try:
            # Its pipes close when it dies; a moment lets a process that is dying tell its own reason.
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
        code = self._process.wait()
        cast(BinaryIO, self._process.stdout).close()
        if code == -signal.SIGALRM:
            return f'took longer than {self._timeout_s:g} s'
        return f'ended its process ({signal.strsignal(-code) if code < 0 else f"exit code {code}"})'


def _exactly(source: BinaryIO, length: int) -> bytes:
    data = source.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _fill(source: BinaryIO, buffer: memoryview) -> None:
    done = 0
    while done < len(buffer):
        read = source.readinto(buffer[done:])  # type: ignore[attr-defined]  # a BufferedReader in all but name
        if not read:
            raise EOFError
        done += read


def _serve(shape: Shape, timeout_s: float, decode: Callable[[bytes, Shape], Pixels]) -> None:
    """Answer pictures from standard input until it ends."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), 'wb')
    # What a C library prints must not end up among the pixels.
    os.dup2(2, 1)
    sink.write(_READY)
    sink.flush()
    while length := source.read(_LENGTH.size):
        data = source.read(_LENGTH.unpack(length)[0])
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        try:
            sink.write(_PIXELS + decode(data, shape).tobytes())
        except ImageError as error:
            sink.write(_refusal(error.reason, error.message))
        except Exception as error:
            # Whatever a picture does to the decoder, it is that picture's fault until proved otherwise.
            sink.write(_refusal('corrupt', f'the decoder raised {type(error).__name__}: {error}'))
        signal.setitimer(signal.ITIMER_REAL, 0)
        sink.flush()


def _refusal(reason: str, message: str) -> bytes:
    said = json.dumps([reason, message]).encode()
    return _REFUSED + _LENGTH.pack(len(said)) + said


def _main() -> None:
    # Service managers tell every process of a service to end: a picture under way is still wanted by the parent, and
    # without a parent there is nothing to read.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    shape, timeout_s, decode = json.loads(sys.argv[1])
    module, _, function = decode.partition(':')
    _serve(tuple(shape), timeout_s, getattr(importlib.import_module(module), function))


if __name__ == '__main__':
    _main()
