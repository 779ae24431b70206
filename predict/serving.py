"""A model at the service of many callers: pictures are decoded beside the network and share its batches."""

import contextlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from predict.answers import Prediction
from predict.batching import Batcher, Batching, Watch
from predict.description import Description
from predict.pictures import Picture, Unusable
from preprocess.decoders import DecoderPool
from preprocess.image_formats import ImageError
from preprocess.images import Pixels, Shape

# Of one request: pictures that are to be decoded.
_Todo: TypeAlias = 'deque[tuple[str | bytes | Pixels, Future[Prediction]]]'
# Longer than the largest picture of the policy takes; who sends worse gets `too-slow`, and holds a decoder no longer.
DECODE_TIMEOUT_S = 10.0


class Answerer(Protocol):
    """Whatever answers squares of pixels: a model in this process, or a server elsewhere."""

    @property
    def description(self) -> Description:
        """Its labels."""
        ...

    @property
    def input_shape(self) -> Shape:
        """The squares it takes."""
        ...

    def answers(self, squares: Sequence[Pixels], *, alone: bool) -> Sequence[Prediction]:
        """One answer each, without keys; `alone`: nothing else is asked meanwhile."""
        ...


@dataclass(frozen=True)
class Machinery:
    """What stands around an answerer: how its batches are made, and how many processes decode."""

    batching: Batching
    decoders: int
    watch: Watch = lambda count, seconds: None


class Served:
    """An answerer with its decoders and its line; made ready before the first picture comes."""

    def __init__(self, answerer: Answerer, machinery: Machinery) -> None:
        self.answerer = answerer
        self._decoders = machinery.decoders
        self._pool = DecoderPool(answerer.input_shape, children=machinery.decoders, timeout_s=DECODE_TIMEOUT_S)
        self._threads = ThreadPoolExecutor(machinery.decoders, thread_name_prefix='decode')
        try:
            # An empty picture is refused by whichever child gets it: by then all have started.
            list(self._threads.map(self._refusal, [b''] * machinery.decoders))
            for size in machinery.batching.sizes:
                for alone in {False, machinery.batching.may_be_alone}:
                    answerer.answers([np.zeros(answerer.input_shape, np.uint8)] * size, alone=alone)
        except BaseException:
            self._end_decoders()
            raise
        self._batcher: Batcher[Pixels, Prediction] = Batcher(
            lambda squares, alone: answerer.answers(squares, alone=alone), machinery.batching, watch=machinery.watch
        )

    @property
    def in_line(self) -> int:
        """Pictures accepted and not answered yet."""
        return self._batcher.in_line

    def submit(self, pictures: Sequence[Picture | Unusable]) -> list['Future[Prediction]']:
        """An answer for each picture, to come; Busy when there is no room for all of them."""
        self._batcher.reserve(sum(isinstance(picture, Picture) for picture in pictures))
        answers: list[Future[Prediction]] = [Future() for _ in pictures]
        todo: _Todo = deque()
        for picture, answer in zip(pictures, answers, strict=True):
            if isinstance(picture, Unusable):
                answer.set_result(Prediction('', error=picture.error))
            else:
                todo.append((picture.source, answer))
        for _ in range(min(len(todo), self._decoders)):
            self._threads.submit(self._work_off, todo)
        return answers

    def close(self) -> None:
        """Answer what is in the line, and end."""
        self._threads.shutdown()
        self._batcher.close()
        self._end_decoders()

    def _work_off(self, todo: '_Todo') -> None:
        """Decode one picture of a request, and get in line again for the next: large requests let small ones pass."""
        while todo:
            try:
                source, answer = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            self._decode(source, answer)
            with contextlib.suppress(RuntimeError):  # the end has come, and nobody else is in that line
                self._threads.submit(self._work_off, todo)
                return

    def _decode(self, source: 'str | bytes | Pixels', answer: 'Future[Prediction]') -> None:
        """Put a picture into the line, or say why it can't be; of those that nobody waits for any more, nothing."""
        if answer.cancelled():
            self._batcher.give_up()
            return
        try:
            if not isinstance(source, bytes):
                raise TypeError('a server takes pictures, never their names')
            self._batcher.submit(self._pool.decode(source), answer)
        except Exception as error:  # a decoder that can't be started, say: whoever waits must hear of it
            self._batcher.give_up()
            if answer.set_running_or_notify_cancel():
                _fail(answer, error)

    def _refusal(self, source: bytes) -> None:
        with contextlib.suppress(ImageError):
            self._pool.decode(source)

    def _end_decoders(self) -> None:
        self._threads.shutdown()
        self._pool.close()


def _fail(answer: 'Future[Prediction]', error: Exception) -> None:
    """A picture's own fault is an answer."""
    if isinstance(error, ImageError):
        answer.set_result(Prediction('', error=str(error)))
    else:
        answer.set_exception(error)
