"""Small copies of pictures that travel inside a page."""

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image

from preprocess import files, images
from preprocess.locations import is_video

if TYPE_CHECKING:
    from preprocess.timelines import Timeline

# Twice the size they are shown at, for screens with fine pixels.
SIZE = 192
_QUALITY = 78


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, or why there is none."""

    source: str | None
    problem: str = ''


def of_picture(uri: str) -> Thumbnail:
    """The picture or frame as the encoder sees it: upright, square, by the one pixel policy, saved without metadata."""
    path, _, number = uri.rpartition('#frame=')
    try:
        is_frame = is_video(path) and number.isdecimal()
        pixels = _frame(path, int(number)) if is_frame else images.to_pixels(_bytes(uri), (SIZE, SIZE, 3))
    except OSError as error:
        return Thumbnail(None, f'cannot be read: {error.strerror or type(error).__name__}')
    except ValueError as error:  # an ImageError, a VideoError, or a path with a NUL, which only foreign records have
        return Thumbnail(None, f'cannot be read: {error}')
    except ImportError:
        return Thumbnail(None, 'is a frame of video, which the extra `video` reads')
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'JPEG', quality=_QUALITY)
    return Thumbnail('data:image/jpeg;base64,' + base64.b64encode(buffer.getvalue()).decode())


def _bytes(uri: str) -> bytes:
    return files.read_bytes(uri, limit=images.MAX_BYTES + 1)


def _frame(path: str, number: int) -> images.Pixels:
    from preprocess import video

    timeline = _timeline(path)
    if number >= len(timeline):
        raise ValueError(f'the video has {len(timeline):,} frames now')
    (frame,) = video.decode(path, timeline, [number], (SIZE, SIZE, 3))
    if isinstance(frame, video.BadFrame):
        raise ValueError(frame.message)
    return frame.pixels


@lru_cache(maxsize=64)
def _timeline(path: str) -> 'Timeline':
    """Read once: the worst mistakes are often of a few recordings."""
    from preprocess import video

    return video.survey(path)
