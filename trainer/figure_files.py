"""Every figure of an evaluation as a file: confusion matrices, recordings along time, line charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preprocess import files
from preprocess.progress import Progress
from trainer import chart_files, confusion, drawings, footage_sections, metrics, sections, thresholds, timeline_pictures
from trainer.drawings import Drawing
from trainer.evaluation import Paths
from trainer.history import CurvePoint
from trainer.metrics import Metrics
from trainer.scored_set import ScoredSet
from trainer.thresholds import Roc
from trainer.timeline_pictures import Pictures

_NOTHING = Pictures((), 0)


@dataclass(frozen=True, eq=False)
class Drawn:
    """What was drawn, by the names of the sets."""

    confusion: Mapping[str, Drawing]
    timelines: Mapping[str, Pictures]
    roc: Roc | None  # of the eval set's class looked for


def publish(scored: Mapping[str, ScoredSet], paths: Paths, curves: Sequence[CurvePoint]) -> Drawn:
    """Draw and write everything; what an earlier evaluation drew and this one doesn't is removed."""
    with Progress('drawing the confusion matrix'):  # the first time on a machine, its fonts are listed
        matrices = {name: confusion.draw(one.grid()) for name, one in scored.items()}
    for name, path in (('eval', paths.confusion_matrix), ('test', paths.test_confusion_matrix)):
        if name in matrices:
            drawings.write(matrices[name], path)
        else:
            drawings.remove(path)
    timelines = {}
    for name, folder in (('eval', paths.timelines), ('test', paths.test_timelines)):
        timelines[name] = timeline_pictures.publish(scored[name], folder) if name in scored else _NOTHING
    if 'test' not in scored:
        files.delete_tree(paths.test_timelines)
    roc = curve_of(scored['eval'])
    curve = footage_sections.roc_chart(roc) if roc else None
    chart_files.publish([*([curve] if curve else []), *sections.training_charts(curves)], paths.charts)
    return Drawn(matrices, timelines, roc)


def curve_of(scored: ScoredSet) -> Roc | None:
    """The curve of the class looked for, where there is one."""
    measured, names = scored.measured, scored.question.label_names
    positive = metrics.positive_class(names, scored.question.positive_label)
    if not isinstance(measured, Metrics) or positive is None:
        return None
    rows = scored.rows.labelled()
    return thresholds.roc(scored.rows.class_ids() == positive, scored.scores[rows, positive])
