"""The fakes behave towards Google's own clients as the services do."""

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from shutil import which
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from preprocess import files
from tests.fakes import credentials, dataflow, vertex
from tests.fakes.dataflow import FakeDataflow
from tests.fakes.fixtures import BUCKET
from tests.fakes.gcs import FakeGcs
from tests.fakes.vertex import FakeVertex


@pytest.fixture
def somebody(gcs: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials Beam waits for 23 s before it goes on without."""
    key = credentials.write(tmp_path, token_url=f'{gcs.url}/token')
    monkeypatch.setenv('GOOGLE_APPLICATION_CREDENTIALS', str(key))


def test_beam_writes_and_reads_on_the_bucket(gcs: FakeGcs, somebody: None) -> None:
    place = f'gs://{BUCKET}/beam io'
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        numbers = pipeline | beam.Create([b'1', b'2', b'3'])
        _ = numbers | beam.io.WriteToTFRecord(f'{place}/numbers', num_shards=2)
    names = [files.name(found.uri) for found in files.list_dir(place)]
    assert names == ['numbers-00000-of-00002', 'numbers-00001-of-00002']
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        read = pipeline | beam.io.ReadFromTFRecord(f'{place}/numbers*') | beam.combiners.ToList()
        assert_that(read | beam.Map(sorted), equal_to([[b'1', b'2', b'3']]))


class Submitted:
    """A little pipeline on the fake Dataflow."""

    def __init__(self, fake: FakeDataflow) -> None:
        self._flags = [
            '--runner=DataflowRunner',
            f'--dataflow_endpoint={fake.endpoint}',
            '--project=a-project',
            '--region=europe-west1',
            f'--temp_location=gs://{BUCKET}/temp',
            '--sdk_location=container',
            '--num_workers=3',
            '--worker_machine_type=n1-standard-4',
            '--labels=team=birds',
        ]

    def run(self, name: str, out: str) -> Any:
        pipeline = beam.Pipeline(argv=[*self._flags, f'--job_name={name}'])
        _ = pipeline | beam.Create(['1', '2']) | beam.io.WriteToText(out, shard_name_template='')
        return pipeline.run()


def test_dataflow_takes_a_job_and_really_runs_it(gcs: FakeGcs, somebody: None) -> None:
    out = f'gs://{BUCKET}/dataflow/out.txt'
    with FakeDataflow(runs=gcs.objects) as fake:
        submitted = Submitted(fake)
        result = submitted.run('birds-1', out)
        fake.wait()
        (job,) = fake.jobs
        assert (job.name, job.project, job.region) == (result.job_id(), 'a-project', 'europe-west1')
        assert (job.state, job.message) == (dataflow.DONE, '')
    assert sorted(files.read_text(out).split()) == ['1', '2']
    pool = job.body['environment']['workerPools'][0]
    assert (pool['numWorkers'], pool['machineType'], job.body['labels']) == (3, 'n1-standard-4', {'team': 'birds'})


def ask(url: str, content: object = None) -> dict[str, Any]:
    data = None if content is None else json.dumps(content).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
        return json.load(answer)


def test_a_dataflow_job_goes_through_its_states_and_its_name_is_taken_meanwhile() -> None:
    with FakeDataflow(dataflow.RUNNING, dataflow.FAILED) as fake:
        fake.next_message = 'workers ran out of memory'
        jobs = f'{fake.url}/v1b3/projects/p/locations/r/jobs'
        made = ask(jobs, {'name': 'birds'})
        with pytest.raises(urllib.error.HTTPError, match='409'):
            ask(jobs, {'name': 'birds'})
        assert ask(jobs, {'name': 'birds', 'clientRequestId': '2'})['id'] == made['id']
        assert [one['id'] for one in ask(f'{jobs}?filter=ACTIVE')['jobs']] == [made['id']]
        states = [ask(f'{jobs}/{made["id"]}')['currentState'] for _ in range(3)]
        assert states == [dataflow.RUNNING, dataflow.FAILED, dataflow.FAILED]
        (said,) = ask(f'{jobs}/{made["id"]}/messages')['jobMessages']
        assert (said['messageText'], said['messageImportance']) == (fake.next_message, 'JOB_MESSAGE_ERROR')
        assert ask(f'{jobs}?filter=ACTIVE')['jobs'] == []
        ask(jobs, {'name': 'birds'})
        with pytest.raises(urllib.error.HTTPError, match='400'):
            ask(jobs, {'name': 'Birds.of_me'})
        fake.disabled.add('p')
        with pytest.raises(urllib.error.HTTPError, match='403') as raised:
            ask(jobs)
        assert json.load(raised.value)['error']['details'][0]['reason'] == 'SERVICE_DISABLED'


def test_a_vertex_job_goes_through_its_states_and_can_be_cancelled() -> None:
    with FakeVertex() as fake:
        place = f'{fake.url}/v1/projects/p/locations/r'
        made = ask(f'{place}/customJobs', {'displayName': 'train', 'jobSpec': {'workerPoolSpecs': []}})
        url = f'{fake.url}/v1/{made["name"]}'
        assert [ask(url)['state'] for _ in range(3)] == [vertex.PENDING, vertex.RUNNING, vertex.SUCCEEDED]
        again = ask(f'{place}/customJobs', {'displayName': 'train', 'jobSpec': {}})
        ask(f'{fake.url}/v1/{again["name"]}:cancel', {})
        assert ask(f'{fake.url}/v1/{again["name"]}')['state'] == vertex.CANCELLED
        listed = ask(f'{place}/customJobs?filter=display_name%3D%22train%22%20AND%20state%3D%22{vertex.SUCCEEDED}%22')
        assert [one['name'] for one in listed['customJobs']] == [made['name']]


@pytest.mark.slow
def test_vertex_serves_its_own_client() -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    with FakeVertex() as fake:
        aiplatform.init(
            project='a-project',
            location='europe-west1',
            api_endpoint=fake.endpoint,
            api_transport='rest',
            credentials=AnonymousCredentials(),
            staging_bucket='gs://bucket/staging',
        )
        package = {'executor_image_uri': 'image', 'package_uris': ['gs://b/p'], 'python_module': 'trainer.task'}
        pool = {'machine_spec': {'machine_type': 'n1-standard-4'}, 'replica_count': 1, 'python_package_spec': package}
        job = aiplatform.CustomJob(display_name='train', worker_pool_specs=[pool])
        job.submit()
        assert fake.jobs[0].body['jobSpec']['workerPoolSpecs'][0]['pythonPackageSpec']['pythonModule'] == 'trainer.task'
        assert [one.name for one in aiplatform.CustomJob.list(filter='display_name="train"')] == [job.name]
        model = aiplatform.Model.upload(
            display_name='birds', artifact_uri='gs://bucket/model', serving_container_image_uri='image'
        )
        endpoint = aiplatform.Endpoint.create(display_name='birds')
        model.deploy(endpoint=endpoint, machine_type='n1-standard-2')
        (deployed,) = fake.endpoints[endpoint.resource_name]['deployedModels']
        assert deployed['dedicatedResources']['machineSpec'] == {'machineType': 'n1-standard-2'}
        assert endpoint.predict(instances=[{'key': 'a'}]).predictions == [{'key': 'a'}]
        assert [one.name for one in aiplatform.Endpoint.list(filter='display_name="birds"')] == [endpoint.name]


@pytest.mark.slow
@pytest.mark.skipif(which('gcloud') is None, reason='gcloud is not installed')
def test_vertex_serves_gcloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'token').write_text('fake')
    with FakeVertex() as fake:
        for name, value in {
            'API_ENDPOINT_OVERRIDES_AIPLATFORM': f'{fake.endpoint}/',
            'AUTH_ACCESS_TOKEN_FILE': str(tmp_path / 'token'),
            'CONFIG': str(tmp_path),
            'CORE_PROJECT': 'a-project',
            'CORE_DISABLE_PROMPTS': '1',
            'CORE_DISABLE_USAGE_REPORTING': '1',
        }.items():
            monkeypatch.setenv(f'CLOUDSDK_{name}', value)
        spec = 'machine-type=n1-standard-4,replica-count=1,executor-image-uri=image,python-module=trainer.task'
        subprocess.run(
            [
                *['gcloud', 'ai', 'custom-jobs', 'create', '--region=europe-west1', '--display-name=train'],
                *[f'--worker-pool-spec={spec}', '--python-package-uris=gs://b/p.tar.gz', '--args=--epochs=3'],
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        package = fake.jobs[0].body['jobSpec']['workerPoolSpecs'][0]['pythonPackageSpec']
        assert (package['pythonModule'], package['args']) == ('trainer.task', ['--epochs=3'])
