"""Videos as the embedding job needs them; PyAV is loaded with the first one."""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from preprocess.access import readable
from preprocess.failures import InputError
from preprocess.image_formats import ImageError
from preprocess.preparation import Preparation
from preprocess.processor import usable_cores
from preprocess.shelves import Refusal
from preprocess.timelines import Timeline

Pixels = NDArray[np.uint8]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class VideoReader:
    """Reads times and frames; what can't be had is an ImageError, or the Refusal of one frame."""

    threads: int = field(default=1, kw_only=True)  # that decode one video

    def survey(self, uri: str) -> Timeline:
        """When each frame is shown."""
        with _refusing():
            from preprocess import video

            return video.survey(uri)

    def splits(self, timeline: Timeline, numbers: Sequence[int], *, most: int) -> list[list[int]]:
        """Frames in pieces that are decoded by themselves."""
        from preprocess import video

        return video.splits(timeline, numbers, most=most)

    def frames(
        self, uri: str, timeline: Timeline, numbers: Sequence[int], shape: Shape, preparation: Preparation
    ) -> Iterator[tuple[int, Pixels | Refusal]]:
        """The frames with these numbers, each as pixels or why not."""
        with _refusing():
            from preprocess import video

            decoder = video.Decoder(threads=self.threads)
            for found in decoder.decode(uri, timeline, numbers, shape, preparation):
                if isinstance(found, video.BadFrame):
                    yield found.number, Refusal('decode', found.reason, found.message)
                else:
                    yield found.number, found.pixels


def with_every_core() -> VideoReader:
    """For one video after the other."""
    return VideoReader(threads=usable_cores())


def check_installed(where: str) -> None:
    """Refuse footage where nothing can read it."""
    if importlib.util.find_spec('av') is None:
        raise InputError('videos need the package av, which is not installed', where=where, do=_INSTALL)


_INSTALL = "pip install 'headlight[video]'"


@contextmanager
def _refusing() -> Iterator[None]:
    """The faults of a video, and of the storage it is on, as the job knows them."""
    try:
        from preprocess.video import VideoError
    except ModuleNotFoundError as error:
        if error.name != 'av':
            raise
        raise InputError('videos need the package av, which is not installed', where='a worker', do=_INSTALL) from None
    try:
        with readable():
            yield
    except VideoError as error:
        raise ImageError(error.reason, error.message) from error
