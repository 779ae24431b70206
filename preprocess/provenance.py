"""Where the rows of a CSV that was written for a set come from: their places in the user's own files.

Beside `train_set.csv` stands `train_set.origins.jsonl`, one JSON list `[line, source, row]` for each of its rows, so
that a rejected row is named by the file and line its author knows.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from preprocess import files
from preprocess.rows import Reject


@dataclass(frozen=True)
class Provenance:
    """The origins of a set's rows, and the rows of the same input that were refused before there were sets."""

    origins: str | None = None  # path of the origins, where the rows were some CSV's
    rejects: str | None = None  # path of the rows refused before, counted with this set
    duplicates: int = 0  # repeats dropped before, counted with this set


def write_origins(path: str, origins: Iterable[tuple[int, str, int]]) -> None:
    """Keep which line of the written CSV is which row of which file."""
    with files.writing_atomic(path) as opened:
        for origin in origins:
            opened.write((json.dumps(origin) + '\n').encode())


def original(rejects: Sequence[Reject], provenance: Provenance) -> list[Reject]:
    """The same rejects, named by the rows their author wrote; those of the written CSV alone are looked for."""
    if not rejects or provenance.origins is None:
        return list(rejects)
    wanted = {reject.row for reject in rejects}
    found: dict[int, tuple[str, int]] = {}
    with files.open_read(provenance.origins) as opened:
        for text in opened:
            line, source, row = json.loads(text)
            if line in wanted:
                found[line] = (source, row)
    return [
        replace(reject, source=found[reject.row][0], row=found[reject.row][1]) if reject.row in found else reject
        for reject in rejects
    ]


def refused_before(provenance: Provenance) -> list[Reject]:
    """The rows that were refused before the sets were made."""
    if provenance.rejects is None or not files.exists(provenance.rejects):
        return []
    with files.open_read(provenance.rejects) as opened:
        return [Reject(**json.loads(text)) for text in opened]
