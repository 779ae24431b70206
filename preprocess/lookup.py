"""What the store knows already: files by path, size and time; contents by their sha256.

Both questions are joins by ranges of keys. A piece's keys are sorted, so a range is one slice of every piece; it meets
the pictures of its range in one worker, and nobody holds the whole store.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from preprocess import files, pictures, shelves
from preprocess.files import FileStat
from preprocess.image_formats import ImageError
from preprocess.pictures import Picture
from preprocess.shelves import Refusal
from preprocess.stock import KeySlice

# A file may be written twice within one tick of its file system's clock: what is younger than this is not noted.
_TICK_NS = 100_000_000


class Named(NamedTuple):
    """A picture and the sha256 of its bytes; the entry by which its file is known next time, when that is new."""

    picture: Picture
    key: bytes
    new_entry: bytes | None = None


class Unnamed(NamedTuple):
    """A picture that can't be read."""

    picture: Picture
    refusal: Refusal


class Wanted(NamedTuple):
    """A content that has no vector yet, and every picture that has it."""

    key: bytes
    pictures: tuple[Picture, ...]

    @property
    def uri(self) -> str:
        """Where to read it."""
        return self.pictures[0].uri


class Located(NamedTuple):
    """A picture whose vector is in a piece."""

    picture: Picture
    key: bytes
    piece: str
    position: int


@dataclass
class Joined:
    """What the store knows of some contents."""

    located: list[Located] = field(default_factory=list)
    refused: list[tuple[Picture, Refusal]] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)


def known_files(found: Iterable[KeySlice]) -> dict[bytes, bytes]:
    """Entries of the index -> the sha256 each stands for."""
    return {key: one.row(number) for one in found for number, key in one}


def name(some: Sequence[Picture], known: dict[bytes, bytes]) -> list[Named | Unnamed]:
    """Pictures -> their contents' sha256; a file that is known isn't read."""
    return [_name(picture, known) for picture in some]


def join(named: Iterable[Named], slices: Sequence[KeySlice]) -> Joined:
    """Pictures by content, against what the store has of the same range of keys.

    Slices of vectors come without rows, those of refusals with them. What has a vector isn't refused.
    """
    by_key: dict[bytes, list[Picture]] = defaultdict(list)
    for one in named:
        by_key[one.key].append(one.picture)
    found = _positions(by_key, (one for one in slices if not one.rows))
    refusals = {
        key: shelves.read_refusal(one.row(number)) for one in slices if one.rows for number, key in one if key in by_key
    }
    joined = Joined()
    for key in sorted(by_key):
        same = sorted(by_key[key], key=lambda picture: picture.uri)
        if key in found:
            joined.located += [Located(picture, key, *found[key]) for picture in same]
        elif key in refusals:
            joined.refused += [(picture, refusals[key]) for picture in same]
        else:
            joined.wanted.append(Wanted(key, tuple(same)))
    return joined


def _positions(wanted: dict[bytes, list[Picture]], vectors: Iterable[KeySlice]) -> dict[bytes, tuple[str, int]]:
    """Where each key's vector is; of several pieces that have it the first by name, so that all runs choose alike."""
    found: dict[bytes, tuple[str, int]] = {}
    for one in vectors:
        for number, key in one:
            if key in wanted and (key not in found or one.piece < found[key][0]):
                found[key] = one.piece, one.first + number
    return found


def _name(picture: Picture, known: dict[bytes, bytes]) -> Named | Unnamed:
    try:
        found = pictures.stat(picture.uri)
        entry = shelves.file_key(found)
        if key := known.get(entry):
            return Named(picture, key)
        can_be_known = is_settled(found)
        return Named(picture, pictures.content_key(picture.uri), entry if can_be_known else None)
    except ImageError as error:
        return Unnamed(picture, Refusal('read', error.reason, error.message))


def is_settled(found: FileStat) -> bool:
    """Whether a file may be known by its time: nothing can have been written to it since within the same tick."""
    return files.is_remote(found.uri) or abs(time.time_ns() - int(found.version)) >= _TICK_NS
