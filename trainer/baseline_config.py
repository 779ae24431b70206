"""What trainer.baseline is asked for: signals with labels, which baselines, and their parameters."""

import argparse
from dataclasses import dataclass, field

from preprocess.bursts import BurstRule
from preprocess.failures import UsageError
from trainer.motion_baselines import HardRule, Past, Probabilistic
from trainer.motion_lstm_config import LstmConfig

PROBABILISTIC, HARD, LSTM, MAJORITY = BASELINES = ('probabilistic', 'hard_rule', 'lstm', 'majority')
RULES = (PROBABILISTIC, HARD)
_EXAMPLE = 'python -m trainer.baseline --motion_dir motion --output_dir baselines'


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """Everything the flags say; `arrays` has the signal and the labels of each set, where no folder has them."""

    output_dir: str
    motion_dir: str | None = None
    arrays: dict[str, tuple[str, str]] = field(default_factory=dict)
    label_names: tuple[str, ...] = ('rest', 'burst')
    frames_per_second: float = 30.0
    baselines: tuple[str, ...] = BASELINES
    label_rule: BurstRule = BurstRule()
    probabilistic: Probabilistic = Probabilistic()
    hard_rule: HardRule = HardRule()
    lstm: LstmConfig = LstmConfig()
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.output_dir:
            raise UsageError('--output_dir is missing', where='--output_dir', do=f'for instance: {_EXAMPLE}')
        if bool(self.motion_dir) == bool(self.arrays):
            raise UsageError(
                'the signal is named twice' if self.arrays else 'no signal is named',
                where='--motion_dir',
                do=f'give the output of preprocess.motion, or --signal and --labels: {_EXAMPLE}',
            )
        if unknown := [name for name in self.baselines if name not in BASELINES]:
            raise UsageError(
                f'there is no baseline {unknown[0]!r}', where='--baselines', do=f'choose from {", ".join(BASELINES)}'
            )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """All flags of the command."""
    _add_input_flags(parser.add_argument_group('signals in'))
    parser.add_argument('--output_dir', metavar='DIR', help='gets metrics.json, baselines.csv, roc.png, and each one')
    parser.add_argument(
        '--baselines', default=','.join(BASELINES), metavar='A,B', help='which ones (default: %(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of bootstrap intervals and of the LSTM (default 0)')
    _add_rule_flags(parser)
    _add_lstm_flags(parser.add_argument_group('the LSTM'))


def _add_input_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--motion_dir', metavar='DIR', help='the output of preprocess.motion')
    group.add_argument('--signal', metavar='Y_tilde.npy', help='or: the signal to be judged on')
    group.add_argument('--labels', metavar='Y_label.npy', help='and its labels')
    for side, what in (('train', 'to learn from'), ('test', 'kept back to the end')):
        group.add_argument(f'--{side}_signal', metavar='Y_tilde.npy', help=f'a signal {what}')
        group.add_argument(f'--{side}_labels', metavar='Y_label.npy', help='and its labels')
    group.add_argument('--label_names', default='rest,burst', metavar='A,B', help='what 0 and 1 are called')
    group.add_argument('--label_h', type=int, help='frames the labels look ahead (default: as they were made, 45)')
    group.add_argument('--fps', type=float, default=30.0, help='frames a second of the signals (default 30)')


def _add_rule_flags(parser: argparse.ArgumentParser) -> None:
    soft, hard = Probabilistic(), HardRule()
    group = parser.add_argument_group('the probabilistic rule')
    add = group.add_argument
    add('--d', type=int, default=soft.past.d, help='values looked back at (default %(default)s)')
    add('--b', type=float, default=soft.b, help='how near to the least motion rest is (default %(default)s)')
    add('--c', type=float, default=soft.c, help='how much motion must have varied (default %(default)s)')
    add('--g1', type=float, default=soft.g1, help='how sharply it must have varied (default %(default)s)')
    add('--g2', type=float, default=soft.g2, help='how sharply rest is told (default %(default)s)')
    add('--n', type=int, help='slices of 4 frames before an answer (default: as the labels, 30)')
    add('--h', type=int, default=soft.past.h, help='frames at the end without an answer (default %(default)s)')
    group = parser.add_argument_group('the hard rule')
    add = group.add_argument
    add('--hard_d', type=int, default=hard.past.d, help='values looked back at (default %(default)s)')
    add('--hard_b', type=float, default=hard.b, help='how near to the least motion rest is (default %(default)s)')
    add('--hard_c', type=float, default=hard.c, help='how much motion must have varied (default %(default)s)')


def _add_lstm_flags(group: argparse._ArgumentGroup) -> None:
    default = LstmConfig()
    group.add_argument('--window', type=int, help='values looked at (default: 4 n - 1, those of a clip)')
    group.add_argument('--layers', type=int, default=default.layers, help='how many (default %(default)s)')
    group.add_argument('--hidden_units', type=int, default=default.hidden_units, help='of each (default %(default)s)')
    group.add_argument('--max_steps', type=int, default=default.max_steps, help='training steps (default %(default)s)')
    group.add_argument(
        '--batch_size', type=int, default=default.batch_size, help='windows a step (default %(default)s)'
    )
    group.add_argument(
        '--learning_rate', type=float, default=default.learning_rate, help='how far weights move (default %(default)s)'
    )
    group.add_argument(
        '--class_weights',
        default=default.class_weights,
        metavar="none|balanced|'a=0.1,b=0.9'",
        help='how much the rows of each class count (default %(default)s)',
    )


def from_flags(flags: argparse.Namespace, *, rule: BurstRule) -> BaselineConfig:
    """The configuration the flags describe; `rule` is what the labels were made by."""
    label_rule = BurstRule(
        n=rule.n if flags.n is None else flags.n, h=rule.h if flags.label_h is None else flags.label_h
    )
    soft, hard = Past(flags.d, label_rule.n, flags.h), Past(flags.hard_d, label_rule.n, label_rule.h)
    return BaselineConfig(
        output_dir=flags.output_dir or '',
        motion_dir=flags.motion_dir,
        arrays=_arrays(flags),
        label_names=tuple(name.strip() for name in flags.label_names.split(',')),
        frames_per_second=flags.fps,
        baselines=tuple(name.strip() for name in flags.baselines.split(',')),
        label_rule=label_rule,
        probabilistic=Probabilistic(soft, flags.b, flags.c, flags.g1, flags.g2),
        hard_rule=HardRule(hard, flags.hard_b, flags.hard_c),
        lstm=LstmConfig(
            window=label_rule.valid(0).start if flags.window is None else flags.window,
            layers=flags.layers,
            hidden_units=flags.hidden_units,
            max_steps=flags.max_steps,
            batch_size=flags.batch_size,
            learning_rate=flags.learning_rate,
            class_weights=flags.class_weights,
            seed=flags.seed,
        ),
        seed=flags.seed,
    )


def _arrays(flags: argparse.Namespace) -> dict[str, tuple[str, str]]:
    """The signal and labels of each set, by its name."""
    found = {}
    for side, start in (('train', 'train_'), ('eval', ''), ('test', 'test_')):
        signal, labels = getattr(flags, f'{start}signal'), getattr(flags, f'{start}labels')
        if (signal is None) != (labels is None):
            absent = f'--{start}labels' if labels is None else f'--{start}signal'
            raise UsageError(f'{absent} is missing', where=absent, do='give a signal and its labels together')
        if signal:
            found[side] = (signal, labels)
    if found and 'eval' not in found:
        raise UsageError('--signal is missing', where='--signal', do='name the signal to be judged on')
    return found
