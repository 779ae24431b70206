"""Any picture's bytes -> uint8 pixels at the encoder's size: the one pixel policy of embedding, prediction and serving.

The policy: format by content (JPEG MPO PNG GIF WebP BMP TIFF), first frame, upright (EXIF), RGB, transparency on white,
16-bit scaled, bilinear with antialiasing, a JPEG decoded at reduced scale when it is much larger. Colour profiles are
ignored, CMYK is converted without one, the aspect is not kept. Whatever can't be used is an ImageError with its reason.
"""

import contextlib
import ctypes
import io
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    _imaging,
)

from preprocess import image_guards
from preprocess.image_formats import ImageError, how_broken, refuse_unopened

# Raised when the same bytes would give other pixels: it is part of every encoder's key.
POLICY_VERSION = 1

# Pillow's own limit, of which it only warns: 256 MB as RGB.
MAX_PIXELS = 89_478_485
# An uncompressed picture of that many pixels, and room for its header.
MAX_BYTES = 3 * MAX_PIXELS + 2**20
# The reduced decoding stays this much above the wanted size, where it can't be told from a full one.
REDUCING_GAP = 2.0

# What is read. Importing these modules registers them with Pillow, which so never goes on to load its other plugins
# (EPS starts Ghostscript). MPO, several JPEGs in one file, comes in as JPEG.
FORMATS = tuple(
    str(plugin.format)
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        GifImagePlugin.GifImageFile,
        WebPImagePlugin.WebPImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
    )
)

Pixels = NDArray[np.uint8]
Shape = tuple[int, int, int]

# What Pillow's plugins are known to raise on broken pictures, beyond OSError.
_PILLOW_RAISES = (
    OSError,
    ValueError,
    SyntaxError,
    NotImplementedError,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# A broken picture is reported once, by its ImageError. (A filter for good, because warnings.catch_warnings is not
# thread-safe and pictures are decoded in threads.)
warnings.filterwarnings('ignore', module=r'PIL\.')
logging.getLogger('PIL').addHandler(logging.NullHandler())  # without any, its errors are printed


def _silence_libtiff() -> None:
    """Keep libtiff from printing what it thinks of a broken TIFF; Pillow, which raises, gives no access to this."""
    library = ctypes.CDLL(_imaging.__file__)  # looked up in what this depends on, too
    for name in ('TIFFSetErrorHandler', 'TIFFSetWarningHandler'):
        with contextlib.suppress(AttributeError):  # a Pillow with libtiff built into it
            getattr(library, name)(None)


_silence_libtiff()


def to_pixels(data: bytes, shape: Shape) -> Pixels:
    """A picture's bytes as uint8[H,W,C], C being 3 (RGB) or 1 (gray); ImageError says why not."""
    height, width, channels = shape
    return _fit(_upright(data, side=int(max(height, width) * REDUCING_GAP)), (height, width, channels))


def at_own_size(data: bytes) -> Pixels:
    """A picture's bytes as upright RGB uint8[H,W,3] in the picture's own size; ImageError says why not."""
    return np.array(_upright(data), dtype=np.uint8)


def fit(pixels: Pixels, shape: Shape) -> Pixels:
    """RGB uint8[h,w,3] or gray [h,w,1] pixels at the encoder's size, by the same policy."""
    single = pixels.shape[2] == 1
    return _fit(Image.fromarray(pixels[:, :, 0] if single else pixels).convert('RGB'), shape)


def png_bytes(pixels: Pixels) -> bytes:
    """uint8[H,W,C] as PNG, which every decoder returns bit for bit."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, 'PNG')
    return buffer.getvalue()


def _open(data: bytes) -> Image.Image:
    """The picture with its header read and checked, no pixel decoded."""
    if not data:
        raise ImageError('empty-file', 'the file has no bytes')
    if len(data) > MAX_BYTES:
        raise ImageError('too-many-bytes', f'{len(data):,} bytes; the limit is {MAX_BYTES:,}')
    image_guards.refuse_floods(data)
    try:
        with _named_failures(data):
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except ImageError:
        refuse_unopened(data)
        raise
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError('too-many-pixels', f'{width:,} x {height:,} pixels; the limit is {MAX_PIXELS:,}')
    return image


@contextlib.contextmanager
def _named_failures(data: bytes) -> Iterator[None]:
    """Turn whatever Pillow raises on a broken picture into an ImageError with its reason."""
    try:
        yield
    except Image.DecompressionBombError:
        raise ImageError('too-many-pixels', f'the header announces more than {2 * MAX_PIXELS:,} pixels') from None
    except MemoryError:
        raise ImageError('too-many-bytes', 'decoding needs more memory than there is') from None
    except _PILLOW_RAISES as error:
        raise how_broken(data, error) from None


def _upright(data: bytes, *, side: int | None = None) -> Image.Image:
    """The picture as RGB, turned upright; a JPEG reduced while decoding, to no less than `side` where that is given."""
    with _open(data) as image:
        with _named_failures(data):
            # Only JPEG decodes at reduced scale; the longer side serves both ways up.
            if side is not None:
                image.draft(None, (side, side))
            image.load()
        orientation = _orientation(image)
        with _named_failures(data):
            rgb = _rgb(image)
    return rgb.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else rgb


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none. (A TIFF was turned by load() already, and says 1.)"""
    if not image_guards.is_sane_directory(image.info.get('exif', b'').removeprefix(b'Exif\0\0')):
        return 1
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _PILLOW_RAISES:
        return 1  # EXIF that can't be read doesn't spoil the picture


def _rgb(image: Image.Image) -> Image.Image:
    """The picture as RGB, transparency on white."""
    if image.mode in ('I', 'F') or image.mode.startswith('I;'):
        return _eight_bits(image).convert('RGB')
    if not image.has_transparency_data:
        return image.convert('RGB')
    layered = image.convert('LA').convert('RGBA') if image.mode == 'La' else image.convert('RGBA')
    white = Image.new('RGB', image.size, 'white')
    white.paste(layered, mask=layered.getchannel('A'))
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """A gray picture of more than 8 bits, scaled rather than clipped.

    16 bits: the high byte, as libpng and TensorFlow reduce it. Modes I (32-bit integers) and F (floats) have no natural
    white: it is the smallest of 1 (F only), 255 and 65535 that no value exceeds, else the largest value; black is 0 or,
    below it, the smallest value. NaN and infinities are black.
    """
    if image.mode.startswith('I;'):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    values = np.array(image, np.float32)  # in place from here on: the largest pictures take 350 MB a copy
    np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    black, top = min(0.0, float(values.min())), float(values.max())
    whites = (1.0, 255.0, 65535.0) if image.mode == 'F' else (255.0, 65535.0)
    white = next((level for level in whites if top <= level), top)
    values -= black
    values *= 255 / (white - black)
    return Image.fromarray(np.rint(values, out=values).astype(np.uint8))


def _fit(rgb: Image.Image, shape: Shape) -> Pixels:
    """An upright RGB picture at the wanted size; one that has it already is not touched."""
    height, width, channels = shape
    gray_or_rgb = rgb.convert('L') if channels == 1 else rgb
    resized = gray_or_rgb.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    return np.array(resized, dtype=np.uint8).reshape(height, width, channels)
