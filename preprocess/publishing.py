"""Finishing a set: every row accounted for, rejects and manifest written, shards given their names, old ones gone.

The manifest comes before the shards get their names: at any moment, what lies in the folder is a set that is whole or
one its manifest doesn't vouch for. Every step may be done twice.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field, replace

from preprocess import files, provenance
from preprocess.failures import RunFailed
from preprocess.manifest import Examples, Manifest, Rows, Shard
from preprocess.record_sets import sets_in
from preprocess.records import RecordWriter
from preprocess.rows import Reject
from preprocess.set_names import SetName
from preprocess.sets import SetJob
from preprocess.shards import Damaged, ShardWritten

DICTIONARY = 'dict.txt'


@dataclass(frozen=True)
class Refused:
    """Some rejected rows of a set."""

    rejects: tuple[Reject, ...]


@dataclass(frozen=True)
class Repeated:
    """How many rows of a set were exact repeats."""

    rows: int


@dataclass(frozen=True)
class Sources:
    """How many pictures came from where; `copies` share the vector of another picture of the same run."""

    from_store: int = 0
    embedded: int = 0
    copies: int = 0
    rejected: int = 0

    def __add__(self, other: 'Sources') -> 'Sources':
        return Sources(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def corrected(self, later: 'Sources') -> 'Sources':
        """With what a later look at the store had to embed because the earlier one had found it damaged."""
        if not self.pictures:
            return later
        return replace(self, from_store=self.from_store - later.embedded, embedded=self.embedded + later.embedded)

    @property
    def pictures(self) -> int:
        """All of them."""
        return self.from_store + self.embedded + self.copies + self.rejected

    def __str__(self) -> str:
        copies = f'{self.copies:,} copies of these, ' if self.copies else ''
        return (
            f'{self.pictures:,} pictures: {self.from_store:,} from the store, {self.embedded:,} embedded, '
            f'{copies}{self.rejected:,} rejected'
        )


Arrival = ShardWritten | Refused | Repeated | Damaged | Sources


@dataclass(frozen=True)
class RowsRead:
    """How many rows some CSVs gave; written beside the dataflow, so that what an engine loses is noticed."""

    rows: int
    from_working_dir: int


@dataclass(frozen=True)
class Outcome:
    """How a set ended; `is_published` is False when too many rows were rejected, or when it must be made again.

    `sources` are of all sets that were made together, and so the first one's alone.
    """

    rows: Rows
    rejects_by_reason: Mapping[str, int]
    from_working_dir: int
    is_published: bool
    sources: Sources = Sources()
    damaged: tuple[Damaged, ...] = ()

    @property
    def must_repeat(self) -> bool:
        """Whether vectors the records counted on are gone: the next look at the store embeds these pictures anew."""
        return any(piece.is_late for piece in self.damaged)


@dataclass
class _Gathered:
    shards: dict[int, ShardWritten] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    duplicates: int = 0
    damaged: set[Damaged] = field(default_factory=set)
    sources: Sources = Sources()

    @classmethod
    def of(cls, arrivals: Iterable[Arrival]) -> '_Gathered':
        gathered = cls()
        for part in arrivals:
            match part:
                case ShardWritten():
                    gathered.shards[part.index] = part
                case Refused():
                    gathered.rejects += part.rejects
                case Repeated():
                    gathered.duplicates += part.rows
                case Damaged():
                    gathered.damaged.add(part)
                case Sources():
                    gathered.sources += part
        gathered.rejects.sort(key=lambda reject: (reject.source, reject.row))
        return gathered

    @property
    def written(self) -> int:
        return sum(shard.records for shard in self.shards.values())


def note_rows_read(job: SetJob, task: int, read: RowsRead) -> None:
    """Leave the number of rows that were read where the finish finds it."""
    files.write_atomic(_read_note(job, task), json.dumps(asdict(read)).encode())


def finish(job: SetJob, arrivals: Iterable[Arrival]) -> None:
    """Publish a set from what arrived, or only its rejects when there are too many."""
    gathered = _Gathered.of(arrivals)
    damaged = tuple(sorted(gathered.damaged, key=lambda piece: piece.piece))
    if any(piece.is_late for piece in damaged):
        outcome = Outcome(Rows(0, 0, 0, 0), {}, 0, False, gathered.sources, damaged)
    else:
        outcome = replace(_finished(job, gathered), sources=gathered.sources, damaged=damaged)
    files.write_atomic(_outcome_file(job), json.dumps(asdict(outcome)).encode())


def _finished(job: SetJob, gathered: _Gathered) -> Outcome:
    read = _rows_read(job)
    rows = _accounted(job, gathered, read)
    rows = _with_those_before(job, gathered, rows)
    reasons = dict(sorted(Counter(reject.reason for reject in gathered.rejects).items()))
    _move_in(job, job.name.rejects(), _jsonl(gathered.rejects))
    # One part of several may have no rows at all; a set whose every row was rejected is not one.
    is_published = rows.rejected <= job.max_reject_fraction * rows.read and (rows.accepted > 0 or rows.read == 0)
    if is_published:
        _publish(job, gathered, rows, reasons)
    return Outcome(rows, reasons, read.from_working_dir, is_published)


def _with_those_before(job: SetJob, gathered: _Gathered, rows: Rows) -> Rows:
    """Rejects named as their author wrote them, and with them the rows that never came as far as this set's CSV."""
    before = provenance.refused_before(job.provenance) if job.limit is None else []
    repeats = job.provenance.duplicates if job.limit is None else 0
    named = provenance.original(gathered.rejects, job.provenance)
    gathered.rejects = sorted([*before, *named], key=lambda reject: (reject.source, reject.row))
    return Rows(rows.read + len(before) + repeats, rows.accepted, rows.rejected + len(before), rows.duplicate + repeats)


def read_outcome(job: SetJob) -> Outcome:
    """How a set ended; RunFailed when the runner says done and nobody finished it."""
    try:
        said = json.loads(files.read_bytes(_outcome_file(job)))
    except FileNotFoundError:
        raise RunFailed(
            'the runner says it is done, but this set was never finished: it lost data',
            where=job.name.manifest(),
            do='run the same command with another --runner',
        ) from None
    return Outcome(
        **{
            **said,
            'rows': Rows(**said['rows']),
            'sources': Sources(**said['sources']),
            'damaged': tuple(Damaged(**piece) for piece in said['damaged']),
        }
    )


def remove_leftovers(name: SetName, manifest: Manifest) -> None:
    """Remove the shards of earlier runs that the manifest doesn't list."""
    listed = {shard.file for shard in manifest.shards}
    for found in list(files.list_dir(name.directory)):
        file = files.name(found.uri)
        if name.owns(file) and file not in listed:
            files.delete(found.uri)


def other_divisions(name: SetName) -> list[SetName]:
    """Sets of the same name beside this one that are divided otherwise, so that both can't be meant."""
    of = name.part.of if name.part else None
    return [other for other in sets_in(name.directory, name.name) if (other.part.of if other.part else None) != of]


def _accounted(job: SetJob, gathered: _Gathered, read: RowsRead) -> Rows:
    """The row accounts; every row that was read must have come out somewhere."""
    found = gathered.written + len(gathered.rejects) + gathered.duplicates
    if found != read.rows:
        raise RunFailed(
            f'{read.rows} rows were read, but {found} arrived: the runner lost data',
            where=job.name.manifest(),
            do='run the same command with another --runner',
        )
    return Rows(read.rows, gathered.written, len(gathered.rejects), gathered.duplicates)


def _publish(job: SetJob, gathered: _Gathered, rows: Rows, reasons: Mapping[str, int]) -> None:
    shards = [gathered.shards.get(index) or _empty_shard(job, index) for index in range(job.shards)]
    names = [job.name.shard_file(shard.index, job.shards) for shard in shards]
    counts = Counter[int]()
    for shard in shards:
        counts.update(shard.counts_per_label)
    manifest = Manifest(
        name=job.name.name,
        encoder=job.encoder,
        vector_shape=job.vector_shape,
        labels=job.labels.names,
        multi_label=job.multi_label,
        shards=tuple(
            Shard(name, shard.records, shard.bytes, shard.sha256) for name, shard in zip(names, shards, strict=True)
        ),
        rows=rows,
        examples=Examples(rows.accepted),
        rejects_by_reason=reasons,
        counts_per_label={label: counts[place] for place, label in enumerate(job.labels.names)},
        unlabelled=sum(shard.unlabelled for shard in shards),
        settings=job.settings,
        part=job.name.part,
    )
    _move_in(job, job.path(DICTIONARY), job.labels.text().encode())
    _move_in(job, job.name.manifest(), manifest.data())
    for file, shard in zip(names, shards, strict=True):
        _take_name(shard, job.path(file))
    remove_leftovers(job.name, manifest)
    if job.replace:
        for other in other_divisions(job.name):
            _remove_set(other)


def _take_name(shard: ShardWritten, path: str) -> None:
    try:
        files.rename(shard.path, path)
    except FileNotFoundError:
        # Already done, if this is the second time.
        if files.stat(path).size != shard.bytes:
            raise


def _empty_shard(job: SetJob, index: int) -> ShardWritten:
    """A shard no picture fell into; it exists all the same, so that the count in its name is true."""
    with RecordWriter(files.join(job.work, 'shards', f'{index:05d}-empty')) as writer:
        pass
    return ShardWritten(index, writer.path, 0, writer.bytes, writer.sha256, {}, 0)


def _remove_set(name: SetName) -> None:
    """Remove a set's manifest, rejects and shards, in this order: what is left without a manifest is nobody's."""
    files.delete(name.manifest())
    files.delete(name.rejects())
    for found in list(files.list_dir(name.directory)):
        if name.owns(files.name(found.uri)):
            files.delete(found.uri)


def _rows_read(job: SetJob) -> RowsRead:
    notes = []
    for task in range(len(job.read_tasks)):
        try:
            notes.append(RowsRead(**json.loads(files.read_bytes(_read_note(job, task)))))
        except FileNotFoundError:
            raise RunFailed(
                f'nobody finished reading {", ".join(job.read_tasks[task])}: the runner lost data',
                where=job.name.manifest(),
                do='run the same command with another --runner',
            ) from None
    return RowsRead(sum(note.rows for note in notes), sum(note.from_working_dir for note in notes))


def _jsonl(rejects: Iterable[Reject]) -> bytes:
    # A path that isn't UTF-8 keeps its surrogates, escaped.
    return ''.join(json.dumps(_fields(reject)) + '\n' for reject in rejects).encode()


def _fields(reject: Reject) -> dict[str, str | int]:
    return {
        'source': reject.source,
        'row': reject.row,
        'uri': reject.uri,
        'stage': reject.stage,
        'reason': reject.reason,
        'message': reject.message,
    }


def _move_in(job: SetJob, path: str, data: bytes) -> None:
    """Write a file in the work folder and move it to its place, so that a kill leaves nothing beside the records."""
    unfinished = files.join(job.work, files.name(path))
    files.write_atomic(unfinished, data)
    files.rename(unfinished, path)


def _read_note(job: SetJob, task: int) -> str:
    return files.join(job.work, 'read', f'{task}.json')


def _outcome_file(job: SetJob) -> str:
    return files.join(job.work, 'outcome.json')
