"""Samples -> labelled CSVs that read back as the same rows, and the table that sums them up."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence

from preprocess import csv_text, files, moments
from preprocess.rows import Reject, Row
from preprocess.samples import Sample
from preprocess.splits import SIDES

# A table of more groups or classes than these is no summary.
_MOST_GROUPS_SHOWN = 20
_MOST_CLASSES_ACROSS = 8
UNLABELLED = '(unlabelled)'
# What a rejected row has; before rows become frames, none of them is rejected.
_ROW_FIELDS = ('source', 'row', 'uri', 'stage', 'reason', 'message')


def write_csv(path: str, samples: Sequence[Sample], *, with_split: bool = False) -> None:
    """Write `image,label…` lines, under a header only where groups, splits or a label's `|` need one.

    A file that says so already stays as it is: a job of an earlier command may be reading it.
    """
    columns = _columns([sample.row for sample in samples], with_split=with_split)
    written = io.BytesIO()
    with csv_text.writing(written) as text:
        writer = csv.writer(text, lineterminator='\n')
        if columns:
            writer.writerow(columns)
        writer.writerows(_cells(sample, columns) for sample in samples)
    data = written.getvalue()
    if not _is_there(path, data):
        files.write_atomic(path, data)


def _is_there(path: str, data: bytes) -> bool:
    try:
        return files.stat(path).size == len(data) and files.read_bytes(path) == data
    except FileNotFoundError:
        return False


def origins(samples: Sequence[Sample], *, with_split: bool = False) -> Iterator[tuple[int, str, int]]:
    """The line of each sample in the CSV that `write_csv` writes, with its place in the user's own."""
    columns = _columns([sample.row for sample in samples], with_split=with_split)
    line = 2 if columns else 1
    for sample in samples:
        yield line, sample.row.source, sample.row.line
        line += 1 + sum(cell.count('\n') for cell in _cells(sample, columns))


def write_rejects(path: str, rejects: Sequence[Reject]) -> None:
    """One JSON line for each rejected row; no file, and no earlier one left, when there are none."""
    if rejects:
        lines = [json.dumps({name: getattr(reject, name) for name in _ROW_FIELDS}) + '\n' for reject in rejects]
        files.write_atomic(path, ''.join(lines).encode())
    else:
        files.delete(path)


def table(samples: Sequence[Sample], labels: Sequence[str], *, sides: Sequence[str] = SIDES) -> str:
    """Counts by class and split (or what else the sides are), then by group where there are few."""
    counts = Counter((label, sample.side) for sample in samples for label in sample.row.labels or (UNLABELLED,))
    sides = [side for side in sides if any(found == side for _, found in counts)]
    names = [*labels, *([UNLABELLED] if any(label == UNLABELLED for label, _ in counts) else [])]
    by_side = Counter(sample.side for sample in samples)
    lines = [_summed(name, [counts[name, side] for side in sides]) for name in names]
    unit = 'rows' if any(sample.row.is_footage for sample in samples) else 'pictures'
    lines.append(_summed(unit, [by_side[side] for side in sides]))
    text = aligned(['class', *map(printable, sides), 'total'], lines)
    by_group = _group_table(samples, names) if {*sides} <= {*SIDES} else ''
    return f'{text}\n\n{by_group}' if by_group else text


def printable(text: str) -> str:
    """Text for a terminal: control characters are shown, not obeyed."""
    return ''.join(c if c.isprintable() else c.encode('unicode_escape', 'backslashreplace').decode() for c in text)


def aligned(head: Sequence[str], lines: Sequence[Sequence[str | int]]) -> str:
    """A table of words to the left and numbers to the right."""
    cells = [list(head), *([f'{cell:,}' if isinstance(cell, int) else cell for cell in line] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    words = [isinstance(cell, str) for cell in lines[0]]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) if is_word else cell.rjust(width)
            for cell, width, is_word in zip(line, widths, words, strict=True)
        ).rstrip()
        for line in cells
    )


def _columns(rows: Sequence[Row], *, with_split: bool) -> list[str]:
    """The header the rows need, empty when they need none."""
    groups = any(row.group for row in rows)
    # Without a header, `clip.mp4#t=5` followed by the label `7` would read as a stretch from 5 to 7.
    open_stretches = any(row.start is not None and row.stop is None for row in rows)
    are_frames = any(row.moment for row in rows)
    if not (groups or with_split or open_stretches or are_frames):
        return []
    # A single label column is split at `|`, several are taken as they are.
    at_least = 2 if any('|' in label for row in rows for label in row.labels) else 1
    widest = max(at_least, *(len(row.labels) for row in rows))
    more = [
        *(['split'] if with_split else []),
        *(['group'] if groups else []),
        *(moments.COLUMNS if are_frames else ()),
    ]
    return ['image', *['label'] * widest, *more]


def _cells(sample: Sample, columns: Sequence[str]) -> list[str]:
    row = sample.row
    if not columns:
        return [row.uri, *row.labels]
    labels = [*row.labels, *[''] * (columns.count('label') - len(row.labels))]
    moment = row.moment.cells if row.moment else [''] * len(moments.COLUMNS)
    more = {'split': sample.side or '', 'group': row.group or '', **dict(zip(moments.COLUMNS, moment, strict=True))}
    return [row.uri, *labels, *(more[name] for name in columns if name in more)]


def _summed(name: str, numbers: Sequence[int]) -> list[str | int]:
    return [printable(name), *numbers, sum(numbers)]


def _group_table(samples: Sequence[Sample], names: Sequence[str]) -> str:
    groups = sorted({sample.row.group for sample in samples if sample.row.group})
    if not groups or len(groups) > _MOST_GROUPS_SHOWN or len(names) > _MOST_CLASSES_ACROSS:
        return ''
    counts = Counter(
        (sample.row.group, sample.side, label)
        for sample in samples
        if sample.side
        for label in sample.row.labels or (UNLABELLED,)
    )
    lines: list[list[str | int]] = [
        [printable(group), side, *(counts[group, side, name] for name in names)]
        for group in groups
        for side in SIDES
        if any(counts[group, side, name] for name in names)
    ]
    return aligned(['group', 'split', *map(printable, names)], lines)
