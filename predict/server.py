"""The web application: routes, and what holds for all of them: headers, failures, counting (Starlette)."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from predict import openapi, pages
from predict.answers import visible
from predict.api import Api, as_json
from predict.bodies import Gone, Intake
from predict.metrics import Metrics
from predict.refusals import Refused
from predict.service import Service
from predict.status import Status

_log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]
_HEADERS = [
    (b'x-content-type-options', b'nosniff'),
    (b'referrer-policy', b'no-referrer'),
    (b'cross-origin-resource-policy', b'same-origin'),
    (b'cross-origin-opener-policy', b'same-origin'),
    # A picture or video is shown from where the browser has it; everything else comes from here.
    (
        b'content-security-policy',
        b"default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
]
_CLOSE = (b'connection', b'close')
_HTTP_REASONS = {404: ('not-found', 'there is nothing here'), 405: ('method-not-allowed', 'not by this method')}


@dataclass(frozen=True)
class Limits:
    """What may be asked for at a time: bytes of a request, of all requests, pictures of a request."""

    request_bytes: int = 32 << 20
    bytes_at_once: int = 256 << 20
    pictures: int = 128


@dataclass(frozen=True)
class Contract:
    """The routes a platform wants besides ours, as Vertex AI names them in AIP_PREDICT_ROUTE and AIP_HEALTH_ROUTE."""

    predict: str | None = None
    health: str | None = None


def application(service: Service, metrics: Metrics, limits: Limits, contract: Contract) -> ASGIApp:
    """The whole application."""
    intake = Intake(limits.request_bytes, limits.bytes_at_once)
    api, status = Api(service, intake, metrics, limits.pictures), Status(service, metrics, limits.request_bytes)
    app = Starlette(
        routes=[*_asked_for(contract, api, status), *_routes(api, status), *_pages()],
        exception_handlers={Refused: _refused, HTTPException: _http_error, Exception: _bug},
    )
    app.router.redirect_slashes = False
    return _Guarding(app, service, metrics)


async def overload(scope: Scope, receive: Receive, send: Send) -> None:
    """What is left for whoever comes when all connections are taken."""
    refused = Refused('busy', 'too many connections', retry_after_s=1)
    await _json_of(refused)(scope, receive, _with_headers(send, [*_HEADERS, _CLOSE]))


def _routes(api: Api, status: Status) -> list[Route]:
    table: list[tuple[str, str, Handler]] = [
        ('POST', '/predict', api.predict),
        ('POST', '/video', api.video),
        *_of_model('POST', '/v1/models/{name}', ':predict', api.v1_predict),
        ('GET', '/v1/models', status.v1_models),
        *_of_model('GET', '/v1/models/{name}', '', status.v1_model),
        *_of_model('POST', '/v2/models/{name}', '/infer', api.v2_infer),
        ('GET', '/v2', status.v2_server),
        ('GET', '/v2/health/live', status.healthy),
        ('GET', '/v2/health/ready', status.ready),
        *_of_model('GET', '/v2/models/{name}', '', status.v2_model),
        *_of_model('GET', '/v2/models/{name}', '/ready', status.v2_model_ready),
        ('GET', '/healthz', status.healthy),
        ('GET', '/readyz', status.ready),
        ('GET', '/metrics', status.metrics),
    ]
    return [Route(path, handler, methods=[method]) for method, path, handler in table]


def _of_model(method: str, model: str, verb: str, handler: Handler) -> list[tuple[str, str, Handler]]:
    """A route of the model; clients may name the version too."""
    return [(method, f'{model}/versions/{{version}}{verb}', handler), (method, f'{model}{verb}', handler)]


def _asked_for(contract: Contract, api: Api, status: Status) -> list[Route]:
    """A platform's own routes, before ours: where it asks for health, a model being loaded is not healthy yet."""
    wanted: list[tuple[str | None, str, Handler]] = [
        (contract.predict, 'POST', api.predict),
        (contract.health, 'GET', status.ready),
    ]
    return [Route(_literal(path), handler, methods=[method]) for path, method, handler in wanted if path]


def _literal(path: str) -> str:
    return path.replace('{', '').replace('}', '')


def _pages() -> list[Route]:
    found = {**pages.read(), '/openapi.json': pages.Content(openapi.text().encode(), 'application/json')}

    def shown(content: pages.Content) -> Handler:
        async def show(request: Request) -> Response:
            return Response(content.body, media_type=content.media_type, headers={'cache-control': 'no-cache'})

        return show

    return [Route(path, shown(content), methods=['GET']) for path, content in found.items()]


class _Guarding:
    """Around everything: headers for all, no more requests on a connection that must end, counting."""

    def __init__(self, app: ASGIApp, service: Service, metrics: Metrics) -> None:
        self._app = app
        self._service = service
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = ''

        async def watched(message: Message) -> None:
            nonlocal status
            if message['type'] == 'http.response.start':
                status = str(message['status'])
            await _with_headers(send, [*_HEADERS, *([_CLOSE] if self._service.is_draining else [])])(message)

        try:
            await self._app(scope, receive, watched)
        except Gone:
            status = 'gone'
        finally:
            route = getattr(scope.get('route'), 'path', 'other')
            self._metrics.requests.add(route=route, status=status or '500')
            _log.info('%s %s %s', scope.get('method'), visible(scope.get('path', '')), status)


def _with_headers(send: Send, headers: Sequence[tuple[bytes, bytes]]) -> Send:
    async def sending(message: Message) -> None:
        if message['type'] == 'http.response.start':
            message['headers'] = [*message.get('headers', []), *headers]
        await send(message)

    return sending


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _json_of(error)


def _json_of(refused: Refused) -> Response:
    headers = {'retry-after': str(refused.retry_after_s)} if refused.retry_after_s else None
    return as_json(refused.json(), status=refused.status, headers=headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason, words = _HTTP_REASONS.get(error.status_code, ('bad-request', error.detail))
    headers = dict(error.headers or {})
    return as_json({'error': words, 'reason': reason}, status=error.status_code, headers=headers)


async def _bug(request: Request, error: Exception) -> Response:
    """A bug, or a machine that gave out: the traceback is for the log alone (uvicorn writes it there)."""
    return _json_of(Refused('internal', 'the server failed; its log says why'))
