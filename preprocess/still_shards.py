"""Pictures that are frames of recordings -> records in the order of their recordings, a few in memory at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from preprocess import moments
from preprocess.frame_shards import Pieces
from preprocess.moments import Moment
from preprocess.pieces import Rows
from preprocess.records import Record

_AT_A_TIME = 256


class Still(NamedTuple):
    """One record to be: the piece its vector is in, and where; what its row said."""

    piece: str
    position: int
    uri: str
    label_ids: tuple[int, ...]
    group: str | None
    moment: Moment


def in_order(stills: Sequence[Still]) -> list[Still]:
    """Recording by recording, in the order of their steps."""
    return sorted(stills, key=lambda one: (one.moment.video, one.moment.step, one.moment.time, one.uri))


def rate(ordered: Sequence[Still]) -> float | None:
    """How many of them there are a second, where they follow on one another."""
    return moments.rate([one.moment for one in ordered])


def records(ordered: Sequence[Still], *, is_pixels: bool, damaged: Callable[[str, str], None]) -> Iterator[Record]:
    """The records; `damaged` is told of pieces that can't be read and why, '' where one is gone."""
    pieces = Pieces(damaged)
    for first in range(0, len(ordered), _AT_A_TIME):
        some = ordered[first : first + _AT_A_TIME]
        rows = _rows(some, pieces)
        yield from (_record(one, rows[place], is_pixels) for place, one in enumerate(some) if place in rows)


def _rows(some: Sequence[Still], pieces: Pieces) -> dict[int, Rows]:
    """The rows there are of these, by their places."""
    by_piece: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(some):
        by_piece[one.piece].append(place)
    found: dict[int, Rows] = {}
    for piece, places in by_piece.items():
        rows = pieces.rows(piece, np.array([some[place].position for place in places], np.int64))
        found.update(zip(places, rows, strict=True) if rows is not None else ())
    return found


def _record(one: Still, row: Rows, is_pixels: bool) -> Record:
    moment = one.moment
    return Record(
        image_uri=one.uri,
        embedding=None if is_pixels else row.view(np.dtype('<f4')),
        label_ids=one.label_ids,
        group=one.group,
        video=moment.video,
        frame=moment.frame,
        time=moment.time,
        step=moment.step,
        pixels=row.tobytes() if is_pixels else None,
    )
