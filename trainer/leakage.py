"""Pictures on both sides of a split, found from the records alone: what makes an accuracy look better than it is."""

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from preprocess.progress import Progress
from trainer.embedded_set import EmbeddedSet
from trainer.metrics import Floats, Ints

# The cosine of two vectors along the 64 strongest directions of the training vectors, each scaled to the same spread:
# classes and backgrounds fill a few strong directions, which else make all pictures of a class look alike. Measured
# with two encoders (MobileNet v2, mini) on 300 photographs and 400 drawings, half against half and 50 against the rest:
# at most 1 in 700 different pictures reaches 0.9; of photographs saved again as JPEG (quality 75) or WebP, or made 15 %
# brighter, 96 % do.
NEAR = 0.9
_DIRECTIONS = 64
# From fewer rows those directions can't be told: then only equal vectors count.
_FEWEST_ROWS = 20
_MOST_ROWS_FOR_DIRECTIONS = 2048
MOST_EXAMPLES = 50
SAME_FILE, SAME_VECTOR, ALIKE = 'same file', 'same vector', 'alike'
_LEFT_ROWS, _RIGHT_ROWS = 8192, 2048  # 64 MB of cosines at a time
# Multiplications after which only a sample is compared: about 15 s on two cores.
_WORK_LIMIT = 500_000_000_000


@dataclass(frozen=True)
class Twin:
    """A picture of the right set and its like in the left one; `kind` is the strongest thing that ties them."""

    kind: str
    left: str
    right: str
    left_label: str
    right_label: str
    cosine: float | None  # of those that are alike


@dataclass(frozen=True)
class Overlap:
    """What two sets share, counted in rows of the right one (and in groups)."""

    left: str
    right: str
    rows: int
    same_file: int
    same_vector: int  # byte for byte
    alike: int  # neither, but nearer than different pictures are
    compared: int  # rows looked at for likeness; fewer than `rows` in very large sets
    contradicting: int  # rows whose twin has other labels
    groups: int
    examples: tuple[Twin, ...]
    group_examples: tuple[str, ...]


@dataclass(frozen=True)
class Leakage:
    """What the sets of a run share, pair by pair."""

    threshold: float
    overlaps: tuple[Overlap, ...]


@dataclass(frozen=True, eq=False)
class _Twins:
    """For each right row the number of its left twin by each kind of likeness; -1 where there is none."""

    by_kind: dict[str, Ints]  # strongest first
    cosines: Floats
    compared: int

    @property
    def rows(self) -> Ints:
        """The left twin by the strongest kind there is."""
        kinds = list(self.by_kind.values())
        return np.select([twins >= 0 for twins in kinds], kinds, default=-1)

    def kind(self, row: int) -> str:
        """What ties a right row to its twin."""
        return next(kind for kind, twins in self.by_kind.items() if twins[row] >= 0)

    def count(self, kind: str) -> int:
        """How many right rows have a twin of this kind."""
        return int(np.sum(self.by_kind[kind] >= 0))


def find(sets: Sequence[EmbeddedSet], label_names: Sequence[str], *, seed: int = 0) -> tuple[Leakage, dict[str, Ints]]:
    """Compare the first set (what was trained on) with the others, and the others with each other.

    Also gives, by the names of the other sets, the numbers of their rows that have a twin in the first.
    """
    turned = _turned(sets, seed)
    overlaps, leaked = [], {}
    for left, right in combinations(range(len(sets)), 2):
        twins = _twins(sets[left], sets[right], (turned[left], turned[right]), seed)
        overlaps.append(_overlap(sets[left], sets[right], twins, label_names))
        if left == 0:
            leaked[sets[right].name] = np.flatnonzero(twins.rows >= 0)
    return Leakage(NEAR, tuple(overlaps)), leaked


def _turned(sets: Sequence[EmbeddedSet], seed: int) -> list[Floats]:
    """The vectors of each set as directions of length 1 (or 0, where they tell nothing) in the space of likeness."""
    from sklearn.utils.extmath import randomized_svd

    train = sets[0].vectors
    mean = train.mean(axis=0)
    if len(train) < _FEWEST_ROWS:
        return [np.zeros((len(one), 1), np.float32) for one in sets]
    chosen = np.random.default_rng(seed).permutation(len(train))[:_MOST_ROWS_FOR_DIRECTIONS]
    count = min(_DIRECTIONS, len(chosen) - 1, train.shape[1])
    _, spreads, axes = randomized_svd(train[chosen] - mean, count, random_state=seed)
    # Where vectors don't differ but in their last bits, there is nothing to scale.
    real = spreads > 1e-4 * np.linalg.norm(mean) + 1e-9
    basis = (axes[real] / spreads[real, None]).T.astype(np.float32)
    # The mean is taken off afterwards: before, it would cost a copy of all vectors.
    return [_unit(one.vectors @ basis - mean @ basis) for one in sets]


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def _twins(left: EmbeddedSet, right: EmbeddedSet, turned: tuple[Floats, Floats], seed: int) -> _Twins:
    same_file = _matches(left.uris, right.uris)
    same_vector = _matches(map(_fingerprint, left.vectors), map(_fingerprint, right.vectors))
    rest = np.flatnonzero((same_file < 0) & (same_vector < 0))
    sample = _affordable(rest, turned[0].size, seed)
    alike = np.full(len(right), -1, np.int64)
    cosines = np.zeros(len(right), np.float32)
    with Progress(f'comparing {right.name} with {left.name}', total=len(sample), unit='pictures') as progress:
        for rows in _pieces(sample, _RIGHT_ROWS):
            nearest, cosine = _nearest(turned[0], turned[1][rows])
            alike[rows] = np.where(cosine >= NEAR, nearest, -1)
            cosines[rows] = cosine
            progress.advance(len(rows))
    kinds = {SAME_FILE: same_file, SAME_VECTOR: same_vector, ALIKE: alike}
    return _Twins(kinds, cosines, len(right) - len(rest) + len(sample))


def _overlap(left: EmbeddedSet, right: EmbeddedSet, twins: _Twins, label_names: Sequence[str]) -> Overlap:
    rows = [int(row) for row in np.flatnonzero(twins.rows >= 0)]
    found = [_twin(left, right, row, twins, label_names) for row in rows]
    order = list(twins.by_kind)
    # Contradictions first: one of the two labels is wrong, whatever the split.
    found.sort(key=lambda twin: (not _contradict(twin), order.index(twin.kind), -(twin.cosine or 0)))
    groups = sorted(set(left.groups) & set(right.groups) - {None, ''}, key=str)
    return Overlap(
        left=left.name,
        right=right.name,
        rows=len(right),
        same_file=twins.count(SAME_FILE),
        same_vector=twins.count(SAME_VECTOR),
        alike=twins.count(ALIKE),
        compared=twins.compared,
        contradicting=sum(map(_contradict, found)),
        groups=len(groups),
        examples=tuple(found[:MOST_EXAMPLES]),
        group_examples=tuple(str(group) for group in groups[:MOST_EXAMPLES]),
    )


def _twin(left: EmbeddedSet, right: EmbeddedSet, row: int, twins: _Twins, label_names: Sequence[str]) -> Twin:
    kind, other = twins.kind(row), int(twins.rows[row])
    return Twin(
        kind=kind,
        left=left.uris[other],
        right=right.uris[row],
        left_label=left.label_text(other, label_names),
        right_label=right.label_text(row, label_names),
        cosine=float(twins.cosines[row]) if kind == ALIKE else None,
    )


def _contradict(twin: Twin) -> bool:
    return bool(twin.left_label and twin.right_label) and twin.left_label != twin.right_label


def _matches(left: Iterable[Hashable], right: Iterable[Hashable]) -> Ints:
    """For each right value the place of an equal left one, or -1."""
    places: dict[Hashable, int] = {}
    for place, value in enumerate(left):
        places.setdefault(value, place)
    return np.array([places.get(value, -1) for value in right], np.int64)


def _fingerprint(vector: Floats) -> bytes:
    # Stands in for the bytes themselves, which as keys would be a second copy of all vectors.
    return hashlib.blake2b(vector.tobytes(), digest_size=16).digest()


def _nearest(left: Floats, right: Floats) -> tuple[Ints, Floats]:
    """The most similar left direction of each right one, and the cosine."""
    best = np.full(len(right), -1, np.int64)
    cosine = np.full(len(right), -1, np.float32)
    for start in range(0, len(left), _LEFT_ROWS):
        similar = right @ left[start : start + _LEFT_ROWS].T
        place = similar.argmax(axis=1)
        value = similar[np.arange(len(right)), place]
        best = np.where(value > cosine, place + start, best)
        cosine = np.maximum(cosine, value)
    return best, cosine


def _affordable(rows: Ints, left_numbers: int, seed: int) -> Ints:
    """The rows, or as many of them, drawn at random, as can be compared in bounded time."""
    limit = max(_WORK_LIMIT // max(left_numbers, 1), 1)
    if len(rows) <= limit:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))


def _pieces(rows: Ints, size: int) -> Iterator[Ints]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
