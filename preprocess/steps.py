"""What the steps of the embedding job have in common: counting, turning away, stopping, and the way to the finish."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import apache_beam as beam
from apache_beam.metrics import Metrics

from preprocess import interrupts
from preprocess.arrivals import Arrival, Refused, Sources
from preprocess.failures import Interrupted
from preprocess.pictures import Picture
from preprocess.rows import Reject
from preprocess.sets import EmbeddingJob
from preprocess.shelves import Refusal
from preprocess.tally import Tally

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

    @property
    def _is_interrupted(self) -> bool:
        return interrupts.requested() or self._tally.should_stop()

    def _raise_if_interrupted(self) -> None:
        if self._is_interrupted:
            raise Interrupted('interrupted', where='the workers', do='run the same command again')


def arrival(arrival: Arrival) -> Arrived:
    """What concerns all sets goes to the finish of the first."""
    return beam.pvalue.TaggedOutput(ARRIVALS, (0, arrival))
