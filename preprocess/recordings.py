"""A recording: one video file, or its parts on one clock, in the order they were recorded."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from preprocess import files
from preprocess.failures import InputError
from preprocess.locations import is_video, missing_part, parts_at
from preprocess.sampling import Sampling
from preprocess.timelines import TOLERANCE_S, Timeline

# GoPro: GH010042 is chapter 1 of recording 0042; before 2017 GOPR0042 and then GP010042.
_GOPRO = re.compile(r'(?:GOPR|G[A-Z](?P<chapter>\d\d))(?P<recording>\d{4})', re.IGNORECASE)
_DIGITS = re.compile(r'(\d+)')
# A line of ffmpeg's list: the word, and its value with ffmpeg's quoting.
_LIST_LINE = re.compile(r'\s*(\w+)(?:\s+(.*?))?\s*')
_QUOTED = re.compile(r"'([^']*)'|\\(.)|([^'\\])", re.DOTALL)
_IGNORED_WORDS = frozenset(['ffconcat', 'duration', 'stream', 'exact_stream_id', 'file_packet_metadata', 'option'])
# Cameras write whole seconds, and close one file before they open the next.
_CLOCK_SLACK_S = 2.0


def part_uris(uri: str) -> tuple[str, ...]:
    """The files of a recording in order: `a.mp4;b.mp4` and a list as they say, a folder by the names in it."""
    if uri.lower().endswith('.txt'):
        return _list_parts(uri)
    if not is_video(uri) and files.is_dir(uri):
        return _folder_parts(uri)
    if ';' not in uri or (not files.is_remote(uri) and files.exists(uri)):
        return (uri,)
    first, *others = (part.strip() for part in uri.split(';'))
    parts = [first, *(files.join(files.parent(first), part) for part in others)]
    return tuple(part for part in parts if files.name(part))


def typed(word: str) -> str:
    """A recording as a command line names it; parts in folders are seen from the working directory, or else the first.

    InputError when such a part is in neither place.
    """
    if ';' not in word:
        return word
    word, here = files.without_scheme(word), os.getcwd()
    if places := missing_part(word, here):
        raise InputError('a part of the recording is not there', where=' and '.join(places), do='mend its path')
    first, *others = parts_at(word, here).split(';')
    return ';'.join([files.absolute(first), *others])


def natural_key(uri: str) -> tuple[object, ...]:
    """Sorts files by recording and chapter: GoPro's names by their own rule, others by the numbers in them."""
    folder, name = os.path.split(uri)
    stem, extension = os.path.splitext(name)
    if gopro := _GOPRO.fullmatch(stem):
        return _by_numbers(folder), 1, int(gopro['recording']), int(gopro['chapter'] or 0), name
    return _by_numbers(folder), 0, _by_numbers(stem), extension, name


def _by_numbers(text: str) -> tuple[tuple[int, int, str], ...]:
    """Text with its numbers as numbers: part2 before part10."""
    return tuple(
        (1, int(piece), piece) if piece.isdecimal() else (0, 0, piece.casefold()) for piece in _DIGITS.split(text)
    )


def _folder_parts(folder: str) -> tuple[str, ...]:
    names = [found.uri for found in files.list_dir(folder) if not files.name(found.uri).startswith('.')]
    parts = sorted(filter(is_video, names), key=natural_key)
    if not parts:
        raise InputError('the folder holds no video', where=folder, do='give a video, or the folder its parts are in')
    return tuple(parts)


def _list_parts(path: str) -> tuple[str, ...]:
    """The files an ffmpeg concat list names."""
    parts = list(_listed(path))
    if not parts:
        raise InputError('the list names no file', where=path, do="write a line for each part: file 'part1.mp4'")
    return tuple(parts)


def _listed(path: str) -> Iterator[str]:
    for number, line in enumerate(files.read_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        found = _LIST_LINE.fullmatch(line)
        if found and found[1] in _IGNORED_WORDS:
            continue
        if not found or found[1] != 'file' or not found[2]:
            raise InputError(
                f'{line.strip()!r} is not understood',
                where=f'{path}:{number}',
                do="keep the lines `file 'part1.mp4'` only; cut stretches by start and stop",
            )
        name = ''.join(''.join(match.groups(default='')) for match in _QUOTED.finditer(found[2]))
        yield files.join(files.parent(path), name.removeprefix('file:').removeprefix('./'))


@dataclass(frozen=True)
class Part:
    """One file of a recording, and when it begins on the recording's clock."""

    uri: str
    timeline: Timeline
    offset: float


@dataclass(frozen=True, eq=False)
class Samples:
    """The frames taken of a recording, in order; the index of one is its step."""

    part: NDArray[np.int64]
    frame: NDArray[np.int64]
    time: NDArray[np.float64]  # on the recording's clock

    def __len__(self) -> int:
        return len(self.frame)

    def within(self, start: float, stop: float | None) -> range:
        """The steps whose times are in [start, stop)."""
        times = (start - TOLERANCE_S, np.inf if stop is None else stop - TOLERANCE_S)
        first, end = np.searchsorted(self.time, times)
        return range(int(first), max(int(first), int(end)))


@dataclass(frozen=True)
class Recording:
    """Parts on one clock, which begins with the first shown frame of the first."""

    uri: str
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, uri: str, parts_and_timelines: Iterable[tuple[str, Timeline]]) -> 'Recording':
        """A recording of files in this order, each beginning where the one before ends."""
        parts, offset = [], 0.0
        for part, timeline in parts_and_timelines:
            parts.append(Part(part, timeline, offset))
            offset += timeline.duration
        return cls(uri, tuple(parts))

    @property
    def duration(self) -> float:
        """Seconds from its first shown frame to the end of its last."""
        return self.parts[-1].offset + self.parts[-1].timeline.duration

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """When each frame of all parts is shown, on the recording's clock."""
        return np.concatenate([part.offset + part.timeline.times for part in self.parts])

    def samples(self, sampling: Sampling) -> Samples:
        """The frames that are taken of the whole recording."""
        counts = [len(part.timeline) for part in self.parts]
        begins = np.cumsum([0, *counts[:-1]])
        keyframes = [part.timeline.keyframes + begin for part, begin in zip(self.parts, begins, strict=True)]
        taken, times = sampling.choose(self.times, np.concatenate(keyframes), self.duration)
        part = np.repeat(np.arange(len(counts)), counts)[taken]
        return Samples(part, taken - begins[part], times)

    def check_order(self) -> None:
        """Refuse a folder's parts, which we ordered by their names, when the camera's clock says otherwise."""
        wrong = [note for note in self.notes() if 'wrong order' in note]
        if wrong and files.is_dir(self.uri):
            raise InputError(
                wrong[0], where=self.uri, do='name the parts in their order: "a.mp4;b.mp4", or a list for ffmpeg'
            )

    def notes(self) -> list[str]:
        """What the creation times of the parts say against their order, or of time missing between them."""
        return [note for pair in zip(self.parts, self.parts[1:], strict=False) if (note := _note(*pair))]


def _note(part: Part, following: Part) -> str | None:
    begun, next_begun = part.timeline.created, following.timeline.created
    # A camera may give all chapters of a recording the time of its first.
    if begun is None or next_begun is None or begun == next_begun:
        return None
    apart = (next_begun - begun).total_seconds()
    names = f'{files.name(part.uri)} and {files.name(following.uri)}'
    if apart < 0:
        return f'{names} may be in the wrong order: the second was begun {-apart:,.0f} s before the first'
    missing = apart - part.timeline.duration
    if abs(missing) <= _CLOCK_SLACK_S + 0.001 * part.timeline.duration:
        return None
    kind = 'lie between' if missing > 0 else 'are in both of'
    return f'{abs(missing):,.1f} s {kind} {names}, by their creation times; the clock of the recording runs through'
