"""One folder or CSV -> the CSVs of its splits and the dictionary of its labels."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from preprocess import files, folds, provenance, sample_files, sample_sides, splits
from preprocess.failures import InputError, UsageError
from preprocess.group_split import in_order
from preprocess.labels import Labels
from preprocess.progress import Progress
from preprocess.rows import Reject
from preprocess.sample_files import UNLABELLED, printable
from preprocess.sample_sides import Sided
from preprocess.samples import Reading, Sample, Samples, gather
from preprocess.split_rules import SplitRules
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
    split: SplitRules = SplitRules()
    balance: bool = False
    leave_one_out: bool = False
    reading: Reading = Reading()

    def __post_init__(self) -> None:
        if self.leave_one_out and self.split.flag:
            raise UsageError(
                'leaving every group out in turn splits already',
                where=f'--leave_one_out and {self.split.flag}',
                do='give one of them',
            )


@dataclass(frozen=True)
class DocsResult:
    """What was written: `paths` by set, `folds` by group left out, counts by (label, set), what to tell the user."""

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
    folds: Mapping[str, str] = field(default_factory=dict)


def create_docs(config: DocsConfig) -> DocsResult:
    """Read the source, give every sample a side, write all_data.csv, the sets' CSVs and dict.txt."""
    found = gather(config.source, config.reading)
    with Progress('splitting'):
        labels = _dictionary(found.samples, config.reading.label_order)
        sided = (
            _each_left_out(found.samples) if config.leave_one_out else sample_sides.sided(found.samples, config.split)
        )
        kept = _kept(sided.samples, config)
        _check_no_input_is_overwritten(config, found.samples)
        folds = _write_folds(config, found.samples)
        paths = _write(config, sided.samples, kept, labels)
        sample_files.write_rejects(files.join(config.output_dir, REJECTS), found.rejects)
    counts = Counter((label, sample.side) for sample in kept for label in sample.row.labels or (UNLABELLED,))
    sides = in_order(folds) if folds else splits.SIDES
    return DocsResult(
        paths=paths,
        dictionary=files.join(config.output_dir, DICTIONARY),
        labels=labels,
        counts={(label, side): count for (label, side), count in counts.items() if side},
        read=found.read,
        rejects=found.rejects,
        duplicates=found.duplicates,
        left_out=sum(sample.side is None for sample in kept),
        table=sample_files.table(kept, labels.names, sides=sides),
        notes=(*sided.notes, *_notes(found, kept, labels, config)),
        folds=folds,
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
    return in_dictionary_order(found, label_order)


def in_dictionary_order(found: Set[str], label_order: Sequence[str] = ()) -> Labels:
    """Labels in the order of their ids: those named first, positive before negative, the others by their spelling."""
    usual = [label for label in _POSITIVE_FIRST if label in found] if found <= {*_POSITIVE_FIRST} else []
    return Labels(tuple(dict.fromkeys([*label_order, *usual, *sorted(found)])))


def _each_left_out(samples: Sequence[Sample]) -> Sided:
    """Samples whose side is the group they are left out with: one set of sets for each."""
    sided = Sided(tuple(replace(sample, side=sample_sides.group_of(sample)) for sample in samples))
    if len(groups := {sample.side for sample in sided.samples}) < 2:
        raise InputError(
            f'{next(iter(groups))} is the only group: without it nothing is left to learn from',
            where='--leave_one_out',
            do='give rows of two groups or more, or leave it out',
        )
    return sided


def _kept(samples: Sequence[Sample], config: DocsConfig) -> Sequence[Sample]:
    """The samples a set gets; classes are cut to one size where that is asked for."""
    if config.leave_one_out:
        return samples
    kept = _balanced(samples, config.split.seed) if config.balance else samples
    if not any(sample.side == splits.TRAIN for sample in kept):
        raise InputError(
            'no picture is left for training', where=config.source, do='give more pictures, or smaller fractions'
        )
    return kept


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
    all_path, dictionary = (files.join(config.output_dir, name) for name in (ALL, DICTIONARY))
    was_ours = files.exists(all_path) and files.exists(dictionary)
    sets = {side: [sample for sample in kept if sample.side == side] for side in splits.SIDES}
    # Splits the input made itself travel with it; ours are made again from the keys.
    travels = any(sample.row.split for sample in samples) and not config.leave_one_out
    sample_files.write_csv(all_path, samples, with_split=travels)
    for side, members in sets.items():
        if members:
            sample_files.write_csv(_set_path(config, side), members)
            _write_origins(config, side, members)
        elif was_ours:
            files.delete(_set_path(config, side))
    labels.write(dictionary)
    return {'all': all_path, **{side: _set_path(config, side) for side in splits.SIDES if sets[side]}}


def _write_folds(config: DocsConfig, samples: Sequence[Sample]) -> dict[str, str]:
    """The folders of the groups left out, one after the other, by group; those of groups that are gone go."""
    groups = in_order(map(sample_sides.group_of, samples)) if config.leave_one_out else []
    found = {group: folds.folder(config.output_dir, group) for group in groups}
    folds.remove_others(config.output_dir, found.values())
    for group, folder in found.items():
        kept = sample_sides.without(group, samples)
        kept = _balanced(kept, config.split.seed) if config.balance else kept
        for side in (splits.TRAIN, splits.EVAL):
            members = [sample for sample in kept if sample.side == side]
            sample_files.write_csv(files.join(folder, f'{side}_set.csv'), members)
    return found


def _set_path(config: DocsConfig, side: str) -> str:
    return files.join(config.output_dir, f'{side}_set.csv')


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


def _check_no_input_is_overwritten(config: DocsConfig, samples: Iterable[Sample]) -> None:
    sources = {files.absolute(source) for source in {sample.row.source for sample in samples}}
    outputs = [files.join(config.output_dir, name) for name in (ALL, DICTIONARY)]
    for output in [*outputs, *(_set_path(config, side) for side in splits.SIDES)]:
        if files.absolute(output) in sources:
            raise InputError(
                'this CSV is read, and would be overwritten', where=output, do='choose another --output_dir'
            )


def _notes(found: Samples, kept: Sequence[Sample], labels: Labels, config: DocsConfig) -> Iterable[str]:
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
    if config.leave_one_out:
        yield from _lonely(kept, labels)
    else:
        yield from _absent(kept, labels, config.split)
        # Cut in time order, every recording is on all sides: that is what was asked for.
        yield from () if config.split.contiguous else _torn(kept)
    if len(labels) == 1:
        yield f'warning: one class only, {printable(labels.names[0])}; a classifier needs two'
    folds = Counter(label.casefold() for label in labels.names)
    if twins := [label for label in labels.names if folds[label.casefold()] > 1]:
        yield f'warning: labels differ in case only: {_some(twins)}; --ignore_label_case makes them one'


def _absent(kept: Sequence[Sample], labels: Labels, split: SplitRules) -> Iterable[str]:
    sides = {sample.side for sample in kept if sample.side}
    present = {(label, sample.side) for sample in kept for label in sample.row.labels}
    for side in (splits.TRAIN, splits.EVAL):
        absent = [label for label in labels.names if (label, side) not in present]
        if side not in sides:
            yield f'warning: there is no {side} set'
        elif absent:
            yield f'warning: no {side} picture of {_some(absent)}'
    by_fraction = split.flag is None and not any(sample.row.split for sample in kept)
    if split.test_fraction and by_fraction and splits.TEST not in sides:
        yield 'warning: there is no test set: there are too few rows or groups for --test_fraction'


def _lonely(kept: Sequence[Sample], labels: Labels) -> Iterable[str]:
    groups = Counter(label for label, _ in {(label, sample.side) for sample in kept for label in sample.row.labels})
    if lonely := [label for label in labels.names if groups[label] == 1]:
        yield f'warning: only one group has {_some(lonely)}: while it is left out, nothing can be learned of them'


def _torn(kept: Sequence[Sample]) -> Iterable[str]:
    of_group = {(sample.row.group, sample.side) for sample in kept if sample.row.group and sample.side}
    if torn := sorted(group for group, count in Counter(group for group, _ in of_group).items() if group and count > 1):
        yield f'warning: the input puts pictures of one group on both sides: {_some(torn)}'


def _some(names: Sequence[str]) -> str:
    more = f' and {len(names) - _MOST_NAMED} more' if len(names) > _MOST_NAMED else ''
    return ', '.join(map(printable, names[:_MOST_NAMED])) + more
