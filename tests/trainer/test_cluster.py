"""Two real processes on this machine's loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.trainer import raw_records, sequence_kinds
from trainer import checkpoints, result, training
from trainer.config import Learning, Schedule, TrainConfig

_ROOT = Path(__file__).parents[2]
# Node 1 writes into a directory of its own, if it writes at all.
_PLACES = ('chief', 'worker')
_DENSE = ('--label_count', '3', '--batch_size', '50', '--hidden_units', '16')


@pytest.fixture
def records(tmp_path):
    train = raw_records.write(tmp_path, 'train', *raw_records.clusters(100, spread=2, seed=1))
    evaluation = raw_records.write(tmp_path, 'eval', *raw_records.clusters(200, spread=2, seed=2))
    return train, evaluation


def _free_ports():
    with socket.socket() as one, socket.socket() as other:
        one.bind(('127.0.0.1', 0))
        other.bind(('127.0.0.1', 0))
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def _nodes(records, tmp_path, *more):
    """Both nodes of a cluster, running; whatever is left of them at the end is killed."""
    train, evaluation = records
    chief, worker = (f'127.0.0.1:{port}' for port in _free_ports())
    nodes = []
    for place in _PLACES:
        around = {'cluster': {'chief': [chief], 'worker': [worker]}, 'task': {'type': place, 'index': 0}}
        words = ['--train_data_paths', train, '--eval_data_paths', evaluation]
        words += ['--output_path', str(tmp_path / place), *more]
        nodes.append(
            subprocess.Popen(
                [sys.executable, '-m', 'trainer.task', *words],
                cwd=_ROOT,
                env={**os.environ, 'TF_CONFIG': json.dumps(around), 'TF_CPP_MIN_LOG_LEVEL': '3'},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        yield nodes
    finally:
        for node in nodes:
            node.kill()
            node.communicate()


def test_two_nodes_of_fifty_learn_what_one_of_a_hundred_does_and_the_chief_alone_writes(records, tmp_path):
    with _nodes(records, tmp_path, *_DENSE, '--max_steps', '150', '--eval_interval_secs', '0') as nodes:
        said = [node.communicate(timeout=120)[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    assert not (tmp_path / 'worker').exists()
    assert (tmp_path / 'chief' / 'model' / 'saved_model.pb').exists()
    together = result.read(str(tmp_path / 'chief' / 'train'), export_last=False)
    alone = training.train(
        TrainConfig(
            train_data_paths=(records[0],),
            eval_data_paths=(records[1],),
            output_path=str(tmp_path / 'alone'),
            label_count=3,
            learning=Learning(max_steps=150, batch_size=100, hidden_units=16),
            schedule=Schedule(eval_interval_secs=0),
        )
    )
    assert together.steps == alone.steps == 150
    assert abs(together.last.eval.accuracy - alone.last.eval.accuracy) <= 0.005
    for one, other in zip(together.head().weights, alone.head().weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.slow
def test_nodes_normalise_and_flip_as_one_would(tmp_path):
    made = sequence_kinds.footage(tmp_path, sequence_kinds.KINDS['convlstm'])
    learning = replace(made.learning, max_steps=30, batch_size=12, augment='h,v')
    settings = {name: value for name, value in vars(learning).items() if value not in (None, False)}
    words = [word for name, value in settings.items() for word in (f'--{name}', str(value))]
    with _nodes((made.train_data_paths[0], made.eval_data_paths[0]), tmp_path, *words, '--batch_size', '6') as nodes:
        said = [node.communicate(timeout=240)[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    alone = training.train(replace(made, learning=learning))
    together = result.read(str(tmp_path / 'chief' / 'train'), export_last=True)
    for one, other in zip(together.head().weights, replace(alone, export_last=True).head().weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


@pytest.mark.slow
def test_a_lost_node_ends_the_other_and_started_again_they_continue(records, tmp_path):
    more = (*_DENSE, '--max_steps', '100000', '--eval_interval_secs', '0.1', '--log_interval_secs', '0')
    with _nodes(records, tmp_path, *more) as (chief, worker):
        _wait_for(chief, 'Eval, step')
        worker.kill()
        said = chief.communicate(timeout=60)[1]
    assert chief.returncode == 5
    assert said.splitlines()[-3] == 'error: a node of the cluster was lost'
    step = checkpoints.latest(str(tmp_path / 'chief' / 'train')).step
    assert step > 0

    # Asked to stop, any node stops both, and what they did is saved.
    with _nodes(records, tmp_path, *more) as (chief, worker):
        _wait_for(chief, f'continuing from the checkpoint of step {step:,}')
        _wait_for(chief, 'Eval, step')
        worker.send_signal(signal.SIGTERM)
        chief.communicate(timeout=60)
        worker.communicate(timeout=60)
    assert (chief.returncode, worker.returncode) == (130, 130)
    assert checkpoints.latest(str(tmp_path / 'chief' / 'train')).step > step


def _wait_for(node, beginning):
    for line in node.stderr:
        if line.startswith(beginning):
            return
    raise AssertionError(f'the process ended without saying {beginning!r}')
