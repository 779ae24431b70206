"""What `preprocess.ranges` leaves: frame ranges, ranges by label, labelled rows and their dictionary, the report."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from preprocess import csv_text, file_names, files, folds, moments
from preprocess.documents import ALL, DICTIONARY
from preprocess.failures import InputError
from preprocess.group_split import in_order, leaving_out
from preprocess.labelling import LabelledRow, Session
from preprocess.labels import Labels
from preprocess.range_report import Account
from preprocess.splits import EVAL, SIDES, TRAIN

REPORT, DROPPED_ROWS = 'ranges_report.json', 'dropped_rows.csv'
# Its sheets, and what its programs write of them, end their lines so.
_LAB_NEWLINE = '\r\n'
_HEADER = ('image', 'start', 'stop')


@dataclass
class Output:
    """The directory that files are written to, and those that were."""

    directory: str
    written: list[str] = field(default_factory=list)

    def path(self, *parts: str) -> str:
        """Where a file goes; it counts as written."""
        path = files.join(self.directory, *parts)
        self.written.append('/'.join(parts))
        return path

    def earlier(self) -> list[str]:
        """What the last run of this kind wrote here."""
        try:
            found = json.loads(files.read_text(files.join(self.directory, REPORT)))
        except (FileNotFoundError, IsADirectoryError, ValueError):
            return []
        listed = found.get('files') if isinstance(found, dict) else None
        return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []

    def remove_others(self, earlier: Sequence[str]) -> None:
        """Take away what an earlier run left and this one did not write; nothing else."""
        for name in earlier:
            if name not in self.written and '..' not in name.split('/') and not name.startswith('/'):
                files.delete(files.join(self.directory, name))


def check_inputs(output_dir: str, inputs: Iterable[str]) -> None:
    """Refuse to write where a sheet is read."""
    ours = [files.join(output_dir, name) for name in (ALL, DICTIONARY, *(f'{side}_set.csv' for side in SIDES))]
    sources = {files.absolute(path) for path in inputs}
    for path in ours:
        if files.absolute(path) in sources:
            raise InputError(
                'this sheet is read, and would be overwritten', where=path, do='choose another --output_dir'
            )


def write_frame_ranges(output: Output, session: Session) -> None:
    """`framecsv/P5frame.csv`, and for each label `ranges/P5/LABEL.csv` without header or label, as the lab has them."""
    rows = list(_frame_ranges(session))
    name = file_names.safe(session.name)
    head = session.timed.sheet.header
    _write_csv(output.path('framecsv', f'{name}frame.csv'), [head, *rows], newline=_LAB_NEWLINE)
    by_label: dict[str, list[tuple[str, str]]] = {}
    for label, start, stop in rows:
        by_label.setdefault(label, []).append((start, stop))
    for label, ranges in by_label.items():
        path = output.path('ranges', name, f'{file_names.safe(label)}.csv')
        _write_csv(path, ranges, newline=_LAB_NEWLINE)


def _frame_ranges(session: Session) -> Iterator[tuple[str, str, str]]:
    """Labels with their first and last frames as the lab's programs compute them: in floats, from the day's seconds."""
    timed = session.timed
    origin, fps = float(timed.origin), float(session.rules.fps)
    ahead = float(timed.offset) * fps
    for one in timed.entries:
        # The lab's programs take an empty time for midnight; its frame ranges have a row for it all the same.
        times = [Fraction(0) if time is None and timed.sheet.is_lab else time for time in (one.start, one.stop)]
        start, stop = (None if time is None else repr((float(time) - origin) * fps + ahead) for time in times)
        if start is not None and stop is not None:
            yield one.entry.label, start, stop


@dataclass(frozen=True)
class _Columns:
    """What a labelled CSV has columns for: so many labels, and of frames where in their recording they are."""

    labels: int
    of_frames: bool

    @classmethod
    def of(cls, rows: Sequence[LabelledRow]) -> '_Columns':
        """One column of labels, unless a label could be taken for two."""
        several = {row.labels for row in rows}
        is_unclear = any('|' in label for labels in several for label in labels)
        return cls(max(2, *map(len, several)) if is_unclear else 1, any(row.moment for row in rows))

    def lines(self, rows: Iterable[LabelledRow]) -> Iterator[Sequence[str]]:
        """The header, and a line for each row."""
        yield [*_HEADER, *['label'] * self.labels, 'group', 'split', *(moments.COLUMNS if self.of_frames else ())]
        for row in rows:
            labels = ['|'.join(row.labels)] if self.labels == 1 else [*row.labels, *self._blank(row)]
            moment = row.moment.cells if row.moment else ()
            yield [row.image, row.start, row.stop, *labels, row.group, row.side or '', *moment]

    def _blank(self, row: LabelledRow) -> list[str]:
        return [''] * (self.labels - len(row.labels))


def write_labelled(output: Output, rows: Sequence[LabelledRow], labels: Labels) -> dict[str, str]:
    """all_data.csv, a CSV of each side that has rows, dict.txt; their paths by set."""
    columns = _Columns.of(rows)
    paths = {'all': output.path(ALL)}
    _write_csv(paths['all'], columns.lines(rows))
    for side in SIDES:
        if any(row.side == side for row in rows):
            paths[side] = output.path(f'{side}_set.csv')
            _write_csv(paths[side], columns.lines(row for row in rows if row.side == side))
    labels.write(output.path(DICTIONARY))
    return paths


def write_folds(output: Output, rows: Sequence[LabelledRow]) -> dict[str, str]:
    """For every group a folder of the sets without it and of it alone; the folders by group."""
    columns = _Columns.of(rows)
    groups = in_order(row.group for row in rows)
    found = {}
    for group in groups:
        sides = leaving_out(group, groups)
        found[group] = folds.folder(output.directory, group)
        name = files.name(found[group])
        for side in (TRAIN, EVAL):
            chosen = (row._replace(side=side) for row in rows if sides[row.group] == side)
            _write_csv(output.path(folds.FOLDER, name, f'{side}_set.csv'), columns.lines(chosen))
    return found


def write_dropped(output: Output, accounts: Sequence[Account]) -> None:
    """Every labelled row that labels nothing, with the reason: to be mended in the sheet."""
    lines: list[Sequence[str]] = [['sheet', 'row', 'label', 'start', 'stop', 'reason', 'message']]
    for one in (one for account in accounts for one in account.dropped):
        entry = one.entry
        cells = [entry.source, str(entry.line), entry.label, entry.start, entry.stop, one.reason, one.message]
        lines.append([*map(csv_text.harmless, cells)])
    _write_csv(output.path(DROPPED_ROWS), lines)


def write_report(output: Output, content: Mapping[str, object]) -> str:
    """ranges_report.json, with the list of all files of this run."""
    path = output.path(REPORT)
    whole = {**content, 'files': output.written}
    files.write_atomic(path, (json.dumps(whole, indent=1, ensure_ascii=False) + '\n').encode(errors='backslashreplace'))
    return path


def _write_csv(path: str, rows: Iterable[Sequence[str]], *, newline: str = '\n') -> None:
    """A CSV that gets its name when it is whole."""
    with files.writing_atomic(path) as opened, csv_text.writing(opened) as text:
        csv.writer(text, lineterminator=newline).writerows(rows)
