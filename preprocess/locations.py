"""Where the picture or recording of a cell is: relative paths, the working directory as a second guess, stretches."""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from preprocess import files

VIDEO_EXTENSIONS = frozenset(
    [
        '.3gp',
        '.asf',
        '.avi',
        '.flv',
        '.m2ts',
        '.m4v',
        '.mjpeg',
        '.mkv',
        '.mov',
        '.mp4',
        '.mpeg',
        '.mpg',
        '.mts',
        '.ogv',
        '.tlv',
        '.ts',
        '.vob',
        '.webm',
        '.wmv',
    ]
)
# ffmpeg's list of the parts of a recording.
_LIST_EXTENSION = '.txt'
_NUMBER = r'\d+(?:\.\d*)?|\.\d+'
_STRETCH = re.compile(rf'(?s)(?P<path>.+)#(?:t=(?P<start>{_NUMBER})(?:,(?P<stop>{_NUMBER}))?|frame=(?P<frame>\d+))')
_OPEN_STRETCH = re.compile(rf'(?s).+#t=(?:{_NUMBER})')
_WHOLE_NUMBER = re.compile(rf'\s*(?:{_NUMBER})\s*')


class Location(NamedTuple):
    """What a cell means: the picture or recording, the stretch of it, and whether the working directory had it."""

    uri: str
    start: float | None = None
    stop: float | None = None
    frame: int | None = None
    from_working_dir: bool = False


def is_video(path: str) -> bool:
    """Whether a path has a video's extension."""
    return os.path.splitext(path)[1].lower() in VIDEO_EXTENSIONS


def is_recording(path: str) -> bool:
    """Whether a path is footage's: a video or several joined by `;`, a list of them, or a folder, which ends in `/`."""
    return path.endswith('/') or is_video(path) or path.lower().endswith(_LIST_EXTENSION)


@dataclass(frozen=True)
class Places:
    """The folder relative paths belong to, and the working directory that may hold them instead."""

    folder: str
    working_dir: str

    def find(self, cell: str) -> Location:
        """Where a cell's picture is; `#t=` and `#frame=` count only after footage no file of the whole name hides."""
        found = _STRETCH.fullmatch(cell) if '#' in cell else None
        if not found or not self._is_recording(found['path']) or self.holds(cell):
            uri, guessed = self._resolve(cell)
            return Location(uri + self._slash(uri), from_working_dir=guessed)
        uri, guessed = self._resolve(found['path'])
        return Location(
            uri + self._slash(uri) + cell[len(found['path']) :],
            start=float(found['start']) if found['start'] else None,
            stop=float(found['stop']) if found['stop'] else None,
            frame=int(found['frame']) if found['frame'] else None,
            from_working_dir=guessed,
        )

    def holds(self, cell: str) -> bool:
        """Whether a file of exactly this name exists here; storages on the network aren't asked."""
        uri, _ = self._resolve(cell)
        return not files.is_remote(uri) and os.path.exists(uri)

    def is_split_stretch(self, first: str, second: str) -> bool:
        """Whether two cells are one stretch of video whose comma was taken for the CSV's."""
        return (
            '#t=' in first
            and _OPEN_STRETCH.fullmatch(first) is not None
            and _WHOLE_NUMBER.fullmatch(second) is not None
            and self._is_recording(first[: first.rindex('#')])
            and not self.holds(first)
        )

    def _is_recording(self, path: str) -> bool:
        return is_recording(path) or bool(self._slash(self._resolve(path)[0]))

    def _slash(self, uri: str) -> str:
        """What a folder's path lacks to be told from a picture's; only what has no extension is looked at."""
        if os.path.splitext(uri)[1] or uri.endswith('/') or files.is_remote(uri):
            return ''
        return '/' if os.path.isdir(uri) else ''

    def _resolve(self, cell: str) -> tuple[str, bool]:
        path = files.without_scheme(cell)
        uri = files.join(self.folder, path)
        if files.is_remote(uri):
            return parts_at(path, self.folder), False
        uri = _plain(uri)
        if path.startswith('/') or self.working_dir == self.folder or _exists(uri):
            return _plain(parts_at(path, self.folder)), False
        guess = _plain(files.join(self.working_dir, path))
        return (_plain(parts_at(path, self.working_dir)), True) if _exists(guess) else (uri, False)


def parts_at(path: str, folder: str) -> str:
    """A path in a folder; of `a/1.mp4;a/2.mp4` the later parts too, where they exist as written like the first.

    Others lie beside the first, which `recordings.part_uris` knows; storages are asked only for parts with a folder.
    """
    whole = files.join(folder, path)
    first, *others = (part.strip() for part in path.split(';'))
    if not any(map(_has_folder, others)) or (not files.is_remote(whole) and os.path.exists(whole)):
        return whole
    typed = [files.join(folder, part) for part in others]
    found = [
        there if _has_folder(part) and _is_there(there) else part for part, there in zip(others, typed, strict=True)
    ]
    return ';'.join([files.join(folder, first), *found]) if found != others else whole


def missing_part(path: str, folder: str) -> tuple[str, str] | None:
    """Where a later part that has a folder was looked for, when it is in neither place."""
    first, *others = (part.strip() for part in path.split(';'))
    if os.path.exists(files.join(folder, path)) or not is_video(first):
        return None
    for part in filter(_has_folder, others):
        places = files.join(folder, part), files.join(files.parent(files.join(folder, first)), part)
        if not any(map(_is_there, places)):
            return places
    return None


def place_named_first(number: int, uri: str, cell: str) -> str | None:
    """Where a later part that has a folder was looked for before it was taken to lie beside the first one.

    `uri` is where the whole recording is, `cell` how it was named; None where there was no such place.
    """
    found = _STRETCH.fullmatch(cell)
    parts = [part.strip() for part in (found['path'] if found else cell).split(';')]
    first = uri.partition(';')[0]
    folder = first.removesuffix(os.path.normpath(parts[0]))
    if not 0 < number < len(parts) or not _has_folder(parts[number]) or folder == first or not folder:
        return None
    return files.join(folder, parts[number])


def _has_folder(part: str) -> bool:
    return '/' in part and not part.startswith('/') and '://' not in part


def _is_there(uri: str) -> bool:
    return _is_remote_there(uri) if files.is_remote(uri) else os.path.exists(uri)


@lru_cache(maxsize=1024)
def _is_remote_there(uri: str) -> bool:
    # A CSV names the same recording in many rows.
    return files.exists(uri)


def _exists(path: str) -> bool:
    """Whether there is a file of this name, or a first one of several parts."""
    return os.path.exists(path) or (';' in path and is_video(path) and os.path.exists(path.partition(';')[0]))


def _plain(path: str) -> str:
    """One spelling for one file: no `//`, no `./`, and no `..` where dropping it leads to the same folder."""
    if '//' not in path and '/.' not in path:
        return path
    folder, name = os.path.split(path)
    if name in ('.', '..'):
        return path
    return os.path.join(_plain_folder(folder), name)


@lru_cache(maxsize=4096)
def _plain_folder(folder: str) -> str:
    plain = os.path.normpath('/' + folder.lstrip('/')) if folder.startswith('/') else os.path.normpath(folder)
    if '..' not in folder.split('/'):
        return plain
    try:
        # Behind a linked folder `..` is somewhere else than the text says.
        return plain if os.path.samefile(folder, plain) else folder
    except OSError:
        return plain
