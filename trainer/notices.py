"""What a reader should know before trusting the figures: one sentence each."""

from collections.abc import Iterator, Mapping

from trainer.evaluation import ServingAgreement, SetResult
from trainer.leakage import Overlap
from trainer.wording import counted, named, percent

# Below this many rows the interval is wider than most differences anyone wants to see.
_FEW_ROWS = 50
# The rule of three: without a mistake in n rows, its rate is below 3 / n with 95 % confidence.
_THREE = 3
# Less than what bfloat16 and int8 are held to on photographs.
_GOOD_AGREEMENT = 0.96


def of_set(result: SetResult) -> Iterator[str]:
    """About the figures of one set."""
    metrics, where, unit = result.metrics, f'{result.name} set', result.unit
    if metrics.examples < _FEW_ROWS:
        yield f'The {where} has {counted(metrics.examples, unit)} with a label only: its figures are rough.'
    if metrics.accuracy == 1:
        yield (
            f'All of {counted(metrics.examples, unit)} in the {where} are right, which resampling can not put in '
            f'doubt: up to {percent(min(_THREE / metrics.examples, 1))} of new ones may still be wrong.'
        )
    if result.recordings:
        yield (
            f'The {where} is frames of {result.recordings:,} recording{"" if result.recordings == 1 else "s"}: '
            'neighbours are alike, and its intervals, which take every frame for a case of its own, too narrow.'
        )
    absent = [name for name, figures in metrics.per_class.items() if not figures.support]
    if absent:
        yield f'No {unit} of the {where} has the label {named(absent)}.'
    answered = [name for name, figures in metrics.per_class.items() if figures.predicted]
    if len(answered) == 1 and len(metrics.per_class) > 1:
        yield f'The model gives every {unit} of the {where} the same label, {answered[0]}.'
    if metrics.accuracy_interval[0] <= result.majority_class.accuracy:
        yield (
            f'On the {where} the model is not clearly better than always giving the most common label '
            f'({percent(metrics.accuracy)} against {percent(result.majority_class.accuracy)}).'
        )
    logistic = result.logistic_regression
    if logistic and logistic.accuracy > metrics.accuracy_interval[1]:
        yield (
            f'Logistic regression on the same vectors does better on the {where} ({percent(logistic.accuracy)}): '
            'train for more steps, or with another learning rate or a smaller head.'
        )
    if result.twins and result.accuracy_without_twins is not None:
        yield (
            f'Of {counted(result.rows, unit)} in the {where}, {result.twins:,} also stand in the training set, or '
            f'nearly; accuracy on the others is {percent(result.accuracy_without_twins)}.'
        )


def of_training(counts: Mapping[str, int]) -> Iterator[str]:
    """About what was trained on: pictures of each label."""
    absent = [name for name, count in counts.items() if not count]
    if absent:
        yield f'No training picture has the label {named(absent)}: the model can not know it.'


def of_sample(name: str, rows: int) -> Iterator[str]:
    """About a set too large for the memory."""
    yield f'The {name} set does not fit in memory: it was compared, and the regression fitted, by {rows:,} of its rows.'


def of_overlap(overlap: Overlap, *, unit: str = 'picture') -> Iterator[str]:
    """About what two sets share."""
    if overlap.groups:
        are = 'group is' if overlap.groups == 1 else 'groups are'
        yield (
            f'{overlap.groups:,} {are} in both the {overlap.left} and the {overlap.right} set '
            f'({named(overlap.group_examples, of=overlap.groups)}): the figures say little about new groups.'
        )
    # What happens in footage may look like what happened before: only of pictures one label must be wrong.
    if overlap.contradicting and unit == 'picture':
        yield (
            f'Under another label in the {overlap.left} set: {counted(overlap.contradicting, unit)} of the '
            f'{overlap.right} set, or near copies. One of the two labels is wrong.'
        )


def of_agreement(agreement: ServingAgreement) -> Iterator[str]:
    """About the exported model against the records."""
    if agreement.same_label is not None and agreement.same_label < _GOOD_AGREEMENT:
        compared = counted(agreement.pictures, 'picture')
        yield (
            f'The exported model gives {percent(agreement.same_label)} of {compared} the label '
            'their records give: embed with --engine tensorflow --precision float32 for equal scores.'
        )
