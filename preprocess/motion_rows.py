"""Labels of frames as rows of labelled CSVs: one for each picture, or for each stretch of video with one label."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from preprocess import csv_text, files
from preprocess.bursts import Signal
from preprocess.motion_results import Segment
from preprocess.motion_sources import Source, Stills
from preprocess.splits import SIDES

ALL = 'all_data.csv'
_COMMON = ('image', 'label', 'split', 'group')
# Frames that are pictures are also told apart by their place, footage by its stretches.
_OF_STILLS = ('video', 'frame', 'time')
_OF_VIDEO = ('start', 'stop')


@dataclass(frozen=True, eq=False)
class Labelled:
    """A recording with the labels of its frames (NaN: none) and what is on which side."""

    source: Source
    labels: Signal
    segments: tuple[Segment, ...]

    def on(self, side: str | None) -> 'Labelled':
        """What of it is on one side, or on any."""
        return replace(
            self, segments=tuple(one for one in self.segments if one.end > one.first and side in (None, one.side))
        )


def set_file(side: str) -> str:
    """The CSV of one side."""
    return f'{side}_set.csv'


def write(directory: str, recordings: Sequence[Labelled], label_names: Sequence[str]) -> list[str]:
    """Write all rows and those of each side; files of an earlier run that have none any more are removed."""
    with_frames = [one for one in recordings if one.source.kind != 'signal']
    written = []
    for file, side in ((ALL, None), *((set_file(side), side) for side in SIDES)):
        path = files.join(directory, file)
        chosen = [one.on(side) for one in with_frames]
        if any(one.segments for one in chosen):
            _write_csv(path, chosen, label_names)
            written.append(path)
        else:
            files.delete(path)
    return written


def counted(labels: Signal, segment: Segment) -> Signal:
    """The labels of a segment's frames, NaN where they don't count: unlabelled frames are context, nothing more."""
    found = labels[segment.first : segment.end].copy()
    found[: segment.valid_first - segment.first] = np.nan
    found[segment.valid_end - segment.first :] = np.nan
    return found


def _rows(one: Labelled, label_names: Sequence[str]) -> Iterator[dict[str, str]]:
    times = one.source.times()
    for segment in one.segments:
        labels = counted(one.labels, segment)
        for first, end in _stretches(labels):
            said = '' if np.isnan(labels[first]) else label_names[int(labels[first])]
            common = {'label': said, 'split': segment.side, 'group': one.source.name}
            for row in _of_stretch(one.source, range(segment.first + first, segment.first + end), times):
                yield {**row, **common}


def _of_stretch(source: Source, places: range, times: NDArray[np.float64]) -> Iterator[dict[str, str]]:
    if not isinstance(source, Stills):
        yield {'image': source.uri, 'start': _seconds(times[places.start]), 'stop': _seconds(times[places.stop])}
        return
    for place in places:
        of_video = {'video': source.uri, 'frame': str(place), 'time': _seconds(times[place])}
        yield {'image': source.folder.uri(place), **of_video}


def _stretches(labels: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """First and end of each run of frames with one label."""
    if len(labels):
        known = np.where(np.isnan(labels), -1, labels)
        borders = [0, *(np.flatnonzero(np.diff(known)) + 1).tolist(), len(labels)]
        yield from zip(borders, borders[1:], strict=False)


def _seconds(time: float) -> str:
    # Microseconds: what a border may be off by, and no exponent, which the reader of rows would refuse.
    return f'{time:.6f}'.rstrip('0').rstrip('.')


def _write_csv(path: str, recordings: Sequence[Labelled], label_names: Sequence[str]) -> None:
    kinds = {one.source.kind for one in recordings}
    columns = [*_COMMON, *(_OF_VIDEO if 'video' in kinds else ()), *(_OF_STILLS if 'frames' in kinds else ())]
    with files.writing_atomic(path) as opened, csv_text.writing(opened) as text:
        writer = csv.DictWriter(text, columns, restval='', lineterminator='\n')
        writer.writeheader()
        for one in recordings:
            writer.writerows(_rows(one, label_names))
