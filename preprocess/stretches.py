"""Rows of footage, settled for each recording: repeats counted once, contradictory and unfit ones refused."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from preprocess import pictures, rows
from preprocess.pictures import Rules
from preprocess.rows import Reject, Row
from preprocess.shelves import Refusal

# A stretch of a recording in a set: the set's number, start, stop and frame.
_Place = tuple[int, float | None, float | None, int | None]


class Claim(NamedTuple):
    """A row that can be used."""

    set_index: int
    row: Row
    label_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A recording and the rows that claim frames of it, in order of set, source and line."""

    video: str
    claims: tuple[Claim, ...]

    def rejects(self, refusal: Refusal) -> dict[int, list[Reject]]:
        """All of its rows, refused for one reason."""
        found: dict[int, list[Reject]] = defaultdict(list)
        for claim in self.claims:
            found[claim.set_index].append(rows.reject(claim.row, **refusal._asdict()))
        return found


@dataclass
class Settled:
    """What became of some rows of footage; rejects and duplicates by set."""

    recordings: list[Claimed] = field(default_factory=list)
    rejects: dict[int, list[Reject]] = field(default_factory=lambda: defaultdict(list))
    duplicates: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def settle(found: Iterable[tuple[int, Row]], jobs: Sequence[Rules]) -> Settled:
    """Rows with their sets' numbers -> recordings; repeats are counted once, contradictory and unfit rows rejected."""
    by_video: dict[str, dict[_Place, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for set_index, row in found:
        by_video[row.recording][set_index, row.start, row.stop, row.frame].append(row)
    settled = Settled()
    for video, by_place in sorted(by_video.items()):
        claims = [
            claim
            for (set_index, *_), same in by_place.items()
            for claim in _settled(same, set_index, jobs[set_index], settled)
        ]
        if claims:
            claims.sort(key=lambda claim: (claim.set_index, claim.row.source, claim.row.line))
            settled.recordings.append(Claimed(video, tuple(claims)))
    return settled


def _settled(same: Sequence[Row], set_index: int, job: Rules, settled: Settled) -> Iterator[Claim]:
    """Rows of one stretch -> the claims that stay."""
    for alike in _by_labels(same) if job.multi_label else [same]:
        resolved = rows.resolve_duplicates(alike, ignore_case=job.ignore_label_case)
        refused = resolved.rejects or pictures.unfit(alike, job)
        settled.rejects[set_index] += refused
        if resolved.kept and not refused:
            settled.duplicates[set_index] += resolved.duplicates
            yield Claim(set_index, resolved.kept, pictures.ids(resolved.kept, job))


def _by_labels(same: Sequence[Row]) -> list[list[Row]]:
    """With several labels allowed, a stretch may be named once for each."""
    found: dict[frozenset[str], list[Row]] = defaultdict(list)
    for row in same:
        found[frozenset(row.labels)].append(row)
    return list(found.values())
