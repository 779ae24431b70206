"""Frames against what the store has of their files: found, refused, wanted; nothing lost, nothing twice."""

import random

import numpy as np

from preprocess import frame_lookup, shelves
from preprocess.arrivals import Sources
from preprocess.footage import Taken, VideoFile, WantedFrames, frame_key
from preprocess.frame_lookup import Sought
from preprocess.pictures import Use
from preprocess.shelves import Refusal
from preprocess.stock import KeySlice

WHY = Refusal('decode', 'corrupt', 'it can not be decoded')
ROW_BYTES = len(shelves.refusal_row(WHY))


def file(name: str, content: str) -> VideoFile:
    return VideoFile(name, 1, '1', content.encode().ljust(32))


def taken(numbers, *, of: VideoFile, set_index: int = 0) -> Taken:
    numbers = np.array(sorted(numbers), np.int64)
    use = Use(set_index, (0,), None, 'a.csv', 1)
    return Taken(set_index, of.uri, of, numbers, numbers, numbers / 30, np.zeros(len(numbers), np.int64), (use,))


def kept(piece: str, keys: list[bytes], *, first: int = 0, refused: bool = False) -> KeySlice:
    rows = shelves.refusal_row(WHY) * len(keys) if refused else b''
    return KeySlice(piece, first, b''.join(sorted(keys)), rows)


def test_every_frame_is_placed_refused_or_wanted_once_for_each_set():
    chance = random.Random(3)
    for _ in range(60):
        one, other = file('/a.mp4', 'x'), file('/b.mp4', 'y')
        prefixes = {one.uri: one.prefix(''), other.uri: other.prefix('')}
        stored = {name: set(chance.sample(range(200), chance.randint(0, 80))) for name in prefixes}
        bad = {name: set(chance.sample(range(200), chance.randint(0, 20))) for name in prefixes}
        slices, where = [], {}
        for piece in ('p', 'q', 'r'):
            keys = [(name, n) for name in prefixes for n in stored[name] if chance.random() < 0.6]
            ordered = sorted((frame_key(prefixes[name], n), name, n) for name, n in keys)
            if ordered:
                first = chance.randint(0, 5)
                slices.append(kept(piece, [key for key, _, _ in ordered], first=first))
                for at, (_, name, n) in enumerate(ordered):
                    where.setdefault((name, n), (piece, first + at))
        refused = [frame_key(prefixes[name], n) for name in prefixes for n in bad[name]]
        slices += [kept('z', refused, refused=True)] if refused else []
        asked = [
            taken(chance.sample(range(200), chance.randint(1, 60)), of=of, set_index=index)
            for of in (one, other)
            for index in (0, 1)
        ]
        joined = frame_lookup.join([Sought(prefixes[part.file.uri], part) for part in asked], slices)
        placed = {
            (block.taken.set_index, block.taken.file.uri, int(n)): (block.piece, int(at))
            for block in joined.placed
            for n, at in zip(block.taken.numbers, block.positions, strict=True)
        }
        every = {(part.set_index, part.file.uri, int(n)) for part in asked for n in part.numbers}
        assert placed == {key: where[key[1:]] for key in every if key[1:] in where}
        wanted = {
            (part.set_index, part.file.uri, int(n)) for one in joined.wanted for part in one.taken for n in part.numbers
        }
        assert wanted == {key for key in every if key[1:] not in where and key[2] not in bad[key[1]]}
        assert sum(refused.frames for _, refused in joined.refused) == len(every) - len(placed) - len(wanted)
        contents = {key[1:] for key in every}
        assert joined.sources.from_store == len(contents & set(where))
        assert sum(map(len, joined.wanted)) == len({key[1:] for key in wanted})


def test_what_is_the_same_file_by_its_content_is_wanted_once():
    one, copy = file('/a.mp4', 'x'), file('/copy.mp4', 'x')
    sought = [
        Sought(one.prefix(''), taken([1, 2], of=one)),
        Sought(copy.prefix(''), taken([2, 3], of=copy, set_index=1)),
    ]
    joined = frame_lookup.join(sought, [])
    (wanted,) = joined.wanted
    assert (wanted.file, wanted.numbers.tolist()) == (one, [1, 2, 3])
    assert [(part.file, part.numbers.tolist()) for part in wanted.taken] == [(one, [1, 2]), (copy, [2, 3])]
    assert joined.sources == Sources()


def test_a_part_of_what_is_wanted_has_its_own_uses_only():
    one = file('/a.mp4', 'x')
    numbers = np.arange(6)
    uses = tuple(Use(0, (label,), None, 'a.csv', label) for label in range(3))
    whole = Taken(0, one.uri, one, numbers, numbers, numbers / 30, np.array([0, 0, 1, 1, 2, 2]), uses)
    part = WantedFrames(b'p' * 24, one, numbers, (whole,)).some([2, 4])
    (found,) = part.taken
    assert (part.numbers.tolist(), found.numbers.tolist()) == ([2, 4], [2, 4])
    assert [found.uses[row].label_ids for row in found.rows] == [(1,), (2,)]
    assert len(found.uses) == 2
