"""A Vertex AI on loopback: custom jobs, models and endpoints as google-cloud-aiplatform and gcloud speak of them.

aiplatform.init(api_endpoint=fake.endpoint, api_transport='rest', credentials=AnonymousCredentials(), ...)
CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM=fake.endpoint/ gcloud ai custom-jobs create ...
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from tests.fakes.jobs import Job, JobServer
from tests.fakes.servers import Answer, ApiError, Request

PENDING, RUNNING, SUCCEEDED = 'JOB_STATE_PENDING', 'JOB_STATE_RUNNING', 'JOB_STATE_SUCCEEDED'
FAILED, CANCELLED = 'JOB_STATE_FAILED', 'JOB_STATE_CANCELLED'
_PLACE = r'/(?:v1|v1beta1|ui)/projects/([^/]+)/locations/([^/]+)'
_AT = '2026-01-01T00:00:00Z'
_TYPES = 'type.googleapis.com/google.cloud.aiplatform.v1.'


class FakeVertex(JobServer):
    """Custom jobs in `jobs` (a job's `body` is the JSON of CustomJob), `models` and `endpoints` by their names."""

    api = 'aiplatform.googleapis.com'

    def __init__(self, *next_states: str) -> None:
        super().__init__(*(next_states or (PENDING, RUNNING, SUCCEEDED)))
        self.models: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        # What an endpoint answers to one instance.
        self.predict: Callable[[Any], Any] = lambda instance: instance

    def respond(self, request: Request) -> Answer:
        """The answer to a request of Vertex' clients."""
        if token := self.token(request):
            return token
        for method, pattern, answer in _ROUTES:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                project, region, *rest = map(unquote, found.groups())
                self.check(project)
                return answer(self, request, f'projects/{project}/locations/{region}', *rest)
        raise ApiError(404, f'the fake knows no {request.method} {request.path}', 'notFound', status='NOT_FOUND')

    # Custom jobs.

    def _create_job(self, request: Request, place: str) -> Answer:
        _, project, _, region = place.split('/')
        name = f'{place}/customJobs/{next(self._ids)}'
        job = Job(name, project, region, request.json(), list(self.next_states), self.next_message)
        self.jobs.append(job)
        return Answer.of(_job(job))

    def _list_jobs(self, request: Request, place: str) -> Answer:
        wanted = _wanted(request)
        told = [(job, _filtered_by(job)) for job in self.jobs]
        found = [job for job, said in told if job.name.startswith(place + '/') and wanted.items() <= said.items()]
        return Answer.of({'customJobs': [_job(job) for job in reversed(found)]})

    def _get_job(self, request: Request, place: str, number: str) -> Answer:
        job = self.find(f'{place}/customJobs/{number}')
        answer = Answer.of(_job(job))
        job.look()
        return answer

    def _cancel_job(self, request: Request, place: str, number: str) -> Answer:
        self.find(f'{place}/customJobs/{number}').states = [CANCELLED]
        return Answer.of({})

    # Models and endpoints.

    def _upload_model(self, request: Request, place: str) -> Answer:
        parent = request.json().get('parentModel')
        name = parent or f'{place}/models/{next(self._ids)}'
        version = str(int(self._of(self.models, name)['versionId']) + 1) if parent else '1'
        more = {'versionId': version, 'createTime': _AT, 'supportedDeploymentResourcesTypes': ['DEDICATED_RESOURCES']}
        self.models[name] = {**request.json()['model'], 'name': name, **more}
        return self._done(place, 'UploadModelResponse', {'model': name, 'modelVersionId': version})

    def _create_endpoint(self, request: Request, place: str) -> Answer:
        name = f'{place}/endpoints/{next(self._ids)}'
        self.endpoints[name] = {**request.json(), 'name': name, 'deployedModels': [], 'createTime': _AT}
        return self._done(place, 'Endpoint', self.endpoints[name])

    def _deploy(self, request: Request, place: str, number: str) -> Answer:
        endpoint, asked = self._of(self.endpoints, f'{place}/endpoints/{number}'), request.json()
        self._of(self.models, asked['deployedModel']['model'].partition('@')[0])
        deployed = {'id': str(next(self._ids)), **asked['deployedModel']}
        endpoint['deployedModels'].append(deployed)
        endpoint['trafficSplit'] = {
            (deployed['id'] if which == '0' else which): share for which, share in asked.get('trafficSplit', {}).items()
        }
        return self._done(place, 'DeployModelResponse', {'deployedModel': deployed})

    def _undeploy(self, request: Request, place: str, number: str) -> Answer:
        endpoint, gone = self._of(self.endpoints, f'{place}/endpoints/{number}'), request.json()['deployedModelId']
        endpoint['deployedModels'] = [one for one in endpoint['deployedModels'] if one['id'] != gone]
        if not endpoint['deployedModels']:
            endpoint.pop('trafficSplit', None)
        return self._done(place, 'UndeployModelResponse', {})

    def _predict(self, request: Request, place: str, number: str) -> Answer:
        endpoint = self._of(self.endpoints, f'{place}/endpoints/{number}')
        split = endpoint.get('trafficSplit') or {one['id']: 0 for one in endpoint['deployedModels'][:1]}
        if not split:
            raise ApiError(400, 'the endpoint has no deployed model', 'invalid', status='FAILED_PRECONDITION')
        answers = [self.predict(instance) for instance in request.json()['instances']]
        return Answer.of({'predictions': answers, 'deployedModelId': max(split, key=lambda which: split[which])})

    def _patch_endpoint(self, request: Request, place: str, number: str) -> Answer:
        """What the mask names is replaced: labels, the traffic split."""
        endpoint = self._of(self.endpoints, f'{place}/endpoints/{number}')
        for name in request.query['updateMask'].split(','):
            field = {'traffic_split': 'trafficSplit', 'display_name': 'displayName'}.get(name, name)
            endpoint[field] = request.json().get(field)
        return Answer.of(endpoint)

    def _get(self, request: Request, place: str, kind: str, number: str) -> Answer:
        return Answer.of(self._of(getattr(self, kind), f'{place}/{kind}/{number.partition("@")[0]}'))

    def _list(self, request: Request, place: str, kind: str) -> Answer:
        wanted, every = _wanted(request), getattr(self, kind).values()
        found = [one for one in every if one['name'].startswith(place + '/') and wanted.items() <= one.items()]
        return Answer.of({kind: found})

    def _delete(self, request: Request, place: str, kind: str, number: str) -> Answer:
        getattr(self, kind).pop(f'{place}/{kind}/{number}', None)
        return self._done(place, '', {})

    def _done(self, place: str, kind: str, response: dict[str, Any]) -> Answer:
        """An operation that is over already."""
        type_name = _TYPES + kind if kind else 'type.googleapis.com/google.protobuf.Empty'
        name = f'{place}/operations/{next(self._ids)}'
        return Answer.of({'name': name, 'done': True, 'response': {'@type': type_name, **response}})

    def _of(self, every: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in every:
            raise ApiError(404, f'{name} is not found', 'notFound', status='NOT_FOUND')
        return every[name]


def _wanted(request: Request) -> dict[str, str]:
    """What a listing's filter asks to be equal: `display_name="x" AND state="y"`."""
    said = re.findall(r'([\w.]+)\s*=\s*"?([^" ]+)"?', request.query.get('filter', ''))
    return {{'display_name': 'displayName'}.get(name, name): value for name, value in said}


def _filtered_by(job: Job) -> dict[str, Any]:
    labels = {f'labels.{key}': value for key, value in job.body.get('labels', {}).items()}
    return {'state': job.state, 'displayName': job.body.get('displayName'), **labels}


def _job(job: Job) -> dict[str, Any]:
    error = {'error': {'code': 3, 'message': job.message}} if job.state == FAILED else {}
    return {**job.body, 'name': job.name, 'state': job.state, 'createTime': _AT, 'updateTime': _AT, **error}


_ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
    (method, re.compile(_PLACE + pattern), answer)
    for method, pattern, answer in [
        ('POST', '/customJobs', FakeVertex._create_job),
        ('GET', '/customJobs', FakeVertex._list_jobs),
        ('GET', '/customJobs/([^/:]+)', FakeVertex._get_job),
        ('POST', '/customJobs/([^/:]+):cancel', FakeVertex._cancel_job),
        ('POST', '/models:upload', FakeVertex._upload_model),
        ('POST', '/endpoints', FakeVertex._create_endpoint),
        ('POST', '/endpoints/([^/:]+):deployModel', FakeVertex._deploy),
        ('POST', '/endpoints/([^/:]+):undeployModel', FakeVertex._undeploy),
        ('POST', '/endpoints/([^/:]+):predict', FakeVertex._predict),
        ('PATCH', '/endpoints/([^/:]+)', FakeVertex._patch_endpoint),
        ('GET', '/(models|endpoints)/([^/:]+)', FakeVertex._get),
        ('GET', '/(models|endpoints)', FakeVertex._list),
        ('DELETE', '/(models|endpoints)/([^/:]+)', FakeVertex._delete),
    ]
]
