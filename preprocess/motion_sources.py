"""What the motion signal is found of: folders of frames, videos in one part or several, or a signal found before."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from preprocess import arrays, command, files, frame_folders, splits, still_frames
from preprocess.bursts import Signal
from preprocess.failures import InputError
from preprocess.frame_folders import FrameFolder
from preprocess.locations import is_video
from preprocess.motion_signal import Gray
from preprocess.preparation import Preparation
from preprocess.recordings import Recording, part_uris, typed
from preprocess.settings import Json

_MOST_NAMED = 5


class Source(Protocol):
    """One recording; its frames are counted from 0 over all its parts."""

    @property
    def name(self) -> str: ...
    @property
    def uri(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def frames_per_second(self) -> float: ...
    def __len__(self) -> int: ...
    def times(self) -> NDArray[np.float64]:
        """When each frame is shown, in seconds; one more at the end, when the last is over."""
        ...

    def grays(self, wanted: Preparation, *, start: int) -> Iterator[Gray | None]:
        """The frames from `start` on; None for one that can't be decoded."""
        ...

    def parts(self) -> list[tuple[str, int]]:
        """Its files in order, and how many frames each has."""
        ...

    def fingerprint(self) -> Json:
        """Changes when the frames may have."""
        ...

    def notes(self) -> list[str]:
        """What the user should hear of it."""
        ...


@dataclass(frozen=True)
class Stills:
    """A folder of numbered frames, so many a second."""

    name: str
    folder: FrameFolder
    frames_per_second: float
    kind: str = 'frames'

    @property
    def uri(self) -> str:
        return self.folder.directory

    def __len__(self) -> int:
        return len(self.folder)

    def times(self) -> NDArray[np.float64]:
        return np.arange(len(self) + 1) / self.frames_per_second

    def grays(self, wanted: Preparation, *, start: int) -> Iterator[Gray | None]:
        yield from still_frames.grays(self.folder, wanted, start=start)

    def parts(self) -> list[tuple[str, int]]:
        return [(self.uri, len(self))]

    def fingerprint(self) -> Json:
        digest = hashlib.sha256()
        frames = {*self.folder.names}
        for found in files.list_dir(self.folder.directory):
            if files.name(found.uri) in frames:
                digest.update(f'{files.name(found.uri)} {found.size} {found.version}\n'.encode(errors='replace'))
        return digest.hexdigest()

    def notes(self) -> list[str]:
        strays = self.folder.strays
        if not strays:
            return []
        named = ', '.join(strays[:_MOST_NAMED]) + (' …' if len(strays) > _MOST_NAMED else '')
        return [f'{self.name}: {len(strays):,} other files among the frames, left out: {named}']


@dataclass(frozen=True, eq=False)
class Known:
    """A signal that was found before: nothing is left of its frames."""

    name: str
    uri: str
    frames_per_second: float
    signal: Signal
    kind: str = 'signal'

    def __len__(self) -> int:
        return len(self.signal)

    def times(self) -> NDArray[np.float64]:
        return np.arange(len(self) + 1) / self.frames_per_second

    def grays(self, wanted: Preparation, *, start: int) -> Iterator[Gray | None]:
        raise ValueError('a signal has no frames')

    def parts(self) -> list[tuple[str, int]]:
        return [(self.uri, len(self))]

    def fingerprint(self) -> Json:
        return hashlib.sha256(self.signal.tobytes()).hexdigest()

    def notes(self) -> list[str]:
        return []


@dataclass(frozen=True)
class Footage:
    """A video, or the parts of one recording on one clock."""

    name: str
    recording: Recording
    kind: str = 'video'

    @property
    def uri(self) -> str:
        return self.recording.uri

    @property
    def frames_per_second(self) -> float:
        """Over the whole recording: single distances may vary, or be rounded to milliseconds."""
        times = self.recording.times
        return (
            float((len(times) - 1) / (times[-1] - times[0]))
            if len(times) > 1
            else 1 / max(self.recording.duration, 1e-3)
        )

    def __len__(self) -> int:
        return len(self.recording.times)

    def times(self) -> NDArray[np.float64]:
        return np.append(self.recording.times, self.recording.duration)

    def grays(self, wanted: Preparation, *, start: int) -> Iterator[Gray | None]:
        from preprocess import video

        wanted, size = replace(wanted, gray=True), self._size(wanted)
        decoder = video.Decoder(threads=0)  # as many as FFmpeg likes: one file after another is decoded
        for part in self.recording.parts:
            first, start = min(start, len(part.timeline)), max(0, start - len(part.timeline))
            numbers = range(first, len(part.timeline))
            for frame in decoder.decode(part.uri, part.timeline, numbers, (size[1], size[0], 1), wanted):
                yield frame.pixels[:, :, 0] if isinstance(frame, video.Frame) else None

    def parts(self) -> list[tuple[str, int]]:
        return [(part.uri, len(part.timeline)) for part in self.recording.parts]

    def fingerprint(self) -> Json:
        found = [files.stat(part.uri) for part in self.recording.parts]
        return [[one.uri, one.size, one.version] for one in found]

    def notes(self) -> list[str]:
        return [f'{self.name}: {note}' for note in self.recording.notes()]

    def _size(self, wanted: Preparation) -> tuple[int, int]:
        if wanted.size:
            return wanted.size
        first = self.recording.parts[0].timeline
        return (wanted.roi.width, wanted.roi.height) if wanted.roi else (first.width, first.height)


def find(specs: Sequence[str], *, frames_per_second: float) -> list[Source]:
    """The recordings that paths name; every one has a name of its own."""
    found = [source for spec in specs for source in _of(spec, frames_per_second)]
    by_name: dict[str, Source] = {}
    for source in found:
        if (other := by_name.setdefault(source.name, source)) and other is not source:
            raise InputError(
                f'two recordings are called {source.name!r}',
                where=f'{other.uri} and {source.uri}',
                do='rename one of them, or give them to two runs',
            )
    return found


def side_named(source: Source) -> str | None:
    """The side of a split that a folder above the frames is called by: `train/New folder`."""
    return next((side for part in source.name.split('/') if (side := splits.side_named(part))), None)


def _of(spec: str, frames_per_second: float) -> list[Source]:
    uri = files.absolute(typed(spec))
    if not files.is_dir(uri):
        if ';' not in spec and not files.exists(uri):
            raise InputError('there is no such file or folder', where=spec, do='check the path')
        if uri.lower().endswith('.npy'):
            return [Known(_stem(uri), uri, frames_per_second, arrays.read_signal(uri))]
        if not is_video(uri.rpartition(';')[2]) and not uri.lower().endswith('.txt'):
            raise InputError(
                'this is neither a video nor a folder of frames',
                where=spec,
                do="give one, the list of a video's parts, or a signal (.npy)",
            )
        return [_footage(uri, _stem(uri))]
    inside = [files.name(found.uri) for found in files.list_dir(uri)]
    if any(is_video(name) for name in inside if not name.startswith('.')):
        return [_footage(uri, files.name(uri))]
    folders = frame_folders.find(uri)
    start = len(files.join(uri, ''))
    return [Stills(folder.directory[start:] or files.name(uri), folder, frames_per_second) for folder in folders]


def _stem(uri: str) -> str:
    first = uri.split(';')[0]
    return files.name(first).rpartition('.')[0] or files.name(first)


def _footage(uri: str, name: str) -> Source:
    command.require('av', extra='video', why='videos')
    from preprocess import video

    try:
        recording = Recording.of(uri, ((part, video.survey(part)) for part in part_uris(uri)))
    except video.VideoError as error:
        raise InputError(f'the video can not be used: {error}', where=uri, do='repair it, or leave it out') from error
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise InputError(
            f'the video can not be read: {said}', where=str(error.filename or uri), do='check it'
        ) from error
    recording.check_order()
    return Footage(name, recording)
