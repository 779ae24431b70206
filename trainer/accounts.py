"""Where every row of the input went: accepted, rejected and why, repeated; read from manifests and lists of rejects."""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from preprocess import files
from preprocess.manifest import Manifest
from preprocess.record_sets import RecordSet
from preprocess.set_names import SetName
from trainer.embedded_set import EmbeddedSet

_log = logging.getLogger(__name__)
_EXAMPLES = 5  # of each reason


@dataclass(frozen=True)
class RejectExample:
    """One rejected row; `place` is file:row."""

    place: str
    uri: str
    message: str


@dataclass(frozen=True)
class Rejects:
    """The rows rejected for one reason."""

    reason: str
    count: int
    examples: tuple[RejectExample, ...]


@dataclass(frozen=True)
class Account:
    """The rows of one set; None where no manifest tells."""

    name: str
    read: int | None
    accepted: int
    rejected: int | None
    duplicate: int | None
    unlabelled: int
    per_label: Mapping[str, int]
    rejects: tuple[Rejects, ...]  # most frequent first


def of_set(found: RecordSet, rows: EmbeddedSet, label_names: Sequence[str]) -> Account:
    """The account of one set of records, from its manifests; without any, from the records alone."""
    if not found.manifests:
        per_label = dict(zip(label_names, rows.counts(len(label_names)), strict=True))
        unlabelled = len(rows) - len(rows.labelled())
        return Account(rows.name, None, len(rows), None, None, unlabelled, per_label, ())
    parts = [of_manifest(rows.name, manifest, label_names) for manifest in found.manifests]
    reasons = Counter[str]()
    for manifest in found.manifests:
        reasons.update(manifest.rejects_by_reason)
    examples = _examples(_rejects_of(found), reasons)
    return Account(
        name=rows.name,
        read=sum(part.read or 0 for part in parts),
        accepted=sum(part.accepted for part in parts),
        rejected=sum(part.rejected or 0 for part in parts),
        duplicate=sum(part.duplicate or 0 for part in parts),
        unlabelled=sum(part.unlabelled for part in parts),
        per_label={name: sum(part.per_label[name] for part in parts) for name in label_names},
        rejects=_by_frequency(reasons, examples),
    )


def of_manifest(name: str, manifest: Manifest, label_names: Sequence[str]) -> Account:
    """The account of a set of which only the manifest is at hand (inside a model)."""
    rows = manifest.rows
    return Account(
        name=name,
        read=rows.read,
        accepted=rows.accepted,
        rejected=rows.rejected,
        duplicate=rows.duplicate,
        unlabelled=manifest.unlabelled,
        per_label={label: manifest.counts_per_label.get(label, 0) for label in label_names},
        rejects=_by_frequency(manifest.rejects_by_reason, {}),
    )


def _by_frequency(reasons: Mapping[str, int], examples: Mapping[str, list[RejectExample]]) -> tuple[Rejects, ...]:
    order = sorted((-count, reason) for reason, count in reasons.items() if count)
    return tuple(Rejects(reason, -count, tuple(examples.get(reason, ()))) for count, reason in order)


def _rejects_of(found: RecordSet) -> list[str]:
    """The lists of rejects beside a set's manifests."""
    return [
        SetName(directory, manifest.name, manifest.part).rejects()
        for manifest, directory in zip(found.manifests, found.directories, strict=True)
    ]


def _examples(paths: Sequence[str], reasons: Counter[str]) -> dict[str, list[RejectExample]]:
    """The first rejects of each reason; reading ends when there are enough of all."""
    examples: dict[str, list[RejectExample]] = {}
    missing = {reason: min(count, _EXAMPLES) for reason, count in reasons.items() if count}
    for path in paths:
        for reject in _rejects(path):
            if not any(missing.values()):
                return examples
            reason = str(reject.get('reason'))
            if missing.get(reason):
                missing[reason] -= 1
                place = f'{reject.get("source")}:{reject.get("row")}'
                example = RejectExample(place, str(reject.get('uri')), str(reject.get('message')))
                examples.setdefault(reason, []).append(example)
    return examples


def _rejects(path: str) -> Iterator[dict[str, object]]:
    try:
        with files.open_read(path) as source:
            for line in source:
                yield json.loads(line)
    except FileNotFoundError:
        return  # a set copied without its rejects is still whole
    except ValueError as error:
        _log.warning('%s is unreadable from here on: %s', path, error)
