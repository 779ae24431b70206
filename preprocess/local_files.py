"""Files on this machine: the local storage behind `files`."""

import errno
import os
import shutil
import stat as modes
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

_PIECE_BYTES = 1 << 20
# A file name may have 255 bytes; the rest of a temporary name takes 40.
_LONGEST_TEMPORARY_STEM = 50
# Of removing a folder that somebody else is just leaving.
_TRIES, _TRY_AGAIN_S = 20, 0.1


@dataclass(frozen=True, slots=True)
class FileStat:
    """A file's path, size and version; the version changes when the content may have."""

    uri: str
    size: int
    version: str


class LocalFiles:
    """The operations `files` asks of a storage, on local paths."""

    def stat(self, uri: str) -> FileStat:
        """Size and modification time of a file or directory."""
        found = os.stat(uri)
        return FileStat(uri, found.st_size, str(found.st_mtime_ns))

    def exists(self, uri: str) -> bool:
        """Whether there is a file or directory; a broken link is neither."""
        return os.path.exists(uri)

    def is_dir(self, uri: str) -> bool:
        """Whether it is a directory."""
        return os.path.isdir(uri)

    def open_read(self, uri: str) -> BinaryIO:
        """Open a regular file; pipes and devices are refused, since reading them may never end."""
        descriptor = os.open(uri, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if modes.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), uri)
            if not modes.S_ISREG(mode):
                raise OSError(errno.EINVAL, 'not a regular file', uri)
        except OSError:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, 'rb')

    def list_dir(self, uri: str, *, recursive: bool) -> Iterator[FileStat]:
        """Files of a directory in order of their paths; links are followed, but never in a circle."""
        yield from _walk(uri, recursive=recursive, above=frozenset())

    def entries(self, uri: str) -> dict[str, bool]:
        """Names in a directory, and whether each is one itself; none when it isn't one."""
        try:
            with os.scandir(uri or '.') as found:
                return dict(sorted((entry.name, entry.is_dir()) for entry in found))
        except (FileNotFoundError, NotADirectoryError):
            return {}

    @contextmanager
    def writing_atomic(self, uri: str) -> Iterator[BinaryIO]:
        """A file that gets its name when the block ends well, and vanishes otherwise."""
        self.make_dirs(os.path.dirname(uri))
        temporary = _temporary_beside(uri)
        with _blaming(uri, temporary):
            try:
                with open(temporary, 'xb') as opened:
                    yield opened
                    opened.flush()
                    os.fsync(opened.fileno())
                os.replace(temporary, uri)
            except BaseException:
                self.delete(temporary)
                raise

    def create_if_absent(self, uri: str, data: bytes) -> bool:
        """Write a whole file unless one has that name; False when one does."""
        self.make_dirs(os.path.dirname(uri))
        temporary = _temporary_beside(uri)
        with _blaming(uri, temporary):
            try:
                with open(temporary, 'xb') as opened:
                    opened.write(data)
                return _link(temporary, uri, data)
            finally:
                self.delete(temporary)

    def delete(self, uri: str) -> None:
        """Remove a file; nothing happens when it is already gone."""
        try:
            os.unlink(uri)
        except FileNotFoundError:
            return

    def delete_tree(self, uri: str) -> None:
        """Remove a directory and all below it; nothing happens when it is already gone."""
        if os.path.islink(uri) or os.path.isfile(uri):
            self.delete(uri)
        elif os.path.lexists(uri):
            _remove_tree(uri)

    def copy(self, source: str, target: str) -> None:
        """Copy a file's bytes, whole or not at all."""
        with self.open_read(source) as opened, self.writing_atomic(target) as written:
            shutil.copyfileobj(opened, written, _PIECE_BYTES)

    def rename(self, source: str, target: str) -> None:
        """Give a file or directory another name; a file of that name is replaced, a directory is not."""
        self.make_dirs(os.path.dirname(target))
        os.replace(source, target)

    def make_dirs(self, uri: str) -> None:
        """Make a directory and those above it."""
        if uri:
            os.makedirs(uri, exist_ok=True)


def _remove_tree(folder: str) -> None:
    """Remove all of a folder, also what a process that is just ending still writes into it."""
    for left in reversed(range(_TRIES)):
        try:
            return shutil.rmtree(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT) or not left:
                raise
        if not os.path.lexists(folder):
            return
        time.sleep(_TRY_AGAIN_S)


def _temporary_beside(uri: str) -> str:
    # Hidden, so that no glob for results matches it; cut, so that the longest legal name still has room.
    folder, name = os.path.split(uri)
    stem = os.fsdecode(os.fsencode(name)[:_LONGEST_TEMPORARY_STEM])
    return os.path.join(folder, f'.{stem}.{uuid.uuid4().hex}.tmp')


@contextmanager
def _blaming(uri: str, temporary: str) -> Iterator[None]:
    """Errors name the file that was wanted: a full disk names none, and nobody asked for the temporary one."""
    try:
        yield
    except OSError as error:
        # Without a number it is no word of the operating system's, and a path would replace its message.
        if error.errno is not None and error.filename in (None, temporary):
            error.filename = uri
        raise


def _link(temporary: str, uri: str, data: bytes) -> bool:
    try:
        os.link(temporary, uri)
    except FileExistsError:
        return False
    except OSError as error:
        # Some network and USB file systems know no hard links; there, an exclusive open is the best there is.
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        try:
            with open(uri, 'xb') as opened:
                opened.write(data)
        except FileExistsError:
            return False
    return True


def _walk(folder: str, *, recursive: bool, above: frozenset[tuple[int, int]]) -> Iterator[FileStat]:
    here = os.stat(folder or '.')
    above = above | {(here.st_dev, here.st_ino)}
    with os.scandir(folder or '.') as found:
        entries = [(os.path.join(folder, entry.name), entry) for entry in found]
    # A directory sorts as if its slash were written, so the order is that of the whole paths.
    for path, entry in sorted(entries, key=lambda item: item[0] + '/' if item[1].is_dir() else item[0]):
        if entry.is_dir():
            if recursive and not _is_any(path, above):
                yield from _walk(path, recursive=True, above=above)
        else:
            yield _stat_of(path, entry)


def _is_any(path: str, above: frozenset[tuple[int, int]]) -> bool:
    found = os.stat(path)
    return (found.st_dev, found.st_ino) in above


def _stat_of(path: str, entry: 'os.DirEntry[str]') -> FileStat:
    try:
        found = entry.stat()
    except FileNotFoundError:
        # A broken link: listed, so that whoever reads it accounts for it as missing.
        return FileStat(path, 0, '')
    return FileStat(path, found.st_size, str(found.st_mtime_ns))
