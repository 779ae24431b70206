"""A picture's source -> the encoder's square, by the one pixel policy; every failure has its reason."""

import numpy as np

from preprocess import files, images
from preprocess.image_formats import ImageError
from preprocess.images import Pixels, Shape

_REASONS: tuple[tuple[type[OSError], str], ...] = (
    (FileNotFoundError, 'missing'),
    (NotADirectoryError, 'missing'),
    (PermissionError, 'forbidden'),
    (IsADirectoryError, 'is-a-directory'),
)


def file_bytes(source: str | bytes | Pixels) -> bytes:
    """The bytes of a picture file; pixels as PNG."""
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str):
        return images.png_bytes(source)
    try:
        # One byte above the limit is enough for the policy to refuse it.
        return files.read_bytes(source, limit=images.MAX_BYTES + 1)
    except OSError as error:
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), 'unreadable')
        raise ImageError(reason, error.strerror or str(error)) from error


def square(source: str | bytes | Pixels, shape: Shape) -> Pixels:
    """uint8[H,W,C] for the encoder; ImageError says why not."""
    if isinstance(source, str | bytes):
        return images.to_pixels(file_bytes(source), shape)
    if not source.size:
        raise ImageError('too-small', 'an array without pixels')
    if source.shape[2] == 4:
        # As PNG its transparency meets the same policy as a file's.
        return images.to_pixels(images.png_bytes(source), shape)
    return images.fit(np.ascontiguousarray(source), shape)
