"""Signals and labels of footage as sets to learn from and to be measured on: stretches that no window leaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess import arrays, files, motion_results, splits
from preprocess.bursts import BurstRule, Signal
from preprocess.failures import InputError
from preprocess.footage import frame_uri
from preprocess.motion_results import MotionResult, Moved, Segment


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive frames of one recording on one side of a split; a label is NaN where it doesn't count."""

    group: str
    videos: tuple[str, ...]  # of each frame: the recording, as records name it
    uris: tuple[str, ...]
    frames: NDArray[np.int64]  # numbers in their own files
    times: Signal
    signal: Signal
    labels: Signal

    def __len__(self) -> int:
        return len(self.signal)


@dataclass(frozen=True, eq=False)
class MotionSet:
    """The stretches of one side."""

    name: str
    stretches: tuple[Stretch, ...]

    @property
    def labelled(self) -> int:
        """How many frames have a label that counts."""
        return sum(int(np.count_nonzero(~np.isnan(one.labels))) for one in self.stretches)


@dataclass(frozen=True, eq=False)
class MotionSets:
    """All sides, and what 0 and 1 are called."""

    label_names: tuple[str, ...]
    by_name: dict[str, MotionSet]


def of_result(directory: str) -> MotionSets:
    """The sets of what preprocess.motion found."""
    result = motion_results.read(directory)
    if result is None:
        raise InputError(
            f'there is no {motion_results.FILE} here', where=directory, do='give the output of preprocess.motion'
        )
    found = {side: MotionSet(side, tuple(_stretches(result, side))) for side in splits.SIDES}
    return MotionSets(result.label_names, {side: one for side, one in found.items() if one.stretches})


def of_arrays(
    pairs: dict[str, tuple[str, str]], label_names: Sequence[str], rule: BurstRule, *, frames_per_second: float
) -> MotionSets:
    """Sets of one recording each, from the files of its signal and labels; labels count where the rule can give one."""
    found = {}
    for side, (signal_path, labels_path) in pairs.items():
        signal = arrays.read_signal(signal_path)
        labels = arrays.read_labels(labels_path, classes=len(label_names))
        if len(signal) != len(labels):
            raise InputError(
                f'{len(labels):,} labels for a signal of {len(signal):,} frames',
                where=labels_path,
                do='give the labels of this signal',
            )
        valid = rule.valid(len(signal))
        labels[: valid.start] = np.nan
        labels[valid.stop :] = np.nan
        found[side] = MotionSet(side, (_of_array(signal_path, signal, labels, frames_per_second),))
    return MotionSets(tuple(label_names), found)


def _of_array(path: str, signal: Signal, labels: Signal, frames_per_second: float) -> Stretch:
    frames = np.arange(len(signal))
    name = files.name(files.parent(files.absolute(path)))
    return Stretch(
        group=name,
        videos=(path,) * len(signal),
        uris=tuple(frame_uri(path, number) for number in frames.tolist()),
        frames=frames,
        times=frames / frames_per_second,
        signal=signal,
        labels=labels,
    )


def _stretches(result: MotionResult, side: str) -> Iterator[Stretch]:
    for recording in result.recordings:
        segments = [one for one in recording.segments if one.side == side and one.end > one.first]
        if segments:
            yield from _of_recording(result, recording, segments)


def _of_recording(result: MotionResult, recording: Moved, segments: Sequence[Segment]) -> Iterator[Stretch]:
    signal, labels, times = result.signal(recording), result.labels(recording), result.times(recording)
    uris = [(part.uri, number) for part in recording.parts for number in range(part.frames)]
    for segment in segments:
        part = slice(segment.first, segment.end)
        yield Stretch(
            group=recording.name,
            videos=(recording.uri,) * (segment.end - segment.first),
            uris=tuple(frame_uri(*uri) for uri in uris[part]),
            frames=np.array([number for _, number in uris[part]], np.int64),
            times=times[part],
            signal=signal[part],
            labels=_counted(labels, segment),
        )


def _counted(labels: Signal, segment: Segment) -> Signal:
    counted = np.full(segment.end - segment.first, np.nan)
    valid = slice(segment.valid_first, segment.valid_end)
    counted[segment.valid_first - segment.first : segment.valid_end - segment.first] = labels[valid]
    return counted
