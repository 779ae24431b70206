"""What the report says, section by section: each is a function from the findings to a Section, or to None.

A new section is one more function, its line in SECTIONS, and a template of the section's name.
"""

import base64
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from preprocess.reasons import REASONS
from preprocess.settings import Json
from trainer import charts
from trainer.accounts import Account
from trainer.charts import Chart, Series
from trainer.evaluation import Evaluation, SetResult
from trainer.history import CurvePoint
from trainer.leakage import Overlap
from trainer.metrics import ClassFigures, Metrics
from trainer.mistakes import Mistake, Mistakes, Mixup
from trainer.summary import Answerer, Figures, answerers, figures
from trainer.wording import percent, pictures

# Twins and groups shown of each pair of sets; metrics.json has more.
_SHOWN = 12
# The confusion matrix is drawn for screens with fine pixels.
_PIXELS_PER_POINT = 1.75
_LARGE = 520


@dataclass(frozen=True)
class Findings:
    """Everything a report is made of."""

    evaluation: Evaluation
    accounts: tuple[Account, ...]
    mistakes: Mistakes
    confusion_png: bytes
    test_confusion_png: bytes | None
    curves: tuple[CurvePoint, ...]
    settings: Mapping[str, Mapping[str, Json]]  # heading -> name -> value
    made_at: str


@dataclass(frozen=True)
class Section:
    """One part of the report; `slug` is its address in the page and the name of its template."""

    slug: str
    title: str
    view: object


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


@dataclass(frozen=True)
class _Data:
    labels: tuple[str, ...]
    accounts: tuple[Account, ...]
    largest: Mapping[str, int]


@dataclass(frozen=True)
class _Rejects:
    accounts: tuple[Account, ...]
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
    note = (
        'Precision: of the pictures given this label, the share that have it. Recall: of the pictures that have it, '
        'the share given it. F1, drawn as a bar: their harmonic mean. A dash stands where no picture tells.'
    )
    return Section('classes', 'Each label', _Classes(note, findings.evaluation.eval.metrics.per_class))


def _confusion(findings: Findings) -> Section:
    view = _confusion_view(findings.evaluation.eval, findings.confusion_png, findings.mistakes.mixups)
    return Section('confusion', view.title, view)


def _confusion_view(result: SetResult, png: bytes, mixups: tuple[Mixup, ...]) -> _Confusion:
    single = isinstance(result.metrics, Metrics)
    width = round(_png_width(png) / _PIXELS_PER_POINT)
    return _Confusion(
        title='Confusion matrix' if single else 'Found and missed',
        note='A row for each label, a column for each prediction; numbers are pictures. Right answers are blue.'
        if single
        else 'How often each label was found, missed, given in vain, and rightly left out.',
        picture='data:image/png;base64,' + base64.b64encode(png).decode(),
        width=width,
        is_large=width > _LARGE,
        description=f'Confusion matrix of the {result.name} set, {len(result.metrics.per_class)} labels',
        mixups=mixups,
    )


def _png_width(png: bytes) -> int:
    """Bytes 16 to 20 of every PNG."""
    return int(struct.unpack('>I', png[16:20])[0])


def _mistakes(findings: Findings) -> Section | None:
    found = findings.mistakes
    if not found.wrong:
        return None
    which = 'All of them, the ones' if found.wrong == len(found.worst) else 'The ones'
    note = (
        f'{pictures(found.wrong)} with another answer than the label. {which} the model is surest of first: look for '
        'wrong labels among them. They are square because the encoder sees them so.'
    )
    return Section('mistakes', 'Worst mistakes', _Mistakes(note, found.worst))


def _test(findings: Findings) -> Section | None:
    result = findings.evaluation.test
    if result is None or findings.test_confusion_png is None:
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
            confusion=_confusion_view(result, findings.test_confusion_png, ()),
        ),
    )


def _data(findings: Findings) -> Section:
    labels = tuple(findings.accounts[0].per_label)
    largest = {account.name: max([*account.per_label.values(), 1]) for account in findings.accounts}
    return Section('data', 'Data', _Data(labels, findings.accounts, largest))


def _rejects(findings: Findings) -> Section | None:
    with_rejects = tuple(account for account in findings.accounts if account.rejects)
    return Section('rejects', 'Rejected rows', _Rejects(with_rejects, REASONS)) if with_rejects else None


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


def _training(findings: Findings) -> Section | None:
    points = findings.curves
    drawn = [
        _curve('Loss', points, [point.train_loss for point in points], [point.eval_loss for point in points]),
        _curve(
            'Accuracy', points, [point.train_accuracy for point in points], [point.eval_accuracy for point in points]
        ),
        _curve('ROC AUC', points, [point.train_auc for point in points], [point.eval_auc for point in points]),
    ]
    found = tuple(chart for chart in drawn if chart)
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
    _mistakes,
    _test,
    _data,
    _rejects,
    _leakage,
    _training,
    _settings,
)
