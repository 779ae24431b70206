"""Small copies of pictures that travel inside a page."""

import base64
import io
from dataclasses import dataclass

from PIL import Image

from preprocess import files, images

# Twice the size they are shown at, for screens with fine pixels.
SIZE = 192
_QUALITY = 78


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, or why there is none."""

    source: str | None
    problem: str = ''


def of_picture(uri: str) -> Thumbnail:
    """The picture as the encoder sees it: upright, square, by the one pixel policy, saved anew without its metadata."""
    try:
        pixels = images.to_pixels(files.read_bytes(uri, limit=images.MAX_BYTES + 1), (SIZE, SIZE, 3))
    except OSError as error:
        return Thumbnail(None, f'cannot be read: {error.strerror or type(error).__name__}')
    except ValueError as error:  # an ImageError, or a path with a NUL, which only foreign records have
        return Thumbnail(None, f'cannot be read: {error}')
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'JPEG', quality=_QUALITY)
    return Thumbnail('data:image/jpeg;base64,' + base64.b64encode(buffer.getvalue()).decode())
