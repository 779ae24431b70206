"""What somebody wrote of when which label holds: the entries of a sheet, and those that label nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from preprocess.failures import InputError

# Column headings of the lab's own sheets; its frame ranges are written under the same.
LAB_HEADER = ('PROCEDURE', 'Original_Start_Time', 'Original_Stop_Time')

DROPPED = {
    'bad-quotes': 'The row breaks the rules of CSV: a quote that is not closed, or text after one that is.',
    'bad-label': 'The label holds a line break.',
    'bad-time': 'A start or stop is no time.',
    'empty-time': 'There is no start or no stop.',
    'unpaired': 'A state event that starts and never stops, or stops and never started.',
    'no-video': 'The other rows name a video, this one does not.',
    'ignored': 'The label is one that is ignored.',
    'inverted': 'It stops before it starts.',
    'zero-length': 'It stops when it starts.',
    'before-recording': 'It stops before the recording begins.',
    'too-short': 'No frame is shown in it (of extracted frames, and by `--ends strict` or `closed`).',
    'overlap': 'It overlaps a range of another label, and such ranges are rejected.',
    'covered': 'Ranges of earlier rows cover all of it.',
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: its label and its times as they were written; a point event has one time and no length."""

    source: str
    line: int
    label: str
    start: str
    stop: str
    is_point: bool = False

    @property
    def where(self) -> str:
        """The row, for messages."""
        return f'{self.source}:{self.line}'


@dataclass(frozen=True, slots=True)
class Dropped:
    """An entry that labels nothing, and why."""

    entry: Entry
    reason: str
    message: str

    def __post_init__(self) -> None:
        if self.reason not in DROPPED:
            raise ValueError(f'unknown reason {self.reason!r}; choose from {", ".join(DROPPED)}')


@dataclass(frozen=True)
class Sheet:
    """The entries of one clock: a subject's session, one video, one observation.

    `begins` is what that clock shows when the recording begins, where the sheet itself says it.
    """

    name: str
    source: str
    entries: tuple[Entry, ...]
    group: str
    kind: str = 'plain'
    media: tuple[str, ...] = ()
    header: tuple[str, str, str] = LAB_HEADER
    unlabelled: int = 0
    dropped: tuple[Dropped, ...] = ()
    fps: Fraction | None = None
    decimal_comma: bool = False
    begins: Fraction = Fraction(0)

    @property
    def is_lab(self) -> bool:
        """Whether its times are of a day, and the recording begins with a clap."""
        return self.kind == 'lab'


def distinct(sheets: Sequence[Sheet]) -> list[Sheet]:
    """Sheets of one name and video as one; two sheets of one name and different videos are refused."""
    found: dict[str, Sheet] = {}
    for sheet in sheets:
        other = found.get(sheet.name)
        if other and (other.media != sheet.media or not sheet.media or other.group != sheet.group):
            raise InputError(
                f'two sheets are called {sheet.name}',
                where=f'{other.source} and {sheet.source}',
                do='rename one of them: the name says which recordings and files are its',
            )
        found[sheet.name] = _joined(other, sheet) if other else sheet
    return list(found.values())


def _joined(first: Sheet, second: Sheet) -> Sheet:
    return replace(
        first,
        entries=(*first.entries, *second.entries),
        unlabelled=first.unlabelled + second.unlabelled,
        dropped=(*first.dropped, *second.dropped),
    )
