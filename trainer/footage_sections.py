"""What the report says of thresholds, of each group, and of recordings along time."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainer import charts, groups
from trainer.charts import Chart, Series
from trainer.findings import Findings, Section
from trainer.groups import GroupFigures
from trainer.metrics import Metrics
from trainer.thresholds import Point, Roc, ThresholdFigures
from trainer.timeline_pictures import Pictures, Shown
from trainer.wording import decimal

# Groups in the table; metrics.json has all of them.
_MOST_GROUPS = 60


@dataclass(frozen=True)
class _NamedPoint:
    name: str
    point: Point


@dataclass(frozen=True)
class _Thresholds:
    note: str
    label: str | None  # the class looked for, where there is one
    points: tuple[_NamedPoint, ...]
    per_class: Mapping[str, ThresholdFigures]  # where there is none
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Groups:
    """The table of groups."""

    note: str
    groups: tuple[tuple[str, GroupFigures], ...]
    more: int
    has_positive: bool


@dataclass(frozen=True)
class Timelines:
    """Pictures of recordings."""

    note: str
    shown: tuple[Shown, ...]


def thresholds(findings: Findings) -> Section | None:
    """From which score on an answer should be yes."""
    found = findings.evaluation.eval.metrics
    positive = found.positive if isinstance(found, Metrics) else None
    figures = found.thresholds.get(positive.label) if positive else None
    if figures is None:
        if positive or not found.thresholds:
            return None
        note = (
            'Each label against all others, by its score alone. Youden’s J is the true positive rate minus the false '
            'positive rate, at the score from which on it is largest: 0 is guessing, 1 is perfect.'
        )
        return Section('thresholds', 'Thresholds', _Thresholds(note, None, (), found.thresholds, ()))
    label = positive.label if positive else ''
    note = (
        f'What calling everything {label} that scores the threshold or more comes to: the share of all answers that '
        f'are right, of {label} that is found, of the rest that is called {label}, and Youden’s J, the difference of '
        'these two. Where one label is rare, accuracy says little: never giving it is right most of the time. J and '
        'the area under the curve don’t reward that: 0 and 0.5 are guessing.'
    )
    chart = roc_chart(findings.roc) if findings.roc else None
    view = _Thresholds(note, label, _points(figures), {}, (chart,) if chart else ())
    return Section('thresholds', 'Thresholds', view)


def _points(figures: ThresholdFigures) -> tuple[_NamedPoint, ...]:
    best = [_NamedPoint('best J', figures.best_youden), _NamedPoint('best accuracy', figures.best_accuracy)]
    return (*best, *(_NamedPoint('', point) for point in figures.at))


def roc_chart(roc: Roc) -> Chart | None:
    """The curve, beside guessing."""
    false_rate, true_rate = roc.curve()
    model = Series(
        'model', 'eval', tuple(false_rate.tolist()), tuple(true_rate.tolist()), f'model, area {decimal(roc.area)}'
    )
    chance = Series('guessing', 'train', (0.0, 1.0), (0.0, 1.0), 'guessing, area 0.500')
    return charts.line_chart('True positive rate', [chance, model], x_title='false positive rate', top=1.0, whole=False)


def groups_view(per_group: Mapping[str, GroupFigures]) -> Groups:
    """The table of groups, the worst first."""
    ordered = groups.in_order_of_accuracy(per_group)
    note = (
        'Every subject, video or site by itself, the worst first. A model that does well on some and badly on others '
        'knows the ones, not the behaviour.'
    )
    return Groups(
        note=note,
        groups=tuple(ordered[:_MOST_GROUPS]),
        more=max(len(ordered) - _MOST_GROUPS, 0),
        has_positive=any(figures.youden_j is not None for _, figures in ordered),
    )


def by_group(findings: Findings) -> Section | None:
    """Each group by itself, where there are several."""
    per_group = findings.evaluation.eval.per_group
    return Section('groups', 'Each group', groups_view(per_group)) if len(per_group) > 1 else None


def timelines(findings: Findings) -> Section | None:
    """Recordings along time."""
    view = timelines_view(findings.timelines)
    return Section('timelines', 'Along time', view) if view else None


def timelines_view(pictures: Pictures) -> Timelines | None:
    """The pictures of a set that are shown; None where it has no footage."""
    if not pictures.shown:
        return None
    note = 'Labels above, what the model says below them, orange where the two differ; then the score behind it.'
    if columned := max((shown.timeline.seconds_of_a_column or 0.0 for shown in pictures.shown), default=0.0):
        note += f' Of long recordings a column stands for up to {columned:.2g} seconds, and shows what most of it is.'
    if pictures.recordings > len(pictures.shown):
        note += (
            f' The {len(pictures.shown)} worst of {pictures.recordings:,} recordings: eval/timelines has all of them.'
        )
    return Timelines(note, pictures.shown)
