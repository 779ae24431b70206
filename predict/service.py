"""The model being served: asked by many, and swapped for its successor while requests are under way."""

import asyncio
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from predict import refusals
from predict.answers import Prediction, Style
from predict.batching import Busy
from predict.description import Description
from predict.metrics import Gauge, Metrics
from predict.pictures import Picture, Unusable
from predict.refusals import Refused
from predict.remote import EndpointFailed
from predict.serving import Served
from preprocess.failures import InputError
from preprocess.images import Shape

_RETRY_WHILE_LOADING_S = 2


@dataclass(frozen=True)
class Manner:
    """How answers are given: under which name, how many of the best labels, from which score on."""

    name: str
    top_k: int | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Answered:
    """The answers to one request, all by one model, and what they are shown with."""

    answers: tuple[Prediction, ...]
    style: Style


@dataclass(eq=False)
class _Turn:
    """One model's time of service."""

    served: Served
    version: int
    requests: int = 0

    @property
    def description(self) -> Description:
        return self.served.answerer.description


class Service:
    """Answers pictures by whichever model is the current one."""

    def __init__(self, manner: Manner, metrics: Metrics) -> None:
        self.manner = manner
        self.is_draining = False
        self._metrics = metrics
        self._turn: _Turn | None = None
        self._retired: set[_Turn] = set()
        self._closing: set[asyncio.Task[None]] = set()
        metrics.add_gauge(Gauge('headlight_pictures_in_line', 'Pictures accepted, not answered yet.', self._in_line))
        metrics.add_gauge(
            Gauge('headlight_model_version', 'How many models were served so far.', lambda: self.version or 0)
        )

    @property
    def is_ready(self) -> bool:
        """Whether a request would be answered, and the next one too."""
        return self._turn is not None and not self.is_draining

    @property
    def version(self) -> int | None:
        """The number of the current model: 1, and one more with each reload."""
        return self._turn.version if self._turn else None

    @property
    def description(self) -> Description | None:
        """Of the current model."""
        return self._turn.description if self._turn else None

    @property
    def input_shape(self) -> Shape | None:
        """Of the current model."""
        return self._turn.served.answerer.input_shape if self._turn else None

    def put(self, served: Served) -> None:
        """Serve another model from now on; the one before ends when its last request is answered."""
        before, self._turn = self._turn, _Turn(served, (self.version or 0) + 1)
        if before:
            self._retired.add(before)
            self._end_if_over(before)

    async def predict(self, pictures: Sequence[Picture | Unusable]) -> Answered:
        """One answer for each picture; Refused when there is no model, or no room in its line."""
        turn = self._turn
        if turn is None:
            raise self.not_ready()
        turn.requests += 1
        try:
            answers = await asyncio.gather(*map(asyncio.wrap_future, turn.served.submit(pictures)))
        except Busy as busy:
            raise Refused('busy', 'too many pictures at once', retry_after_s=busy.retry_after_s) from None
        except (EndpointFailed, InputError) as failure:  # the second: it is gone, or lets us in no more
            raise Refused('endpoint-failed', failure.what) from failure
        finally:
            turn.requests -= 1
            self._end_if_over(turn)
        said = turn.description
        style = Style(said.labels, said.multi_label, self.manner.top_k)
        return Answered(tuple(map(self._finished, answers, pictures, [style] * len(answers))), style)

    def not_ready(self) -> Refused:
        """The refusal while there is no model."""
        return Refused('not-ready', 'the model is being loaded', retry_after_s=_RETRY_WHILE_LOADING_S)

    async def close(self) -> None:
        """End every model; nobody asks any more."""
        if self._turn:
            self._retired.add(self._turn)
            self._end_if_over(self._turn)
        await asyncio.gather(*self._closing)

    def _finished(self, answer: Prediction, picture: Picture | Unusable, style: Style) -> Prediction:
        answer = dataclasses.replace(answer, key=picture.key)
        if not all(map(math.isfinite, answer.scores)):
            answer = Prediction(picture.key, error='nonfinite-embedding: the scores are infinite, or no numbers')
        self._metrics.pictures.add(outcome=refusals.reason_of(answer) or 'ok')
        threshold = self.manner.threshold
        return answer if threshold is None else style.decided(answer, threshold)

    def _in_line(self) -> float:
        return sum(turn.served.in_line for turn in ({self._turn} | self._retired) if turn)

    def _end_if_over(self, turn: _Turn) -> None:
        if turn in self._retired and not turn.requests:
            self._retired.discard(turn)
            closing = asyncio.create_task(asyncio.to_thread(turn.served.close))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
