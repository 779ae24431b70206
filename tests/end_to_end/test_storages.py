"""The whole way with every path on an object store: what comes out is what a local run makes."""

import contextlib
import csv
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import pipeline
from predict.model import load
from preprocess import files, log_files, records, retries
from preprocess.failures import RunFailed
from preprocess.record_sets import find_records
from preprocess.retries import Patience
from tests.end_to_end.conftest import Finished
from tests.fakes.fixtures import BUCKET, gcs_environment, storage
from tests.fakes.gcs import FakeGcs
from tests.fakes.interception import Interception
from tests.preprocess.portable import job_server

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class OnStorage:
    """A finished run: where its pictures and its result are, and what was printed and said."""

    pictures: str
    out: str
    printed: str
    said: str

    def path(self, *parts: str) -> str:
        return files.join(self.out, *parts)


def run(pictures: str, out: str, flags: tuple[str, ...]) -> OnStorage:
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        assert pipeline.run(['--input_path', pictures, '--output_dir', out, *flags]) == 0
    for handler in [one for one in logging.getLogger().handlers if isinstance(one, log_files.RemoteLogFile)]:
        # As at the end of a command.
        handler.close()
        logging.getLogger().removeHandler(handler)
    return OnStorage(pictures, out, printed.getvalue(), said.getvalue())


@pytest.fixture(scope='session', params=['gs', pytest.param('s3', marks=pytest.mark.slow)])
def there(request: pytest.FixtureRequest, finished: Finished) -> Iterator[OnStorage]:
    """The local run's command, with every path on a bucket."""
    home = f'{request.param}://{BUCKET}/a lab#1 [%20]'
    with storage(request.param, request):
        files.copy_tree(str(finished.pictures), f'{home}/pictures', last='star/star-000.jpg')
        yield run(f'{home}/pictures', f'{home}/out', finished.flags)


def learnt_from(prefix: str, pictures: str) -> dict[str, tuple[object, ...]]:
    """Everything in records but where the pictures are, by the path below their folder."""
    shards = find_records([prefix]).shards
    listed = [record for shard in shards for record in records.read(shard.path, expect=shard.records)]
    return {one.image_uri.removeprefix(pictures): (one.vector.tobytes(), one.label_ids, one.group) for one in listed}


@pytest.mark.parametrize('side', ['train', 'eval'])
def test_the_records_are_those_of_a_local_run(there: OnStorage, finished: Finished, side: str) -> None:
    made = learnt_from(there.path('preprocessed', side), there.pictures)
    assert made == learnt_from(str(finished.out / 'preprocessed' / side), str(finished.pictures))
    assert len(made) > 10


def test_the_scores_are_those_of_a_local_run(there: OnStorage, finished: Finished) -> None:
    table = csv.reader(files.read_text(there.path('eval', 'predictions.csv')).splitlines())
    mine = {row[0].removeprefix(there.pictures): row[1:] for row in table}
    local = csv.reader((finished.out / 'eval' / 'predictions.csv').read_text().splitlines())
    assert mine == {row[0].removeprefix(str(finished.pictures)): row[1:] for row in local}


def test_the_same_files_are_there_as_after_a_local_run_and_nothing_unfinished(
    there: OnStorage, finished: Finished
) -> None:
    names = {found.uri.removeprefix(there.path('')) for found in files.list_dir(there.out, recursive=True)}
    local = {str(path.relative_to(finished.out)) for path in finished.out.rglob('*') if path.is_file()}

    def lasting(found: set[str]) -> set[str]:
        # Pieces and event files have names of their own, and how many checkpoints there are depends on the time it
        # took; the local workers' words are in a log beside the records.
        own = ('piece', 'tfevents', 'checkpoint')
        return {name for name in found if not any(kind in name for kind in own)} - {'preprocessed/log.txt'}

    assert lasting(names) == lasting(local)
    assert [sum(kind in name for name in names) for kind in ('piece', 'tfevents')] == [
        sum(kind in name for name in local) for kind in ('piece', 'tfevents')
    ]
    assert 'train/checkpoint-0000000150.npz' in names & local
    assert 'embedding with mini' in files.read_text(there.path('log.txt'))


def test_the_summary_names_the_places(there: OnStorage) -> None:
    assert f'model     {there.path("model")}' in there.printed
    assert f'report    {there.path("report.html")}' in there.printed


def test_the_same_command_again_does_nothing_and_says_so(there: OnStorage, finished: Finished) -> None:
    before = files.stat(there.path('model', 'saved_model.pb'))
    again = run(there.pictures, there.out, finished.flags)
    assert again.printed == there.printed
    assert files.stat(there.path('model', 'saved_model.pb')) == before
    for what in ('preprocessed/train: ', 'training is complete', 'evaluation: '):
        assert what in again.said


def test_the_model_answers_from_where_it_is(there: OnStorage, finished: Finished) -> None:
    (answer,) = load(there.path('model')).predict([files.join(there.pictures, 'heart', 'heart-001.jpg')])
    (local,) = load(finished.out / 'model').predict([finished.pictures / 'heart' / 'heart-001.jpg'])
    assert (answer.label, answer.scores) == ('heart', local.scores)


@pytest.mark.slow
@pytest.mark.parametrize('there', ['gs'], indirect=True)
def test_other_training_replaces_the_model_and_keeps_the_one_before(there: OnStorage, finished: Finished) -> None:
    out = there.out + ' again'
    for found in list(files.list_dir(there.out, recursive=True)):
        files.copy(found.uri, out + found.uri[len(there.out) :])
    before = files.read_bytes(files.join(out, 'model', 'saved_model.pb'))
    longer = run(there.pictures, out, (*finished.flags[:-1], '200'))
    assert files.read_bytes(files.join(out, 'model.previous', 'saved_model.pb')) == before
    assert files.read_bytes(files.join(out, 'model', 'saved_model.pb')) != before
    assert 'accuracy  before and now' in longer.printed


@pytest.mark.parametrize('there', ['gs'], indirect=True)
def test_the_graph_of_the_model_was_written_last(there: OnStorage, gcs_server: FakeGcs) -> None:
    name = there.path('model').removeprefix(f'gs://{BUCKET}/')
    written = {one: gcs_server.objects.get(BUCKET, one).generation for one in gcs_server.objects.names(BUCKET, name)}
    assert max(written, key=written.__getitem__) == f'{name}/saved_model.pb'


@pytest.mark.slow
@pytest.mark.parametrize('there', ['gs'], indirect=True)
def test_tensorflow_reads_model_and_curves_from_the_bucket_itself(
    there: OnStorage, gcs_server: FakeGcs, tmp_path: Path
) -> None:
    code = (
        'import json, sys, tensorflow as tf\n'
        'model, curve = sys.argv[1:]\n'
        'loaded = tf.saved_model.load(model)\n'
        'pixels = tf.zeros([1, 96, 96, 3], tf.uint8)\n'
        "scores = loaded.signatures['pixels'](pixels=pixels)['scores'].numpy().tolist()\n"
        'events = list(tf.compat.v1.train.summary_iterator(curve))\n'
        'tags = sorted({value.tag for event in events for value in event.summary.value})\n'
        'print(json.dumps([scores, tags]))\n'
    )
    # TensorFlow takes brackets in a path for a pattern.
    model, curve = f'gs://{BUCKET}/plain/model', f'gs://{BUCKET}/plain/curve'
    files.copy(next(files.list_dir(there.path('eval_set'))).uri, curve)
    files.copy_tree(there.path('model'), model, last='saved_model.pb')
    with Interception(gcs_server.port, tmp_path) as through:
        done = subprocess.run(
            [sys.executable, '-c', code, model, curve],
            env={**os.environ, **through.environment()},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    scores, tags = json.loads(done.stdout)
    assert len(scores[0]) == 5 and abs(sum(scores[0]) - 1) < 1e-5
    assert tags == ['accuracy', 'auc', 'loss']


@pytest.mark.slow
@pytest.mark.parametrize('there', ['gs'], indirect=True)
def test_a_command_of_its_own_trains_on_the_bucket_and_leaves_its_log(
    there: OnStorage, gcs_server: FakeGcs, tmp_path: Path
) -> None:
    out = there.out + ' alone'
    flags = [f'--{side}_data_paths={there.path("preprocessed", side)}' for side in ('train', 'eval')]
    done = subprocess.run(
        [sys.executable, '-m', 'trainer.task', *flags, f'--output_path={out}', '--max_steps=20'],
        env={**os.environ, **gcs_environment(gcs_server), 'TMPDIR': str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert files.exists(files.join(out, 'model', 'saved_model.pb'))
    assert 'training on' in files.read_text(files.join(out, 'log.txt'))
    # What was near is gone with the process.
    assert list(tmp_path.iterdir()) == []


def same_as_local(out: str, there: OnStorage, finished: Finished) -> bool:
    """Whether records and predictions are those of the local run."""
    for side in ('train', 'eval'):
        local = learnt_from(str(finished.out / 'preprocessed' / side), str(finished.pictures))
        if learnt_from(files.join(out, 'preprocessed', side), there.pictures) != local:
            return False
    said = files.read_text(files.join(out, 'eval', 'predictions.csv')).replace(there.pictures, str(finished.pictures))
    return said == (finished.out / 'eval' / 'predictions.csv').read_text()


@pytest.mark.slow
@pytest.mark.parametrize('there', ['gs'], indirect=True)
def test_two_workers_elsewhere_come_to_the_same(there: OnStorage, finished: Finished, tmp_path: Path) -> None:
    with job_server(tmp_path / 'server') as beam_args:
        out = there.out + ' by workers elsewhere'
        run(there.pictures, out, (*finished.flags, *beam_args, '--direct_num_workers=2'))
    assert same_as_local(out, there, finished)


@pytest.mark.slow
@pytest.mark.parametrize('there', ['gs'], indirect=True)
def test_a_tenth_of_all_requests_may_fail(there: OnStorage, finished: Finished, gcs_server: FakeGcs) -> None:
    out = there.out + ' over a bad network'
    with gcs_server.failing(0.1, seed=7) as faults:
        run(there.pictures, out, finished.flags)
    assert faults.done.total() > 50 and len(faults.done) == 6
    assert same_as_local(out, there, finished)


@pytest.mark.parametrize('there', ['gs'], indirect=True)
def test_when_all_requests_fail_three_lines_say_so(
    there: OnStorage, gcs_server: FakeGcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, 'PATIENCE', Patience(0.01, 0.05, 0.3))
    with (
        gcs_server.failing(1.0, '429', '503', 'reset'),
        pytest.raises(RunFailed, match='the storage does not answer') as raised,
    ):
        run(there.pictures, there.out + ' never', ())
    assert raised.value.exit_code == 5 and raised.value.lines().count('\n') == 2
