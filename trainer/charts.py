"""The geometry of line charts, so that a template only has to write it down as SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 350, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 6, 10, 26
# More points than pixels add nothing but bytes.
_MOST_POINTS = 400
_TICKS = 5


@dataclass(frozen=True)
class Series:
    """One line of a chart: y over x, with gaps where y is None."""

    name: str
    style: str  # a class of the style sheet
    xs: tuple[float, ...]
    ys: tuple[float | None, ...]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it is drawn, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A drawn series: runs of points as SVG's polyline takes them, and the last value in words."""

    name: str
    style: str
    runs: tuple[str, ...]
    end: tuple[float, float] | None
    last: str


@dataclass(frozen=True)
class Chart:
    """Everything to be drawn, in pixels from the top left."""

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_title: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def line_chart(title: str, series: Sequence[Series], *, x_title: str, top: float | None = None) -> Chart | None:
    """A chart of the series that have a value; None when none has. `top` is the largest y there can be."""
    drawn = [one for one in series if any(y is not None for y in one.ys)]
    if not drawn:
        return None
    ys = [y for one in drawn for y in one.ys if y is not None]
    xs = [x for one in drawn for x in one.xs]
    low, high, y_step = _axis(min(ys), max(ys), limit=top)
    x_step = max(_step(max(max(xs), 1)), 1.0)
    across = _Scale(0, max(max(xs), 1), _LEFT, WIDTH - _RIGHT)
    down = _Scale(low, high, HEIGHT - _BOTTOM, _TOP)
    return Chart(
        title=title,
        lines=tuple(_line(one, across, down) for one in drawn),
        x_ticks=tuple(Tick(across(x), f'{x:,.0f}') for x in _multiples(x_step, 0, max(max(xs), 1))),
        y_ticks=tuple(Tick(down(y), _number(y, y_step)) for y in _multiples(y_step, low, high)),
        x_title=x_title,
    )


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
    points = [(x, y) for x, y in zip(series.xs, series.ys, strict=True)]
    stride = -(-len(points) // _MOST_POINTS)
    # The last point is always one of those drawn.
    kept = points[::-stride][::-1] if points else []
    runs = tuple(' '.join(f'{across(x)},{down(y)}' for x, y in run) for run in _unbroken(kept))
    last = next((point for point in reversed(kept) if point[1] is not None), None)
    end = (across(last[0]), down(last[1])) if last and last[1] is not None else None
    return Line(series.name, series.style, runs, end, f'{last[1]:.3f}' if last else '')


def _unbroken(points: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for x, y in points:
        if y is not None:
            run.append((x, y))
        elif run:
            yield run
            run = []
    if run:
        yield run


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


def _number(value: float, step: float) -> str:
    return f'{value:,.{max(0, -math.floor(math.log10(step)))}f}'
