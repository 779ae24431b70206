"""Footage on the command line: scores of every frame or window, and the segments they make, shown and written."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from predict import footage, segment_files, segments
from predict.along import Found
from predict.answers import UNSURE, visible
from predict.description import Description
from predict.footage import Tally, View
from predict.segment_files import BORIS, SCORES, SEGMENTS
from predict.segments import Rule, Segment
from preprocess import command, files, interrupts, quiet, sampling, video_children
from preprocess.failures import InputError, Interrupted, UsageError
from preprocess.image_formats import ImageError
from preprocess.progress import Progress, say
from preprocess.recordings import Recording
from preprocess.sampling import Sampling
from preprocess.settings import Json
from preprocess.video_children import ReaderApart
from preprocess.video_reader import VideoReader

if TYPE_CHECKING:
    from predict.watching import Watcher

_WIDTHS = (40, 10, 10, 24)
# A video that makes its decoder crash costs the frames it was at.
APART = ReaderApart('preprocess.video_reader:with_every_core')


@dataclass(frozen=True)
class Asked:
    """What the command line asks of footage."""

    recordings: tuple[str, ...]
    model_dir: str
    rule: Rule
    sampling: Sampling | None = None  # None: as the model's training had it
    output_dir: str | None = None
    as_json: bool = False


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that footage alone has."""
    group = parser.add_argument_group('footage (videos, and folders of them)')
    group.add_argument('--output_dir', metavar='DIR', help=f'write {SCORES}, {SEGMENTS} and {BORIS}/NAME.xlsx there')
    add_rule_flags(group)


def add_rule_flags(group: argparse._ArgumentGroup) -> None:
    """The flags that say which frames are looked at, and how their scores become segments."""
    group.add_argument(
        '--smooth_s', type=float, default=Rule.smooth_s, metavar='S', help='smooth scores over so many seconds (1)'
    )
    group.add_argument(
        '--min_segment_s', type=float, default=0.0, metavar='S', help='shorter segments go to a neighbour (0)'
    )
    sampling.add_flags(group)


def rule_from_flags(flags: argparse.Namespace) -> Rule:
    """How scores become segments, as the flags say it."""
    try:
        return Rule(flags.smooth_s, flags.min_segment_s, flags.threshold)
    except ValueError as error:
        raise UsageError(str(error), where='--smooth_s, --min_segment_s', do='give seconds, such as 1') from None


def sampling_from_flags(flags: argparse.Namespace) -> Sampling | None:
    """Which frames the flags ask for; nothing where they leave it to the model."""
    given = flags.every_frame or flags.keyframes or flags.frames_per_second is not None
    return sampling.from_flags(flags) if given else None


def from_flags(flags: argparse.Namespace, recordings: Sequence[str]) -> Asked:
    """What the flags ask for."""
    if flags.top_k:
        raise UsageError('footage has all scores in scores.csv', where='--top_k', do='leave it out')
    if flags.endpoint:
        raise UsageError('footage needs the model itself', where='--endpoint', do='give --model_dir')
    return Asked(
        recordings=tuple(dict.fromkeys(recordings)),  # their files tell every moment once
        model_dir=flags.model_dir,
        rule=rule_from_flags(flags),
        sampling=sampling_from_flags(flags),
        output_dir=flags.output_dir,
        as_json=flags.json,
    )


def answer(asked: Asked, reader: VideoReader = APART) -> int:
    """Answer every recording; how many could not be."""
    try:
        return _answered(asked, reader)
    finally:
        video_children.close()


def _answered(asked: Asked, reader: VideoReader) -> int:
    description = Description.read(asked.model_dir)
    found_view = view(asked.sampling, description, asked.model_dir)
    rule = Rule(asked.rule.smooth_s, asked.rule.min_segment_s, _threshold(asked, description), description.multi_label)
    done: list[Found] = []
    by_video: dict[str, list[Segment]] = {}
    failed = 0
    for found in _watched(asked, found_view, reader):
        if isinstance(found, InputError):
            print(f'error: {visible(found.where)}: {visible(found.what)}', file=sys.stderr, flush=True)
            failed += 1
            continue
        done.append(found)
        by_video[found.video] = segments.segments(found.track(len(description.labels)), description.labels, rule)
        _show(found.video, by_video[found.video], asked, is_first=len(done) == 1)
    if asked.output_dir and done:
        _write(asked.output_dir, done, by_video, description)
    return failed


def view(asked: Sampling | None, description: Description, model_dir: str) -> View:
    """How a model looks at footage: as it is asked to, else as its training had it."""
    shape = description.shape_for_pictures(model_dir)
    trained = description.manner.sampling
    wanted = asked or trained or Sampling()
    if description.manner.window and trained and wanted != trained:
        say(f'note: the model learnt from windows of {trained.text}, and sees {wanted.text} now')
    return View(shape, wanted, description.manner.preparation)


def _threshold(asked: Asked, description: Description) -> float | None:
    return description.threshold if asked.rule.threshold is None and description.multi_label else asked.rule.threshold


def _watched(asked: Asked, view: View, reader: VideoReader) -> Iterator[Found | InputError]:
    """Recordings one after the other; the model is loaded when the first of them can be read."""
    watcher = None
    for word in asked.recordings:
        try:
            recording = footage.survey(word, reader)
        except InputError as error:
            yield error
            continue
        if watcher is None:
            with Progress('loading the model'), quiet.loading():
                # TensorFlow takes seconds to load.
                from predict import watching

                watcher = watching.load(asked.model_dir)
        yield from _told(watcher, recording, view, reader)


def _told(watcher: 'Watcher', recording: Recording, view: View, reader: VideoReader) -> Iterator[Found | InputError]:
    """What the model says of a recording, or why it says nothing."""
    tally, found = Tally(), Found(recording.uri)
    total = len(recording.samples(view.sampling))
    try:
        with Progress(f'watching {files.name(recording.uri)}', total=total, unit='frames') as progress:
            for said in watcher.watch(_counted(footage.look(recording, view, tally, reader), progress)):
                found.add(said, watcher.description.labels)
    except ImageError as error:
        yield InputError(str(error), where=recording.uri, do='see whether a player shows it')
        return
    found.close_gaps(watcher.description.manner.window)
    yield from _accounted(found, recording, tally, watcher.description)


def _counted(frames: Iterator[footage.Sampled], progress: Progress) -> Iterator[footage.Sampled]:
    for frame in frames:
        if interrupts.requested():
            raise Interrupted('stopped before the last frame', where='predict.local', do=command.this_command())
        progress.advance()
        yield frame


def _accounted(
    found: Found, recording: Recording, tally: Tally, description: Description
) -> Iterator[Found | InputError]:
    """The recording with what could not be decoded said; an error where nothing came of it."""
    if tally.bad:
        say(f'{recording.uri}: {tally.bad:,} frames could not be decoded, the first {tally.first_bad}')
    if found.samples:
        yield found
    elif not tally.decoded:
        yield InputError('no frame of it can be decoded', where=recording.uri, do='see whether a player shows it')
    else:
        length = description.manner.window.length if description.manner.window else 1
        yield InputError(
            f'{tally.decoded} frames, and the model looks at windows of {length}',
            where=recording.uri,
            do='take more frames of each second (--frames_per_second), or a longer video',
        )


def _show(video: str, found: Sequence[Segment], asked: Asked, *, is_first: bool) -> None:
    if asked.as_json:
        for one in found:
            print(json.dumps({'video': video, **_json(one)}, ensure_ascii=False), flush=True)
        return
    if is_first:
        print(_row(('VIDEO', 'START', 'STOP', 'LABEL', 'SCORE')))
    for one in found:
        cells = (visible(video), f'{one.start:.3f}', f'{one.stop:.3f}', visible(one.label), f'{one.score:.4f}')
        print(_row(cells), flush=True)
    if not found:
        print(_row((visible(video), '-', '-', UNSURE, '-')), flush=True)


def _json(one: Segment) -> dict[str, Json]:
    return {'start': round(one.start, 6), 'stop': round(one.stop, 6), 'label': one.label, 'score': round(one.score, 6)}


def _row(cells: Sequence[str]) -> str:
    *columns, last = cells
    return '  '.join([*(cell.ljust(width) for cell, width in zip(columns, _WIDTHS, strict=True)), last])


def _write(folder: str, done: Sequence[Found], by_video: dict[str, list[Segment]], description: Description) -> None:
    samples = (one for found in done for one in found.samples)
    count = segment_files.write_samples(files.join(folder, SCORES), samples, description.labels)
    segment_files.write_segments(files.join(folder, SEGMENTS), by_video)
    names = segment_files.workbook_names(list(by_video))
    for video, found in by_video.items():
        segment_files.write_boris(files.join(folder, BORIS, f'{names[video]}.xlsx'), found)
    segments_found = sum(map(len, by_video.values()))
    say(f'{count:,} scores and {segments_found:,} segments of {len(by_video):,} videos are in {folder}')
