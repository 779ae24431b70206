"""An object as a file to read: asked for in blocks, larger ones the longer it is read in order."""

import errno
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import google_crc32c

from preprocess.local_files import FileStat

if TYPE_CHECKING:
    from typing_extensions import Buffer

# A picture is mostly smaller than this, and so one request.
_FIRST_BYTES = 4 << 20
# After a jump: enough for the index at the end of a file, little enough to be thrown away.
_JUMP_BYTES = 256 << 10
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """Some bytes of an object, the version they are of, and the whole object's CRC-32C where the storage tells it.

    It is shorter than what was asked for where the object ends, and empty behind that.
    """

    data: bytes
    version: str | None = None
    crc32c: int | None = None


# The first byte, how many, and of which version (None: whichever is there).
ReadBlock: TypeAlias = 'Callable[[int, int, str | None], Block]'


class ObjectReader(io.RawIOBase):
    """A seekable file over requests for ranges; one version of the object, whatever becomes of its name."""

    def __init__(self, uri: str, read: ReadBlock, stat: Callable[[], FileStat]) -> None:
        super().__init__()
        self._uri = uri
        self._read = read
        self._stat = stat
        self._size: int | None = None
        self._version: str | None = None
        self._position = 0
        # The block that is held, where it begins, and how much to ask for next when reading goes on behind it.
        self._data = b''
        self._start = 0
        self._ahead = _FIRST_BYTES
        self._check = _Check(uri)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = self._known_size() if whence == io.SEEK_END else self._position if whence == io.SEEK_CUR else 0
        if base + offset < 0:
            raise OSError(errno.EINVAL, 'a place before the beginning', self._uri)
        self._position = base + offset
        return self._position

    def readinto(self, buffer: 'Buffer', /) -> int:
        view = memoryview(buffer).cast('B')
        found = self._here(len(view))
        view[: len(found)] = found
        self._position += len(found)
        return len(found)

    def readall(self) -> bytes:
        pieces = []
        while found := bytes(self._here(_MOST_BYTES)):
            self._position += len(found)
            pieces.append(found)
        return b''.join(pieces)

    def _here(self, wanted: int) -> memoryview:
        """Up to so many bytes from the position on; none at the end."""
        if not self._start <= self._position < self._start + len(self._data):
            self._fetch(wanted)
        at = self._position - self._start
        return memoryview(self._data)[at : at + wanted] if at >= 0 else memoryview(b'')

    def _fetch(self, wanted: int) -> None:
        if self._size is not None and self._position >= self._size:
            return
        goes_on = self._position == self._start + len(self._data)
        first, count = self._in_order(wanted) if goes_on else self._after_jump(wanted)
        block = self._read(first, count, self._version)
        self._version = self._version or block.version
        self._data, self._start = block.data, first
        if len(block.data) < count and (block.data or goes_on):
            self._size = first + len(block.data)
        self._check.take(block, first, self._size)

    def _in_order(self, wanted: int) -> tuple[int, int]:
        """Where the next block begins and how long it is, when reading goes on behind the last one."""
        count = min(max(wanted, self._ahead), _MOST_BYTES)
        self._ahead = min(2 * count, _MOST_BYTES)
        return self._position, count

    def _after_jump(self, wanted: int) -> tuple[int, int]:
        count = min(max(wanted, _JUMP_BYTES), _MOST_BYTES)
        self._ahead = min(2 * count, _MOST_BYTES)
        if self._size is not None and self._position + count > self._size:
            # What is read at the end of a file is mostly followed by what is before it.
            return max(0, self._size - count), count
        return self._position, count

    def _known_size(self) -> int:
        if self._size is None:
            found = self._stat()
            if self._version not in (None, found.version):
                raise OSError(errno.ESTALE, 'it changed while it was read', self._uri)
            self._size, self._version = found.size, found.version
        return self._size


class _Check:
    """Compares the checksum of an object that is read from its first byte to its last, nothing left out."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._expected: int | None = None
        self._crc = 0
        self._seen = 0

    def take(self, block: Block, first: int, size: int | None) -> None:
        """The next block of an object whose size may not be known yet."""
        self._expected = block.crc32c if self._expected is None else self._expected
        if first != self._seen:
            return
        self._crc = google_crc32c.extend(self._crc, block.data)
        self._seen += len(block.data)
        if self._seen == size and self._expected not in (None, self._crc):
            raise OSError(errno.EIO, 'what was read fails its checksum', self._uri)
