"""The geometry of line charts, so that a template only has to write it down as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.wording import decimal

WIDTH, HEIGHT = 350, 220
_RIGHT, _TOP, _BOTTOM = 6, 10, 26
# How wide a digit of the axes is, and the room beside it.
_LETTER, _GAP = 7.0, 14.0
# More points than pixels add nothing but bytes.
_MOST_POINTS = 400
_TICKS = 5


@dataclass(frozen=True)
class Series:
    """One line of a chart: y over x; None where y was not measured."""

    name: str
    style: str  # a class of the style sheet
    xs: tuple[float, ...]
    ys: tuple[float | None, ...]
    legend: str | None = None  # instead of its last value


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it is drawn, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A drawn series: its points as SVG's polyline takes them, the last of them, and its value in words."""

    name: str
    legend: str
    style: str
    points: str
    end: tuple[float, float]
    last: str


@dataclass(frozen=True)
class Chart:
    """Everything to be drawn, in pixels from the top left."""

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_title: str
    left: float
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def line_chart(
    title: str, series: Sequence[Series], *, x_title: str, top: float | None = None, whole: bool = True
) -> Chart | None:
    """A chart of the series that have a value; None when none has.

    `top` is the largest y there can be; `whole` says that x counts something, so that only whole numbers are marked.
    """
    drawn = [_measured(one) for one in series if any(y is not None for y in one.ys)]
    if not drawn:
        return None
    ys = [y for one in drawn for y in one.ys if y is not None]
    last_x = max(1.0, *(x for one in drawn for x in one.xs))
    low, high, y_step = _axis(min(ys), max(ys), limit=top)
    marks = _multiples(y_step, low, high)
    x_step = max(_step(last_x), 1.0) if whole else _step(last_x)
    left = _GAP + _LETTER * max(len(_number(y)) for y in marks)
    across = _Scale(0, last_x, left, WIDTH - _RIGHT)
    down = _Scale(low, high, HEIGHT - _BOTTOM, _TOP)
    return Chart(
        title=title,
        lines=tuple(_line(one, across, down) for one in drawn),
        x_ticks=tuple(Tick(across(x), _number(x)) for x in _multiples(x_step, 0, last_x)),
        y_ticks=tuple(Tick(down(y), _number(y)) for y in marks),
        x_title=x_title,
        left=left,
    )


def _measured(series: Series) -> Series:
    """The series without the places where nothing was measured."""
    known = [(x, y) for x, y in zip(series.xs, series.ys, strict=True) if y is not None]
    xs, ys = zip(*known, strict=True)
    return Series(series.name, series.style, xs, ys, series.legend)


@dataclass(frozen=True)
class _Scale:
    """Values from `low` to `high` as pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return round(self.start + share * (self.end - self.start), 1)


def _line(series: Series, across: _Scale, down: _Scale) -> Line:
    points = [(across(x), down(y)) for x, y in zip(series.xs, series.ys, strict=True) if y is not None]
    stride = -(-len(points) // _MOST_POINTS)
    # Counted from the end: the last point is always drawn.
    kept = points[::-stride][::-1]
    text = ' '.join(f'{x},{y}' for x, y in kept)
    last = decimal(series.ys[-1])
    legend = series.legend or f'{series.name}, at last {last}'
    return Line(series.name, legend, series.style, text, kept[-1], last)


def _axis(low: float, high: float, *, limit: float | None) -> tuple[float, float, float]:
    """An axis that holds all values and ends on round numbers."""
    spread = high - low or abs(high) or 1.0
    step = _step(spread)
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    if top == bottom:
        bottom, top = bottom - step, top + step
    return max(bottom, 0.0) if low >= 0 else bottom, min(top, limit) if limit is not None else top, step


def _step(spread: float) -> float:
    """The round number (1, 2 or 5 times a power of ten) that divides a spread about five times."""
    raw = spread / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)


def _multiples(step: float, low: float, high: float) -> list[float]:
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f'{value:,.0f}' if abs(value) >= 1000 else f'{value:.6g}'
