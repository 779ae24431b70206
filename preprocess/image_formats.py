"""Why bytes are not a picture: which format they begin like, and whether they end early."""

from collections.abc import Callable
from dataclasses import dataclass

_LONGEST_MESSAGE = 200


class ImageError(ValueError):
    """A picture that can't be used; `reason` is a key of preprocess.reasons.REASONS."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f'{self.reason}: {self.message}'


@dataclass(frozen=True)
class _Format:
    """A format that is read: how its files begin, and how a complete one can be told from a cut one."""

    name: str
    magics: tuple[bytes, ...]
    is_cut: Callable[[bytes], bool]
    size: Callable[[bytes], tuple[int, int]] | None = (
        None  # from the header; where the format's header has a fixed place for it
    )


def _little(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], 'little')


def _big(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], 'big')


def _tail(data: bytes) -> bytes:
    # Cameras and tools append a little of their own after the end mark.
    return data[-1024:]


_READ = (
    _Format('JPEG', (b'\xff\xd8\xff',), lambda data: b'\xff\xd9' not in _tail(data)),
    _Format(
        'PNG',
        (b'\x89PNG\r\n\x1a\n',),
        lambda data: b'IEND' not in _tail(data),
        lambda data: (_big(data, 16, 4), _big(data, 20, 4)),
    ),
    _Format(
        'GIF',
        (b'GIF87a', b'GIF89a'),
        lambda data: not data.rstrip(b'\0').endswith(b';'),
        lambda data: (_little(data, 6, 2), _little(data, 8, 2)),
    ),
    _Format('WebP', (b'RIFF',), lambda data: _little(data, 4, 4) + 8 > len(data)),
    _Format(
        'BMP',
        (b'BM',),
        lambda data: _little(data, 2, 4) > len(data),
        lambda data: (_little(data, 18, 4), _little(data, 22, 4)),
    ),
    _Format('TIFF', (b'II*\0', b'II+\0'), lambda data: _little(data, 4, 4) > len(data)),
    _Format('TIFF', (b'MM\0*', b'MM\0+'), lambda data: _big(data, 4, 4) > len(data)),
)

# Formats a user may well have, to be named instead of "not an image": where their mark stands, the mark, their name.
_NOT_READ: tuple[tuple[int, bytes, str], ...] = (
    (0, b'%!PS', 'PostScript (EPS)'),
    (0, b'\xc5\xd0\xd3\xc6', 'PostScript (EPS)'),
    (0, b'%PDF', 'PDF'),
    (4, b'ftypheic', 'HEIC'),
    (4, b'ftypheix', 'HEIC'),
    (4, b'ftypmif1', 'HEIF'),
    (4, b'ftypmsf1', 'HEIF'),
    (4, b'ftypavif', 'AVIF'),
    (4, b'ftypavis', 'AVIF'),
    (4, b'ftyp', 'a video (MP4, MOV)'),
    (0, b'\x1aE\xdf\xa3', 'a video (Matroska, WebM)'),
    (8, b'AVI ', 'a video (AVI)'),
    (8, b'WAVE', 'sound (WAV)'),
    (4, b'jP  \r\n\x87\n', 'JPEG 2000'),
    (0, b'\xff\x4f\xff\x51', 'JPEG 2000'),
    (4, b'JXL \r\n\x87\n', 'JPEG XL'),
    (0, b'\xff\x0a', 'JPEG XL'),
    (0, b'8BPS', 'Photoshop (PSD)'),
    (0, b'gimp xcf', 'GIMP (XCF)'),
    (0, b'\0\0\1\0', 'ICO'),
    (0, b'\0\0\2\0', 'CUR'),
    (0, b'icns', 'ICNS'),
    (0, b'DDS ', 'DDS'),
    (0, b'v/1\x01', 'OpenEXR'),
    (0, b'#?RADIANCE', 'Radiance HDR'),
    (0, b'SIMPLE  =', 'FITS'),
    (0, b'qoif', 'QOI'),
    (0, b'\x01\xda', 'SGI'),
    *((0, b'P%d%c' % (kind, space), 'PNM') for kind in range(1, 8) for space in b'\n\r\t '),
)


def refuse_unopened(data: bytes) -> None:
    """Raise for bytes that no reader opened, when their beginning says more than the reader could."""
    other = next((name for at, mark, name in _NOT_READ if data.startswith(mark, at)), None)
    if other is None and b'<svg' in data[:4096].lower():
        other = 'SVG'
    if other:
        raise ImageError('unsupported-format', f'{other}; convert it to JPEG or PNG')
    read = _read_format(data)
    if read is None:
        raise ImageError('not-an-image', f'begins with {data[:8]!r}, like no picture format')
    if read.size and 0 in read.size(data.ljust(32, b'\xff')):
        raise ImageError('too-small', f'a {read.name} without pixels')


def how_broken(data: bytes, error: Exception) -> ImageError:
    """The failure of decoding, told apart: cut short, or damaged in another way."""
    said = _one_line(error)
    if 'decompressed data too large' in said.lower():
        return ImageError('too-many-bytes', f'a compressed chunk of the header is too large ({said})')
    read = _read_format(data)
    name = read.name if read else 'picture'
    if (read and read.is_cut(data)) or 'truncated' in said.lower():
        return ImageError('truncated', f'the {name} ends before its data does ({said})')
    return ImageError('corrupt', f'the {name} can not be decoded ({said})')


def _read_format(data: bytes) -> _Format | None:
    return next((read for read in _READ if data.startswith(read.magics)), None)


def _one_line(error: Exception) -> str:
    """Pillow's words where they help the reader; its 'cannot identify' carries a memory address and nothing else."""
    said = ' '.join(str(error).split())[:_LONGEST_MESSAGE]
    return 'the header is damaged' if 'cannot identify image file' in said or not said else said
