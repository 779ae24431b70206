"""Frames of a video as pixels: exactly the ones asked for, the same in whatever pieces they are asked for.

Decoding begins at the keyframe before, leaves out every packet that the wanted frames don't rest on, and ends with the
last of them. What can't be decoded, and what rests on it, is a BadFrame; the rest goes on.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from preprocess import decoding_plan, files, hardware, images, preparation
from preprocess.containers import VideoError as VideoError  # part of this door, like survey and BadFrame
from preprocess.containers import said
from preprocess.decoding import BadFrame as BadFrame
from preprocess.decoding import Picture, Trouble, run
from preprocess.failures import InputError
from preprocess.packets import Packets
from preprocess.preparation import NOTHING, Preparation, Region
from preprocess.progress import Progress
from preprocess.recordings import Recording, part_uris
from preprocess.scaling import Scaler
from preprocess.surveying import survey as survey
from preprocess.timelines import Timeline

_log = logging.getLogger(__name__)
Pixels = NDArray[np.uint8]
Shape = tuple[int, int, int]
# Stretches between keyframes that are decoded again where the decoder met a fault.
_KEYS_AGAIN = 2


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame."""

    number: int
    pixels: Pixels


@dataclass(frozen=True)
class Decoder:
    """How videos are decoded: each by how many threads, and by hardware where there is any."""

    threads: int = 1
    hardware: bool = True

    def decode(
        self, uri: str, timeline: Timeline, frames: Sequence[int], shape: Shape, preparation: Preparation = NOTHING
    ) -> Iterator[Frame | BadFrame]:
        """Each of the frames, given in ascending order, as uint8[H,W,C]; VideoError when the file fails as a whole."""
        numbers = np.asarray(frames, np.int64)
        if len(numbers) and (numbers[0] < 0 or numbers[-1] >= len(timeline) or np.any(np.diff(numbers) <= 0)):
            raise ValueError(f'frames must ascend, from 0 to {len(timeline) - 1:,}')
        view = _View.of(uri, timeline, shape, preparation)
        early = numbers < timeline.keyframes[0]
        for number in numbers[early].tolist():
            yield BadFrame(number, 'corrupt', 'it stands before the first keyframe, where decoding can begin')
        for number, picture in self._pictures(uri, timeline, numbers[~early]):
            yield picture if isinstance(picture, BadFrame) else view.frame(number, picture)

    def _pictures(self, uri: str, timeline: Timeline, frames: NDArray[np.int64]) -> Iterator[Picture]:
        """The frames as they are decoded; those around a fault by one thread, for an exact verdict."""
        device = hardware.accelerator(timeline.codec) if self.hardware else None
        exact = self.threads == 1 and device is None
        with closing(Packets(uri, timeline, threads=self.threads, hardware=device)) as packets:
            while len(frames):
                done = -1
                try:
                    for one in decoding_plan.passes(timeline, frames):
                        for number, picture in run(packets, timeline, one, exact=exact):
                            yield number, picture
                            done = number
                    return
                except Trouble as trouble:
                    _log.info('%s: %s, after frame %d; decoded again by one thread', uri, trouble, done)
                frames = frames[frames > done]
                again = _next_to_decode(timeline, frames) if len(frames) else 0
                yield from _EXACT._pictures(uri, timeline, frames[:again])
                frames = frames[again:]


_EXACT = Decoder(threads=1, hardware=False)


def _next_to_decode(timeline: Timeline, frames: NDArray[np.int64]) -> int:
    """How many of the frames are decoded again where the decoder met a fault: the fault is among them."""
    keys = np.searchsorted(timeline.keyframes, frames, 'right')
    return int(np.searchsorted(keys, keys[0] + _KEYS_AGAIN))


def decode(
    uri: str, timeline: Timeline, frames: Sequence[int], shape: Shape, preparation: Preparation = NOTHING
) -> Iterator[Frame | BadFrame]:
    """Each of the frames of a video, given in ascending order, by the default decoder."""
    return Decoder().decode(uri, timeline, frames, shape, preparation)


def splits(timeline: Timeline, frames: Sequence[int], *, most: int) -> list[list[int]]:
    """The frames in pieces that decode without one another, up to `most` each.

    A piece reaches from one keyframe to another; it is longer only where there is none in between.
    """
    numbers = np.asarray(frames, np.int64)
    keys = np.searchsorted(timeline.keyframes, numbers, 'right')
    pieces: list[list[int]] = []
    for group in np.split(numbers, np.flatnonzero(np.diff(keys)) + 1):
        if pieces and len(pieces[-1]) + len(group) <= most:
            pieces[-1].extend(group.tolist())
        elif len(group):
            pieces.append(group.tolist())
    return pieces


def survey_recording(uri: str) -> Recording:
    """A recording with the times of all its parts; three lines say why not."""
    parts = part_uris(uri)
    timelines = []
    with Progress(f'reading the times of {files.name(uri)}', total=len(parts), unit='files') as progress:
        for part in parts:
            try:
                timelines.append(survey(part))
            except VideoError as error:
                raise input_error(part, error) from error
            except OSError as error:
                said = (error.strerror or str(error)).lower()
                raise InputError(f'the video can not be read: {said}', where=part, do='check the path') from error
            progress.advance()
    recording = Recording.of(uri, zip(parts, timelines, strict=True))
    recording.check_order()
    return recording


def input_error(uri: str, error: VideoError) -> InputError:
    """What a user is told of a video that can't be used at all."""
    return InputError(f'the video can not be used: {error}', where=uri, do=_REMEDIES.get(error.reason, _LEAVE_OUT))


_LEAVE_OUT = 'check the file, or leave it out'
_REMEDIES = {
    'truncated': 'copy it again from where it was recorded, or leave it out',
    'non-monotonic-times': 'write it anew, with one clock: ffmpeg -i FILE -c copy NEW.mp4',
    'outside': 'give a --roi within the frame',
    'changed': 'let nobody write the file, and run the same command again',
    'unsupported-codec': 'convert it: ffmpeg -i FILE NEW.mp4',
}


@dataclass(frozen=True)
class _View:
    """From a decoded frame to the pixels that are wanted of it."""

    scaler: Scaler
    shape: Shape
    preparation: Preparation
    background: Pixels | None

    @classmethod
    def of(cls, uri: str, timeline: Timeline, shape: Shape, preparation: Preparation) -> '_View':
        """The view of one video."""
        size = preparation.size or (shape[1], shape[0])
        gray = preparation.gray or shape[2] == 1
        _check_region(preparation.roi, timeline)
        scaler = Scaler(timeline, size, gray=gray, roi=preparation.roi)
        background = None
        if preparation.background == 'median':
            background = _background(uri, _Surveyed(timeline), size, gray, preparation.roi)
        return cls(scaler, shape, preparation, background)

    def frame(self, number: int, picture: VideoFrame) -> Frame | BadFrame:
        """The pixels of a frame."""
        try:
            scaled = self.scaler.pixels(picture)
        except FFmpegError as error:  # a damaged header made it something that can't be
            return BadFrame(number, 'corrupt', f'its picture can not be scaled: {said(error)}')
        pixels = preparation.finish(scaled, self.preparation, self.background)
        return Frame(number, pixels if pixels.shape == self.shape else images.fit(pixels, self.shape))


class _Surveyed:
    """A timeline as part of a cache's key: equal where the files are."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    def __hash__(self) -> int:
        return hash(self.timeline.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Surveyed) and self.timeline.digest == other.timeline.digest


@lru_cache(maxsize=8)
def _background(uri: str, surveyed: _Surveyed, size: tuple[int, int], gray: bool, roi: Region | None) -> Pixels:
    """The median of frames all over the file."""
    timeline = surveyed.timeline
    shape = (size[1], size[0], 1 if gray else 3)
    found = _EXACT.decode(uri, timeline, preparation.background_frames(timeline).tolist(), shape, Preparation(roi=roi))
    frames = [one.pixels for one in found if isinstance(one, Frame)]
    if not frames:
        raise VideoError('corrupt', 'no frame could be decoded for its background')
    return preparation.median(frames)


def _check_region(roi: Region | None, timeline: Timeline) -> None:
    if roi and (roi.x + roi.width > timeline.width or roi.y + roi.height > timeline.height):
        raise VideoError('outside', f'the region {roi.text} is not within its {timeline.width}x{timeline.height}')
