"""What arrives at the finish of a set: its shards, its refused rows and frames, its counts."""

from dataclasses import dataclass, replace

from preprocess.footage import Expanded, Noted, RefusedFrames
from preprocess.rows import Reject
from preprocess.shards import Damaged, ShardWritten


@dataclass(frozen=True)
class Refused:
    """Some rejected rows of a set."""

    rejects: tuple[Reject, ...]


@dataclass(frozen=True)
class Repeated:
    """How many rows of a set were exact repeats."""

    rows: int


@dataclass(frozen=True)
class Sources:
    """How many pictures and frames came from where; `copies` share the vector of another picture of the same run."""

    from_store: int = 0
    embedded: int = 0
    copies: int = 0
    rejected: int = 0
    frames: int = 0  # so many of all of them are frames of footage

    def __add__(self, other: 'Sources') -> 'Sources':
        # Spelled out: astuple() copies deeply, which is felt where every batch is added.
        return Sources(
            self.from_store + other.from_store,
            self.embedded + other.embedded,
            self.copies + other.copies,
            self.rejected + other.rejected,
            self.frames + other.frames,
        )

    def corrected(self, later: 'Sources') -> 'Sources':
        """With what a later look at the store had to embed because the earlier one had found it damaged."""
        if not self.pictures:
            return later
        return replace(self, from_store=self.from_store - later.embedded, embedded=self.embedded + later.embedded)

    @property
    def pictures(self) -> int:
        """All of them."""
        return self.from_store + self.embedded + self.copies + self.rejected

    def __str__(self) -> str:
        copies = f'{self.copies:,} copies of these, ' if self.copies else ''
        kinds = ['pictures'] * (self.frames < self.pictures or not self.frames) + ['frames'] * (self.frames > 0)
        return (
            f'{self.pictures:,} {" and ".join(kinds)}: {self.from_store:,} from the store, {self.embedded:,} embedded, '
            f'{copies}{self.rejected:,} rejected'
        )


Arrival = ShardWritten | Refused | Repeated | Damaged | Sources | Expanded | RefusedFrames | Noted
