"""A recording cut in time order: the first part of it to learn from, the next to evaluate on, the last to test on."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Self

from preprocess.failures import InputError, UsageError
from preprocess.splits import SIDES

FLAG = '--contiguous'
_FEWEST_PARTS = 2


class Part(NamedTuple):
    """A part of a recording: its side, its first place and the one after its last."""

    side: str
    first: int
    end: int


@dataclass(frozen=True)
class Contiguous:
    """How much of every recording is on which side, train first: fractions that are 1 together, or counts of frames."""

    shares: tuple[Fraction, ...]
    are_counts: bool = False

    def __post_init__(self) -> None:
        if not _FEWEST_PARTS <= len(self.shares) <= len(SIDES):
            raise _unfit(f'{len(self.shares)} numbers', do='give train,eval or train,eval,test, such as 0.8,0.1,0.1')
        if any(share < 0 for share in self.shares) or not any(self.shares):
            raise _unfit('a part of a recording can not be less than nothing, nor all of them nothing')

    @classmethod
    def parse(cls, text: str) -> Self:
        """`0.83,0.07,0.1` (made 1 together) or `44956,3593,5367`: whole numbers above 1 are counts of frames."""
        cells = [cell.strip() for cell in text.split(',')]
        try:
            shares = tuple(Fraction(cell) for cell in cells)
        except (ValueError, ZeroDivisionError):
            raise _unfit(f'{text!r} is no list of numbers') from None
        are_counts = all(cell.isdecimal() for cell in cells) and max(shares) > 1
        # What can't be divided is refused when it is born.
        total = 1 if are_counts else sum(shares) or 1
        return cls(tuple(share / total for share in shares), are_counts)

    @property
    def text(self) -> str:
        """How it is said."""
        return ','.join(f'{float(share):.6g}' if share.denominator > 1 else str(share) for share in self.shares)

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides, in the order of time."""
        return SIDES[: len(self.shares)]

    def cut(self, count: int, *, where: str = FLAG) -> list[Part]:
        """The parts of a recording of `count` frames, in order, none of its frames in two; empty ones too."""
        borders = [int(border + Fraction(1, 2)) for border in self.borders(Fraction(count), where=where)]
        return [
            Part(side, *ends) for side, ends in zip(self.sides, zip([0, *borders], borders, strict=False), strict=True)
        ]

    def borders(self, total: Fraction, *, where: str = FLAG) -> list[Fraction]:
        """Where the parts of something `total` long end; counts must be that long together."""
        if self.are_counts and sum(self.shares) != total:
            raise InputError(
                f'{FLAG} adds up to {int(sum(self.shares)):,} frames, the recording has {int(total):,}',
                where=where,
                do='correct the counts, or give fractions: 0.83,0.07,0.1',
            )
        unit = Fraction(1) if self.are_counts else total
        return [sum(self.shares[: place + 1], Fraction(0)) * unit for place in range(len(self.shares))]

    def sides_of(self, weights: Sequence[Fraction], *, where: str = FLAG) -> list[str]:
        """The side of each of the things in time order, none of which is cut: that of its middle by weight."""
        borders = self.borders(sum(weights, Fraction(0)), where=where)
        found: list[str] = []
        before = Fraction(0)
        for weight in weights:
            middle = before + weight / 2
            before += weight
            found.append(next((side for side, border in zip(self.sides, borders, strict=True) if middle < border), ''))
        # What weighs nothing at the very end has its middle on the last border.
        last = next(side for side, share in reversed([*zip(self.sides, self.shares, strict=True)]) if share)
        return [side or last for side in found]


def _unfit(what: str, *, do: str = 'give fractions, such as 0.83,0.07,0.1, or counts of frames') -> UsageError:
    return UsageError(what, where=FLAG, do=do)
