"""Videos read in child processes: a codec that ends its process costs the frames it was at, and not the worker.

A child is this module run by itself (`python -m preprocess.video_children`), for one thread at a time. It answers
requests from standard input, pickled, as are its answers, until that ends: with its parent, too.
"""

import contextlib
import importlib
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import traceback
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np

from preprocess import files, pipes
from preprocess.failures import Failure
from preprocess.image_formats import ImageError
from preprocess.preparation import Preparation
from preprocess.shelves import Refusal
from preprocess.timelines import Timeline
from preprocess.video_reader import Pixels, Shape, VideoReader

_log = logging.getLogger(__name__)
T = TypeVar('T')
# One frame takes as long at most: hundreds of large ones may have to be decoded before it, over a slow network.
_TIMEOUT_S = 600
# Finding the times of a file reads all of it, so fast at the least.
_BYTES_A_SECOND = 1_000_000
# Sent by a machine that is short of memory, or by somebody: no fault of the video's.
_FROM_OUTSIDE = frozenset([signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
# Timelines that a child keeps; its parent keeps the same account, and sends only the others.
_KEPT = 4


class _Frames(NamedTuple):
    """A request for frames; `times` is empty when the child has the timeline of that digest."""

    uri: str
    digest: str
    times: bytes
    numbers: Sequence[int]
    shape: Shape
    preparation: Preparation


class _Survey(NamedTuple):
    """A request for the times of a file."""

    uri: str


class _Fault(NamedTuple):
    """What a request ended with."""

    error: Exception


class _Over(NamedTuple):
    """All of a request is answered."""


_Answer: TypeAlias = '_Fault | _Over | bytes | tuple[int, Pixels | Refusal]'


class ChildEnded(Exception):
    """A child ended before it had answered; how, and the reason to refuse what it was at."""

    def __init__(self, how: str, reason: str) -> None:
        super().__init__(f'its process {how}')
        self.reason = reason


@dataclass(frozen=True)
class ReaderApart(VideoReader):
    """The same times and frames, found in processes of their own, by a reader of this class (`module:class`)."""

    reader: str = 'preprocess.video_reader:VideoReader'

    def survey(self, uri: str) -> Timeline:
        """When each frame is shown; a file that ends one child after the other is refused."""
        for _ in range(2):
            try:
                with _child(self.reader) as child:
                    (times,) = child.ask(_Survey(files.absolute(uri)))
                    return Timeline.from_bytes(cast(bytes, times))
            except ChildEnded as error:
                _log.warning('reading the times of %s: %s', uri, error)
                refused = ImageError(error.reason, f'reading its times: {error}')
        raise refused

    def frames(
        self, uri: str, timeline: Timeline, numbers: Sequence[int], shape: Shape, preparation: Preparation
    ) -> Iterator[tuple[int, Pixels | Refusal]]:
        """The frames with these numbers; where a child ends another goes on, and what ends that one too is refused."""
        left = list(numbers)
        again = False
        while left:
            before = len(left)
            try:
                with _child(self.reader) as child:
                    for number, found in child.frames(uri, timeline, left, shape, preparation):
                        left.remove(number)
                        yield number, found
                return
            except ChildEnded as error:
                _log.warning('%s, frames from %d on: %s', uri, left[0] if left else -1, error)
                why = Refusal('decode', error.reason, f'decoding it: {error}')
            if again and len(left) == before:
                yield from ((number, why) for number in left)
                return
            again = True


class _Child:
    """One process that reads videos."""

    def __init__(self, reader: str) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'preprocess.video_children', reader],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, 'PYTHONPATH': paths, 'OPENBLAS_NUM_THREADS': '1', 'OMP_NUM_THREADS': '1'},
            process_group=0,  # Ctrl-C is for the parent: the piece under way is still wanted
        )
        pipes.widen(self._process)
        self._known: OrderedDict[str, bool] = OrderedDict()
        self.is_idle = True

    def frames(
        self, uri: str, timeline: Timeline, numbers: Sequence[int], shape: Shape, preparation: Preparation
    ) -> Iterator[tuple[int, Pixels | Refusal]]:
        """Frames as they are decoded."""
        is_new = timeline.digest not in self._known
        _keep(self._known, timeline.digest, True)
        times = timeline.to_bytes() if is_new else b''
        # A child may have been started in another directory.
        request = _Frames(files.absolute(uri), timeline.digest, times, numbers, shape, preparation)
        yield from cast('Iterator[tuple[int, Pixels | Refusal]]', self.ask(request))

    def ask(self, request: _Frames | _Survey) -> Iterator['_Answer']:
        """The answers to a request; what it failed of is raised here."""
        sink, source = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        self.is_idle = False
        try:
            pickle.dump(request, sink, pickle.HIGHEST_PROTOCOL)
            sink.flush()
            while not isinstance(answer := cast('_Answer', pickle.load(source)), _Over | _Fault):
                yield answer
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            raise self.end() from error
        self.is_idle = True
        if isinstance(answer, _Fault):
            raise answer.error

    def end(self) -> ChildEnded:
        """End the process; how it had ended by itself."""
        with contextlib.suppress(OSError):  # it holds what the child never read
            cast(BinaryIO, self._process.stdin).close()
        if not self.is_idle:
            with contextlib.suppress(subprocess.TimeoutExpired):
                # Its pipes close when it dies; a moment lets a process that is dying tell its own reason.
                self._process.wait(timeout=1)
        self._process.kill()
        code = self._process.wait()
        cast(BinaryIO, self._process.stdout).close()
        if code == -signal.SIGALRM:
            return ChildEnded('took too long', 'too-slow')
        how = f'ended ({signal.strsignal(-code) if code < 0 else f"exit code {code}"})'
        return ChildEnded(how, 'unreadable' if -code in _FROM_OUTSIDE else 'too-slow')


# Children that nobody uses, by their reader: the one used last is taken first, its memory is warm.
_idle: defaultdict[str, queue.LifoQueue[_Child]] = defaultdict(queue.LifoQueue)


@contextmanager
def _child(reader: str) -> Iterator[_Child]:
    """A child for one request; one that was not heard out, or is dead, is not used again."""
    try:
        child = _idle[reader].get_nowait()
    except queue.Empty:
        child = _Child(reader)
    try:
        yield child
    finally:
        if child.is_idle:
            _idle[reader].put(child)
        else:
            child.end()


def close() -> None:
    """End the children that nobody uses."""
    for children in list(_idle.values()):
        with contextlib.suppress(queue.Empty):
            while True:
                children.get_nowait().end()


def _keep(kept: 'OrderedDict[str, T]', digest: str, value: T | None) -> None:
    """Note a timeline, the value of a new one, as the last one used; forget the oldest. Both sides do the same."""
    if value is not None:
        kept[digest] = value
    kept.move_to_end(digest)
    if len(kept) > _KEPT:
        kept.popitem(last=False)


def _fault(error: Exception) -> _Fault:
    """What the parent is to raise: mishaps of videos and users as they are, anything else with its traceback."""
    if isinstance(error, ImageError | Failure):
        return _Fault(error)
    return _Fault(RuntimeError(f'a process that reads videos failed:\n{traceback.format_exc()}'))


def _answers(request: _Frames | _Survey, reader: VideoReader, kept: 'OrderedDict[str, Timeline]') -> Iterator[_Answer]:
    if isinstance(request, _Survey):
        yield reader.survey(request.uri).to_bytes()
        return
    _keep(kept, request.digest, Timeline.from_bytes(request.times) if request.times else None)
    timeline = kept[request.digest]
    for number, found in reader.frames(request.uri, timeline, request.numbers, request.shape, request.preparation):
        yield number, found if isinstance(found, Refusal) else np.ascontiguousarray(found)


def serve(reader: VideoReader) -> None:
    """Answer requests from standard input until it ends."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), 'wb', buffering=1 << 20)
    # What a C library prints must not end up among the answers.
    os.dup2(2, 1)
    kept: OrderedDict[str, Timeline] = OrderedDict()
    with contextlib.suppress(EOFError):
        while True:
            request = pickle.load(source)
            for answer in _all_of(_answers(request, reader, kept), _allowed_s(request)):
                pickle.dump(answer, sink, pickle.HIGHEST_PROTOCOL)
                sink.flush()


def _allowed_s(request: _Frames | _Survey) -> float:
    """How long one answer may take."""
    size = 0
    if isinstance(request, _Survey):
        with contextlib.suppress(OSError):  # whoever reads the file meets it again, and tells
            size = files.stat(request.uri).size
    return _TIMEOUT_S + size / _BYTES_A_SECOND


def _all_of(answers: Iterator[_Answer], seconds: float) -> Iterator[_Answer]:
    """The answers to a request, and last how it ended; the kernel's alarm ends a process that takes longer for one."""
    while True:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            answer = next(answers)
        except StopIteration:
            yield _Over()
            return
        except Exception as error:
            # Whatever it is, the parent raises it: here is nobody who could be told.
            yield _fault(error)
            return
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        yield answer


def _main() -> None:
    # What is pickled is this module's by name, not that of the one that is run.
    from preprocess import video_children

    module, _, kind = sys.argv[1].partition(':')
    video_children.serve(getattr(importlib.import_module(module), kind)())


if __name__ == '__main__':
    _main()
