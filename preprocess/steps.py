"""What the steps of the embedding job have in common: counting, turning away, stopping, and the way to the finish."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from preprocess import interrupts
from preprocess.arrivals import Arrival, Refused, Sources
from preprocess.failures import Interrupted
from preprocess.footage import RefusedFrames
from preprocess.pictures import Picture
from preprocess.rows import Reject
from preprocess.sets import EmbeddingJob
from preprocess.shelves import Refusal
from preprocess.stock import KeySlice
from preprocess.stretches import Claimed
from preprocess.tally import Tally

T = TypeVar('T')

_COUNTERS = 'headlight'
# The side exit for what goes straight to the finish of its set; Beam reads the types off the annotations.
ARRIVALS = 'arrivals'
Arrived: TypeAlias = beam.pvalue.TaggedOutput[Literal['arrivals'], tuple[int, Arrival]]


class Step(beam.DoFn):
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
        self._tally.close()

    def _count(self, **counts: int) -> None:
        for name, count in counts.items():
            Metrics.counter(_COUNTERS, name).inc(count)
        self._tally.add(**counts)

    def _refused(self, set_index: int, rejects: Sequence[Reject]) -> Iterator[Arrived]:
        if rejects:
            self._count(rejected=len(rejects))
            yield beam.pvalue.TaggedOutput(ARRIVALS, (set_index, Refused(tuple(rejects))))

    def _turned_away(self, found: Sequence[Picture], refusal: Refusal) -> Iterator[Arrived]:
        yield arrival(Sources(rejected=len(found)))
        for picture in found:
            for set_index, reject in picture.rejects(**refusal._asdict()):
                yield from self._refused(set_index, [reject])

    def _refused_rows(self, claimed: Claimed, refusal: Refusal) -> Iterator[Arrived]:
        for set_index, rejects in claimed.rejects(refusal).items():
            yield from self._refused(set_index, rejects)

    def _refused_frames(self, set_index: int, refused: RefusedFrames) -> Iterator[Arrived]:
        self._count(frames_refused=refused.frames)
        yield beam.pvalue.TaggedOutput(ARRIVALS, (set_index, refused))

    @property
    def _is_interrupted(self) -> bool:
        return interrupts.requested() or self._tally.should_stop()

    def _raise_if_interrupted(self) -> None:
        if self._is_interrupted:
            raise Interrupted('interrupted', where='the workers', do='run the same command again')


def apart(mixed: Iterable[T | KeySlice]) -> tuple[list[T], list[KeySlice]]:
    """What came, and the slices of pieces that met it."""
    others: list[T] = []
    slices: list[KeySlice] = []
    for one in mixed:
        if isinstance(one, KeySlice):
            slices.append(one)
        else:
            others.append(one)
    return others, slices


def in_global_window(output: T) -> WindowedValue | beam.pvalue.TaggedOutput:
    """What a bundle gives when it ends, as Beam wants it."""
    if isinstance(output, beam.pvalue.TaggedOutput):
        return beam.pvalue.TaggedOutput(output.tag, in_global_window(output.value))
    return WindowedValue(output, GlobalWindow().max_timestamp(), [GlobalWindow()])


def arrival(arrival: Arrival) -> Arrived:
    """What concerns all sets goes to the finish of the first."""
    return beam.pvalue.TaggedOutput(ARRIVALS, (0, arrival))
