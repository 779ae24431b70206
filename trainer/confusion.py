"""The confusion matrix as a picture: right answers blue, wrong ones orange, the darker the larger their share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer import drawings
from trainer.drawings import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS_PER_INCH = 72
# Inches. The picture grows with its classes until cells just hold a number, and beyond a hundred classes no further.
_LARGEST_CELL, _NUMBERED_CELL = 0.75, 0.17
_USUAL_SIDE, _LARGEST_SIDE = 9.0, 17.0
_DARK = 0.45  # the share from which a cell wants white letters
_LONGEST_NAME = 26
_MOST_NAMES = 120  # on an axis; beyond, every n-th is named
_RIGHT, _WRONG, _WHITE = np.array([31, 95, 191]), np.array([200, 84, 20]), np.array([255, 255, 255])
_INK, _MUTED = '#16202c', '#5b6876'


@dataclass(frozen=True, eq=False)
class Grid:
    """Counts to draw: `share` is each cell's part of what it could have been, `right` where the answers are right."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]
    share: NDArray[np.float64]
    right: NDArray[np.bool_]
    row_title: str
    column_title: str


def of_classes(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> Grid:
    """The usual square: a row for each true class, a column for each predicted one."""
    counts = np.array(matrix, np.int64)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return Grid(tuple(names), tuple(names), counts, share, np.eye(len(names), dtype=bool), 'label', 'prediction')


def of_labels(true: NDArray[np.bool_], predicted: NDArray[np.bool_], names: Sequence[str]) -> Grid:
    """With several labels a picture: a row for each label, a column for each of the four ways it can go."""
    cells = [true & predicted, true & ~predicted, ~true & predicted, ~true & ~predicted]
    counts = np.stack([cell.sum(axis=0) for cell in cells], axis=1).astype(np.int64)
    whole = np.stack([true.sum(axis=0)] * 2 + [(~true).sum(axis=0)] * 2, axis=1)
    columns = ('found', 'missed', 'false alarm', 'rightly absent')
    right = np.tile([True, False, False, True], (len(names), 1))
    return Grid(tuple(names), columns, counts, counts / np.maximum(whole, 1), right, 'label', '')


def draw(grid: Grid) -> Drawing:
    """The picture; needs no screen."""
    from matplotlib.figure import Figure

    height, width = grid.counts.shape
    cell = _cell_inches(max(height, width))
    figure = Figure(figsize=(cell * width, cell * height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(_colours(grid), aspect='auto', interpolation='nearest')
    _rule(axes, height, width)
    size = float(np.clip(cell * _POINTS_PER_INCH * 0.36, 4.5, 10))
    _name_axes(axes, grid, _Lettering(cell * _POINTS_PER_INCH, size))
    if cell >= _NUMBERED_CELL:
        _number_cells(axes, grid, _Lettering(cell * _POINTS_PER_INCH, size))
    return drawings.render(figure)


def _cell_inches(classes: int) -> float:
    usual = float(np.clip(_USUAL_SIDE / classes, _NUMBERED_CELL, _LARGEST_CELL))
    return min(usual, _LARGEST_SIDE / classes)


@dataclass(frozen=True)
class _Lettering:
    """How wide a cell is and how large its letters, both in points."""

    cell: float
    size: float


def _colours(grid: Grid) -> NDArray[np.uint8]:
    hue = np.where(grid.right[:, :, None], _RIGHT, _WRONG)
    # The root lifts rare mistakes off the white.
    strength = np.sqrt(grid.share)[:, :, None]
    colours: NDArray[np.uint8] = np.rint(_WHITE + (hue - _WHITE) * strength).astype(np.uint8)
    return colours


def _rule(axes: 'Axes', height: int, width: int) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(width + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(height + 1) - 0.5, minor=True)
    axes.grid(which='minor', color='#e3e7ec', linewidth=0.6)
    axes.tick_params(which='both', length=0)


def _name_axes(axes: 'Axes', grid: Grid, lettering: _Lettering) -> None:
    columns = [_short(name) for name in grid.columns]
    # A letter is about 0.6 of its size wide.
    upright = max(map(len, columns)) * lettering.size * 0.6 < lettering.cell
    step = -(-max(grid.counts.shape) // _MOST_NAMES)
    # A dollar in a label is no formula.
    style: dict[str, Any] = {'fontsize': lettering.size, 'color': _INK, 'parse_math': False}
    axes.set_xticks(range(0, len(columns), step), columns[::step], rotation=0 if upright else 90, **style)
    axes.set_yticks(range(0, len(grid.rows), step), [_short(name) for name in grid.rows][::step], **style)
    axes.xaxis.set_ticks_position('top')
    axes.xaxis.set_label_position('top')
    axes.tick_params(which='both', length=0)
    axes.set_xlabel(grid.column_title, fontsize=max(lettering.size, 8), color=_MUTED, labelpad=8)
    axes.set_ylabel(grid.row_title, fontsize=max(lettering.size, 8), color=_MUTED, labelpad=8)


def _number_cells(axes: 'Axes', grid: Grid, lettering: _Lettering) -> None:
    for row, column in np.argwhere(grid.counts > 0):
        text = f'{grid.counts[row, column]:,}'
        axes.text(
            column,
            row,
            text,
            ha='center',
            va='center',
            # Long numbers stay within their cell.
            fontsize=min(lettering.size, lettering.cell * 1.5 / len(text)),
            color='white' if grid.share[row, column] > _DARK else _INK,
        )


def _short(name: str) -> str:
    """A name that fits an axis; control characters, which no font has, become dots."""
    shown = ''.join(letter if letter.isprintable() else '·' for letter in name)
    return shown if len(shown) <= _LONGEST_NAME else f'{shown[: _LONGEST_NAME - 1]}…'
