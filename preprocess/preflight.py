"""What can be known of a set before anything heavy starts: usable inputs, its settings, what is there already."""

import gzip
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preprocess import files, near, record_sets, rows, settings, video_reader
from preprocess.compiled import INFO_FILE
from preprocess.failures import InputError
from preprocess.labels import Labels
from preprocess.manifest import Manifest
from preprocess.options import SetConfig
from preprocess.progress import say
from preprocess.provenance import Provenance
from preprocess.publishing import other_divisions
from preprocess.rows import Reject, Row
from preprocess.settings import Json

# Rows looked at for a label that is known. A CSV that hides its first one behind more of them fails later, not wrongly.
ROWS_LOOKED_AT = 20_000
# Rows looked at for footage, which is asked for by few rows and in most of them or none.
ROWS_SEEN_FOR_FOOTAGE = 1000
# What a recording is taken for before it is looked at: a camera's piece of it.
_WHOLE_RECORDING_S = 600.0
_SAMPLE_BYTES = 1 << 16
_GZIP_MAGIC = b'\x1f\x8b'
# CSVs of paths pack about this well.
_GZIP_RATIO = 6


@dataclass(frozen=True)
class AboutFootage:
    """About how many recordings the rows name, and how many seconds of them; whether there may be any at all."""

    recordings: int
    seconds: float
    is_possible: bool


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A set's inputs, checked."""

    config: SetConfig
    csvs: tuple[str, ...]
    labels: Labels
    working_dir: str
    settings: dict[str, Json]
    about_rows: int
    footage: AboutFootage
    is_remote: bool  # whether pictures come over the network
    local: Row | None = None  # the first of them that is on this machine


def check(
    config: SetConfig, *, encoder_key: str, encoder: str, footage_settings: Mapping[str, Json] | None = None
) -> Inputs:
    """The inputs of a set; InputError when they can't be used."""
    labels = Labels.read(config.input_dict)
    csvs = tuple(rows.expand_inputs(config.input_path))
    _check_labels(config, csvs, labels)
    return look(
        config,
        csvs,
        labels,
        settings={
            **digests(csvs),
            'labels': list(labels.names),
            'image_root': files.absolute(config.image_root) if config.image_root else None,
            'ignore_label_case': config.ignore_label_case,
            'multi_label': config.multi_label,
            'limit': config.limit,
            'shard': str(config.part) if config.part else None,
            **_history(config.provenance),
            **(footage_settings or {}),
            'encoder': encoder,
            'encoder_key': encoder_key,
        },
    )


def digests(csvs: Sequence[str]) -> dict[str, Json]:
    """The contents of some CSVs, as settings."""
    return {f'input {files.absolute(path)}': files.sha256(near.file(path)) for path in csvs}


def look(config: SetConfig, csvs: tuple[str, ...], labels: Labels, *, settings: dict[str, Json]) -> Inputs:
    """What the first rows and the sizes of some CSVs tell."""
    seen = first_rows(config, csvs)
    return Inputs(
        config=config,
        csvs=csvs,
        labels=labels,
        working_dir=os.getcwd(),
        settings=settings,
        about_rows=_about_rows(csvs) // (config.part.of if config.part else 1),
        footage=_about_footage(seen, csvs),
        is_remote=any(files.is_remote(row.uri) for row in seen if isinstance(row, Row)),
        local=next((row for row in seen if isinstance(row, Row) and not files.is_remote(row.uri)), None),
    )


def _history(provenance: Provenance) -> dict[str, Json]:
    """Where a set's rows come from, and those that come without being in its CSV; nothing for a user's own CSV."""
    said: dict[str, Json] = {}
    if provenance.origins:
        said['origins'] = files.sha256(provenance.origins)
    if provenance.rejects and files.exists(provenance.rejects):
        said['rejected before'] = files.sha256(provenance.rejects)
    if provenance.duplicates:
        said['repeats before'] = provenance.duplicates
    return said


def find_complete(inputs: Inputs, *, replace: bool) -> Manifest | None:
    """The set's manifest when it is there, whole, and made with the same settings; one made with others is refused."""
    name = inputs.config.name
    if not replace and (others := other_divisions(name)):
        raise InputError(
            f'{others[0].manifest()} is of the same set, divided otherwise',
            where=name.manifest(),
            do='choose another --output_path, or replace it with --overwrite',
        )
    if not files.exists(name.manifest()):
        return None
    try:
        there = Manifest.read(name.manifest())
    except InputError:
        if replace:
            return None
        raise
    if settings.digest(inputs.settings) != there.digest:
        if replace:
            say(f'{inputs.config.output_path}: {"; ".join(settings.changes(there.settings, inputs.settings))}')
            return None
        raise InputError(
            f'these records were made otherwise ({"; ".join(settings.changes(there.settings, inputs.settings))})',
            where=name.manifest(),
            do='choose another --output_path, or replace them with --overwrite',
        )
    encoder = files.join(name.directory, there.encoder.path, INFO_FILE)
    return there if record_sets.is_whole(name, there) and files.exists(encoder) else None


def _check_labels(config: SetConfig, csvs: tuple[str, ...], labels: Labels) -> None:
    """Stop early when no row has a label that is known: it is the wrong dictionary, or the wrong CSV."""
    found = itertools.chain.from_iterable(rows.read_csv(path, image_root=config.image_root) for path in csvs)
    first: Reject | None = None
    looked_at = 0
    for row in itertools.islice(found, ROWS_LOOKED_AT):
        looked_at += 1
        ids = _ids(row, config, labels)
        if not isinstance(ids, Reject):
            return
        first = first or (ids if ids.reason == 'unknown-label' else None)
    if first and looked_at < ROWS_LOOKED_AT:
        raise InputError(
            f'no label of the CSV is in the dictionary: {first.message}',
            where=f'{first.source}:{first.row}',
            do=f'check that {config.input_dict} belongs to it, or try --ignore_label_case',
        )


def first_rows(config: SetConfig, csvs: tuple[str, ...]) -> list[Row | Reject]:
    """As many rows as are looked at for footage."""
    found = itertools.chain.from_iterable(rows.read_csv(path, image_root=config.image_root) for path in csvs)
    return list(itertools.islice(found, ROWS_SEEN_FOR_FOOTAGE))


def _about_footage(seen: Sequence[Row | Reject], csvs: tuple[str, ...]) -> AboutFootage:
    """The footage of the first rows, and as much of as many others; where there is any, its reader must be there."""
    footage = [row for row in seen if isinstance(row, Row) and row.is_footage]
    if not footage:
        return AboutFootage(0, 0.0, is_possible=len(seen) == ROWS_SEEN_FOR_FOOTAGE)
    video_reader.check_installed(f'{footage[0].source}:{footage[0].line}')
    seconds = sum(_about_seconds(row) for row in footage)
    more = _about_rows(csvs) / len(seen) if len(seen) == ROWS_SEEN_FOR_FOOTAGE else 1.0
    return AboutFootage(round(len({row.recording for row in footage}) * more), seconds * more, is_possible=True)


def _about_seconds(row: Row) -> float:
    if row.frame is not None:
        return 0.0
    if row.stop is None:
        return _WHOLE_RECORDING_S
    return row.stop - (row.start or 0.0)


def _ids(row: Row | Reject, config: SetConfig, labels: Labels) -> tuple[int, ...] | Reject:
    if isinstance(row, Reject):
        return row
    return rows.label_ids(row, labels, ignore_case=config.ignore_label_case, multi_label=config.multi_label)


def _about_rows(csvs: tuple[str, ...]) -> int:
    return sum(_about_rows_of(path) for path in csvs)


def _about_rows_of(path: str) -> int:
    """The number of rows, from the size and the first few: the same for the same file."""
    path = near.file(path)
    size = files.stat(path).size
    with files.open_read(path) as opened:
        head = opened.read(_SAMPLE_BYTES)
        if head.startswith(_GZIP_MAGIC):
            opened.seek(0)
            size *= _GZIP_RATIO
            with gzip.GzipFile(fileobj=opened) as unpacked:
                head = unpacked.read(_SAMPLE_BYTES)
    lines = max(1, head.count(b'\n') + (not head.endswith(b'\n')))
    return lines if len(head) < _SAMPLE_BYTES else size * lines // len(head)
