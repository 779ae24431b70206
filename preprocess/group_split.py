"""Whole groups (subjects, sites) on the sides somebody chose for them: `train=P5-P9,eval=P10,test=P11`."""

import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from preprocess.failures import InputError, UsageError
from preprocess.splits import EVAL, SIDES, TRAIN, side_named

FLAG = '--split'
_EXAMPLE = 'train=P5-P9,eval=P10,test=P11'
_FROM_TO = re.compile(r'(?s)(?P<stem>.*?)(?P<first>\d+)-(?P<again>.*?)(?P<last>\d+)')
_NUMBERED = re.compile(r'(?s)(?P<stem>.*?)(?P<number>\d+)')
_MOST_NAMED = 40


@dataclass(frozen=True)
class GroupSplit:
    """The sides in words: (side, group, `P5-P9` or pattern), in the order they were given."""

    words: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """`side=group,group,…` one after the other; a word without a side belongs to the one before it."""
        words: list[tuple[str, str]] = []
        side = None
        for cell in map(str.strip, text.split(',')):
            name, equals, rest = cell.partition('=')
            if equals and (side is None or side_named(name)):
                side, cell = _side(name), rest.strip()
            if side is None:
                raise UsageError(f'{cell!r} is on no side', where=f'{FLAG} {text}', do=f'write it as in {_EXAMPLE}')
            if cell:
                words.append((side, unicodedata.normalize('NFC', cell)))
        return cls(tuple(words))

    def __post_init__(self) -> None:
        if TRAIN not in {side for side, _ in self.words}:
            raise UsageError('no group is there to learn from', where=FLAG, do=f'write it as in {_EXAMPLE}')

    def sides(self, groups: Iterable[str]) -> dict[str, str]:
        """The side of every group there is; a name nobody has, or a group nobody named, is refused."""
        known = in_order(groups)
        found: dict[str, str] = {}
        for side, word in self.words:
            _put(_named(word, known), side, found)
        # A pattern takes what nobody named outright.
        rest = [group for group in known if group not in found]
        for side, word in self.words:
            _put(_fitting(word, rest), side, found)
        self._check_complete(known, found)
        return found

    def _check_complete(self, known: Sequence[str], found: dict[str, str]) -> None:
        listed = f'the groups there are: {some(known)}'
        if unknown := [word for _, word in self.words if not _named(word, known) and not _fitting(word, known)]:
            raise InputError(f'there is no group {", ".join(map(repr, unknown))}', where=FLAG, do=listed)
        if left := [group for group in known if group not in found]:
            raise InputError(f'on no side: {some(left)}', where=FLAG, do=f'name a side for every group; {listed}')


def in_order(names: Iterable[str]) -> list[str]:
    """Names, each once, as people count: P5, P6, P10."""
    return sorted(set(names), key=counting)


def counting(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """What sorts names as people count: the numbers in them as numbers."""
    return [_counted(piece) for piece in re.split(r'(\d+)', name)], name


def leaving_out(group: str, groups: Iterable[str]) -> dict[str, str]:
    """One group to evaluate on, all the others to learn from."""
    return {each: EVAL if each == group else TRAIN for each in groups}


def some(names: Sequence[str]) -> str:
    """Names for a message, not without end."""
    more = f' and {len(names) - _MOST_NAMED} more' if len(names) > _MOST_NAMED else ''
    return ', '.join(names[:_MOST_NAMED]) + more


def _side(name: str) -> str:
    side = side_named(name)
    if side is None:
        raise UsageError(f'{name!r} is no side', where=FLAG, do=f'the sides are {", ".join(SIDES)}: {_EXAMPLE}')
    return side


def _named(word: str, groups: Sequence[str]) -> list[str]:
    """The group of that name, or those from one number to another."""
    if word in groups:
        return [word]
    ends = _FROM_TO.fullmatch(word)
    if not ends or ends['again'] not in ('', ends['stem']):
        return []
    numbers = {group: int(found['number']) for group in groups if (found := _of_stem(group, ends['stem']))}
    first, last = int(ends['first']), int(ends['last'])
    # Both ends have to be there: a mistyped one would leave groups out unseen.
    if not {first, last} <= {*numbers.values()}:
        return []
    return [group for group, number in numbers.items() if first <= number <= last]


def _of_stem(group: str, stem: str) -> re.Match[str] | None:
    found = _NUMBERED.fullmatch(group)
    return found if found and found['stem'] == stem else None


def _fitting(word: str, groups: Sequence[str]) -> list[str]:
    return [group for group in groups if fnmatch.fnmatchcase(group, word)]


def _put(groups: Iterable[str], side: str, found: dict[str, str]) -> None:
    for group in groups:
        if (other := found.setdefault(group, side)) != side:
            what = f'{group} is on two sides, {other} and {side}'
            raise UsageError(what, where=FLAG, do='name every group once')


def _counted(piece: str) -> tuple[int, int, str]:
    return (0, int(piece), '') if piece.isdecimal() else (1, 0, piece)
