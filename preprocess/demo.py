"""The demo's picture set: five drawn shapes, none of which the `mini` encoder was trained on."""

import io
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from PIL import Image

from preprocess import drawing, files
from preprocess.drawing import Nuisance, Part

# Wider than tall pictures would tell nothing more; mini squeezes every picture to 96 px anyway.
PICTURE_SIZE = 128


def _arrow(rng: np.random.Generator) -> Sequence[Part]:
    head, wing, shaft = rng.uniform(-0.35, 0.1), rng.uniform(0.55, 0.8), rng.uniform(0.14, 0.3)
    half = [(0.0, -1.0), (wing, head), (shaft, head), (shaft, 1.0)]
    return [drawing.polygon(*half, *((-x, y) for x, y in reversed(half)))]


def _cross(rng: np.random.Generator) -> Sequence[Part]:
    arm = rng.uniform(0.2, 0.38)
    return [
        drawing.polygon((-arm, -1), (arm, -1), (arm, 1), (-arm, 1)),
        drawing.polygon((-1, -arm), (1, -arm), (1, arm), (-1, arm)),
    ]


def _heart(rng: np.random.Generator) -> Sequence[Part]:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    x = np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    return [Part(np.stack([x, y * rng.uniform(0.9, 1.15)], axis=1))]


def _moon(rng: np.random.Generator) -> Sequence[Part]:
    # The hole reaches over the rim, so what is left is a crescent of varying thickness.
    return [drawing.disc(0, 0, 1), drawing.disc(rng.uniform(0.4, 0.7), 0, rng.uniform(0.8, 0.92), ink=False)]


def _star(rng: np.random.Generator) -> Sequence[Part]:
    return [drawing.radial([1.0, rng.uniform(0.35, 0.5)] * 5)]


_SHAPES: Mapping[str, Callable[[np.random.Generator], Sequence[Part]]] = MappingProxyType(
    {'arrow': _arrow, 'cross': _cross, 'heart': _heart, 'moon': _moon, 'star': _star}
)
DEMO_LABELS = tuple(_SHAPES)


def draw_picture(label: str, rng: np.random.Generator) -> Image.Image:
    """One picture of that label's shape, everything else about it drawn from `rng`."""
    return drawing.draw(_SHAPES[label](rng), rng, size=PICTURE_SIZE, nuisance=Nuisance())


def draw_demo(directory: str, *, pictures_per_class: int, seed: int) -> list[str]:
    """Writes `directory/<label>/<label>-NNN.jpg` and returns the paths: the same seed gives the same pictures,
    another seed other ones, and more pictures per class leave the first ones as they were."""
    written = []
    for class_id, label in enumerate(DEMO_LABELS):
        for number in range(pictures_per_class):
            picture = draw_picture(label, np.random.default_rng((seed, class_id, number)))
            path = files.join(directory, label, f'{label}-{number:03d}.jpg')
            files.write_atomic(path, _jpeg(picture))
            written.append(path)
    return written


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format='JPEG', quality=90)
    return buffer.getvalue()
