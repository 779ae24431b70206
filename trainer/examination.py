"""A model examined: its records found, checked, scored, measured and compared; nothing is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from preprocess import interrupts
from preprocess.command import this_command
from preprocess.failures import Interrupted
from preprocess.record_sets import RecordSet
from trainer import accounts, agreement, data, embedded_set, leakage, notices, scored_set, scoring
from trainer.accounts import Account
from trainer.embedded_set import EmbeddedSet
from trainer.evaluation import ServingAgreement, SetResult
from trainer.leakage import Leakage
from trainer.metrics import Ints
from trainer.scored_set import Question, ScoredSet, Yardsticks
from trainer.scoring import ExportedModel

TRAIN, EVAL, TEST = 'train', 'eval', 'test'


@dataclass(frozen=True, eq=False)
class Loaded:
    """A set as it was found, and in memory; of a very large one only one record of `every` so many."""

    found: RecordSet
    rows: EmbeddedSet
    every: int


@dataclass(frozen=True, eq=False)
class Examination:
    """Everything that was found out, by the names of the sets."""

    model: ExportedModel
    found: Mapping[str, RecordSet]
    scored: Mapping[str, ScoredSet]
    results: Mapping[str, SetResult]
    leakage: Leakage | None
    serving_agreement: ServingAgreement | None
    accounts: tuple[Account, ...]
    notices: tuple[str, ...]


def examine(
    model: ExportedModel, found: Mapping[str, RecordSet], *, positive_label: str | None, seed: int
) -> Examination:
    """Score the eval set (and the test set), and hold the model against simpler answers.

    The records and the positive label are of the model's kind: `exported` has checked them.
    """
    question = Question(model.labels, model.threshold, positive_label, seed)
    sets = {name: _load(model, name, found[name]) for name in (TRAIN, EVAL, TEST) if name in found}
    scored = {name: _scored(model, one, question) for name, one in sets.items() if name != TRAIN}
    shared: Leakage | None = None
    twins: Mapping[str, Ints] = {}
    if TRAIN in sets:
        _stop_if_asked()
        shared, twins = leakage.find([one.rows for one in sets.values()], model.labels, seed=seed)
    _stop_if_asked()
    yardsticks = _yardsticks(model, sets, question)
    results = {name: one.result(yardsticks, twins.get(name)) for name, one in scored.items()}
    _stop_if_asked()
    again = _agreement(model, sets, scored[EVAL])
    told = tuple(_accounts(model, sets))
    return Examination(
        model=model,
        found=found,
        scored=scored,
        results=results,
        leakage=shared,
        serving_agreement=again,
        accounts=told,
        notices=(*_notices_of_sets(sets, told), *_notices(results, shared, again)),
    )


def _load(model: ExportedModel, name: str, found: RecordSet) -> Loaded:
    every = 1
    # Only the training set can do with a sample: nothing is said of its single rows.
    record_bytes = 4 * embedded_set.width(model.vector_shape)
    while name == TRAIN and not data.fits_in_memory(2 * (found.records or 0) * record_bytes // every):
        every *= 2
    several = model.threshold is not None
    rows = embedded_set.load(found, name, every=every, windowing=model.windowing, multi_label=several)
    scoring.check_rows(model, rows, where=', '.join(found.paths[:3]))
    _stop_if_asked()
    return Loaded(found, rows, every)


def _scored(model: ExportedModel, one: Loaded, question: Question) -> ScoredSet:
    rows = one.rows
    asked = rows if model.unlabelled_class is None else rows.with_unlabelled_class(model.unlabelled_class)
    return ScoredSet(asked, model.scores(rows, one.found), question)


def _yardsticks(model: ExportedModel, sets: Mapping[str, Loaded], question: Question) -> Yardsticks:
    """From the training records; else from what the model knows of them; else from the eval set itself."""
    if TRAIN in sets:
        rows = sets[TRAIN].rows
        extra = model.unlabelled_class
        return scored_set.yardsticks(rows if extra is None else rows.with_unlabelled_class(extra), question)
    if model.manifest:
        known = model.manifest.counts_per_label
        counts = [known.get(name, 0) for name in model.record_labels]
        extra_count = [model.manifest.unlabelled] if model.unlabelled_class is not None else []
        return Yardsticks([*counts, *extra_count], 'of the training set', None)
    counts = sets[EVAL].rows.counts(len(model.labels))
    return Yardsticks(counts, 'of the eval set, for want of the training set', None)


def _agreement(model: ExportedModel, sets: Mapping[str, Loaded], scored: ScoredSet) -> ServingAgreement | None:
    """Needed where the records were not made by the graph, at the precision, that the model holds.

    The training set's pictures fill up where the eval set is small.
    """
    found = sets[EVAL].found
    made_by = found.encoder
    if made_by is None or model.picture_shape is None:
        return None
    if model.looks_at_frames or (made_by.engine, made_by.precision) == ('tensorflow', 'float32'):
        return None  # equal to 1e-5 by construction
    looked_at = [(scored.rows, lambda: scored.scores)]
    if (train := sets.get(TRAIN)) and model.windowing is None:  # all windows of a training set are too much work
        looked_at.append((train.rows, lambda: model.scores(train.rows, train.found)))
    preparation = found.manifests[0].preparation
    return agreement.measure(looked_at, model.picture_shape, model.score_pixels, preparation)


def _accounts(model: ExportedModel, sets: Mapping[str, Loaded]) -> Iterator[Account]:
    if TRAIN not in sets and model.manifest:
        yield accounts.of_manifest(TRAIN, model.manifest, model.record_labels)
    for one in sets.values():
        yield accounts.of_set(one.found, one.rows, model.record_labels)


def _notices_of_sets(sets: Mapping[str, Loaded], told: tuple[Account, ...]) -> Iterator[str]:
    for one in sets.values():
        if one.every > 1:
            yield from notices.of_sample(one.rows.name, len(one.rows))
    for account in told:
        if account.name == TRAIN:
            yield from notices.of_training(account.per_label)


def _notices(results: Mapping[str, SetResult], shared: Leakage | None, again: ServingAgreement | None) -> Iterator[str]:
    for result in results.values():
        yield from notices.of_set(result)
    for overlap in shared.overlaps if shared else ():
        yield from notices.of_overlap(overlap, unit=results[EVAL].unit)
    if again:
        yield from notices.of_agreement(again)


def _stop_if_asked() -> None:
    if interrupts.requested():
        raise Interrupted('evaluation stopped; nothing was written', where='trainer.evaluate', do=this_command())
