"""trainer.task --cloud from the command line: one job for one training, whoever asks and whenever."""

import json
from collections.abc import Callable

import pytest

from preprocess import files, interrupts, run_json
from preprocess.command import FlagParser
from preprocess.failures import InputError, Interrupted, RunFailed, UsageError
from tests.cloud.conftest import PROJECT, REGION, Bucket
from tests.fakes.vertex import FAILED, PENDING, RUNNING, SUCCEEDED, FakeVertex
from trainer import checkpoints, export_mark, inputs, past, task, vertex_training
from trainer import config as configuration
from trainer.checkpoints import Checkpoint, Snapshot
from trainer.classes import Classes
from trainer.environment import Environment
from trainer.result import Quality, Scored, TrainResult
from trainer.vertex import VertexJobs
from trainer.vertex_job import DEFAULT_IMAGE

LEARNING = ['--max_steps=60', '--hidden_units=16']


def args_of(service: FakeVertex, number: int = 0) -> list[str]:
    return service.jobs[number].body['jobSpec']['workerPoolSpecs'][0]['pythonPackageSpec']['args']


def noted(bucket: Bucket) -> dict:
    return dict(run_json.stage(bucket.path('run.json'), 'vertex'))


Vertex = Callable[[int], None]


@pytest.fixture
def does(service: FakeVertex) -> Vertex:
    """What is there when a job that was submitted is over: the files a training leaves, without the hour it takes."""

    def run(number: int) -> None:
        parser = FlagParser('trainer.task', '')
        configuration.add_flags(parser)
        config = configuration.from_flags(parser.parse_args(args_of(service, number)), Environment())
        found = inputs.find(config)
        settings = past.describe(config, found, nodes=1)
        past.begin(config, past.Plan(settings, 60, 60), anew=False)
        quality = Quality(loss=0.25, accuracy=0.9, auc=None)
        made = TrainResult(
            checkpoint_dir=config.checkpoint_dir,
            steps=60,
            best=Scored(60, quality, quality),
            last=Scored(60, quality, quality),
            majority_train=0.4,
            majority_eval=0.4,
            classes=Classes(('0', '1', '2')),
            head_spec={},
            settings=settings,
            digest=f'{settings}',
        )
        saved = Checkpoint(60, Snapshot((), ()), None, 1.0, 10, ())
        checkpoints.save(config.checkpoint_dir, saved)
        made.write()
        files.write_atomic(files.join(config.model_dir, 'saved_model.pb'), b'a model')
        export_mark.write(config, export_mark.made_of(made, None))
        service.jobs[number].states = [SUCCEEDED]

    return run


def test_the_job_is_the_trainer_with_this_package_and_these_flags(service: FakeVertex, bucket: Bucket) -> None:
    task.main([*bucket.cloud_flags, '--no_wait', '--labels', 'team=fish', '--train_machine_type', 'n1-highmem-8'])
    body = service.jobs[0].body
    (pool,) = body['jobSpec']['workerPoolSpecs']
    package = pool['pythonPackageSpec']
    assert pool['machineSpec'] == {'machineType': 'n1-highmem-8'}
    assert (package['pythonModule'], package['executorImageUri']) == ('trainer.task', DEFAULT_IMAGE)
    assert package['args'] == [
        *('--train_data_paths', f'{bucket.home}/train-*', '--eval_data_paths', f'{bucket.home}/eval-*'),
        *(f'--output_path={bucket.out}', '--label_count=3', *LEARNING),
    ]
    (uri,) = package['packageUris']
    assert uri.startswith(f'{bucket.out}/packages/') and files.exists(uri)
    assert body['jobSpec']['baseOutputDirectory'] == {'outputUriPrefix': bucket.out}
    assert body['labels']['team'] == 'fish'


def test_a_job_is_left_run_attached_to_and_found_done_without_a_second_one(
    service: FakeVertex, bucket: Bucket, does: Vertex, capsys: pytest.CaptureFixture[str]
) -> None:
    service.next_states = [PENDING]
    task.main([*bucket.cloud_flags, '--no_wait'])
    said = capsys.readouterr().err
    number = service.jobs[0].name.rpartition('/')[2]
    page = f'https://console.cloud.google.com/vertex-ai/locations/{REGION}/training/{number}?project={PROJECT}'
    assert f'the job: {page}' in said and f'training job {number} goes on without this command' in said
    assert (noted(bucket)['job'], noted(bucket)['page']) == (service.jobs[0].name, page)

    does(0)
    assert files.exists(bucket.path('model', 'saved_model.pb'))
    assert checkpoints.last_step(bucket.path('train')) == 60
    capsys.readouterr()

    task.main(bucket.cloud_flags)
    said = capsys.readouterr().err
    assert f'attached to training job {number}' in said
    assert f'the model is in {bucket.path("model")}' in said

    # Nobody asks the service any more: what is in the bucket says it all.
    service.faults.rate = 1.0
    task.main(bucket.cloud_flags)
    assert 'training is complete (60 steps): skipped' in capsys.readouterr().err
    with pytest.raises(InputError, match=r'other settings: .*seed: 0 -> 1') as raised:
        task.main([*bucket.cloud_flags, '--seed', '1'])
    assert raised.value.exit_code == 3
    service.faults.rate = 0.0

    # Anew, and a job that is started again does not begin anew: what there was is taken away from here.
    task.main([*bucket.cloud_flags, '--seed', '1', '--overwrite', '--no_wait'])
    assert args_of(service, 1)[-3:] == [*LEARNING, '--seed=1']
    assert checkpoints.last_step(bucket.path('train')) == 0
    assert files.exists(bucket.path('model', 'saved_model.pb'))
    assert len(service.jobs) == 2


def test_ctrl_c_leaves_the_job_and_the_same_command_attaches(
    service: FakeVertex, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(Interrupted, match='goes on without this command'):
        patched.setattr(interrupts, 'requested', lambda: True)
        task.main(bucket.cloud_flags)
    assert service.jobs[0].state == PENDING
    task.main([*bucket.cloud_flags, '--no_wait'])
    assert len(service.jobs) == 1


class Killed(BaseException):
    pass


@pytest.mark.parametrize('arrived', [True, False], ids=['after', 'before'])
def test_killed_around_the_request_that_submits_there_is_still_one_job(
    service: FakeVertex, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    submit = VertexJobs.submit

    def dying(self: VertexJobs, body: dict, token: str) -> None:
        if arrived:
            submit(self, body, token)
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(VertexJobs, 'submit', dying)
        task.main([*bucket.cloud_flags, '--no_wait'])
    assert 'job' not in noted(bucket)
    task.main([*bucket.cloud_flags, '--no_wait'])
    assert len(service.jobs) == 1
    assert noted(bucket)['job'] == service.jobs[0].name


def test_a_job_that_failed_is_told_with_the_trainers_own_words_and_submitted_again_when_asked(
    service: FakeVertex, bucket: Bucket
) -> None:
    service.next_states, service.next_message = [PENDING, FAILED], 'exited with a non-zero status of 5. To find out'
    log = '2026 ERROR preprocess.command: error: loss became NaN at step 12\nwhere: train\ndo: lower --learning_rate\n'
    files.write_atomic(bucket.path('train', 'log.txt'), log.encode())
    with pytest.raises(RunFailed) as raised:
        task.main(bucket.cloud_flags)
    assert raised.value.what == (
        'the training job failed (it failed through no bug): loss became NaN at step 12; train; lower --learning_rate'
    )
    assert noted(bucket)['state'] == 'FAILED'
    task.main([*bucket.cloud_flags, '--no_wait'])
    assert len(service.jobs) == 2


def test_another_training_does_not_join_in_while_a_job_is_at_work(service: FakeVertex, bucket: Bucket) -> None:
    service.next_states = [RUNNING]
    task.main([*bucket.cloud_flags, '--no_wait'])
    with pytest.raises(InputError, match='still at work on this result') as raised:
        task.main([*bucket.cloud_flags, '--no_wait', '--dropout', '0.3'])
    assert 'gcloud ai custom-jobs cancel' in raised.value.do
    service.jobs[0].states = [FAILED]
    task.main([*bucket.cloud_flags, '--no_wait', '--dropout', '0.3'])
    assert '--dropout=0.3' in args_of(service, 1)


def test_a_job_that_says_it_succeeded_and_left_nothing_is_not_believed(service: FakeVertex, bucket: Bucket) -> None:
    with pytest.raises(RunFailed, match='its result is not there'):
        task.main(bucket.cloud_flags)


def test_a_job_is_looked_for_where_it_was_submitted(service: FakeVertex, bucket: Bucket) -> None:
    task.main([*bucket.cloud_flags, '--no_wait'])
    elsewhere = [*bucket.flags, '--cloud', '--project', PROJECT, '--region', 'us-east1', '--no_wait']
    task.main(elsewhere)
    assert len(service.jobs) == 1


def test_of_a_run_that_keeps_the_model_before_the_job_keeps_it(service: FakeVertex, bucket: Bucket) -> None:
    task.main([*bucket.cloud_flags, '--keep_previous', '--no_wait'])
    assert '--keep_previous' in args_of(service)


@pytest.mark.parametrize(
    ('flag', 'value'),
    [('--output_path', '/here/out'), ('--train_data_paths', '/here/train'), ('--input_dict', 'd.txt')],
)
def test_what_is_on_this_machine_is_refused_before_anything_is_done(
    service: FakeVertex, bucket: Bucket, flag: str, value: str
) -> None:
    with pytest.raises(UsageError, match=f'can not reach {value}') as raised:
        task.main([*bucket.cloud_flags, flag, value])
    assert raised.value.where == flag
    assert service.jobs == []


@pytest.mark.parametrize('words', [['--project', 'p'], ['--no_wait'], ['--train_nodes', '2'], ['--train_spot']])
def test_flags_of_a_job_mean_nothing_without_one(words: list[str]) -> None:
    with pytest.raises(UsageError, match='says something of a cloud job'):
        task.main(['--train_data_paths', 'a', '--eval_data_paths', 'b', '--output_path', 'c', *words])


def test_the_last_failure_of_a_log_is_told_in_one_line() -> None:
    log = 'error: first\nwhere: a\ndo: b\nINFO on we go\nx ERROR y: error: second\nwhere: c\ndo: d\n'
    assert vertex_training.last_failure(log) == 'second; c; d'
    assert vertex_training.last_failure('INFO all is well') is None


def test_what_other_stages_noted_stays(service: FakeVertex, bucket: Bucket) -> None:
    files.write_atomic(bucket.path('run.json'), json.dumps({'embed': {'sources': 'all new'}}).encode())
    task.main([*bucket.cloud_flags, '--no_wait'])
    assert run_json.stage(bucket.path('run.json'), 'embed') == {'sources': 'all new'}
