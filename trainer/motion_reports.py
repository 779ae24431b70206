"""What became of the baselines, as files: each in the form of trainer.evaluate, and all of them side by side."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from preprocess import files
from preprocess.settings import Json
from trainer import drawings, evaluation, figure_files, mistakes, notices, predictions, report
from trainer.accounts import Account
from trainer.evaluation import Evaluation, SetResult
from trainer.findings import Findings
from trainer.metrics import Metrics
from trainer.scored_set import ScoredSet, Yardsticks
from trainer.thresholds import Roc, ThresholdFigures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VERSION = 1
_COLUMNS = (
    'set',
    'baseline',
    'frames',
    'accuracy',
    'roc_auc',
    'best_accuracy',
    'best_accuracy_threshold',
    'best_accuracy_tpr',
    'best_accuracy_fpr',
    'youden_j',
    'youden_threshold',
    'youden_tpr',
    'youden_fpr',
)
_COLOURS = ('#1f5fbf', '#c85414', '#3f9b6b', '#7f62b3')
_INCHES = (4.6, 4.2)


@dataclass(frozen=True)
class Line:
    """One baseline on one set; figures of thresholds are of the class looked for, None where there is none."""

    set_name: str
    baseline: str
    result: SetResult
    figures: ThresholdFigures | None

    def cells(self) -> list[str]:
        """The line of baselines.csv."""
        found = self.result.metrics
        start = [self.set_name, self.baseline, str(found.examples), f'{found.accuracy:.7g}']
        if self.figures is None:
            return [*start, *[''] * (len(_COLUMNS) - len(start))]
        best, youden = self.figures.best_accuracy, self.figures.best_youden
        numbers = [
            self.figures.roc_auc,
            *(best.accuracy, best.threshold, best.true_positive_rate, best.false_positive_rate),
            *(youden.youden_j, youden.threshold, youden.true_positive_rate, youden.false_positive_rate),
        ]
        return [*start, *('' if number is None else f'{number:.7g}' for number in numbers)]


def publish_one(
    name: str, scored: Mapping[str, ScoredSet], held: Yardsticks, folder: str, settings: Mapping[str, Json]
) -> list[Line]:
    """Everything trainer.evaluate writes of a model, of one baseline; its lines of the comparison."""
    places = evaluation.paths(folder)
    results = {side: one.result(held, None) for side, one in scored.items()}
    for side, path in (('eval', places.predictions), ('test', places.test_predictions)):
        if side in scored:
            predictions.write(path, scored[side].predictions)
        else:
            files.delete(path)
    found = Evaluation(
        model_dir=name,
        model_sha256=None,
        predictions_sha256=files.sha256(places.predictions),
        labels=scored['eval'].question.label_names,
        eval=results['eval'],
        test=results.get('test'),
        before_and_now=None,
        leakage=None,
        serving_agreement=None,
        notices=tuple(notice for result in results.values() for notice in notices.of_set(result)),
        paths=places,
    )
    report.write(_findings(found, scored, settings), places.report)
    files.write_atomic(places.metrics, evaluation.to_json(found).encode(errors='backslashreplace'))
    return [Line(side, name, result, _of_positive(result)) for side, result in results.items()]


def _findings(found: Evaluation, scored: Mapping[str, ScoredSet], settings: Mapping[str, Json]) -> Findings:
    drawn = figure_files.publish(scored, found.paths, ())
    asked = scored['eval']
    return Findings(
        evaluation=found,
        accounts=tuple(_account(one) for one in scored.values()),
        mistakes=mistakes.find(asked.predictions, asked.confidence(), with_thumbnails=False),
        confusion=drawn.confusion['eval'],
        test_confusion=drawn.confusion.get('test'),
        roc=drawn.roc,
        timelines=drawn.timelines['eval'],
        test_timelines=drawn.timelines['test'],
        curves=(),
        settings={'Baseline': settings, 'Versions': dict(evaluation.versions())},
        made_at=datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC'),
    )


def _account(one: ScoredSet) -> Account:
    names = one.question.label_names
    per_label = dict(zip(names, one.rows.counts(len(names)), strict=True))
    return Account(one.rows.name, None, len(one.rows), None, None, 0, per_label, (), len(one.rows))


def _of_positive(result: SetResult) -> ThresholdFigures | None:
    found = result.metrics
    positive = found.positive if isinstance(found, Metrics) else None
    return found.thresholds.get(positive.label) if positive else None


def publish_all(
    lines: Sequence[Line], scored: Mapping[str, Mapping[str, ScoredSet]], folder: str, settings: Mapping[str, Json]
) -> None:
    """The comparison: baselines.csv, the curves, and metrics.json last."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(_COLUMNS)
    writer.writerows(line.cells() for line in lines)
    files.write_atomic(files.join(folder, 'baselines.csv'), text.getvalue().encode())
    for side in ('eval', 'test'):
        path = files.join(folder, 'roc.png' if side == 'eval' else 'roc.test.png')
        curves = {
            name: curve for name, of in scored.items() if side in of and (curve := figure_files.curve_of(of[side]))
        }
        if curves:
            drawings.write(drawings.render(_figure(curves)), path)
        else:
            drawings.remove(path)
    content = {
        'version': _VERSION,
        'settings': settings,
        **{
            side: {line.baseline: _content(line) for line in lines if line.set_name == side}
            for side in ('eval', 'test')
        },
    }
    text_of = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + '\n'
    files.write_atomic(files.join(folder, 'metrics.json'), text_of.encode(errors='backslashreplace'))


def _content(line: Line) -> Mapping[str, object]:
    found = line.result.metrics
    return {
        'examples': found.examples,
        'accuracy': found.accuracy,
        'accuracy_interval': found.accuracy_interval,
        'thresholds': asdict(line.figures) if line.figures else None,
    }


def _figure(curves: Mapping[str, Roc]) -> 'Figure':
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES)
    axes = figure.add_subplot()
    for place, (name, roc) in enumerate(curves.items()):
        false_rate, true_rate = roc.curve()
        colour = _COLOURS[place % len(_COLOURS)]
        axes.plot(false_rate, true_rate, color=colour, linewidth=1.6, label=f'{name.replace("_", " ")}, {roc.area:.3f}')
    axes.plot((0, 1), (0, 1), color='#9aa7b4', linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xlabel('false positive rate', color='#5b6876', fontsize=9)
    axes.set_ylabel('true positive rate', color='#5b6876', fontsize=9)
    axes.tick_params(length=0, labelsize=8, colors='#5b6876')
    axes.grid(color='#e1e6eb', linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_aspect('equal')
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.legend(loc='lower right', frameon=False, fontsize=8, title='area under the curve', title_fontsize=8)
    return figure
