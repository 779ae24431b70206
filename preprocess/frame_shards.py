"""Frames in pieces -> records in the order of their videos and times, a few at a time: footage may be of any length."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from preprocess import footage, pieces, shelves
from preprocess.footage import Ints, Taken
from preprocess.pieces import Piece, PieceError, Rows
from preprocess.records import Record
from preprocess.sets import SetJob

# Rows that are in memory at a time, and pieces that are kept open: those the next frames are most likely in.
_CHUNK_BYTES = 8 << 20
_OPEN_PIECES = 32
Target = tuple[int, int]  # a set, and the shard of it


@dataclass(frozen=True, eq=False, slots=True)
class PlacedFrames:
    """Frames whose vectors are in one piece: `positions[i]` is the ith's."""

    piece: str
    positions: Ints
    taken: Taken

    def target(self, jobs: Sequence[SetJob]) -> Target:
        """Where their records belong: all frames of a video are in one shard."""
        taken = self.taken
        return taken.set_index, pieces.range_of(shelves.path_key(taken.video), jobs[taken.set_index].shards)


def records(
    placed: Iterable[PlacedFrames], *, is_pixels: bool, damaged: Callable[[str, str], None]
) -> Iterator[Record]:
    """The records of a shard's frames; `damaged` is told of pieces that can't be read and why, '' where one is gone."""
    by_video: dict[str, list[PlacedFrames]] = defaultdict(list)
    for one in placed:
        by_video[one.taken.video].append(one)
    shelf = Pieces(damaged)
    for video in sorted(by_video):
        yield from _of_video(video, by_video[video], shelf, is_pixels)


@dataclass(frozen=True, eq=False, slots=True)
class _Order:
    """All frames of a video in the order of their times: which block each is in, and where in that."""

    blocks: Ints
    places: Ints

    @classmethod
    def of(cls, placed: Sequence[PlacedFrames]) -> '_Order':
        """Frames of the same time, which are of different files, in the order of the blocks' files."""
        counts = [len(one.positions) for one in placed]
        blocks = np.repeat(np.arange(len(placed)), counts)
        places = np.concatenate([np.arange(count) for count in counts])
        times = np.concatenate([one.taken.times for one in placed])
        numbers = np.concatenate([one.taken.numbers for one in placed])
        order = np.lexsort((numbers, times))
        return cls(blocks[order], places[order])


def _of_video(video: str, placed: Sequence[PlacedFrames], shelf: 'Pieces', is_pixels: bool) -> Iterator[Record]:
    order = _Order.of(placed)
    first = 0
    while first < len(order.blocks):
        size = max(1, _CHUNK_BYTES // (shelf.row_bytes or _CHUNK_BYTES))
        blocks, places = order.blocks[first : first + size], order.places[first : first + size]
        rows: dict[int, Rows] = {}
        for block in np.unique(blocks).tolist():
            here = np.flatnonzero(blocks == block)
            found = shelf.rows(placed[block].piece, placed[block].positions[places[here]])
            rows.update(zip(here.tolist(), found, strict=True) if found is not None else ())
        for at, (block, place) in enumerate(zip(blocks.tolist(), places.tolist(), strict=True)):
            if at in rows:
                yield _record(video, placed[block].taken, place, rows[at], is_pixels)
        first += len(blocks)


def _record(video: str, taken: Taken, place: int, row: Rows, is_pixels: bool) -> Record:
    use, number = taken.uses[taken.rows[place]], int(taken.numbers[place])
    return Record(
        image_uri=footage.frame_uri(taken.file.uri, number),
        embedding=None if is_pixels else row.view(np.dtype('<f4')),
        label_ids=use.label_ids,
        group=use.group,
        video=video,
        frame=number,
        time=float(taken.times[place]),
        step=int(taken.steps[place]),
        pixels=row.tobytes() if is_pixels else None,
    )


class Pieces:
    """The pieces some frames are in; a few stay open."""

    def __init__(self, damaged: Callable[[str, str], None]) -> None:
        self._damaged = damaged
        self._open: OrderedDict[str, Piece] = OrderedDict()
        self._useless: set[str] = set()
        self.row_bytes = 0  # not known before the first was read

    def rows(self, path: str, positions: Ints) -> Rows | None:
        """The rows at these positions, in this order; None when the piece can't be used."""
        if path in self._useless:
            return None
        ascending, back = np.unique(positions, return_inverse=True)
        try:
            return self._piece(path).rows(ascending.tolist())[back]
        except PieceError as error:
            pieces.mark_bad(error)
            self._give_up(path, error.why)
        except FileNotFoundError:
            self._give_up(path, '')
        return None

    def _piece(self, path: str) -> Piece:
        piece = self._open.pop(path, None) or pieces.open_piece(path)
        self._open[path] = piece
        if len(self._open) > _OPEN_PIECES:
            self._open.popitem(last=False)
        self.row_bytes = piece.row_bytes
        return piece

    def _give_up(self, path: str, why: str) -> None:
        self._useless.add(path)
        self._damaged(path, why)
