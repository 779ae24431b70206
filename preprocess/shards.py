"""Vectors in pieces -> record files. Of pictures a shard is a range of content keys, so it is one slice of every piece.

Only positions travel through Beam's shuffle. Whoever writes a shard reads its slices and orders the records by the
content of their pictures: the same pictures give the same shard, whoever embedded them, when and in what order.
"""

import itertools
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from preprocess import files, frame_shards, pieces, shelves, still_shards
from preprocess.frame_shards import PlacedFrames
from preprocess.lookup import Located
from preprocess.moments import Moment
from preprocess.pieces import PieceError, Rows
from preprocess.records import Record, RecordWriter
from preprocess.sets import SetJob
from preprocess.still_shards import Still

# Big enough to be read at speed, small enough to be held in memory while it is ordered.
SHARD_BYTES = 64 << 20
# Where vectors are small, what is held beside each of them counts.
_MOST_RECORDS = 100_000
_PIECES_AT_ONCE = 16
T = TypeVar('T')


class Entry(NamedTuple):
    """One record to be: where its vector is in the piece, and what its row said."""

    position: int
    uri: str
    label_ids: tuple[int, ...]
    group: str | None
    source: str
    line: int
    moment: Moment | None = None


class Placed(NamedTuple):
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
    frames: int = 0  # so many of the records are frames of footage
    rate: float | None = None  # so many pictures a second follow on one another, where these are frames


@dataclass(frozen=True, slots=True)
class Damaged:
    """A piece that can't be used; `why` is empty when it vanished, `is_late` when records counted on it already."""

    piece: str
    why: str
    is_late: bool


def how_many(pictures: int, vector_bytes: int) -> int:
    """The number of shards for about so many pictures."""
    return max(1, -(-pictures * vector_bytes // SHARD_BYTES), -(-pictures // _MOST_RECORDS))


def place(located: Iterable[Located], jobs: Sequence[SetJob]) -> dict[tuple[int, int], list[Placed]]:
    """Pictures whose vectors are in pieces -> what each (set, shard) takes from which piece."""
    entries: dict[tuple[int, int], dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for one in located:
        for use in one.picture.uses:
            # Frames of one recording belong together, others wherever their content falls.
            key = shelves.path_key(use.moment.video) if use.moment else one.key
            target = use.set_index, pieces.range_of(key, jobs[use.set_index].shards)
            entry = Entry(one.position, one.picture.uri, use.label_ids, use.group, use.source, use.line, use.moment)
            entries[target][one.piece].append(entry)
    return {
        target: [Placed(piece, tuple(found)) for piece, found in by_piece.items()]
        for target, by_piece in entries.items()
    }


def write_shard(job: SetJob, index: int, placed: Iterable[Placed | PlacedFrames]) -> ShardWritten | list[Damaged]:
    """Read a shard's vectors from their pieces and write its records: pictures by content and uri, then frames by time,
    those that are pictures before those of videos.

    Pieces that turn out to be damaged or gone come back instead, all of them.
    """
    everything = list(placed)
    frames = [one for one in everything if isinstance(one, PlacedFrames)]
    pictures, stills = _apart(one for one in everything if isinstance(one, Placed))
    records, damaged = _gather(pictures, is_pixels=job.is_pixels)

    def note(piece: str, why: str) -> None:
        damaged.append(Damaged(piece, why, is_late=True))

    try:
        of_stills = still_shards.records(stills, is_pixels=job.is_pixels, damaged=note)
        of_frames = frame_shards.records(frames, is_pixels=job.is_pixels, damaged=note)
        written = _write(job, index, [record for _, record in records], [of_stills, of_frames], damaged)
    except _Spoilt:
        return damaged
    of_footage = written.records - len(records) - len(stills)
    return replace(written, frames=of_footage, rate=still_shards.rate(stills))


def _apart(placed: Iterable[Placed]) -> tuple[list[Placed], list[Still]]:
    """Pictures by themselves, and those that are frames of a recording in their order."""
    pictures: list[Placed] = []
    stills: list[Still] = []
    for block in placed:
        alone = tuple(entry for entry in block.entries if entry.moment is None)
        pictures += [Placed(block.piece, alone)] if alone else []
        stills += [
            Still(block.piece, entry.position, entry.uri, entry.label_ids, entry.group, entry.moment)
            for entry in block.entries
            if entry.moment
        ]
    return pictures, still_shards.in_order(stills)


def _gather(placed: Iterable[Placed], *, is_pixels: bool) -> tuple[list[tuple[bytes, Record]], list[Damaged]]:
    by_piece: dict[str, list[Entry]] = {}
    for block in placed:
        by_piece.setdefault(block.piece, []).extend(block.entries)
    records: list[tuple[bytes, Record]] = []
    damaged = []
    for found in _read_all(by_piece, partial(_records_or_damage, is_pixels=is_pixels)):
        if isinstance(found, Damaged):
            damaged.append(found)
        else:
            records += found
    records.sort(key=lambda found: (found[0], found[1].image_uri))
    return records, damaged


def _read_all(by_piece: dict[str, list[Entry]], read: Callable[[tuple[str, list[Entry]]], T]) -> Iterator[T]:
    """What `read` makes of every piece; over a network, where nearly all of it is waiting, of several at a time."""
    if not any(map(files.is_remote, by_piece)):
        yield from map(read, sorted(by_piece.items()))  # what other threads allocate, the heap would keep
        return
    # Before a store is compacted every shard has vectors in most pieces.
    with ThreadPoolExecutor(_PIECES_AT_ONCE, 'pieces') as readers:
        yield from readers.map(read, sorted(by_piece.items()))


def _records_or_damage(taken: tuple[str, list[Entry]], *, is_pixels: bool) -> list[tuple[bytes, Record]] | Damaged:
    piece, entries = taken
    try:
        return _records(piece, entries, is_pixels=is_pixels)
    except PieceError as error:
        pieces.mark_bad(error)
        return Damaged(piece, error.why, is_late=True)
    except FileNotFoundError:
        return Damaged(piece, '', is_late=True)


class _Spoilt(Exception):
    """Records are missing, so those that were written are of no use."""


def _write(
    job: SetJob, index: int, pictures: Sequence[Record], others: Sequence[Iterator[Record]], damaged: list[Damaged]
) -> ShardWritten:
    # Every attempt writes a file of its own: a bundle that is done again must not meet its first try.
    path = files.join(job.work, 'shards', f'{index:05d}-{uuid.uuid4().hex}')
    counts: Counter[int] = Counter()
    unlabelled = 0
    with RecordWriter(path) as writer:
        for record in itertools.chain(pictures, *others):
            writer.write(record)
            counts.update(record.label_ids)
            unlabelled += not record.label_ids
        if damaged:
            raise _Spoilt
    return ShardWritten(
        index=index,
        path=path,
        records=writer.count,
        bytes=writer.bytes,
        sha256=writer.sha256,
        counts_per_label=dict(counts),
        unlabelled=unlabelled,
    )


def _records(path: str, entries: Sequence[Entry], *, is_pixels: bool) -> list[tuple[bytes, Record]]:
    piece = pieces.open_piece(path)
    positions = sorted({entry.position for entry in entries})
    found = dict(zip(positions, piece.rows(positions), strict=True))
    return [(piece.key(entry.position), _record(entry, found[entry.position], is_pixels)) for entry in entries]


def _record(entry: Entry, row: Rows, is_pixels: bool) -> Record:
    if is_pixels:
        return Record(entry.uri, None, entry.label_ids, entry.group, pixels=row.tobytes())
    return Record(entry.uri, row.view(np.dtype('<f4')), entry.label_ids, entry.group)
