"""Jobs of Vertex AI: submitted once, found again, watched until they are over, by whoever happens to watch."""

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from preprocess import cloud_jobs, google_api, interrupts
from preprocess.failures import Failure, InputError, RunFailed
from preprocess.google_api import Api, Refused, Unanswered
from preprocess.progress import Progress, say
from preprocess.settings import Json, Settings
from trainer.vertex_job import TOKEN

# gcloud's own name for it: who reaches Google by another address has set it already.
ENDPOINT = 'CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM'
SUCCEEDED = 'SUCCEEDED'
OVER = frozenset([SUCCEEDED, 'FAILED', 'CANCELLED', 'EXPIRED', 'PARTIALLY_SUCCEEDED'])
_PHASES = {
    'QUEUED': 'waiting for its turn',
    'PENDING': 'waiting for its machines',
    'RUNNING': 'running',
    'PAUSED': 'paused',
    'CANCELLING': 'being cancelled',
}
LOOK_EVERY_S = 10.0
# How often one listens for Ctrl-C meanwhile.
_TURN_S = 0.2
# A laptop's network may be away for a while: the job doesn't mind.
_UNREACHABLE_FOR_S = 1800.0
# What the trainer's exit codes mean to somebody who reads only the service's message.
_EXITS = {
    'status of 2': 'its flags were refused',
    'status of 3': 'its input can not be used',
    'status of 5': 'it failed through no bug',
    'status of 137': 'it was killed, most often for want of memory',
}
_BY_ITSELF = re.compile(r'status of [1-5]\b')


@dataclass(frozen=True)
class Place:
    """Where jobs run: a project and a region."""

    project: str
    region: str

    @property
    def path(self) -> str:
        """As the API names it."""
        return f'projects/{self.project}/locations/{self.region}'


@dataclass(frozen=True)
class Seen:
    """A job as it was when somebody looked."""

    name: str
    state: str
    message: str = ''

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in OVER

    @property
    def number(self) -> str:
        """Its id."""
        return self.name.rpartition('/')[2]


class VertexJobs:
    """The custom jobs of one place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        root = os.environ.get(ENDPOINT) or f'https://{place.region}-aiplatform.googleapis.com'
        self._api = Api(google_api.VERTEX, f'{root.rstrip("/")}/v1', project=place.project)

    def submit(self, body: Mapping[str, Json], token: str) -> Seen:
        """Submit a job that carries the token as a label; an answer that got lost is not a second job."""
        asked = False

        def attempt() -> Seen:
            nonlocal asked
            if asked and (there := self._labelled(token)):
                return there
            asked = True
            return _seen(self._api.post(f'{self._place.path}/customJobs', body))

        return self._api.persist(attempt)

    def get(self, name: str) -> Seen | None:
        """A job by its name; None when there is none of that name (any more)."""
        try:
            return _seen(self._api.get(name))
        except Refused as error:
            if error.kind == google_api.MISSING:
                return None
            raise

    def find(self, token: str) -> Seen | None:
        """The job that carries a token, if it was submitted."""
        return self._api.persist(lambda: self._labelled(token))

    def _labelled(self, token: str) -> Seen | None:
        # Not through `get`, which tries again by itself: this is part of what is tried again.
        found = self._api.ask(f'{self._place.path}/customJobs', filter=f'labels.{TOKEN}="{token}"')
        listed = found.get('customJobs')
        first = listed[0] if isinstance(listed, list) and listed else None
        return _seen(first) if isinstance(first, dict) else None


def find_noted(noted: Settings) -> tuple[Place, Seen] | None:
    """The job that was noted when it was submitted, and whose end nobody has seen; None when there is none."""
    if not noted.get('token') or noted.get('state') in OVER:
        return None
    place = Place(str(noted['project']), str(noted['region']))
    jobs, name = VertexJobs(place), noted.get('job')
    # Without a name, the command that submitted it ended before it was told whether it had.
    job = jobs.get(str(name)) if name else jobs.find(str(noted['token']))
    return (place, job) if job else None


def check_alone(noted: Settings, *, do: str) -> None:
    """Refuse to touch what a noted job is still at work on, or may be; `do` is what else there is to do."""
    try:
        found = find_noted(noted)
    except Failure as failure:
        raise InputError(
            f'a training job was submitted for this result, and nobody says whether it is over: {failure.what}',
            where=str(noted.get('page') or noted.get('name') or failure.where),
            do=f'{failure.do}; or choose another --output_dir',
        ) from failure
    if found and not found[1].is_over:
        place, job = found
        raise InputError(
            f'training job {job.number} is still at work on this result',
            where=page(place, job),
            do=f'{do}; or end it: {cancel_command(place, job)}',
        )


def _seen(job: Mapping[str, Json]) -> Seen:
    error = job.get('error')
    message = error.get('message') if isinstance(error, dict) else None
    return Seen(str(job['name']), str(job.get('state', '')).removeprefix('JOB_STATE_'), str(message or ''))


def links(place: Place, job: Seen) -> list[str]:
    """Where a job and its log can be looked at, and what ends it."""
    console = 'https://console.cloud.google.com'
    query = quote(f'resource.type="ml_job" resource.labels.job_id="{job.number}"', safe='')
    return [
        f'the job: {page(place, job)}',
        f'its log: {console}/logs/query;query={query}?project={place.project}',
        f'to end it: {cancel_command(place, job)}',
    ]


def page(place: Place, job: Seen) -> str:
    """The console's page of a job."""
    where = f'locations/{place.region}/training/{job.number}'
    return f'https://console.cloud.google.com/vertex-ai/{where}?project={place.project}'


def cancel_command(place: Place, job: Seen) -> str:
    """What ends a job."""
    return f'gcloud ai custom-jobs cancel {job.number} --project {place.project} --region {place.region}'


def wait(jobs: VertexJobs, place: Place, job: Seen, *, steps: Callable[[], tuple[int, int | None]]) -> Seen:
    """Look on until a job is over; `steps` tells how many it has done, and of how many.

    Ctrl-C ends the looking on, not the job.
    """
    seen = job
    while not seen.is_over:
        phase = _PHASES.get(seen.state, seen.state.lower() or 'submitted')
        with Progress(f'job {seen.number} is {phase}', unit='steps') as shown:
            before = seen.state
            while seen.state == before:
                if seen.state == 'RUNNING':
                    done, total = steps()
                    shown.update(done, total=total)
                _sleep(place, seen)
                seen = _look(jobs, seen)
    say(f'job {seen.number} has {seen.state.lower()}')
    return seen


def _look(jobs: VertexJobs, job: Seen) -> Seen:
    """The job now; a network that is away is waited for."""
    begun = time.monotonic()
    while True:
        try:
            now = jobs.get(job.name)
        except Unanswered as error:
            if time.monotonic() - begun > _UNREACHABLE_FOR_S:
                raise
            say(f'{error.what}; the job goes on without us, trying again')
            continue
        if now is None:
            do = 'run the same command again: it submits another job, which goes on from the last checkpoint'
            raise RunFailed('somebody has deleted the training job', where=job.name, do=do)
        return now


def _sleep(place: Place, job: Seen) -> None:
    until = time.monotonic() + LOOK_EVERY_S
    while True:
        if interrupts.requested():
            raise cloud_jobs.interrupted(
                f'training job {job.number}', console=page(place, job), cancel=cancel_command(place, job)
            )
        left_s = until - time.monotonic()
        if left_s <= 0:
            return
        time.sleep(min(left_s, _TURN_S))


def failed(place: Place, job: Seen, said_last: str | None) -> RunFailed:
    """The end of a job that did not succeed; what the trainer itself said last is told where it is known."""
    meaning = next((f' ({words})' for code, words in _EXITS.items() if code in job.message), '')
    # Ended by itself it has said why; killed, or never begun, what the log says is of another time.
    by_itself = _BY_ITSELF.search(job.message)
    why = (said_last if by_itself else None) or (job.message.strip().splitlines() or [''])[0]
    ended = {'CANCELLED': 'was cancelled', 'EXPIRED': 'took longer than it was allowed to'}
    how = ended.get(job.state, 'failed')
    return RunFailed(
        f'the training job {how}{meaning}' + (f': {why}' if why else ''),
        where=page(place, job),
        do='mend what its log says; the same command submits it again, and it goes on from its last checkpoint',
    )
