"""The timelines of a scored set: every recording's picture as files, and those the report shows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from preprocess import command, files, interrupts
from preprocess.failures import Interrupted
from preprocess.progress import Progress
from trainer import drawings, metrics, timeline
from trainer.drawings import Drawing
from trainer.metrics import Metrics
from trainer.scored_set import ScoredSet
from trainer.timeline import Timeline

# Pictures in a report; all of them are files.
MOST_SHOWN = 12
_UNSAFE = re.compile(r'[^\w.-]+')
_LONGEST_NAME = 80


@dataclass(frozen=True, eq=False)
class Shown:
    """A recording's picture in the report, and where it is as a file."""

    timeline: Timeline
    drawing: Drawing
    path: str


@dataclass(frozen=True, eq=False)
class Pictures:
    """The recordings of a set: those that are shown, the worst first, of so many."""

    shown: tuple[Shown, ...]
    recordings: int


def publish(scored: ScoredSet, folder: str) -> Pictures:
    """Draw every recording of a set into a folder, in the place of what an earlier evaluation drew."""
    files.delete_tree(folder)
    found = list(_timelines(scored))
    worst = sorted(found, key=lambda one: (one.right / max(one.labelled, 1), one.video))[:MOST_SHOWN]
    shown: dict[int, Shown] = {}
    with Progress('drawing recordings along time', total=len(found), unit='pictures') as progress:
        for number, one in enumerate(found, start=1):
            if interrupts.requested():
                raise Interrupted('interrupted', where=folder, do=f'run it again: {command.this_command()}')
            path = files.join(folder, f'{number:03d}-{_file_name(one)}.png')
            drawing = timeline.draw(one)
            drawings.write(drawing, path)
            if one in worst:
                shown[id(one)] = Shown(one, drawing, path)
            progress.advance()
    return Pictures(tuple(shown[id(one)] for one in worst), len(found))


def _timelines(scored: ScoredSet) -> Iterator[Timeline]:
    question, measured = scored.question, scored.measured
    if not isinstance(measured, Metrics):
        yield from timeline.of(scored.predictions)
        return
    positive = metrics.positive_class(question.label_names, question.positive_label)
    marks: list[tuple[str, float | None]] = []
    if measured.positive and measured.positive.youden_threshold is not None:
        marks.append(('best J', measured.positive.youden_threshold))
    yield from timeline.of(scored.predictions, positive=positive, marks=marks)


def _file_name(one: Timeline) -> str:
    return _UNSAFE.sub('_', one.name.rpartition('.')[0] or one.name)[:_LONGEST_NAME]
