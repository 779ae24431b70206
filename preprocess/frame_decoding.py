"""Frames decoded beside the network: threads take pieces of videos and hand their frames to whoever asked for them.

A frame in the network, those waiting for it, and one piece of video a thread: nothing else is in memory, however long
the video is.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocess import footage, footage_files
from preprocess.embedder import Embedded, Embedder, Failed, Lane
from preprocess.footage import WantedFrames
from preprocess.image_formats import ImageError
from preprocess.shelves import Refusal

Pixels = NDArray[np.uint8]
Decode = Callable[[WantedFrames], Iterator[tuple[int, Pixels | Refusal]]]
# How long a caller waits before it looks whether it is asked to stop.
_LOOK_EVERY_S = 0.5


class FrameOf(NamedTuple):
    """One frame of a piece of video."""

    wanted: WantedFrames
    number: int

    @property
    def uri(self) -> str:
        """How a record names it."""
        return footage.frame_uri(self.wanted.file.uri, self.number)

    @property
    def key(self) -> bytes:
        """What the store knows it by."""
        return footage.frame_key(self.wanted.prefix, self.number)


Result: TypeAlias = Embedded[FrameOf] | Failed[FrameOf]


class FrameDecoders:
    """The threads of a process; several callers share them, each through a lane of its own."""

    def __init__(self, decode: Decode, *, threads: int) -> None:
        self.decode = decode
        self.count = threads
        self._todo: queue.SimpleQueue[tuple[FrameLane, WantedFrames] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f'video {number}', daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, lane: 'FrameLane', wanted: WantedFrames) -> None:
        """Have a piece decoded by the next thread that is free."""
        self._todo.put((lane, wanted))

    def close(self) -> None:
        """End the threads; what waits is given up."""
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while task := self._todo.get():
            lane, wanted = task
            lane.decode(wanted, self.decode)


class FrameLane:
    """One caller's pieces of video on their way through; frames come back in the order they are ready."""

    def __init__(self, embedder: Embedder[FrameOf], decoders: FrameDecoders) -> None:
        self._embedder = embedder
        self._decoders = decoders
        self._lane: Lane[FrameOf] = embedder.open_lane()
        self._pieces = 0  # guarded by the embedder's condition
        self._stopped = False

    def put(self, wanted: WantedFrames) -> Iterator[list[Result]]:
        """Hand in a piece; what is ready comes back while too many others wait, now and then nothing."""
        with self._embedder.changed:
            self._pieces += 1
        self._decoders.put(self, wanted)
        # One more than there are threads: the next piece waits for the thread, not the thread for the piece.
        yield from self._wait(lambda: self._pieces <= self._decoders.count)

    def drain(self) -> Iterator[list[Result]]:
        """Wait for everything that was handed in."""
        yield from self._wait(lambda: not self._pieces)
        yield self._lane.drain()

    def stop(self) -> None:
        """Decode no further; what is decoded already goes its way."""
        self._stopped = True

    def _wait(self, is_over: Callable[[], bool]) -> Iterator[list[Result]]:
        while not is_over():
            yield self._lane.take(unless=is_over, within_s=_LOOK_EVERY_S)

    def decode(self, wanted: WantedFrames, decode: Decode) -> None:
        """Decode a piece, in whichever thread calls."""
        try:
            self._decode(wanted, decode)
        except BaseException as error:
            self._embedder.stop(error)
        finally:
            with self._embedder.changed:
                self._pieces -= 1
                self._embedder.changed.notify_all()

    def _decode(self, wanted: WantedFrames, decode: Decode) -> None:
        left = set(wanted.numbers.tolist())
        why = Refusal('decode', 'corrupt', 'the decoder gives no such frame')
        try:
            if self._stopped:
                return
            for number, found in decode(wanted):
                left.discard(number)
                frame = FrameOf(wanted, number)
                if isinstance(found, Refusal):
                    self._refuse(frame, found)
                else:
                    self._lane.put_pixels(frame, frame.key, found)
                if self._stopped:
                    return
        except ImageError as error:
            why = Refusal('decode', error.reason, error.message)
        for number in sorted(left):
            self._refuse(FrameOf(wanted, number), why)

    def _refuse(self, frame: FrameOf, why: Refusal) -> None:
        key = None if footage_files.is_passing(why.reason) else frame.key
        self._lane.refuse(Failed(frame, *why, key))
