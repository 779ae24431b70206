"""Numbered pictures as a video that loses nothing: prepared once, they are footage like any other."""

from collections.abc import Generator
from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np

from preprocess import command, files, interrupts, settings, still_frames
from preprocess.failures import Interrupted
from preprocess.motion_signal import Gray
from preprocess.motion_sources import Footage, Stills
from preprocess.preparation import Preparation
from preprocess.progress import Progress
from preprocess.recordings import Recording

if TYPE_CHECKING:
    from av.video.stream import VideoStream

# Every frame decodes by itself, to the same gray values on every machine.
_CODEC = 'ffv1'
EXTENSION = '.mkv'
_DIGEST_DIGITS = 8


def of(source: Stills, wanted: Preparation, folder: str) -> Footage:
    """The frames as a video in a folder, written unless it is there already."""
    command.require('av', extra='video', why='videos')
    from preprocess import video

    digest = settings.digest({'frames': source.fingerprint(), 'preparation': wanted.text, 'rate': str(_rate(source))})
    path = files.join(files.absolute(folder), f'{files.name(source.name)}.{digest[:_DIGEST_DIGITS]}{EXTENSION}')
    if not files.exists(path):
        _remove_earlier(path)
        _write(source, wanted, path)
    return Footage(source.name, Recording.of(path, [(path, video.survey(path))]))


def _remove_earlier(path: str) -> None:
    """Remove what was made of other frames, or with another preparation."""
    stem = files.name(path)[: -_DIGEST_DIGITS - len(EXTENSION)]
    if not files.is_dir(files.parent(path)):
        return
    for found in list(files.list_dir(files.parent(path))):
        name = files.name(found.uri)
        if name.startswith(stem) and name.endswith(EXTENSION) and len(name) == len(files.name(path)):
            files.delete(found.uri)


def _write(source: Stills, wanted: Preparation, path: str) -> None:
    import av

    with files.writing_atomic(path) as sink, av.open(sink, 'w', format='matroska') as container:
        stream = cast('VideoStream', container.add_stream(_CODEC, rate=_rate(source)))
        stream.pix_fmt = 'gray'
        with closing(_frames(source, wanted)) as frames:
            for frame in frames:
                stream.height, stream.width = frame.shape
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='gray')))
        container.mux(stream.encode(None))


def _frames(source: Stills, wanted: Preparation) -> Generator[Gray, None, None]:
    with Progress(f'writing {source.name} as a video', total=len(source), unit='frames') as progress:
        for number, frame in enumerate(still_frames.grays(source.folder, wanted)):
            if interrupts.requested():
                raise Interrupted(
                    f'interrupted at frame {number:,} of {len(source):,}',
                    where=source.uri,
                    do=f'run it again: {command.this_command()}',
                )
            progress.advance()
            yield frame


def _rate(source: Stills) -> Fraction:
    return Fraction(source.frames_per_second).limit_denominator(1001)
