"""The steps from rows of footage to the frames they take: files found, their times read, rows spread over frames."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeAlias

import apache_beam as beam
from apache_beam.utils.windowed_value import WindowedValue

from preprocess import footage_files, locations, lookup, pieces, shelves, video_children
from preprocess.arrivals import Repeated
from preprocess.failures import InputError
from preprocess.footage import Noted, VideoFile
from preprocess.footage_files import Part, Surveyed, Surveyor, Unsurveyed
from preprocess.frame_lookup import Sought
from preprocess.image_formats import ImageError
from preprocess.pieces import PieceWriter
from preprocess.products import Product
from preprocess.recordings import Recording
from preprocess.rows import Row
from preprocess.sets import EmbeddingJob
from preprocess.shelves import Refusal
from preprocess.steps import ARRIVALS, Arrived, Step, apart
from preprocess.stock import KeySlice
from preprocess.stretches import Claimed
from preprocess.timelines import Timeline
from preprocess.worker_failures import carried

CLAIMS = 'claims'
Claims: TypeAlias = beam.pvalue.TaggedOutput[Literal['claims'], tuple[int, Claimed]]
# A survey reads a whole file: two at once keep a disk or a network busy, more of them only take memory.
_SURVEYS_AT_ONCE = 2


class FindFiles(Step):
    """All rows of some recordings -> who claims what of each, and the files it consists of."""

    def __init__(self, job: EmbeddingJob, product: Product) -> None:
        super().__init__(job)
        self._product = product

    @carried
    def process(
        self, bucket: tuple[int, Iterable[tuple[int, list[Row]]]]
    ) -> Iterator[tuple[int, Part] | Claims | Arrived]:
        rows = ((index, row) for index, some in bucket[1] for row in some)
        settled = self._product.settle_footage(rows, self._job.sets)
        for set_index, rejects in settled.rejects.items():
            yield from self._refused(set_index, rejects)
        for set_index, repeats in settled.duplicates.items():
            self._count(duplicates=repeats)
            yield beam.pvalue.TaggedOutput(ARRIVALS, (set_index, Repeated(repeats)))
        for claimed in settled.recordings:
            self._count(named=len(claimed.claims))
            try:
                parts = footage_files.parts_of(claimed.video)
            except ImageError as error:
                refusal = Refusal('read', error.reason, error.message)
                yield from self._refused_rows(claimed, refusal)
                continue
            self._count(files=len(parts))
            yield beam.pvalue.TaggedOutput(CLAIMS, (_bucket(claimed.video, self._job.seen.ranges), claimed))
            yield from ((_bucket(part.uri, self._job.seen.ranges), part) for part in parts)


class Survey(Step):
    """Files, and what the index has of them -> each with its sha256, its times in the store."""

    def setup(self) -> None:
        super().setup()
        self._threads = ThreadPoolExecutor(_SURVEYS_AT_ONCE, 'survey')

    def start_bundle(self) -> None:
        self._entries = PieceWriter(self._job.seen.shelf, staging=self._job.staging)

    @carried
    def process(self, bucket: tuple[int, Iterable[Part | KeySlice]]) -> Iterator[tuple[int, Surveyed | Unsurveyed]]:
        parts, slices = apart(bucket[1])
        known = lookup.known_files(slices)
        surveyor = Surveyor(self._job.reader, self._job.store, self._job.retry_rejected, self._stop_if_asked)
        # A file may be part of several recordings: it is read once.
        by_uri: dict[str, list[Part]] = defaultdict(list)
        for part in sorted(parts):
            by_uri[part.uri].append(part)
        first = [same[0] for same in by_uri.values()]
        for found in self._threads.map(lambda part: surveyor.survey(part, known), first):
            self._count(surveyed=len(by_uri[found.part.uri]))
            if isinstance(found, Surveyed) and found.new_entry:
                self._entries.add(found.new_entry, found.file.sha256)
            if self._entries.is_due:
                self._entries.publish()
            for part in by_uri[found.part.uri]:
                yield _bucket(part.video, self._job.seen.ranges), found._replace(part=part)

    @carried
    def finish_bundle(self) -> Iterator[WindowedValue]:
        self._entries.publish()
        self._tally.write()
        yield from ()

    def teardown(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        video_children.close()
        super().teardown()

    def _stop_if_asked(self, read: int) -> None:
        self._raise_if_interrupted()


class Expand(Step):
    """What is claimed of some recordings, and their files -> the frames that are taken, by file."""

    def __init__(self, job: EmbeddingJob, product: Product) -> None:
        super().__init__(job)
        self._product = product

    @carried
    def process(
        self, bucket: tuple[int, Iterable[Claimed | Surveyed | Unsurveyed]]
    ) -> Iterator[tuple[int, Sought] | Arrived]:
        claims: list[Claimed] = []
        files: dict[str, list[Surveyed | Unsurveyed]] = defaultdict(list)
        for one in bucket[1]:
            if isinstance(one, Claimed):
                claims.append(one)
            else:
                files[one.part.video].append(one)
        for claimed in sorted(claims, key=lambda one: one.video):
            found = sorted(files[claimed.video], key=lambda one: one.part.number)
            yield from self._expand(claimed, found)

    def _expand(
        self, claimed: Claimed, found: Sequence[Surveyed | Unsurveyed]
    ) -> Iterator[tuple[int, Sought] | Arrived]:
        for one in found:
            if isinstance(one, Unsurveyed):
                where = f'{_looked_for(one.part, claimed)}: ' if len(found) > 1 else ''
                yield from self._refused_rows(claimed, one.refusal._replace(message=where + one.refusal.message))
                return
        surveyed = [one for one in found if isinstance(one, Surveyed)]
        try:
            recording = Recording.of(claimed.video, [(one.file.uri, self._timeline(one.file)) for one in surveyed])
            recording.check_order()
        except ImageError as error:
            yield from self._refused_rows(claimed, Refusal('survey', error.reason, error.message))
            return
        except InputError as error:
            yield from self._refused_rows(claimed, Refusal('survey', 'wrong-order', error.what))
            return
        for note in recording.notes():
            yield beam.pvalue.TaggedOutput(ARRIVALS, (claimed.claims[0].set_index, Noted(claimed.video, note)))
        yield from self._taken(claimed, recording, surveyed)

    def _taken(
        self, claimed: Claimed, recording: Recording, surveyed: Sequence[Surveyed]
    ) -> Iterator[tuple[int, Sought] | Arrived]:
        found = self._product.expand(claimed, recording, [one.file for one in surveyed], self._job.sets)
        for set_index, rejects in found.rejects.items():
            yield from self._refused(set_index, rejects)
        for set_index, expanded in found.expanded.items():
            self._count(expanded_rows=expanded.rows, frames=expanded.frames)
            yield beam.pvalue.TaggedOutput(ARRIVALS, (set_index, expanded))
        for set_index, refused in found.refused_frames.items():
            for some in refused:
                yield from self._refused_frames(set_index, some)
        for taken in found.taken:
            prefix = taken.file.prefix(self._job.preparation.text)
            yield pieces.range_of(prefix, self._job.vectors.ranges), Sought(prefix, taken)

    def _timeline(self, file: VideoFile) -> Timeline:
        return footage_files.timeline_of(file, self._job.reader, self._job.store)

    @carried
    def finish_bundle(self) -> Iterator[WindowedValue]:
        # Now it is known how many frames there are.
        self._tally.write()
        yield from ()


def _looked_for(part: Part, claimed: Claimed) -> str:
    """Where a part was looked for."""
    row = claimed.claims[0].row
    other = locations.place_named_first(part.number, row.recording, row.cell)
    return f'{other}, and {part.uri}' if other and other != part.uri else part.uri


def take_frames(
    rows: beam.PCollection, index: beam.PCollection, job: EmbeddingJob, product: Product
) -> tuple[beam.PCollection, list[beam.pvalue.DoOutputsTuple]]:
    """Rows of footage and the index of files -> the frames they take; and the steps that things arrive from."""
    found = (
        rows
        | 'TogetherByRecording' >> beam.GroupByKey()
        | 'FindFiles' >> beam.ParDo(FindFiles(job, product)).with_outputs(ARRIVALS, CLAIMS, main='parts')
    )
    surveyed = (
        (found.parts, index)
        | 'PartsAndIndex' >> beam.Flatten()
        | 'TogetherByFile' >> beam.GroupByKey()
        | 'Survey' >> beam.ParDo(Survey(job))
    )
    frames = (
        (found.claims, surveyed)
        | 'ClaimsAndFiles' >> beam.Flatten()
        | 'ClaimsByRecording' >> beam.GroupByKey()
        | 'Expand' >> beam.ParDo(Expand(job, product)).with_outputs(ARRIVALS, main='sought')
    )
    return frames.sought, [found, frames]


def _bucket(uri: str, ranges: int) -> int:
    return pieces.range_of(shelves.path_key(uri), ranges)
