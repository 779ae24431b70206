"""Numbered pictures as prepared gray frames, read a few ahead by several threads."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from preprocess import files, images, preparation
from preprocess.failures import InputError
from preprocess.frame_folders import FrameFolder
from preprocess.image_formats import ImageError
from preprocess.images import Pixels
from preprocess.motion_signal import Gray
from preprocess.preparation import BACKGROUND_FRAMES, Preparation

T = TypeVar('T')
U = TypeVar('U')
# Frames read ahead by each thread.
_AHEAD = 4


def grays(folder: FrameFolder, wanted: Preparation, *, start: int = 0) -> Iterator[Gray]:
    """The frames from place `start` on, in order, as gray uint8[H,W]; InputError names one that can't be read."""
    size = wanted.size or _region_size(folder, wanted)
    view = _View(folder, wanted, size)
    background = view.background() if wanted.background == 'median' else None

    def finished(place: int) -> Gray:
        return preparation.finish(view.pixels(place), wanted, background)[:, :, 0]

    yield from _in_threads(finished, range(start, len(folder)))


class _View:
    """From a place in a folder to the pixels of its region, gray and at the size that is wanted."""

    def __init__(self, folder: FrameFolder, wanted: Preparation, size: tuple[int, int]) -> None:
        self._folder = folder
        self._wanted = wanted
        self._shape = size[1], size[0], 1

    def background(self) -> Pixels:
        """The median of frames all over the folder."""
        count = min(BACKGROUND_FRAMES, len(self._folder))
        places = np.linspace(0, len(self._folder) - 1, count).round().astype(int).tolist()
        return preparation.median(list(_in_threads(self.pixels, places)))

    def pixels(self, place: int) -> Pixels:
        """uint8[H,W,1], the background still in it."""
        region = _cut(self._folder, place, self._wanted)
        if self._wanted.size is None and region.shape[:2] != self._shape[:2]:
            height, width = region.shape[:2]
            raise InputError(
                f'this frame is {width}x{height}, the first one {self._shape[1]}x{self._shape[0]}',
                where=self._folder.uri(place),
                do='give --size, or put it into a folder of its own',
            )
        return images.fit(region, self._shape)


def _region_size(folder: FrameFolder, wanted: Preparation) -> tuple[int, int]:
    height, width = _cut(folder, 0, wanted).shape[:2]
    return width, height


def _cut(folder: FrameFolder, place: int, wanted: Preparation) -> Pixels:
    """The region of a frame as RGB at its own size."""
    uri, roi = folder.uri(place), wanted.roi
    try:
        frame = images.at_own_size(files.read_bytes(uri))
    except (ImageError, OSError) as error:
        raise InputError(
            f'this frame can not be read: {error}', where=uri, do='bring it back: every frame is needed'
        ) from error
    if roi is None:
        return frame
    if roi.x + roi.width > frame.shape[1] or roi.y + roi.height > frame.shape[0]:
        raise InputError(
            f'the region {roi.text} is not within its {frame.shape[1]}x{frame.shape[0]}', where=uri, do='correct --roi'
        )
    return frame[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]


def _in_threads(work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """What `work` makes of each item, in order; a bounded number of them is under way."""
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads, thread_name_prefix='frames') as pool:
        waiting: deque[Future[U]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > _AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
