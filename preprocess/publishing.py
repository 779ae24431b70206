"""Finishing a set: every row accounted for, rejects and manifest written, shards given their names, old ones gone.

The manifest comes before the shards get their names: at any moment, what lies in the folder is a set that is whole or
one its manifest doesn't vouch for. Every step may be done twice.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

from preprocess import files, outcomes, provenance
from preprocess.arrivals import Arrival, Refused, Repeated, Sources
from preprocess.failures import RunFailed
from preprocess.footage_accounts import FootageAccount
from preprocess.manifest import Examples, Manifest, Rows, Shard
from preprocess.outcomes import Outcome
from preprocess.record_sets import sets_in
from preprocess.records import RecordWriter
from preprocess.rows import Reject
from preprocess.sampling import Sampling
from preprocess.set_names import SetName
from preprocess.sets import SetJob
from preprocess.settings import Json
from preprocess.shards import Damaged, ShardWritten

DICTIONARY = 'dict.txt'
_AT_ONCE = 16


@dataclass(frozen=True)
class RowsRead:
    """How many rows some CSVs gave; written beside the dataflow, so that what an engine loses is noticed."""

    rows: int
    from_working_dir: int


@dataclass
class Gathered:
    """Everything that arrived of a set, by kind."""

    shards: dict[int, ShardWritten] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    duplicates: int = 0
    damaged: set[Damaged] = field(default_factory=set)
    sources: Sources = Sources()
    footage: FootageAccount = field(default_factory=FootageAccount)

    @classmethod
    def of(cls, arrivals: Iterable[Arrival]) -> 'Gathered':
        """Sort what arrived."""
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
                case _:
                    gathered.footage.add(part)
        gathered.rejects.sort(key=lambda reject: (reject.source, reject.row))
        return gathered

    @property
    def written(self) -> int:
        return sum(shard.records for shard in self.shards.values())

    @property
    def accepted(self) -> int:
        """Rows: one for every picture, and those of footage that were expanded."""
        return self.written - self.frames + self.footage.rows

    @property
    def frames(self) -> int:
        return sum(shard.frames for shard in self.shards.values())


def note_rows_read(job: SetJob, task: int, read: RowsRead) -> None:
    """Leave the number of rows that were read where the finish finds it."""
    files.write_atomic(_read_note(job, task), json.dumps(asdict(read)).encode())


def finish(job: SetJob, arrivals: Iterable[Arrival]) -> None:
    """Publish a set from what arrived, or only its rejects when there are too many."""
    gathered = Gathered.of(arrivals)
    damaged = tuple(sorted(gathered.damaged, key=lambda piece: piece.piece))
    if any(piece.is_late for piece in damaged):
        outcome = Outcome(Rows(0, 0, 0, 0), {}, 0, False, gathered.sources, damaged)
    else:
        outcome = replace(_finished(job, gathered), sources=gathered.sources, damaged=damaged)
    outcomes.write(job, outcome)


def _finished(job: SetJob, gathered: Gathered) -> Outcome:
    read = _rows_read(job)
    rows, examples = _accounted(job, gathered, read), _examples(job, gathered)
    rows = _with_those_before(job, gathered, rows)
    reasons = dict(sorted(Counter(reject.reason for reject in gathered.rejects).items()))
    of_frames = provenance.original(gathered.footage.rejects, job.provenance)
    _move_in(job, job.name.rejects(), _jsonl([*gathered.rejects, *of_frames]))
    outcome = Outcome(
        rows,
        reasons,
        read.from_working_dir,
        is_published=False,
        examples=examples,
        frame_rejects_by_reason=gathered.footage.by_reason,
        worst=gathered.footage.worst(),
        notes=gathered.footage.said(),
    )
    if not outcome.is_acceptable(job.max_reject_fraction):
        return outcome
    _publish(job, gathered, outcome)
    return replace(outcome, is_published=True)


def _with_those_before(job: SetJob, gathered: Gathered, rows: Rows) -> Rows:
    """Rejects named as their author wrote them, and with them the rows that never came as far as this set's CSV."""
    before = provenance.refused_before(job.provenance) if job.limit is None else []
    repeats = job.provenance.duplicates if job.limit is None else 0
    named = provenance.original(gathered.rejects, job.provenance)
    gathered.rejects = [*before, *named]
    return Rows(rows.read + len(before) + repeats, rows.accepted, rows.rejected + len(before), rows.duplicate + repeats)


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


def _accounted(job: SetJob, gathered: Gathered, read: RowsRead) -> Rows:
    """The row accounts; every row that was read must have come out somewhere."""
    found = gathered.accepted + len(gathered.rejects) + gathered.duplicates
    if found != read.rows:
        raise _lost(job, f'{read.rows} rows were read, but {found} arrived')
    return Rows(read.rows, gathered.accepted, len(gathered.rejects), gathered.duplicates)


def _examples(job: SetJob, gathered: Gathered) -> Examples:
    """The account of frames; every one that a row asked for must have come out somewhere."""
    footage = gathered.footage
    expanded, rejected = footage.expanded.total(), footage.rejected.total()
    if expanded != gathered.frames + rejected:
        raise _lost(job, f'{expanded} frames were asked for, but {gathered.frames + rejected} arrived')
    return Examples(gathered.written, rejected, gathered.written + rejected)


def _lost(job: SetJob, what: str) -> RunFailed:
    return RunFailed(
        f'{what}: the runner lost data', where=job.name.manifest(), do='run the same command with another --runner'
    )


def _sampling_of_stills(shards: Sequence[ShardWritten]) -> dict[str, Json] | None:
    """Of pictures that follow on one another how many there are a second, by most of their files."""
    rates = Counter(shard.rate for shard in shards if shard.rate)
    return Sampling(rates.most_common(1)[0][0]).to_json() if rates else None


def _publish(job: SetJob, gathered: Gathered, outcome: Outcome) -> None:
    shards = [gathered.shards.get(index) or _empty_shard(job, index) for index in range(job.shards)]
    names = [job.name.shard_file(shard.index, job.shards) for shard in shards]
    counts = Counter[int]()
    for shard in shards:
        counts.update(shard.counts_per_label)
    has_footage = bool(gathered.footage.expanded)
    manifest = Manifest(
        name=job.name.name,
        encoder=job.encoder,
        vector_shape=job.vector_shape,
        labels=job.labels.names,
        multi_label=job.multi_label,
        shards=tuple(
            Shard(name, shard.records, shard.bytes, shard.sha256) for name, shard in zip(names, shards, strict=True)
        ),
        rows=outcome.rows,
        examples=outcome.examples,
        rejects_by_reason=outcome.rejects_by_reason,
        counts_per_label={label: counts[place] for place, label in enumerate(job.labels.names)},
        unlabelled=sum(shard.unlabelled for shard in shards),
        settings=job.settings,
        part=job.name.part,
        sampling=job.sampling.to_json() if has_footage else _sampling_of_stills(shards),
        preparation=job.preparation.to_json() if has_footage else None,
        frame_rejects_by_reason=outcome.frame_rejects_by_reason,
    )
    _move_in(job, job.path(DICTIONARY), job.labels.text().encode())
    _move_in(job, job.name.manifest(), manifest.data())
    # A bucket takes a tenth of a second for each, and many at once.
    with ThreadPoolExecutor(_AT_ONCE, 'name shards') as pool:
        list(pool.map(_take_name, shards, map(job.path, names)))
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
            raise _lost(job, f'nobody finished reading {", ".join(job.read_tasks[task])}') from None
    return RowsRead(sum(note.rows for note in notes), sum(note.from_working_dir for note in notes))


def _jsonl(rejects: Iterable[Reject]) -> bytes:
    ordered = sorted(rejects, key=lambda reject: (reject.source, reject.row, reject.last_frame or 0))
    # A path that isn't UTF-8 keeps its surrogates, escaped.
    return ''.join(json.dumps(_fields(reject)) + '\n' for reject in ordered).encode()


def _fields(reject: Reject) -> dict[str, str | int | None]:
    frames = {'frames': reject.frames, 'last_frame': reject.last_frame} if reject.frames else {}
    return {
        'source': reject.source,
        'row': reject.row,
        'uri': reject.uri,
        'stage': reject.stage,
        'reason': reject.reason,
        'message': reject.message,
        **frames,
    }


def _move_in(job: SetJob, path: str, data: bytes) -> None:
    """Write a file in the work folder and move it to its place, so that a kill leaves nothing beside the records."""
    unfinished = files.join(job.work, files.name(path))
    files.write_atomic(unfinished, data)
    files.rename(unfinished, path)


def _read_note(job: SetJob, task: int) -> str:
    return files.join(job.work, 'read', f'{task}.json')
