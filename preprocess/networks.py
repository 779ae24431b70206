"""The network of a process: loaded when the first picture or frame needs it, shared by all bundles that do."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from preprocess import decoders, footage_files, pictures, quiet, video_children
from preprocess.embedder import Embedder
from preprocess.footage import WantedFrames
from preprocess.frame_decoding import FrameDecoders, FrameLane, FrameOf
from preprocess.lookup import Wanted
from preprocess.sets import EmbeddingJob
from preprocess.shelves import Refusal

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Network:
    """What turns pictures and frames into vectors here."""

    embedder: Embedder[Wanted | FrameOf]  # a lane gives back what was put into it: pictures or frames
    picture_decoders: decoders.DecoderPool
    frame_decoders: FrameDecoders

    @classmethod
    def of(cls, job: EmbeddingJob) -> 'Network':
        """Load the network; a first child that decodes starts meanwhile."""
        shape, hands = job.sets[0].encoder.input_shape, job.manning.hands()
        pool = decoders.DecoderPool(shape, children=hands.decoders, timeout_s=job.decode_timeout_s, decode=job.decode)
        pool.start_one()
        try:
            with quiet.loading():
                engine = job.load_engine()
        except BaseException:
            pool.close()
            raise
        embedder = Embedder[Wanted | FrameOf](
            engine, read=pictures.read_bytes, decode=pool.decode, readers=hands.readers
        )

        def decode(wanted: WantedFrames) -> Iterator[tuple[int, Pixels | Refusal]]:
            return frames(wanted, job, shape)

        return cls(embedder, pool, FrameDecoders(decode, threads=hands.decoders))

    @property
    def for_pictures(self) -> Embedder[Wanted]:
        """The way in for pictures."""
        return cast(Embedder[Wanted], self.embedder)

    def open_frame_lane(self) -> FrameLane:
        """A way in and out for frames."""
        return FrameLane(cast(Embedder[FrameOf], self.embedder), self.frame_decoders)

    def close(self) -> None:
        """End its threads and children."""
        self.frame_decoders.close()
        video_children.close()
        self.embedder.close()
        self.picture_decoders.close()


def frames(
    wanted: WantedFrames, job: EmbeddingJob, shape: tuple[int, int, int]
) -> Iterator[tuple[int, Pixels | Refusal]]:
    """The frames of a piece of video, as long as the file is the one whose times are known."""
    footage_files.check_unchanged(wanted.file)
    timeline = footage_files.timeline_of(wanted.file, job.reader, job.store)
    yield from job.reader.frames(wanted.file.uri, timeline, wanted.numbers.tolist(), shape, job.preparation)


class _Networks:
    """One network for all bundles of a process, as long as any of them uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._borrowed: dict[str, tuple[int, Network]] = {}

    def borrow(self, job: EmbeddingJob) -> Network:
        """The process's network for a job."""
        with self._lock:
            users, network = self._borrowed.get(job.tallies) or (0, Network.of(job))
            self._borrowed[job.tallies] = users + 1, network
            return network

    def give_back(self, job: EmbeddingJob) -> None:
        """Have it closed when nobody else uses it."""
        with self._lock:
            users, network = self._borrowed[job.tallies]
            self._borrowed[job.tallies] = users - 1, network
            if users > 1:
                return
            del self._borrowed[job.tallies]
        network.close()


shared = _Networks()
