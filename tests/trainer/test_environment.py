import json

import pytest

from preprocess.failures import UsageError
from trainer.environment import Environment, read

_TWO = {'chief': ['a:1'], 'worker': ['b:2']}


def _config(cluster, task, **more):
    return {'TF_CONFIG': json.dumps({'cluster': cluster, 'task': task, **more})}


# What a cloud, gcloud or a person sets, and what it means.
CASES = {
    'nothing': ({}, Environment()),
    'an empty TF_CONFIG': ({'TF_CONFIG': ' '}, Environment()),
    'TF_CONFIG of gcloud local train': (_config({}, {}, job={'args': []}, environment='cloud'), Environment()),
    'nulls': ({'TF_CONFIG': '{"cluster": null, "task": null}'}, Environment()),
    'one master': (_config({'master': ['a:1']}, {'type': 'master', 'index': 0}), Environment()),
    'one worker': (_config({'worker': ['a:1']}, {'type': 'worker', 'index': 0}), Environment()),
    'one node, no task': (_config({'master': ['a:1']}, {}), Environment()),
    'a master beside parameter servers': (
        _config({'master': ['a:1'], 'ps': ['p:1']}, {'type': 'master', 'index': 0}),
        Environment(),
    ),
    'the chief of two': (_config(_TWO, {'type': 'chief', 'index': 0}), Environment(nodes=('a:1', 'b:2'))),
    'the worker of two': (
        _config(_TWO, {'type': 'worker', 'index': 0}),
        Environment(nodes=('a:1', 'b:2'), index=1, role='worker'),
    ),
    'master is chief': (
        _config({'master': ['a:1'], 'worker': ['b:2']}, {'type': 'master', 'index': '0'}),
        Environment(nodes=('a:1', 'b:2')),
    ),
    'workers alone: the first is chief': (
        _config({'worker': ['a:1', 'b:2']}, {'type': 'worker', 'index': 0}),
        Environment(nodes=('a:1', 'b:2')),
    ),
    'workers alone: the second': (
        _config({'worker': ['a:1', 'b:2']}, {'type': 'worker', 'index': 1}),
        Environment(nodes=('a:1', 'b:2'), index=1, role='worker'),
    ),
    'a parameter server': (
        _config({**_TWO, 'ps': ['p:1']}, {'type': 'ps', 'index': 0}),
        Environment(nodes=('a:1', 'b:2'), role='ps'),
    ),
    'an evaluator, which clusters do not list': (
        _config(_TWO, {'type': 'evaluator', 'index': 0}),
        Environment(nodes=('a:1', 'b:2'), role='evaluator'),
    ),
    'a trial': (_config({}, {'type': 'master', 'index': 0, 'trial': '7'}), Environment(trial='7')),
    "Vertex' pools": (
        {
            'CLUSTER_SPEC': json.dumps(
                {
                    'cluster': {'workerpool0': ['a:1'], 'workerpool1': ['b:2', 'c:3'], 'workerpool3': ['e:4']},
                    'task': {'type': 'workerpool1', 'index': 1},
                }
            )
        },
        Environment(nodes=('a:1', 'b:2', 'c:3'), index=2, role='worker'),
    ),
    'TF_CONFIG goes before CLUSTER_SPEC': (
        {**_config({}, {'trial': '3'}), 'CLUSTER_SPEC': '{"task": {"trial": "4"}}'},
        Environment(trial='3'),
    ),
    "Vertex' directories and data": (
        {
            'AIP_MODEL_DIR': 'gs://b/run/model/',
            'AIP_CHECKPOINT_DIR': 'gs://b/run/checkpoints/',
            'AIP_TENSORBOARD_LOG_DIR': 'gs://b/run/logs/',
            'AIP_TRAINING_DATA_URI': 'gs://b/train-*',
            'AIP_VALIDATION_DATA_URI': 'gs://b/eval-*',
            'CLOUD_ML_JOB_ID': '123',
        },
        Environment(
            model_dir='gs://b/run/model',
            checkpoint_dir='gs://b/run/checkpoints',
            log_dir='gs://b/run/logs',
            train_data='gs://b/train-*',
            eval_data='gs://b/eval-*',
            job_id='123',
        ),
    ),
    'a hyper-parameter trial': (
        {'CLOUD_ML_TRIAL_ID': '5'},
        Environment(metric_file='/tmp/hypertune/output.metrics', metric_trial='5'),
    ),
    'a file for its metrics': (
        {'CLOUD_ML_TRIAL_ID': '5', 'CLOUD_ML_HP_METRIC_FILE': '/m'},
        Environment(metric_file='/m', metric_trial='5'),
    ),
}


@pytest.mark.parametrize('case', CASES)
def test_the_environment_is_read(case):
    variables, expected = CASES[case]
    assert read(variables) == expected


@pytest.mark.parametrize(
    ('text', 'what'),
    [
        ('{', 'not JSON'),
        ('[]', 'not a JSON object'),
        ('{"cluster": []}', 'cluster is not'),
        ('{"task": "worker"}', 'task is not'),
        ('{"cluster": {"boss": ["a:1"]}}', "unknown task type 'boss'"),
        ('{"task": {"type": "boss"}}', "unknown task type 'boss'"),
        ('{"cluster": {"worker": "a:1"}}', 'worker is not a list'),
        ('{"cluster": {"worker": [1]}}', 'worker is not a list'),
        ('{"cluster": {"worker": ["nowhere"]}}', 'worker is not a list'),
        ('{"cluster": {"chief": ["a:1"], "master": ["b:1"]}}', '2 chiefs'),
        ('{"cluster": {"chief": ["a:1"], "worker": ["a:1"]}, "task": {"type": "chief"}}', 'twice'),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}', 'task index 2'),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": "x"}}', "task index 'x'"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', 'no task type'),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}', 'none in the cluster'),
    ],
)
def test_a_malformed_cluster_is_a_usage_error_that_names_the_variable(text, what):
    with pytest.raises(UsageError, match='malformed') as raised:
        read({'TF_CONFIG': text})
    assert what in raised.value.what
    assert raised.value.where == 'environment variable TF_CONFIG'
    assert raised.value.exit_code == 2


def test_only_the_chief_writes_and_idle_roles_do_not_train():
    assert Environment().is_chief
    assert not Environment(nodes=('a:1', 'b:2'), index=1, role='worker').is_chief
    idle = Environment(role='ps')
    assert (idle.trains, idle.is_chief) == (False, False)
