"""What a training is asked for: the settings, their flags and their defaults."""

import argparse
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import NamedTuple

from preprocess import files
from preprocess.command import FlagParser
from preprocess.failures import UsageError
from trainer import class_weights, head_kinds
from trainer.environment import Environment
from trainer.head_kinds import KINDS, LAST, WINDOW_LABELS, Windowing

DEFAULT_MAX_STEPS = 1000
# The names of trainer/optimizers.py, which needs TensorFlow: --help does without it. A test holds them together.
OPTIMIZERS = ('adam', 'sgd', 'momentum', 'rmsprop')
HEADS = tuple(KINDS)
# What the best weights are chosen by, and whether more of it is better.
SELECT_BY = {'eval_loss': False, 'eval_accuracy': True, 'eval_auc': True}
VERBOSITIES = ('DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL')


@dataclass(frozen=True)
class _Rule:
    """Which values a setting may have, as a test and in words."""

    allows: Callable[[object], bool]
    words: str


def _number(test: Callable[[float], bool], words: str) -> _Rule:
    return _Rule(lambda value: isinstance(value, int | float) and math.isfinite(value) and test(value), words)


def _one_of(choices: Collection[str]) -> _Rule:
    return _Rule(lambda value: value in choices, f'one of {", ".join(choices)}')


_ONE_OR_MORE = _number(lambda value: value >= 1, '1 or more')
_TWO_OR_MORE = _number(lambda value: value >= 2, '2 or more')
_NOT_NEGATIVE = _number(lambda value: value >= 0, '0 or more')
_POSITIVE = _number(lambda value: value > 0, 'more than 0')
_FRACTION = _number(lambda value: 0 <= value < 1, 'the fraction dropped, from 0 to below 1')


def _check(settings: object, rule: _Rule, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value is not None and not rule.allows(value):
            raise UsageError(f'{name} must be {rule.words}, got {value}', where=f'--{name}', do='give another value')


@dataclass(frozen=True, kw_only=True)
class Learning:
    """What the trained weights depend on, beside the records."""

    max_steps: int | None = None  # None: DEFAULT_MAX_STEPS, or what --epochs asks for
    epochs: int | None = None
    head: str = 'softmax'
    # None where the kind of head decides: once born, only what the head has not is None.
    batch_size: int = None  # type: ignore[assignment]
    hidden_units: int = None  # type: ignore[assignment]
    window: int | None = None
    stride: int | None = None
    window_label: str | None = None
    layers: int | None = None
    filters: int | None = None
    clip_frames: int | None = None
    augment: str | None = None
    dropout: float = 0.5
    optimizer: str = 'adam'
    learning_rate: float = 1e-3
    l2: float = 0.0
    class_weights: str = class_weights.NONE
    select_by: str = 'eval_loss'
    early_stopping_steps: int | None = None
    eval_set_size: int | None = None
    unlabelled_class: bool = False
    multi_label: bool = False
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_steps is not None and self.epochs is not None:
            raise UsageError(
                '--max_steps and --epochs exclude each other', where='--epochs', do='leave one of them out'
            )
        _check(self, _ONE_OR_MORE, 'max_steps', 'epochs', 'early_stopping_steps', 'eval_set_size', 'limit')
        _check(self, _ONE_OR_MORE, 'batch_size', 'stride', 'layers', 'filters', 'clip_frames')
        _check(self, _TWO_OR_MORE, 'window')
        _check(self, _POSITIVE, 'learning_rate')
        _check(self, _FRACTION, 'dropout')
        _check(self, _NOT_NEGATIVE, 'hidden_units', 'l2', 'seed')
        _check(self, _one_of(HEADS), 'head')
        _check(self, _one_of(WINDOW_LABELS), 'window_label')
        _check(self, _one_of(OPTIMIZERS), 'optimizer')
        _check(self, _one_of(SELECT_BY), 'select_by')
        class_weights.parse(self.class_weights)
        self._settle_head()

    def _settle_head(self) -> None:
        """Give what was left open the values of the kind of head."""
        head_kinds.check(self.head, vars(self))
        for name in ('batch_size', 'hidden_units', *head_kinds.SETTINGS):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(KINDS[self.head], name))
        if self.augment is not None:
            object.__setattr__(self, 'augment', ','.join(head_kinds.flips(self.augment)))
        if self.window and self.clip_frames and self.window % self.clip_frames:
            raise UsageError(
                f'a window of {self.window} frames can not be cut into slices of {self.clip_frames}',
                where='--clip_frames',
                do=f'make --window a multiple of it, say {max(self.window // self.clip_frames, 1) * self.clip_frames}',
            )

    @property
    def windowing(self) -> Windowing | None:
        """How windows are cut, where the head looks at windows."""
        if self.window is None:
            return None
        return Windowing(self.window, self.stride or 1, self.window_label or LAST)

    @property
    def flips(self) -> tuple[str, ...]:
        """In which ways frames are flipped at random."""
        return tuple(self.augment.split(',')) if self.augment else ()


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a training looks up from its work, and what it says; the weights don't depend on it."""

    eval_batch_size: int = 1024
    eval_interval_secs: float = 2.0
    min_train_eval_rate: float = 2.0
    log_interval_secs: float = 2.0
    streaming_eval: bool = False
    verbosity: str = 'INFO'

    def __post_init__(self) -> None:
        _check(self, _ONE_OR_MORE, 'eval_batch_size')
        _check(self, _NOT_NEGATIVE, 'eval_interval_secs', 'min_train_eval_rate', 'log_interval_secs')
        _check(self, _one_of(VERBOSITIES), 'verbosity')

    @property
    def talks(self) -> bool:
        """Whether progress is told line by line."""
        return self.verbosity in ('DEBUG', 'INFO')


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training: which records, where to, and how."""

    train_data_paths: tuple[str, ...]
    eval_data_paths: tuple[str, ...]
    output_path: str
    checkpoint_dir: str = ''  # '': OUTPUT/train
    log_dir: str = ''  # TensorBoard's; '': OUTPUT
    model_dir: str = ''  # '': OUTPUT/model
    label_count: int | None = None
    input_dict: str | None = None
    encoder: str | None = None
    encoder_weights: str | None = None
    export_last: bool = False
    write_predictions: bool = False
    overwrite: bool = False
    keep_previous: bool = False  # the model that is replaced stays, as MODEL.previous
    redo_if_changed: bool = False  # train anew, instead of refusing, where the directory holds another training
    learning: Learning = field(default_factory=Learning)
    schedule: Schedule = field(default_factory=Schedule)

    def __post_init__(self) -> None:
        for name in ('train_data_paths', 'eval_data_paths'):
            if not getattr(self, name):
                raise UsageError(f'--{name} is missing', where=f'--{name}', do='name records by PREFIX, folder or glob')
        if not self.output_path:
            raise UsageError('--output_path is missing', where='--output_path', do='say where the result goes')
        _check(self, _TWO_OR_MORE, 'label_count')
        defaults = {
            'checkpoint_dir': files.join(self.output_path, 'train'),
            'log_dir': self.output_path,
            'model_dir': files.join(self.output_path, 'model'),
        }
        for name, default in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, default)


def add_flags(parser: FlagParser) -> None:
    """All flags of trainer.task."""
    data = parser.add_argument_group('records in')
    data.add_argument(
        '--train_data_paths', action='extend', nargs='+', metavar='PREFIX|FOLDER|GLOB', help='training records'
    )
    data.add_argument(
        '--eval_data_paths', action='extend', nargs='+', metavar='PREFIX|FOLDER|GLOB', help='evaluation records'
    )
    data.add_argument('--limit', type=int, metavar='N', help='learn from N records only, spread over the classes')
    data.add_argument('--multi_label', action='store_true', help='records may have several labels: one sigmoid each')
    raw = parser.add_argument_group('for records without a manifest')
    raw.add_argument('--label_count', '--classifier_label_count', type=int, metavar='L', help='how many labels')
    raw.add_argument('--input_dict', metavar='FILE', help='dict.txt: one label a line (default: they are called 0, 1…)')
    raw.add_argument('--encoder', help='what made the embeddings; without it the model takes embeddings only')
    raw.add_argument('--encoder_weights', metavar='FILE|random', help="the encoder's weights")
    out = parser.add_argument_group('result out')
    out.add_argument('--output_path', metavar='DIR', help="result directory (default: --job_dir, then AIP_MODEL_DIR's)")
    out.add_argument('--job_dir', metavar='DIR', help="gcloud's name for --output_path")
    out.add_argument('--overwrite', action='store_true', help='train anew whatever the directory holds')
    out.add_argument('--keep_previous', action='store_true', help='keep the model that is replaced as model.previous')
    out.add_argument('--seed', type=int, default=0, help='start of all chance: weights, order, drop-out (default 0)')
    out.add_argument('--verbosity', choices=VERBOSITIES, default='INFO', help='how much is said (default INFO)')
    add_learning_flags(parser)


def add_learning_flags(parser: FlagParser) -> None:
    """The flags that pipeline.py shares with trainer.task."""
    _add_head_flags(parser.add_argument_group('the head and how it learns'))
    _add_sequence_flags(parser.add_argument_group('heads of footage: windows of frames, and pixels'))
    _add_evaluation_flags(parser.add_argument_group('evaluation and export'))
    _add_retired_flags(parser.add_argument_group('flags of the earlier scripts, accepted and explained'))


def _add_head_flags(head: argparse._ArgumentGroup) -> None:
    head.add_argument('--max_steps', type=int, metavar='N', help=f'training steps (default {DEFAULT_MAX_STEPS})')
    head.add_argument('--epochs', type=int, metavar='N', help='instead: how often every record is learnt from')
    add_number = partial(head.add_argument, type=int, metavar='N')
    add_number('--batch_size', help=f'records or windows a step on each node (default {_default("batch_size")})')
    head.add_argument('--head', choices=HEADS, default='softmax', help='the kind of head (default softmax)')
    head.add_argument('--dropout', type=float, default=0.5, help='fraction of hidden units dropped (default 0.5)')
    add_number('--hidden_units', help=f'size of the hidden layer, 0: none (default {_default("hidden_units")})')
    head.add_argument('--optimizer', choices=OPTIMIZERS, default='adam', help='how weights move (default adam)')
    head.add_argument('--learning_rate', type=float, default=1e-3, help='how far weights move (default 0.001)')
    head.add_argument('--l2', type=float, default=0.0, help='penalty on the squares of the weights (default 0)')
    head.add_argument(
        '--class_weights',
        default=class_weights.NONE,
        metavar="none|balanced|'a=0.13,b=0.87'",
        help='how much the rows of each class count (default none: all alike)',
    )
    head.add_argument('--unlabelled_class', action='store_true', help='one more class, last, for rows without a label')
    head.add_argument('--early_stopping_steps', type=int, metavar='N', help='stop when N steps brought nothing better')


def _add_sequence_flags(sequences: argparse._ArgumentGroup) -> None:
    add_number = partial(sequences.add_argument, type=int, metavar='N')
    add_number('--window', help=f'consecutive frames of one recording seen together (default {_default("window")})')
    add_number('--stride', help=f'frames from one window to the next (default {_default("stride")})')
    sequences.add_argument(
        '--window_label',
        choices=WINDOW_LABELS,
        help=f'whose label a window has: of its last or centre frame, or of most (default {_default("window_label")})',
    )
    add_number('--clip_frames', help=f'frames stacked as channels of a slice (default {_default("clip_frames")})')
    add_number('--layers', help=f'recurrent or convolutional layers (default {_default("layers")})')
    add_number('--filters', help=f'filters of the first layer, each has twice as many (default {_default("filters")})')
    sequences.add_argument(
        '--augment', metavar='h,v,hv', help='flip frames at random: left-right, upside down, both (heads of pixels)'
    )


def _default(setting: str) -> str:
    return head_kinds.default_text(setting)


def _add_evaluation_flags(evaluation: argparse._ArgumentGroup) -> None:
    add = evaluation.add_argument
    add('--select_by', choices=tuple(SELECT_BY), default='eval_loss', help='what the best is (default eval_loss)')
    add('--export_last', action='store_true', help='export the last weights, not the best')
    add('--write_predictions', action='store_true', help='write eval/predictions.csv; a finished training suffices')
    add('--eval_set_size', type=int, metavar='N', help='evaluate on N of the evaluation records (default: all)')
    add('--eval_batch_size', type=int, default=1024, help='records evaluated at a time (default 1024)')
    add('--eval_interval_secs', type=float, default=2.0, help='time between evaluations, which may grow (default 2)')
    add(
        '--min_train_eval_rate',
        type=float,
        default=2.0,
        help='train at least this many times as long as evaluate (default 2)',
    )
    add('--log_interval_secs', type=float, default=2.0, help='time between lines on progress (default 2)')
    add('--streaming_eval', action='store_true', help='read evaluation records each time, keep none in memory')


# What each flag of the earlier scripts that we accept and don't read was replaced by.
RETIRED = {
    'write_to_tmp': 'results are written where they belong, each whole or not at all',
    'copy_train_data_to_tmp': 'records are read once and kept in memory',
    'copy_eval_data_to_tmp': 'records are read once and kept in memory',
    'inception_checkpoint_file': "the encoder stands beside the records; without a manifest it is --encoder's",
}


def _add_retired_flags(retired: argparse._ArgumentGroup) -> None:
    for name in ('write_to_tmp', 'copy_train_data_to_tmp', 'copy_eval_data_to_tmp'):
        retired.add_argument(f'--{name}', action='store_true', help=f'not needed: {RETIRED[name]}')
    retired.add_argument(
        '--inception_checkpoint_file', metavar='FILE', help=f'not needed: {RETIRED["inception_checkpoint_file"]}'
    )


def retired_lines(found: argparse.Namespace) -> list[str]:
    """A line for each retired flag that was given."""
    return [f'--{name} is not needed any more: {why}' for name, why in RETIRED.items() if getattr(found, name)]


def learning_from_flags(found: argparse.Namespace) -> Learning:
    """The settings of a training from flags (pipeline.py's or trainer.task's)."""
    return Learning(**{each.name: getattr(found, each.name) for each in fields(Learning)})


def schedule_from_flags(found: argparse.Namespace) -> Schedule:
    """When to evaluate and what to say, from flags (pipeline.py's or trainer.task's)."""
    return Schedule(**{each.name: getattr(found, each.name) for each in fields(Schedule)})


def from_flags(found: argparse.Namespace, environment: Environment) -> TrainConfig:
    """The training that flags ask for; what they leave out is the environment's."""
    places = _places(found.output_path or found.job_dir, environment)
    return TrainConfig(
        train_data_paths=_paths(found.train_data_paths, environment.train_data),
        eval_data_paths=_paths(found.eval_data_paths, environment.eval_data),
        output_path=places.output_path,
        model_dir=places.model_dir,
        checkpoint_dir=places.checkpoint_dir,
        log_dir=places.log_dir,
        label_count=found.label_count,
        input_dict=found.input_dict,
        encoder=found.encoder,
        encoder_weights=found.encoder_weights,
        export_last=found.export_last,
        write_predictions=found.write_predictions,
        overwrite=found.overwrite,
        keep_previous=found.keep_previous,
        learning=learning_from_flags(found),
        schedule=schedule_from_flags(found),
    )


def _paths(given: Sequence[str] | None, of_environment: str | None) -> tuple[str, ...]:
    return tuple(given or ([of_environment] if of_environment else []))


class _Places(NamedTuple):
    """Where things go; '' where that follows from the output path."""

    output_path: str
    model_dir: str = ''
    checkpoint_dir: str = ''
    log_dir: str = ''


def _places(given: str | None, environment: Environment) -> _Places:
    """Below a directory that was named, else where the cloud keeps things."""
    if given:
        # Trials of one study are told the same directory.
        return _Places(files.join(given, environment.trial) if environment.trial else given)
    known = [place for place in (environment.model_dir, environment.checkpoint_dir, environment.log_dir) if place]
    return _Places(
        files.parent(known[0]) if known else '',
        environment.model_dir or '',
        environment.checkpoint_dir or '',
        environment.log_dir or '',
    )
