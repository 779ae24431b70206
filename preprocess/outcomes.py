"""How a set ended, told to the driver in a file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from preprocess import files
from preprocess.arrivals import Sources
from preprocess.failures import RunFailed
from preprocess.footage_accounts import VideoAccount
from preprocess.manifest import Examples, Rows
from preprocess.sets import SetJob
from preprocess.shards import Damaged

_FILE = 'outcome.json'


@dataclass(frozen=True)
class Outcome:
    """How a set ended; `is_published` is False when too many rows or frames were rejected, or it must be made again.

    `sources` are of all sets that were made together, and so the first one's alone. `footage` is its worst video.
    """

    rows: Rows
    rejects_by_reason: Mapping[str, int]
    from_working_dir: int
    is_published: bool
    sources: Sources = Sources()
    damaged: tuple[Damaged, ...] = ()
    examples: Examples = Examples(0)
    frame_rejects_by_reason: Mapping[str, int] = field(default_factory=dict)
    worst: VideoAccount | None = None
    notes: tuple[str, ...] = ()

    def is_acceptable(self, max_reject_fraction: float) -> bool:
        """Whether few enough rows, and few enough frames of every video, were rejected."""
        if self.rows.rejected > max_reject_fraction * self.rows.read or self.lost_too_much(max_reject_fraction):
            return False
        # One part of several may have no rows at all; a set whose every row was rejected is not one.
        return self.examples.written > 0 or self.rows.read == 0

    def lost_too_much(self, max_reject_fraction: float) -> bool:
        """Whether some video lost too many of its frames."""
        return self.worst is not None and self.worst.rejected > max_reject_fraction * self.worst.expanded

    @property
    def must_repeat(self) -> bool:
        """Whether vectors the records counted on are gone: the next look at the store embeds these pictures anew."""
        return any(piece.is_late for piece in self.damaged)


def write(job: SetJob, outcome: Outcome) -> None:
    """Leave word of how a set ended."""
    files.write_atomic(_file(job), json.dumps(asdict(outcome)).encode())


def read(job: SetJob) -> Outcome:
    """How a set ended; RunFailed when the runner says done and nobody finished it."""
    try:
        said = json.loads(files.read_bytes(_file(job)))
    except FileNotFoundError:
        raise RunFailed(
            'the runner says it is done, but this set was never finished: it lost data',
            where=job.name.manifest(),
            do='run the same command with another --runner',
        ) from None
    return Outcome(
        **{
            **said,
            'rows': Rows(**said['rows']),
            'sources': Sources(**said['sources']),
            'damaged': tuple(Damaged(**piece) for piece in said['damaged']),
            'examples': Examples(**said['examples']),
            'worst': said['worst'] and VideoAccount(**said['worst']),
            'notes': tuple(said['notes']),
        }
    )


def _file(job: SetJob) -> str:
    return files.join(job.work, _FILE)
