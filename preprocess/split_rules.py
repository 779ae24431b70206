"""How rows are to be divided into train, eval and test, as flags say it: by chance, by named groups, by time."""

import argparse
import math
from collections.abc import Iterable
from dataclasses import dataclass

from preprocess import contiguous, group_split, splits
from preprocess.contiguous import Contiguous
from preprocess.failures import UsageError
from preprocess.group_split import GroupSplit


@dataclass(frozen=True)
class SplitRules:
    """Fractions by a stable hash, unless somebody named the groups of every side or cuts recordings in time order."""

    eval_fraction: float = 0.1
    test_fraction: float = 0.0
    seed: int = 0
    groups: GroupSplit | None = None
    contiguous: Contiguous | None = None

    def __post_init__(self) -> None:
        for flag, fraction in (('--eval_fraction', self.eval_fraction), ('--test_fraction', self.test_fraction)):
            if not 0 <= fraction < 1 or math.isnan(fraction):
                raise UsageError(
                    f'{fraction:g} is no fraction', where=flag, do='give a number from 0 to less than 1, such as 0.1'
                )
        if self.eval_fraction + self.test_fraction >= 1:
            raise UsageError(
                'nothing would be left for training',
                where='--eval_fraction and --test_fraction',
                do='give fractions that are less than 1 together',
            )
        if self.groups and self.contiguous:
            raise UsageError(
                'groups and times are two ways to split',
                where=f'{group_split.FLAG} and {contiguous.FLAG}',
                do='give one of them',
            )

    @property
    def flag(self) -> str | None:
        """The flag that chooses sides outright, which goes before what the input says; None for fractions."""
        if self.groups:
            return group_split.FLAG
        return contiguous.FLAG if self.contiguous else None

    def side(self, key: str) -> str:
        """The side a key falls on."""
        return splits.side(key, seed=self.seed, eval_fraction=self.eval_fraction, test_fraction=self.test_fraction)

    def deal(self, keys: Iterable[str]) -> dict[str, str]:
        """The sides of a few keys, none of those wanted without one."""
        return splits.deal(keys, seed=self.seed, eval_fraction=self.eval_fraction, test_fraction=self.test_fraction)


def add_flags(parser: argparse._ActionsContainer) -> None:
    """The flags of these rules; --seed is shared with others."""
    default = SplitRules()
    parser.add_argument(
        '--eval_fraction',
        type=float,
        default=default.eval_fraction,
        help='fraction of the pictures to evaluate on, where the input has no splits of its own (default %(default)s)',
    )
    parser.add_argument(
        '--test_fraction',
        type=float,
        default=default.test_fraction,
        help='fraction of the pictures to test on once, at the very end (default %(default)s)',
    )
    parser.add_argument(
        '--split',
        metavar='SIDES',
        help='groups by name instead of fractions: train=P5-P9,eval=P10,test=P11',
    )
    parser.add_argument(
        '--contiguous',
        metavar='TRAIN,EVAL[,TEST]',
        help='cut every recording in time order instead: fractions (0.83,0.07,0.1) or counts of frames',
    )


def from_flags(flags: argparse.Namespace) -> SplitRules:
    """The rules the flags describe."""
    return SplitRules(
        eval_fraction=flags.eval_fraction,
        test_fraction=flags.test_fraction,
        seed=flags.seed,
        groups=None if flags.split is None else GroupSplit.parse(flags.split),
        contiguous=None if flags.contiguous is None else Contiguous.parse(flags.contiguous),
    )
