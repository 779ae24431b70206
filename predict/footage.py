"""The frames of recordings as a model wants to see them: sampled, prepared, at its size, in order of their times."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocess import command, files
from preprocess.failures import InputError
from preprocess.image_formats import ImageError
from preprocess.locations import is_video
from preprocess.preparation import NOTHING, Preparation
from preprocess.progress import Progress
from preprocess.recordings import Part, Recording, part_uris, typed
from preprocess.sampling import Sampling
from preprocess.shelves import Refusal
from preprocess.video_reader import VideoReader

Pixels: TypeAlias = NDArray[np.uint8]
Shape: TypeAlias = tuple[int, int, int]
# Frames decoded ahead of the network: two of its batches.
_AHEAD = 64
# Frames that are asked for together, as in the embedding job.
_IN_A_PIECE = 128


@dataclass(frozen=True)
class View:
    """Which frames of a recording are looked at, and how: as the model's training had them."""

    shape: Shape
    sampling: Sampling = Sampling()
    preparation: Preparation = NOTHING


class Sampled(NamedTuple):
    """A frame of a recording; of those taken from it, `step` is its number, and the next is taken at `end`."""

    step: int
    uri: str
    time: float
    end: float
    pixels: Pixels


@dataclass
class Tally:
    """How far a recording was looked at: frames decoded, and what was wrong with those that could not be."""

    decoded: int = 0
    bad: int = 0
    first_bad: str = ''


def is_recording(word: str) -> bool:
    """Whether a word of the command line names footage: a video, `a.mp4;b.mp4`, or a folder that holds videos alone."""
    if any(is_video(part.strip()) for part in word.split(';')):
        return True
    if not files.is_dir(word):
        return False
    names = [files.name(found.uri) for found in files.list_dir(word)]
    shown = [name for name in names if not name.startswith('.')]
    return any(map(is_video, shown)) and all(is_video(name) or name.endswith('.txt') for name in shown)


def survey(word: str, reader: VideoReader) -> Recording:
    """The recording a word names, its times read; InputError when there is none."""
    command.require('av', extra='video', why='videos')
    try:
        with Progress(f'reading the times of {files.name(word)}'):
            return Recording.of(word, [(part, reader.survey(part)) for part in part_uris(typed(word))])
    except ImageError as error:
        raise InputError(str(error), where=word, do='see whether a player shows it') from error
    except OSError as error:
        raise InputError(f'it can not be read: {error.strerror or error}', where=word, do='check the path') from error


def look(recording: Recording, view: View, tally: Tally, reader: VideoReader) -> Iterator[Sampled]:
    """Its frames in order, decoded in a thread of their own; those that can not be are left out and counted.

    ImageError when one of its files fails as a whole.
    """
    found: queue.Queue[Sampled | BaseException | None] = queue.Queue(_AHEAD)
    is_over = threading.Event()

    def decode() -> None:
        try:
            for frame in _decoded(recording, view, tally, reader):
                _put(found, frame, is_over)
                if is_over.is_set():
                    return
            _put(found, None, is_over)
        except BaseException as error:
            _put(found, error, is_over)

    thread = threading.Thread(target=decode, name='decode', daemon=True)
    thread.start()
    try:
        while (one := found.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        is_over.set()
        thread.join()


def _put(
    found: 'queue.Queue[Sampled | BaseException | None]', one: Sampled | BaseException | None, is_over: threading.Event
) -> None:
    while not is_over.is_set():
        try:
            found.put(one, timeout=0.1)
        except queue.Full:
            continue
        return


def _decoded(recording: Recording, view: View, tally: Tally, reader: VideoReader) -> Iterator[Sampled]:
    samples = recording.samples(view.sampling)
    ends = np.append(samples.time[1:], recording.duration)
    for place, part in enumerate(recording.parts):
        steps = np.flatnonzero(samples.part == place)
        by_number = {int(samples.frame[step]): int(step) for step in steps}
        for number, found in _frames(part, sorted(by_number), view, reader):
            uri, step = f'{part.uri}#frame={number}', by_number[number]
            if isinstance(found, Refusal):
                tally.bad += 1
                tally.first_bad = tally.first_bad or f'{uri}: {found.reason}'
                continue
            tally.decoded += 1
            yield Sampled(step, uri, float(samples.time[step]), float(ends[step]), found)


def _frames(part: Part, numbers: list[int], view: View, reader: VideoReader) -> Iterator[tuple[int, Pixels | Refusal]]:
    """Frames of a file, piece by piece: what is the matter with one piece costs no other."""
    for piece in reader.splits(part.timeline, numbers, most=_IN_A_PIECE):
        yield from reader.frames(part.uri, part.timeline, piece, view.shape, view.preparation)
