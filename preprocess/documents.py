"""One folder or CSV -> the CSVs of its splits and the dictionary of its labels."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from preprocess import files, provenance, sample_files, splits
from preprocess.failures import InputError, UsageError
from preprocess.labels import Labels
from preprocess.progress import Progress
from preprocess.rows import Reject
from preprocess.sample_files import UNLABELLED, printable
from preprocess.samples import Reading, Sample, Samples, gather
from preprocess.splits import Candidate

ALL, DICTIONARY, REJECTS = 'all_data.csv', 'dict.txt', 'rejects.all_data.jsonl'
# The model's clients count on this order (the first score is the positive one's).
_POSITIVE_FIRST = ('positive', 'negative')
_MOST_NAMED = 5


@dataclass(frozen=True)
class DocsConfig:
    """What create_docs is asked for."""

    source: str
    output_dir: str
    eval_fraction: float = 0.1
    test_fraction: float = 0.0
    balance: bool = False
    seed: int = 0
    reading: Reading = Reading()

    def __post_init__(self) -> None:
        for flag, fraction in (('--eval_fraction', self.eval_fraction), ('--test_fraction', self.test_fraction)):
            if not 0 <= fraction < 1 or math.isnan(fraction):
                raise UsageError(
                    f'{fraction:g} is no fraction', where=flag, do='give a number from 0 to less than 1, such as 0.1'
                )
        if self.eval_fraction + self.test_fraction >= 1:
            raise UsageError(
                'nothing would be left for training',
                where='--eval_fraction and --test_fraction',
                do='give fractions that are less than 1 together',
            )


@dataclass(frozen=True)
class DocsResult:
    """What was written: `paths` by set (all, train, eval, test), counts by (label, set), and what to tell the user."""

    paths: Mapping[str, str]
    dictionary: str
    labels: Labels
    counts: Mapping[tuple[str, str], int]
    read: int
    rejects: tuple[Reject, ...]
    duplicates: int
    left_out: int
    table: str
    notes: tuple[str, ...]


def create_docs(config: DocsConfig) -> DocsResult:
    """Read the source, give every sample a side, write all_data.csv, the sets' CSVs and dict.txt."""
    found = gather(config.source, config.reading)
    with Progress('splitting'):
        labels = _dictionary(found.samples, config.reading.label_order)
        samples = _sided(found.samples, config)
        kept = _balanced(samples, config.seed) if config.balance else samples
        if not any(sample.side == splits.TRAIN for sample in kept):
            raise InputError(
                'no picture is left for training', where=config.source, do='give more pictures, or smaller fractions'
            )
        paths = _write(config, samples, kept, labels)
        sample_files.write_rejects(files.join(config.output_dir, REJECTS), found.rejects)
    counts = Counter((label, sample.side) for sample in kept for label in sample.row.labels or (UNLABELLED,))
    return DocsResult(
        paths=paths,
        dictionary=files.join(config.output_dir, DICTIONARY),
        labels=labels,
        counts={(label, side): count for (label, side), count in counts.items() if side},
        read=found.read,
        rejects=found.rejects,
        duplicates=found.duplicates,
        left_out=sum(sample.side is None for sample in kept),
        table=sample_files.table(kept, labels.names),
        notes=tuple(_notes(found, kept, labels)),
    )


def _dictionary(samples: Iterable[Sample], label_order: Sequence[str]) -> Labels:
    found = {label for sample in samples for label in sample.row.labels}
    if not found:
        raise InputError('no picture has a label', where='the rows read', do='write image,label in every line')
    unknown = [label for label in label_order if label not in found]
    if unknown:
        nearest = Labels(tuple(sorted(found))).nearest(unknown[0])
        raise InputError(
            f'no picture has the label {unknown[0]!r}',
            where='--label_order',
            do=f'did you mean {nearest!r}?' if nearest else f'the labels are {_some(sorted(found))}',
        )
    usual = _POSITIVE_FIRST if found <= {*_POSITIVE_FIRST} else ()
    return Labels(tuple(dict.fromkeys([*label_order, *(label for label in usual if label in found), *sorted(found)])))


def _sided(samples: Sequence[Sample], config: DocsConfig) -> list[Sample]:
    """Every sample with its side: its own, or its group's, or the one its key falls on."""
    own = {sample.row.split for sample in samples}
    # A test set without an eval set is the eval set, as with folders; where rows are still to be split there is both.
    meaning = splits.merge_two_sides({side: side for side in own if side}) if None not in own else {}
    of_group = {sample.row.group: sample.row.split for sample in samples if sample.row.group and sample.row.split}
    return [replace(sample, side=_side(sample, meaning, of_group, config)) for sample in samples]


def _side(sample: Sample, meaning: Mapping[str, str], of_group: Mapping[str, str], config: DocsConfig) -> str:
    if own := sample.row.split or of_group.get(sample.row.group or ''):
        return meaning.get(own, own)
    return splits.side(
        sample.key, seed=config.seed, eval_fraction=config.eval_fraction, test_fraction=config.test_fraction
    )


def _balanced(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """Samples of which the training set's surplus has no side any more; those without a label stay."""
    places = [place for place, sample in enumerate(samples) if sample.side == splits.TRAIN and sample.row.labels]
    several = next((samples[place].row for place in places if len(samples[place].row.labels) > 1), None)
    if several:
        raise InputError(
            'rows with several labels have no class to balance',
            where=f'{several.source}:{several.line}',
            do='leave --balance away, or use --class_weights balanced when training',
        )
    candidates = [
        Candidate(samples[place].own_key, samples[place].row.labels[0], samples[place].row.group) for place in places
    ]
    stay = {places[chosen] for chosen in splits.balance(candidates, seed=seed)}
    surplus = {*places} - stay
    return [replace(sample, side=None) if place in surplus else sample for place, sample in enumerate(samples)]


def _write(config: DocsConfig, samples: Sequence[Sample], kept: Sequence[Sample], labels: Labels) -> dict[str, str]:
    """Write the files that have rows, take away those of an earlier run that no longer have any."""
    paths = {'all': files.join(config.output_dir, ALL)}
    paths |= {side: files.join(config.output_dir, f'{side}_set.csv') for side in splits.SIDES}
    dictionary = files.join(config.output_dir, DICTIONARY)
    _check_no_input_is_overwritten(samples, [*paths.values(), dictionary])
    was_ours = files.exists(paths['all']) and files.exists(dictionary)
    sets = {side: [sample for sample in kept if sample.side == side] for side in splits.SIDES}
    # Splits the input made itself travel with it; ours are made again from the keys.
    sample_files.write_csv(paths['all'], samples, with_split=any(sample.row.split for sample in samples))
    for side, members in sets.items():
        if members:
            sample_files.write_csv(paths[side], members)
            _write_origins(config, side, members)
        elif was_ours:
            files.delete(paths[side])
    labels.write(dictionary)
    return {name: path for name, path in paths.items() if name == 'all' or sets[name]}


def _write_origins(config: DocsConfig, side: str, members: Sequence[Sample]) -> None:
    """Keep which row of which CSV each row is; pictures of a folder have no row anybody wrote."""
    path = origins_path(config.output_dir, side)
    if files.is_dir(config.source):
        files.delete(path)
    else:
        provenance.write_origins(path, sample_files.origins(members))


def origins_path(output_dir: str, side: str) -> str:
    """Where the origins of a set's rows are kept."""
    return files.join(output_dir, f'{side}_set.origins.jsonl')


def _check_no_input_is_overwritten(samples: Iterable[Sample], outputs: Sequence[str]) -> None:
    sources = {files.absolute(source) for source in {sample.row.source for sample in samples}}
    for output in outputs:
        if files.absolute(output) in sources:
            raise InputError(
                'this CSV is read, and would be overwritten', where=output, do='choose another --output_dir'
            )


def _notes(found: Samples, kept: Sequence[Sample], labels: Labels) -> Iterable[str]:
    if found.skipped:
        yield 'skipped: ' + ', '.join(f'{count:,} {printable(kind)}' for kind, count in found.skipped.items())
    yield from found.notes
    if found.rejects:
        reasons = Counter(reject.reason for reject in found.rejects)
        told = ', '.join(f'{reason} {count:,}' for reason, count in sorted(reasons.items()))
        yield f'{len(found.rejects):,} of {found.read:,} rows rejected ({told}): see {REJECTS}'
    if found.duplicates:
        yield f'{found.duplicates:,} rows repeat a picture with the same labels and count once'
    if left_out := sum(sample.side is None for sample in kept):
        yield f'{left_out:,} training pictures left out so that the classes are of one size'
    yield from _warnings(kept, labels)


def _warnings(kept: Sequence[Sample], labels: Labels) -> Iterable[str]:
    sides = {sample.side for sample in kept if sample.side}
    present = {(label, sample.side) for sample in kept for label in sample.row.labels}
    for side in (splits.TRAIN, splits.EVAL):
        absent = [label for label in labels.names if (label, side) not in present]
        if side not in sides:
            yield f'warning: there is no {side} set'
        elif absent:
            yield f'warning: no {side} picture of {_some(absent)}'
    if len(labels) == 1:
        yield f'warning: one class only, {printable(labels.names[0])}; a classifier needs two'
    folds = Counter(label.casefold() for label in labels.names)
    if twins := [label for label in labels.names if folds[label.casefold()] > 1]:
        yield f'warning: labels differ in case only: {_some(twins)}; --ignore_label_case makes them one'
    of_group = {(sample.row.group, sample.side) for sample in kept if sample.row.group and sample.side}
    if torn := sorted(group for group, count in Counter(group for group, _ in of_group).items() if group and count > 1):
        yield f'warning: the input puts pictures of one group on both sides: {_some(torn)}'


def _some(names: Sequence[str]) -> str:
    more = f' and {len(names) - _MOST_NAMED} more' if len(names) > _MOST_NAMED else ''
    return ', '.join(map(printable, names[:_MOST_NAMED])) + more
