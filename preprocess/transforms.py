"""The Beam side of embedding: rows -> pictures -> what the store has of them -> the rest embedded -> published sets.

Elements are blocks of rows, because a single row's own overhead would show. No vector is ever an element: keys meet
keys, by ranges, and what travels is where a vector is.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from preprocess import decoders, interrupts, lookup, pictures, pieces, publishing, quiet, shards, shelves
from preprocess.embedder import Embedded, Embedder, Failed, Lane
from preprocess.failures import Interrupted
from preprocess.lookup import Located, Named, Unnamed, Wanted
from preprocess.pictures import Picture
from preprocess.pieces import PieceError, PieceWriter
from preprocess.publishing import Refused, Repeated, RowsRead, Sources
from preprocess.rows import Reject, Row
from preprocess.sets import EmbeddingJob
from preprocess.shards import Placed
from preprocess.shelves import Refusal
from preprocess.stock import KeySlice, Stock
from preprocess.tally import Tally
from preprocess.worker_failures import carried

T = TypeVar('T')

# Rows that travel together: enough to make the overhead of an element small, few enough to be spread over workers.
ROWS_PER_BLOCK = 256
PICTURES_PER_BLOCK = 32
# Pictures a thread asks the storage about in one go.
NAMED_AT_A_TIME = 16
_COUNTERS = 'headlight'
# The side exit for what goes straight to the finish of its set; Beam reads the types off the annotations.
_ARRIVALS = 'arrivals'
Arrived: TypeAlias = beam.pvalue.TaggedOutput[Literal['arrivals'], tuple[int, publishing.Arrival]]
_PLACED = 'placed'
LookedUp: TypeAlias = beam.pvalue.TaggedOutput[Literal['placed'], tuple[tuple[int, int], list[Placed]]]


@dataclass  # not frozen: Beam notes the pipeline in it
class EmbedSets(beam.PTransform):
    """Labelled CSVs -> published sets of records; a picture in several sets is embedded once."""

    job: EmbeddingJob

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[int]:
        job = self.job
        seen, vectors, refusals = (
            begin
            | f'PiecesOf{what}' >> beam.Create(stock.paths, reshuffle=True)
            | f'Read{what}' >> _reading(job, stock)
            for what, stock in (('Index', job.seen), ('Vectors', job.vectors), ('Refusals', job.refusals))
        )
        tasks = [(one.index, task, csvs) for one in job.sets for task, csvs in enumerate(one.read_tasks)]
        read = (
            begin
            | 'CSVs' >> beam.Create(tasks, reshuffle=True)
            | 'ReadRows' >> beam.ParDo(_ReadRows(job)).with_outputs(_ARRIVALS, main='rows')
        )
        named = (
            (read.rows, seen.slices)
            | 'RowsAndIndex' >> beam.Flatten()
            | 'TogetherByPicture' >> beam.GroupByKey()
            | 'Name' >> beam.ParDo(_Name(job)).with_outputs(_ARRIVALS, main='named')
        )
        found = (
            (named.named, vectors.slices, refusals.slices)
            | 'PicturesAndStore' >> beam.Flatten()
            | 'TogetherByContent' >> beam.GroupByKey()
            | 'LookUp' >> beam.ParDo(_LookUp(job)).with_outputs(_ARRIVALS, _PLACED, main='wanted')
        )
        embedded = (
            found.wanted
            | 'SpreadOverWorkers' >> beam.Reshuffle()
            | 'Embed' >> beam.ParDo(_Embed(job)).with_outputs(_ARRIVALS, main='placed')
        )
        written = (
            (found.placed, embedded.placed)
            | 'Placed' >> beam.Flatten()
            | 'TogetherByShard' >> beam.GroupByKey()
            | 'WriteShards' >> beam.ParDo(_WriteShard(job))
        )
        # Every set is finished, also one of which nothing arrives.
        seeds = begin | 'Sets' >> beam.Create([(one.index, Repeated(0)) for one in job.sets])
        steps = (seen, vectors, refusals, read, named, found, embedded)
        return (
            (seeds, written, *(step.arrivals for step in steps))
            | 'Arrivals' >> beam.Flatten()
            | 'TogetherBySet' >> beam.GroupByKey()
            | 'Finish' >> beam.ParDo(_Finish(job))
        )


def _reading(job: EmbeddingJob, stock: Stock) -> beam.PTransform:
    return beam.ParDo(_ReadPiece(job, stock)).with_outputs(_ARRIVALS, main='slices')


class _Worker(beam.DoFn):
    """A step that counts what it does for Beam and for the driver."""

    def __init__(self, job: EmbeddingJob) -> None:
        self._job = job

    @property
    def place(self) -> str:
        """Where a full disk would be met: what to name when the system names nothing."""
        return f'{self._job.sets[0].name.directory} or {self._job.store}'

    def setup(self) -> None:
        self._tally = Tally(self._job.tallies)

    def teardown(self) -> None:
        self._tally.write()

    def _count(self, **counts: int) -> None:
        for name, count in counts.items():
            Metrics.counter(_COUNTERS, name).inc(count)
        self._tally.add(**counts)

    def _refused(self, set_index: int, rejects: Sequence[Reject]) -> Iterator[Arrived]:
        if rejects:
            self._count(rejected=len(rejects))
            yield beam.pvalue.TaggedOutput(_ARRIVALS, (set_index, Refused(tuple(rejects))))

    def _turned_away(self, found: Sequence[Picture], refusal: Refusal) -> Iterator[Arrived]:
        yield _arrival(Sources(rejected=len(found)))
        for picture in found:
            for set_index, reject in picture.rejects(**refusal._asdict()):
                yield from self._refused(set_index, [reject])

    @property
    def _is_interrupted(self) -> bool:
        return interrupts.requested() or self._tally.should_stop()

    def _raise_if_interrupted(self) -> None:
        if self._is_interrupted:
            raise Interrupted('interrupted', where='the workers', do='run the same command again')


class _ReadPiece(_Worker):
    """A piece of the store -> slices of its keys; a damaged one is set aside."""

    def __init__(self, job: EmbeddingJob, stock: Stock) -> None:
        super().__init__(job)
        self._stock = stock

    @carried
    def process(self, path: str) -> Iterator[tuple[int, KeySlice] | Arrived]:
        try:
            yield from self._read(path)
        except FileNotFoundError:
            # Its rows were put into others since the pieces were listed.
            for newcomer in self._stock.newcomers():
                yield from self._read(newcomer)

    def _read(self, path: str) -> Iterator[tuple[int, KeySlice] | Arrived]:
        try:
            # All or nothing: what a damaged piece says besides is not to be trusted.
            yield from list(self._stock.read(path))
        except PieceError as error:
            pieces.mark_bad(error)
            yield _arrival(shards.Damaged(path, error.why, is_late=False))


class _ReadRows(_Worker):
    """CSVs of a set -> blocks of rows, those of one picture under one key."""

    @carried
    def process(self, task: tuple[int, int, tuple[str, ...]]) -> Iterator[tuple[int, tuple[int, list[Row]]] | Arrived]:
        set_index, number, csvs = task
        one = self._job.sets[set_index]
        buckets: dict[int, list[Row]] = {}
        rejects: list[Reject] = []
        read = from_working_dir = 0
        for row in pictures.read_rows(one, csvs):
            read += 1
            if isinstance(row, Reject):
                rejects.append(row)
                continue
            from_working_dir += row.from_working_dir
            bucket = pieces.range_of(shelves.path_key(row.uri), self._job.seen.ranges)
            block = buckets.setdefault(bucket, [])
            block.append(row)
            if len(block) == ROWS_PER_BLOCK:
                yield bucket, (set_index, buckets.pop(bucket))
            if read % ROWS_PER_BLOCK == 0:
                self._count(read=ROWS_PER_BLOCK)
                self._raise_if_interrupted()
        self._count(read=read % ROWS_PER_BLOCK)
        yield from ((bucket, (set_index, block)) for bucket, block in buckets.items())
        yield from self._refused(set_index, rejects)
        publishing.note_rows_read(one, number, RowsRead(read, from_working_dir))
        # Now the total is known: everything after this is measured against it.
        self._tally.write()


class _Name(_Worker):
    """All rows of some pictures, and what the index has of these -> the pictures under the sha256 of their bytes."""

    def setup(self) -> None:
        super().setup()
        self._readers = ThreadPoolExecutor(self._job.hands.readers, 'namer')

    def start_bundle(self) -> None:
        self._entries = PieceWriter(self._job.seen.shelf, staging=self._job.staging)

    @carried
    def process(
        self, bucket: tuple[int, Iterable[tuple[int, list[Row]] | KeySlice]]
    ) -> Iterator[tuple[int, list[Named]] | Arrived]:
        blocks, slices = _apart(bucket[1])
        settled = pictures.settle(((index, row) for index, rows in blocks for row in rows), self._job.sets)
        for set_index, rejects in settled.rejects.items():
            yield from self._refused(set_index, rejects)
        for set_index, rows in settled.duplicates.items():
            self._count(duplicates=rows)
            yield beam.pvalue.TaggedOutput(_ARRIVALS, (set_index, Repeated(rows)))
        yield from self._name(settled.pictures, lookup.known_files(slices))

    def _name(self, found: Sequence[Picture], known: dict[bytes, bytes]) -> Iterator[tuple[int, list[Named]] | Arrived]:
        by_range: dict[int, list[Named]] = {}
        blocks = [found[first : first + NAMED_AT_A_TIME] for first in range(0, len(found), NAMED_AT_A_TIME)]
        for block in self._readers.map(lambda block: lookup.name(block, known), blocks):
            self._count(named=len(block))
            for one in block:
                if isinstance(one, Unnamed):
                    yield from self._turned_away([one.picture], one.refusal)
                    continue
                by_range.setdefault(pieces.range_of(one.key, self._job.vectors.ranges), []).append(one)
                if one.new_entry:
                    self._entries.add(one.new_entry, one.key)
            if self._entries.is_due:
                self._entries.publish()
            if self._is_interrupted:
                self._entries.publish()
                self._raise_if_interrupted()
        yield from by_range.items()

    @carried
    def finish_bundle(self) -> Iterator[WindowedValue]:
        self._entries.publish()
        self._tally.write()
        yield from ()

    def teardown(self) -> None:
        self._readers.shutdown(cancel_futures=True)
        super().teardown()


class _LookUp(_Worker):
    """Pictures and pieces of one range of contents -> where the vectors are, what is refused, what is wanted."""

    @carried
    def process(
        self, bucket: tuple[int, Iterable[list[Named] | KeySlice]]
    ) -> Iterator[list[Wanted] | LookedUp | Arrived]:
        blocks, slices = _apart(bucket[1])
        joined = lookup.join((one for block in blocks for one in block), slices)
        accepted = sum(len(one.picture.uses) for one in joined.located)
        self._count(accepted=accepted, wanted=len(joined.wanted))
        for target, placed in shards.place(joined.located, self._job.sets).items():
            yield beam.pvalue.TaggedOutput(_PLACED, (target, placed))
        for picture, refusal in joined.refused:
            yield from self._turned_away([picture], refusal)
        yield _arrival(Sources(from_store=len(joined.located)))
        for first in range(0, len(joined.wanted), PICTURES_PER_BLOCK):
            yield joined.wanted[first : first + PICTURES_PER_BLOCK]

    def finish_bundle(self) -> None:
        # Now it is known how many there are to embed, and to write without that.
        self._tally.write()


class _Embed(_Worker):
    """Contents without a vector -> vectors in pieces of the store, and where each record finds its vector."""

    def setup(self) -> None:
        super().setup()
        self._embedder: Embedder[Wanted] | None = None

    def start_bundle(self) -> None:
        self._lane: Lane[Wanted] | None = None
        self._embedded: list[tuple[Picture, bytes]] = []
        self._sources = Sources()
        self._vectors = PieceWriter(self._job.vectors.shelf, staging=self._job.staging)
        self._refusals = PieceWriter(self._job.refusals.shelf, staging=self._job.staging)

    @carried
    def process(self, block: list[Wanted]) -> Iterator[tuple[tuple[int, int], list[Placed]] | Arrived]:
        for wanted in block:
            yield from self._take(self._into_lane().put(wanted))
            if self._vectors.is_due or self._refusals.is_due:
                yield from self._publish()
            if self._is_interrupted:
                # What is under way is finished and kept; the next run finds it in the store.
                yield from self._drain()
                yield from self._publish()
                self._raise_if_interrupted()

    @carried
    def finish_bundle(self) -> Iterator[WindowedValue | Arrived]:
        for output in [*self._drain(), *self._publish(), _arrival(self._sources)]:
            yield _in_global_window(output)

    def teardown(self) -> None:
        if self._embedder:
            _embedders.give_back(self._job)
        super().teardown()

    def _into_lane(self) -> Lane[Wanted]:
        """The network is loaded by the first picture that needs it."""
        if not self._embedder:
            self._embedder = _embedders.borrow(self._job)
        if not self._lane:
            self._lane = self._embedder.open_lane()
        return self._lane

    def _drain(self) -> Iterator[Arrived]:
        while self._lane and (results := self._lane.drain()):
            yield from self._take(results)

    def _take(self, results: Sequence[Embedded[Wanted] | Failed[Wanted]]) -> Iterator[Arrived]:
        for result in results:
            # A file that changed or vanished since it was looked up speaks for itself alone.
            same = result.item.pictures if result.key == result.item.key else result.item.pictures[:1]
            others = result.item.pictures[len(same) :]
            if isinstance(result, Embedded):
                self._keep(result, same)
            else:
                refusal = Refusal(result.stage, result.reason, result.message)
                if result.key:
                    self._refusals.add(result.key, shelves.refusal_row(refusal))
                yield from self._turned_away(same, refusal)
            if others:
                yield from self._take(self._into_lane().put(Wanted(result.item.key, others)))

    def _keep(self, result: Embedded[Wanted], same: Sequence[Picture]) -> None:
        self._vectors.add(result.key, shelves.vector_row(result.vector))
        self._embedded += [(picture, result.key) for picture in same]
        self._sources += Sources(embedded=1, copies=len(same) - 1)
        self._count(embedded=1, accepted=sum(len(picture.uses) for picture in same), bytes_read=result.bytes)

    def _publish(self) -> Iterator[tuple[tuple[int, int], list[Placed]]]:
        self._refusals.publish()
        if piece := self._vectors.publish():
            positions = {key: position for position, key in enumerate(piece.keys)}
            located = (Located(picture, key, piece.path, positions[key]) for picture, key in self._embedded)
            yield from shards.place(located, self._job.sets).items()
            self._embedded = []


class _WriteShard(_Worker):
    """Everything that belongs into one shard -> the shard, under a temporary name."""

    @carried
    def process(
        self, shard: tuple[tuple[int, int], Iterable[list[Placed]]]
    ) -> Iterator[tuple[int, publishing.Arrival]]:
        (set_index, index), blocks = shard
        written = shards.write_shard(self._job.sets[set_index], index, (placed for block in blocks for placed in block))
        if isinstance(written, shards.ShardWritten):
            self._count(written=written.records, bytes_written=written.bytes)
            yield set_index, written
        else:
            yield from ((set_index, piece) for piece in written)


class _Finish(_Worker):
    """All that became of a set -> its manifest, its rejects, its shards under their names."""

    @carried
    def process(self, arrived: tuple[int, Iterable[publishing.Arrival]]) -> Iterator[int]:
        set_index, arrivals = arrived
        publishing.finish(self._job.sets[set_index], arrivals)
        yield set_index


def _arrival(arrival: publishing.Arrival) -> Arrived:
    """What concerns all sets goes to the finish of the first."""
    return beam.pvalue.TaggedOutput(_ARRIVALS, (0, arrival))


def _apart(mixed: Iterable[T | KeySlice]) -> tuple[list[T], list[KeySlice]]:
    """Blocks of rows or pictures, and the slices of pieces that met them."""
    blocks: list[T] = []
    slices: list[KeySlice] = []
    for one in mixed:
        if isinstance(one, KeySlice):
            slices.append(one)
        else:
            blocks.append(one)
    return blocks, slices


def _in_global_window(output: T) -> WindowedValue | beam.pvalue.TaggedOutput:
    if isinstance(output, beam.pvalue.TaggedOutput):
        return beam.pvalue.TaggedOutput(output.tag, _in_global_window(output.value))
    return WindowedValue(output, GlobalWindow().max_timestamp(), [GlobalWindow()])


class _Embedders:
    """One network for all bundles of a process, as long as any of them uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._borrowed: dict[str, tuple[int, Embedder[Wanted], decoders.DecoderPool]] = {}

    def borrow(self, job: EmbeddingJob) -> Embedder[Wanted]:
        with self._lock:
            users, embedder, pool = self._borrowed.get(job.tallies) or (0, *_make(job))
            self._borrowed[job.tallies] = users + 1, embedder, pool
            return embedder

    def give_back(self, job: EmbeddingJob) -> None:
        with self._lock:
            users, embedder, pool = self._borrowed[job.tallies]
            self._borrowed[job.tallies] = users - 1, embedder, pool
            if users > 1:
                return
            del self._borrowed[job.tallies]
        embedder.close()
        pool.close()


_embedders = _Embedders()


def _make(job: EmbeddingJob) -> tuple[Embedder[Wanted], decoders.DecoderPool]:
    with quiet.loading():
        engine = job.load_engine()
    pool = decoders.DecoderPool(
        engine.input_shape, children=job.hands.decoders, timeout_s=job.decode_timeout_s, decode=job.decode
    )
    return Embedder(engine, read=pictures.read_bytes, decode=pool.decode, readers=job.hands.readers), pool
