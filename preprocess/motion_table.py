"""A motion result in words: recordings, their sides, how many frames have each label, and what to do with them."""

import shlex
from collections.abc import Iterator

import numpy as np

from preprocess import files, motion_rows
from preprocess.motion_config import MotionConfig
from preprocess.motion_results import MotionResult, Moved
from preprocess.sample_files import aligned, printable
from preprocess.splits import SIDES


def of(result: MotionResult) -> str:
    """A line for each recording, then for each part of it."""
    return '\n\n'.join([aligned(_HEAD, list(_recordings(result))), aligned(_sides_head(result), list(_sides(result)))])


def next_command(result: MotionResult, config: MotionConfig) -> str | None:
    """What learns from the rows; None for signals alone, which have none."""
    kinds = {one.kind for one in result.recordings}
    if kinds == {'signal'}:
        return None
    are_stills = 'video' not in kinds
    if are_stills and _preparation(config):
        return 'the same command with --as_video: its video is prepared as the frames were for the signal'
    sides = [side for side in SIDES if any(_has(each, side) for each in result.recordings)]
    words = ['python', 'pipeline.py']
    for side in sides:
        words += [f'--{side}_input_path', files.join(result.directory, motion_rows.set_file(side))]
    words += ['--input_dict', files.join(result.directory, 'dict.txt'), '--output_dir', 'out']
    words += [] if are_stills else ['--every_frame']
    words += [] if config.as_video else _preparation(config)
    words += ['--encoder', 'pixels:120x160:gray', '--head', 'convlstm', '--class_weights', 'balanced']
    return shlex.join(words)


def warnings(result: MotionResult) -> Iterator[str]:
    """Parts of recordings of which no frame has a label: too short for a clip before it and the frames looked ahead."""
    for recording, side, *counts in _sides(result):
        unlabelled, frames = counts[len(result.label_names) :]
        if unlabelled == frames:
            yield f'warning: no frame of the {side} part of {recording} has a label: it has {frames:,} frames'


def _has(one: Moved, side: str) -> bool:
    return any(segment.side == side and segment.end > segment.first for segment in one.segments)


def _preparation(config: MotionConfig) -> list[str]:
    """The flags that prepare the frames for the network as they were for the signal."""
    wanted = config.preparation
    flags = {
        '--size': f'{wanted.size[0]}x{wanted.size[1]}' if wanted.size else '',
        '--background': wanted.background.removeprefix('none'),
        '--contrast': wanted.contrast.removeprefix('none'),
        '--roi': wanted.roi.text if wanted.roi else '',
    }
    return [word for flag, value in flags.items() if value for word in (flag, value)]


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
