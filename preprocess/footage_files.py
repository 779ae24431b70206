"""The files of recordings: hashed unless the index knows them, their times read unless the store has them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from preprocess import files, kept_timelines, lookup, recordings, shelves
from preprocess.access import readable
from preprocess.failures import InputError
from preprocess.footage import VideoFile
from preprocess.image_formats import ImageError
from preprocess.shelves import Refusal
from preprocess.timelines import Timeline
from preprocess.video_reader import VideoReader

_READ_BYTES = 1 << 20
# Steady frames take next to nothing: the times of hours of them are carried along rather than looked up by every step.
_CARRIED_BYTES = 16 << 10
# What another try may find otherwise, though the bytes are the same.
_PASSING = frozenset(['missing', 'forbidden', 'is-a-directory', 'unreadable', 'changed'])


class Part(NamedTuple):
    """A file of a recording, and its place among the others."""

    video: str
    number: int
    uri: str


class Surveyed(NamedTuple):
    """A file whose times are in the store; the entry by which it is known next time, when that is new."""

    part: Part
    file: VideoFile
    new_entry: bytes | None = None


class Unsurveyed(NamedTuple):
    """A file that can't be used."""

    part: Part
    refusal: Refusal


def parts_of(video: str) -> list[Part]:
    """The files of a recording; ImageError when they can't be told."""
    try:
        with readable():
            return [Part(video, number, uri) for number, uri in enumerate(recordings.part_uris(video))]
    except InputError as error:
        reason = 'is-a-directory' if files.is_dir(video) else 'bad-list'
        raise ImageError(reason, f'{error.what} ({error.where})') from error
    except UnicodeDecodeError as error:
        raise ImageError('bad-list', f'the list is not UTF-8 at byte {error.start}') from error


@dataclass(frozen=True)
class Surveyor:
    """Gets to know files; `read` is told of bytes on the way, and may raise to stop."""

    reader: VideoReader
    store: str
    retry: bool
    read: Callable[[int], None]

    def survey(self, part: Part, known: Mapping[bytes, bytes]) -> Surveyed | Unsurveyed:
        """A file that is known isn't read."""
        try:
            return self._survey(part, known)
        except ImageError as error:
            return Unsurveyed(part, Refusal('survey', error.reason, error.message))

    def _survey(self, part: Part, known: Mapping[bytes, bytes]) -> Surveyed:
        with readable():
            found = files.stat(part.uri)
        if not found.size:
            raise ImageError('empty-file', 'the file has no bytes')
        entry = shelves.whole_file_key(found)
        sha256 = known.get(entry)
        is_new = sha256 is None and lookup.is_settled(found)
        file = VideoFile(part.uri, found.size, found.version, sha256 or self._hashed(part.uri))
        kept = kept_timelines.find(self.store, file.sha256)
        if kept is None or (self.retry and isinstance(kept, Refusal)):
            kept = self._read_times(file)
        if isinstance(kept, Refusal):
            raise ImageError(kept.reason, kept.message)
        times = kept.to_bytes()
        carried = file._replace(times=times if len(times) <= _CARRIED_BYTES else b'')
        return Surveyed(part, carried, entry if is_new else None)

    def _hashed(self, uri: str) -> bytes:
        digest = hashlib.sha256()
        with readable(), files.open_read(uri) as opened:
            while some := opened.read(_READ_BYTES):
                digest.update(some)
                self.read(len(some))
        return digest.digest()

    def _read_times(self, file: VideoFile) -> Timeline | Refusal:
        found: Timeline | Refusal
        try:
            found = self.reader.survey(file.uri)
        except ImageError as error:
            if error.reason in _PASSING:
                raise
            found = Refusal('survey', error.reason, error.message)
        check_unchanged(file)
        kept_timelines.keep(self.store, file.sha256, found)
        return found


def timeline_of(file: VideoFile, reader: VideoReader, store: str) -> Timeline:
    """The times of a file that was surveyed; read once more when somebody tidied the store meanwhile."""
    if file.times:
        return _parsed(file.times)
    if found := kept_timelines.held(store, file.sha256):
        return found
    again = reader.survey(file.uri)
    check_unchanged(file)
    kept_timelines.keep(store, file.sha256, again)
    return again


@lru_cache(maxsize=4)
def _parsed(times: bytes) -> Timeline:
    return Timeline.from_bytes(times)


def check_unchanged(file: VideoFile) -> None:
    """ImageError when the file is not the one whose times were read."""
    with readable():
        found = files.stat(file.uri)
    if (found.size, found.version) != (file.size, file.version):
        raise ImageError('changed', 'the file was written to since its times were read; run the same command again')


def is_passing(reason: str) -> bool:
    """Whether another try may find it otherwise, so that it is not to be remembered."""
    return reason in _PASSING
