"""The Beam side of embedding: rows -> pictures and frames -> what the store has -> the rest embedded -> published sets.

Elements are blocks of rows, because a single row's own overhead would show. No vector is ever an element: keys meet
keys, by ranges, and what travels is where a vector is.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeAlias

import apache_beam as beam
from apache_beam.utils.windowed_value import WindowedValue

from preprocess import (
    footage,
    footage_files,
    frame_lookup,
    lookup,
    pictures,
    pieces,
    publishing,
    shards,
    shelves,
    video_pieces,
)
from preprocess.arrivals import Arrival, Repeated, Sources
from preprocess.embed_step import Embed
from preprocess.footage import WantedFrames
from preprocess.footage_steps import take_frames
from preprocess.frame_embed_step import EmbedFrames
from preprocess.frame_lookup import Sought
from preprocess.frame_shards import PlacedFrames, Target
from preprocess.image_formats import ImageError
from preprocess.lookup import Named, Unnamed, Wanted
from preprocess.packed import Packed
from preprocess.pictures import Picture
from preprocess.pieces import PieceError, PieceWriter
from preprocess.products import Product, Records
from preprocess.publishing import RowsRead
from preprocess.rows import Reject, Row
from preprocess.sets import EmbeddingJob
from preprocess.shards import Placed
from preprocess.shelves import Refusal
from preprocess.steps import ARRIVALS, Arrived, Step, apart, arrival
from preprocess.stock import KeySlice, Stock, read_list
from preprocess.worker_failures import carried

# Rows that travel together: enough to make the overhead of an element small, few enough to be spread over workers.
ROWS_PER_BLOCK = 256
# Rows whose blocks aren't full: so many are held at a time, however finely the pictures are divided.
_ROWS_WAITING = 1 << 16
PICTURES_PER_BLOCK = 32
# Pictures a thread asks the storage about in one go.
NAMED_AT_A_TIME = 16
_PLACED, _FRAMES, _FOOTAGE = 'placed', 'frames', 'footage'
LookedUp: TypeAlias = (
    beam.pvalue.TaggedOutput[Literal['placed'], tuple[Target, Packed[list[Placed | PlacedFrames]]]]
    | beam.pvalue.TaggedOutput[Literal['frames'], WantedFrames]
)
RowsOfPictures: TypeAlias = tuple[int, tuple[int, Packed[list[Row]]]]
RowsOfFootage: TypeAlias = beam.pvalue.TaggedOutput[Literal['footage'], tuple[int, tuple[int, list[Row]]]]


@dataclass  # not frozen: Beam notes the pipeline in it
class EmbedSets(beam.PTransform):
    """Labelled CSVs -> published sets of records; a picture in several sets is embedded once."""

    job: EmbeddingJob
    product: Product = Records()

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[int]:
        job, product = self.job, self.product
        seen, vectors, refusals = (
            begin
            | f'ListsOf{what}' >> beam.Create(stock.lists)
            | f'PiecesOf{what}' >> beam.ParDo(_NamePieces(job))
            | f'Spread{what}' >> beam.Reshuffle()
            | f'Read{what}' >> _reading(job, stock)
            for what, stock in (('Index', job.seen), ('Vectors', job.vectors), ('Refusals', job.refusals))
        )
        tasks = [(one.index, task, csvs) for one in job.sets for task, csvs in enumerate(one.read_tasks)]
        read = (
            begin
            | 'CSVs' >> beam.Create(tasks, reshuffle=True)
            | 'ReadRows' >> beam.ParDo(_ReadRows(job)).with_outputs(ARRIVALS, _FOOTAGE, main='rows')
        )
        named = (
            (read.rows, seen.slices)
            | 'RowsAndIndex' >> beam.Flatten()
            | 'TogetherByPicture' >> beam.GroupByKey()
            | 'Name' >> beam.ParDo(_Name(job, product)).with_outputs(ARRIVALS, main='named')
        )
        steps = [seen, vectors, refusals, read, named]
        contents = [named.named, vectors.slices, refusals.slices]
        # Without footage its steps are left out, which cost a small run a fifth of its time.
        if job.may_have_footage:
            frames, taking = take_frames(read.footage, seen.slices, job, product)
            contents, steps = [*contents, frames], [*steps, *taking]
        found = (
            contents
            | 'ContentsAndStore' >> beam.Flatten()
            | 'TogetherByContent' >> beam.GroupByKey()
            | 'LookUp' >> beam.ParDo(_LookUp(job)).with_outputs(ARRIVALS, _PLACED, _FRAMES, main='wanted')
        )
        embedding = [found.wanted | 'Embed' >> _Spread(Embed(job))]
        if job.may_have_footage:
            embedding.append(found.frames | 'EmbedFrames' >> _Spread(EmbedFrames(job)))
        written = (
            (found.placed, *(step.placed for step in embedding))
            | 'Placed' >> beam.Flatten()
            | 'TogetherByShard' >> beam.GroupByKey()
            | 'WriteShards' >> beam.ParDo(_WriteShard(job, product))
        )
        # Every set is finished, also one of which nothing arrives.
        seeds = begin | 'Sets' >> beam.Create([(one.index, Repeated(0)) for one in job.sets])
        return (
            (seeds, written, *(step.arrivals for step in [*steps, found, *embedding]))
            | 'Arrivals' >> beam.Flatten()
            | 'TogetherBySet' >> beam.GroupByKey()
            | 'Finish' >> beam.ParDo(_Finish(job, product))
        )


@dataclass  # not frozen: Beam notes the pipeline in it
class _Spread(beam.PTransform):
    """What is wanted, handed to whichever worker is free."""

    step: Embed | EmbedFrames

    def expand(self, wanted: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return wanted | 'OverWorkers' >> beam.Reshuffle() | beam.ParDo(self.step).with_outputs(ARRIVALS, main='placed')


def _reading(job: EmbeddingJob, stock: Stock) -> beam.PTransform:
    return beam.ParDo(_ReadPiece(job, stock)).with_outputs(ARRIVALS, main='slices')


class _NamePieces(Step):
    """A list of pieces -> their paths."""

    @carried
    def process(self, listed: str) -> Iterator[str]:
        yield from read_list(listed)


class _ReadPiece(Step):
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
            yield arrival(shards.Damaged(path, error.why, is_late=False))


class _ReadRows(Step):
    """CSVs of a set -> blocks of rows, those of one picture or recording under one key."""

    @carried
    def process(self, task: tuple[int, int, tuple[str, ...]]) -> Iterator[RowsOfPictures | RowsOfFootage | Arrived]:
        set_index, number, csvs = task
        one = self._job.sets[set_index]
        buckets: dict[tuple[int, bool], list[Row]] = {}
        rejects: list[Reject] = []
        read = from_working_dir = waiting = 0
        for row in pictures.read_rows(one, csvs):
            read += 1
            if isinstance(row, Reject):
                rejects.append(row)
                continue
            from_working_dir += row.from_working_dir
            bucket = pieces.range_of(shelves.path_key(row.recording), self._job.seen.ranges)
            block = buckets.setdefault((bucket, row.is_footage), [])
            block.append(row)
            waiting += 1
            if len(block) == ROWS_PER_BLOCK:
                waiting -= len(block)
                yield _rows(bucket, set_index, buckets.pop((bucket, row.is_footage)))
            if waiting == _ROWS_WAITING:
                waiting = 0
                yield from (_rows(bucket, set_index, block) for (bucket, _), block in buckets.items())
                buckets.clear()
            if read % ROWS_PER_BLOCK == 0:
                self._count(read=ROWS_PER_BLOCK)
                self._raise_if_interrupted()
        self._count(read=read % ROWS_PER_BLOCK)
        yield from (_rows(bucket, set_index, block) for (bucket, _), block in buckets.items())
        yield from self._refused(set_index, rejects)
        publishing.note_rows_read(one, number, RowsRead(read, from_working_dir))
        # Now the total is known: everything after this is measured against it.
        self._tally.write()


def _rows(bucket: int, set_index: int, block: list[Row]) -> RowsOfPictures | RowsOfFootage:
    """Rows on their way: footage takes another than pictures."""
    if block[0].is_footage:
        return beam.pvalue.TaggedOutput(_FOOTAGE, (bucket, (set_index, block)))
    return bucket, (set_index, Packed.of(block))


class _Name(Step):
    """All rows of some pictures, and what the index has of these -> the pictures under the sha256 of their bytes."""

    def __init__(self, job: EmbeddingJob, product: Product) -> None:
        super().__init__(job)
        self._product = product

    def setup(self) -> None:
        super().setup()
        self._readers = ThreadPoolExecutor(self._job.manning.hands().readers, 'namer')

    def start_bundle(self) -> None:
        self._entries = PieceWriter(self._job.seen.shelf, staging=self._job.staging)

    @carried
    def process(
        self, bucket: tuple[int, Iterable[tuple[int, Packed[list[Row]]] | KeySlice]]
    ) -> Iterator[tuple[int, Packed[list[Named]]] | Arrived]:
        blocks, slices = apart(bucket[1])
        found = ((index, row) for index, rows in blocks for row in rows.open())
        settled = self._product.settle(found, self._job.sets)
        for set_index, rejects in settled.rejects.items():
            yield from self._refused(set_index, rejects)
        for set_index, rows in settled.duplicates.items():
            self._count(duplicates=rows)
            yield beam.pvalue.TaggedOutput(ARRIVALS, (set_index, Repeated(rows)))
        yield from self._name(settled.pictures, lookup.known_files(slices))

    def _name(
        self, found: Sequence[Picture], known: dict[bytes, bytes]
    ) -> Iterator[tuple[int, Packed[list[Named]]] | Arrived]:
        by_range: dict[int, list[Named]] = {}
        blocks = [found[first : first + NAMED_AT_A_TIME] for first in range(0, len(found), NAMED_AT_A_TIME)]
        for block in self._readers.map(lambda block: lookup.name(block, known), blocks):
            self._count(named=len(block))
            for one in block:
                if isinstance(one, Unnamed):
                    yield from self._turned_away([one.picture], one.refusal)
                    continue
                if one.new_entry:
                    self._entries.add(one.new_entry, one.key)
                # Noted, it would only be carried along: a third of what travels of a new picture.
                named = one._replace(new_entry=None)
                by_range.setdefault(pieces.range_of(one.key, self._job.vectors.ranges), []).append(named)
            if self._entries.is_due:
                self._entries.publish()
            if self._is_interrupted:
                self._entries.publish()
                self._raise_if_interrupted()
        yield from ((number, Packed.of(some)) for number, some in by_range.items())

    @carried
    def finish_bundle(self) -> Iterator[WindowedValue]:
        self._entries.publish()
        self._tally.write()
        yield from ()

    def teardown(self) -> None:
        self._readers.shutdown(cancel_futures=True)
        super().teardown()


class _LookUp(Step):
    """Contents and pieces of one range of keys -> where the vectors are, what is refused, what is wanted."""

    @carried
    def process(
        self, bucket: tuple[int, Iterable[Packed[list[Named]] | Sought | KeySlice]]
    ) -> Iterator[Packed[list[Wanted]] | LookedUp | Arrived]:
        found, slices = apart(bucket[1])
        yield from self._pictures([one for one in found if isinstance(one, Packed)], slices)
        yield from self._frames([one for one in found if isinstance(one, Sought)], slices)

    def _pictures(
        self, blocks: Sequence[Packed[list[Named]]], slices: Sequence[KeySlice]
    ) -> Iterator[Packed[list[Wanted]] | LookedUp | Arrived]:
        joined = lookup.join((one for block in blocks for one in block.open()), slices)
        accepted = sum(len(one.picture.uses) for one in joined.located)
        self._count(accepted=accepted, wanted=len(joined.wanted))
        for target, placed in shards.place(joined.located, self._job.sets).items():
            yield beam.pvalue.TaggedOutput(_PLACED, (target, Packed.of(placed)))
        for picture, refusal in joined.refused:
            yield from self._turned_away([picture], refusal)
        yield arrival(Sources(from_store=len(joined.located)))
        for first in range(0, len(joined.wanted), PICTURES_PER_BLOCK):
            yield Packed.of(joined.wanted[first : first + PICTURES_PER_BLOCK])

    def _frames(self, sought: Sequence[Sought], slices: Sequence[KeySlice]) -> Iterator[LookedUp | Arrived]:
        joined = frame_lookup.join(sought, slices)
        for one in joined.placed:
            self._count(frames_placed=len(one.taken))
            yield beam.pvalue.TaggedOutput(_PLACED, (one.target(self._job.sets), Packed.of([one])))
        for set_index, refused in joined.refused:
            yield from self._refused_frames(set_index, refused)
        yield arrival(joined.sources)
        for wanted in joined.wanted:
            try:
                pieces_of_video = self._decodable(wanted)
            except ImageError as error:
                yield from self._lost(wanted, Refusal('survey', error.reason, error.message))
                continue
            self._count(wanted=len(wanted))
            for piece in pieces_of_video:
                yield beam.pvalue.TaggedOutput(_FRAMES, piece)

    def _decodable(self, wanted: WantedFrames) -> list[WantedFrames]:
        """Frames of a file in pieces, each to be decoded by itself by whoever is free."""
        timeline = footage_files.timeline_of(wanted.file, self._job.reader, self._job.store)
        return video_pieces.divide(wanted, timeline, self._job.reader, videos=self._job.recordings)

    def _lost(self, wanted: WantedFrames, refusal: Refusal) -> Iterator[Arrived]:
        """The file went away, or became another, since its times were read."""
        for taken in wanted.taken:
            yield from self._refused_frames(taken.set_index, footage.refused(taken, [refusal] * len(taken)))

    def finish_bundle(self) -> None:
        # Now it is known how many there are to embed, and to write without that.
        self._tally.write()


class _WriteShard(Step):
    """Everything that belongs into one shard -> the shard, under a temporary name."""

    def __init__(self, job: EmbeddingJob, product: Product) -> None:
        super().__init__(job)
        self._product = product

    @carried
    def process(
        self, shard: tuple[Target, Iterable[Packed[list[Placed | PlacedFrames]]]]
    ) -> Iterator[tuple[int, Arrival]]:
        (set_index, index), blocks = shard
        placed = (one for block in blocks for one in block.open())
        written = self._product.write_shard(self._job.sets[set_index], index, placed)
        if isinstance(written, shards.ShardWritten):
            self._count(written=written.records, bytes_written=written.bytes)
            yield set_index, written
        else:
            yield from ((set_index, piece) for piece in written)


class _Finish(Step):
    """All that became of a set -> its manifest, its rejects, its shards under their names."""

    def __init__(self, job: EmbeddingJob, product: Product) -> None:
        super().__init__(job)
        self._product = product

    @carried
    def process(self, arrived: tuple[int, Iterable[Arrival]]) -> Iterator[int]:
        set_index, arrivals = arrived
        self._product.finish(self._job.sets[set_index], arrivals)
        yield set_index
