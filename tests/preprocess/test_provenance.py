"""A rejected row is named by the file and line its author knows."""

from pathlib import Path

from preprocess import provenance
from preprocess.documents import DocsConfig, create_docs, origins_path
from preprocess.provenance import Provenance
from preprocess.rows import Reject, read_csv
from preprocess.split_rules import SplitRules


def reject(row: int, *, source: str = 'out/train_set.csv') -> Reject:
    return Reject(source, row, f'/p/{row}.jpg', 'read', 'missing', 'not there')


def test_rejects_are_named_by_the_rows_their_author_wrote(tmp_path: Path) -> None:
    path = str(tmp_path / 'train_set.origins.jsonl')
    provenance.write_origins(path, [(2, 'mine.csv', 9), (3, 'other.csv', 4)])
    found = provenance.original([reject(3), reject(2), reject(7)], Provenance(origins=path))
    assert [(one.source, one.row) for one in found] == [('other.csv', 4), ('mine.csv', 9), ('out/train_set.csv', 7)]


def test_rows_of_a_users_own_csv_keep_their_names() -> None:
    assert provenance.original([reject(3)], Provenance()) == [reject(3)]
    assert provenance.refused_before(Provenance()) == []


def test_every_line_of_a_written_set_leads_back_to_its_row(tmp_path: Path) -> None:
    cells = ['plain.jpg', '"two\nlines.jpg"', '"a, b.jpg"', 'last.jpg']
    lines = [
        'image,label,group',
        *(f'{cell},{"cat" if place % 2 else "dog"},g{place}' for place, cell in enumerate(cells)),
    ]
    (tmp_path / 'mine.csv').write_text('\n'.join(lines) + '\n')
    written = {row.cell: row.line for row in read_csv(str(tmp_path / 'mine.csv')) if not isinstance(row, Reject)}
    create_docs(DocsConfig(str(tmp_path / 'mine.csv'), str(tmp_path / 'out'), SplitRules(eval_fraction=0.0)))
    rows = [row for row in read_csv(str(tmp_path / 'out' / 'train_set.csv')) if not isinstance(row, Reject)]
    found = provenance.original(
        [reject(row.line) for row in rows], Provenance(origins=origins_path(str(tmp_path / 'out'), 'train'))
    )
    assert [one.row for one in found] == [written[str(Path(row.uri).relative_to(tmp_path))] for row in rows]
    assert sorted(one.row for one in found) == [2, 3, 5, 6]
