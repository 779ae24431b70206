"""What the routes of the server do: bodies to pictures, answers to JSON (Starlette)."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from predict import bodies, clip_answers, forms, refusals, v1_json, v2_json, v2_tensors
from predict.answers import Prediction, Style
from predict.bodies import Gone, Intake
from predict.clips import Clip, Clips
from predict.metrics import Metrics
from predict.pictures import Picture, Unusable
from predict.refusals import Refused
from predict.service import Answered, Service
from preprocess.settings import Json

# How many of the best labels are named in answers that are not held to the form of another server.
_NAMED = 10
# Of a video's frames so many are in line at a time, so that pictures of others pass between them.
_FRAMES_IN_LINE = 16
_Result = TypeVar('_Result')


@dataclass(frozen=True)
class Api:
    """The handlers, and what they share."""

    service: Service
    intake: Intake
    metrics: Metrics
    most_pictures: int
    clips: Clips = field(default_factory=Clips)

    async def predict(self, request: Request) -> Response:
        """A picture by itself, a form of pictures, or the JSON of version 1."""
        content_type = request.headers.get('content-type', '')
        async with self._body(request) as body:
            if forms.is_form(content_type):
                pictures = await asyncio.to_thread(forms.pictures, body, content_type)
            elif body.lstrip()[:1] == b'{':  # no picture begins like this, whatever its type is said to be
                return await self._v1(request, body)
            else:
                pictures = (Picture('0', body),)
            answered = await self._answered(request, pictures)
        style = replace(answered.style, top_k=answered.style.top_k or _NAMED)
        rows = [v1_json.row(answer, style) for answer in answered.answers]
        return _reply(answered, rows[0] if len(rows) == 1 else {'predictions': list(rows)})

    async def video(self, request: Request) -> Response:
        """A short video by itself, or in a form: a label for each of its seconds."""
        content_type = request.headers.get('content-type', '')
        async with self._body(request) as body:
            if forms.is_form(content_type):
                (sent, *more) = await asyncio.to_thread(forms.pictures, body, content_type)
                if more or not isinstance(sent.source, bytes):
                    raise Refused('bad-request', 'one video may come at a time')
                body = sent.source
            return await self._unless_gone(request, self._timeline(body))

    async def v1_predict(self, request: Request) -> Response:
        """The JSON of TensorFlow Serving, KServe v1 and Vertex."""
        self._check_name(request)
        async with self._body(request) as body:
            return await self._v1(request, body)

    async def v2_infer(self, request: Request) -> Response:
        """The tensors of KServe v2."""
        self._check_name(request)
        async with self._body(request) as body:
            asked = await asyncio.to_thread(v2_json.parse, body, request.headers.get(v2_tensors.HEADER_LENGTH))
            answered = await self._answered(request, asked.pictures)
        reply = v2_json.reply(asked, answered.answers, answered.style, model=self.service.manner.name)
        if reply.json_length is None:
            return Response(reply.content, media_type='application/json')
        headers = {v2_tensors.HEADER_LENGTH: str(reply.json_length)}
        return Response(reply.content, media_type='application/octet-stream', headers=headers)

    async def _v1(self, request: Request, body: bytes) -> Response:
        asked = await asyncio.to_thread(v1_json.parse, body)
        answered = await self._answered(request, asked.pictures)
        return _reply(answered, v1_json.reply(asked, answered.answers, answered.style))

    async def _timeline(self, body: bytes) -> Response:
        description, shape = self.service.description, self.service.input_shape
        if description is None or shape is None:
            raise self.service.not_ready()
        clip = await self.clips.decode(body, shape, description.manner.preparation)
        answers, style = await self._frame_answers(clip)
        rule = clip_answers.Rule(description.threshold, self.service.manner.threshold)
        return as_json(clip_answers.reply(clip, answers, replace(style, top_k=style.top_k or _NAMED), rule))

    async def _frame_answers(self, clip: Clip) -> tuple[list[Prediction], Style]:
        """One answer for each frame, by one model."""
        answers: list[Prediction] = []
        style: Style | None = None
        size = min(_FRAMES_IN_LINE, self.most_pictures)
        for start in range(0, len(clip.pictures), size):
            pictures = [Picture('', picture) for picture in clip.pictures[start : start + size]]
            answered = await self.service.predict(pictures)
            if style not in (None, answered.style):
                raise Refused('busy', 'another model came meanwhile', retry_after_s=1)
            answers, style = [*answers, *answered.answers], answered.style
        if all(answer.error is not None for answer in answers):
            raise refusals.refusal_of(answers[0])
        assert style is not None  # a clip has frames
        return answers, style

    async def _answered(self, request: Request, pictures: Sequence[Picture | Unusable]) -> Answered:
        """The service's answer; what it was asked is taken back when the client hangs up."""
        if len(pictures) > self.most_pictures:
            raise Refused('too-many-pictures', f'{len(pictures):,} pictures, {self.most_pictures:,} may come at once')
        return await self._unless_gone(request, self.service.predict(pictures))

    async def _unless_gone(self, request: Request, work: Coroutine[None, None, _Result]) -> _Result:
        """What the work comes to; it is given up when the client hangs up."""
        answer = asyncio.create_task(work)
        gone = asyncio.create_task(bodies.hung_up(request.receive))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise Gone
            return answer.result()
        finally:
            gone.cancel()
            answer.cancel()

    @asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        with self.metrics.request_seconds.timed():
            async with self.intake.body(request.scope, request.receive) as body:
                yield body

    def _check_name(self, request: Request) -> None:
        check_name(request, self.service)


def check_name(request: Request, service: Service) -> None:
    """There is one model, in one version; others are not found."""
    if request.path_params['name'] != service.manner.name:
        raise Refused('not-found', f'the model here is named {service.manner.name}')
    version = str(service.version or 1)
    if request.path_params.get('version', version) != version:
        raise Refused('not-found', f'the version that is served is {version}')


def as_json(content: Json, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response in JSON; NaN is none, and a key that is no Unicode is escaped."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False) + '\n'
    body = text.encode('utf-8', 'backslashreplace')
    return Response(body, status, media_type='application/json', headers=headers)


def _reply(answered: Answered, content: dict[str, Json]) -> Response:
    """A success when any picture was answered; else the first failure is the request's."""
    if any(answer.error is None for answer in answered.answers):
        return as_json(content)
    refused = refusals.refusal_of(answered.answers[0])
    return as_json({**refused.json(), **content}, status=refused.status)
