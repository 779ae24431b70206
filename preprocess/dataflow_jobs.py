"""Dataflow's list of jobs, as far as one who waits for a job needs it: its state, its messages, the job of a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from preprocess.cloud_place import CloudPlace
from preprocess.google_api import MISSING, Api, Refused, Service
from preprocess.settings import Json

DATAFLOW = Service('Dataflow', 'dataflow.googleapis.com', 'roles/dataflow.developer')
ROOT = 'https://dataflow.googleapis.com'
DONE, FAILED, CANCELLED = 'DONE', 'FAILED', 'CANCELLED'
# By this label a job is told from others of its name, when the answer to its submission got lost.
RUN = 'headlight_run'
_OVER = frozenset([DONE, FAILED, CANCELLED, 'UPDATED', 'DRAINED'])
_PREFIX = 'JOB_STATE_'
_ERROR = 'JOB_MESSAGE_ERROR'
# What people are told: not how every step fares, but workers coming and going, warnings and errors.
LEAST_IMPORTANCE = 'JOB_MESSAGE_BASIC'


@dataclass(frozen=True)
class Job:
    """A job as Dataflow lists it; its state without the prefix they all have."""

    id: str
    name: str
    state: str
    created: str = ''

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in _OVER


@dataclass(frozen=True)
class Message:
    """What Dataflow says of a job."""

    id: str
    text: str
    time: str
    is_error: bool


class DataflowJobs:
    """The jobs of a project in a region; `endpoint` is Beam's --dataflow_endpoint."""

    def __init__(self, place: CloudPlace, *, endpoint: str | None = None) -> None:
        self.place = place
        self._api = Api(DATAFLOW, endpoint or ROOT, project=place.project)
        self._path = f'v1b3/projects/{place.project}/locations/{place.region}/jobs'

    def check(self) -> None:
        """Raise what keeps this user from running jobs here."""
        self._api.get(self._path, pageSize='1')

    def get(self, job_id: str) -> Job:
        """A job as it is now."""
        return _job(self._api.get(f'{self._path}/{quote(job_id)}'))

    def find(self, job_id: str) -> Job | None:
        """A job as it is now; None when there is none of that id (any more)."""
        try:
            return self.get(job_id)
        except Refused as refused:
            if refused.kind == MISSING:
                return None
            raise

    def named(self, name: str, *, run: str) -> Job | None:
        """The job of a name that carries the label of this run: names may be given twice."""
        listed = self._api.get(self._path, name=name, filter='ALL').get('jobs')
        found = [_job(one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        mine = [one for one in found if one.name == name]
        latest_first = sorted(mine, key=lambda one: (not one.is_over, one.created, one.id), reverse=True)
        return next((one for one in latest_first if self._labels(one).get(RUN) == run), None)

    def _labels(self, job: Job) -> Mapping[str, Json]:
        # Lists don't tell labels.
        said = self._api.get(f'{self._path}/{quote(job.id)}', view='JOB_VIEW_DESCRIPTION').get('labels')
        return said if isinstance(said, dict) else {}

    def messages(self, job_id: str, *, since: str = '') -> list[Message]:
        """What Dataflow says of a job, oldest first; all of it, or from a message's time on."""
        query = {'minimumImportance': LEAST_IMPORTANCE, **({'startTime': since} if since else {})}
        found: list[Message] = []
        while True:
            page = self._api.get(f'{self._path}/{quote(job_id)}/messages', **query)
            said = page.get('jobMessages')
            found += [_message(one) for one in said if isinstance(one, dict)] if isinstance(said, list) else []
            if not page.get('nextPageToken'):
                return found
            query['pageToken'] = str(page['nextPageToken'])

    def console(self, job_id: str) -> str:
        """Where people watch a job."""
        region, project = self.place.region, self.place.project
        return f'https://console.cloud.google.com/dataflow/jobs/{region}/{job_id}?project={project}'

    def cancel_line(self, job_id: str) -> str:
        """How people end a job."""
        return f'gcloud dataflow jobs cancel {job_id} --region={self.place.region} --project={self.place.project}'


def _job(said: Mapping[str, Json]) -> Job:
    state = str(said.get('currentState', '')).removeprefix(_PREFIX)
    return Job(str(said['id']), str(said.get('name', '')), state, str(said.get('createTime', '')))


def _message(said: Mapping[str, Json]) -> Message:
    text = str(said.get('messageText', '')).strip()
    return Message(str(said.get('id', text)), text, str(said.get('time', '')), said.get('messageImportance') == _ERROR)
