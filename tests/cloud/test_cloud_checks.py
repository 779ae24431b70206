"""Whatever is wrong with a run in the cloud is told before anything is submitted: what, where, and its remedy."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pipeline
from preprocess import cloud_checks, files
from preprocess import run as preprocess_run
from preprocess.cloud_checks import Check
from preprocess.failures import Failure, InputError, RunFailed
from tests.cloud.world import REGION, World, around
from tests.fakes.fixtures import BUCKET
from tests.fakes.gcs import FakeGcs


@pytest.fixture
def world(gcs: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with around(gcs, tmp_path, monkeypatch) as world:
        files.write_atomic(f'{world.home}/pictures/cat/1.jpg', b'a picture')
        files.write_atomic(f'{world.home}/train.csv', b'pictures/cat/1.jpg,cat\n')
        files.write_atomic(f'{world.home}/dict.txt', b'cat\ndog\n')
        yield world


def refused(world: World, *flags: str, without: str = '') -> Failure:
    """What a command ends with; later flags win over earlier ones."""
    words = [f'--input_path={world.home}/pictures', f'--output_dir={world.home}/out', '--encoder=mini', *world.flags]
    with pytest.raises(Failure) as raised:
        pipeline.run([*(word for word in words if not without or not word.startswith(without)), *flags])
    assert raised.value.lines().count('\n') == 2
    assert world.dataflow.jobs == world.vertex.jobs == []
    return raised.value


@pytest.mark.parametrize(
    ('flag', 'code', 'where', 'remedy'),
    [
        ('--region=europe-west1-b', 2, '--region', 'give its region, europe-west1'),
        ('--region=Europe', 2, '--region', 'gcloud compute regions list'),
        ('--region=mars-north1', 2, '--region', 'gcloud compute regions list'),
        ('--project=My_Project', 2, '--project', 'gcloud projects list'),
        ('--job_name=My.Job', 2, '--job_name', 'my-job'),
        ('--output_dir=out', 2, '--output_dir', 'gs://bucket/folder'),
        ('--input_path=/home/me/pictures', 2, '--input_path', 'gcloud storage cp -r'),
        ('--embedding_store=s3://b/store', 2, '--embedding_store', 'gs://bucket/folder'),
        ('--staging_location=/tmp/staging', 2, '--staging_location', 'gs://bucket/folder'),
        ('--temp_location=tmp', 2, '--temp_location', 'gs://bucket/folder'),
        ('--temp_location=gs://no-such/temp', 3, 'gs://no-such', 'gcloud storage buckets create gs://no-such --loc'),
        ('--output_dir=gs://no-such-bucket/out', 3, 'gs://no-such-bucket', 'gcloud storage buckets create'),
        ('--input_path=gs://bucket/nothing-here', 3, 'gs://bucket/nothing-here', 'check the path'),
        ('--num_workers=0', 2, '--num_workers', 'give 1 to 1000'),
        ('--max_num_workers=5000', 2, '--max_num_workers', 'give 1 to 1000'),
        ('--machine_type=big', 2, '--machine_type', 'gcloud compute machine-types list'),
        ('--labels=Team=Birds', 2, '--labels', 'key=value'),
        ('--setup_file=setup.cfg', 2, '--setup_file', 'setup.py'),
        ('--setup_file=gone/setup.py', 3, '--setup_file', 'leave it out'),
        ('--runner=PortableRunner', 2, '--runner', 'leave out one'),
        ('--template_location=gs://bucket/t', 2, '--template_location', 'leave it out'),
        ('--train_image=us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest', 2, '--train_image', 'py311'),
        ('--train_accelerator=T4 big', 2, '--train_accelerator', 'NVIDIA_L4'),
        ('--train_nodes=-1', 2, '--train_nodes', 'give 1 or more'),
        ('--encoder=inceptionv3', 2, '--encoder', 'inception_v3'),
        ('--encoder_weights=gone.h5', 2, '--encoder_weights', 'leave it out'),
    ],
)
def test_what_flags_ask_for_is_checked(world: World, flag: str, code: int, where: str, remedy: str) -> None:
    failure = refused(world, flag)
    assert (failure.exit_code, remedy in failure.do) == (code, True), failure.lines()
    assert where in failure.where


def test_a_project_and_a_region_must_be_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(world, without='--region').where == '--region'
    monkeypatch.delenv('GOOGLE_CLOUD_PROJECT')
    monkeypatch.delenv('GOOGLE_APPLICATION_CREDENTIALS')
    failure = refused(world)
    assert (failure.where, 'gcloud config set project' in failure.do) == ('--project', True)


def forbid(world: World) -> None:
    world.gcs.objects.forbidden.append(f'{world.home}/out'.removeprefix('gs://'))


SERVICES: dict[str, tuple[Callable[[World], object], str, str]] = {
    'Dataflow is off': (
        lambda world: world.dataflow.disabled.add('a-project'),
        'Dataflow is not enabled in this project',
        'gcloud services enable dataflow.googleapis.com --project a-project',
    ),
    'Dataflow is not for you': (
        lambda world: world.dataflow.forbidden.add('a-project'),
        'Dataflow refuses: Permission denied on resource project a-project.',
        'roles/dataflow.developer',
    ),
    'Vertex AI is off': (
        lambda world: world.vertex.disabled.add('a-project'),
        'Vertex AI is not enabled in this project',
        'gcloud services enable aiplatform.googleapis.com --project a-project',
    ),
    'Compute Engine is off': (
        lambda world: world.compute.disabled.add('a-project'),
        'Compute Engine is not enabled in this project',
        'gcloud services enable compute.googleapis.com --project a-project',
    ),
    'Vertex AI is not for you': (
        lambda world: world.vertex.forbidden.add('a-project'),
        'Vertex AI refuses: Permission denied on resource project a-project.',
        'roles/aiplatform.user',
    ),
    'the bucket is read-only': (
        forbid,
        'you may not write there (forbidden: somebody does not have storage.objects access',
        'roles/storage.objectAdmin',
    ),
}


@pytest.mark.parametrize('name', SERVICES)
def test_services_and_buckets_are_asked_beforehand(world: World, name: str) -> None:
    spoil, what, remedy = SERVICES[name]
    spoil(world)
    failure = refused(world)
    assert (failure.exit_code, what in failure.what, remedy in failure.do) == (3, True, True), failure.lines()


def test_who_may_start_jobs_need_not_see_regions(world: World) -> None:
    world.compute.forbidden.add('a-project')
    world.dataflow.disabled.add('a-project')
    assert refused(world).what == 'Dataflow is not enabled in this project'


def test_everything_that_is_wrong_is_told_at_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.dataflow.disabled.add('a-project')
    world.vertex.disabled.add('a-project')
    forbid(world)
    assert refused(world).what == 'Dataflow is not enabled in this project'
    said = capsys.readouterr().err
    assert said.index('error: you may not write there') < said.index('error: Vertex AI is not enabled')


def test_without_credentials_nothing_else_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('GOOGLE_APPLICATION_CREDENTIALS', '/no/such/key.json')
    failure = refused(world)
    assert (failure.exit_code, 'there are no credentials' in failure.what) == (3, True)
    assert 'gcloud auth application-default login' in failure.do
    assert world.dataflow.requests.total() == 0


def test_credentials_that_google_takes_no_more_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = json.loads((tmp_path / 'service_account.json').read_text())
    # Whoever answers there, it isn't with a token.
    (tmp_path / 'service_account.json').write_text(json.dumps({**key, 'token_uri': f'{world.compute.url}/none'}))
    failure = refused(world)
    assert (failure.exit_code, 'are refused' in failure.what) == (3, True), failure.lines()
    assert 'gcloud auth application-default login' in failure.do


def test_nobody_who_could_check_the_credentials_is_told(world: World, tmp_path: Path) -> None:
    key = json.loads((tmp_path / 'service_account.json').read_text())
    (tmp_path / 'service_account.json').write_text(json.dumps({**key, 'token_uri': 'http://127.0.0.1:9/token'}))
    failure = refused(world)
    assert (failure.exit_code, 'connection refused' in failure.what) == (5, True), failure.lines()
    assert 'look whether the network is up' in failure.do


def test_what_does_not_answer_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_checks, 'check_credentials', lambda: None)
    answer = threading.Event()

    def look() -> None:
        answer.wait(60)

    with pytest.raises(RunFailed) as raised:
        cloud_checks.run([Check('a service', look)], within_s=0.2)
    answer.set()
    assert (raised.value.where, raised.value.what) == ('a service', 'no answer in time')


def test_what_was_needed_to_start_is_taken_off_the_time_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_checks, 'check_credentials', lambda: None)
    monkeypatch.setattr(cloud_checks, 'WITHIN_S', cloud_checks._age_s() + 0.05)
    monkeypatch.setattr(cloud_checks, '_AT_LEAST_S', 0.0)
    answer = threading.Event()
    with pytest.raises(RunFailed, match='no answer in time'):
        cloud_checks.run([Check('a service', lambda: answer.wait(60) and None)])
    answer.set()


def test_a_bug_in_a_check_is_no_failure_of_the_user(world: World) -> None:
    def look() -> None:
        raise KeyError('a bug')

    with pytest.raises(KeyError):
        cloud_checks.run([Check('a service', look)])


def test_nothing_is_left_of_the_look_at_the_bucket(world: World) -> None:
    before = world.gcs.objects.names(BUCKET)
    cloud_checks.check_writable(f'{world.home}/out', cloud_checks.CloudPlace('a-project', REGION))
    assert world.gcs.objects.names(BUCKET) == before


@pytest.mark.parametrize(
    ('flag', 'code', 'where'),
    [
        ('--output_path=out/train', 2, '--output_path'),
        ('--input_path=train.csv', 2, '--input_path'),
        ('--input_dict=/d/dict.txt', 2, '--input_dict'),
        ('--input_path=gs://bucket/none.csv', 3, 'gs://bucket/none.csv'),
        ('--staging_location=gs://none/x', 3, 'gs://none'),
    ],
)
def test_preprocess_run_alone_is_checked_too(world: World, flag: str, code: int, where: str) -> None:
    paths = [f'--input_path={world.home}/train.csv', f'--input_dict={world.home}/dict.txt', '--encoder=mini']
    with pytest.raises(Failure) as raised:
        preprocess_run.main([*paths, f'--output_path={world.home}/out/train', *world.flags, flag])
    assert (raised.value.exit_code, raised.value.where) == (code, where)


def test_no_wait_and_the_flags_of_training_jobs_are_for_the_cloud(tmp_path: Path) -> None:
    for flag in ('--no_wait', '--train_nodes=2', '--deploy_model_name=birds'):
        with pytest.raises(Failure, match='add --cloud'):
            pipeline.run(['--input_path=pictures', f'--output_dir={tmp_path}', flag])


def test_weights_that_are_nowhere_are_told(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('KERAS_HOME', str(tmp_path))
    monkeypatch.setattr(cloud_checks, '_WEIGHTS_HOST', ('127.0.0.1', 9))
    failure = refused(world, '--encoder=resnet50_v2')
    assert (failure.exit_code, failure.where) == (3, '--encoder resnet50_v2')
    assert '--encoder_weights FILE' in failure.do


def test_weights_in_kerass_cache_will_do(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('KERAS_HOME', str(tmp_path))
    spec = cloud_checks.EncoderSpec(name='resnet50_v2')
    (tmp_path / 'models').mkdir()
    (tmp_path / 'models' / cloud_checks.APPLICATIONS['resnet50_v2'].weights_file).write_bytes(b'weights')
    cloud_checks.check_encoder(spec, f'{world.home}/store')


def test_inputs_may_be_patterns_and_lists(world: World) -> None:
    for path in (f'{world.home}/pictures', f'{world.home}/*.csv', f'{world.home}/train.csv,{world.home}/d*.txt'):
        cloud_checks.check_input(path)
    with pytest.raises(InputError, match='there is no such file or folder'):
        cloud_checks.check_input(f'{world.home}/train.csv,{world.home}/*.tsv')
