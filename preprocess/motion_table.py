"""The table of a motion result: recordings, their sides, how many frames have each label."""

from collections.abc import Iterator

import numpy as np

from preprocess.motion_results import MotionResult, Moved
from preprocess.sample_files import aligned, printable


def of(result: MotionResult) -> str:
    """A line for each recording, then for each part of it."""
    return '\n\n'.join([aligned(_HEAD, list(_recordings(result))), aligned(_sides_head(result), list(_sides(result)))])


_HEAD = ['recording', 'frames', 'a second', 'mean motion', 'largest']


def _recordings(result: MotionResult) -> Iterator[list[str | int]]:
    for one in result.recordings:
        signal = result.signal(one)
        yield [
            printable(one.name),
            one.frames,
            f'{one.frames_per_second:.6g}',
            f'{signal.mean():.6f}',
            f'{signal.max():.6f}',
        ]


def _sides_head(result: MotionResult) -> list[str]:
    return ['recording', 'set', *map(printable, result.label_names), 'no label', 'frames']


def _sides(result: MotionResult) -> Iterator[list[str | int]]:
    for one in result.recordings:
        yield from _of_one(result, one)


def _of_one(result: MotionResult, one: Moved) -> Iterator[list[str | int]]:
    labels = result.labels(one)
    for segment in one.segments:
        if segment.end > segment.first:
            known = labels[segment.valid_first : segment.valid_end]
            known = known[~np.isnan(known)].astype(int)
            counts = np.bincount(known, minlength=len(result.label_names)).tolist()
            frames = segment.end - segment.first
            yield [printable(one.name), segment.side, *counts, frames - len(known), frames]
