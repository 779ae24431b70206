"""Encoders that keep the pixels: `pixels:224x224`, `pixels:120x160:gray` (height first); heads may learn from them.

Their vectors are the pictures at that size, uint8[H,W,C]: nothing is loaded, and nothing is computed.
"""

import re
from dataclasses import dataclass

from preprocess.compiled import FrozenGraph
from preprocess.failures import UsageError

# Several batches are in memory at a time, and a network that learns from this much would not be a small one.
_MOST_BYTES = 16 << 20
_PREFIX = 'pixels:'
_NAME = re.compile(r'pixels:(?P<height>[1-9]\d{0,3})x(?P<width>[1-9]\d{0,3})(?P<gray>:gray)?')


@dataclass(frozen=True)
class PixelSource:
    """No network: the pixels of a size."""

    height: int
    width: int
    gray: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """uint8[H,W,C], C being 1 for gray."""
        return self.height, self.width, 1 if self.gray else 3

    @property
    def canonical(self) -> str:
        """The name it is asked for by."""
        return f'{_PREFIX}{self.height}x{self.width}{":gray" if self.gray else ""}'

    def __post_init__(self) -> None:
        height, width, channels = self.shape
        if height * width * channels > _MOST_BYTES:
            raise UsageError(
                f'{self.canonical} are {height * width * channels:,} bytes a picture; the limit is {_MOST_BYTES:,}',
                where='--encoder',
                do='give a smaller size',
            )

    def identity(self) -> str:
        """Its name: nothing else matters."""
        return self.canonical

    is_heavy = False

    def build(self) -> FrozenGraph:
        """A graph without anything in it."""
        height, width, channels = self.shape
        return FrozenGraph(graph=b'', input_shape=self.shape, vector_size=height * width * channels)


def is_pixels(name: str) -> bool:
    """Whether an encoder's name asks for pixels."""
    return name.startswith(_PREFIX)


def find(name: str) -> PixelSource:
    """The source such a name means."""
    found = _NAME.fullmatch(name)
    if not found:
        raise UsageError(
            f'{name!r} is no size of pixels',
            where='--encoder',
            do='give height and width, pixels:224x224, or gray ones, pixels:120x160:gray',
        )
    return PixelSource(int(found['height']), int(found['width']), found['gray'] is not None)
