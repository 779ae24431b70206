"""The top of the report: a headline, one paragraph, and how the model stands beside simpler answers."""

from dataclasses import dataclass

from trainer.evaluation import Evaluation, SetResult
from trainer.metrics import Metrics
from trainer.multi_label import MultiLabelMetrics
from trainer.wording import counted, decimal, percent


@dataclass(frozen=True)
class Answerer:
    """One row of a comparison of accuracies."""

    name: str
    note: str
    accuracy: float
    interval: tuple[float, float] | None
    style: str


Figures = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Summary:
    """The top of the page."""

    headline: str
    text: str
    comparison: tuple[Answerer, ...]
    figures: Figures
    unit: str
    notices: tuple[str, ...]


def make(evaluation: Evaluation) -> Summary:
    """The headline, one paragraph, and the figures behind it."""
    result = evaluation.eval
    answered = counted(result.metrics.examples, result.unit)
    return Summary(
        headline=f'{percent(result.metrics.accuracy)} of {answered} labelled right',
        text=' '.join(_sentences(evaluation)),
        comparison=_comparison(evaluation),
        figures=figures(result),
        unit=result.unit,
        notices=evaluation.notices,
    )


def _sentences(evaluation: Evaluation) -> list[str]:
    result = evaluation.eval
    metrics = result.metrics
    low, high = metrics.accuracy_interval
    sentences = [
        f'The model tells {len(evaluation.labels)} labels apart. '
        f'Of the {counted(metrics.examples, result.unit)} of the eval set, which it did not learn from, '
        f'it labels {round(metrics.accuracy * metrics.examples):,} right: accuracy '
        f'{percent(metrics.accuracy)}, between {percent(low)} and {percent(high)} with 95 % confidence. '
        f'Always giving the most common label is right for {percent(result.majority_class.accuracy)}'
    ]
    if result.logistic_regression:
        sentences[0] += f', logistic regression on the same vectors for {percent(result.logistic_regression.accuracy)}'
    sentences[0] += '.'
    if change := evaluation.before_and_now:
        sentences.append(
            f'On the {counted(change.rows, result.unit)} that the model before it was evaluated on as well, accuracy '
            f'was {percent(change.before)} and is {percent(change.now)} now.'
        )
    if evaluation.test:
        sentences.append(f'On the test set, scored once, accuracy is {percent(evaluation.test.metrics.accuracy)}.')
    return sentences


def _comparison(evaluation: Evaluation) -> tuple[Answerer, ...]:
    rows = list(answerers(evaluation.eval))
    if change := evaluation.before_and_now:
        common = counted(change.rows, evaluation.eval.unit)
        note = f'on the {common} evaluated both times; this model {percent(change.now)} there'
        rows.insert(1, Answerer('The model before', note, change.before, None, 'second'))
    return tuple(rows)


def answerers(result: SetResult) -> tuple[Answerer, ...]:
    """The model, and what any model must beat, on one set."""
    metrics, majority = result.metrics, result.majority_class
    rows = [Answerer('This model', '', metrics.accuracy, metrics.accuracy_interval, 'right')]
    if logistic := result.logistic_regression:
        interval = logistic.accuracy_interval
        rows.append(Answerer('Logistic regression', logistic.note, logistic.accuracy, interval, 'other'))
    rows.append(Answerer('Most common label', majority.note, majority.accuracy, majority.accuracy_interval, 'other'))
    return tuple(rows)


def figures(result: SetResult) -> Figures:
    """The single numbers about one set."""
    metrics = result.metrics
    pairs = _single_figures(metrics) if isinstance(metrics, Metrics) else _multi_figures(metrics)
    if result.unlabelled:
        pairs += ((f'{result.unit.capitalize()}s without a label, not counted', f'{result.unlabelled:,}'),)
    return pairs


def _single_figures(metrics: Metrics) -> Figures:
    pairs: Figures = (
        ('Balanced accuracy', percent(metrics.balanced_accuracy)),
        ('Macro F1', decimal(metrics.macro_f1)),
        ('ROC AUC', decimal(metrics.roc_auc)),
        ('Log loss', decimal(metrics.log_loss)),
    )
    if positive := metrics.positive:
        pairs += (
            (f'Sensitivity for {positive.label}', percent(positive.sensitivity)),
            (f'Specificity for {positive.label}', percent(positive.specificity)),
            (f'Best Youden’s J, from score {decimal(positive.youden_threshold)}', decimal(positive.youden_j)),
        )
    return pairs


def _multi_figures(metrics: MultiLabelMetrics) -> Figures:
    return (
        ('Single decisions right', percent(metrics.label_accuracy)),
        ('Micro F1', decimal(metrics.micro_f1)),
        ('Macro F1', decimal(metrics.macro_f1)),
        ('Mean average precision', decimal(metrics.macro_average_precision)),
        ('ROC AUC', decimal(metrics.roc_auc)),
        ('Log loss', decimal(metrics.log_loss)),
    )
