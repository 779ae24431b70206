"""The files of a batch's footage: a recording has one clock, on which every moment is told once.

The line of a row has what that row asked for. Rows may ask for stretches that overlap: of scores, segments and events
the row that begins first tells its stretch, and the next one goes on from there.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import BinaryIO

import numpy as np

from predict import segment_files, segments
from predict.batch_scores import FrameScores
from predict.segments import Segment, Track
from preprocess import files

_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class _Told:
    """What a row says of a recording: in which files, how many samples from when to when, and its segments."""

    stem: str
    samples: int
    first: float
    last: float
    segments: list[Segment]

    @property
    def scores(self) -> str:
        """The CSV with its scores, as it is published."""
        return f'{self.stem}.csv'

    def track(self, video: str) -> Track:
        """Its scores along its time."""
        return FrameScores.read(f'{self.stem}.npz', video).track


class FootageFiles:
    """Scores of all footage in one CSV, segments in another, and a workbook of events for each recording."""

    def __init__(self, path: str, *, find: Callable[[Track], list[Segment]]) -> None:
        self._path = path
        self._find = find
        self._told: dict[str, list[_Told]] = {}
        self.samples = 0
        self.by_video: dict[str, list[Segment]] = {}

    def add(self, stem: str, track: Track, found: list[Segment]) -> None:
        """Take in what a row says, the files of which begin with `stem`."""
        first, last = float(track.times[0]), float(track.times[-1])
        self._told.setdefault(track.video, []).append(_Told(stem, len(track), first, last, found))

    def write_scores(self, look: Callable[[], None]) -> None:
        """Write the scores of all rows, and find the segments of those that overlap; `look` may end it."""
        if not self._told:
            return
        with files.writing_atomic(self._path) as sink:
            for video, told in self._told.items():
                found = self.by_video.setdefault(video, [])
                for stretch in _stretches(told):
                    look()
                    found += self._stretch(video, stretch, sink)

    def write_workbooks(self, folder: str) -> None:
        """A workbook of events for each recording."""
        names = segment_files.workbook_names(list(self.by_video))
        for video, found in self.by_video.items():
            segment_files.write_boris(files.join(folder, f'{names[video]}.xlsx'), found)

    def _stretch(self, video: str, told: Sequence[_Told], sink: BinaryIO) -> list[Segment]:
        """Copy the scores of rows that go on from one another; their segments."""
        if len(told) == 1:
            self._copy(told[0], 0, sink)
            return told[0].segments
        tracks = [one.track(video) for one in told]
        begins = [0, *(int(np.searchsorted(b.times, a.times[-1], 'right')) for a, b in pairwise(tracks))]
        for one, begin in zip(told, begins, strict=True):
            self._copy(one, begin, sink)
        return self._find(segments.joined(tracks, begins))

    def _copy(self, one: _Told, begin: int, sink: BinaryIO) -> None:
        """Copy the scores of a row from a sample on."""
        with files.open_read(one.scores) as opened:
            header = opened.readline()
            if not self.samples:
                sink.write(header)
            # A name in quotes may go over lines.
            lines = csv.reader(line.decode('utf-8', 'surrogateescape') for line in opened)
            next(islice(lines, begin, begin), None)
            while some := opened.read(_COPY_BYTES):
                sink.write(some)
        self.samples += one.samples - begin


def _stretches(told: Sequence[_Told]) -> list[list[_Told]]:
    """Rows in the order of their times, those that overlap together, without those that tell nothing more."""
    stretches: list[list[_Told]] = []
    for one in sorted(told, key=lambda one: (one.first, -one.last)):
        if not stretches or one.first > stretches[-1][-1].last:
            stretches.append([one])
        elif one.last > stretches[-1][-1].last:
            stretches[-1].append(one)
    return stretches
