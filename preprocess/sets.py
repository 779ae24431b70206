"""Sets of records in the making: what every worker must know of them, and where it puts what isn't finished."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from preprocess import decoders, files
from preprocess.engines import Engine
from preprocess.labels import Labels
from preprocess.manifest import EncoderInfo
from preprocess.manning import Manning
from preprocess.preparation import NOTHING, Preparation
from preprocess.provenance import Provenance
from preprocess.sampling import Sampling
from preprocess.set_names import SetName
from preprocess.settings import Json
from preprocess.stock import Stock
from preprocess.video_reader import VideoReader


@dataclass(frozen=True, kw_only=True)
class SetJob:
    """A set to be made from labelled CSVs."""

    index: int
    name: SetName
    csvs: tuple[str, ...]
    labels: Labels
    image_root: str | None
    working_dir: str
    ignore_label_case: bool
    multi_label: bool
    limit: int | None
    max_reject_fraction: float
    shards: int
    encoder: EncoderInfo
    vector_shape: tuple[int, ...]
    settings: Mapping[str, Json]
    run_id: str
    sampling: Sampling = Sampling()
    preparation: Preparation = NOTHING
    replace: bool = False
    provenance: Provenance = Provenance()

    @property
    def work(self) -> str:
        """The folder for this run's unfinished files; hidden, so that no glob for records enters it."""
        return files.join(work_folder(self.name), self.run_id)

    @property
    def read_tasks(self) -> list[tuple[str, ...]]:
        """CSVs that are read together: each alone, but all at once where a limit is to be spread over them."""
        return [self.csvs] if self.limit is not None else [(path,) for path in self.csvs]

    @property
    def is_pixels(self) -> bool:
        """Whether its records hold pixels instead of vectors."""
        return len(self.vector_shape) == 3

    def path(self, file: str) -> str:
        """A finished file beside the records."""
        return files.join(self.name.directory, file)


@dataclass(frozen=True, kw_only=True)
class EmbeddingJob:
    """All sets that are made in one go, and what embeds them."""

    sets: tuple[SetJob, ...]
    load_engine: Callable[[], Engine]
    store: str
    seen: Stock  # the index: files seen before
    vectors: Stock
    refusals: Stock
    manning: Manning
    decode: str = decoders.DECODE
    decode_timeout_s: float = decoders.TIMEOUT_S
    reader: VideoReader = VideoReader()
    recordings: int = 0  # about so many are named
    may_have_footage: bool = True
    retry_rejected: bool = False
    packages: tuple[str, ...] = ('preprocess',)  # of ours, which workers import; and others that they need for it
    needs: tuple[str, ...] = ()

    @property
    def preparation(self) -> Preparation:
        """What is done to every frame first; the same for all sets, because they share frames."""
        return self.sets[0].preparation

    @property
    def tallies(self) -> str:
        """Where workers report how far they are."""
        return files.join(self.sets[0].work, 'tallies')

    @property
    def staging(self) -> str:
        """Where unfinished pieces lie."""
        return staging_folder(self.store, self.sets[0].name)


def staging_folder(store: str, name: SetName) -> str:
    """A place in the store for unfinished pieces; whoever holds the set's claim may clear it."""
    place = files.absolute(name.manifest()).encode('utf-8', 'surrogateescape')
    return files.join(store, f'.writing-{hashlib.sha256(place).hexdigest()[:16]}')


def work_folder(name: SetName) -> str:
    """Where all runs of a set put unfinished files; whoever holds the set's claim may clear it."""
    return files.join(name.directory, f'.{name.stem}.work')
