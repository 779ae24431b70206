"""Objects on network storage as files: what `files` asks of a storage, by the few requests every object store has.

There are no directories: a prefix that ends in a slash is one while there is an object below it. An object appears
whole or not at all, and a name always stands for one version of it.
"""

import errno
import io
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Protocol, TypeVar, cast

from preprocess.local_files import FileStat
from preprocess.object_reader import Block, ObjectReader
from preprocess.retries import Line

T = TypeVar('T')
# Written in one request up to here; more goes in parts of this size.
PART_BYTES = 8 << 20
_BUFFER_BYTES = 64 << 10
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object is."""

    bucket: str
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """An object in a listing."""

    name: str
    size: int
    version: str


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing: objects, folded prefixes, and what to ask for the rest with (empty: there is none)."""

    objects: list[Found]
    prefixes: list[str]
    rest: str


class Service(Protocol):
    """The requests of one kind of object store, each made once.

    They raise Python's FileNotFoundError and PermissionError, Transient for what may pass, InputError without
    credentials; `large` persists by itself.
    """

    @property
    def scheme(self) -> str: ...
    def stat(self, at: Address) -> Found: ...
    def read(self, at: Address, first: int, count: int, version: str | None) -> Block: ...
    def page(self, at: Address, *, folded: bool, rest: str = '', most: int | None = None) -> Page: ...
    def write(self, at: Address, data: bytes, *, only_if_absent: bool = False) -> bool: ...
    def write_large(self, at: Address, source: BinaryIO, size: int, persist: 'Persist') -> None: ...
    def copy(self, source: Address, target: Address) -> None: ...
    def delete(self, at: Address) -> None: ...


class Persist(Protocol):
    """Makes a request until it is answered."""

    def __call__(self, request: Callable[[], T]) -> T: ...


class ObjectFiles:
    """The operations `files` asks of a storage, on objects."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._line = Line()

    def stat(self, uri: str) -> FileStat:
        """Size and version of an object."""
        at = self._object(uri)
        try:
            found = self._persist(uri, lambda: self._service.stat(at))
        except FileNotFoundError:
            raise self._missing(uri) from None
        return FileStat(uri, found.size, found.version)

    def exists(self, uri: str) -> bool:
        """Whether there is an object, or any below."""
        at = self._address(uri)
        if at.name and not at.name.endswith('/'):
            try:
                self._persist(uri, lambda: self._service.stat(at))
                return True
            except FileNotFoundError:
                pass
        return self.is_dir(uri)

    def is_dir(self, uri: str) -> bool:
        """Whether there is an object below; an empty bucket is a directory, too."""
        at = self._folder(uri)
        try:
            page = self._persist(uri, lambda: self._service.page(at, folded=False, most=1))
        except FileNotFoundError:
            return False
        return not at.name or bool(page.objects)

    def open_read(self, uri: str) -> BinaryIO:
        """Open an object for reading; it is asked for when something is read."""
        at = self._object(uri)

        def read(first: int, count: int, version: str | None) -> Block:
            try:
                return self._persist(uri, lambda: self._service.read(at, first, count, version))
            except FileNotFoundError:
                raise self._missing(uri) from None

        reader = ObjectReader(uri, read, lambda: self.stat(uri))
        return cast(BinaryIO, io.BufferedReader(reader, _BUFFER_BYTES))

    def list_dir(self, uri: str, *, recursive: bool) -> Iterator[FileStat]:
        """Objects below, in order of their names."""
        start = self._folder(uri).name
        base = _with_slash(uri)
        is_empty = True
        for page in self._pages(uri, folded=not recursive):
            is_empty = is_empty and not page.objects and not page.prefixes
            for found in page.objects:
                # Consoles and other tools keep a `folder` by an empty object whose name ends in a slash.
                if not found.name.endswith('/'):
                    yield FileStat(base + found.name[len(start) :], found.size, found.version)
        if is_empty and start:
            raise FileNotFoundError(errno.ENOENT, 'there is nothing of that name', uri)

    def entries(self, uri: str) -> dict[str, bool]:
        """Names below a prefix, and whether each is one itself."""
        start = len(self._folder(uri).name)
        found: dict[str, bool] = {}
        try:
            for page in self._pages(uri, folded=True):
                found.update({prefix[start:-1]: True for prefix in page.prefixes})
                found.update({one.name[start:]: False for one in page.objects})
        except FileNotFoundError:
            return {}
        found.pop('', None)
        return dict(sorted(found.items()))

    @contextmanager
    def writing_atomic(self, uri: str) -> Iterator[BinaryIO]:
        """A file that becomes the object when the block ends well."""
        at = self._object(uri)
        with tempfile.SpooledTemporaryFile(PART_BYTES) as written:
            yield cast(BinaryIO, written)
            size = written.seek(0, io.SEEK_END)
            written.seek(0)
            if size > PART_BYTES:
                self._service.write_large(at, cast(BinaryIO, written), size, self._persisting(uri))
            else:
                data = written.read()
                self._persist(uri, lambda: self._service.write(at, data))

    def create_if_absent(self, uri: str, data: bytes) -> bool:
        """Write a whole object unless one has that name; False when one does."""
        at, tried = self._object(uri), 0

        def write() -> bool:
            nonlocal tried
            tried += 1
            return self._service.write(at, data, only_if_absent=True)

        if self._persist(uri, write):
            return True
        # What is there may be what we wrote ourselves, if only the answer was lost.
        return tried > 1 and self._holds(uri, data)

    def delete(self, uri: str) -> None:
        """Remove an object; nothing happens when it is already gone."""
        self._delete(uri, self._object(uri))

    def delete_tree(self, uri: str) -> None:
        """Remove an object and all below it; nothing happens when there is nothing."""
        at = self._folder(uri)
        try:
            found = [Address(at.bucket, one.name) for page in self._pages(uri, folded=False) for one in page.objects]
        except FileNotFoundError:
            return
        if at.name:
            found.append(Address(at.bucket, at.name[:-1]))
        with ThreadPoolExecutor(_AT_ONCE, 'remove objects') as pool:
            list(pool.map(lambda one: self._delete(uri, one), found))

    def copy(self, source: str, target: str) -> None:
        """A copy that the service makes."""
        at, to = self._object(source), self._object(target)
        try:
            self._persist(source, lambda: self._service.copy(at, to))
        except FileNotFoundError:
            raise self._missing(source) from None

    def rename(self, source: str, target: str) -> None:
        """Give an object another name; one of that name is replaced. A reader may see both for a moment."""
        self.copy(source, target)
        self._delete(source, self._object(source))

    def make_dirs(self, uri: str) -> None:
        """Nothing: a directory is there as soon as something is in it."""

    def _pages(self, uri: str, *, folded: bool) -> Iterator[Page]:
        at, rest = self._folder(uri), ''
        while True:
            page = self._persist(uri, partial(self._service.page, at, folded=folded, rest=rest))
            yield page
            if not (rest := page.rest):
                return

    def _delete(self, uri: str, at: Address) -> None:
        try:
            self._persist(uri, lambda: self._service.delete(at))
        except FileNotFoundError:
            return

    def _holds(self, uri: str, data: bytes) -> bool:
        try:
            with self.open_read(uri) as opened:
                return opened.read(len(data) + 1) == data
        except FileNotFoundError:
            return False

    def _missing(self, uri: str) -> OSError:
        """The error for an object that isn't there: it may be a directory."""
        try:
            if self.is_dir(uri):
                return IsADirectoryError(errno.EISDIR, 'it is a directory', uri)
        except PermissionError:
            pass  # who may not list may still read
        return FileNotFoundError(errno.ENOENT, 'there is no such object', uri)

    def _persist(self, uri: str, request: Callable[[], T]) -> T:
        return self._persisting(uri)(request)

    def _persisting(self, uri: str) -> Persist:
        root = Address(self._address(uri).bucket, '')

        def persist(request: Callable[[], T]) -> T:
            try:
                return self._line.persist(request, uri=uri, probe=lambda: self._service.page(root, folded=True, most=1))
            except OSError as error:
                error.filename = uri
                raise

        return persist

    def _address(self, uri: str) -> Address:
        bucket, _, name = uri.partition('://')[2].partition('/')
        if not bucket:
            raise OSError(errno.EINVAL, 'the address names no bucket', uri)
        return Address(bucket, name)

    def _object(self, uri: str) -> Address:
        at = self._address(uri)
        if not at.name or at.name.endswith('/'):
            raise IsADirectoryError(errno.EISDIR, 'it is a directory', uri)
        return at

    def _folder(self, uri: str) -> Address:
        at = self._address(uri)
        return Address(at.bucket, _with_slash(at.name) if at.name else '')


def _with_slash(path: str) -> str:
    return path if path.endswith('/') else path + '/'
