"""Every sample's side: its own, its group's, the one its key falls on, or the one its time in the recording gives."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from preprocess import files, splits
from preprocess.contiguous import FLAG, Contiguous
from preprocess.failures import InputError
from preprocess.group_split import GroupSplit, counting, leaving_out, some
from preprocess.samples import Sample
from preprocess.split_rules import SplitRules

ONE_GROUP = (
    'warning: {group} is the only group, so its ranges are split, each of them whole: neighbours are alike, '
    'and figures will flatter'
)


@dataclass(frozen=True)
class Sided:
    """Samples with their sides, and what to tell of how they got them."""

    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()


def sided(samples: Sequence[Sample], rules: SplitRules) -> Sided:
    """Every sample with its side; what the input says of sides goes before fractions, not before a flag."""
    if rules.flag is None:
        return _by_fraction(samples, rules)
    if rules.groups:
        found = _by_group(samples, rules.groups)
    elif rules.contiguous:
        found = _by_time(samples, rules.contiguous)
    own = any(sample.row.split for sample in samples)
    notes = [f"the input's own splits give way to {rules.flag}"] if own else []
    return Sided(tuple(found), (*notes, *_empty_parts(found, rules.contiguous)))


def without(group: str, samples: Sequence[Sample]) -> list[Sample]:
    """Samples of which one group is there to evaluate on, all others to learn from."""
    sides = leaving_out(group, [group_of(sample) for sample in samples])
    return [replace(sample, side=sides[group_of(sample)]) for sample in samples]


def group_of(sample: Sample) -> str:
    """The group of a sample; footage without one is its recording's."""
    if sample.row.group:
        return sample.row.group
    if sample.row.is_footage:
        return sample.own_key
    raise InputError(
        'this picture has no group',
        where=f'{sample.row.source}:{sample.row.line}',
        do='give a column `group`, or --group_pattern to find it in the path',
    )


def _by_fraction(samples: Sequence[Sample], rules: SplitRules) -> Sided:
    own = {sample.row.split for sample in samples}
    if own == {None} and (one := _only_group(samples)):
        return Sided(tuple(_by_range(samples, rules)), (ONE_GROUP.format(group=one),))
    # A test set without an eval set is the eval set, as with folders; where rows are still to be split there is both.
    meaning = splits.merge_two_sides({side: side for side in own if side}) if None not in own else {}
    of_group = {sample.row.group: sample.row.split for sample in samples if sample.row.group and sample.row.split}

    def side(sample: Sample) -> str:
        if given := sample.row.split or of_group.get(sample.row.group or ''):
            return meaning.get(given, given)
        return rules.side(sample.key)

    return Sided(tuple(replace(sample, side=side(sample)) for sample in samples))


def _only_group(samples: Sequence[Sample]) -> str | None:
    """The group all samples share, where they are ranges of footage that can be split whole."""
    if any(sample.row.start is None for sample in samples) or len({sample.key for sample in samples}) > 1:
        return None
    return samples[0].key if len({_stretch(sample) for sample in samples}) > 1 else None


def _by_range(samples: Sequence[Sample], rules: SplitRules) -> list[Sample]:
    """Whole ranges dealt out class by class; what all cameras saw at that time is on one side."""
    classes: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for sample in samples:
        classes[sample.row.labels].add(_stretch(sample))
    sides: dict[str, str] = {}
    for labels in sorted(classes):
        sides |= rules.deal(classes[labels] - {*sides})
    return [replace(sample, side=sides[_stretch(sample)]) for sample in samples]


def _stretch(sample: Sample) -> str:
    return f'{sample.key}#t={sample.row.start},{sample.row.stop}'


def _by_group(samples: Sequence[Sample], groups: GroupSplit) -> list[Sample]:
    sides = groups.sides(group_of(sample) for sample in samples)
    return [replace(sample, side=sides[group_of(sample)]) for sample in samples]


def _by_time(samples: Sequence[Sample], contiguous: Contiguous) -> list[Sample]:
    """The rows of every recording in the order of their times, none of them cut."""
    recordings: defaultdict[str, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        recordings[_recording(sample)].append(place)
    sides: dict[int, str] = {}
    for recording, places in recordings.items():
        places.sort(key=lambda place: _when(samples[place]))
        weights = _weights([samples[place] for place in places], contiguous)
        sides |= zip(places, contiguous.sides_of(weights, where=recording), strict=True)
    return [replace(sample, side=sides[place]) for place, sample in enumerate(samples)]


def _empty_parts(samples: Sequence[Sample], contiguous: Contiguous | None) -> Iterator[str]:
    """Warnings of recordings that have a part without a row; where none has a row in it, the cut is refused."""
    if contiguous is None:
        return
    wanted = [side for side, share in zip(contiguous.sides, contiguous.shares, strict=True) if share]
    recordings: defaultdict[str, set[str | None]] = defaultdict(set)
    for sample in samples:
        recordings[_recording(sample)].add(sample.side)
    reached = set().union(*recordings.values())
    if missing := [side for side in wanted if side not in reached]:
        raise InputError(
            f'no row is in the {missing[0]} part: rows are not cut, and each goes where its middle is',
            where=f'{FLAG} {contiguous.text}',
            do='give that part more, or shorter rows; preprocess.ranges cuts ranges at the border itself',
        )
    for side in wanted:
        if lacking := [recording for recording, sides in recordings.items() if side not in sides]:
            yield f'warning: no row in the {side} part of {some(lacking)}'


def _recording(sample: Sample) -> str:
    """What a row's times are times of: the video, or the folder of a picture."""
    if sample.row.moment:
        return sample.row.moment.video
    return sample.row.recording if sample.row.is_footage else files.parent(sample.row.uri)


def _when(sample: Sample) -> tuple[float, object]:
    row = sample.row
    if row.moment:
        return row.moment.time, counting(row.uri)
    if row.frame is not None or row.start is not None:
        return (row.start or 0.0) if row.frame is None else float(row.frame), counting('')
    return 0.0, counting(row.uri)


def _weights(samples: Sequence[Sample], contiguous: Contiguous) -> list[Fraction]:
    """How long every row is, where all of them say so; else, and for counts of frames, one each."""
    lengths = [
        Fraction(sample.row.stop) - Fraction(sample.row.start)
        for sample in samples
        if sample.row.start is not None and sample.row.stop is not None
    ]
    known = len(lengths) == len(samples) and not contiguous.are_counts
    return lengths if known else [Fraction(1)] * len(samples)
