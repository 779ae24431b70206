"""A picture's source -> the encoder's square, by the one pixel policy; every failure has its reason."""

import numpy as np

from preprocess import images, pictures
from preprocess.image_formats import ImageError
from preprocess.images import Pixels, Shape


def file_bytes(source: str | bytes | Pixels) -> bytes:
    """The bytes of a picture file; pixels as PNG."""
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str):
        return images.png_bytes(source)
    return pictures.read_bytes(source)


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
