"""A training as the flags of trainer.task that ask for it, on whatever machine it is to run."""

from dataclasses import fields

from preprocess.settings import Json
from trainer.config import Learning, Schedule, TrainConfig

_PATHS = ('train_data_paths', 'eval_data_paths')
# Of TrainConfig itself: those that have flags of their own names.
_OWN = (
    'output_path',
    'label_count',
    'input_dict',
    'encoder',
    'encoder_weights',
    'export_last',
    'write_predictions',
    'keep_previous',
)


def task_flags(config: TrainConfig) -> list[str]:
    """The words behind `python -m trainer.task`; what is as it would be anyway is left out.

    Without --overwrite: a job that is started again goes on from its checkpoints.
    """
    words: list[str] = []
    for name in _PATHS:
        words += [f'--{name}', *getattr(config, name)]
    for name in _OWN:
        words += _words(name, getattr(config, name), None)
    learning = config.learning
    defaults = Learning(head=learning.head)
    for field in fields(Learning):
        default = Learning().head if field.name == 'head' else getattr(defaults, field.name)
        words += _words(field.name, getattr(learning, field.name), default)
    for field in fields(Schedule):
        words += _words(field.name, getattr(config.schedule, field.name), field.default)
    return words


def _words(name: str, value: Json, default: object) -> list[str]:
    if value is None or value is False or value == default:
        return []
    if value is True:
        return [f'--{name}']
    # With an equals sign, so that a value may begin with a hyphen.
    return [f'--{name}={value}']
