"""Jobs of Vertex AI from this side: submitted once whatever the network does, watched, never cancelled."""

import pytest

from preprocess import google_api, interrupts, retries
from preprocess.failures import InputError, Interrupted, RunFailed
from preprocess.google_api import Refused, Unanswered
from preprocess.retries import Patience
from tests.cloud.conftest import PROJECT, REGION
from tests.fakes.jobs import Job
from tests.fakes.vertex import FAILED, PENDING, RUNNING, SUCCEEDED, FakeVertex
from trainer import vertex
from trainer.vertex import Place, Seen, VertexJobs

PLACE = Place(PROJECT, REGION)
BODY = {'displayName': 'a-job', 'labels': {'headlight_job': 'abc'}, 'jobSpec': {}}


def posted(method: str, path: str) -> bool:
    return method == 'POST'


@pytest.fixture
def jobs(service: FakeVertex, gcs: object) -> VertexJobs:
    """Vertex' jobs; with gcs comes the patience of tests."""
    return VertexJobs(PLACE)


def test_a_job_that_is_submitted_is_found_by_its_name_and_by_its_token(service: FakeVertex, jobs: VertexJobs) -> None:
    seen = jobs.submit(BODY, 'abc')
    assert seen == Seen(service.jobs[0].name, 'PENDING')
    assert jobs.find('abc') == seen
    assert jobs.find('another') is None
    assert jobs.get(seen.name) == seen
    assert jobs.get(f'{PLACE.path}/customJobs/99') is None


@pytest.mark.parametrize('kinds', [('lost',), ('503', 'reset'), ('lost', '503')])
def test_however_often_the_answer_is_lost_there_is_one_job(
    service: FakeVertex, jobs: VertexJobs, kinds: tuple[str, ...]
) -> None:
    with service.failing(0.7, *kinds, where=posted, seed=3) as faults:
        for number in range(6):
            token = f't{number}'
            jobs.submit({**BODY, 'labels': {'headlight_job': token}}, token)
    assert sum(faults.done.values()) > 3
    assert sorted(job.body['labels']['headlight_job'] for job in service.jobs) == [f't{number}' for number in range(6)]


def test_a_service_that_is_away_is_told_as_such_and_nothing_is_submitted(
    service: FakeVertex, jobs: VertexJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, 'PATIENCE', Patience(first_s=0.0005, most_s=0.002, in_all_s=0.01))
    with service.failing(1.0, '503'), pytest.raises(Unanswered, match='Vertex AI does not answer: 503') as raised:
        jobs.submit(BODY, 'abc')
    assert raised.value.exit_code == 5
    assert service.jobs == []


def test_a_service_that_is_not_enabled_is_told_with_the_command_that_enables_it(
    service: FakeVertex, jobs: VertexJobs
) -> None:
    service.disabled.add(PROJECT)
    with pytest.raises(Refused, match='not enabled') as raised:
        jobs.submit(BODY, 'abc')
    assert raised.value.kind == google_api.DISABLED
    assert raised.value.do.startswith(f'gcloud services enable aiplatform.googleapis.com --project {PROJECT}')


def test_who_may_not_is_told_which_role_is_missing(service: FakeVertex, jobs: VertexJobs) -> None:
    service.forbidden.add(PROJECT)
    with pytest.raises(InputError, match='Permission denied') as raised:
        jobs.submit(BODY, 'abc')
    assert 'roles/aiplatform.user' in raised.value.do
    assert raised.value.lines().count('\n') == 2


def test_waiting_says_what_the_job_waits_for_and_how_far_it_is(
    service: FakeVertex, jobs: VertexJobs, capsys: pytest.CaptureFixture[str]
) -> None:
    service.next_states = [PENDING, PENDING, RUNNING, RUNNING, SUCCEEDED]
    seen = jobs.submit(BODY, 'abc')
    steps = iter([(20, None), (40, 60), (60, 60)])
    over = vertex.wait(jobs, PLACE, seen, steps=lambda: next(steps))
    assert over.state == 'SUCCEEDED'
    assert next(steps) == (60, 60)
    assert capsys.readouterr().err.splitlines() == [f'job {seen.number} has succeeded']


def test_ctrl_c_ends_the_waiting_and_says_how_to_go_on_and_how_to_end_the_job(
    service: FakeVertex, jobs: VertexJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = jobs.submit(BODY, 'abc')
    monkeypatch.setattr(interrupts, 'requested', lambda: True)
    with pytest.raises(Interrupted) as raised:
        vertex.wait(jobs, PLACE, seen, steps=lambda: (0, None))
    assert raised.value.exit_code == 130
    assert raised.value.where == (
        f'https://console.cloud.google.com/vertex-ai/locations/{REGION}/training/{seen.number}?project={PROJECT}'
    )
    assert f'gcloud ai custom-jobs cancel {seen.number} --project {PROJECT} --region {REGION}' in raised.value.do
    assert service.jobs[0].state == PENDING


def test_a_network_that_is_away_for_a_while_does_not_end_the_waiting(
    service: FakeVertex, jobs: VertexJobs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = jobs.submit(BODY, 'abc')
    get, left = VertexJobs.get, [2]

    def away(self: VertexJobs, name: str) -> Seen | None:
        left[0] -= 1
        if left[0] >= 0:
            raise Unanswered('Vertex AI does not answer: no route to host', where='', do='')
        return get(self, name)

    monkeypatch.setattr(VertexJobs, 'get', away)
    assert vertex.wait(jobs, PLACE, seen, steps=lambda: (0, None)).state == 'SUCCEEDED'
    assert capsys.readouterr().err.count('the job goes on without us') == 2


def test_a_job_that_somebody_deleted_is_told(service: FakeVertex, jobs: VertexJobs) -> None:
    seen = jobs.submit(BODY, 'abc')
    service.jobs.clear()
    with pytest.raises(RunFailed, match='somebody has deleted'):
        vertex.wait(jobs, PLACE, seen, steps=lambda: (0, None))


@pytest.mark.parametrize(
    ('state', 'message', 'said', 'expected'),
    [
        ('FAILED', 'The replica exited with a non-zero status of 137.', None, 'failed (it was killed, most often'),
        ('FAILED', 'a non-zero status of 3. Termination', 'no records; gs://b; make them', 'failed (its input can not'),
        ('FAILED', 'quota exceeded', None, 'failed: quota exceeded'),
        ('CANCELLED', '', None, 'was cancelled'),
    ],
)
def test_the_end_of_a_failed_job_says_what_its_status_means(
    state: str, message: str, said: str | None, expected: str
) -> None:
    failure = vertex.failed(PLACE, Seen(f'{PLACE.path}/customJobs/7', state, message), said)
    assert failure.what.startswith(f'the training job {expected}')
    assert failure.what.endswith(said or '')
    assert failure.exit_code == 5
    assert failure.lines().count('\n') == 2


def test_the_message_of_a_failed_job_is_the_services(service: FakeVertex, jobs: VertexJobs) -> None:
    service.jobs.append(Job(f'{PLACE.path}/customJobs/5', PROJECT, REGION, {}, [FAILED], 'no machines left'))
    assert jobs.get(f'{PLACE.path}/customJobs/5') == Seen(f'{PLACE.path}/customJobs/5', 'FAILED', 'no machines left')
