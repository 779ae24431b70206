"""One embedded picture or frame as a tf.train.Example in gzipped TFRecord files, read and written without TensorFlow.

The bytes are those of protobuf's wire format: an Example holds one Features, a map from names to lists of bytes,
floats or integers. Features this module doesn't know are skipped, so older and newer records are both readable.
"""

import gzip
import hashlib
import io
import logging
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass
from types import TracebackType
from typing import BinaryIO, Self, TypedDict, TypeVar, cast

import google_crc32c
import numpy as np
from isal import igzip
from isal.isal_zlib import IsalError
from numpy.typing import NDArray

from preprocess import files, near
from preprocess.failures import InputError

# Vectors hardly compress, whatever is tried. igzip writes them ten times as fast as zlib, at the same size, and reads
# them twice as fast as TensorFlow.
GZIP_LEVEL = 1
# Far above any picture's record; a longer one is a torn length, not a reason to allocate gigabytes.
MAX_RECORD_BYTES = 1 << 30
_GZIP_MAGIC = b'\x1f\x8b\x08'
_LENGTH_DELIMITED = 2
_LENGTH_BYTES = 12  # uint64 length and its checksum
_CRC_BYTES = 4
_KIND_BYTES, _KIND_FLOAT, _KIND_INT64 = 1, 2, 3
T = TypeVar('T')
_log = logging.getLogger(__name__)


class RecordError(InputError):
    """A record file that is torn, corrupt, or not what its manifest says."""

    def __init__(self, what: str, *, where: str, do: str = '') -> None:
        super().__init__(what, where=where, do=do or 'make these records again (preprocess.run --overwrite)')


@dataclass(frozen=True, eq=False)
class Record:
    """What the trainer learns from: a vector or pixels, the class ids its row gave, and where the picture is.

    Of footage: `frame` is its number in its own file, `time` its second on the clock of the recording `video`, and
    `step` its place among all that are sampled of that recording: where steps differ by more than one there is a cut.
    """

    image_uri: str
    embedding: NDArray[np.float32] | None
    label_ids: tuple[int, ...] = ()
    group: str | None = None
    _: KW_ONLY
    video: str | None = None
    frame: int | None = None
    time: float | None = None
    step: int | None = None
    pixels: bytes | None = None

    def __post_init__(self) -> None:
        if (self.embedding is None) == (self.pixels is None):
            raise ValueError('a record holds either an embedding or pixels')
        footage = [value is None for value in (self.video, self.frame, self.time, self.step)]
        if any(footage) and not all(footage):
            raise ValueError('a record of footage has video, frame, time and step')

    @property
    def vector(self) -> NDArray[np.float32]:
        """The embedding; ValueError when it holds pixels instead."""
        if self.embedding is None:
            raise ValueError('it holds pixels, no embedding')
        return self.embedding

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self._plain() == other._plain()

    def __hash__(self) -> int:
        return hash(self._plain())

    def _plain(self) -> tuple[object, ...]:
        vector = None if self.embedding is None else self.embedding.tobytes()
        footage = self.video, self.frame, self.time, self.step
        return self.image_uri, vector, self.label_ids, self.group, *footage, self.pixels


def encode(record: Record) -> bytes:
    """The bytes of a tf.train.Example; features in the order of their names, labels sorted."""
    features = [_feature(name, kind, _delimited(1, values)) for name, kind, values in _filled(record)]
    return _delimited(1, b''.join(features))


def _filled(record: Record) -> Iterator[tuple[bytes, int, bytes]]:
    """The features a record has, in the order of their names: name, kind, packed values."""
    if record.embedding is not None:
        yield b'embedding', _KIND_FLOAT, np.ascontiguousarray(record.embedding, dtype='<f4').tobytes()
    if record.frame is not None:
        yield b'frame', _KIND_INT64, _varint(record.frame)
    if record.group is not None:
        yield b'group', _KIND_BYTES, _text_bytes(record.group)
    yield b'image_uri', _KIND_BYTES, _text_bytes(record.image_uri)
    if record.label_ids:
        yield b'label', _KIND_INT64, b''.join(_varint(label) for label in sorted(record.label_ids))
    if record.pixels is not None:
        yield b'pixels', _KIND_BYTES, record.pixels
    if record.step is not None:
        yield b'step', _KIND_INT64, _varint(record.step)
    if record.time is not None:
        yield b'time', _KIND_FLOAT, struct.pack('<f', record.time)
    if record.video is not None:
        yield b'video', _KIND_BYTES, _text_bytes(record.video)


def decode(data: bytes) -> Record:
    """The record in the bytes of a tf.train.Example; ValueError when they hold none."""
    try:
        features = dict(_features(memoryview(data)))
        embedding, pixels = features.get('embedding'), features.get('pixels')
        if embedding is None and pixels is None:
            held = ', '.join(sorted(features)) or 'none'
            raise ValueError(f'no feature `embedding` and no `pixels` (it has {held})')
        return Record(
            image_uri=_first_text(features.get('image_uri')) or '',
            embedding=None if embedding is None else _floats(embedding),
            label_ids=_integers(features.get('label')),
            group=_first_text(features.get('group')),
            pixels=_first_bytes(pixels),
            **_footage(features),
        )
    except IndexError:
        raise ValueError('not a tf.train.Example: it ends in the middle of a number') from None


class _Footage(TypedDict, total=False):
    video: str | None
    frame: int | None
    time: float | None
    step: int | None


def _footage(features: Mapping[str, memoryview]) -> _Footage:
    """What a record says of footage; records of others may have one of these names for something else."""
    if not _Footage.__annotations__.keys() <= features.keys():
        return {}
    return _Footage(
        video=_first_text(features['video']),
        frame=_first(_integers(features['frame'])),
        time=_first(_floats(features['time']).tolist()),
        step=_first(_integers(features['step'])),
    )


class RecordWriter:
    """Writes one record file; nothing stands under its name until the block ended well."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0
        self.bytes = 0
        self.sha256 = ''
        self._publishing: AbstractContextManager[BinaryIO] = files.writing_atomic(path)

    def __enter__(self) -> Self:
        self._sink = _Hashed(self._publishing.__enter__())
        # No name and no time in the header: the same records give the same file.
        self._gzip = igzip.IGzipFile(
            filename='', mode='wb', compresslevel=GZIP_LEVEL, fileobj=cast(BinaryIO, self._sink), mtime=0
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._gzip.close()
                self.bytes, self.sha256 = self._sink.bytes, self._sink.hash.hexdigest()
        except BaseException as closing:
            self._publishing.__exit__(type(closing), closing, closing.__traceback__)
            raise
        self._publishing.__exit__(kind, error, trace)

    def write(self, record: Record) -> None:
        """Append one record."""
        self.write_bytes(encode(record))

    def write_bytes(self, data: bytes) -> None:
        """Append one record that is encoded already."""
        length = struct.pack('<Q', len(data))
        self._gzip.write(b''.join((length, _masked_crc(length), data, _masked_crc(data))))
        self.count += 1


def read(path: str, *, expect: int | None = None) -> Iterator[Record]:
    """Every record of one file, checksums checked; RecordError names the file when it is torn or corrupt.

    `expect` is the count its manifest vouches for.
    """
    count = 0
    for data in read_bytes(path):
        try:
            record = decode(data)
        except ValueError as error:
            raise RecordError(f'record {count} is unreadable: {error}', where=path) from None
        count += 1
        yield record
    if expect is not None and count != expect:
        raise RecordError(f'it holds {count} records where its manifest lists {expect}', where=path)


def read_bytes(path: str) -> Iterator[bytes]:
    """The raw bytes of every record of one file, checksums checked."""
    try:
        with files.open_read(near.if_brought(path)) as source:
            yield from _frames(_unzipped(source, path), path)
    except EOFError:
        raise RecordError('the file is torn: it ends in the middle of its compressed data', where=path) from None
    except (IsalError, gzip.BadGzipFile) as error:  # type: ignore[misc]  # a class, unlike its stub says
        _log.info('%s: %s', path, error)
        raise RecordError('the file is corrupt: its compressed data can not be unpacked', where=path) from None


def _unzipped(source: BinaryIO, path: str) -> BinaryIO:
    buffered = io.BufferedReader(cast(io.RawIOBase, source), 1 << 20) if not hasattr(source, 'peek') else source
    magic = cast(io.BufferedReader, buffered).peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)]
    if magic == _GZIP_MAGIC:
        return cast(BinaryIO, igzip.IGzipFile(fileobj=buffered, mode='rb'))
    if not magic and path.endswith('.gz'):
        raise RecordError('the file is torn: it is empty, and even no records take some bytes of gzip', where=path)
    return buffered


def _frames(stream: BinaryIO, path: str) -> Iterator[bytes]:
    while head := stream.read(_LENGTH_BYTES):
        if len(head) < _LENGTH_BYTES or _masked_crc(head[:8]) != head[8:]:
            raise RecordError('the file is torn or corrupt: a record begins wrongly', where=path)
        (length,) = struct.unpack('<Q', head[:8])
        if length > MAX_RECORD_BYTES:
            raise RecordError(f'the file is corrupt: a record of {length} bytes', where=path)
        body = stream.read(length + _CRC_BYTES)
        data = body[:length]
        if _masked_crc(data) != body[length:]:
            raise RecordError('the file is torn or corrupt: a record fails its checksum', where=path)
        yield data


def _masked_crc(data: bytes) -> bytes:
    # TFRecord stores CRCs rotated and offset, so that a checksum of checksums doesn't degenerate.
    crc = google_crc32c.value(data)
    return struct.pack('<I', (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


class _Hashed:
    """Counts and hashes what goes through to a file."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        self.bytes += len(data)
        return self._sink.write(data)

    def flush(self) -> None:
        self._sink.flush()


def _text_bytes(text: str) -> bytes:
    # Paths on Linux are bytes: those that aren't UTF-8 travel as surrogates and come back as they were.
    return text.encode('utf-8', 'surrogateescape')


def _varint(number: int) -> bytes:
    number &= 0xFFFFFFFFFFFFFFFF  # negative integers are their two's complement, ten bytes long
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _delimited(field: int, payload: bytes) -> bytes:
    return b''.join((_varint(field << 3 | _LENGTH_DELIMITED), _varint(len(payload)), payload))


def _feature(name: bytes, kind: int, values: bytes) -> bytes:
    return _delimited(1, _delimited(1, name) + _delimited(2, _delimited(kind, values)))


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    shift = number = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError('not a tf.train.Example: an endless number')


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Field number and payload of each field; fixed and varint fields give the bytes they were written in."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        begin = at
        match tag & 7:
            case 0:
                _, at = _read_varint(data, at)
            case 1:
                at += 8
            case 2:
                length, begin = _read_varint(data, at)
                at = begin + length
            case 5:
                at += 4
            case wire:
                raise ValueError(f'not a tf.train.Example: wire type {wire}')
        if at > len(data):
            raise ValueError('not a tf.train.Example: it ends in the middle of a field')
        yield tag >> 3, data[begin:at]


def _features(example: memoryview) -> Iterator[tuple[str, memoryview]]:
    for number, features in _fields(example):
        if number != 1:
            continue
        for _, entry in _fields(features):
            parts = dict(_fields(entry))
            yield str(parts.get(1, b''), 'utf-8'), parts.get(2, memoryview(b''))


def _values(feature: memoryview | None, kind: int) -> list[memoryview]:
    if feature is None:
        return []
    return [value for found, values in _fields(feature) if found == kind for _, value in _fields(values)]


def _first(values: Sequence[T]) -> T | None:
    return values[0] if values else None


def _first_bytes(feature: memoryview | None) -> bytes | None:
    values = _values(feature, _KIND_BYTES)
    return bytes(values[0]) if values else None


def _first_text(feature: memoryview | None) -> str | None:
    found = _first_bytes(feature)
    return None if found is None else found.decode('utf-8', 'surrogateescape')


def _floats(feature: memoryview) -> NDArray[np.float32]:
    # One packed run in practice; the specification also allows each number by itself.
    return np.frombuffer(b''.join(_values(feature, _KIND_FLOAT)), dtype='<f4').astype(np.float32, copy=False)


def _integers(feature: memoryview | None) -> tuple[int, ...]:
    numbers = []
    for run in _values(feature, _KIND_INT64):
        at = 0
        while at < len(run):
            number, at = _read_varint(run, at)
            numbers.append(number - (1 << 64) if number >> 63 else number)
    return tuple(numbers)
