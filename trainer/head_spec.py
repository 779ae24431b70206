"""What a head is, apart from its weights: what it takes, what it answers, and its sizes in between."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from preprocess.failures import UsageError
from trainer.config import Learning
from trainer.head_kinds import FRAMES, KINDS, of_frames, of_vectors

Shape = tuple[int, ...]
# Kernels of convolutions, without padding; and what pools halve.
KERNEL = 3
POOL = 2


@dataclass(frozen=True)
class HeadSpec:
    """A head for records of `input_size` numbers, or for frames of `frame` pixels; each looks at `window` of them."""

    input_size: int
    classes: int
    hidden_units: int = 512  # 0: no hidden layer
    multi_label: bool = False
    dropout: float = 0.5  # the fraction dropped
    kind: str = 'softmax'
    frame: tuple[int, int, int] | None = None  # height, width, channels
    window: int = 1
    clip_frames: int = 1  # how many frames of a window stand in one slice, as channels
    layers: int = 1
    filters: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f'unknown head {self.kind!r}; choose from {", ".join(KINDS)}')
        if self.input_size < 1 or self.hidden_units < 0:
            raise ValueError(f'a head takes numbers, and has hidden units from 0 up: {self}')
        if self.classes < (1 if self.multi_label else 2):
            raise ValueError(f'a head tells two classes apart, or more: {self}')
        if not 0 <= self.dropout < 1:
            raise ValueError(f'dropout is the fraction dropped, from 0 up to but not including 1, got {self.dropout}')
        if self.window < 1 or self.window % self.clip_frames:
            raise ValueError(f'{self.window} frames are not cut into slices of {self.clip_frames}')
        if self.frame is not None:
            object.__setattr__(self, 'frame', tuple(self.frame))  # JSON has lists
        if self.looks_at_frames != (self.frame is not None) or self.input_size != math.prod(self.record_shape):
            raise ValueError(f'the head {self.kind} does not look at such records: {self}')
        if self.looks_at_frames and min(self.frame_after(self.layers)) < 1:
            raise ValueError(f'frames of {self.frame} are too small for {self.layers} layers')

    @property
    def looks_at_frames(self) -> bool:
        """Whether it takes pixels, uint8, and not embeddings, float32."""
        return KINDS[self.kind].looks_at == FRAMES

    @property
    def record_shape(self) -> Shape:
        """Of what one record holds: (D,), or (H, W, C)."""
        return self.frame or (self.input_size,)

    @property
    def is_sequence(self) -> bool:
        """Whether it looks at windows of consecutive records."""
        return KINDS[self.kind].window is not None

    @property
    def example_shape(self) -> Shape:
        """Of what it looks at: that of a record, with the window before it where there is one."""
        return (self.window, *self.record_shape) if self.is_sequence else self.record_shape

    @property
    def slices(self) -> int:
        """How many slices a window is cut into."""
        return self.window // self.clip_frames

    @property
    def outputs(self) -> int:
        """Numbers that come out of the last layer.

        Heads of footage tell two classes apart by one number, the score of the second one before the sigmoid: the
        softmax over 0 and z is 1 - sigmoid(z) and sigmoid(z), so nothing but needless weights is missing.
        """
        return 1 if self.kind != 'softmax' and self.classes == 2 and not self.multi_label else self.classes

    def frame_after(self, layers: int) -> tuple[int, int]:
        """Height and width of what comes out of so many of its layers."""
        return _after(self.frame or (1, 1), layers, is_sequence=self.is_sequence, of=self.layers)

    def filters_of(self, layer: int) -> int:
        """How many filters a layer has, counted from 0: each has twice as many as the one before."""
        return self.filters << layer


def check(learning: Learning, shape: Sequence[int], *, is_footage: bool = True) -> None:
    """Refuse a head that can't look at records of this shape: (D,) of vectors, (H, W, C) of frames."""
    has_frames = len(shape) == 3
    if has_frames != (KINDS[learning.head].looks_at == FRAMES):
        held, others = ('frames', of_frames()) if has_frames else ('vectors', of_vectors())
        wanted = 'vectors (--encoder inception_v3)' if has_frames else 'frames (--encoder pixels:HEIGHTxWIDTH)'
        raise UsageError(
            f'the head {learning.head} does not look at {held}, which these records hold',
            where='--head',
            do=f'choose --head {" or ".join(others)}, or embed to {wanted}',
        )
    if learning.window is not None and not is_footage:
        raise UsageError(
            f'the head {learning.head} looks at windows of frames, and these records are of single pictures',
            where='--head',
            do='embed videos (clip.mp4#t=0,60), say which frames the pictures are (columns video,frame,time), '
            'or choose a head that looks at single records',
        )
    if has_frames and (most := _most_layers(learning, shape)) < (learning.layers or 1):
        height, width, _ = shape
        raise UsageError(
            f'frames of {height} x {width} are too small for {learning.layers} layers',
            where='--layers',
            do=f'give --layers {most} or less' if most else 'embed larger frames (--encoder pixels:HEIGHTxWIDTH)',
        )


def of_learning(learning: Learning, shape: Sequence[int], *, classes: int, multi_label: bool) -> HeadSpec:
    """The head that is asked for, on records of this shape."""
    check(learning, shape)
    return HeadSpec(
        input_size=math.prod(shape),
        classes=classes,
        hidden_units=learning.hidden_units,
        multi_label=multi_label,
        dropout=learning.dropout,
        kind=learning.head,
        frame=cast('tuple[int, int, int]', tuple(shape)) if len(shape) == 3 else None,
        window=learning.window or 1,
        clip_frames=learning.clip_frames or 1,
        layers=learning.layers or 1,
        filters=learning.filters or 0,
    )


def _most_layers(learning: Learning, shape: Sequence[int]) -> int:
    """How many layers frames of this shape have room for, up to those asked for."""
    fitting = 0
    for layers in range(1, (learning.layers or 1) + 1):
        if min(_after(shape, layers, is_sequence=learning.window is not None)) < 1:
            break
        fitting = layers
    return fitting


def _after(shape: Sequence[int], layers: int, *, is_sequence: bool, of: int | None = None) -> tuple[int, int]:
    """Height and width behind so many layers (of `of`, else of just these): a convolution takes off a rim, and all but
    a last recurrent layer are followed by a pool."""
    height, width = shape[:2]
    for layer in range(layers):
        height, width = height - KERNEL + 1, width - KERNEL + 1
        if not (is_sequence and layer == (of or layers) - 1):
            height, width = height // POOL, width // POOL
    return height, width
