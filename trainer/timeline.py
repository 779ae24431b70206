"""A recording along time: what is true, what the model says, where they differ, and how strongly it says it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from preprocess import files
from trainer.drawings import Drawing
from trainer.moments import Ints
from trainer.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Seconds = NDArray[np.float64]
# Where two frames are further apart than so many usual distances, nothing is known of what lies between.
_GAP = 3.0
# Columns a picture can tell apart: of more frames, each column shows what most of its frames are.
_COLUMNS = 1600
_INCHES = (10.2, 2.5)
_MOST_NAMED = 12
_INK, _MUTED, _RULE, _WRONG = '#16202c', '#5b6876', '#e1e6eb', '#c85414'
_UNKNOWN = '#ffffff'
# One class against another: the one looked for stands out. More classes than colours share them.
_POSITIVE, _NEGATIVE = '#1f5fbf', '#d3dae2'
_COLOURS = (
    '#1f5fbf',
    '#e0a63a',
    '#3f9b6b',
    '#b8578e',
    '#6f9bdc',
    '#8a6a3c',
    '#7f62b3',
    '#5fb3bd',
    '#a9c34f',
    '#d98b73',
    '#4a5a6a',
    '#c9b8e0',
)
_NO_LABEL = -1


@dataclass(frozen=True, eq=False)
class Timeline:
    """One recording; class ids by frame, -1 without a label, and a score by frame where one is drawn."""

    video: str
    times: Seconds  # when each frame begins, ascending
    ends: Seconds  # until when it stands for the recording
    truth: Ints
    said: Ints
    scores: NDArray[np.float64]
    score_name: str
    marks: tuple[tuple[str, float], ...]  # thresholds to draw, by name
    label_names: tuple[str, ...]
    positive: int | None

    @property
    def labelled(self) -> int:
        """How many frames have a label."""
        return int(np.count_nonzero(self.truth != _NO_LABEL))

    @property
    def right(self) -> int:
        """For how many of them it is what the model says."""
        return int(np.count_nonzero((self.truth == self.said) & (self.truth != _NO_LABEL)))

    @property
    def name(self) -> str:
        """The recording's name, without its folder."""
        return files.name(self.video.split(';')[0]) or self.video

    @property
    def seconds_of_a_column(self) -> float | None:
        """How much time a column of the picture stands for, where single frames can't be seen."""
        return float(self.ends[-1] - self.times[0]) / _COLUMNS if len(self.times) > _COLUMNS else None


def of(
    predictions: Predictions, *, positive: int | None = None, marks: Sequence[tuple[str, float | None]] = ()
) -> Iterator[Timeline]:
    """The timeline of every recording; `positive` is the class whose score is drawn, else the highest score is."""
    moments = predictions.moments
    if moments is None:
        return
    ids = {name: index for index, name in enumerate(predictions.label_names)}
    for video, rows in moments.by_video():
        scores = predictions.scores[rows]
        times = moments.times[rows]
        yield Timeline(
            video=video,
            times=times,
            ends=_ends(times),
            truth=np.array([ids.get(predictions.labels[row], _NO_LABEL) for row in rows], np.int64),
            said=np.array([ids.get(predictions.predicted[row], _NO_LABEL) for row in rows], np.int64),
            scores=np.asarray(scores.max(axis=1) if positive is None else scores[:, positive], np.float64),
            score_name='highest score' if positive is None else f'score of {predictions.label_names[positive]}',
            marks=tuple((name, mark) for name, mark in marks if mark is not None),
            label_names=predictions.label_names,
            positive=positive,
        )


def _ends(times: Seconds) -> Seconds:
    """Until when each frame stands: the next one, or the usual distance where that is far away."""
    apart = np.diff(times)
    usual = float(np.median(apart[apart > 0])) if np.any(apart > 0) else 1.0
    lasting = np.append(np.where(apart > _GAP * usual, usual, apart), usual)
    return np.asarray(times + lasting, np.float64)


@dataclass(frozen=True, eq=False)
class _Runs:
    """Stretches of one class."""

    starts: Seconds
    widths: Seconds
    classes: Ints


def _runs(starts: Seconds, ends: Seconds, classes: Ints) -> _Runs:
    """Neighbours of one class in one."""
    begins = np.ones(len(classes), bool)
    begins[1:] = (np.diff(classes) != 0) | (starts[1:] > ends[:-1] + 1e-9)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(classes)) - 1
    return _Runs(starts[first], ends[last] - starts[first], classes[first])


def _columned(one: Timeline, classes: Ints) -> _Runs:
    """The stretches of a lane: of frames, or of columns that have the class of most of their frames."""
    if len(one.times) <= _COLUMNS:
        return _runs(one.times, one.ends, classes)
    column = _columns(one)
    votes = np.zeros((_COLUMNS, len(one.label_names) + 1), np.int64)
    np.add.at(votes, (column, classes), 1)  # -1 counts in the last one
    winner = votes.argmax(axis=1)
    winner[winner == len(one.label_names)] = _NO_LABEL
    there = np.flatnonzero(votes.sum(axis=1))
    edges = np.linspace(one.times[0], one.ends[-1], _COLUMNS + 1)
    return _runs(edges[:-1][there], edges[1:][there], winner[there])


def _columns(one: Timeline) -> Ints:
    """The column of each frame."""
    whole = one.ends[-1] - one.times[0]
    places = ((one.times - one.times[0]) / whole * _COLUMNS).astype(np.int64)
    return np.asarray(np.clip(places, 0, _COLUMNS - 1), np.int64)


def draw(one: Timeline) -> Drawing:
    """The picture."""
    from trainer import drawings

    return drawings.render(_figure(one))


def _figure(one: Timeline) -> 'Figure':
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES)
    lanes, score = figure.subplots(2, 1, sharex=True, gridspec_kw={'height_ratios': [1, 1.15], 'hspace': 0.12})
    _draw_lanes(lanes, one)
    _draw_score(score, one)
    score.set_xlim(one.times[0], one.ends[-1])
    score.xaxis.set_major_formatter(_clock(float(one.ends[-1])))
    for axes in (lanes, score):
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(length=0, labelsize=8, colors=_MUTED)
    _draw_legend(figure, one)
    return figure


def _draw_lanes(axes: 'Axes', one: Timeline) -> None:
    wrong = np.where((one.truth != one.said) & (one.truth != _NO_LABEL), 1, _NO_LABEL)
    for bottom, height, classes in ((2.3, 1.0, one.truth), (1.2, 1.0, one.said), (0.6, 0.4, wrong)):
        runs = _columned(one, classes)
        colours = [_WRONG if classes is wrong and c >= 0 else _colour(one, int(c)) for c in runs.classes]
        # Without anti-aliasing: light seams between neighbours would look like frames of another class.
        axes.broken_barh(
            list(zip(runs.starts, runs.widths, strict=True)), (bottom, height), facecolors=colours, antialiased=False
        )
    axes.set_yticks([2.8, 1.7, 0.8], ['label', 'model', 'differ'])
    axes.set_ylim(0.5, 3.4)


def _draw_score(axes: 'Axes', one: Timeline) -> None:
    line = _score_line(one)
    axes.fill_between(line.times, line.low, line.high, color=_POSITIVE, alpha=0.22, linewidth=0)
    axes.plot(line.times, line.mean, color=_POSITIVE, linewidth=0.9)
    for name, mark in one.marks:
        axes.axhline(mark, color=_MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(
            name,
            (1.004, mark),
            xycoords=('axes fraction', 'data'),
            fontsize=7.5,
            color=_MUTED,
            va='center',
            parse_math=False,
        )
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0, 0.5, 1], ['0', '0.5', '1'])
    axes.set_axisbelow(True)
    axes.grid(axis='y', color=_RULE, linewidth=0.7)
    axes.annotate(
        _short(one.score_name),
        (0, 1.0),
        xytext=(2, 2),
        textcoords='offset points',
        xycoords='axes fraction',
        fontsize=7.5,
        color=_MUTED,
        parse_math=False,
    )


@dataclass(frozen=True, eq=False)
class _Line:
    """Mean, least and greatest score over time, of frames or of columns; NaN where the line breaks."""

    times: Seconds
    mean: Seconds
    low: Seconds
    high: Seconds


def _score_line(one: Timeline) -> _Line:
    times, ends, mean, low, high = one.times, one.ends, one.scores, one.scores, one.scores
    if len(times) > _COLUMNS:
        column = _columns(one)
        counts = np.bincount(column, minlength=_COLUMNS)
        there = np.flatnonzero(counts)
        edges = np.linspace(one.times[0], one.ends[-1], _COLUMNS + 1)
        times, ends = edges[:-1][there], edges[1:][there]
        mean = np.bincount(column, one.scores, _COLUMNS)[there] / counts[there]
        first = np.searchsorted(column, there)
        low, high = np.minimum.reduceat(one.scores, first), np.maximum.reduceat(one.scores, first)
    cuts = np.flatnonzero(times[1:] > ends[:-1] + 1e-9) + 1
    broken = [np.insert(values, cuts, np.nan) for values in (mean, low, high)]
    return _Line(np.insert(times, cuts, ends[cuts - 1]), *broken)


def _draw_legend(figure: 'Figure', one: Timeline) -> None:
    from matplotlib.patches import Patch

    found = sorted({*one.truth.tolist(), *one.said.tolist()} - {_NO_LABEL})
    more = len(found) - _MOST_NAMED
    named = [(_short(one.label_names[index]), _colour(one, index)) for index in found[:_MOST_NAMED]]
    named += [(f'and {more} more', _UNKNOWN)] if more > 0 else []
    handles = [Patch(facecolor=colour, edgecolor='none', label=name) for name, colour in named]
    legend = figure.legend(
        handles=handles,
        loc='lower left',
        bbox_to_anchor=(0.125, 0.9),
        ncols=6,
        frameon=False,
        fontsize=8,
        handlelength=1.0,
        handleheight=0.9,
        columnspacing=1.4,
        labelcolor=_INK,
        borderaxespad=0,
        borderpad=0,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _colour(one: Timeline, index: int) -> str:
    if index == _NO_LABEL:
        return _UNKNOWN
    if one.positive is not None and len(one.label_names) == 2:
        return _POSITIVE if index == one.positive else _NEGATIVE
    return _COLOURS[index % len(_COLOURS)]


def _clock(longest: float) -> Any:
    """An axis' formatter: seconds, minutes or hours, as the length of the recording wants it."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda seconds, _: clock(seconds, longest=longest))


def clock(seconds: float, *, longest: float) -> str:
    """12.5 as 12.5 s, 0:12 or 0:00:12, by the longest time beside it."""
    if longest < 60:
        return f'{seconds:g} s'
    minutes, rest = divmod(round(seconds), 60)
    if longest < 3600:
        return f'{minutes}:{rest:02d}'
    return f'{minutes // 60}:{minutes % 60:02d}:{rest:02d}'


def _short(name: str) -> str:
    shown = ''.join(letter if letter.isprintable() else '·' for letter in name)
    return shown if len(shown) <= 26 else f'{shown[:25]}…'
