"""What the store knows of the frames of some files: a join by ranges of keys, as for pictures, with arrays for rows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from preprocess import footage, shelves
from preprocess.arrivals import Sources
from preprocess.footage import PREFIX_BYTES, Ints, RefusedFrames, Taken, WantedFrames
from preprocess.frame_shards import PlacedFrames
from preprocess.pieces import KEY_BYTES
from preprocess.shelves import Refusal
from preprocess.stock import KeySlice


@dataclass(frozen=True, slots=True)
class Sought:
    """Frames that a set takes, and what their keys begin with."""

    prefix: bytes
    taken: Taken


@dataclass
class FramesJoined:
    """What the store knows of some frames: where they are, which are refused (by set), which are wanted."""

    placed: list[PlacedFrames] = field(default_factory=list)
    refused: list[tuple[int, RefusedFrames]] = field(default_factory=list)
    wanted: list[WantedFrames] = field(default_factory=list)
    sources: Sources = Sources()


def join(sought: Iterable[Sought], slices: Sequence[KeySlice]) -> FramesJoined:
    """Frames by content, against what the store has of the same range of keys. What has a vector isn't refused."""
    by_prefix: dict[bytes, list[Taken]] = defaultdict(list)
    for one in sought:
        by_prefix[one.prefix].append(one.taken)
    joined = FramesJoined()
    for prefix in sorted(by_prefix):
        same = sorted(by_prefix[prefix], key=lambda taken: (taken.set_index, taken.video, taken.file.uri))
        _join_file(prefix, same, slices, joined)
    return joined


def _join_file(prefix: bytes, same: list[Taken], slices: Sequence[KeySlice], joined: FramesJoined) -> None:
    numbers = np.unique(np.concatenate([taken.numbers for taken in same]))
    places = _places(prefix, numbers, [one for one in slices if not one.rows])
    for piece, (found, positions) in places.items():
        for taken in same:
            if len(part := taken.among(found)):
                at = positions[np.searchsorted(found, part.numbers)]
                joined.placed.append(PlacedFrames(piece, at, part))
    had = np.concatenate([np.zeros(0, np.int64), *(found for found, _ in places.values())])
    missing = np.setdiff1d(numbers, had, assume_unique=True)
    refusals = _refusals(prefix, missing, [one for one in slices if one.rows])
    for taken in same:
        if refusals and len(part := taken.among(np.array(sorted(refusals), np.int64))):
            why = [refusals[number] for number in part.numbers.tolist()]
            joined.refused.append((part.set_index, footage.refused(part, why)))
    wanted = missing[~np.isin(missing, list(refusals))]
    if len(wanted):
        of_wanted = tuple(part for taken in same if len(part := taken.among(wanted)))
        joined.wanted.append(WantedFrames(prefix, same[0].file, wanted, of_wanted))
    joined.sources += Sources(from_store=len(had), rejected=len(refusals), frames=len(had) + len(refusals))


def _places(prefix: bytes, numbers: Ints, vectors: Sequence[KeySlice]) -> dict[str, tuple[Ints, Ints]]:
    """By piece: which of the numbers it is to give, ascending, and where these are; of several the first by name."""
    left = numbers
    places: dict[str, tuple[Ints, Ints]] = {}
    for one in sorted(vectors, key=lambda one: (one.piece, one.first)):
        first, of_file = _numbers_of(prefix, one.keys)
        found, _, at = np.intersect1d(left, of_file, assume_unique=True, return_indices=True)
        if len(found):
            before = places.get(one.piece, (found[:0], at[:0]))
            positions = one.first + first + at
            places[one.piece] = np.concatenate([before[0], found]), np.concatenate([before[1], positions])
            left = np.setdiff1d(left, found, assume_unique=True)
    return places


def _refusals(prefix: bytes, numbers: Ints, slices: Sequence[KeySlice]) -> dict[int, Refusal]:
    found: dict[int, Refusal] = {}
    wanted = set(numbers.tolist())
    for one in slices:
        first, of_file = _numbers_of(prefix, one.keys)
        for at, number in enumerate(of_file.tolist(), first):
            if number in wanted:
                found[number] = shelves.read_refusal(one.row(at))
    return found


def _numbers_of(prefix: bytes, keys: bytes) -> tuple[int, Ints]:
    """The frames of a file among ascending keys: where they begin, and their numbers, which ascend too."""
    table = _table(keys)
    begin, end = _bound(table, prefix, b'\0'), _bound(table, prefix, b'\xff')
    numbers = np.ascontiguousarray(table[begin:end, PREFIX_BYTES:]).view('>u8').reshape(-1)
    return begin, numbers.astype(np.int64)


def _bound(table: NDArray[np.uint8], prefix: bytes, rest: bytes) -> int:
    """How many keys are below a prefix followed by the lowest or highest number."""
    key = prefix + rest * (KEY_BYTES - PREFIX_BYTES)
    low, high = 0, len(table)
    while low < high:
        middle = (low + high) // 2
        if table[middle].tobytes() < key:
            low = middle + 1
        else:
            high = middle
    return low


def _table(keys: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(keys, np.uint8).reshape(-1, KEY_BYTES)
