"""What the server says of its model and itself, to clients of TensorFlow Serving, KServe, Kubernetes, Prometheus."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from predict import v2_json
from predict.api import as_json, check_name
from predict.metrics import Metrics
from predict.service import Service
from preprocess.settings import Json


@dataclass(frozen=True)
class Status:
    """The handlers, and what they look at."""

    service: Service
    counts: Metrics
    most_bytes: int

    async def v1_models(self, request: Request) -> Response:
        """The name of the one model."""
        return as_json({'models': [self.service.manner.name]})

    async def v1_model(self, request: Request) -> Response:
        """Its state, as TensorFlow Serving and KServe v1 put it, and what it is."""
        check_name(request, self.service)
        state: Json = {
            'version': str(self.service.version or 1),
            'state': 'AVAILABLE' if self.service.version else 'LOADING',
            'status': {'error_code': 'OK', 'error_message': ''},
        }
        name = self.service.manner.name
        return as_json({'name': name, 'ready': self.service.is_ready, 'model_version_status': [state], **self._about()})

    async def v2_server(self, request: Request) -> Response:
        """What speaks version 2 here."""
        return as_json({'name': 'headlight', 'version': '1', 'extensions': ['binary_tensor_data']})

    async def v2_model(self, request: Request) -> Response:
        """What the model takes and gives."""
        check_name(request, self.service)
        labels = self.service.description.labels if self.service.description else ()
        version = str(self.service.version or 1)
        return as_json(v2_json.metadata(self.service.manner.name, version, len(labels) or -1))

    async def v2_model_ready(self, request: Request) -> Response:
        """Whether the model answers."""
        check_name(request, self.service)
        return await self.ready(request)

    async def healthy(self, request: Request) -> Response:
        """The process lives."""
        return as_json({'live': True})

    async def ready(self, request: Request) -> Response:
        """Requests are answered."""
        if self.service.is_ready:
            return as_json({'ready': True})
        why = 'the server is ending' if self.service.is_draining else 'the model is being loaded'
        return as_json({'ready': False, 'error': why, 'reason': 'not-ready'}, status=503)

    async def metrics(self, request: Request) -> Response:
        """Everything that is counted."""
        return Response(self.counts.text(), media_type='text/plain; version=0.0.4; charset=utf-8')

    def _about(self) -> dict[str, Json]:
        said, shape = self.service.description, self.service.input_shape
        if said is None or shape is None:
            return {}
        own = self.service.manner.threshold
        return {
            'labels': list(said.labels),
            'multi_label': said.multi_label,
            'threshold': said.threshold if own is None else own,
            'input_shape': list(shape),
            'most_bytes': self.most_bytes,
        }
