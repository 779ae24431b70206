"""Folder or CSVs -> samples: rows of labelled pictures, each once, with the key that decides its side of a split."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from preprocess import command, files, folders, interrupts, rows, splits
from preprocess.failures import InputError, Interrupted
from preprocess.progress import Progress
from preprocess.rows import Reject, Row

_FRAGMENT = re.compile(r'#(?:t|frame)=[^#]*$')


@dataclass(frozen=True, slots=True)
class Sample:
    """A row, the key of its own, and the side it was given (None before, and when it is left out)."""

    row: Row
    own_key: str
    side: str | None = None

    @property
    def key(self) -> str:
        """What decides the side: the group where there is one."""
        return self.row.group or self.own_key


@dataclass(frozen=True)
class Reading:
    """How to read a source: what relative paths belong to, where groups are named, what labels are equal."""

    image_root: str | None = None
    working_dir: str | None = None
    group_pattern: str | None = None
    ignore_label_case: bool = False
    label_order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.group_pattern is not None:
            splits.compile_group_pattern(self.group_pattern)


@dataclass(frozen=True)
class Samples:
    """What a source holds: every row read is a sample, a reject or a repeat of a sample."""

    samples: tuple[Sample, ...]
    rejects: tuple[Reject, ...]
    duplicates: int
    skipped: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def read(self) -> int:
        """How many rows the source has."""
        return len(self.samples) + len(self.rejects) + self.duplicates


def gather(source: str, reading: Reading) -> Samples:
    """Everything a folder or the CSVs of a comma list or pattern hold."""
    found = _from_folder(source) if files.is_dir(source) else _from_csvs(source, reading)
    found = _with_groups(found, reading.group_pattern)
    found = _with_one_spelling(found, reading) if reading.ignore_label_case else found
    return _each_once(found)


def _from_folder(source: str) -> Samples:
    listing = folders.read_folder(source)
    samples = tuple(Sample(row, listing.key(row)) for row in listing.rows)
    return Samples(samples, (), 0, listing.skipped, ())


def _from_csvs(source: str, reading: Reading) -> Samples:
    samples: list[Sample] = []
    rejects: list[Reject] = []
    paths = rows.expand_inputs(source)
    with Progress('reading', unit='rows') as progress:
        for row in _rows_of(paths, reading):
            if isinstance(row, Reject):
                rejects.append(row)
            else:
                samples.append(Sample(row, _key_of_cell(row)))
            progress.advance(failed=int(isinstance(row, Reject)))
    if not samples:
        raise InputError(
            f'every row was rejected; the first: {rejects[0].message}',
            where=f'{rejects[0].source}:{rejects[0].row}',
            do='write one picture and its label a line: image,label',
        )
    elsewhere = sum(sample.row.from_working_dir for sample in samples)
    notes = (f'{elsewhere:,} pictures are not where their CSV is and were taken from the working directory',)
    return Samples(tuple(samples), tuple(rejects), 0, {}, notes if elsewhere else ())


def _rows_of(paths: Iterable[str], reading: Reading) -> Iterator[Row | Reject]:
    for path in paths:
        for row in rows.read_csv(path, image_root=reading.image_root, working_dir=reading.working_dir):
            if interrupts.requested():
                raise Interrupted('interrupted', where=path, do=f'run it again: {command.this_command()}')
            yield row


def _key_of_cell(row: Row) -> str:
    # All stretches of one video are alike: they share its side.
    cell = _FRAGMENT.sub('', row.cell) if row.is_footage else row.cell
    return cell if cell.isascii() else unicodedata.normalize('NFC', cell)


def _with_groups(found: Samples, pattern: str | None) -> Samples:
    """Samples that name no group are given the one the pattern finds in their key."""
    if pattern is None:
        return found
    compiled = splits.compile_group_pattern(pattern)
    samples = tuple(_with_group(sample, compiled) for sample in found.samples)
    alone = sum(sample.row.group is None for sample in samples)
    if alone == len(samples):
        raise InputError(
            f'no picture matches the group pattern, for instance {samples[0].own_key!r}',
            where=f'--group_pattern {pattern}',
            do='mend the pattern: it is searched for in the path below the label folder, or in the CSV cell',
        )
    note = f'{alone:,} pictures match no group and are split one by one'
    return replace(found, samples=samples, notes=(*found.notes, note) if alone else found.notes)


def _with_group(sample: Sample, pattern: re.Pattern[str]) -> Sample:
    group = None if sample.row.group else splits.group_in(sample.own_key, pattern)
    return replace(sample, row=replace(sample.row, group=group)) if group else sample


def _with_one_spelling(found: Samples, reading: Reading) -> Samples:
    """Labels that differ in case only become the one in the label order, or else the commonest of them."""
    counts = Counter(label for sample in found.samples for label in sample.row.labels)
    spelling: dict[str, str] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        spelling.setdefault(label.casefold(), label)
    spelling.update({label.casefold(): label for label in reading.label_order})
    changed = {label for label in counts if spelling[label.casefold()] != label}
    samples = tuple(
        _respelled(sample, spelling) if changed & {*sample.row.labels} else sample for sample in found.samples
    )
    return replace(found, samples=samples)


def _respelled(sample: Sample, spelling: Mapping[str, str]) -> Sample:
    labels = tuple(dict.fromkeys(spelling[label.casefold()] for label in sample.row.labels))
    return replace(sample, row=replace(sample.row, labels=labels))


def _each_once(found: Samples) -> Samples:
    """One sample for each picture: repeats are counted, pictures whose rows disagree are rejected."""
    seen = Counter(sample.row.uri for sample in found.samples)
    if len(seen) == len(found.samples):
        return found
    repeated: defaultdict[str, list[Row]] = defaultdict(list)
    for sample in found.samples:
        if seen[sample.row.uri] > 1:
            repeated[sample.row.uri].append(sample.row)
    resolved = [rows.resolve_duplicates(same) for same in repeated.values()]
    kept = {(each.kept.source, each.kept.line) for each in resolved if each.kept}
    samples = tuple(
        sample for sample in found.samples if seen[sample.row.uri] == 1 or (sample.row.source, sample.row.line) in kept
    )
    return replace(
        found,
        samples=_not_empty(samples, resolved),
        rejects=(*found.rejects, *(reject for each in resolved for reject in each.rejects)),
        duplicates=sum(each.duplicates for each in resolved),
    )


def _not_empty(samples: tuple[Sample, ...], resolved: Sequence[rows.Resolution]) -> tuple[Sample, ...]:
    if not samples:
        first = next(reject for each in resolved for reject in each.rejects)
        raise InputError(
            'the rows of every picture disagree',
            where=f'{first.source}:{first.row}',
            do=f'keep one row for each picture; here {first.message}',
        )
    return samples
