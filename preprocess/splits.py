"""Which side of a split a key is on: a stable hash, the usual spellings of sides, groups, balancing."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from preprocess.failures import UsageError

TRAIN, EVAL, TEST = SIDES = ('train', 'eval', 'test')

# The usual names of split folders and of a split column's cells, without endings like -ing, -s, _set.
_SPELLINGS = {
    'train': TRAIN,
    'trn': TRAIN,
    'learn': TRAIN,
    'eval': EVAL,
    'evaluate': EVAL,
    'evaluation': EVAL,
    'val': EVAL,
    'valid': EVAL,
    'validate': EVAL,
    'validation': EVAL,
    'dev': EVAL,
    'development': EVAL,
    'test': TEST,
    'holdout': TEST,
}
_ENDING = re.compile(r'[ _-]?(?:sets?|data|splits?|images|pictures|samples)$')
_HASH_VALUES = 1 << 64
# `<video>_<frame>_<box>.jpg`: crops that DeepMeerkat cuts out of one video are alike, so the video is the group.
_NAMED_PATTERNS = {'video_frame_box': r'(?:^|/)(?P<group>[^/]+)_\d+_\d+\.[^./]+$'}


@dataclass(frozen=True, slots=True)
class Candidate:
    """What balancing has to know of a row: its key, its class, its group."""

    key: str
    label: str
    group: str | None = None


def side_named(spelling: str) -> str | None:
    """The side a folder or cell names in one of the usual spellings, None when it names none."""
    word = _ENDING.sub('', spelling.strip().lower())
    for stem in (word, word.removesuffix('s'), word.removesuffix('ing'), word.removesuffix('ings')):
        if stem in _SPELLINGS:
            return _SPELLINGS[stem]
    return None


def merge_two_sides(named: Mapping[str, str]) -> dict[str, str]:
    """Sides by name, where a test side without an eval side is the eval side."""
    if set(named.values()) == {TRAIN, TEST}:
        return {name: EVAL if side == TEST else side for name, side in named.items()}
    return dict(named)


def position(key: str, *, seed: int) -> float:
    """Where a key stands in [0, 1): the 8-byte blake2b digest of the seed's digits and the key (UTF-8), big-endian."""
    digest = hashlib.blake2b(f'{seed}{key}'.encode(), digest_size=8).digest()
    return int.from_bytes(digest, 'big') / _HASH_VALUES


def side(key: str, *, seed: int, eval_fraction: float, test_fraction: float) -> str:
    """The side of a key: the first `test_fraction` of positions is test, the next `eval_fraction` eval."""
    place = position(key, seed=seed)
    if place < test_fraction:
        return TEST
    return EVAL if place < test_fraction + eval_fraction else TRAIN


def deal(keys: Iterable[str], *, seed: int, eval_fraction: float, test_fraction: float) -> dict[str, str]:
    """Sides of a few keys that can't wait for chance: by their positions, at least one for each side that is wanted.

    Training never goes without; of two keys the second is there to evaluate on.
    """
    ranked = sorted(set(keys), key=lambda key: (position(key, seed=seed), key))
    evals = min(_at_least_one(eval_fraction, len(ranked)), len(ranked) - 1)
    tests = max(0, min(_at_least_one(test_fraction, len(ranked)), len(ranked) - 1 - evals))
    return {
        key: TEST if place < tests else EVAL if place < tests + evals else TRAIN for place, key in enumerate(ranked)
    }


def compile_group_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern by name or as a regular expression; its group `group`, first group or whole match names the group."""
    try:
        return re.compile(_NAMED_PATTERNS.get(pattern, pattern))
    except re.error as error:
        raise UsageError(
            f'not a regular expression: {error}',
            where=f'--group_pattern {pattern}',
            do=f'mend it, or use the name of one: {", ".join(_NAMED_PATTERNS)}',
        ) from error


def group_in(key: str, pattern: re.Pattern[str]) -> str | None:
    """The group a pattern finds in a key, None when it finds none."""
    found = pattern.search(key)
    if not found:
        return None
    if 'group' in pattern.groupindex:
        return found['group'] or None
    return found[1 if pattern.groups else 0] or None


def balance(rows: Sequence[Candidate], *, seed: int) -> list[int]:
    """Places of the rows that stay when every class is cut to the smallest one's size, within each group first.

    Which rows stay depends on their keys alone. A group counts the classes it has; rows of groups that lack a class
    are the first to go where the classes are still uneven.
    """
    kept = _cut_within_groups(rows, seed)
    classes_of_group = _classes_by_group(rows)
    by_label: defaultdict[str, list[int]] = defaultdict(list)
    for place in kept:
        by_label[rows[place].label].append(place)
    smallest = min(map(len, by_label.values()), default=0)
    stay: list[int] = []
    for places in by_label.values():
        places.sort(key=lambda place: (-classes_of_group[rows[place].group], *_rank(rows[place], seed), place))
        stay += places[:smallest]
    return sorted(stay)


def _at_least_one(fraction: float, count: int) -> int:
    return max(1, round(fraction * count)) if fraction else 0


def _cut_within_groups(rows: Sequence[Candidate], seed: int) -> list[int]:
    cells: defaultdict[tuple[str | None, str], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        cells[row.group, row.label].append(place)
    smallest: dict[str | None, int] = {}
    for (group, _), places in cells.items():
        smallest[group] = min(len(places), smallest.get(group, len(places)))
    kept: list[int] = []
    for (group, _), places in cells.items():
        places.sort(key=lambda place: (*_rank(rows[place], seed), place))
        kept += places[: smallest[group]]
    return kept


def _rank(row: Candidate, seed: int) -> tuple[float, str]:
    return position(row.key, seed=seed), row.key


def _classes_by_group(rows: Iterable[Candidate]) -> Counter[str | None]:
    return Counter(group for group, _ in {(row.group, row.label) for row in rows})
