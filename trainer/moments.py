"""Where rows of footage stand: in which recording, at which frame of its file, at which second."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainer.head_kinds import Windowing

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Row i of everything belongs together; a row that is no footage has an empty recording."""

    videos: tuple[str, ...]
    frames: Ints
    times: NDArray[np.float64]
    spans: Ints | None = None  # of windows, [N, 2]: their first and last frame, each by its number in its own file

    def __post_init__(self) -> None:
        if not len(self.videos) == len(self.frames) == len(self.times):
            raise ValueError(f'{len(self.videos)} recordings, {len(self.frames)} frames, {len(self.times)} times')

    @classmethod
    def of(cls, rows: Sequence[tuple[str | None, int | None, float | None]]) -> 'Moments | None':
        """The moments of rows by recording, frame and time; None where none of them is footage."""
        if not any(video for video, _, _ in rows):
            return None
        videos = tuple(video or '' for video, _, _ in rows)
        frames = np.array([frame or 0 for _, frame, _ in rows], np.int64)
        return cls(videos, frames, np.array([time or 0.0 for _, _, time in rows], np.float64))

    def taken(self, rows: Ints) -> 'Moments':
        """Those of some of the rows."""
        spans = self.spans[rows] if self.spans is not None else None
        return Moments(tuple(self.videos[row] for row in rows), self.frames[rows], self.times[rows], spans)

    def of_windows(self, starts: Ints, windowing: Windowing) -> 'Moments':
        """Of the windows from these rows on: those of the frames they speak for, and what they span."""
        spans = np.stack([self.frames[starts], self.frames[starts + windowing.length - 1]], axis=1)
        return replace(self.taken(starts + windowing.spoken), spans=spans)

    def by_video(self) -> Iterator[tuple[str, Ints]]:
        """The rows of each recording in the order of their times; recordings by name."""
        names = sorted({*self.videos})
        numbers = {video: number for number, video in enumerate(names)}
        of = np.fromiter((numbers[video] for video in self.videos), np.int64, len(self.videos))
        ordered = np.lexsort((self.frames, self.times, of))
        borders = np.searchsorted(of[ordered], np.arange(len(names) + 1))
        for number, video in enumerate(names):
            if video:
                yield video, ordered[borders[number] : borders[number + 1]]
