"""The job as Vertex AI runs it: its package in an environment of its own, its flags and variables, two machines."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from preprocess import files, log_files
from tests.cloud.conftest import Bucket
from tests.fakes.fixtures import gcs_environment
from tests.fakes.gcs import FakeGcs
from tests.fakes.vertex import FakeVertex
from trainer import checkpoints, task

pytestmark = pytest.mark.slow
# On a machine that does ten other things; what hangs is told all the same.
_PATIENCE_S = 600
LONG = ('--eval_interval_secs', '0.2', '--log_interval_secs', '0')


@dataclass(frozen=True)
class Machine:
    """A Python in which nothing is installed but the package of a job, and the bucket it can reach."""

    python: Path
    gcs: FakeGcs

    def start(self, words: list[str], place: str, **more: str) -> 'subprocess.Popen[str]':
        """The trainer, as a job with the directories of a place."""
        here = {'PATH': os.environ['PATH'], 'HOME': str(self.python.parent), 'TF_CPP_MIN_LOG_LEVEL': '3'}
        of_vertex = {
            'AIP_MODEL_DIR': f'{place}/model/',
            'AIP_CHECKPOINT_DIR': f'{place}/checkpoints/',
            'AIP_TENSORBOARD_LOG_DIR': f'{place}/logs/',
            'CLOUD_ML_JOB_ID': '7',
        }
        return subprocess.Popen(
            [str(self.python), '-m', 'trainer.task', *words],
            cwd=self.python.parent,
            env={**here, **of_vertex, **gcs_environment(self.gcs), **more},
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope='module')
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it, which waits for a package."""
    folder = tmp_path_factory.mktemp('environment')
    subprocess.run([sys.executable, '-m', 'venv', str(folder)], check=True)
    return folder


@pytest.fixture
def machine(environment: Path, service: FakeVertex, bucket: Bucket, gcs: FakeGcs, tmp_path: Path) -> Machine:
    """A machine that has installed the package which the job names."""
    task.main([*bucket.cloud_flags, *LONG, '--no_wait', '--train_nodes', '2'])
    log_files.close()
    (uri,) = spec(service)['packageUris']
    package = tmp_path / files.name(uri)
    files.copy(uri, str(package))
    python = environment / 'bin' / 'python'
    subprocess.run([str(python), '-m', 'pip', 'install', '--quiet', '--no-compile', str(package)], check=True)
    return Machine(python, gcs)


def spec(service: FakeVertex) -> dict:
    return service.jobs[0].body['jobSpec']['workerPoolSpecs'][0]['pythonPackageSpec']


def free_ports() -> Iterator[int]:
    with contextlib.ExitStack() as held:
        taken = [held.enter_context(socket.create_server(('127.0.0.1', 0))) for _ in range(2)]
        yield from [one.getsockname()[1] for one in taken]


@contextlib.contextmanager
def cluster(machine: Machine, words: list[str], place: str) -> Iterator[list['subprocess.Popen[str]']]:
    """Both machines of a job, as Vertex describes them to each other."""
    chief, worker = (f'127.0.0.1:{port}' for port in list(free_ports()))
    nodes = []
    for role in ('chief', 'worker'):
        around = {
            'cluster': {'chief': [chief], 'worker': [worker]},
            'environment': 'cloud',
            'task': {'type': role, 'index': 0},
        }
        nodes.append(machine.start(words, place, TF_CONFIG=json.dumps(around)))
    try:
        yield nodes
    finally:
        for node in nodes:
            node.kill()
            node.communicate()


def wait_for(node: 'subprocess.Popen[str]', beginning: str) -> None:
    said = []
    for line in node.stderr or ():
        said.append(line)
        if line.startswith(beginning):
            return
    raise AssertionError(f'it ended without saying {beginning!r}: {"".join(said[-6:])}')


def longer(args: list[str], steps: int) -> list[str]:
    return [f'--max_steps={steps}' if word.startswith('--max_steps') else word for word in args]


def test_the_job_runs_from_its_package_and_goes_on_after_both_kinds_of_death(
    machine: Machine, service: FakeVertex, bucket: Bucket
) -> None:
    asked = [str(machine.python), '-c', 'import apache_beam']
    beam = subprocess.run(asked, capture_output=True, cwd=machine.python.parent)
    assert b'No module named' in beam.stderr
    assert spec(service)['pythonModule'] == 'trainer.task'
    # Long enough to be taken away twice in between.
    words = longer(spec(service)['args'], 3000)
    with cluster(machine, words, bucket.out) as (chief, worker):
        wait_for(chief, 'Eval, step')
        chief.send_signal(signal.SIGTERM)
        assert (chief.wait(_PATIENCE_S), worker.wait(_PATIENCE_S)) == (130, 130)
    told_to_end = checkpoints.last_step(bucket.path('train'))
    assert 0 < told_to_end < 3000

    with cluster(machine, words, bucket.out) as (chief, worker):
        wait_for(chief, f'continuing from the checkpoint of step {told_to_end:,}')
        wait_for(chief, 'Eval, step')
        chief.kill()
        assert worker.wait(_PATIENCE_S) == 5
    killed = checkpoints.last_step(bucket.path('train'))
    assert told_to_end <= killed < 3000

    with cluster(machine, words, bucket.out) as (chief, worker):
        said = chief.communicate(timeout=_PATIENCE_S)[1]
        worker.communicate(timeout=_PATIENCE_S)
    assert (chief.returncode, worker.returncode) == (0, 0), said
    assert f'continuing from the checkpoint of step {killed:,}' in said
    assert files.exists(bucket.path('model', 'saved_model.pb'))
    assert checkpoints.last_step(bucket.path('train')) == 3000
    assert not files.exists(bucket.path('checkpoints'))
    # The log of the output directory is that of the command that submitted the job.
    assert 'training on' not in files.read_text(bucket.path('log.txt'))
    assert 'training on' in files.read_text(bucket.path('train', 'log.txt'))


def test_without_an_output_path_everything_is_where_vertex_wants_it(
    machine: Machine, service: FakeVertex, bucket: Bucket
) -> None:
    words = [word for word in spec(service)['args'] if not word.startswith('--output_path')]
    place = f'{bucket.home}/elsewhere'
    running = machine.start(words, place)
    said = running.communicate(timeout=_PATIENCE_S)[1]
    assert running.returncode == 0, said
    assert files.exists(f'{place}/model/saved_model.pb')
    assert checkpoints.last_step(f'{place}/checkpoints') == 60
    assert files.is_dir(f'{place}/logs/eval_set')
