"""What one record holds: a vector of numbers, or a frame of pixels."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# float32 vectors [N, D], or uint8 frames [N, H, W, C].
Values: TypeAlias = NDArray[np.float32] | NDArray[np.uint8]


@dataclass(frozen=True)
class Form:
    """(D,) of embeddings, float32; (H, W, C) of pixels, uint8."""

    shape: tuple[int, ...]

    @property
    def is_pixels(self) -> bool:
        """Whether it is a frame."""
        return len(self.shape) == 3

    @property
    def dtype(self) -> str:
        """Of its numbers."""
        return 'uint8' if self.is_pixels else 'float32'

    @property
    def feature(self) -> str:
        """Under which name it stands in a record."""
        return 'pixels' if self.is_pixels else 'embedding'

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return self.size * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        if not self.is_pixels:
            return f'{self.size} numbers'
        height, width, channels = self.shape
        return f'{height} x {width} pixels' + (' (gray)' if channels == 1 else '')
