"""A Dataflow on loopback: takes jobs as Beam's DataflowRunner submits them, keeps what was sent, plays their states.

`--dataflow_endpoint=fake.endpoint`. With `runs` a job isn't only played: its staged pipeline is run, in this process.
"""

import re
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from tests.fakes.jobs import Job, JobServer
from tests.fakes.objects import Objects
from tests.fakes.servers import Answer, ApiError, Request

QUEUED, RUNNING, DONE = 'JOB_STATE_QUEUED', 'JOB_STATE_RUNNING', 'JOB_STATE_DONE'
FAILED, CANCELLED = 'JOB_STATE_FAILED', 'JOB_STATE_CANCELLED'
# What is told of a job unless more is asked for, and what is told then.
_SUMMARY = ('name', 'type')
_TOLD = (*_SUMMARY, 'labels', 'environment', 'clientRequestId')
_JOBS = re.compile(r'/v1b3/projects/([^/]+)(?:/locations/([^/]+))?/jobs(?::aggregated)?')
_JOB = re.compile(r'/v1b3/projects/([^/]+)/locations/([^/]+)/jobs/([^/]+)(/messages|/metrics)?')


class FakeDataflow(JobServer):
    """Jobs as they were submitted, in `jobs`; a job's `body` is the JSON of Dataflow's Job."""

    api = 'dataflow.googleapis.com'

    def __init__(self, *next_states: str, runs: Objects | None = None) -> None:
        super().__init__(*(next_states or (QUEUED, RUNNING, DONE)))
        self._runs = runs
        self._running: list[threading.Thread] = []

    def wait(self) -> None:
        """Until every job that is really run has ended."""
        for thread in self._running:
            thread.join()

    def respond(self, request: Request) -> Answer:
        """The answer to a request of Dataflow's clients."""
        if token := self.token(request):
            return token
        if found := _JOBS.fullmatch(request.path):
            project, region = map(_text, found.groups())
            self.check(project)
            if request.method == 'POST':
                return self._create(request.json(), project, region or request.json().get('location', ''))
            return self._list(project, region, request.query)
        if found := _JOB.fullmatch(request.path):
            project, _, name, what = map(_text, found.groups())
            self.check(project)
            job = self.find(name)
            return {'': self._job, '/messages': self._messages, '/metrics': self._metrics}[what](request, job)
        raise ApiError(404, f'the fake knows no {request.method} {request.path}', 'notFound')

    def _create(self, body: dict[str, Any], project: str, region: str) -> Answer:
        active = [job for job in self.jobs if job.body['name'] == body['name'] and not job.is_over]
        if active and body.get('clientRequestId') != active[0].body.get('clientRequestId'):
            # Whose request has an id of its own learns of the other job by that job's.
            return Answer.of(_resource(active[0]))
        if active:
            said = f'There is already an active job named {body["name"]}. id: {active[0].name}'
            raise ApiError(409, said, 'alreadyExists', status='ALREADY_EXISTS')
        if not re.fullmatch(r'[a-z]([-a-z0-9]{0,1022}[a-z0-9])?', body['name']):
            raise ApiError(400, f'The job name {body["name"]} is invalid', 'invalid', status='INVALID_ARGUMENT')
        name = f'{datetime.now(UTC):%Y-%m-%d_%H_%M_%S}-{next(self._ids):020d}'
        job = Job(name, project, region, body, list(self.next_states), self.next_message)
        self.jobs.append(job)
        if self._runs:
            job.states = [RUNNING]
            self._running.append(threading.Thread(target=_run, args=(job, self._runs), daemon=True))
            self._running[-1].start()
        return Answer.of(_resource(job))

    def _list(self, project: str, region: str, query: dict[str, str]) -> Answer:
        wanted = {'ACTIVE': False, 'TERMINATED': True}.get(query.get('filter', ''))
        found = [
            _resource(job, _SUMMARY)
            for job in self.jobs
            if job.project == project
            and region in ('', job.region)
            and wanted in (None, job.is_over)
            and query.get('name') in (None, job.body['name'])
        ]
        return Answer.of({'jobs': found})

    def _job(self, request: Request, job: Job) -> Answer:
        if request.method == 'PUT':
            wanted = request.json().get('requestedState', '')
            job.states = [{DONE: CANCELLED}.get(wanted, wanted)]
            return Answer.of(_resource(job))
        answer = Answer.of(_resource(job, _TOLD if 'view' in request.query else _SUMMARY))
        job.look()
        return answer

    def _messages(self, request: Request, job: Job) -> Answer:
        if not job.message:
            return Answer.of({'jobMessages': []})
        kind = 'JOB_MESSAGE_ERROR' if job.state == FAILED else 'JOB_MESSAGE_BASIC'
        said = {'id': 'm1', 'time': '2026-01-01T00:00:00Z', 'messageText': job.message, 'messageImportance': kind}
        return Answer.of({'jobMessages': [said]})

    def _metrics(self, request: Request, job: Job) -> Answer:
        return Answer.of({'metricTime': '2026-01-01T00:00:00Z', 'metrics': []})


def _text(found: str | None) -> str:
    return unquote(found or '')


def _resource(job: Job, told: Sequence[str] = _TOLD) -> dict[str, Any]:
    said = {name: job.body[name] for name in told if name in job.body}
    return {
        **said,
        'id': job.name,
        'projectId': job.project,
        'location': job.region,
        'currentState': job.state,
        'createTime': '2026-01-01T00:00:00Z',
    }


def _run(job: Job, objects: Objects) -> None:
    """Do what workers would: the staged pipeline, its functions as they were pickled, by Beam's local runner."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.portability import python_urns
    from apache_beam.portability.api import beam_runner_api_pb2
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    options = job.body['environment']['sdkPipelineOptions']['options']
    bucket, _, name = options['pipelineUrl'].removeprefix('gs://').partition('/')
    pipeline = beam_runner_api_pb2.Pipeline.FromString(objects.read(bucket, name))
    for environment in pipeline.components.environments.values():
        environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b''
        del environment.dependencies[:]
    try:
        FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([])).wait_until_finish()
        job.states = [DONE]
    except Exception as error:  # whatever a worker may raise: the job failed
        job.states, job.message = [FAILED], f'Traceback: {error}'
