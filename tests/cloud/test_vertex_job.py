import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from preprocess import files, source_package
from preprocess.failures import UsageError
from preprocess.source_package import SourcePackage
from tests.fakes.gcs import FakeGcs
from tests.fakes.servers import Answer, ApiError, FakeServer, Request
from trainer import vertex_job
from trainer.vertex_job import DEFAULT_IMAGE, Machines, VertexJob

PACKAGE = 'gs://bucket/out/packages/0123/headlight-0.1.0.tar.gz'


def job(**more: object) -> VertexJob:
    settings: dict = {
        'name': 'a-job',
        'package_uri': PACKAGE,
        'args': ['--max_steps=5', '--train_data_paths', 'gs://bucket/a b-*'],
        'output_dir': 'gs://bucket/out',
        **more,
    }
    return VertexJob(**settings)


def pools(made: VertexJob) -> list[dict]:
    return json.loads(json.dumps(made.body()))['jobSpec']['workerPoolSpecs']


def test_a_job_says_module_flags_package_and_machine() -> None:
    assert job(labels={'who': 'me'}).body() == {
        'displayName': 'a-job',
        'labels': {'who': 'me'},
        'jobSpec': {
            'workerPoolSpecs': [
                {
                    'machineSpec': {'machineType': 'n1-standard-4'},
                    'replicaCount': '1',
                    'pythonPackageSpec': {
                        'executorImageUri': DEFAULT_IMAGE,
                        'packageUris': [PACKAGE],
                        'pythonModule': 'trainer.task',
                        'args': ['--max_steps=5', '--train_data_paths', 'gs://bucket/a b-*'],
                    },
                }
            ],
            'baseOutputDirectory': {'outputUriPrefix': 'gs://bucket/out'},
        },
    }


def test_several_nodes_are_a_chief_and_workers_that_start_again_together() -> None:
    made = job(machines=Machines('n1-standard-8', nodes=3))
    chief, workers = pools(made)
    assert (chief['replicaCount'], workers['replicaCount']) == ('1', '2')
    assert {**chief, 'replicaCount': ''} == {**workers, 'replicaCount': ''}
    assert made.body()['jobSpec']['scheduling'] == {'restartJobOnWorkerRestart': True}


def test_machines_that_may_be_taken_away_and_somebody_to_run_as() -> None:
    address = 'trainer@a-project.iam.gserviceaccount.com'
    spec = job(machines=Machines(spot=True), service_account=address).body()['jobSpec']
    assert spec['scheduling'] == {'strategy': 'SPOT'}
    assert spec['serviceAccount'] == address


def test_gpus_come_with_an_image_on_which_the_package_brings_cuda() -> None:
    (pool,) = pools(job(machines=Machines.of_words('g2-standard-8', 'NVIDIA_L4:2', nodes=1, spot=False)))
    assert pool['machineSpec'] == {
        'machineType': 'g2-standard-8',
        'acceleratorType': 'NVIDIA_L4',
        'acceleratorCount': 2,
    }
    assert pool['containerSpec']['args'][:2] == [f'{PACKAGE}[gpu]', 'trainer.task']


def test_any_other_image_installs_the_package_itself() -> None:
    (pool,) = pools(job(image='europe-docker.pkg.dev/me/images/trainer:7'))
    assert pool['containerSpec'] == {
        'imageUri': 'europe-docker.pkg.dev/me/images/trainer:7',
        'command': ['python3', '-c', vertex_job.bootstrap()],
        'args': [PACKAGE, 'trainer.task', '--max_steps=5', '--train_data_paths', 'gs://bucket/a b-*'],
    }
    assert 'pythonPackageSpec' not in pool


@pytest.mark.parametrize(
    ('image', 'is_fine'),
    [
        ('us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest', False),
        ('us-docker.pkg.dev/vertex-ai/training/tf-gpu.2-11:latest', False),
        ('asia-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest', False),
        ('us-docker.pkg.dev/vertex-ai/training/tf-tpu.2-15.cp310:latest', False),
        ('us-docker.pkg.dev/vertex-ai/training/ray-gpu.2-47.py311:latest', True),
        ('europe-docker.pkg.dev/me/images/trainer:7', True),
        ('europe-docker.pkg.dev/vertex-ai/training/pytorch-gpu.1-13.py39:latest', False),
        (DEFAULT_IMAGE, True),
        ('python:3.12-slim', True),
        ('python:3.10-slim', False),
        ('mirror.example/library/python:3.9', False),
    ],
)
def test_an_image_whose_python_is_too_old_is_refused_before_the_job_fails(image: str, is_fine: bool) -> None:
    if is_fine:
        vertex_job.check_image(image)
        return
    with pytest.raises(UsageError, match='Python 3.10 or older'):
        vertex_job.check_image(image)


@pytest.mark.parametrize(
    ('kind', 'accelerator', 'nodes', 'flag'),
    [
        ('big one', None, 1, '--train_machine_type'),
        ('n1-standard-4', 'T4', 0, '--train_nodes'),
        ('n1-standard-4', 'a gpu', 1, '--train_accelerator'),
        ('n1-standard-4', 'NVIDIA_L4:x', 1, '--train_accelerator'),
        ('n1-standard-4', 'NVIDIA_L4:-1', 1, '--train_accelerator'),
    ],
)
def test_impossible_machines_are_refused_by_the_flag_that_asks_for_them(
    kind: str, accelerator: str | None, nodes: int, flag: str
) -> None:
    with pytest.raises(UsageError) as raised:
        Machines.of_words(kind, accelerator, nodes=nodes, spot=False)
    assert raised.value.where == flag


def test_labels_are_as_google_cloud_takes_them() -> None:
    assert vertex_job.labels_of_words(['team=fish', 'a_b-c=']) == {'team': 'fish', 'a_b-c': ''}
    for wrong in ('team', 'Team=fish', '1=2', 'team=Fish'):
        with pytest.raises(UsageError, match='is no label'):
            vertex_job.labels_of_words([wrong])


class Metadata(FakeServer):
    """What a machine of Google Cloud asks for its own credentials."""

    def respond(self, request: Request) -> Answer:
        if request.headers.get('Metadata-Flavor') != 'Google':
            raise ApiError(403, 'who asks?')
        assert request.path == '/computeMetadata/v1/instance/service-accounts/default/token'
        return Answer.of({'access_token': 'fake', 'expires_in': 3600})


BARE = sys._base_executable  # type: ignore[attr-defined]  # the Python this environment was made of, and nothing more


@pytest.mark.parametrize(
    ('python', 'installed'),
    [(BARE, 'install --quiet PACKAGE[gpu]'), (sys.executable, 'install --quiet --no-deps --target CODE PACKAGE')],
    ids=['bare', 'prepared'],
)
def test_on_any_image_the_package_is_fetched_installed_and_becomes_the_trainer(
    gcs: FakeGcs, tmp_path: Path, python: str, installed: str
) -> None:
    uri = 'gs://bucket/boot strap/headlight-0.1.0.tar.gz'
    files.write_atomic(uri, b'the package')
    (tmp_path / 'pip').mkdir()
    (tmp_path / 'pip' / '__init__.py').write_text('')
    (tmp_path / 'pip' / '__main__.py').write_text(
        'import sys; from pathlib import Path\n'
        'path = sys.argv[-1].partition("[")[0]\n'
        'assert Path(path).read_text() == "the package"\n'
        'said = " ".join(sys.argv[1:]).replace(path, "PACKAGE")\n'
        'print(said.replace(str(Path(path).parent / "code"), "CODE"), flush=True)\n'
    )
    (tmp_path / 'the_trainer.py').write_text('import os, sys; print(os.getpid(), *sys.argv[1:], sep="|")')
    with Metadata() as metadata:
        made = {'GCE_METADATA_HOST': f'127.0.0.1:{metadata.port}', 'PYTHONPATH': str(tmp_path)}
        words = [f'{uri}[gpu]', 'the_trainer', '--a=b c', '--d']
        running = subprocess.Popen(
            [python, '-c', vertex_job.bootstrap(), *words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **made},
        )
        said = running.communicate(timeout=60)[0].splitlines()
    # The same process: the service's signals reach the trainer.
    assert said == [installed, f'{running.pid}|--a=b c|--d']


def test_the_package_is_the_same_as_long_as_the_code_is_and_is_uploaded_once(
    gcs: FakeGcs, package: SourcePackage
) -> None:
    one, other = package, source_package.build()
    assert one == other
    uri = one.stage('gs://bucket/packages')
    assert uri == f'gs://bucket/packages/{one.sha256[:12]}/headlight-0.1.0.tar.gz'
    before = files.stat(uri)
    assert other.stage('gs://bucket/packages') == uri
    assert files.stat(uri) == before
