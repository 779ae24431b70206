"""Drawn pictures: a silhouette of polygons, somewhere on a cluttered background.

Both the demo's pictures and those `mini` was trained on are made here; which shapes each of them draws is their own
affair. A shape lives in the square from -1 to 1, y pointing down; where, how large, how turned and in which colours it
appears is drawn from a random generator, so that only the shape tells the pictures of one class from another's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Array = NDArray[np.float64]

# Polygons are filled at twice the size and averaged down: Pillow's own edges are jagged.
_OVERSAMPLING = 2
# Two colours count as different from this distance in RGB on (of 441): well visible, not always glaring.
_MIN_CONTRAST = 110.0


@dataclass(frozen=True)
class Part:
    """One polygon of a shape; without ink it is a hole in the parts before it."""

    points: Array
    ink: bool = True


@dataclass(frozen=True)
class Nuisance:
    """How much everything but the shape may vary."""

    scale: tuple[float, float] = (0.5, 0.9)
    stretch: float = 0.15
    clutter: int = 6
    outlined: float = 0.0
    textured: float = 0.5
    occluded: float = 0.0
    noise: float = 12.0


def polygon(*points: tuple[float, float], ink: bool = True) -> Part:
    """A polygon through the points."""
    return Part(np.array(points, dtype=np.float64), ink)


def radial(radius: Sequence[float] | Array, *, turn: float = 0.0, ink: bool = True) -> Part:
    """A polygon with its corners at equal angles around the middle, each at its own radius."""
    radii = np.asarray(radius, dtype=np.float64)
    angles = turn + np.arange(len(radii)) * (2 * np.pi / len(radii))
    return Part(np.stack([radii * np.sin(angles), -radii * np.cos(angles)], axis=1), ink)


def disc(x: float, y: float, radius: float, *, height: float | None = None, ink: bool = True) -> Part:
    """A disc, or with a height (half of it, like a radius) an upright ellipse."""
    unit = radial(np.ones(40)).points
    return Part(unit * [radius, radius if height is None else height] + [x, y], ink)


def arc(radius: float, start: float, stop: float, *, centre: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Points along a circle, from and to an angle in turns, clockwise from the top."""
    angles = np.linspace(start, stop, 24) * 2 * np.pi
    points: Array = np.stack([np.sin(angles), -np.cos(angles)], axis=1) * radius + np.asarray(centre)
    return points


def stroke(points: Sequence[tuple[float, float]] | Array, width: float) -> list[Part]:
    """A line of that width through the points, round at its joints and ends."""
    line = np.asarray(points, dtype=np.float64)
    parts = [disc(x, y, width / 2) for x, y in line]
    for start, stop in zip(line[:-1], line[1:], strict=True):
        along = stop - start
        across = np.array([-along[1], along[0]]) * (width / 2 / max(float(np.hypot(*along)), 1e-9))
        parts.append(Part(np.array([start + across, stop + across, stop - across, start - across])))
    return parts


def draw(parts: Sequence[Part], rng: np.random.Generator, *, size: int, nuisance: Nuisance) -> Image.Image:
    """The shape at a random place, size, angle and colour, on a random background."""
    back, front = _two_colours(rng)
    canvas = _surface(rng, size, back, textured=nuisance.textured)
    _clutter(canvas, rng, int(rng.integers(0, nuisance.clutter + 1)), back)
    mask = _mask(_placed(parts, rng, nuisance), size, outline=rng.random() < nuisance.outlined)
    canvas.paste(_surface(rng, size, front, textured=nuisance.textured), (0, 0), mask)
    if rng.random() < nuisance.occluded:
        _occlude(canvas, rng)
    return _noisy(canvas, rng, nuisance.noise)


def _two_colours(rng: np.random.Generator) -> tuple[Array, Array]:
    back = rng.uniform(0, 255, 3)
    front = rng.uniform(0, 255, 3)
    while float(np.linalg.norm(front - back)) < _MIN_CONTRAST:
        front = rng.uniform(0, 255, 3)
    return back, front


def _surface(rng: np.random.Generator, size: int, colour: Array, *, textured: float) -> Image.Image:
    """A square of about that colour: flat, or with soft blotches or faint stripes."""
    if rng.random() >= textured:
        return Image.new('RGB', (size, size), _rgb(colour))
    if rng.random() < 0.5:
        cells = int(rng.integers(2, 7))
        blotches = np.clip(colour + rng.normal(0, 22, (cells, cells, 3)), 0, 255)
        return Image.fromarray(blotches.astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    across, down = rng.normal(0, 1, 2)
    y, x = np.mgrid[0:size, 0:size] / size
    waves = np.sin((across * x + down * y) * rng.uniform(4, 24))[..., None] * rng.uniform(-25, 25, 3)
    return Image.fromarray(np.clip(colour + waves, 0, 255).astype(np.uint8))


def _clutter(canvas: Image.Image, rng: np.random.Generator, count: int, back: Array) -> None:
    """Small things that are not the shape: discs, triangles and lines, each in a colour of its own."""
    pen = ImageDraw.Draw(canvas)
    size = canvas.width
    for kind in rng.integers(0, 3, count):
        x, y = rng.uniform(0, size, 2)
        reach = rng.uniform(0.02, 0.09) * size
        colour = _rgb((back + rng.uniform(0, 255, 3)) / 2)
        if kind == 0:
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
        else:
            corners = [(float(x + dx), float(y + dy)) for dx, dy in rng.normal(0, reach * 1.5, (3, 2))]
            (pen.polygon if kind == 1 else pen.line)(corners, fill=colour)


def _placed(parts: Sequence[Part], rng: np.random.Generator, nuisance: Nuisance) -> list[Part]:
    """The parts turned, stretched, mirrored, scaled and moved, in units of the picture's side, from 0 to 1."""
    turn = rng.uniform(0, 2 * np.pi)
    lean = rng.uniform(0, 2 * np.pi)
    stretch = np.exp(rng.uniform(-nuisance.stretch, nuisance.stretch))
    matrix = _rotation(turn) @ _rotation(lean) @ np.diag([stretch, 1 / stretch]) @ _rotation(-lean)
    matrix = matrix @ np.diag([rng.choice([-1.0, 1.0]), 1.0])
    everything = np.concatenate([part.points for part in parts if part.ink]) @ matrix.T
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = rng.uniform(*nuisance.scale) / float((high - low).max())
    room = 1 - (high - low) * scale
    corner = rng.uniform(0, 1, 2) * room
    return [Part((part.points @ matrix.T - low) * scale + corner, part.ink) for part in parts]


def _rotation(angle: float) -> Array:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _mask(parts: Sequence[Part], size: int, *, outline: bool) -> Image.Image:
    large = size * _OVERSAMPLING
    mask = Image.new('L', (large, large))
    pen = ImageDraw.Draw(mask)
    for part in parts:
        pen.polygon([(x, y) for x, y in (part.points * large).tolist()], fill=255 if part.ink else 0)
    if outline:
        # A blurred mask is nearly white only away from the edge: what is left of the mask there is its outline.
        inside = mask.filter(ImageFilter.GaussianBlur(large / 48)).point(lambda value: 255 if value > 215 else 0)
        mask.paste(0, (0, 0), inside)
    return mask.reduce(_OVERSAMPLING)


def _occlude(canvas: Image.Image, rng: np.random.Generator) -> None:
    """A bar across the picture, narrow enough to leave the shape recognisable."""
    size = canvas.width
    middle = rng.uniform(0.2, 0.8, 2) * size
    along = _rotation(rng.uniform(0, np.pi))[0] * size * 1.5
    ends = [tuple((middle - along).tolist()), tuple((middle + along).tolist())]
    ImageDraw.Draw(canvas).line(
        ends, fill=_rgb(rng.uniform(0, 255, 3)), width=max(1, int(rng.uniform(0.02, 0.07) * size))
    )


def _noisy(canvas: Image.Image, rng: np.random.Generator, noise: float) -> Image.Image:
    pixels = np.asarray(canvas, dtype=np.float32)
    grain = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(0, noise))
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def _rgb(colour: Array) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in np.clip(colour, 0, 255))
    return red, green, blue
