"""The job as Google's own clients read it, and as they would submit it themselves."""

import json
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from preprocess import source_package
from preprocess.source_package import build
from tests.cloud.conftest import PROJECT, REGION, Bucket
from tests.fakes.vertex import FakeVertex
from tests.scripts.recorder import SCRIPTS
from trainer import task

pytestmark = pytest.mark.slow


def test_google_cloud_aiplatform_reads_the_job_and_submits_the_same(service: FakeVertex, bucket: Bucket) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform
    from google.cloud.aiplatform_v1.types import CustomJob, WorkerPoolSpec

    flags = ['--no_wait', '--train_nodes', '3', '--train_accelerator', 'NVIDIA_TESLA_T4:2', '--labels', 'team=fish']
    image = ['--train_image', 'us-docker.pkg.dev/vertex-ai/training/ray-gpu.2-47.py311:latest']
    task.main([*bucket.cloud_flags, *flags, *image])
    ours = service.jobs[0]
    aiplatform.init(
        project=PROJECT,
        location=REGION,
        api_endpoint=service.endpoint,
        api_transport='rest',
        credentials=AnonymousCredentials(),
        staging_bucket='gs://bucket/staging',
    )
    read = aiplatform.CustomJob.get(ours.name)
    # Its types refuse a field they don't know.
    told = CustomJob.from_json(json.dumps(ours.body), ignore_unknown_fields=False)
    chief, workers = told.job_spec.worker_pool_specs
    assert (chief.replica_count, workers.replica_count) == (1, 2)
    assert chief.machine_spec.accelerator_type.name == 'NVIDIA_TESLA_T4'
    assert (read.display_name, dict(read.labels)['team']) == (told.display_name, 'fish')
    theirs = aiplatform.CustomJob(
        display_name=told.display_name,
        worker_pool_specs=[WorkerPoolSpec.to_dict(pool, use_integers_for_enums=False) for pool in (chief, workers)],
        base_output_dir=bucket.out,
        labels=dict(told.labels),
    )
    theirs.submit(restart_job_on_worker_restart=True)
    # It writes kinds of machines as numbers; as messages both are the same.
    made = CustomJob.from_json(json.dumps(service.jobs[1].body), ignore_unknown_fields=False)
    assert made == told


@pytest.mark.skipif(which('gcloud') is None, reason='gcloud is not installed')
def test_gcloud_submits_the_same_package_module_flags_and_machines(
    service: FakeVertex, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'token').write_text('fake')
    for name, value in {
        'AUTH_ACCESS_TOKEN_FILE': str(tmp_path / 'token'),
        'CONFIG': str(tmp_path),
        'CORE_PROJECT': PROJECT,
        'CORE_DISABLE_PROMPTS': '1',
        'CORE_DISABLE_USAGE_REPORTING': '1',
    }.items():
        monkeypatch.setenv(f'CLOUDSDK_{name}', value)
    monkeypatch.setenv('PYTHON', sys.executable)
    # The script packs the code as it is now, and so must we.
    monkeypatch.setattr(source_package, 'build', build)
    task.main([*bucket.cloud_flags, '--no_wait', '--train_nodes', '2'])
    flags = [word for word in spec(service, 0)['pythonPackageSpec']['args'] if not word.startswith('--output_path')]
    ended = subprocess.run(
        [
            *[
                'bash',
                str(SCRIPTS / 'train_vertex.sh'),
                '--output_path',
                bucket.out,
                '--region',
                REGION,
                '--nodes',
                '2',
            ],
            *['--', *flags],
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stderr
    for number in (0, 1):
        theirs, ours = spec(service, 1, number), spec(service, 0, number)
        assert theirs['machineSpec'] == ours['machineSpec']
        assert int(theirs['replicaCount']) == int(ours['replicaCount'])
        given, wanted = theirs['pythonPackageSpec'], ours['pythonPackageSpec']
        assert sorted(given.pop('args')) == sorted(wanted.pop('args'))
        assert given == wanted


def spec(service: FakeVertex, job: int, pool: int = 0) -> dict:
    return json.loads(json.dumps(service.jobs[job].body['jobSpec']['workerPoolSpecs'][pool]))
