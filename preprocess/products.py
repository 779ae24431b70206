"""What is made of vectors once the store has them: records here; whoever asks the same machinery for more says how."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from preprocess import expansion, kept_encoders, pictures, publishing, shards, stretches
from preprocess.arrivals import Arrival
from preprocess.compiled import CompiledEncoder
from preprocess.expansion import Expansion
from preprocess.footage import VideoFile
from preprocess.frame_shards import PlacedFrames
from preprocess.recordings import Recording
from preprocess.rows import Row
from preprocess.sets import SetJob
from preprocess.shards import Damaged, Placed, ShardWritten
from preprocess.stretches import Claimed


class Product(Protocol):
    """The steps of an embedding job that depend on what becomes of the vectors; it travels to every worker.

    There it needs `packages` of ours, and `needs` of others beside what embedding does.
    """

    @property
    def packages(self) -> tuple[str, ...]: ...
    @property
    def needs(self) -> tuple[str, ...]: ...

    def settle(self, found: Iterable[tuple[int, Row]], jobs: Sequence[SetJob]) -> pictures.Settled:
        """Rows of pictures -> the pictures that are wanted, and for which rows."""
        ...

    def settle_footage(self, found: Iterable[tuple[int, Row]], jobs: Sequence[SetJob]) -> stretches.Settled:
        """Rows of footage -> the recordings that are wanted, and for which rows."""
        ...

    def expand(
        self, claimed: Claimed, recording: Recording, files: Sequence[VideoFile], jobs: Sequence[SetJob]
    ) -> Expansion:
        """The rows of a recording -> the frames they take."""
        ...

    def write_shard(
        self, job: SetJob, index: int, placed: Iterable[Placed | PlacedFrames]
    ) -> ShardWritten | list[Damaged]:
        """What belongs together -> a finished file under a temporary name; or the pieces that can't be read."""
        ...

    def finish(self, job: SetJob, arrivals: Iterable[Arrival]) -> None:
        """Publish a set from all that arrived, and leave word of its outcome."""
        ...

    def encoder_for(self, encoder: CompiledEncoder, folder: str) -> CompiledEncoder:
        """The encoder as the result in a folder names it."""
        ...


@dataclass(frozen=True)
class Records:
    """Labelled records for training, with a copy of the encoder beside them."""

    packages: ClassVar[tuple[str, ...]] = ('preprocess',)
    needs: ClassVar[tuple[str, ...]] = ()

    def settle(self, found: Iterable[tuple[int, Row]], jobs: Sequence[SetJob]) -> pictures.Settled:
        """One row for a picture; contradictions are rejected."""
        return pictures.settle(found, jobs)

    def settle_footage(self, found: Iterable[tuple[int, Row]], jobs: Sequence[SetJob]) -> stretches.Settled:
        """One row for a stretch; contradictions are rejected."""
        return stretches.settle(found, jobs)

    def expand(
        self, claimed: Claimed, recording: Recording, files: Sequence[VideoFile], jobs: Sequence[SetJob]
    ) -> Expansion:
        """Each frame once, for the rows that agree about it."""
        return expansion.expand(claimed, recording, files, jobs[0].sampling, jobs)

    def write_shard(
        self, job: SetJob, index: int, placed: Iterable[Placed | PlacedFrames]
    ) -> ShardWritten | list[Damaged]:
        """A file of records."""
        return shards.write_shard(job, index, placed)

    def finish(self, job: SetJob, arrivals: Iterable[Arrival]) -> None:
        """Manifest, rejects and shards."""
        publishing.finish(job, arrivals)

    def encoder_for(self, encoder: CompiledEncoder, folder: str) -> CompiledEncoder:
        """A copy beside the records: whoever trains on them puts it into the model."""
        return kept_encoders.beside_records(encoder, folder)
