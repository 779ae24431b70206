"""Folders of numbered frames, `00000.png` or `S4C2000123.jpg`: in the order of their numbers, none of them missing."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from preprocess import command, files, interrupts
from preprocess.failures import InputError, Interrupted
from preprocess.folders import PICTURE_EXTENSIONS
from preprocess.progress import Progress

_NUMBERED = re.compile(r'(?P<before>.*?)(?P<number>\d+)(?P<extension>\.[^.]+)')
_MOST_NAMED = 5


@dataclass(frozen=True)
class FrameFolder:
    """The frames of one recording that lie in a folder, in order, and what else lies there."""

    directory: str
    names: tuple[str, ...]
    first_number: int
    strays: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def uri(self, place: int) -> str:
        """Where a frame is."""
        return files.join(self.directory, self.names[place])


def find(root: str) -> list[FrameFolder]:
    """The folders of frames at and below a folder, by path; a folder whose frames can't be ordered is refused."""
    by_folder = _listed(root)
    found = [folder for directory, names in sorted(by_folder.items()) if (folder := _folder(directory, names))]
    if not found:
        raise InputError(
            'no numbered pictures in this folder',
            where=root,
            do='give a video, or a folder of frames whose names end in their numbers: 00000.png, 00001.png',
        )
    return found


def _listed(root: str) -> dict[str, list[str]]:
    """Names by folder; hidden files are nobody's."""
    by_folder: defaultdict[str, list[str]] = defaultdict(list)
    start = len(files.join(root, ''))
    with Progress('listing', unit='files') as progress:
        for found in files.list_dir(root, recursive=True):
            if interrupts.requested():
                raise Interrupted('interrupted', where=root, do=f'run it again: {command.this_command()}')
            progress.advance()
            if not any(part.startswith('.') for part in found.uri[start:].split('/')):
                by_folder[files.parent(found.uri)].append(files.name(found.uri))
    return by_folder


def _folder(directory: str, names: Sequence[str]) -> FrameFolder | None:
    """The frames among some names; None when there are none."""
    families: defaultdict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for name in names:
        found = _NUMBERED.fullmatch(name)
        if found and found['extension'].lower() in PICTURE_EXTENSIONS:
            families[found['before'], found['extension']].append((int(found['number']), name))
    if not families:
        return None
    frames = sorted(_largest(directory, families))
    _check_numbers(directory, frames)
    ordered = tuple(name for _, name in frames)
    return FrameFolder(directory, ordered, frames[0][0], tuple(sorted({*names} - {*ordered})))


def _largest(directory: str, families: dict[tuple[str, str], list[tuple[int, str]]]) -> list[tuple[int, str]]:
    """The family of names that are the frames: a single other picture may stray in, a second series may not."""
    by_size = sorted(families.values(), key=len, reverse=True)
    if len(by_size) > 1 and (len(by_size[1]) > 1 or len(by_size[0]) == 1):
        raise InputError(
            'the folder holds frames of several recordings: '
            + ', '.join(sorted(min(family)[1] for family in by_size[:_MOST_NAMED])),
            where=directory,
            do='give every recording a folder of its own, with one way of naming its frames',
        )
    return by_size[0]


def _check_numbers(directory: str, frames: Sequence[tuple[int, str]]) -> None:
    for (number, name), (following, other) in pairwise(frames):
        if number == following:
            raise InputError(
                f'two frames have the number {number}', where=f'{directory}: {name}, {other}', do='keep one'
            )
    missing = list(_gaps(frames))
    if missing:
        count = sum(len(gap) for gap in missing)
        named = ', '.join(map(_said, missing[:_MOST_NAMED])) + (' …' if len(missing) > _MOST_NAMED else '')
        raise InputError(
            f'{count:,} of {len(frames) + count:,} frames are missing: {named}',
            where=f'{directory}: {frames[0][1]} to {frames[-1][1]}',
            do='bring them back, or put the frames before and after the gap into folders of their own',
        )


def _gaps(frames: Sequence[tuple[int, str]]) -> Iterator[range]:
    for (number, _), (following, _) in pairwise(frames):
        if following > number + 1:
            yield range(number + 1, following)


def _said(gap: range) -> str:
    return f'{gap[0]}' if len(gap) == 1 else f'{gap[0]}-{gap[-1]}'
