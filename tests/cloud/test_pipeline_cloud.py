"""pipeline.py --cloud from pictures to a deployed model, never waiting: each command goes on where the last left."""

import argparse
import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline
import pipeline_cloud
from pipeline_stages import PipelineConfig, Run
from preprocess import demo, files, job_notes, log_files, run_json
from preprocess.failures import Failure, UsageError
from preprocess.job_notes import JobNote
from preprocess.set_names import SetName
from tests.cloud.world import World, around
from tests.fakes import dataflow
from tests.fakes import vertex as states
from tests.fakes.dataflow import FakeDataflow
from tests.fakes.gcs import FakeGcs
from tests.fakes.jobs import Job
from trainer import task, vertex

PER_CLASS = 12


@pytest.fixture
def world(gcs: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(vertex, 'LOOK_EVERY_S', 0.0)
    with around(gcs, tmp_path, monkeypatch, dataflow=FakeDataflow(runs=gcs.objects)) as world:
        demo.draw_demo(str(tmp_path / 'pictures'), pictures_per_class=PER_CLASS, seed=3)
        files.copy_tree(str(tmp_path / 'pictures'), f'{world.home}/pictures', last='star/star-000.jpg')
        yield world
        log_files.close()


@pytest.fixture
def deployments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of scripts/deploy.sh, one that notes its arguments; a file `fail` says with which code it fails."""
    script, noted = tmp_path / 'deploy.sh', tmp_path / 'deployments'
    script.write_text(
        f'#!/bin/sh\nprintf "%s " "$@" >> {noted}\nif [ -e {tmp_path}/fail ]; then exit $(cat {tmp_path}/fail); fi\n'
        'echo version=v1 endpoint=projects/a-project/locations/europe-west1/endpoints/7\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(pipeline_cloud, '_DEPLOY', str(script))
    return noted


def run(world: World, *flags: str, code: int = 0) -> str:
    words = [f'--input_path={world.home}/pictures', f'--output_dir={world.home}/out', '--encoder=mini', *world.flags]
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        assert pipeline.run([*words, '--eval_fraction=0.3', '--max_steps=150', *flags]) == code, said.getvalue()
    log_files.close()
    return printed.getvalue() + said.getvalue()


def journal(world: World) -> dict:
    said: dict = json.loads(files.read_text(f'{world.home}/out/run.json'))
    return said


def train_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Vertex does: the trainer with the job's flags, in its environment."""
    (job,) = world.vertex.jobs
    with monkeypatch.context() as patched:
        patched.setenv('CLOUD_ML_JOB_ID', job.name.rpartition('/')[2])
        patched.setenv('AIP_MODEL_DIR', f'{world.home}/out/model/')
        task.main(job.body['jobSpec']['workerPoolSpecs'][0]['pythonPackageSpec']['args'])
    job.states = [states.SUCCEEDED]


@pytest.mark.slow
def test_every_command_goes_on_where_the_one_before_left(
    world: World, deployments: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = ['--no_wait', '--deploy_model_name=shapes', '--labels=team=shapes']
    world.vertex.next_states = [states.PENDING]
    assert 'the Dataflow job goes on without this command' in run(world, *asked)
    (job,) = world.dataflow.jobs
    noted = journal(world)['dataflow']
    assert (noted['id'], noted['state']) == (job.name, 'submitted')
    assert job.name in noted['console']
    world.dataflow.wait()
    assert files.exists(f'{world.home}/out/preprocessed/manifest.eval.json')

    assert 'training job' in run(world, *asked)
    assert journal(world)['dataflow']['state'] == 'DONE'
    (training,) = world.vertex.jobs
    assert training.body['labels']['team'] == job.body['labels']['team'] == 'shapes'
    assert 'training job' in run(world, *asked)
    assert len(world.vertex.jobs) == 1

    train_there(world, monkeypatch)
    (tmp_path / 'fail').write_text('5')
    run(world, *asked, code=5)
    (tmp_path / 'fail').unlink()
    said = run(world, *asked)
    assert f'model     {world.home}/out/model' in said and 'accuracy  ' in said
    assert 'deployed  shapes: version=v1' in said
    assert files.exists(f'{world.home}/out/report.html')
    again = run(world, *asked)
    assert 'shapes is this model already: skipped' in again and 'deployed  shapes: version=v1' in again
    model = f'--name shapes --model_dir {world.home}/out/model --region europe-west1 --project a-project '
    assert deployments.read_text() == model * 2
    assert (len(world.dataflow.jobs), len(world.vertex.jobs)) == (1, 1)


def training_at_work(world: World, state: str = states.RUNNING) -> Job:
    """A job of Vertex AI that an earlier command noted for this output."""
    job = Job('projects/a-project/locations/europe-west1/customJobs/7', 'a-project', 'europe-west1', {}, [state])
    world.vertex.jobs.append(job)
    facts = {'token': 't', 'project': 'a-project', 'region': 'europe-west1', 'job': job.name, 'state': 'PENDING'}
    run_json.note(f'{world.home}/out/run.json', 'vertex', facts)
    return job


def failure_here(world: World) -> Failure:
    """What the command without --cloud ends with, before it does anything."""
    with pytest.raises(Failure) as raised:
        pipeline.run([f'--input_path={world.home}/pictures', f'--output_dir={world.home}/out', '--encoder=mini'])
    log_files.close()
    assert raised.value.lines().count('\n') == 2
    assert not files.exists(f'{world.home}/out/data/dict.txt')
    return raised.value


def test_nothing_begins_here_while_a_job_there_trains_on_the_same_output(world: World) -> None:
    job = training_at_work(world)
    failure = failure_here(world)
    assert (failure.exit_code, failure.what) == (3, 'training job 7 is still at work on this result')
    assert failure.where.startswith('https://console.cloud.google.com/vertex-ai/locations/europe-west1/training/7')
    cancel = 'gcloud ai custom-jobs cancel 7 --project a-project --region europe-west1'
    assert failure.do == f'with --cloud the same command attaches to it; or end it: {cancel}'
    world.vertex.forbidden.add('a-project')
    failure = failure_here(world)
    assert (failure.exit_code, 'nobody says whether it is over' in failure.what) == (3, True)
    assert failure.do.endswith('or choose another --output_dir')
    world.vertex.forbidden.clear()
    with pytest.raises(Failure, match='still at work'):
        task.main(['--train_data_paths=gs://b/a', '--eval_data_paths=gs://b/b', f'--output_path={world.home}/out'])
    job.states = [states.FAILED]
    vertex.check_alone(run_json.stage(f'{world.home}/out/run.json', 'vertex'), do='')


def test_nothing_begins_here_while_a_job_there_embeds_into_the_same_output(world: World) -> None:
    job = Job('2026-1', 'a-project', 'europe-west1', {'name': 'birds'}, [dataflow.RUNNING])
    world.dataflow.jobs.append(job)
    name, place = SetName(f'{world.home}/out/preprocessed', 'train'), {'project': 'a-project', 'region': 'europe-west1'}
    made, of = {'runs': {'train': 'r'}, 'digests': {'train': 'd'}}, {'endpoint': world.dataflow.endpoint}
    job_notes.write(JobNote(name='birds', id='2026-1', **place, **made, **of), [name])
    failure = failure_here(world)
    assert (failure.exit_code, 'the Dataflow job birds is making these records' in failure.what) == (3, True)
    assert 'with --cloud this command attaches to it' in failure.do
    assert 'gcloud dataflow jobs cancel 2026-1' in failure.do


def test_records_are_not_replaced_while_a_job_learns_from_them(world: World) -> None:
    training_at_work(world)
    with pytest.raises(Failure, match='training job 7 is still at work') as raised:
        run(world)
    log_files.close()
    assert 'wait until it is over' in raised.value.do
    assert world.dataflow.jobs == []


def test_what_a_command_elsewhere_noted_meanwhile_stays(tmp_path: Path) -> None:
    config = PipelineConfig(output_dir=str(tmp_path), input_path='pictures')
    here, there = (Run(config, argparse.Namespace(), [], {}) for _ in range(2))
    there.note('vertex', {'token': 't'})
    here.note('dataflow', {'id': '1'})
    assert run_json.read(config.path('run.json')) == {'vertex': {'token': 't'}, 'dataflow': {'id': '1'}}


def test_a_script_that_is_not_there_is_told_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_cloud, '_DEPLOY', '/no/such/deploy.sh')
    with pytest.raises(pipeline_cloud.InputError, match='the script that deploys is not there'):
        run(world, '--deploy_model_name=shapes')
    assert world.dataflow.jobs == []


def test_the_runner_by_name_embeds_there_and_trains_here(world: World) -> None:
    flags = [word for word in world.flags if word != '--cloud']
    parsed, beam_args = pipeline.command.parse_with_beam(
        pipeline.flag_parser(),
        [f'--input_path={world.home}/pictures', f'--output_dir={world.home}/out', '--runner=DataflowRunner', *flags],
    )
    cloud = pipeline_cloud.from_flags(pipeline.config_from_flags(parsed), parsed, beam_args)
    assert cloud and (cloud.vertex, cloud.deploy_as) == (None, None)
    assert cloud.dataflow.workers == '1 to 10 x n2-standard-8'
    with pytest.raises(UsageError, match='add --cloud'):
        parsed.deploy_model_name = 'shapes'
        pipeline_cloud.from_flags(pipeline.config_from_flags(parsed), parsed, beam_args)
