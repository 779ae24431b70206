"""The fakes as fixtures: one server of each kind for all tests, and the environment that leads to it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from preprocess import retries
from preprocess.retries import Patience
from tests.fakes.faults import Faults
from tests.fakes.gcs import FakeGcs

BUCKET = 'bucket'
# As the real one, a thousand times faster.
SHORT = Patience(first_s=0.0005, most_s=0.008, in_all_s=2.0)


def gcs_environment(fake: FakeGcs) -> dict[str, str]:
    """What leads google-cloud-storage and Beam to a fake."""
    return {'STORAGE_EMULATOR_HOST': fake.url, 'GOOGLE_CLOUD_PROJECT': 'a-project'}


def s3_environment(url: str) -> dict[str, str]:
    """What leads boto3 to a fake."""
    return {
        'AWS_ENDPOINT_URL': url,
        'AWS_ACCESS_KEY_ID': 'somebody',
        'AWS_SECRET_ACCESS_KEY': 'secret',
        'AWS_DEFAULT_REGION': 'us-east-1',
        'AWS_EC2_METADATA_DISABLED': 'true',
    }


@pytest.fixture(scope='session')
def gcs_server() -> Iterator[FakeGcs]:
    """A fake Google Cloud Storage with one bucket."""
    with FakeGcs(BUCKET) as fake:
        yield fake


@pytest.fixture
def gcs(gcs_server: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGcs]:
    """The fake, as this process' gs://; retries don't take the time they would."""
    _lead_to(gcs_environment(gcs_server), monkeypatch)
    yield gcs_server
    gcs_server.faults, gcs_server.refuses_everybody = Faults(), False
    gcs_server.objects.forbidden.clear()


@pytest.fixture(scope='session')
def s3_server() -> Iterator[str]:
    """The address of moto's S3 with one bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f'http://{host}:{port}'
    with pytest.MonkeyPatch.context() as patched:
        _lead_to(s3_environment(url), patched)
        import boto3

        boto3.client('s3').create_bucket(Bucket=BUCKET)
    yield url
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """moto's server, as this process' s3://."""
    _lead_to(s3_environment(s3_server), monkeypatch)
    return s3_server


@contextmanager
def storage(scheme: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """Meanwhile a kind of object store is this process', for fixtures that live as long as a session."""
    with pytest.MonkeyPatch.context() as patched:
        environments = {
            'gs': lambda: gcs_environment(request.getfixturevalue('gcs_server')),
            's3': lambda: s3_environment(request.getfixturevalue('s3_server')),
        }
        _lead_to(environments[scheme](), patched)
        yield


@pytest.fixture(params=['gs', 's3'])
def place(request: pytest.FixtureRequest) -> str:
    """A prefix with nothing below it, on each kind of object store."""
    request.getfixturevalue({'gs': 'gcs', 's3': 's3'}[request.param])
    return f'{request.param}://{BUCKET}/{uuid.uuid4().hex}'


def _lead_to(environment: dict[str, str], patched: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        patched.setenv(name, value)
    patched.setattr(retries, 'PATIENCE', SHORT)
