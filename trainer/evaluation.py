"""What an evaluation found out: the nouns that metrics.json, the report and the summary of a run are made of."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TypeAlias, cast

from preprocess import files
from preprocess.settings import Json
from trainer.baselines import Baseline
from trainer.groups import GroupFigures
from trainer.leakage import Leakage
from trainer.metrics import Metrics
from trainer.multi_label import MultiLabelMetrics
from trainer.predictions import BeforeAndNow

# Raised when a reader of the older metrics.json could misunderstand the newer.
FORMAT_VERSION = 1
AnyMetrics: TypeAlias = Metrics | MultiLabelMetrics
_VERSIONED = ('tensorflow', 'keras', 'numpy', 'scikit-learn', 'pillow', 'apache-beam')


@dataclass(frozen=True)
class SetResult:
    """One set of rows, measured."""

    name: str
    rows: int
    unlabelled: int  # rows without a label, which no figure counts
    metrics: AnyMetrics
    majority_class: Baseline
    logistic_regression: Baseline | None  # None without training records, or where they have one class only
    twins: int | None  # rows with a twin in the training set; None where it was not compared
    accuracy_without_twins: float | None
    recordings: int  # of footage; 0 where the rows are pictures
    per_group: Mapping[str, GroupFigures]  # of each subject, video or site, where the rows name one

    @property
    def unit(self) -> str:
        """What a row is called."""
        return 'frame' if self.recordings else 'picture'


@dataclass(frozen=True)
class ServingAgreement:
    """Records against the exported model, on the same pictures: two precisions or engines may differ."""

    pictures: int
    unreadable: int  # pictures that could not be read again
    same_label: float | None
    largest_difference: float | None
    mean_difference: float | None


@dataclass(frozen=True)
class Paths:
    """Where the files of an evaluation are; those of the test set only where there is one."""

    metrics: str
    predictions: str
    previous_predictions: str
    confusion_matrix: str
    report: str
    test_predictions: str
    test_confusion_matrix: str
    timelines: str  # folders of pictures, one for each recording
    test_timelines: str
    charts: str  # the folder of the line charts


def paths(output_dir: str) -> Paths:
    """The files of an evaluation below a run's output directory."""
    below = files.join(output_dir, 'eval')
    return Paths(
        metrics=files.join(below, 'metrics.json'),
        predictions=files.join(below, 'predictions.csv'),
        previous_predictions=files.join(below, 'predictions.previous.csv'),
        confusion_matrix=files.join(below, 'confusion_matrix.png'),
        report=files.join(output_dir, 'report.html'),
        test_predictions=files.join(below, 'predictions.test.csv'),
        test_confusion_matrix=files.join(below, 'confusion_matrix.test.png'),
        timelines=files.join(below, 'timelines'),
        test_timelines=files.join(below, 'timelines.test'),
        charts=files.join(below, 'charts'),
    )


@dataclass(frozen=True)
class Evaluation:
    """Everything found out about a model; `test` is scored once, after everything was chosen."""

    model_dir: str
    model_sha256: str | None  # of saved_model.pb; None of a baseline
    predictions_sha256: str  # of predictions.csv
    labels: tuple[str, ...]
    eval: SetResult
    test: SetResult | None
    before_and_now: BeforeAndNow | None  # None where no earlier model was evaluated on the same pictures
    leakage: Leakage | None
    serving_agreement: ServingAgreement | None
    notices: tuple[str, ...]  # what a reader should know before trusting the figures
    paths: Paths


def to_json(evaluation: Evaluation) -> str:
    """What metrics.json holds: the eval set's figures at the top, the test set's under `test`; no NaN anywhere."""
    content = {
        'version': FORMAT_VERSION,
        **_set_content(evaluation.eval),
        'test': _set_content(evaluation.test) if evaluation.test else None,
        'labels': list(evaluation.labels),
        'before_and_now': asdict(evaluation.before_and_now) if evaluation.before_and_now else None,
        'leakage': asdict(evaluation.leakage) if evaluation.leakage else None,
        'serving_agreement': asdict(evaluation.serving_agreement) if evaluation.serving_agreement else None,
        'notices': list(evaluation.notices),
        'model': {
            'saved_model_sha256': evaluation.model_sha256,
            'predictions_sha256': evaluation.predictions_sha256,
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + '\n'


def versions() -> dict[str, str]:
    """The versions of what took part, for the record."""
    from importlib import metadata

    found = {'python': platform.python_version(), 'platform': platform.platform()}
    for name in ('headlight', *_VERSIONED):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _set_content(result: SetResult) -> Mapping[str, Json]:
    content = cast('dict[str, Json]', asdict(result))
    metrics = cast('dict[str, Json]', content.pop('metrics'))
    del content['name']
    return {**metrics, **content, 'unlabelled_share': result.unlabelled / result.rows if result.rows else None}
