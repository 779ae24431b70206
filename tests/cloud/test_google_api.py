"""What a service of Google Cloud answers, as what the user is to do about it."""

import pickle

import pytest

from preprocess import google_api, retries
from preprocess.failures import InputError
from preprocess.google_api import Api, Refused, Unanswered
from preprocess.retries import Patience
from tests.fakes import credentials
from tests.fakes.servers import Answer, ApiError, FakeServer, Request


class Service(FakeServer):
    """Answers what the test has laid ready, one after the other; then always the last."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[Request] = []

    def respond(self, request: Request) -> Answer:
        if request.path == '/token':
            return Answer.of({'access_token': 'a-token', 'expires_in': 3600, 'token_type': 'Bearer'})
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def refusal(code: int, message: str, **more: object) -> Answer:
    return ApiError(code, message, **more).answer


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little time between two requests, but enough in all for a busy machine."""
    monkeypatch.setattr(retries, 'PATIENCE', Patience(first_s=0.0005, most_s=0.002, in_all_s=20.0))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once more, and never again."""
    monkeypatch.setattr(retries, 'PATIENCE', Patience(first_s=0.0005, most_s=0.002, in_all_s=0.001))


def api(service: Service) -> Api:
    return Api(google_api.VERTEX, f'{service.url}/v1/', project='a-project')


def test_what_is_asked_and_answered() -> None:
    with Service(Answer.of({'name': 'a'})) as service:
        assert api(service).get('projects/p/jobs', filter='labels.a="b"') == {'name': 'a'}
        assert api(service).post('projects/p/jobs', {'b': [1]}) == {'name': 'a'}
    listed, made = service.asked
    assert (listed.path, listed.query) == ('/v1/projects/p/jobs', {'filter': 'labels.a="b"'})
    assert (made.method, made.json()) == ('POST', {'b': [1]})


@pytest.mark.parametrize('passing', [500, 502, 503, 504, 408])
def test_what_passes_is_asked_again(passing: int) -> None:
    with Service(refusal(passing, 'busy'), refusal(passing, 'busy'), Answer.of({})) as service:
        assert api(service).get('x') == {}
    assert len(service.asked) == 3


def test_too_many_requests_a_minute_pass_and_too_few_machines_do_not() -> None:
    a_minute = "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'"
    with Service(refusal(429, a_minute), Answer.of({})) as service:
        assert api(service).get('x') == {}
    machines = 'The following quotas are exceeded: CustomModelTrainingT4GPUsPerProjectPerRegion'
    with Service(refusal(429, machines)) as service, pytest.raises(Refused, match='T4GPUs') as raised:
        api(service).get('x')
    assert (raised.value.kind, len(service.asked)) == (google_api.QUOTA, 1)
    assert 'ask for more quota' in raised.value.do


@pytest.mark.parametrize(
    ('code', 'kind', 'remedy'),
    [
        (403, google_api.FORBIDDEN, 'roles/aiplatform.user'),
        (404, google_api.MISSING, 'check the project and the region'),
        (400, google_api.OTHER, 'correct what it says'),
    ],
)
def test_a_refusal_has_its_kind_and_its_remedy_and_is_not_asked_again(code: int, kind: str, remedy: str) -> None:
    with Service(refusal(code, 'No.\nNot at all.')) as service, pytest.raises(InputError) as raised:
        api(service).get('x')
    assert isinstance(raised.value, Refused)
    assert (raised.value.kind, len(service.asked)) == (kind, 1)
    assert 'No.' in raised.value.what and 'Not at all' not in raised.value.what
    assert remedy in raised.value.do
    assert raised.value.where == 'Vertex AI, project a-project'
    assert pickle.loads(pickle.dumps(raised.value)).kind == kind


def test_credentials_that_are_refused_are_a_kind_of_their_own() -> None:
    with (
        Service(refusal(401, 'Who is it?')) as service,
        pytest.raises(Refused, match='refuses the credentials') as raised,
    ):
        api(service).get('x')
    assert raised.value.kind == google_api.UNAUTHENTICATED
    assert 'gcloud auth application-default login' in raised.value.do


def test_an_answer_that_is_no_json_is_none_of_ours(impatient: None) -> None:
    with Service(Answer(502, b'<html>')) as service, pytest.raises(Unanswered, match='502'):
        api(service).get('x')


def test_nobody_listens(impatient: None) -> None:
    with Service(Answer.of({})) as service:
        gone = api(service)
    with pytest.raises(Unanswered, match='Vertex AI does not answer: connection refused'):
        gone.get('x')


def test_credentials_of_a_key_file_go_with_every_request(tmp_path, monkeypatch) -> None:
    with Service(Answer.of({})) as service:
        path = credentials.write(tmp_path, token_url=f'{service.url}/token')
        monkeypatch.setenv('GOOGLE_APPLICATION_CREDENTIALS', str(path))
        session = google_api.session('https://aiplatform.googleapis.com')
        session.get(f'{service.url}/x', timeout=5)
    assert service.asked[0].headers['Authorization'] == 'Bearer a-token'
