"""What the report says, section by section: each is a function from the findings to a Section, or to None.

A new section is one more function, its line in SECTIONS, and a template of the section's name.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from preprocess.reasons import REASONS
from preprocess.settings import Json
from trainer import charts, footage_sections
from trainer.accounts import Account, Rejects
from trainer.charts import Chart, Series
from trainer.drawings import Drawing
from trainer.evaluation import SetResult
from trainer.findings import Findings, Section
from trainer.footage_sections import Groups, Timelines
from trainer.history import CurvePoint
from trainer.leakage import Overlap
from trainer.metrics import ClassFigures, Metrics
from trainer.mistakes import Mistake, Mixup
from trainer.summary import Answerer, Figures, answerers, figures
from trainer.wording import counted, percent

# Twins and groups shown of each pair of sets; metrics.json has more.
_SHOWN = 12
_LARGE = 520


@dataclass(frozen=True)
class _Classes:
    note: str
    per_class: Mapping[str, ClassFigures]


@dataclass(frozen=True)
class _Confusion:
    title: str
    note: str
    picture: str
    width: int
    is_large: bool  # nothing fits beside it
    description: str
    mixups: tuple[Mixup, ...]


@dataclass(frozen=True)
class _Mistakes:
    note: str
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class _Test:
    text: str
    comparison: tuple[Answerer, ...]
    figures: Figures
    per_class: Mapping[str, ClassFigures]
    confusion: _Confusion
    groups: Groups | None
    timelines: Timelines | None


@dataclass(frozen=True)
class _Data:
    labels: tuple[str, ...]
    accounts: tuple[Account, ...]
    largest: Mapping[str, int]


@dataclass(frozen=True)
class _Refused:
    heading: str
    unit: str
    rejects: tuple[Rejects, ...]


@dataclass(frozen=True)
class _Rejects:
    tables: tuple[_Refused, ...]
    meanings: Mapping[str, str]


@dataclass(frozen=True)
class _Leakage:
    note: str
    overlaps: tuple[Overlap, ...]
    shown: int


@dataclass(frozen=True)
class _Training:
    note: str
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class _Settings:
    groups: Mapping[str, Mapping[str, str]]


def _classes(findings: Findings) -> Section:
    unit = findings.evaluation.eval.unit
    note = (
        f'Precision: of the {unit}s given this label, the share that have it. Recall: of the {unit}s that have it, '
        f'the share given it. F1, drawn as a bar: their harmonic mean. A dash stands where no {unit} tells.'
    )
    return Section('classes', 'Each label', _Classes(note, findings.evaluation.eval.metrics.per_class))


def _confusion(findings: Findings) -> Section:
    view = _confusion_view(findings.evaluation.eval, findings.confusion, findings.mistakes.mixups)
    return Section('confusion', view.title, view)


def _confusion_view(result: SetResult, drawing: Drawing, mixups: tuple[Mixup, ...]) -> _Confusion:
    single = isinstance(result.metrics, Metrics)
    return _Confusion(
        title='Confusion matrix' if single else 'Found and missed',
        note=f'A row for each label, a column for each prediction; numbers are {result.unit}s. Right answers are blue.'
        if single
        else 'How often each label was found, missed, given in vain, and rightly left out.',
        picture=drawing.data_uri(),
        width=drawing.width,
        is_large=drawing.width > _LARGE,
        description=f'Confusion matrix of the {result.name} set, {len(result.metrics.per_class)} labels',
        mixups=mixups,
    )


def _mistakes(findings: Findings) -> Section | None:
    found = findings.mistakes
    if not found.wrong:
        return None
    unit = findings.evaluation.eval.unit
    which = 'All of them, the ones' if found.wrong == len(found.worst) else 'The ones'
    note = (
        f'{counted(found.wrong, unit)} with another answer than the label. {which} the model is surest of first: look '
        'for wrong labels among them. They are square because the encoder sees them so.'
    )
    if unit == 'frame':
        note += ' Of frames that are less than two seconds apart one is shown.'
    return Section('mistakes', 'Worst mistakes', _Mistakes(note, found.worst))


def _test(findings: Findings) -> Section | None:
    result = findings.evaluation.test
    if result is None or findings.test_confusion is None:
        return None
    low, high = result.metrics.accuracy_interval
    text = (
        f'The test set took no part in training or in choosing a model, and was scored once, at the end: accuracy '
        f'{percent(result.metrics.accuracy)}, between {percent(low)} and {percent(high)} with 95 % confidence. '
        'This is the figure to quote.'
    )
    return Section(
        'test',
        'Test set',
        _Test(
            text=text,
            comparison=answerers(result),
            figures=figures(result),
            per_class=result.metrics.per_class,
            confusion=_confusion_view(result, findings.test_confusion, ()),
            groups=footage_sections.groups_view(result.per_group) if len(result.per_group) > 1 else None,
            timelines=footage_sections.timelines_view(findings.test_timelines),
        ),
    )


def _data(findings: Findings) -> Section:
    labels = tuple(findings.accounts[0].per_label)
    largest = {account.name: max([*account.per_label.values(), 1]) for account in findings.accounts}
    return Section('data', 'Data', _Data(labels, findings.accounts, largest))


def _rejects(findings: Findings) -> Section | None:
    tables = tuple(_refused(findings.accounts))
    units = ' and '.join(unit for unit in ('rows', 'frames') if any(table.unit == unit for table in tables))
    return Section('rejects', f'Rejected {units}', _Rejects(tables, REASONS)) if tables else None


def _refused(accounts: Sequence[Account]) -> Iterator[_Refused]:
    """A table for the rows of each set, and for its frames, of which some were rejected."""
    for account in accounts:
        if account.rejects:
            of = f'{account.rejected or 0:,} of {account.read or 0:,}'
            yield _Refused(f'{account.name}: {of} rows', 'rows', account.rejects)
        if account.frames and account.frames.rejects:
            of = f'{account.frames.rejected:,} of {account.frames.asked_for:,}'
            yield _Refused(f'{account.name}: {of} frames', 'frames', account.frames.rejects)


def _leakage(findings: Findings) -> Section | None:
    leakage = findings.evaluation.leakage
    if leakage is None:
        return None
    note = (
        'A picture that stands in two sets, or a near copy of it, makes accuracy look better than it is. '
        'Same file: one path in both sets. Same vector: equal to the last byte. Alike: nearer to each other than '
        f'different pictures are (a cosine of {leakage.threshold:g} or more along the strongest directions of the '
        'training vectors): re-encoded or slightly changed copies, neighbouring frames. Other label: twins that '
        'disagree, one of which is labelled wrong.'
    )
    return Section('leakage', 'Pictures in two sets', _Leakage(note, leakage.overlaps, _SHOWN))


def training_charts(points: Sequence[CurvePoint]) -> tuple[Chart, ...]:
    """Loss, accuracy and AUC of both sets over the training."""
    drawn = [
        _curve('Loss', points, [point.train_loss for point in points], [point.eval_loss for point in points]),
        _curve(
            'Accuracy', points, [point.train_accuracy for point in points], [point.eval_accuracy for point in points]
        ),
        _curve('ROC AUC', points, [point.train_auc for point in points], [point.eval_auc for point in points]),
    ]
    return tuple(chart for chart in drawn if chart)


def _training(findings: Findings) -> Section | None:
    points = findings.curves
    found = training_charts(points)
    if not found:
        return None
    last = points[-1]
    note = f'{len(points):,} evaluations in {last.step:,} steps and {last.seconds:,.0f} seconds.'
    return Section('training', 'Training', _Training(note, found))


def _curve(
    title: str, points: Sequence[CurvePoint], train: Sequence[float | None], held_out: Sequence[float | None]
) -> Chart | None:
    steps = tuple(float(point.step) for point in points)
    series = [Series('train set', 'train', steps, tuple(train)), Series('eval set', 'eval', steps, tuple(held_out))]
    return charts.line_chart(title, series, x_title='steps', top=None if title == 'Loss' else 1.0)


def _settings(findings: Findings) -> Section | None:
    groups = {
        heading: {name: _value(value) for name, value in sorted(settings.items())}
        for heading, settings in findings.settings.items()
        if settings
    }
    return Section('settings', 'Settings', _Settings(groups)) if groups else None


def _value(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


SECTIONS: tuple[Callable[[Findings], Section | None], ...] = (
    _classes,
    _confusion,
    footage_sections.thresholds,
    footage_sections.by_group,
    footage_sections.timelines,
    _mistakes,
    _test,
    _data,
    _rejects,
    _leakage,
    _training,
    _settings,
)
