"""What the store keeps, where, and how a row of each kind is written.

STORE/index/          files seen before -> the sha256 of their bytes
STORE/KEY16/          content -> vector; KEY16: the first 16 digits of the encoder's key
STORE/KEY16/rejects/  content -> why it gets no vector
STORE/KEY16/encoder/  the compiled encoder
"""

import hashlib
import json
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocess import files
from preprocess.failures import InputError
from preprocess.files import FileStat
from preprocess.pieces import KEY_BYTES, Shelf

Vector = NDArray[np.float32 | np.uint8]
INDEX = 'index'
REJECTS = 'rejects'
ENCODER = 'encoder'
_HASH_BYTES = 8
_ANOTHER = 'name another folder by --embedding_store'
_REJECT_BYTES = 512


class Refusal(NamedTuple):
    """Why a content gets no vector: the stage that refused it, the reason, and its words."""

    stage: str
    reason: str
    message: str


def check_place(store: str) -> None:
    """Refuse a file, before anything is done."""
    if not files.is_dir(store) and files.exists(store):
        raise InputError('the store is to be a folder, and this is a file', where=store, do=_ANOTHER)


def make_place(store: str) -> None:
    """Make the folder, or say that it can't be."""
    try:
        files.make_dirs(store)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise InputError(f'the store can not be made: {why}', where=store, do=_ANOTHER) from error


def index(store: str) -> Shelf:
    """The shelf of files seen before."""
    return Shelf(files.join(store, INDEX), 'files', KEY_BYTES)


def vectors(store: str, encoder_key: str, vector_bytes: int) -> Shelf:
    """The shelf of an encoder's vectors."""
    return Shelf(encoder_folder(store, encoder_key), f'vectors {encoder_key}', vector_bytes)


def rejects(store: str, encoder_key: str) -> Shelf:
    """The shelf of what an encoder, with the pixel policy that is in its key, can not take."""
    return Shelf(files.join(encoder_folder(store, encoder_key), REJECTS), f'rejects {encoder_key}', _REJECT_BYTES)


def encoder_folder(store: str, encoder_key: str) -> str:
    """Where everything of one encoder is."""
    return files.join(store, encoder_key[:16])


def hash_of(text: str) -> int:
    """A number that spreads texts evenly, the same on every machine."""
    return int.from_bytes(path_key(text), 'big')


def path_key(path: str) -> bytes:
    """What the index's keys of a path begin with."""
    return hashlib.blake2b(_bytes(path), digest_size=_HASH_BYTES).digest()


def file_key(found: FileStat) -> bytes:
    """A file at one moment: begins with its path's hash, so that the entries of some paths lie together."""
    seen = _bytes(f'{found.uri}\0{found.size}\0{found.version}')
    return path_key(found.uri) + hashlib.sha256(seen).digest()[: KEY_BYTES - _HASH_BYTES]


def whole_file_key(found: FileStat) -> bytes:
    """A file whose entry is the sha256 of all of its bytes, however many: a picture's is of no more than are read."""
    key = file_key(found)
    return key[:_HASH_BYTES] + hashlib.sha256(b'whole' + key).digest()[: KEY_BYTES - _HASH_BYTES]


def vector_row(vector: Vector) -> bytes:
    """A vector, or pixels, as a piece holds them."""
    return np.ascontiguousarray(vector, np.uint8 if vector.dtype == np.uint8 else '<f4').tobytes()


def refusal_row(refusal: Refusal) -> bytes:
    """A refusal as a piece holds it; words that are too many are cut."""
    message = refusal.message
    while len(row := json.dumps([*refusal[:2], message]).encode()) > _REJECT_BYTES:
        message = message[: len(message) - 1 - (len(row) - _REJECT_BYTES) // 12]
    return row.ljust(_REJECT_BYTES)


def read_refusal(row: bytes) -> Refusal:
    """The refusal in a piece's row."""
    stage, reason, message = json.loads(row)
    return Refusal(stage, reason, message)


def _bytes(text: str) -> bytes:
    return text.encode('utf-8', 'surrogateescape')
