"""Everyone's one door to paths: open, list, write whole or not at all, whatever storage a path is on.

Paths are used verbatim: nothing is unquoted, expanded or normalised; only `file://` in front of a local one is dropped.
Every storage answers with Python's own FileNotFoundError, PermissionError and IsADirectoryError.
"""

import errno
import fnmatch
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from preprocess.failures import InputError
from preprocess.gcs_files import GcsService
from preprocess.local_files import FileStat as FileStat  # part of this door: callers know files.FileStat alone
from preprocess.local_files import LocalFiles
from preprocess.objects import ObjectFiles
from preprocess.s3_files import S3Service

_SCHEME = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*)://')
_ONE_SLASH = re.compile(r'(gs|s3):/?(?!/)')
_MAGIC = re.compile(r'[*?[]')
_PIECE_BYTES = 1 << 20
_AT_ONCE = 8


class Storage(Protocol):
    """What a kind of storage must be able to do."""

    def stat(self, uri: str) -> FileStat: ...
    def exists(self, uri: str) -> bool: ...
    def is_dir(self, uri: str) -> bool: ...
    def open_read(self, uri: str) -> BinaryIO: ...
    def list_dir(self, uri: str, *, recursive: bool) -> Iterator[FileStat]: ...
    def entries(self, uri: str) -> dict[str, bool]: ...
    def writing_atomic(self, uri: str) -> AbstractContextManager[BinaryIO]: ...
    def create_if_absent(self, uri: str, data: bytes) -> bool: ...
    def delete(self, uri: str) -> None: ...
    def delete_tree(self, uri: str) -> None: ...
    def copy(self, source: str, target: str) -> None: ...
    def rename(self, source: str, target: str) -> None: ...
    def make_dirs(self, uri: str) -> None: ...


_STORAGES: dict[str, Storage] = {
    'file': LocalFiles(),
    'gs': ObjectFiles(GcsService()),
    's3': ObjectFiles(S3Service()),
}


class UnknownStorage(InputError, OSError):
    """A path on a kind of storage that isn't known here: an input error, and an OSError like every failed access."""

    def __init__(self, uri: str, do: str = '') -> None:
        known = ', '.join(f'{scheme}://' for scheme in _STORAGES)
        what = 'that is no address: two slashes are missing' if do else f'no storage is known for {_scheme(uri)}://'
        super().__init__(what, where=uri, do=do or f'use one of those that are known: {known}')
        self.errno, self.strerror, self.filename = errno.EPROTONOSUPPORT, self.what, uri
        self._mistyped = do

    def __reduce__(self) -> tuple[object, ...]:
        return UnknownStorage, (self.where, self._mistyped)


def is_remote(uri: str) -> bool:
    """Whether a path is an object's address on some network storage."""
    return _scheme(uri) != 'file'


def without_scheme(uri: str) -> str:
    """A local path without the `file://` (or `file://localhost`) it may have in front; others as they are."""
    if _scheme(uri) != 'file' or '://' not in uri:
        return uri
    path = uri.partition('://')[2]
    return path.removeprefix('localhost') if path.startswith('localhost/') else path


def absolute(uri: str) -> str:
    """A path that means the same from every working directory."""
    return uri if is_remote(uri) else os.path.abspath(without_scheme(uri))


def join(base: str, *parts: str) -> str:
    """Paths below one another; an absolute or remote part starts anew."""
    whole = base
    for part in parts:
        whole = part if '://' in part and _SCHEME.match(part) else os.path.join(whole, part)
    return whole


def parent(uri: str) -> str:
    """The folder a path is in; '.' for a bare name."""
    return os.path.dirname(uri) or '.'


def name(uri: str) -> str:
    """The last part of a path."""
    return os.path.basename(uri.rstrip('/'))


def exists(uri: str) -> bool:
    """Whether there is a file or directory."""
    return _storage(uri).exists(without_scheme(uri))


def is_dir(uri: str) -> bool:
    """Whether it is a directory."""
    return _storage(uri).is_dir(without_scheme(uri))


def stat(uri: str) -> FileStat:
    """Size and version of a file."""
    return _storage(uri).stat(without_scheme(uri))


def open_read(uri: str) -> BinaryIO:
    """Open a file for reading bytes."""
    return _storage(uri).open_read(without_scheme(uri))


def read_bytes(uri: str, *, limit: int | None = None) -> bytes:
    """A file's bytes, or its first `limit` bytes."""
    with open_read(uri) as opened:
        return opened.read() if limit is None else opened.read(limit)


def read_text(uri: str) -> str:
    """A file's text, which is UTF-8."""
    return read_bytes(uri).decode('utf-8')


def list_dir(uri: str, *, recursive: bool = False) -> Iterator[FileStat]:
    """The files in a directory (and below it), sorted by path."""
    return _storage(uri).list_dir(without_scheme(uri), recursive=recursive)


def entries(uri: str) -> dict[str, bool]:
    """Names in a directory, and whether each is a directory too; none when it isn't one."""
    return _storage(uri).entries(without_scheme(uri))


def glob(pattern: str) -> list[str]:
    """Files that match `*`, `?`, `[…]`, `**`, sorted; a path that exists as it is written matches itself."""
    if exists(pattern):
        return [pattern]
    pattern = without_scheme(pattern)
    place = pattern.partition('://')[2].partition('/')[0] if is_remote(pattern) else ''
    start = pattern[: pattern.index('://') + 3] + place if place else '/' if pattern.startswith('/') else ''
    return sorted(set(_matches(start, pattern[len(start) :].strip('/').split('/'))))


def write_atomic(uri: str, data: bytes) -> None:
    """Write a whole file or none; folders are made as needed."""
    with writing_atomic(uri) as opened:
        opened.write(data)


def writing_atomic(uri: str) -> AbstractContextManager[BinaryIO]:
    """A file to write that gets its name when the block ends well; nothing is left when it raises."""
    return _storage(uri).writing_atomic(without_scheme(uri))


def create_if_absent(uri: str, data: bytes) -> bool:
    """Write a whole file unless one has that name; False when one does."""
    return _storage(uri).create_if_absent(without_scheme(uri), data)


def delete(uri: str) -> None:
    """Remove a file if it is there."""
    _storage(uri).delete(without_scheme(uri))


def delete_tree(uri: str) -> None:
    """Remove a directory and all below it if it is there."""
    _storage(uri).delete_tree(without_scheme(uri))


def rename(source: str, target: str) -> None:
    """Move a file or directory within one storage; a file of the new name is replaced."""
    _storage(source).rename(without_scheme(source), without_scheme(target))


def make_dirs(uri: str) -> None:
    """Make a directory and those above it."""
    _storage(uri).make_dirs(without_scheme(uri))


def copy(source: str, target: str) -> None:
    """Copy a file's bytes, between storages too, whole or not at all; within one, the service does it by itself."""
    if _scheme(source) == _scheme(target):
        _storage(source).copy(without_scheme(source), without_scheme(target))
        return
    with open_read(source) as opened, writing_atomic(target) as written:
        shutil.copyfileobj(opened, written, _PIECE_BYTES)


def copy_tree(source: str, target: str, *, last: str) -> None:
    """Copy all files below a directory; the one whose presence says that the others are there goes last."""
    start = len(join(source, ''))
    found = {listed.uri[start:]: listed.uri for listed in list_dir(source, recursive=True)}
    final = found.pop(last)
    with ThreadPoolExecutor(_AT_ONCE, 'copy') as pool:
        list(pool.map(lambda below: copy(found[below], join(target, below)), found))
    copy(final, join(target, last))


def sha256(uri: str) -> str:
    """The sha256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open_read(uri) as opened:
        while piece := opened.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _scheme(uri: str) -> str:
    # Asked for every row: the search for '://' spares most of them the pattern.
    found = _SCHEME.match(uri) if '://' in uri else None
    if not found and uri.startswith(('gs:', 's3:')) and (mistyped := _ONE_SLASH.match(uri)):
        raise UnknownStorage(uri, f'write {mistyped[1]}://{uri[mistyped.end() :]}')
    return found[1].lower() if found else 'file'


def _storage(uri: str) -> Storage:
    try:
        return _STORAGES[_scheme(uri)]
    except KeyError:
        raise UnknownStorage(uri) from None


def _matches(folder: str, parts: list[str]) -> Iterator[str]:
    """Files below `folder` for the parts of a pattern; a part that names an entry as written is that entry."""
    part, *rest = parts
    if part == '**':
        yield from _matches(folder, rest or ['*'])
        for entry, is_folder in _entries(folder, part).items():
            if is_folder:
                yield from _matches(join(folder, entry), parts)
        return
    for path, is_folder in _fitting(folder, part):
        if rest and is_folder:
            yield from _matches(path, rest)
        elif not rest and not is_folder:
            yield path


def _fitting(folder: str, part: str) -> Iterator[tuple[str, bool]]:
    """The entries of a folder that a part of a pattern means, and whether each is a folder."""
    if not _MAGIC.search(part) or exists(join(folder, part)):
        if exists(path := join(folder, part)):
            yield path, is_dir(path)
        return
    for entry, is_folder in _entries(folder, part).items():
        if fnmatch.fnmatchcase(entry, part):
            yield join(folder, entry), is_folder


def _entries(folder: str, part: str) -> dict[str, bool]:
    """What is in a folder; hidden names only for a part that asks for them."""
    found = _storage(folder).entries(folder)
    return {name: is_folder for name, is_folder in found.items() if part.startswith('.') or not name.startswith('.')}
