"""A whole set of records in memory: where each picture is, its vector, its labels and its group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from preprocess import records
from preprocess.failures import InputError
from preprocess.progress import Progress
from preprocess.record_sets import RecordSet
from preprocess.records import Record
from trainer import windows
from trainer.head_kinds import Windowing
from trainer.metrics import Bools, Floats, Ints
from trainer.moments import Moments
from trainer.windows import RecordLabels

# Rows are gathered in pieces of this many, so that growing never copies the whole set.
_PIECE_ROWS = 8192
# A frame is compared with others by so many times so many mean colours.
_GRID = 8


@dataclass(frozen=True, eq=False)
class Source:
    """The records behind the rows of a set, to read them again: where all of them are, by the sizes of their shards."""

    uris: Sequence[str]
    sizes: Sequence[int]
    starts: Ints  # the record that each row begins with
    length: int | None = None  # of windows

    def frames(self, row: int) -> Sequence[str]:
        """The pictures a row was made of."""
        start = int(self.starts[row])
        return self.uris[start : start + (self.length or 1)]


@dataclass(frozen=True, eq=False)
class EmbeddedSet:
    """Row i of everything belongs to one picture, or window of frames; `label_ids` is empty for one without a label.

    The vector of a row is its embedding; of a frame of pixels its colours on a coarse grid; of a window that of the
    frame it speaks for.
    """

    name: str
    uris: tuple[str, ...]
    vectors: Floats
    label_ids: tuple[tuple[int, ...], ...]
    groups: tuple[str | None, ...]
    moments: Moments | None = None  # of footage
    source: Source | None = None

    def __len__(self) -> int:
        return len(self.uris)

    def with_unlabelled_class(self, class_id: int) -> 'EmbeddedSet':
        """The same rows, those without a label being of a class of their own."""
        return replace(self, label_ids=tuple(ids or (class_id,) for ids in self.label_ids))

    def labelled(self) -> Ints:
        """The numbers of the rows that have a label."""
        return np.array([row for row, ids in enumerate(self.label_ids) if ids], np.int64)

    def class_ids(self) -> Ints:
        """The class of each labelled row, where a row has one label."""
        return np.array([ids[0] for ids in self.label_ids if ids], np.int64)

    def matrix(self, classes: int) -> Bools:
        """The labels as bool[N, classes]."""
        found = np.zeros((len(self), classes), bool)
        for row, ids in enumerate(self.label_ids):
            found[row, list(ids)] = True
        return found

    def counts(self, classes: int) -> list[int]:
        """How many rows have each label."""
        ids = [index for row_ids in self.label_ids for index in row_ids]
        return [int(count) for count in np.bincount(np.array(ids, np.int64), minlength=classes)]

    def label_text(self, row: int, label_names: Sequence[str]) -> str:
        """The labels of a row as a CSV cell holds them; empty without one."""
        return '|'.join(label_names[index] for index in self.label_ids[row])


def load(
    found: RecordSet, name: str, *, every: int = 1, windowing: Windowing | None = None, multi_label: bool = False
) -> EmbeddedSet:
    """Read a set, or one of `every` so many rows of it; RecordError names a file that is torn or corrupt.

    With a windowing rows are windows, each with the vector of the frame it speaks for.
    """
    columns, sizes = _Columns(found.vector_shape, every, all_places=windowing is not None), []
    with Progress(f'reading the {name} records', total=found.records, unit='records') as progress:
        for shard in found.shards:
            before = columns.count
            for record in records.read(shard.path, expect=shard.records):
                progress.advance()
                columns.add(record, shard.path)
            sizes.append(columns.count - before)
    if windowing is None:
        return columns.rows(name, sizes)
    # Of a sample any window will do: with a stride, none might speak for a record that was kept.
    cut = windowing if every == 1 else replace(windowing, stride=1)
    runs = windows.runs(columns.videos, np.array(columns.steps, np.int64), sizes)
    starts = runs.windows(cut)
    starts = starts[(starts + cut.spoken) % every == 0]
    if not len(starts):
        raise runs.too_short(windowing, name=name, where=found.paths[0] if found.paths else name)
    return columns.windows(name, sizes, _Cut(starts, cut, multi_label))


@dataclass(frozen=True, eq=False)
class _Cut:
    """Windows by their first records, and how they are cut."""

    starts: Ints
    windowing: Windowing
    multi_label: bool


class _Columns:
    """Records column by column; the vector of one of `every` so many, and its place, or the places of all."""

    def __init__(self, shape: tuple[int, ...] | None, every: int, *, all_places: bool) -> None:
        self._shape, self._every, self._all_places = shape, every, all_places
        self.count = 0
        self.videos: list[str] = []
        self.steps: list[int] = []
        self._uris: list[str] = []
        self._label_ids: list[tuple[int, ...]] = []
        self._groups: list[str | None] = []
        self._moments: list[tuple[str | None, int | None, float | None]] = []
        self._vectors: list[Floats] = []
        self._waiting: list[Floats] = []

    def add(self, record: Record, path: str) -> None:
        """One more record."""
        is_kept = self.count % self._every == 0
        self.count += 1
        if is_kept:
            vector = _vector(record, self._shape, path)
            _check_width(vector, self._waiting or self._vectors, path)
            self._waiting.append(vector)
            if len(self._waiting) == _PIECE_ROWS:
                self._vectors.append(np.stack(self._waiting))
                self._waiting = []
        if is_kept or self._all_places:
            self.videos.append(record.video or '')
            self.steps.append(record.step or 0)
            self._uris.append(record.image_uri)
            self._label_ids.append(tuple(sorted(record.label_ids)))
            self._groups.append(record.group)
            self._moments.append((record.video, record.frame, record.time))

    def rows(self, name: str, sizes: Sequence[int]) -> EmbeddedSet:
        """The records that were kept."""
        starts = np.arange(len(self._uris))
        return EmbeddedSet(
            name,
            tuple(self._uris),
            self._all_vectors(),
            tuple(self._label_ids),
            tuple(self._groups),
            Moments.of(self._moments),
            Source(self._uris, sizes, starts) if self._every == 1 else None,
        )

    def windows(self, name: str, sizes: Sequence[int], cut: _Cut) -> EmbeddedSet:
        """The windows that speak for records that were kept."""
        starts, windowing = cut.starts, cut.windowing
        rows, moments = starts + windowing.spoken, Moments.of(self._moments)
        return EmbeddedSet(
            name,
            tuple(self._uris[row] for row in rows),
            self._all_vectors()[rows // self._every],
            self._labels_of(cut),
            tuple(self._groups[row] for row in rows),
            moments.of_windows(starts, windowing) if moments else None,
            Source(self._uris, sizes, starts, windowing.length) if self._every == 1 else None,
        )

    def _labels_of(self, cut: _Cut) -> tuple[tuple[int, ...], ...]:
        of_records = RecordLabels(
            np.array([label for ids in self._label_ids for label in ids], np.int64),
            np.array([len(ids) for ids in self._label_ids], np.int64),
        )
        found = windows.labels(of_records, cut.starts, cut.windowing, multi_label=cut.multi_label)
        ends = np.cumsum(found.counts)[cut.starts].tolist()
        counts = found.counts[cut.starts].tolist()
        return tuple(
            tuple(sorted(found.ids[end - count : end].tolist())) for end, count in zip(ends, counts, strict=True)
        )

    def _all_vectors(self) -> Floats:
        pieces = [*self._vectors, *([np.stack(self._waiting)] if self._waiting else [])]
        return np.concatenate(pieces) if pieces else np.zeros((0, width(self._shape or (0,))), np.float32)


def width(shape: tuple[int, ...]) -> int:
    """How many numbers stand for a record of this shape."""
    if len(shape) == 1:
        return shape[0]
    height, width, channels = shape
    return min(height, _GRID) * min(width, _GRID) * channels


def _vector(record: Record, shape: tuple[int, ...] | None, path: str) -> Floats:
    """What stands for a record among others: its embedding, or of a frame the mean colours of a coarse grid."""
    if record.pixels is None:
        return record.vector
    if shape is None or math.prod(shape) != len(record.pixels):
        raise InputError(
            f'a frame of {len(record.pixels):,} bytes, where the shape {shape} is told',
            where=path,
            do='name the records by their PREFIX, with their manifest beside them',
        )
    frame = np.frombuffer(record.pixels, np.uint8).reshape(shape)
    edges = [np.linspace(0, side, min(side, _GRID), endpoint=False).astype(np.int64) for side in shape[:2]]
    sums = np.add.reduceat(np.add.reduceat(frame.astype(np.float32), edges[0], axis=0), edges[1], axis=1)
    sizes = np.multiply.outer(*(np.diff(np.append(at, side)) for at, side in zip(edges, shape[:2], strict=True)))
    means: Floats = (sums / sizes[:, :, None] / 255).astype(np.float32).reshape(-1)
    return means


def _check_width(vector: Floats, before: Sequence[Floats], path: str) -> None:
    if before and before[-1].shape[-1] != vector.shape[-1]:
        raise InputError(
            f'vectors of {vector.shape[-1]} and of {before[-1].shape[-1]} numbers lie in one set',
            where=path,
            do='make all its records with one encoder',
        )
