"""Vectors in pieces -> record files. A shard is a range of content keys, so it is one slice of every piece.

Only positions travel through Beam's shuffle. Whoever writes a shard reads its slices and orders the records by the
content of their pictures: the same pictures give the same shard, whoever embedded them, when and in what order.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from preprocess import files, store
from preprocess.pictures import Picture
from preprocess.records import Record, RecordWriter
from preprocess.sets import SetJob
from preprocess.store import Piece

# Big enough to be read at speed, small enough to be held in memory while it is ordered.
SHARD_BYTES = 64 << 20


class Entry(NamedTuple):
    """One record to be: where its vector is in the piece, and what its row said."""

    position: int
    uri: str
    label_ids: tuple[int, ...]
    group: str | None


@dataclass(frozen=True, slots=True)
class Placed:
    """Records to be, of one set and shard, whose vectors are in one piece."""

    piece: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class ShardWritten:
    """A finished shard under a temporary name."""

    index: int
    path: str
    records: int
    bytes: int
    sha256: str
    counts_per_label: dict[int, int]
    unlabelled: int


def how_many(pictures: int, vector_size: int) -> int:
    """The number of shards for about so many pictures."""
    return max(1, -(-pictures * vector_size * 4 // SHARD_BYTES))


def shard_of(key: bytes, shards: int) -> int:
    """Which shard a content key belongs to: its place in the range of all keys."""
    return int.from_bytes(key[:8], 'big') * shards >> 64


def place(
    piece: Piece, located: Iterable[tuple[Picture, bytes]], jobs: Sequence[SetJob]
) -> dict[tuple[int, int], Placed]:
    """Pictures and their content keys, all in one piece -> what each (set, shard) takes from it."""
    positions = {key: position for position, key in enumerate(piece.keys)}
    entries: dict[tuple[int, int], list[Entry]] = {}
    for picture, key in located:
        for use in picture.uses:
            target = use.set_index, shard_of(key, jobs[use.set_index].shards)
            entry = Entry(positions[key], picture.uri, use.label_ids, use.group)
            entries.setdefault(target, []).append(entry)
    return {target: Placed(piece.path, tuple(found)) for target, found in entries.items()}


def write_shard(job: SetJob, index: int, placed: Iterable[Placed]) -> ShardWritten:
    """Read a shard's vectors from their pieces and write its records, ordered by content and uri."""
    by_piece: dict[str, list[Entry]] = {}
    for block in placed:
        by_piece.setdefault(block.piece, []).extend(block.entries)
    records = [found for piece in sorted(by_piece) for found in _records(piece, by_piece[piece])]
    records.sort(key=lambda found: (found[0], found[1].image_uri))
    # Every attempt writes a file of its own: a bundle that is done again must not meet its first try.
    path = files.join(job.work, 'shards', f'{index:05d}-{uuid.uuid4().hex}')
    counts: Counter[int] = Counter()
    with RecordWriter(path) as writer:
        for _, record in records:
            writer.write(record)
            counts.update(record.label_ids)
    unlabelled = sum(1 for _, record in records if not record.label_ids)
    return ShardWritten(index, path, writer.count, writer.bytes, writer.sha256, dict(counts), unlabelled)


def _records(path: str, entries: Sequence[Entry]) -> list[tuple[bytes, Record]]:
    piece = store.open_piece(path)
    positions = sorted({entry.position for entry in entries})
    vectors = dict(zip(positions, piece.vectors(positions), strict=True))
    return [
        (piece.keys[entry.position], Record(entry.uri, vectors[entry.position], entry.label_ids, entry.group))
        for entry in entries
    ]
