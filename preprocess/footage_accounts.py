"""What became of a set's footage: rows, frames, and which video lost most of its own."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from preprocess.footage import Expanded, Noted, RefusedFrames
from preprocess.rows import Reject


@dataclass(frozen=True)
class VideoAccount:
    """How many frames of a video were asked for, and how many of these were refused."""

    video: str
    expanded: int
    rejected: int

    @property
    def fraction(self) -> float:
        """The share that was refused."""
        return self.rejected / self.expanded if self.expanded else 0.0


@dataclass
class FootageAccount:
    """The sum over everything that arrived of footage."""

    rows: int = 0
    cut_rows: int = 0
    expanded: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)

    def add(self, part: Expanded | RefusedFrames | Noted) -> None:
        """Count what arrived."""
        match part:
            case Expanded():
                self.rows += part.rows
                self.cut_rows += part.cut_rows
                self.expanded[part.video] += part.frames
            case RefusedFrames():
                self.rejected[part.video] += part.frames
                self.rejects += part.rejects
            case Noted():
                self.notes.add(f'{part.video}: {part.note}')

    @property
    def by_reason(self) -> Mapping[str, int]:
        """How many frames were refused for each reason."""
        counts = Counter[str]()
        for reject in self.rejects:
            counts[reject.reason] += reject.frames
        return dict(sorted(counts.items()))

    def worst(self) -> VideoAccount | None:
        """The video that lost the greatest share of its frames."""
        accounts = [VideoAccount(video, frames, self.rejected[video]) for video, frames in self.expanded.items()]
        return max(accounts, key=lambda one: (one.fraction, one.rejected, one.video), default=None)

    def said(self) -> tuple[str, ...]:
        """What the user should know."""
        cut = f'{self.cut_rows:,} rows go on beyond the end of their recording: the frames there are were taken'
        return (*sorted(self.notes), *([cut] if self.cut_rows else []))
