"""A training becomes flags, and the flags become the same training."""

import pytest

from preprocess.command import FlagParser
from trainer import config as configuration
from trainer.config import Learning, Schedule, TrainConfig
from trainer.environment import Environment
from trainer.task_flags import task_flags

PATHS = {'train_data_paths': ('gs://b/a b/train', 'gs://b/more-*'), 'eval_data_paths': ('gs://b/eval',)}
LEARNINGS = {
    'as it is': Learning(),
    'of everything': Learning(
        max_steps=7,
        batch_size=3,
        hidden_units=0,
        dropout=0.25,
        optimizer='sgd',
        learning_rate=1e-5,
        l2=0.1,
        class_weights='a=0.13,b=0.87',
        select_by='eval_auc',
        early_stopping_steps=4,
        eval_set_size=5,
        unlabelled_class=True,
        limit=50,
        seed=9,
    ),
    'by epochs': Learning(epochs=3, multi_label=True),
    'lstm': Learning(head='lstm', window=8, stride=2, layers=1, window_label='majority'),
    'convlstm': Learning(head='convlstm', augment='h,v', learning_rate=8e-5),
}


@pytest.mark.parametrize('name', LEARNINGS)
def test_flags_of_a_training_ask_for_that_training(name: str) -> None:
    config = TrainConfig(
        **PATHS,
        output_path='gs://b/out',
        label_count=3,
        input_dict='gs://b/dict.txt',
        encoder='inception_v3',
        encoder_weights='gs://b/w.h5',
        export_last=True,
        write_predictions=True,
        keep_previous=True,
        learning=LEARNINGS[name],
        schedule=Schedule(eval_interval_secs=0.5, streaming_eval=True, verbosity='DEBUG'),
    )
    parser = FlagParser('trainer.task', '')
    configuration.add_flags(parser)
    assert configuration.from_flags(parser.parse_args(task_flags(config)), Environment()) == config


def test_what_is_as_it_would_be_anyway_is_left_out_and_a_job_never_overwrites() -> None:
    config = TrainConfig(**PATHS, output_path='gs://b/out', overwrite=True)
    assert task_flags(config) == [
        *('--train_data_paths', 'gs://b/a b/train', 'gs://b/more-*'),
        *('--eval_data_paths', 'gs://b/eval', '--output_path=gs://b/out'),
    ]
