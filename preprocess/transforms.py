"""The Beam side of embedding: rows -> pictures -> vectors in pieces -> shards -> published sets.

Elements are blocks of rows, because a single row's own overhead would show. No vector is ever an element.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from preprocess import decoders, interrupts, pictures, publishing, quiet, shards
from preprocess.embedder import Embedded, Embedder, Failed, Lane
from preprocess.failures import Interrupted
from preprocess.pictures import Picture
from preprocess.publishing import Refused, Repeated, RowsRead
from preprocess.rows import Reject, Row
from preprocess.sets import EmbeddingJob
from preprocess.shards import Placed
from preprocess.store import PieceWriter
from preprocess.tally import Tally
from preprocess.worker_failures import carried

T = TypeVar('T')

# Rows that travel together: enough to make the overhead of an element small, few enough to be spread over workers.
ROWS_PER_BLOCK = 256
PICTURES_PER_BLOCK = 32
_COUNTERS = 'headlight'
# The side exit for what goes straight to the finish of its set; Beam reads the types off the annotations.
_ARRIVALS = 'arrivals'
Arrived: TypeAlias = beam.pvalue.TaggedOutput[Literal['arrivals'], tuple[int, publishing.Arrival]]


@dataclass  # not frozen: Beam notes the pipeline in it
class EmbedSets(beam.PTransform):
    """Labelled CSVs -> published sets of records; a picture in several sets is embedded once."""

    job: EmbeddingJob

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[int]:
        tasks = [(one.index, task, csvs) for one in self.job.sets for task, csvs in enumerate(one.read_tasks)]
        read = (
            begin
            | 'CSVs' >> beam.Create(tasks, reshuffle=True)
            | 'ReadRows' >> beam.ParDo(_ReadRows(self.job)).with_outputs(_ARRIVALS, main='rows')
        )
        settled = (
            read.rows
            | 'TogetherByPicture' >> beam.GroupByKey()
            | 'Settle' >> beam.ParDo(_Settle(self.job)).with_outputs(_ARRIVALS, main='pictures')
        )
        embedded = (
            settled.pictures
            | 'SpreadOverWorkers' >> beam.Reshuffle()
            | 'Embed' >> beam.ParDo(_Embed(self.job)).with_outputs(_ARRIVALS, main='placed')
        )
        written = (
            embedded.placed
            | 'TogetherByShard' >> beam.GroupByKey()
            | 'WriteShards' >> beam.ParDo(_WriteShard(self.job))
        )
        # Every set is finished, also one of which nothing arrives.
        seeds = begin | 'Sets' >> beam.Create([(one.index, Repeated(0)) for one in self.job.sets])
        return (
            (seeds, read.arrivals, settled.arrivals, embedded.arrivals, written)
            | 'Arrivals' >> beam.Flatten()
            | 'TogetherBySet' >> beam.GroupByKey()
            | 'Finish' >> beam.ParDo(_Finish(self.job))
        )


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

    def _raise_if_interrupted(self) -> None:
        if interrupts.requested() or self._tally.should_stop():
            raise Interrupted('interrupted', where='the workers', do='run the same command again')


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
            bucket = pictures.hash_of(row.uri) % self._job.buckets
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


class _Settle(_Worker):
    """All rows of some pictures -> the pictures, in blocks."""

    @carried
    def process(self, bucket: tuple[int, Iterable[tuple[int, list[Row]]]]) -> Iterator[list[Picture] | Arrived]:
        _, blocks = bucket
        settled = pictures.settle(((index, row) for index, rows in blocks for row in rows), self._job.sets)
        for set_index, rejects in settled.rejects.items():
            yield from self._refused(set_index, rejects)
        for set_index, rows in settled.duplicates.items():
            self._count(duplicates=rows)
            yield beam.pvalue.TaggedOutput(_ARRIVALS, (set_index, Repeated(rows)))
        for first in range(0, len(settled.pictures), PICTURES_PER_BLOCK):
            yield settled.pictures[first : first + PICTURES_PER_BLOCK]


class _Embed(_Worker):
    """Pictures -> vectors in pieces of the store, and where each record finds its vector."""

    def setup(self) -> None:
        super().setup()
        self._embedder = _embedders.borrow(self._job)

    def start_bundle(self) -> None:
        self._lane: Lane[Picture] = self._embedder.open_lane()
        self._located: list[tuple[Picture, bytes]] = []
        self._pieces = PieceWriter(
            self._job.store,
            encoder_key=self._job.encoder_key,
            vector_size=self._embedder.engine.vector_size,
            staging=self._job.staging,
        )

    @carried
    def process(self, block: list[Picture]) -> Iterator[tuple[tuple[int, int], Placed] | Arrived]:
        for picture in block:
            yield from self._take(self._lane.put(picture))
            if self._pieces.is_due:
                yield from self._publish()
            if interrupts.requested() or self._tally.should_stop():
                # What is under way is finished and kept; the next run finds it in the store.
                yield from self._take(self._lane.drain())
                yield from self._publish()
                self._raise_if_interrupted()

    @carried
    def finish_bundle(self) -> Iterator[WindowedValue | Arrived]:
        for output in [*self._take(self._lane.drain()), *self._publish()]:
            yield _in_global_window(output)

    def teardown(self) -> None:
        _embedders.give_back(self._job)
        super().teardown()

    def _take(self, results: Sequence[Embedded[Picture] | Failed[Picture]]) -> Iterator[Arrived]:
        embedded = [result for result in results if isinstance(result, Embedded)]
        for result in embedded:
            self._pieces.add(result.key, result.vector)
            self._located.append((result.item, result.key))
        if embedded:
            self._count(
                embedded=len(embedded),
                accepted=sum(len(result.item.uses) for result in embedded),
                bytes_read=sum(result.bytes for result in embedded),
            )
        refused: dict[int, list[Reject]] = {}
        for failed in (result for result in results if isinstance(result, Failed)):
            said = failed.item.rejects(stage=failed.stage, reason=failed.reason, message=failed.message)
            for set_index, reject in said:
                refused.setdefault(set_index, []).append(reject)
        for set_index, rejects in refused.items():
            yield from self._refused(set_index, rejects)

    def _publish(self) -> Iterator[tuple[tuple[int, int], Placed]]:
        if piece := self._pieces.publish():
            yield from shards.place(piece, self._located, self._job.sets).items()
            self._located = []


class _WriteShard(_Worker):
    """Everything that belongs into one shard -> the shard, under a temporary name."""

    @carried
    def process(self, shard: tuple[tuple[int, int], Iterable[Placed]]) -> Iterator[tuple[int, shards.ShardWritten]]:
        (set_index, index), placed = shard
        written = shards.write_shard(self._job.sets[set_index], index, placed)
        self._count(written=written.records, bytes_written=written.bytes)
        yield set_index, written


class _Finish(_Worker):
    """All that became of a set -> its manifest, its rejects, its shards under their names."""

    @carried
    def process(self, arrived: tuple[int, Iterable[publishing.Arrival]]) -> Iterator[int]:
        set_index, arrivals = arrived
        publishing.finish(self._job.sets[set_index], arrivals)
        yield set_index


def _in_global_window(output: T) -> WindowedValue | beam.pvalue.TaggedOutput:
    if isinstance(output, beam.pvalue.TaggedOutput):
        return beam.pvalue.TaggedOutput(output.tag, _in_global_window(output.value))
    return WindowedValue(output, GlobalWindow().max_timestamp(), [GlobalWindow()])


class _Embedders:
    """One network for all bundles of a process, as long as any of them uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._borrowed: dict[str, tuple[int, Embedder[Picture], decoders.DecoderPool]] = {}

    def borrow(self, job: EmbeddingJob) -> Embedder[Picture]:
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


def _make(job: EmbeddingJob) -> tuple[Embedder[Picture], decoders.DecoderPool]:
    with quiet.loading():
        engine = job.load_engine()
    pool = decoders.DecoderPool(
        engine.input_shape, children=job.hands.decoders, timeout_s=job.decode_timeout_s, decode=job.decode
    )
    return Embedder(engine, read=pictures.read_bytes, decode=pool.decode, readers=job.hands.readers), pool
