"""Pictures: what every set says of one, settled; and its bytes."""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from preprocess import files, images, rows, shelves, subsets
from preprocess.access import readable
from preprocess.labels import Labels
from preprocess.moments import Moment
from preprocess.rows import Reject, Row
from preprocess.sets import SetJob

_READ_BYTES = 1 << 20


class Rules(Protocol):
    """Of a set, what its rows are read by."""

    @property
    def index(self) -> int: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def ignore_label_case(self) -> bool: ...
    @property
    def multi_label(self) -> bool: ...


class Use(NamedTuple):
    """The row that takes a picture into a set."""

    set_index: int
    label_ids: tuple[int, ...]
    group: str | None
    source: str
    line: int
    moment: Moment | None = None


class Picture(NamedTuple):
    """A picture and the rows that want it, at most one for each set."""

    uri: str
    uses: tuple[Use, ...]

    def rejects(self, *, stage: str, reason: str, message: str) -> list[tuple[int, Reject]]:
        """A reject for every set that wanted it."""
        return [(use.set_index, Reject(use.source, use.line, self.uri, stage, reason, message)) for use in self.uses]


@dataclass
class Settled:
    """What became of some rows; rejects and duplicates by set."""

    pictures: list[Picture] = field(default_factory=list)
    rejects: dict[int, list[Reject]] = field(default_factory=lambda: defaultdict(list))
    duplicates: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def read_rows(job: SetJob, csvs: Sequence[str]) -> Iterator[Row | Reject]:
    """The rows of this set's share of some CSVs, in order; those that can't be used as rejects."""
    found = itertools.chain.from_iterable(
        rows.read_csv(path, image_root=job.image_root, working_dir=job.working_dir) for path in csvs
    )
    own: Iterator[Row | Reject] = (row for row in found if _is_own(row, job))
    if job.limit is not None:
        own = iter(_limited([row for row in own if isinstance(row, Row)], job.limit))
    yield from own


def _limited(found: Sequence[Row], limit: int) -> list[Row]:
    """Rows for so many pictures and frames: where there are fewer rows, each of footage gives several frames."""
    picked = subsets.spread(found, limit)
    most = -(-limit // max(len(picked), 1))
    return [replace(row, most=most) if row.is_footage else row for row in picked]


def settle(found: Iterable[tuple[int, Row]], jobs: Sequence[SetJob]) -> Settled:
    """Rows with their sets' numbers -> pictures; repeats are counted once, contradictions rejected."""
    by_uri: dict[str, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for set_index, row in found:
        by_uri[row.uri][set_index].append(row)
    settled = Settled()
    for uri in sorted(by_uri):
        uses = []
        for set_index, same in sorted(by_uri[uri].items()):
            job = jobs[set_index]
            # Before their labels are looked up: a row that contradicts this picture's others counts, known or not.
            resolved = rows.resolve_duplicates(same, ignore_case=job.ignore_label_case)
            refused = resolved.rejects or unfit(same, job)
            settled.rejects[set_index] += refused
            if resolved.kept and not refused:
                kept = resolved.kept
                settled.duplicates[set_index] += resolved.duplicates
                uses.append(Use(set_index, ids(kept, job), kept.group, kept.source, kept.line, kept.moment))
        if uses:
            settled.pictures.append(Picture(uri, tuple(uses)))
    return settled


def read_bytes(uri: str) -> bytes:
    """A picture's bytes; ImageError says why there are none."""
    with readable():
        # One byte above the limit is enough for the pixel policy to refuse it.
        return files.read_bytes(uri, limit=images.MAX_BYTES + 1)


def content_key(uri: str) -> bytes:
    """The sha256 of what read_bytes gives, without holding it; ImageError says why there is nothing."""
    digest = hashlib.sha256()
    left = images.MAX_BYTES + 1
    with readable(), files.open_read(uri) as opened:
        while left and (some := opened.read(min(left, _READ_BYTES))):
            digest.update(some)
            left -= len(some)
    return digest.digest()


def stat(uri: str) -> files.FileStat:
    """A picture's size and version; ImageError says why there is none."""
    with readable():
        return files.stat(uri)


def _is_own(row: Row | Reject, job: SetJob) -> bool:
    if job.name.part is None:
        return True
    # By the picture or recording and not by the line: all rows of one must meet in one part.
    place = row.recording if isinstance(row, Row) else row.uri or f'{row.source}:{row.row}'
    return shelves.hash_of(place) % job.name.part.of == job.name.part.index


def unfit(same: Sequence[Row], job: Rules) -> list[Reject]:
    """Equal rows, each refused for its labels; none when these can be used."""
    return [found for row in same if isinstance(found := _label_ids(row, job), Reject)]


def _label_ids(row: Row, job: Rules) -> tuple[int, ...] | Reject:
    return rows.label_ids(row, job.labels, ignore_case=job.ignore_label_case, multi_label=job.multi_label)


def ids(row: Row, job: Rules) -> tuple[int, ...]:
    """The class ids of a row whose labels can be used."""
    found = _label_ids(row, job)
    if isinstance(found, Reject):
        raise ValueError(f'a row came through that has no place here: {found}')
    return found
