import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from preprocess.claims import Claim
from preprocess.failures import InputError, RunFailed, UsageError
from tests.trainer import raw_records
from trainer import checkpoints, predictions, result, task, training

_ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No cluster and no cloud around the test."""
    for name in ('TF_CONFIG', 'CLUSTER_SPEC', 'AIP_MODEL_DIR', 'AIP_CHECKPOINT_DIR', 'AIP_TENSORBOARD_LOG_DIR'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def records(tmp_path):
    """Records of the earlier systems: no manifest, two labels, some rows without one."""
    for name, rows, seed in (('train', 60, 1), ('eval', 21, 2)):
        vectors, labels = raw_records.clusters(rows, classes=2, seed=seed)
        unlabelled = [() if row % 7 == 6 else labels[row] for row in range(rows)]
        raw_records.write(tmp_path, name, vectors, unlabelled)
    return tmp_path


def _words(directory, *more):
    """The arguments of the earlier scripts, as they stand there."""
    return [
        *('--output_path', f'{directory}/training'),
        *('--eval_data_paths', f'{directory}/eval*'),
        *('--train_data_paths', f'{directory}/train*'),
        *('--eval_set_size', '19', '--eval_batch_size', '19', '--classifier_label_count', '2'),
        *('--max_steps', '50', '--eval_interval_secs', '0', *more),
    ]


def _classify(model):
    loaded = tf.saved_model.load(str(model))
    return lambda rows: loaded.signatures['classify'](embedding=tf.constant(rows, tf.float32))


def test_the_commands_of_the_earlier_scripts_train_and_export(records, capsys):
    words = _words(records, '--job-dir', 'gs://bucket/job', '--inception_checkpoint_file', 'gs://bucket/inception.ckpt')
    task.main([*words, '--unlabelled_class', '--write_predictions'])
    said = capsys.readouterr().err
    assert '--inception_checkpoint_file is not needed any more' in said
    assert 'signature classify' in said
    answer = _classify(records / 'training' / 'model')(np.eye(raw_records.WIDTH)[:2] * 3)
    assert [label.decode() for label in answer['label'].numpy()] == ['0', '1']
    assert answer['scores'].shape == (2, 3)
    found = predictions.read(f'{records}/training/eval/predictions.csv')
    assert found.label_names == ('0', '1', 'unlabelled')
    assert len(found) == 21
    assert dict(zip(found.uris, found.labels, strict=True))['eval6.jpg'] == ''


def test_without_the_extra_class_the_head_has_one_output_a_label(records, capsys):
    task.main(_words(records))
    model = records / 'training' / 'model'
    trained = result.read(f'{records}/training/train', export_last=False)
    rows = np.random.default_rng(0).normal(size=(5, raw_records.WIDTH)).astype(np.float32)
    exported = _classify(model)(rows)['scores'].numpy()
    assert exported.shape == (5, 2)
    np.testing.assert_allclose(exported, trained.head().scores(rows), atol=1e-6)

    # The same command again: nothing to do, said in one line.
    before = {path: path.stat().st_mtime_ns for path in model.rglob('*')}
    capsys.readouterr()
    task.main(_words(records))
    said = capsys.readouterr().err
    assert 'training is complete (50 steps): skipped' in said
    assert said.count('\n') == 1

    # Predictions of a finished training need no training.
    task.main(_words(records, '--write_predictions'))
    assert len(predictions.read(f'{records}/training/eval/predictions.csv')) == 21
    assert {path: path.stat().st_mtime_ns for path in model.rglob('*')} == before


@pytest.mark.slow
def test_a_model_that_was_removed_is_exported_again_without_chatter(records):
    task.main(_words(records))
    model = records / 'training' / 'model'
    shutil.rmtree(model)
    command = [sys.executable, '-m', 'trainer.task', *_words(records)]
    # As on a user's terminal: a process of its own, whose log level nobody has set.
    environment = {name: value for name, value in os.environ.items() if name != 'TF_CPP_MIN_LOG_LEVEL'}
    ended = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, (model / 'saved_model.pb').exists()) == (0, True)
    complete, again, vectors_only, *steps, _, _, _, place = ended.stderr.splitlines()
    assert complete.startswith('training is complete (50 steps): skipped; ')
    assert again == f'there is no model: it is exported again, to {model}'
    assert vectors_only.startswith('no encoder is known for these records: ')
    assert all(line.startswith(('writing the model', 'checking the model in a fresh process')) for line in steps)
    assert place.startswith(f'the model is in {model}; ')


def test_a_training_that_fails_leaves_the_model_there_is(records):
    model = records / 'training' / 'model'
    model.mkdir(parents=True)
    (model / 'saved_model.pb').write_bytes(b'the one before')
    with pytest.raises(RunFailed, match='NaN'):
        task.main(_words(records, '--learning_rate', '1e30'))
    assert (model / 'saved_model.pb').read_bytes() == b'the one before'


def test_a_second_run_at_the_same_time_is_refused(records):
    with Claim(f'{records}/training/.claim', doing='the first run'), pytest.raises(InputError, match='the first run'):
        task.main(_words(records))


@pytest.mark.parametrize('role', ['ps', 'evaluator'])
def test_roles_without_a_part_in_training_end_with_one_line(monkeypatch, capsys, role):
    cluster = {'chief': ['a:1'], 'worker': ['b:1'], 'ps': ['c:1']}
    monkeypatch.setenv('TF_CONFIG', json.dumps({'cluster': cluster, 'task': {'type': role, 'index': 0}}))
    assert task.main([]) is None
    said = capsys.readouterr().err
    assert said.startswith('nothing to do for a ')
    assert said.count('\n') == 1


def test_a_malformed_cluster_is_a_usage_error(monkeypatch):
    monkeypatch.setenv('TF_CONFIG', '{"cluster":')
    with pytest.raises(UsageError, match='TF_CONFIG'):
        task.main([])


def test_killed_half_way_the_same_command_ends_as_an_undisturbed_run(records):
    words = _words(records, '--max_steps', '2000', '--log_interval_secs', '0')
    command = [sys.executable, '-m', 'trainer.task', *words]
    environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'}
    with subprocess.Popen(command, cwd=_ROOT, env=environment, stderr=subprocess.PIPE, text=True) as child:
        for line in child.stderr:
            if line.startswith('Train [master/0], step 3'):
                break
        child.send_signal(signal.SIGKILL)
    kept = checkpoints.latest(f'{records}/training/train').step
    assert 0 < kept < 2000
    resumed = training.train(_config(words))
    undisturbed = training.train(_config([*words, '--output_path', f'{records}/undisturbed']))
    assert (resumed.steps, resumed.best) == (2000, undisturbed.best)
    for one, other in zip(resumed.head().weights, undisturbed.head().weights, strict=True):
        np.testing.assert_array_equal(one, other)


def _config(words):
    from preprocess.command import FlagParser
    from trainer import config, environment

    parser = FlagParser('task', 'test')
    config.add_flags(parser)
    return config.from_flags(parser.parse_args(words), environment.Environment())
