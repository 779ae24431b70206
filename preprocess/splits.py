"""Which side of a split a key is on: a stable hash, the usual spellings of sides, balancing."""

import hashlib
import re

TRAIN, EVAL, TEST = SIDES = ('train', 'eval', 'test')

# The usual names of split folders and of split columns' cells, without endings like -ing, -s, _set.
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
_ENDING = re.compile(r'[ _-]?(?:set|data|split|images|pictures|samples)$')
_HASH_VALUES = 1 << 64


def side_named(spelling: str) -> str | None:
    """The side a folder or cell names in one of the usual spellings, None when it names none."""
    word = _ENDING.sub('', spelling.strip().lower())
    for stem in (word, word.removesuffix('s'), word.removesuffix('ing'), word.removesuffix('ings')):
        if stem in _SPELLINGS:
            return _SPELLINGS[stem]
    return None


def position(key: str, *, seed: int) -> float:
    """Where a key stands in [0, 1), the same on every machine: blake2b (8 bytes, big-endian) of `SEED:KEY` in UTF-8."""
    digest = hashlib.blake2b(f'{seed}:{key}'.encode(), digest_size=8).digest()
    return int.from_bytes(digest, 'big') / _HASH_VALUES


def side(key: str, *, seed: int, eval_fraction: float, test_fraction: float) -> str:
    """The side of a key: the first `test_fraction` of positions is test, the next `eval_fraction` eval."""
    place = position(key, seed=seed)
    if place < test_fraction:
        return TEST
    return EVAL if place < test_fraction + eval_fraction else TRAIN
