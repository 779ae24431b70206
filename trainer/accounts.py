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
    """One rejected row, or run of frames of an accepted one; `place` is file:row."""

    place: str
    uri: str
    message: str


@dataclass(frozen=True)
class Rejects:
    """The rows, or the frames, rejected for one reason."""

    reason: str
    count: int
    examples: tuple[RejectExample, ...]


@dataclass(frozen=True)
class Frames:
    """What became of the frames that rows of footage (and pictures, one each) asked for."""

    asked_for: int
    rejected: int
    rejects: tuple[Rejects, ...]  # most frequent first


@dataclass(frozen=True)
class Account:
    """The rows of one set; None where no manifest tells. `examples` are what they gave: pictures, or frames."""

    name: str
    read: int | None
    accepted: int
    rejected: int | None
    duplicate: int | None
    unlabelled: int
    per_label: Mapping[str, int]
    rejects: tuple[Rejects, ...]  # most frequent first
    examples: int
    frames: Frames | None = None  # of footage


def of_set(found: RecordSet, rows: EmbeddedSet, label_names: Sequence[str]) -> Account:
    """The account of one set of records, from its manifests; without any, from the records alone."""
    if not found.manifests:
        per_label = dict(zip(label_names, rows.counts(len(label_names)), strict=True))
        unlabelled = len(rows) - len(rows.labelled())
        return Account(rows.name, None, len(rows), None, None, unlabelled, per_label, (), len(rows))
    parts = [of_manifest(rows.name, manifest, label_names) for manifest in found.manifests]
    reasons, of_frames = Counter[str](), Counter[str]()
    for manifest in found.manifests:
        reasons.update(manifest.rejects_by_reason)
        of_frames.update(manifest.frame_rejects_by_reason)
    examples = _examples(_rejects_of(found), reasons, of_frames)
    return Account(
        name=rows.name,
        read=sum(part.read or 0 for part in parts),
        accepted=sum(part.accepted for part in parts),
        rejected=sum(part.rejected or 0 for part in parts),
        duplicate=sum(part.duplicate or 0 for part in parts),
        unlabelled=sum(part.unlabelled for part in parts),
        per_label={name: sum(part.per_label[name] for part in parts) for name in label_names},
        rejects=_by_frequency(reasons, examples[False]),
        examples=sum(part.examples for part in parts),
        frames=_together([part.frames for part in parts if part.frames], _by_frequency(of_frames, examples[True])),
    )


def _together(parts: Sequence[Frames], rejects: tuple[Rejects, ...]) -> Frames | None:
    if not parts:
        return None
    return Frames(sum(part.asked_for for part in parts), sum(part.rejected for part in parts), rejects)


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
        examples=manifest.examples.written,
        frames=_frames(manifest),
    )


def _frames(manifest: Manifest) -> Frames | None:
    """Of footage what became of its frames."""
    if not manifest.sampling:
        return None
    found = manifest.examples
    return Frames(found.expanded, found.rejected_frames, _by_frequency(manifest.frame_rejects_by_reason, {}))


def _by_frequency(reasons: Mapping[str, int], examples: Mapping[str, list[RejectExample]]) -> tuple[Rejects, ...]:
    order = sorted((-count, reason) for reason, count in reasons.items() if count)
    return tuple(Rejects(reason, -count, tuple(examples.get(reason, ()))) for count, reason in order)


def _rejects_of(found: RecordSet) -> list[str]:
    """The lists of rejects beside a set's manifests."""
    return [
        SetName(directory, manifest.name, manifest.part).rejects()
        for manifest, directory in zip(found.manifests, found.directories, strict=True)
    ]


_Examples = dict[str, list[RejectExample]]


def _examples(paths: Sequence[str], rows: Counter[str], frames: Counter[str]) -> dict[bool, _Examples]:
    """The first rejects of each reason, of rows (False) and of frames (True); reading ends when there are enough."""
    examples: dict[bool, _Examples] = {False: {}, True: {}}
    missing = {
        of_frames: {reason: min(count, _EXAMPLES) for reason, count in reasons.items() if count}
        for of_frames, reasons in ((False, rows), (True, frames))
    }
    for path in paths:
        for reject in _rejects(path):
            if not any(count for reasons in missing.values() for count in reasons.values()):
                return examples
            reason, of_frames = str(reject.get('reason')), bool(reject.get('frames'))
            if missing[of_frames].get(reason):
                missing[of_frames][reason] -= 1
                examples[of_frames].setdefault(reason, []).append(_example(reject))
    return examples


def _example(reject: Mapping[str, object]) -> RejectExample:
    uri, message = str(reject.get('uri')), str(reject.get('message'))
    if isinstance(frames := reject.get('frames'), int) and frames:
        first = f'{files.name(uri)}: {message}'
        message = first if frames == 1 else f'{first} ({frames:,} frames, to {reject.get("last_frame")})'
    return RejectExample(f'{reject.get("source")}:{reject.get("row")}', uri, message)


def _rejects(path: str) -> Iterator[dict[str, object]]:
    try:
        with files.open_read(path) as source:
            for line in source:
                yield json.loads(line)
    except FileNotFoundError:
        return  # a set copied without its rejects is still whole
    except ValueError as error:
        _log.warning('%s is unreadable from here on: %s', path, error)
