"""The drawn pictures `mini` is trained on: a table of shapes, none of them a class of the demo."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from preprocess.drawing import Nuisance, Part, arc, disc, draw, polygon, radial, stroke

PICTURE_SIZE = 96
# Wider than what the demo's pictures vary in: outlines, occlusion and smaller shapes besides.
NUISANCE = Nuisance(scale=(0.35, 0.95), stretch=0.18, clutter=8, outlined=0.2, occluded=0.25, noise=18.0)

Shape = Callable[[np.random.Generator], Sequence[Part]]
Corner = tuple[float, float]


def _outline(*points: Corner) -> Shape:
    """The same polygon every time, its corners a little off."""

    def shape(rng: np.random.Generator) -> Sequence[Part]:
        corners = np.array(points)
        return [Part(corners + rng.normal(0, 0.035, corners.shape))]

    return shape


def _pen(*lines: Sequence[Corner]) -> Shape:
    """Lines drawn with a pen of varying width."""

    def shape(rng: np.random.Generator) -> Sequence[Part]:
        width = rng.uniform(0.22, 0.46)
        return [part for line in lines for part in stroke(np.array(line) + rng.normal(0, 0.03, (len(line), 2)), width)]

    return shape


def _corners(count: int) -> Shape:
    return lambda rng: [radial(rng.normal(1, 0.03, count))]


def _frame(count: int) -> Shape:
    """A regular polygon with a hole of the same form in it."""

    def shape(rng: np.random.Generator) -> Sequence[Part]:
        hole = rng.uniform(0.42, 0.68)
        return [radial(np.ones(count)), radial(np.full(count, hole), ink=False)]

    return shape


def _petals(count: int, low: float, high: float) -> Shape:
    """A round outline that swells `count` times."""

    def shape(rng: np.random.Generator) -> Sequence[Part]:
        angles = np.arange(96) * (2 * np.pi / 96)
        depth = rng.uniform(low, high)
        return [radial(1 - depth + depth * np.abs(np.sin(angles * count / 2)))]

    return shape


def _gear(rng: np.random.Generator) -> Sequence[Part]:
    teeth = int(rng.integers(9, 13))
    low = rng.uniform(0.76, 0.84)
    return [
        radial(np.tile([1, 1, 1, low, low, low], teeth)),
        disc(0, 0, rng.uniform(0.25, 0.4), ink=False),
    ]


def _sawblade(rng: np.random.Generator) -> Sequence[Part]:
    teeth = int(rng.integers(9, 13))
    return [radial(np.tile(np.linspace(rng.uniform(0.72, 0.8), 1, 6), teeth))]


def _pie(start: float, low: float, high: float) -> Shape:
    """A disc's slice of that many turns."""

    def shape(rng: np.random.Generator) -> Sequence[Part]:
        stop = start + rng.uniform(low, high)
        return [Part(np.concatenate([[[0.0, 0.0]], arc(1, start, stop)]))]

    return shape


def _horseshoe(rng: np.random.Generator) -> Sequence[Part]:
    turns = rng.uniform(0.64, 0.78)
    return stroke(arc(0.8, -turns / 2, turns / 2), rng.uniform(0.25, 0.4))


def _spiral(rng: np.random.Generator) -> Sequence[Part]:
    t = np.linspace(0.12, 1, 60)
    angle = t * rng.uniform(1.9, 2.4) * 2 * np.pi
    return stroke(np.stack([t * np.sin(angle), -t * np.cos(angle)], axis=1), rng.uniform(0.13, 0.2))


def _wave(rng: np.random.Generator) -> Sequence[Part]:
    x = np.linspace(-1, 1, 40)
    y = np.sin(x * np.pi * rng.uniform(1.6, 2.2)) * rng.uniform(0.28, 0.45)
    return stroke(np.stack([x, y], axis=1), rng.uniform(0.18, 0.32))


def _drop(rng: np.random.Generator) -> Sequence[Part]:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return [Part(np.stack([rng.uniform(0.55, 0.75) * np.sin(t) * np.sin(t / 2) ** 1.5, np.cos(t) * -1], axis=1))]


def _egg(rng: np.random.Generator) -> Sequence[Part]:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return [Part(np.stack([np.sin(t) * (0.68 + rng.uniform(0.16, 0.24) * np.cos(t)), np.cos(t)], axis=1))]


def _lens(rng: np.random.Generator) -> Sequence[Part]:
    bulge = rng.uniform(0.3, 0.5)
    x = np.linspace(-1, 1, 30)
    rim = np.stack([x, bulge * (1 - x**2)], axis=1)
    return [Part(np.concatenate([rim, rim[::-1] * [1, -1]]))]


def _bean(rng: np.random.Generator) -> Sequence[Part]:
    return stroke(arc(0.62, -0.2, 0.2), rng.uniform(0.62, 0.78))


def _cloud(rng: np.random.Generator) -> Sequence[Part]:
    lumps = [(-0.62, 0.18, 0.38), (-0.2, -0.2, 0.48), (0.35, -0.08, 0.42), (0.7, 0.22, 0.3)]
    return [
        polygon((-0.62, 0.2), (0.7, 0.2), (0.7, 0.54), (-0.62, 0.56)),
        *(disc(x + rng.normal(0, 0.05), y, r) for x, y, r in lumps),
    ]


def _dots(*places: Corner) -> Shape:
    def shape(rng: np.random.Generator) -> Sequence[Part]:
        radius = rng.uniform(0.24, 0.36)
        return [disc(x, y, radius) for x, y in places]

    return shape


def _bars(rng: np.random.Generator) -> Sequence[Part]:
    half = rng.uniform(0.14, 0.2)
    return [polygon((-1, y - half), (1, y - half), (1, y + half), (-1, y + half)) for y in (-0.7, 0.0, 0.7)]


def _dumbbell(rng: np.random.Generator) -> Sequence[Part]:
    radius = rng.uniform(0.34, 0.46)
    return [disc(-0.7, 0, radius), disc(0.7, 0, radius), *stroke([(-0.7, 0), (0.7, 0)], rng.uniform(0.14, 0.26))]


def _lollipop(rng: np.random.Generator) -> Sequence[Part]:
    return [disc(0, -0.5, rng.uniform(0.42, 0.55)), *stroke([(0, 0), (0, 1)], rng.uniform(0.12, 0.24))]


def _key(rng: np.random.Generator) -> Sequence[Part]:
    width = rng.uniform(0.16, 0.24)
    bits = [*stroke([(0.55, 0), (0.55, 0.4)], width), *stroke([(0.95, 0), (0.95, 0.4)], width)]
    return [disc(-0.6, 0, 0.45), disc(-0.6, 0, 0.2, ink=False), *stroke([(-0.2, 0), (1, 0)], width), *bits]


def _fish(rng: np.random.Generator) -> Sequence[Part]:
    return [disc(-0.25, 0, 0.75, height=rng.uniform(0.38, 0.5)), polygon((0.2, 0), (1, -0.5), (0.85, 0), (1, 0.5))]


def _mushroom(rng: np.random.Generator) -> Sequence[Part]:
    stem = rng.uniform(0.2, 0.34)
    return [Part(arc(0.95, -0.25, 0.25)), polygon((-stem, -0.05), (stem, -0.05), (stem * 1.2, 0.9), (-stem * 1.2, 0.9))]


def _umbrella(rng: np.random.Generator) -> Sequence[Part]:
    hook = arc(0.2, 0.25, 0.75, centre=(0.2, 0.75))
    handle = np.concatenate([[[0.0, -0.1]], hook[::-1] * [1, 1]])
    return [Part(arc(0.95, -0.25, 0.25)), *stroke(handle, rng.uniform(0.1, 0.17))]


def _bell(rng: np.random.Generator) -> Sequence[Part]:
    dome = [(-0.9, 0.6), (-0.6, 0.3), (-0.5, -0.3), (-0.25, -0.75), (0.25, -0.75), (0.5, -0.3), (0.6, 0.3), (0.9, 0.6)]
    return [polygon(*dome), disc(0, 0.72, rng.uniform(0.18, 0.26)), disc(0, -0.85, 0.14)]


def _mug(rng: np.random.Generator) -> Sequence[Part]:
    return [
        disc(0.5, 0, 0.5),
        disc(0.5, 0, rng.uniform(0.24, 0.34), ink=False),
        polygon((-0.9, -0.85), (0.5, -0.85), (0.5, 0.85), (-0.9, 0.85)),
    ]


def _bottle(rng: np.random.Generator) -> Sequence[Part]:
    neck, body = rng.uniform(0.13, 0.2), rng.uniform(0.38, 0.5)
    half = [(neck, -1.0), (neck, -0.45), (body, -0.1), (body, 1.0)]
    return [polygon(*half, *((-x, y) for x, y in reversed(half)))]


def _keyhole(rng: np.random.Generator) -> Sequence[Part]:
    foot = rng.uniform(0.4, 0.6)
    return [disc(0, -0.45, 0.55), polygon((-0.15, -0.3), (0.15, -0.3), (foot, 1), (-foot, 1))]


def _window(rng: np.random.Generator) -> Sequence[Part]:
    bar = rng.uniform(0.09, 0.16)
    low, high = bar, 1 - 1.4 * bar
    panes = [(x, y) for x in (-1, 1) for y in (-1, 1)]
    holes = (
        polygon(*((x * a, y * b) for a, b in ((low, low), (high, low), (high, high), (low, high))), ink=False)
        for x, y in panes
    )
    return [polygon((-1, -1), (1, -1), (1, 1), (-1, 1)), *holes]


def _target(rng: np.random.Generator) -> Sequence[Part]:
    return [disc(0, 0, 1), disc(0, 0, rng.uniform(0.68, 0.78), ink=False), disc(0, 0, rng.uniform(0.38, 0.5))]


def _button(rng: np.random.Generator) -> Sequence[Part]:
    away, hole = rng.uniform(0.32, 0.42), rng.uniform(0.14, 0.2)
    return [disc(0, 0, 1), disc(-away, 0, hole, ink=False), disc(away, 0, hole, ink=False)]


def _checker(rng: np.random.Generator) -> Sequence[Part]:
    squares = [(x, y) for x in range(3) for y in range(3) if (x + y) % 2 == 0]
    grown = rng.uniform(0.5, 0.56)
    return [
        polygon(*((x + a * grown, y + b * grown) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)))) for x, y in squares
    ]


def _tree(rng: np.random.Generator) -> Sequence[Part]:
    stem = rng.uniform(0.1, 0.2)
    tiers = [
        polygon((0, top), (wide, top + 0.75), (-wide, top + 0.75))
        for top, wide in ((-1, 0.5), (-0.55, 0.7), (-0.1, 0.9))
    ]
    return [*tiers, polygon((-stem, 0.5), (stem, 0.5), (stem, 1), (-stem, 1))]


def _house(rng: np.random.Generator) -> Sequence[Part]:
    door = rng.uniform(0.14, 0.24)
    return [
        polygon((0, -1), (0.75, -0.2), (0.75, 0.9), (-0.75, 0.9), (-0.75, -0.2)),
        polygon((-door, 0.3), (door, 0.3), (door, 0.95), (-door, 0.95), ink=False),
    ]


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        'disc': lambda rng: [disc(0, 0, 1)],
        'triangle': _corners(3),
        'square': _corners(4),
        'pentagon': _corners(5),
        'hexagon': _corners(6),
        'bar': _outline((-1, -0.25), (1, -0.25), (1, 0.25), (-1, 0.25)),
        'ellipse': lambda rng: [disc(0, 0, 1, height=rng.uniform(0.35, 0.55))],
        'right_triangle': _outline((-0.7, -1), (0.7, 1), (-0.7, 1)),
        'trapezoid': _outline((-0.45, -0.55), (0.45, -0.55), (1, 0.55), (-1, 0.55)),
        'parallelogram': _outline((-0.5, -0.5), (1, -0.5), (0.5, 0.5), (-1, 0.5)),
        'kite': _outline((0, -0.7), (0.6, -0.25), (0, 1), (-0.6, -0.25)),
        'rhombus': _outline((0, -1), (0.5, 0), (0, 1), (-0.5, 0)),
        'house': _house,
        'hourglass': _outline((-0.65, -1), (0.65, -1), (0.1, 0), (0.65, 1), (-0.65, 1), (-0.1, 0)),
        'stairs': _outline((-1, 1), (-1, 0.4), (-0.4, 0.4), (-0.4, -0.2), (0.2, -0.2), (0.2, -0.8), (1, -0.8), (1, 1)),
        'lightning': _outline((0.2, -1), (-0.6, 0.15), (-0.05, 0.1), (-0.3, 1), (0.6, -0.3), (0.05, -0.2), (0.55, -1)),
        'boomerang': _outline((-1, 0.7), (-0.15, -0.8), (0.15, -0.8), (1, 0.7), (0.75, 0.75), (0, -0.1), (-0.75, 0.75)),
        'crown': _outline((-1, 0.6), (-1, -0.6), (-0.5, 0.0), (0, -0.7), (0.5, 0.0), (1, -0.6), (1, 0.6)),
        'flag': _outline((-0.8, -1), (0.9, -0.55), (-0.6, -0.1), (-0.6, 1), (-0.8, 1)),
        'half_disc': _pie(0, 0.47, 0.53),
        'quarter_disc': _pie(0, 0.23, 0.3),
        'open_disc': _pie(0, 0.72, 0.86),
        'horseshoe': _horseshoe,
        'ring': _frame(40),
        'triangle_frame': _frame(3),
        'square_frame': _frame(4),
        'letter_l': _pen([(-0.5, -1), (-0.5, 0.9), (0.6, 0.9)]),
        'letter_t': _pen([(-0.8, -0.9), (0.8, -0.9)], [(0, -0.9), (0, 1)]),
        'letter_u': _pen([(-0.7, -1), (-0.7, 0.8), (0.7, 0.8), (0.7, -1)]),
        'letter_z': _pen([(-0.8, -0.9), (0.8, -0.9), (-0.8, 0.9), (0.8, 0.9)]),
        'letter_h': _pen([(-0.7, -1), (-0.7, 1)], [(0.7, -1), (0.7, 1)], [(-0.7, 0), (0.7, 0)]),
        'letter_e': _pen([(0.6, -1), (-0.6, -1), (-0.6, 1), (0.6, 1)], [(-0.6, 0), (0.5, 0)]),
        'letter_f': _pen([(0.6, -1), (-0.6, -1), (-0.6, 1)], [(-0.6, -0.1), (0.4, -0.1)]),
        'letter_y': _pen([(0, 0), (0, 1)], [(-0.87, -0.5), (0, 0), (0.87, -0.5)]),
        'letter_v': _pen([(-0.7, -1), (0, 0.9), (0.7, -1)]),
        'letter_w': _pen([(-1, -0.7), (-0.5, 0.7), (0, -0.6), (0.5, 0.7), (1, -0.7)]),
        'letter_a': _pen([(-0.7, 1), (0, -1), (0.7, 1)], [(-0.4, 0.35), (0.4, 0.35)]),
        'letter_k': _pen([(-0.5, -1), (-0.5, 1)], [(0.6, -1), (-0.5, 0), (0.6, 1)]),
        'letter_p': _pen([(-0.4, 1), (-0.4, -0.9), (0.4, -0.8), (0.6, -0.4), (0.4, 0), (-0.4, 0.1)]),
        'hook': _pen([(0.4, -1), (0.4, 0.5), (0.2, 0.9), (-0.2, 0.9), (-0.5, 0.5)]),
        'ladder': _pen(
            [(-0.6, -1), (-0.6, 1)], [(0.6, -1), (0.6, 1)], [(-0.6, -0.5), (0.6, -0.5)], [(-0.6, 0.5), (0.6, 0.5)]
        ),
        'two_lines': _pen([(-1, -0.5), (1, -0.5)], [(-1, 0.5), (1, 0.5)]),
        'three_bars': _bars,
        'two_dots': _dots((-0.65, 0), (0.65, 0)),
        'three_dots': _dots((0, -0.75), (0.65, 0.375), (-0.65, 0.375)),
        'dots_in_line': _dots((-1, 0), (0, 0), (1, 0)),
        'four_dots': _dots((-0.6, -0.6), (0.6, -0.6), (0.6, 0.6), (-0.6, 0.6)),
        'three_petals': _petals(3, 0.6, 0.75),
        'six_petals': _petals(6, 0.35, 0.55),
        'gear': _gear,
        'sawblade': _sawblade,
        'spiral': _spiral,
        'wave': _wave,
        'drop': _drop,
        'egg': _egg,
        'lens': _lens,
        'bean': _bean,
        'cloud': _cloud,
        'dumbbell': _dumbbell,
        'lollipop': _lollipop,
        'key': _key,
        'fish': _fish,
        'mushroom': _mushroom,
        'umbrella': _umbrella,
        'bell': _bell,
        'mug': _mug,
        'bottle': _bottle,
        'keyhole': _keyhole,
        'window': _window,
        'target': _target,
        'button': _button,
        'checker': _checker,
        'tree': _tree,
    }
)
TRAINING_CLASSES = tuple(SHAPES)


def draw_class(class_id: int, count: int, seed: int) -> NDArray[np.uint8]:
    """That many pictures of one class, uint8[count,96,96,3]; the first ones stay the same when more are drawn."""
    return np.stack([draw_picture(class_id, np.random.default_rng((seed, class_id, k))) for k in range(count)])


def draw_picture(class_id: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One picture of the class, uint8[96,96,3]."""
    shape = SHAPES[TRAINING_CLASSES[class_id]]
    return np.asarray(draw(shape(rng), rng, size=PICTURE_SIZE, nuisance=NUISANCE))
