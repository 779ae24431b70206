"""Both sets of a training in memory, checked against each other and against what shall be learnt."""

from dataclasses import dataclass

import numpy as np

from preprocess.compiled import CompiledEncoder
from preprocess.failures import InputError
from preprocess.progress import say
from trainer import classes, data, head_spec
from trainer.classes import Classes
from trainer.config import TrainConfig
from trainer.data import ExampleSet, Raw
from trainer.inputs import Inputs
from trainer.windows import Ints

_LONGEST_LIST = 5


@dataclass(frozen=True, eq=False)
class Sets:
    """What is learnt from and what it is judged by."""

    train: ExampleSet
    evaluation: ExampleSet
    classes: Classes


def read(config: TrainConfig, found: Inputs, encoder: CompiledEncoder | None) -> Sets:
    """Read both sets; InputError when they can't be learnt from, and a line for what is odd about them."""
    learning = config.learning
    windowing = learning.windowing
    head_spec.check(learning, data.form_of('training', found.train).shape)
    raw_train = data.read('training', found.train, windowing=windowing)
    raw_eval = data.read('evaluation', found.eval, stream=config.schedule.streaming_eval, windowing=windowing)
    _check_widths(raw_train, raw_eval, encoder)
    labels = found.labels or _numbered(raw_train, raw_eval)
    told_apart = classes.make(labels, multi_label=found.multi_label, unlabelled=learning.unlabelled_class)
    train, evaluation = data.examples(raw_train, told_apart), data.examples(raw_eval, told_apart)
    if learning.limit is not None:
        train = data.spread_over_classes(train, learning.limit, learning.seed)
    if learning.eval_set_size is not None:
        evaluation = data.some(evaluation, learning.eval_set_size, learning.seed)
    _check_classes(train, evaluation, select_by=learning.select_by)
    for examples in (train, evaluation):
        _tell(examples)
    return Sets(train, evaluation, told_apart)


def _check_widths(train: Raw, evaluation: Raw, encoder: CompiledEncoder | None) -> None:
    forms = [(evaluation.form.size, evaluation.found.paths[0], 'evaluation records')]
    if encoder is not None:
        forms.append((encoder.vector_size, encoder.directory, f'vectors of the encoder {encoder.spec}'))
    for size, where, what in forms:
        if size != train.form.size:
            raise InputError(
                f'the training records have {train.form.size} numbers each, the {what} {size}',
                where=where,
                do='make both sets with one encoder, and name that one',
            )


def _numbered(train: Raw, evaluation: Raw) -> tuple[str, ...]:
    count = max(train.largest_id(), evaluation.largest_id()) + 1
    say(f'no dictionary and no --label_count: there are {count} labels by the records, called 0 to {count - 1}')
    return classes.numbered(count)


def _check_classes(train: ExampleSet, evaluation: ExampleSet, *, select_by: str) -> None:
    """One class can't be learnt; a class that a set lacks makes its figures say less."""
    counts = {'training': train.counts(), 'evaluation': evaluation.counts()}
    names = train.classes.names
    if not train.classes.multi_label and np.count_nonzero(counts['training']) < 2:
        only = names[int(np.argmax(counts['training']))]
        raise InputError(
            f'all training records are of one class, {only!r}: there is nothing to tell apart',
            where=train.shards[0].path,
            do='add records of another class, or --unlabelled_class where some have no label',
        )
    if select_by == 'eval_auc' and not _has_two_sides(evaluation, counts['evaluation']):
        raise InputError(
            'the evaluation records are of one class: AUC says nothing of them',
            where=evaluation.shards[0].path,
            do='add records of another class, or choose by eval_loss',
        )
    for of_set, found in counts.items():
        missing = [name for name, count in zip(names, found, strict=True) if not count]
        if missing:
            more = f' and {len(missing) - _LONGEST_LIST} more' if len(missing) > _LONGEST_LIST else ''
            say(f'warning: no {of_set} record of {", ".join(missing[:_LONGEST_LIST])}{more}')


def _has_two_sides(examples: ExampleSet, counts: Ints) -> bool:
    return bool(np.any((counts > 0) & (counts < len(examples))))


def _tell(examples: ExampleSet) -> None:
    unlabelled = examples.unlabelled
    fate = 'a class of their own' if examples.classes.unlabelled else 'left out'
    without = f', {unlabelled:,} without a label ({fate})' if unlabelled else ''
    where = 'in memory' if examples.values is not None else 'read from disk each time'
    what = f'{examples.name} records'
    if examples.length is not None:
        what = f'{examples.name} windows of {examples.length} in {len(examples.labels.counts):,} records'
    say(f'{len(examples):,} {what} of {examples.form}, {where}{without}')
