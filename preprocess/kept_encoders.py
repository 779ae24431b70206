"""The compiled encoder where it is used: kept in the store, and a copy beside every folder of records."""

import contextlib
import dataclasses
import errno
import tempfile
from collections.abc import Callable

from preprocess import files, near, shelves
from preprocess.compiled import GRAPH_FILE, INFO_FILE, CompiledEncoder
from preprocess.encoders import EncoderSpec
from preprocess.failures import InputError
from preprocess.progress import Progress

Compile = Callable[[EncoderSpec, str], CompiledEncoder]


def path_beside_records(key: str) -> str:
    """Where a folder of records has its encoder, relative to it."""
    return f'{shelves.ENCODER}/{key[:16]}'


def beside_records(encoder: CompiledEncoder, folder: str) -> CompiledEncoder:
    """The encoder in a folder of records; one that is there stays, because other records there vouch for it."""
    place = files.join(folder, path_beside_records(encoder.key))
    return usable(place, encoder.key) or encoder.copied(place)


def in_store(spec: EncoderSpec, store: str, *, staging: str, compile_into: Compile) -> CompiledEncoder:
    """The compiled encoder in the store. Where there is none, there are no vectors of it either: it is compiled."""
    return found_or_made(spec.key(), store, staging=staging, make=lambda folder: compile_into(spec, folder))


def place_in_store(key: str, store: str) -> str:
    """Where the store has the encoder of a key."""
    return files.join(shelves.encoder_folder(store, key), shelves.ENCODER)


def found_or_made(key: str, store: str, *, staging: str, make: Callable[[str], CompiledEncoder]) -> CompiledEncoder:
    """The encoder of a key in the store; where there is none, the one that `make` puts into a folder.

    Unfinished work lies in `staging`, which the next run of the same set clears.
    """
    place = place_in_store(key, store)
    if there := usable(place, key):
        return there
    if files.is_remote(place):
        with tempfile.TemporaryDirectory() as folder:
            return _publish_objects(make(files.join(folder, shelves.ENCODER)), place)
    return _publish(make(files.join(staging, shelves.ENCODER)), place)


def usable(place: str, key: str) -> CompiledEncoder | None:
    """The compiled encoder in a directory, if it is whole and the one wanted."""
    try:
        there = CompiledEncoder.load(place)
    except InputError:
        return None
    return there if there.key == key and there.is_intact() else None


def _publish_objects(made: CompiledEncoder, place: str) -> CompiledEncoder:
    """The same where directories have no names to change: the first graph stays, and all describe that one.

    Freezing gives other bytes every time, so two runs that compile one encoder at once must not mix theirs.
    """
    if files.exists(files.join(place, INFO_FILE)):  # a damaged one
        for name in reversed(made.file_names):
            files.delete(files.join(place, name))
    with Progress('copying the encoder to the store'):
        for name in made.file_names[:-1]:
            files.create_if_absent(files.join(place, name), files.read_bytes(files.join(made.directory, name)))
        sha256 = made.sha256 if made.is_pixels else files.sha256(near.file(files.join(place, GRAPH_FILE)))
    there = dataclasses.replace(made, directory=place, sha256=sha256)
    there.write()
    return there


def _publish(made: CompiledEncoder, place: str) -> CompiledEncoder:
    """Give a new encoder its place in the store, by a rename: whoever comes first keeps it, a damaged one gives way."""
    damaged = f'{made.directory}.damaged'
    while True:
        try:
            files.rename(made.directory, place)
            return dataclasses.replace(made, directory=place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        if there := usable(place, made.key):
            return there
        with contextlib.suppress(FileNotFoundError):  # someone else is mending it too
            files.rename(place, damaged)
        files.delete_tree(damaged)
