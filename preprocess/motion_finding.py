"""Recordings -> their motion signals, labels and labelled rows, each found once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from preprocess import (
    arrays,
    files,
    kept_signals,
    motion_results,
    motion_rows,
    motion_sources,
    prepared_video,
    settings,
    splits,
)
from preprocess.bursts import Signal
from preprocess.contiguous import Contiguous, Part
from preprocess.failures import InputError
from preprocess.kept_signals import Found, Keeper
from preprocess.labels import Labels
from preprocess.motion_config import MotionConfig
from preprocess.motion_results import LABELS, SIGNAL, TIMES, MotionResult, Moved, Segment
from preprocess.motion_rows import Labelled
from preprocess.motion_sources import Known, Source, Stills
from preprocess.preparation import Preparation
from preprocess.progress import Progress, say
from preprocess.settings import Json

DICTIONARY = 'dict.txt'
_DEFAULT_CUT = Contiguous.parse('0.83,0.07,0.1')
_WORK = '.motion'
_ARRAYS = (SIGNAL, LABELS, TIMES)


@dataclass(frozen=True)
class Outcome:
    """What was found, what files were written, what the user should hear."""

    result: MotionResult
    files: tuple[str, ...]
    notes: tuple[str, ...]
    was_complete: bool


@dataclass(frozen=True)
class _Frames:
    """A recording whose frames are at hand, and what is still to be done to them."""

    source: Source
    wanted: Preparation

    @classmethod
    def of(cls, source: Source, config: MotionConfig) -> '_Frames':
        """The recording, or the video of its pictures that was asked for: these are prepared already."""
        if not config.as_video or not isinstance(source, Stills):
            return cls(source, config.preparation)
        return cls(prepared_video.of(source, config.preparation, config.output_dir), Preparation(gray=True))

    @property
    def digest(self) -> str:
        """What the signal depends on."""
        return settings.digest({'frames': self.source.fingerprint(), 'preparation': self.wanted.text})


def find_motion(config: MotionConfig) -> Outcome:
    """Find what isn't there yet; the arrays, rows and motion.json stand in the output directory afterwards."""
    with Progress('looking at the recordings'):
        sources = motion_sources.find(config.sources, frames_per_second=config.frames_per_second)
        before = None if config.overwrite else motion_results.read(config.output_dir)
        digest = settings.digest({**config.settings, **_inputs(config, sources)})
    notes = tuple(note for source in sources for note in source.notes())
    if before and before.digest == digest and _is_whole(before):
        return Outcome(before, _files(before), notes, was_complete=True)
    own = _own_labels(config, sources)
    parts = _parts(config, sources)
    known = {one.name: one for one in before.recordings} if before else {}
    found, labelled = [], []
    for place, frames in enumerate(_Frames.of(source, config) for source in sources):
        folder = frames.source.name if len(sources) > 1 else ''
        signal = _signal(config, frames, known.get(frames.source.name), folder)
        labels = own[place] if own else config.rule.labels(signal.signal)
        segments = tuple(_segment(part, config, has_own=bool(own)) for part in parts[place])
        times = frames.source.times()[:-1]
        _write_arrays(config, folder, {SIGNAL: signal.signal, LABELS: labels, TIMES: times})
        labelled.append(Labelled(frames.source, labels, segments))
        found.append(_moved(labelled[-1], signal, folder, frames.digest))
    outcome = _publish(config, found, labelled, digest)
    _remove_leftovers(before, outcome)
    return replace(outcome, notes=(*notes, *outcome.notes))


def _publish(config: MotionConfig, found: Sequence[Moved], labelled: Sequence[Labelled], digest: str) -> Outcome:
    Labels(config.label_names).write(files.join(config.output_dir, DICTIONARY))
    with Progress('writing the labelled rows'):
        motion_rows.write(config.output_dir, labelled, config.label_names)
    rule = None if config.labels else config.rule
    result = MotionResult(config.output_dir, rule, config.label_names, tuple(found), config.settings, digest)
    result.write()
    files.delete_tree(files.join(config.output_dir, _WORK))
    return Outcome(result, _files(result), tuple(_notes(result)), was_complete=False)


def _inputs(config: MotionConfig, sources: Sequence[Source]) -> Mapping[str, Json]:
    return {
        'sources': [[source.name, source.uri, source.fingerprint()] for source in sources],
        'label files': [files.sha256(path) for path in config.labels if files.exists(path)],
    }


def _own_labels(config: MotionConfig, sources: Sequence[Source]) -> list[Signal]:
    """The labels the user brings, one file for each recording, one value for each frame."""
    if not config.labels:
        return []
    if len(config.labels) != len(sources):
        names = ', '.join(source.name for source in sources)
        raise InputError(
            f'{len(config.labels)} files of labels for {len(sources)} recordings',
            where='--labels',
            do=f'give one for each, in this order: {names}',
        )
    found = [arrays.read_labels(path, classes=len(config.label_names)) for path in config.labels]
    for path, labels, source in zip(config.labels, found, sources, strict=True):
        if len(labels) != len(source):
            raise InputError(
                f'{len(labels):,} labels for {len(source):,} frames of {source.name}',
                where=path,
                do='give one label for each frame, NaN where there is none',
            )
    return found


def _parts(config: MotionConfig, sources: Sequence[Source]) -> list[list[Part]]:
    """Which frames of each recording are on which side."""
    sides = _sides(config, sources)
    if sides:
        return [[Part(sides[source.name], 0, len(source))] for source in sources]
    cut = config.contiguous or _DEFAULT_CUT
    return [cut.cut(len(source), where=source.uri) for source in sources]


def _sides(config: MotionConfig, sources: Sequence[Source]) -> Mapping[str, str]:
    """The side of each whole recording, by the flag or by the names of folders; none where they are cut in time."""
    if config.groups:
        return config.groups.sides(source.name for source in sources)
    named = {source.name: side for source in sources if (side := motion_sources.side_named(source))}
    by_folders = len(named) == len(sources) and splits.TRAIN in named.values() and len({*named.values()}) > 1
    return splits.merge_two_sides(named) if by_folders and not config.contiguous else {}


def _segment(part: Part, config: MotionConfig, *, has_own: bool) -> Segment:
    """A part with the frames whose labels count: as if the recording began and ended there."""
    count = part.end - part.first
    valid = range(count) if has_own else config.rule.valid(count)
    first = min(part.first + valid.start, part.end)
    return Segment(part.side, part.first, part.end, first, max(first, min(part.first + valid.stop, part.end)))


def _signal(config: MotionConfig, frames: _Frames, before: Moved | None, folder: str) -> Found:
    """The signal, unless it is there already."""
    source = frames.source
    if isinstance(source, Known):
        return Found(source.signal, 0)
    path = files.join(config.output_dir, folder, SIGNAL)
    if before and before.signal_digest == frames.digest and before.folder == folder and files.exists(path):
        signal = arrays.read_signal(path)
        if len(signal) == len(source):
            say(f'{source.name}: the signal is there already')
            return Found(signal, before.undecodable)
    keeper = Keeper(files.join(config.output_dir, _WORK, f'{frames.digest[:16]}.npz'), frames.digest)
    return kept_signals.find(source, frames.wanted, keeper)


def _write_arrays(config: MotionConfig, folder: str, values: Mapping[str, Signal]) -> None:
    for name, array in values.items():
        arrays.write(files.join(config.output_dir, folder, name), array)


def _moved(one: Labelled, found: Found, folder: str, signal_digest: str) -> Moved:
    source = one.source
    return Moved(
        name=source.name,
        uri=source.uri,
        kind=source.kind,
        parts=tuple(motion_results.Part(*part) for part in source.parts()),
        frames=len(source),
        frames_per_second=source.frames_per_second,
        folder=folder,
        signal_digest=signal_digest,
        undecodable=found.undecodable,
        positives=int(np.count_nonzero(np.nan_to_num(one.labels))),
        segments=one.segments,
    )


def _remove_leftovers(before: MotionResult | None, outcome: Outcome) -> None:
    """Remove the arrays and videos of recordings that are no longer among the sources."""
    for path in {*_files(before)} - {*outcome.files} if before else ():
        if files.name(path) in _ARRAYS or path.endswith(prepared_video.EXTENSION):
            files.delete(path)


def _is_whole(result: MotionResult) -> bool:
    return all(files.exists(path) for path in _files(result))


def _files(result: MotionResult) -> tuple[str, ...]:
    """The files of a result that a user works with."""
    arrays_of = [files.join(result.directory, one.folder, name) for one in result.recordings for name in _ARRAYS]
    inside = files.join(files.absolute(result.directory), '')
    videos = [one.uri for one in result.recordings if one.uri.startswith(inside)]
    sides = {segment.side for one in result.recordings for segment in one.segments if segment.end > segment.first}
    has_rows = any(one.kind != 'signal' for one in result.recordings)
    csvs = (
        [motion_rows.ALL, *(motion_rows.set_file(side) for side in splits.SIDES if side in sides)] if has_rows else []
    )
    below = [files.join(result.directory, name) for name in (*csvs, DICTIONARY, motion_results.FILE)]
    return (*arrays_of, *videos, *below)


def _notes(result: MotionResult) -> list[str]:
    """Sides on which no label counts, frames that could not be decoded."""
    sides = {segment.side for one in result.recordings for segment in one.segments}
    empty = [
        side
        for side in splits.SIDES
        if side in sides
        and not any(s.valid_end > s.valid_first for one in result.recordings for s in one.segments if s.side == side)
    ]
    rule = result.rule
    least = f' (at least {rule.valid(0).start + rule.h + 2} frames are needed)' if rule else ''
    notes = [f'warning: no frame of the {side} set has a label: its part is too short{least}' for side in empty]
    notes += [
        f'{one.name}: {one.undecodable:,} of {one.frames:,} frames can not be decoded; the signal runs straight there'
        for one in result.recordings
        if one.undecodable
    ]
    return notes
