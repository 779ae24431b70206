"""The embedding job on Dataflow: submitted once, found again, waited for or left; what it was sent is what it needs."""

import io
import json
import re
import subprocess
import sys
import tarfile
import urllib.request
import venv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError
from apache_beam.utils import retry
from google.api_core.exceptions import AlreadyExists, Forbidden, ServiceUnavailable
from google.auth.exceptions import TransportError

from preprocess import (
    cloud_jobs,
    dataflow_config,
    dataflow_submission,
    dataflow_watch,
    demo,
    files,
    interrupts,
    job_notes,
    log_files,
    tally,
)
from preprocess import run as command
from preprocess.cloud_place import CloudPlace
from preprocess.dataflow_jobs import DataflowJobs
from preprocess.dataflow_jobs import Job as JobThere
from preprocess.dataflow_submission import NameTaken
from preprocess.failures import Failure, InputError, Interrupted, RunFailed
from preprocess.manifest import Manifest
from preprocess.set_names import SetName
from preprocess.worker_failures import WorkerFailure
from preprocess.worker_package import Needs
from tests.cloud.world import World, around
from tests.fakes import dataflow
from tests.fakes.dataflow import RUNNING, FakeDataflow
from tests.fakes.fixtures import storage
from tests.fakes.gcs import FakeGcs
from tests.fakes.jobs import Job
from tests.fakes.servers import Answer, FakeServer, Request

PER_CLASS = 4
REALLY_SUBMIT = dataflow_submission.submit
ROOT = Path(__file__).parents[2]
ANSWER = """
import json, sys
import numpy as np
from preprocess import images
from preprocess.compiled import CompiledEncoder
from preprocess.engines import load_engine

encoder = CompiledEncoder.load(sys.argv[1])
pixels = images.to_pixels(open(sys.argv[2], 'rb').read(), encoder.input_shape)
(vector,) = load_engine(encoder).encode(np.repeat(pixels[None], encoder.batch_size, axis=0))[:1]
import preprocess
print(json.dumps({'vector': vector.tolist(), 'from': preprocess.__file__}))
"""


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """Logs end with the test, as they do with a command."""
    yield
    log_files.close()
    interrupts.clear()


def put_pictures(home: str, folder: Path) -> None:
    """Drawn pictures, their CSV and dictionary; one row's picture is missing."""
    demo.draw_demo(str(folder), pictures_per_class=PER_CLASS, seed=5)
    *_, last = files.list_dir(str(folder), recursive=True)
    files.copy_tree(str(folder), f'{home}/pictures', last=last.uri[len(f'{folder}/') :])
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob('*.jpg'))
    rows = [f'pictures/{name},{name.partition("/")[0]}\n' for name in [*found, 'star/gone.jpg']]
    files.write_atomic(f'{home}/train.csv', ''.join(rows).encode())
    files.write_atomic(f'{home}/dict.txt', '\n'.join(sorted({name.partition('/')[0] for name in found})).encode())


def words(world: World, *flags: str) -> list[str]:
    paths = [f'--input_path={world.home}/train.csv', f'--input_dict={world.home}/dict.txt']
    out = [f'--output_path={world.home}/out/train', '--encoder=mini']
    return [*paths, *out, *world.flags, *flags]


@dataclass(frozen=True)
class Ran:
    """A job that was submitted and left, and then really ran while nobody looked on."""

    world: World
    printed: str
    said: str


@pytest.fixture(scope='module')
def left(
    gcs_server: FakeGcs, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Ran]:
    """The real submission, with flags for everything there is."""
    folder = tmp_path_factory.mktemp('left')
    with (
        storage('gs', request),
        pytest.MonkeyPatch.context() as patched,
        around(gcs_server, folder, patched, dataflow=FakeDataflow(runs=gcs_server.objects)) as world,
    ):
        put_pictures(world.home, folder / 'pictures')
        asked = ['--num_workers=3', '--max_num_workers=12', '--machine_type=n1-standard-4', '--labels=team=birds']
        more = ['--sdk_container_image=eu.gcr.io/lab/headlight:1', '--job_name=birds-1', '--disk_size_gb=40']
        printed, said = io.StringIO(), io.StringIO()
        patched.setattr(sys, 'stdout', printed)
        patched.setattr(sys, 'stderr', said)
        assert command.main([*words(world), *asked, *more, '--no_wait']) == 0
        log_files.close()
        world.dataflow.wait()
        yield Ran(world, printed.getvalue(), said.getvalue())


def test_the_job_is_what_the_flags_asked_for(left: Ran) -> None:
    (job,) = left.world.dataflow.jobs
    (pool,) = job.body['environment']['workerPools']
    assert (job.body['name'], job.project, job.region) == ('birds-1', 'a-project', 'europe-west1')
    labels = dict(job.body['labels'])
    assert re.fullmatch(r'[0-9a-f]{12}', labels.pop('headlight_run'))
    assert labels == {'team': 'birds'}
    assert (pool['numWorkers'], pool['machineType'], pool['diskSizeGb']) == (3, 'n1-standard-4', 40)
    # AUTOSCALING_ALGORITHM_BASIC, as Beam's client numbers it.
    assert pool['autoscalingSettings'] == {'algorithm': 2, 'maxNumWorkers': 12}
    (image,) = pool['sdkHarnessContainerImages']
    assert image['containerImage'] == 'eu.gcr.io/lab/headlight:1'
    assert pool['numThreadsPerWorker'] == 4
    options = job.body['environment']['sdkPipelineOptions']['options']
    assert 'no_use_multiple_sdk_containers' in options['experiments']
    assert options['save_main_session'] is False
    for place in ('staging_location', 'temp_location'):
        assert options[place].startswith(f'{left.world.home}/out/.dataflow/')


def test_the_pipeline_is_ours(left: Ran) -> None:
    (job,) = left.world.dataflow.jobs
    url = job.body['environment']['sdkPipelineOptions']['options']['pipelineUrl']
    pipeline = beam_runner_api_pb2.Pipeline.FromString(files.read_bytes(url))
    names = {transform.unique_name for transform in pipeline.components.transforms.values()}
    wanted = {f'EmbedSets/{name}' for name in ('ReadRows', 'Name', 'LookUp', 'Embed', 'WriteShards', 'Finish')}
    assert wanted <= names


def test_the_job_itself_leaves_records_manifest_and_rejects_whoever_looks_on(left: Ran) -> None:
    (job,) = left.world.dataflow.jobs
    assert (job.state, job.message) == (dataflow.DONE, '')
    out = f'{left.world.home}/out'
    manifest = Manifest.read(f'{out}/manifest.train.json')
    assert vars(manifest.rows) == {'read': 21, 'accepted': 20, 'rejected': 1, 'duplicate': 0}
    (reject,) = map(json.loads, files.read_text(f'{out}/rejects.train.jsonl').splitlines())
    assert reject['reason'] == 'missing'
    assert all(files.exists(f'{out}/{shard.file}') for shard in manifest.shards)


def test_whoever_does_not_wait_is_told_where_to_look_and_what_comes_next(left: Ran) -> None:
    (job,) = left.world.dataflow.jobs
    console = f'https://console.cloud.google.com/dataflow/jobs/europe-west1/{job.name}?project=a-project'
    assert console in left.printed and 'goes on without this command' in left.printed
    assert f'submitted the Dataflow job birds-1 ({job.name}): {console}' in left.said
    assert 'error' not in left.printed + left.said


def staged_package(left: Ran, folder: Path) -> Path:
    (job,) = left.world.dataflow.jobs
    options = job.body['environment']['sdkPipelineOptions']['options']
    path = folder / 'workflow.tar.gz'
    path.write_bytes(files.read_bytes(f'{options["staging_location"]}/workflow.tar.gz'))
    return path


def test_workers_get_the_code_they_run_and_ask_for_no_more_than_they_use(left: Ran, tmp_path: Path) -> None:
    with tarfile.open(staged_package(left, tmp_path)) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
        info = next(name for name in archive.getnames() if name.endswith('egg-info/requires.txt'))
        opened = archive.extractfile(info)
        assert opened
        wanted = {line.partition('=')[0] for line in opened.read().decode().split()}
    assert {'preprocess/transforms.py', 'preprocess/images.py', 'preprocess/mini/graph.pb'} <= names
    assert not [name for name in names if name.startswith(('trainer', 'predict', 'tests'))]
    assert wanted == {'google-cloud-storage', 'google-crc32c', 'numpy', 'pillow', 'tensorflow'}


def embedded_there(left: Ran, python: Path, folder: Path) -> dict:
    """One picture's vector, by an installed package alone, far from this checkout."""
    out, place, picture = f'{left.world.home}/out', folder / 'encoder', folder / 'star.jpg'
    encoder = Manifest.read(f'{out}/manifest.train.json').encoder.path
    files.copy_tree(f'{out}/{encoder}', str(place), last='encoder.json')
    picture.write_bytes(files.read_bytes(f'{left.world.home}/pictures/star/star-001.jpg'))
    ended = subprocess.run(
        [str(python), '-I', '-c', ANSWER, str(place), str(picture)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
        env={'TF_CPP_MIN_LOG_LEVEL': '3', 'PATH': '/usr/bin:/bin', 'HOME': str(folder)},
    )
    assert ended.returncode == 0, ended.stderr
    said: dict = json.loads(ended.stdout.splitlines()[-1])
    return said


def vector_of(left: Ran, name: str) -> Sequence[float]:
    from preprocess import records
    from preprocess.record_sets import find_records

    shards = find_records([f'{left.world.home}/out/train']).shards
    found = {files.name(one.image_uri): one for shard in shards for one in records.read(shard.path)}
    vector: list[float] = found[name].vector.tolist()
    return vector


def test_the_staged_package_embeds_a_picture_where_nothing_of_ours_is_installed(left: Ran, tmp_path: Path) -> None:
    # As in a container that has everything but this code: other packages are taken from here.
    venv.create(tmp_path / 'clean', with_pip=False, symlinks=True)
    python = tmp_path / 'clean' / 'bin' / 'python'
    site = next((tmp_path / 'clean' / 'lib').glob('python*/site-packages'))
    (site / 'others.pth').write_text('\n'.join(path for path in sys.path if path.endswith('-packages')))
    package = staged_package(left, tmp_path)
    install = ['-m', 'pip', 'install', '-q', '--no-deps', '--no-build-isolation', '--no-index']
    subprocess.run([str(python), *install, '--target', str(site), str(package)], check=True, capture_output=True)
    said = embedded_there(left, python, tmp_path)
    assert said['from'].startswith(str(site))
    assert said['vector'] == vector_of(left, 'star-001.jpg')


@pytest.mark.slow
def test_the_staged_package_installs_all_it_needs_in_a_clean_environment(left: Ran, tmp_path: Path) -> None:
    venv.create(tmp_path / 'clean', with_pip=True, symlinks=True)
    python = tmp_path / 'clean' / 'bin' / 'python'
    package = staged_package(left, tmp_path)
    install = [str(python), '-m', 'pip', 'install', '-q', str(package)]
    subprocess.run(install, check=True, timeout=900, capture_output=True)
    assert embedded_there(left, python, tmp_path)['vector'] == vector_of(left, 'star-001.jpg')


def test_the_same_command_later_goes_on_with_what_the_job_has_made(
    left: Ran, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    world = left.world
    command.main(words(world))
    said = capsys.readouterr().err
    assert 'attached to the Dataflow job birds-1' in said
    assert 'train: 21 rows: 20 records, 1 rejected (1 missing)' in said
    command.main(words(world))
    assert '20 records are there already' in capsys.readouterr().err
    assert len(world.dataflow.jobs) == 1
    hidden = [one.uri for one in files.list_dir(f'{world.home}/out', recursive=True) if '/.' in one.uri]
    assert [uri for uri in hidden if '/.dataflow/' not in uri] == []


# What follows is about jobs that are under way; nothing runs, and what would be submitted is said over HTTP.


@pytest.fixture
def world(
    gcs: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: Callable[[str], None]
) -> Iterator[World]:
    def submit(build: object, config: dataflow_submission.DataflowConfig, *, needs: Sequence[str]) -> str:
        url = f'{world.dataflow.url}/v1b3/projects/{config.place.project}/locations/{config.place.region}/jobs'
        labels = dict(label.split('=') for label in config.labels)
        data = json.dumps({'name': config.job_name, 'labels': labels}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
            return str(json.load(answer)['id'])

    monkeypatch.setattr(dataflow_submission, 'submit', submit)
    monkeypatch.setattr(dataflow_watch, 'POLL_EVERY_S', 0.0)
    monkeypatch.setattr(dataflow_watch, 'LOOK_EVERY_S', 0.0)
    with around(gcs, tmp_path, monkeypatch, dataflow=FakeDataflow(dataflow.RUNNING)) as world:
        pictures(world.home)
        yield world


@pytest.fixture(scope='module')
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], None]:
    folder = tmp_path_factory.mktemp('pictures')
    demo.draw_demo(str(folder), pictures_per_class=1, seed=5)

    def put(home: str) -> None:
        files.copy(str(folder / 'star' / 'star-000.jpg'), f'{home}/star.jpg')
        files.write_atomic(f'{home}/train.csv', b'star.jpg,star\n')
        files.write_atomic(f'{home}/dict.txt', b'star\nheart\n')

    return put


def failure_of(world: World, *flags: str) -> Failure:
    with pytest.raises(Failure) as raised:
        command.main(words(world, *flags))
    assert raised.value.lines().count('\n') == 2
    return raised.value


def leave(world: World) -> None:
    assert command.main(words(world, '--no_wait')) == 0


def config_of(world: World) -> dataflow_config.DataflowConfig:
    return dataflow_config.DataflowConfig(
        place=CloudPlace('a-project', 'europe-west1'),
        job_name='a-job',
        staging_location=f'{world.home}/staging',
        temp_location=f'{world.home}/temp',
    )


def name_of(world: World) -> SetName:
    return SetName(f'{world.home}/out', 'train')


def test_a_job_that_runs_is_attached_to_and_never_submitted_twice(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(world)
    leave(world)
    assert len(world.dataflow.jobs) == 1
    assert 'attached to the Dataflow job' in capsys.readouterr().err
    assert world.dataflow.jobs[0].state == dataflow.RUNNING


def test_ctrl_c_ends_the_waiting_and_not_the_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(world)
    monkeypatch.setattr(interrupts, 'requested', lambda: True)
    failure = failure_of(world)
    (job,) = world.dataflow.jobs
    assert isinstance(failure, Interrupted) and failure.exit_code == 130
    assert failure.where == f'https://console.cloud.google.com/dataflow/jobs/europe-west1/{job.name}?project=a-project'
    assert 'the same command attaches to it again' in failure.do
    assert f'gcloud dataflow jobs cancel {job.name} --region=europe-west1 --project=a-project' in failure.do
    assert job.state == dataflow.RUNNING
    assert job_notes.read(name_of(world)) is not None


def test_a_job_whose_id_nobody_could_note_is_found_by_its_name(world: World) -> None:
    leave(world)
    note = job_notes.read(name_of(world))
    assert note
    job_notes.write(job_notes.JobNote(**{**vars(note), 'id': None}), [name_of(world)])
    leave(world)
    assert len(world.dataflow.jobs) == 1
    again = job_notes.read(name_of(world))
    assert again and (again.id, again.runs) == (world.dataflow.jobs[0].name, note.runs)


def test_one_that_was_noted_but_never_submitted_is_submitted(world: World) -> None:
    leave(world)
    note = job_notes.read(name_of(world))
    assert note
    job_notes.write(job_notes.JobNote(**{**vars(note), 'id': None, 'name': 'never-arrived'}), [name_of(world)])
    world.dataflow.jobs.clear()
    leave(world)
    assert [job.body['name'] for job in world.dataflow.jobs] != ['never-arrived']
    assert len(world.dataflow.jobs) == 1


@pytest.mark.parametrize(
    ('error', 'kind', 'what'),
    [
        (
            requests.ConnectionError('reset'),
            RunFailed,
            'the connection to Google Cloud was lost while the job was subm',
        ),
        (TransportError('no route'), RunFailed, 'the connection to Google Cloud was lost while the job was submitted'),
        (ServiceUnavailable('try later'), RunFailed, 'Dataflow did not say that it took the job: try later'),
        (Forbidden('no role'), InputError, 'Dataflow does not take the job: no role'),
        (DataflowJobAlreadyExistsError('There is'), NameTaken, 'a job called a-job is running already'),
        (AlreadyExists('There is'), NameTaken, 'a job called a-job is running already'),
        (OSError('Could not upload to GCS path'), InputError, 'Could not upload to GCS path'),
    ],
)
def test_what_is_refused_is_told_from_what_nobody_knows(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Failure], what: str
) -> None:
    def fail(*given: object) -> str:
        raise error

    monkeypatch.setattr(dataflow_submission, '_run', fail)
    with pytest.raises(Failure) as raised:
        REALLY_SUBMIT(None, config_of(world), needs=Needs((), ()))
    assert (type(raised.value), raised.value.what[: len(what)]) == (kind, what)


def test_a_job_that_is_sent_again_because_its_answer_got_lost_is_one_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataflow_submission, 'submit', REALLY_SUBMIT)
    monkeypatch.setattr(retry.Clock, 'sleep', lambda clock, seconds: None)

    def is_first(method: str, path: str) -> bool:
        return method == 'POST' and '/jobs' in path and not world.dataflow.jobs

    with world.dataflow.failing(1.0, 'lost', where=is_first) as faults:
        leave(world)
    assert faults.done['lost'] == len(world.dataflow.jobs) == 1
    note = job_notes.read(name_of(world))
    assert note and note.id == world.dataflow.jobs[0].name


def test_a_name_that_a_job_of_somebody_else_has_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*given: object, **more: object) -> str:
        raise NameTaken('taken', where='--job_name', do='another')

    world.dataflow.jobs.append(Job('1', 'a-project', 'europe-west1', {'name': 'birds', 'labels': {}}, [RUNNING]))
    monkeypatch.setattr(dataflow_submission, 'submit', taken)
    assert failure_of(world, '--job_name=birds').what == 'taken'
    assert job_notes.read(name_of(world)) is None


def test_a_job_of_whose_submission_nobody_heard_is_attached_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = dataflow_submission.submit

    def unheard(*given: object, **more: object) -> str:
        submit(*given, **more)
        raise RunFailed('nobody heard', where='Dataflow', do='again')

    with monkeypatch.context() as patched:
        patched.setattr(dataflow_submission, 'submit', unheard)
        assert failure_of(world).what == 'nobody heard'
    leave(world)
    assert len(world.dataflow.jobs) == 1


def test_one_that_was_refused_leaves_nothing_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object, **more: object) -> str:
        raise InputError('no quota', where='Dataflow', do='ask for more')

    with monkeypatch.context() as patched:
        patched.setattr(dataflow_submission, 'submit', refuse)
        assert failure_of(world).what == 'no quota'
    assert job_notes.read(name_of(world)) is None


def test_a_failed_job_is_told_with_its_reason_and_the_next_command_submits_again(world: World) -> None:
    world.dataflow.next_states, world.dataflow.next_message = [dataflow.RUNNING, dataflow.FAILED], 'no more quota'
    failure = failure_of(world)
    assert isinstance(failure, RunFailed) and failure.exit_code == 5
    assert failure.what == 'the Dataflow job ended as FAILED: no more quota'
    assert 'console.cloud.google.com/dataflow/jobs' in failure.where
    world.dataflow.next_states = [dataflow.RUNNING]
    leave(world)
    assert len(world.dataflow.jobs) == 2


def test_a_workers_own_failure_is_told_in_its_words(world: World) -> None:
    said = str(WorkerFailure(InputError('the dictionary is gone', where='gs://b/dict.txt', do='put it back')))
    world.dataflow.next_states = [dataflow.FAILED]
    world.dataflow.next_message = f'Traceback (most recent call last):\n  …\nRuntimeError: {said}\n'
    failure = failure_of(world)
    assert (failure.exit_code, failure.what, failure.do) == (3, 'the dictionary is gone', 'put it back')


def test_a_job_somebody_cancelled_is_submitted_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    leave(world)
    world.dataflow.jobs[0].states = [dataflow.CANCELLED]
    leave(world)
    assert len(world.dataflow.jobs) == 2
    assert 'was cancelled' in capsys.readouterr().err


def test_one_that_is_cancelled_while_one_waits_ends_the_command(world: World) -> None:
    world.dataflow.next_states = [dataflow.RUNNING, dataflow.CANCELLED]
    failure = failure_of(world)
    assert (failure.exit_code, failure.what) == (5, 'the Dataflow job was cancelled')


def test_other_records_wait_until_the_job_is_over(world: World) -> None:
    leave(world)
    files.write_atomic(f'{world.home}/train.csv', b'star.jpg,heart\n')
    failure = failure_of(world)
    assert (failure.exit_code, 'asked for before' in failure.what) == (3, True)
    assert 'gcloud dataflow jobs cancel' in failure.do
    world.dataflow.jobs[0].states = [dataflow.CANCELLED]
    leave(world)
    assert len(world.dataflow.jobs) == 2


def test_a_run_here_keeps_off_what_a_job_there_is_making(world: World) -> None:
    leave(world)
    here = [word for word in words(world) if not word.startswith(('--cloud', '--dataflow_endpoint', '--region'))]
    with pytest.raises(InputError, match='is making these records') as raised:
        command.main(here)
    assert 'with --cloud this command attaches to it' in raised.value.do
    world.dataflow.jobs[0].states = [dataflow.FAILED]
    assert command.main(here) == 0
    assert Manifest.read(f'{world.home}/out/manifest.train.json').rows.accepted == 1
    assert job_notes.read(name_of(world)) is None


def test_a_runner_that_says_done_and_wrote_nothing_is_found_out(world: World) -> None:
    world.dataflow.next_states = [dataflow.RUNNING, dataflow.DONE]
    failure = failure_of(world)
    assert (failure.exit_code, 'lost data' in failure.what) == (5, True)
    assert job_notes.read(name_of(world)) is None


def test_a_network_that_is_away_for_a_while_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from preprocess import retries
    from preprocess.retries import Patience

    monkeypatch.setattr(retries, 'PATIENCE', Patience(0.0001, 0.001, 0.005))
    leave(world)
    asked = world.dataflow.requests.total()
    world.dataflow.jobs[0].states = [dataflow.RUNNING] * 20 + [dataflow.FAILED]

    def away(method: str, path: str) -> bool:
        return '/messages' not in path and asked + 10 < world.dataflow.requests.total() < asked + 60

    with world.dataflow.failing(1.0, 'reset', '503', where=away):
        failure = failure_of(world)
    assert failure.what.startswith('the Dataflow job ended as FAILED')
    assert 'the job goes on' in capsys.readouterr().err


def test_without_runner_words_other_runners_get_the_flags_that_are_ours_now(tmp_path: Path) -> None:
    from preprocess import options
    from preprocess.command import FlagParser

    parser = FlagParser('x', 'y')
    options.add_flags(parser)
    needed = ['--input_path=a', '--input_dict=b', '--output_path=c/d']
    found, rest = parser.parse_known_args([*needed, '--temp_location=t', '--num_workers=3', '--labels=a=b'])
    assert (rest, dataflow_config.is_asked_for(found, rest)) == ([], False)
    assert dataflow_config.handed_on(found) == ['--num_workers=3', '--temp_location=t', '--labels=a=b']
    assert dataflow_config.is_asked_for(found, ['--runner', 'DataflowRunner'])


def test_who_waits_sees_how_far_the_workers_are(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tally, 'REMOTELY_EVERY_S', 1e-9)
    world.dataflow.next_states = [dataflow.QUEUED, dataflow.RUNNING, dataflow.RUNNING, dataflow.DONE]
    job_id = dataflow_submission.submit(None, config_of(world), needs=())
    jobs = DataflowJobs(CloudPlace('a-project', 'europe-west1'), endpoint=world.dataflow.endpoint)
    tallies = f'{world.home}/tallies'
    asked = world.dataflow.requests.total()

    def work(job: str) -> JobThere:
        if world.dataflow.requests.total() > asked + 2:
            files.write_atomic(f'{tallies}/one.json', json.dumps({'read': 40, 'named': 30, 'rejected': 2}).encode())
        return DataflowJobs.get(jobs, job)

    monkeypatch.setattr(jobs, 'get', work)
    with caplog.at_level('INFO'):
        job, _ = dataflow_watch.until_over(jobs, job_id, tallies)
    assert job.state == 'DONE'
    said = ' '.join(record.getMessage() for record in caplog.records)
    assert 'waiting for workers: ' in said and 'looking up: 30 of 40 rows' in said


class Talkative(FakeServer):
    """Says five things of a job, two a page, from a time on."""

    def respond(self, request: Request) -> Answer:
        said = [{'id': f'm{n}', 'time': f'2026-01-01T00:00:0{n}Z', 'messageText': f'{n}'} for n in range(5)]
        listed = [one for one in said if one['time'] >= request.query.get('startTime', '')]
        first = int(request.query.get('pageToken', 0))
        more = {'nextPageToken': str(first + 2)} if first + 2 < len(listed) else {}
        return Answer.of({'jobMessages': listed[first : first + 2], **more})


def test_every_message_is_heard_and_later_ones_without_the_earlier() -> None:
    with Talkative() as server:
        jobs = DataflowJobs(CloudPlace('a-project', 'europe-west1'), endpoint=server.url)
        found = jobs.messages('1')
        assert [one.text for one in found] == ['0', '1', '2', '3', '4']
        assert [one.text for one in jobs.messages('1', since=found[3].time)] == ['3', '4']


def test_what_is_left_to_run_reads_as_a_line() -> None:
    assert str(cloud_jobs.LeftToRun(['a', 'b'])) == 'a; b'


def test_pictures_on_this_machine_are_refused_by_their_row(world: World, tmp_path: Path) -> None:
    files.write_atomic(f'{world.home}/train.csv', f'star.jpg,star\n{tmp_path}/star.jpg,star\n'.encode())
    failure = failure_of(world)
    assert (failure.exit_code, failure.where) == (3, f'{world.home}/train.csv:2')
    assert 'gcloud storage cp -r' in failure.do
    assert world.dataflow.jobs == []
