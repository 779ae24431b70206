"""How raw footage is prepared before anything looks at it: a region cut out, a size, gray, background off, contrast.

In this order: `roi` is cut out of the upright frame; the region is scaled to `size`, the aspect not kept, and turned to
gray; of its pixels the background's are taken away (|frame - background|); the contrast is stretched. The background
is the median of frames spread over the whole file, prepared the same way up to there.
"""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.failures import UsageError
from preprocess.settings import Json
from preprocess.timelines import Timeline

Pixels = NDArray[np.uint8]

BACKGROUNDS = ('none', 'median')
CONTRASTS = ('none', 'stretch')
# Of the pixels this share may end up black, and as many white: a few hot pixels must not hold back the stretch.
CLIPPED = 0.005
# A moving animal covers a place in fewer than half of this many frames; more of them only take time.
BACKGROUND_FRAMES = 63
_SIZE = re.compile(r'(\d+)[x×](\d+)')


@dataclass(frozen=True)
class Region:
    """A rectangle of the upright frame, in its pixels from the top left."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1:
            raise ValueError(f'no region of a frame: {self.text}')

    @property
    def text(self) -> str:
        """As it is written on a command line."""
        return f'{self.x},{self.y},{self.width},{self.height}'


@dataclass(frozen=True)
class Preparation:
    """What is done to every frame; nothing by default."""

    size: tuple[int, int] | None = None  # width, height
    gray: bool = False
    background: str = 'none'
    contrast: str = 'none'
    roi: Region | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ('background', self.background, BACKGROUNDS),
            ('contrast', self.contrast, CONTRASTS),
        ):
            if value not in known:
                raise ValueError(f'unknown {name} {value!r}; choose from {", ".join(known)}')
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f'no size: {self.size[0]}x{self.size[1]}')

    @property
    def text(self) -> str:
        """The canonical form, for settings and keys; empty when nothing is done."""
        parts = {
            'roi': self.roi.text if self.roi else '',
            'size': f'{self.size[0]}x{self.size[1]}' if self.size else '',
            'gray': 'yes' if self.gray else '',
            'background': self.background.removeprefix('none'),
            'contrast': self.contrast.removeprefix('none'),
        }
        return ' '.join(f'{name}={value}' for name, value in parts.items() if value)

    def to_json(self) -> dict[str, Json]:
        """As a manifest holds it: by the names of the flags."""
        return {
            'size': f'{self.size[0]}x{self.size[1]}' if self.size else None,
            'gray': self.gray,
            'background': self.background,
            'contrast': self.contrast,
            'roi': self.roi.text if self.roi else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> 'Preparation':
        """What a manifest says."""
        return from_flags(argparse.Namespace(**value))


NOTHING = Preparation()


def finish(pixels: Pixels, preparation: Preparation, background: Pixels | None) -> Pixels:
    """Pixels of the region at its size -> with the background taken away and the contrast stretched."""
    if background is not None:
        pixels = np.maximum(pixels, background) - np.minimum(pixels, background)
    return stretch(pixels) if preparation.contrast == 'stretch' else pixels


def stretch(pixels: Pixels) -> Pixels:
    """Each channel scaled so that its darkest pixels are black and its brightest white; even ones stay as they are."""
    counts = np.apply_along_axis(np.bincount, 0, pixels.reshape(-1, pixels.shape[2]), minlength=256)
    spared = CLIPPED * pixels[:, :, 0].size
    below = np.cumsum(counts, axis=0)
    levels = np.arange(256, dtype=np.float64)[:, None]
    black = np.argmax(below > spared, axis=0)
    white = np.argmax(below >= pixels[:, :, 0].size - spared, axis=0)
    even = white <= black
    scaled = (levels - black) * (255 / np.where(even, 1, white - black))
    table = np.where(even, levels, np.rint(np.clip(scaled, 0, 255))).astype(np.uint8)
    return np.stack([table[pixels[:, :, channel], channel] for channel in range(pixels.shape[2])], axis=2)


def background_frames(timeline: Timeline) -> NDArray[np.int64]:
    """The frames the background is the median of: spread over the file, keyframes where there are enough of them."""
    pool = timeline.keyframes if len(timeline.keyframes) >= BACKGROUND_FRAMES else np.arange(len(timeline))
    chosen = np.linspace(0, len(pool) - 1, min(BACKGROUND_FRAMES, len(pool))).round().astype(int)
    frames: NDArray[np.int64] = pool[chosen]
    return frames


def median(frames: list[Pixels]) -> Pixels:
    """The median of each pixel over the frames, of an even number of them the lower one."""
    middle = (len(frames) - 1) // 2
    chosen: Pixels = np.partition(np.stack(frames), middle, axis=0)[middle]
    return chosen


def add_flags(parser: argparse._ActionsContainer) -> None:
    """`--size`, `--gray`, `--background`, `--contrast`, `--roi`."""
    parser.add_argument('--size', metavar='WxH', help='scale frames to this size, like 320x240')
    parser.add_argument('--gray', action='store_true', help='one channel instead of three')
    parser.add_argument(
        '--background',
        choices=BACKGROUNDS,
        default='none',
        help='median: what moves, as its difference from the median of frames all over the file',
    )
    parser.add_argument(
        '--contrast', choices=CONTRASTS, default='none', help='stretch: from black to white in every frame'
    )
    parser.add_argument('--roi', metavar='X,Y,W,H', help='only this region of the frame, in its own pixels')


def from_flags(flags: argparse.Namespace) -> Preparation:
    """The preparation the flags ask for."""
    return Preparation(
        size=parse_size(flags.size) if flags.size else None,
        gray=flags.gray,
        background=flags.background,
        contrast=flags.contrast,
        roi=_region(flags.roi) if flags.roi else None,
    )


def parse_size(text: str) -> tuple[int, int]:
    """`320x240` -> width and height."""
    found = _SIZE.fullmatch(text.strip().lower())
    if not found or not int(found[1]) or not int(found[2]):
        raise UsageError(f'{text!r} is no size', where='--size', do='give width and height, like 320x240')
    return int(found[1]), int(found[2])


def _region(text: str) -> Region:
    try:
        x, y, width, height = (int(part) for part in text.split(','))
        return Region(x, y, width, height)
    except ValueError:
        raise UsageError(
            f'{text!r} is no region', where='--roi', do='give x,y,width,height in pixels, like 100,0,640,480'
        ) from None
