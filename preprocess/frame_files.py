"""Writing the frames of a recording as picture files: each whole or not at all, none twice, a stopped run goes on."""

import io
import json
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess import files, interrupts, settings
from preprocess.command import this_command
from preprocess.failures import InputError, Interrupted, TooManyRejects
from preprocess.frame_options import FramesConfig
from preprocess.preparation import Preparation
from preprocess.progress import Progress
from preprocess.recordings import Part, Recording, Samples
from preprocess.rows import Reject

# Beside the frames: what they depend on, which could not be decoded, who is writing, what the libraries said.
SETTINGS, REJECTS, CLAIM, LOG = 'frames.json', 'rejects.jsonl', '.claim', 'log.txt'
# A file that is sure to be on the disk took 10 ms of waiting (measured): many wait at once, but not gigabytes.
_WRITERS = 16
_WAITING_BYTES = 256 << 20
# Of a PNG: three times as fast as Pillow's own level, and a tenth larger.
_PNG_LEVEL = 3

Pixels = NDArray[np.uint8]
Found: TypeAlias = 'tuple[int, Pixels | Reject]'


@dataclass
class Outcome:
    """What became of the frames that were asked for."""

    written: int = 0
    there: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    line: str = ''


def write_frames(config: FramesConfig, *, overwrite: bool) -> Outcome:
    """Write what isn't there yet; three lines for what can't be."""
    from preprocess import video

    recording = video.survey_recording(config.source)
    samples = recording.samples(config.sampling)
    steps = _steps(config, recording, samples)
    _claim_folder(config, recording, overwrite=overwrite)
    there = set() if overwrite else {files.name(found.uri) for found in files.list_dir(config.output_dir)}
    todo = [step for step in steps if config.names.name(step) not in there]
    outcome = Outcome(there=len(steps) - len(todo), notes=recording.notes())
    _write(config, _decoded(config, recording, samples, todo), len(todo), outcome)
    _report(config, steps, outcome)
    return outcome


def _steps(config: FramesConfig, recording: Recording, samples: Samples) -> range:
    """The frames the stretch takes, as places in the recording's samples."""
    where = f'{config.source} --start {config.start:g}' + ('' if config.stop is None else f' --stop {config.stop:g}')
    if config.start >= recording.duration:
        raise InputError(
            f'the stretch begins behind the end: the recording lasts {recording.duration:.3f} s',
            where=where,
            do='give an earlier --start',
        )
    steps = samples.within(config.start, config.stop)
    if not steps:
        raise InputError(
            f'no frame of the stretch is taken ({config.sampling.text})',
            where=where,
            do='take more: raise --frames_per_second, or give --every_frame',
        )
    return steps


def _claim_folder(config: FramesConfig, recording: Recording, *, overwrite: bool) -> None:
    """Keep what the frames depend on beside them; refuse a folder of frames made otherwise."""
    path = files.join(config.output_dir, SETTINGS)
    wanted = dict(config.settings(recording))
    if files.exists(path) and not overwrite:
        try:
            found = json.loads(files.read_text(path))
        except ValueError:
            found = {}
        if found != wanted:
            raise InputError(
                'the folder holds frames made otherwise: ' + '; '.join(settings.changes(found, wanted)),
                where=path,
                do='choose another --output_dir, or give --overwrite',
            )
    files.write_atomic(path, json.dumps(wanted, indent=1, ensure_ascii=False).encode('utf-8', 'backslashreplace'))


def _write(config: FramesConfig, decoded: Iterator[Found], total: int, outcome: Outcome) -> None:
    pending: deque[Future[None]] = deque()
    with (
        Progress(f'writing frames to {config.output_dir}', total=total, unit='frames') as progress,
        ThreadPoolExecutor(_WRITERS, thread_name_prefix='frames') as pool,
    ):
        for step, found in decoded:
            if isinstance(found, Reject):
                outcome.rejects.append(found)
            else:
                path = files.join(config.output_dir, config.names.name(step))
                pending.append(pool.submit(_write_picture, path, found, config))
                outcome.written += 1
                while len(pending) > min(2 * _WRITERS, _WAITING_BYTES // found.nbytes):
                    pending.popleft().result()
            progress.update(outcome.written, failed=len(outcome.rejects))
            if interrupts.requested():
                break
        for writing in pending:
            writing.result()
    if outcome.written + len(outcome.rejects) < total:
        raise Interrupted(
            f'interrupted after {outcome.written:,} of {total:,} frames',
            where=config.output_dir,
            do=f'the same command continues: {this_command()}',
        )


def _decoded(config: FramesConfig, recording: Recording, samples: Samples, todo: list[int]) -> Iterator[Found]:
    """Each step with its pixels, or why it has none."""
    from preprocess import video

    decoder = video.Decoder(threads=config.threads or os.cpu_count() or 1)
    steps = np.array(todo, np.int64)
    for number, part in enumerate(recording.parts):
        here = steps[samples.part[steps] == number]
        shape = _shape(config.preparation, part)
        frames = samples.frame[here].tolist()
        decoded = decoder.decode(part.uri, part.timeline, frames, shape, config.preparation)
        try:
            for step, found in zip(here.tolist(), decoded, strict=True):
                if isinstance(found, video.BadFrame):
                    uri = f'{part.uri}#frame={found.number}'
                    yield step, Reject(config.source, 0, uri, 'decode', found.reason, found.message)
                else:
                    yield step, found.pixels
        except video.VideoError as error:
            raise video.input_error(part.uri, error) from error


def _shape(preparation: Preparation, part: Part) -> tuple[int, int, int]:
    """The size of the pictures of a part: the one asked for, else the region's, else the frames' own."""
    region, timeline = preparation.roi, part.timeline
    width, height = (region.width, region.height) if region else (timeline.width, timeline.height)
    width, height = preparation.size or (width, height)
    return height, width, 1 if preparation.gray else 3


def _write_picture(path: str, pixels: Pixels, config: FramesConfig) -> None:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    if config.names.kind == 'png':
        image.save(buffer, 'PNG', compress_level=_PNG_LEVEL)
    else:
        image.save(buffer, 'JPEG', quality=config.quality)
    files.write_atomic(path, buffer.getvalue())


def _report(config: FramesConfig, steps: range, outcome: Outcome) -> None:
    """Say what there is now; refuse more bad frames than are allowed."""
    path = files.join(config.output_dir, REJECTS)
    lines = [json.dumps(asdict(reject), ensure_ascii=False) + '\n' for reject in outcome.rejects]
    if lines:
        files.write_atomic(path, ''.join(lines).encode('utf-8', 'backslashreplace'))
    else:
        files.delete(path)
    bad = len(outcome.rejects)
    outcome.line = (
        f'{len(steps) - bad:,} frames in {config.output_dir} ({outcome.written:,} written, {outcome.there:,} were '
        f'there), {config.names.name(steps[0])} to {config.names.name(steps[-1])}'
    )
    if bad:
        outcome.notes.append(f'{bad:,} of {len(steps):,} frames can not be decoded: see {path}')
    if bad > config.max_reject_fraction * len(steps):
        raise TooManyRejects(
            f'{bad:,} of {len(steps):,} frames can not be decoded; --max_reject_fraction allows '
            f'{config.max_reject_fraction:g} of them',
            where=path,
            do='get an undamaged copy of the video, or raise --max_reject_fraction; the others are written',
        )
