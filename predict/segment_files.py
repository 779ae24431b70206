"""What a model said of footage, on disk: scores of every sample, segments, and spreadsheets that BORIS imports."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from predict.segments import Segment
from preprocess import files
from preprocess.csv_text import harmless

SCORES, SEGMENTS, BORIS = 'scores.csv', 'segments.csv', 'boris'
_SEGMENT_COLUMNS = ('video', 'start', 'stop', 'label', 'score')
_SAMPLE_COLUMNS = ('video', 'frame', 'time', 'first_frame', 'prediction')
# What BORIS asks for when it imports the events of an observation.
_BORIS_COLUMNS = ('time', 'subject', 'code', 'modifier', 'comment')
Cell: TypeAlias = 'str | float'


@dataclass(frozen=True)
class Sample:
    """A frame, or the window that ends with it, and its scores."""

    video: str
    frame: str  # PATH#frame=N
    first_frame: str  # of the window; the same for a single frame
    time: float
    prediction: str
    scores: tuple[float, ...]


def write_samples(path: str, samples: Iterable[Sample], labels: Sequence[str]) -> int:
    """Write the scores of every sample; how many there were."""
    count = 0
    with files.writing_atomic(path) as sink:
        sink.write(line([*_SAMPLE_COLUMNS, *(f'score_{label}' for label in labels)]))
        for one in samples:
            place = harmless(one.video), harmless(one.frame), f'{one.time:.3f}', harmless(one.first_frame)
            sink.write(line([*place, harmless(one.prediction), *(f'{score:.7g}' for score in one.scores)]))
            count += 1
    return count


def write_segments(path: str, by_video: Mapping[str, Sequence[Segment]]) -> None:
    """Write the segments of all videos; preprocess.ranges reads the file as a sheet of times."""
    with files.writing_atomic(path) as sink:
        sink.write(line(_SEGMENT_COLUMNS))
        for video, segments in by_video.items():
            for one in segments:
                times = f'{one.start:.3f}', f'{one.stop:.3f}'
                sink.write(line([harmless(video), *times, harmless(one.label), f'{one.score:.4f}']))


def workbook_names(videos: Sequence[str]) -> dict[str, str]:
    """A file name for each recording: its own, numbered where several share it."""
    names: dict[str, str] = {}
    for video in videos:
        name = files.name(video.split(';')[0]).rsplit('.', 1)[0]
        same = sum(other == name or other.startswith(f'{name}.') for other in names.values())
        names[video] = f'{name}.{same + 1}' if same else name
    return names


def write_boris(path: str, segments: Sequence[Segment]) -> None:
    """Write one video's segments as a workbook of events, a start and a stop for each, as BORIS imports them."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet('events')
    sheet.append(list(_BORIS_COLUMNS))
    for row in sorted(_events(segments), key=lambda row: row[0]):
        sheet.append([*row])
    written = io.BytesIO()
    book.save(written)
    files.write_atomic(path, written.getvalue())


def _events(segments: Sequence[Segment]) -> Iterator[tuple[float, str, str, str, str]]:
    for one in segments:
        yield round(one.start, 3), '', harmless(one.label), '', f'start, score {one.score:.4f}'
        yield round(one.stop, 3), '', harmless(one.label), '', 'stop'


def line(cells: Sequence[Cell]) -> bytes:
    """A line of a CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerow(cells)
    return text.getvalue().encode('utf-8', 'surrogateescape')
