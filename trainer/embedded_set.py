"""A whole set of records in memory: where each picture is, its vector, its labels and its group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from preprocess import records
from preprocess.failures import InputError
from preprocess.progress import Progress
from preprocess.record_sets import RecordSet
from preprocess.records import Record
from trainer.metrics import Bools, Floats, Ints
from trainer.moments import Moments

# Rows are gathered in pieces of this many, so that growing never copies the whole set.
_PIECE_ROWS = 8192


@dataclass(frozen=True, eq=False)
class EmbeddedSet:
    """Row i of everything belongs to one picture; `label_ids` is empty for a picture without a label."""

    name: str
    uris: tuple[str, ...]
    vectors: Floats
    label_ids: tuple[tuple[int, ...], ...]
    groups: tuple[str | None, ...]
    moments: Moments | None = None  # of footage

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


def load(found: RecordSet, name: str, *, every: int = 1) -> EmbeddedSet:
    """Read a set, or one of `every` so many records of it; RecordError names a file that is torn or corrupt."""
    uris: list[str] = []
    label_ids: list[tuple[int, ...]] = []
    groups: list[str | None] = []
    moments: list[tuple[str | None, int | None, float | None]] = []
    pieces: list[Floats] = []
    waiting: list[Floats] = []
    with Progress(f'reading the {name} records', total=found.records, unit='records') as progress:
        for place, (path, record) in enumerate(_records(found)):
            progress.advance()
            if place % every == 0:
                _check_width(record.vector, waiting or pieces, path)
                uris.append(record.image_uri)
                label_ids.append(tuple(sorted(record.label_ids)))
                groups.append(record.group)
                moments.append((record.video, record.frame, record.time))
                waiting.append(record.vector)
            if len(waiting) == _PIECE_ROWS:
                pieces.append(np.stack(waiting))
                waiting = []
    if waiting:
        pieces.append(np.stack(waiting))
    vectors = np.concatenate(pieces) if pieces else np.zeros((0, found.vector_size or 0), np.float32)
    return EmbeddedSet(name, tuple(uris), vectors, tuple(label_ids), tuple(groups), Moments.of(moments))


def _records(found: RecordSet) -> Iterator[tuple[str, Record]]:
    for shard in found.shards:
        for record in records.read(shard.path, expect=shard.records):
            yield shard.path, record


def _check_width(vector: Floats, before: Sequence[Floats], path: str) -> None:
    if before and before[-1].shape[-1] != vector.shape[-1]:
        raise InputError(
            f'vectors of {vector.shape[-1]} and of {before[-1].shape[-1]} numbers lie in one set',
            where=path,
            do='make all its records with one encoder',
        )
