"""The timelines of videos in the store, by the sha256 of their bytes: a video's times are read once.

STORE/timelines/SHA256    CRC-32C of the rest; `T` and a timeline, or `R` and why the video has none, JSON
"""

import json
import logging
import struct
from functools import lru_cache

import google_crc32c

from preprocess import files
from preprocess.shelves import Refusal
from preprocess.timelines import OutdatedTimeline, Timeline

FOLDER = 'timelines'
_CRC = struct.Struct('<I')
_TIMELINE, _REFUSAL = b'T', b'R'
_log = logging.getLogger(__name__)


def path_of(store: str, sha256: bytes) -> str:
    """Where the timeline of a content is."""
    return files.join(store, FOLDER, sha256.hex())


def keep(store: str, sha256: bytes, found: Timeline | Refusal) -> None:
    """Keep a timeline, or why there is none."""
    content = _TIMELINE + found.to_bytes() if isinstance(found, Timeline) else _REFUSAL + json.dumps(found).encode()
    files.write_atomic(path_of(store, sha256), _CRC.pack(google_crc32c.value(content)) + content)


def find(store: str, sha256: bytes) -> Timeline | Refusal | None:
    """What is kept of a content; nothing when it is damaged or outdated, so that it is read again."""
    path = path_of(store, sha256)
    try:
        return read(path)
    except (FileNotFoundError, OutdatedTimeline):
        return None
    except ValueError as error:
        _log.warning('%s: %s; read again', path, error)
        return None


def read(path: str) -> Timeline | Refusal:
    """What a file says; ValueError when it is damaged."""
    data = files.read_bytes(path)
    kind, said = data[_CRC.size : _CRC.size + 1], data[_CRC.size + 1 :]
    if len(data) <= _CRC.size or _CRC.unpack_from(data)[0] != google_crc32c.value(kind + said):
        raise ValueError('its bytes fail their checksum')
    if kind == _TIMELINE:
        return Timeline.from_bytes(said)
    if kind != _REFUSAL:
        raise ValueError('no timeline')
    return Refusal(*json.loads(said))


def held(store: str, sha256: bytes) -> Timeline | None:
    """A timeline that several pieces of work need one after the other: the last few stay in memory."""
    try:
        return _held(store, sha256)
    except LookupError:
        return None


@lru_cache(maxsize=4)
def _held(store: str, sha256: bytes) -> Timeline:
    found = find(store, sha256)
    if not isinstance(found, Timeline):
        raise LookupError(sha256)  # which is not remembered
    return found
