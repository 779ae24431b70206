"""Labelled CSVs -> rows and rejects; labels -> ids; several rows of one picture."""

import gzip
import pickle
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from preprocess.failures import InputError
from preprocess.labels import Labels
from preprocess.reasons import REASONS
from preprocess.rows import (
    HEADER_NAMES,
    Reject,
    Row,
    check_csv,
    expand_inputs,
    label_ids,
    read_csv,
    reject,
    resolve_duplicates,
)
from tests.preprocess.test_files import ODD_NAMES


def read(folder: Path, text: str | bytes, *, name: str = 'data.csv') -> list[Row | Reject]:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_csv(str(folder / name), working_dir=str(folder / 'elsewhere')))


def rows(found: Sequence[Row | Reject]) -> list[Row]:
    return [row for row in found if isinstance(row, Row)]


def rejects(found: Sequence[Row | Reject]) -> list[tuple[int, str]]:
    return [(row.row, row.reason) for row in found if isinstance(row, Reject)]


def said(found: Sequence[Row | Reject]) -> list[tuple[str, tuple[str, ...]]]:
    return [(row.cell, row.labels) for row in rows(found)]


def test_a_row_says_where_its_picture_is_and_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / 'pics').mkdir()
    assert read(tmp_path, '\npics/a.jpg, rose \n') == [
        Row(
            uri=f'{tmp_path}/pics/a.jpg',
            cell='pics/a.jpg',
            labels=('rose',),
            source=f'{tmp_path}/data.csv',
            line=2,
        )
    ]


def test_without_a_header_every_further_cell_is_a_label(tmp_path: Path) -> None:
    found = read(tmp_path, 'a.jpg,rose\nb.jpg,rose,tulip\nc.jpg\nd.jpg,\ne.jpg,rose,,rose, tulip \nf.jpg,a|b\n')
    assert said(found) == [
        ('a.jpg', ('rose',)),
        ('b.jpg', ('rose', 'tulip')),
        ('c.jpg', ()),
        ('d.jpg', ()),
        ('e.jpg', ('rose', 'tulip')),
        ('f.jpg', ('a|b',)),
    ]
    assert rejects(found) == []


@pytest.mark.parametrize('name', sorted(HEADER_NAMES))
def test_a_header_is_told_by_its_first_cell_in_any_case(tmp_path: Path, name: str) -> None:
    for spelling in (name, name.upper(), f' {name.title()} ', f'"{name}"'):
        found = read(tmp_path, f'{spelling},label\na.jpg,rose\n')
        assert (said(found), rejects(found)) == ([('a.jpg', ('rose',))], [])
        assert rows(found)[0].line == 2


def test_columns_of_a_header_go_by_name(tmp_path: Path) -> None:
    header = 'Image,camera,GROUP,Split,Label,notes\n'
    found = read(tmp_path, header + 'a.jpg,C2, subject 7 ,Training,rose|tulip|rose,"x, y"\nb.jpg,,,,,\n')
    first, second = rows(found)
    assert (first.labels, first.split, first.group) == (('rose', 'tulip'), 'train', 'subject 7')
    assert (second.labels, second.split, second.group) == ((), None, None)


def test_labels_may_have_several_columns_which_are_taken_whole(tmp_path: Path) -> None:
    found = read(tmp_path, 'image,label,site,label\na.jpg,rose,x,a|b\nb.jpg,rose,x,\n')
    assert said(found) == [('a.jpg', ('rose', 'a|b')), ('b.jpg', ('rose',))]


def test_a_header_without_a_label_column_gives_unlabelled_rows(tmp_path: Path) -> None:
    assert said(read(tmp_path, 'image,site\na.jpg,x\n')) == [('a.jpg', ())]


def test_a_label_column_of_another_name_is_pointed_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no column `label`') as caught:
        read(tmp_path, '\nfilename,Species\na.jpg,rose\n')
    assert (caught.value.where, caught.value.do) == (f'{tmp_path}/data.csv:2', 'rename the column `species` to `label`')


def test_no_class_is_made_of_a_header_wherever_it_stands(tmp_path: Path) -> None:
    header = 'image_uri,label\n'
    assert said(read(tmp_path, '# drawn by hand\n' + header + 'a.jpg,rose\n')) == [('a.jpg', ('rose',))]
    found = read(tmp_path, header + 'a.jpg,rose\n' + header + 'b.jpg,rose\n')
    assert rejects(found) == [(3, 'repeated-header')]
    found = read(tmp_path, 'a.jpg,rose\n' + header + 'b.jpg,rose\n')
    assert rejects(found) == [(2, 'repeated-header')]
    assert {label for row in rows(found) for label in row.labels} == {'rose'}


@pytest.mark.parametrize(
    ('spelling', 'side'),
    [
        ('train', 'train'),
        ('TRAINING', 'train'),
        ('eval', 'eval'),
        ('Validation', 'eval'),
        ('val', 'eval'),
        (' test ', 'test'),
        ('Testing', 'test'),
        ('test_set', 'test'),
        ('', None),
    ],
)
def test_sides_have_their_usual_spellings(tmp_path: Path, spelling: str, side: str | None) -> None:
    assert rows(read(tmp_path, f'image,label,split\na.jpg,rose,{spelling}\n'))[0].split == side


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('a.jpg,rose\n,rose\n', (2, 'wrong-columns')),
        ('a.jpg,rose\n ,rose\n', (2, 'wrong-columns')),
        ('a.jpg,rose\n,,\n', (2, 'wrong-columns')),
        ('image,label\na.jpg,rose,tulip\n', (2, 'wrong-columns')),
        ('image,label\n\na.jpg\n', (3, 'wrong-columns')),
        ('a.jpg,rose\n# a remark, with a comma\n', (2, 'comment')),
        ('#1.jpg,rose\n', (1, 'comment')),
        ('a.jpg,rose\n"b.jpg,rose\n', (2, 'bad-quotes')),
        ('a.jpg,rose\nb\0.jpg,rose\n', (2, 'bad-encoding')),
        ('a.jpg,rose\nb.jpg,ro\0se\n', (2, 'bad-encoding')),
        ('a.jpg,"ro\nse"\n', (1, 'bad-label')),
        ('image,label,split\na.jpg,rose,later\n', (2, 'unknown-split')),
        ('image,label,start,stop\nclip.mp4,WALK,1,2\nclip.mp4,WALK,soon,2\n', (3, 'bad-times')),
        ('image,label,start,stop\nclip.mp4,WALK,3,2\n', (2, 'bad-times')),
        ('"clip.mp4#t=3,2",WALK\n', (1, 'bad-times')),
    ],
)
def test_what_is_no_row_is_rejected_with_its_line(tmp_path: Path, text: str, expected: tuple[int, str]) -> None:
    assert rejects(read(tmp_path, text)) == [expected]


def test_a_reject_quotes_its_cell_and_source(tmp_path: Path) -> None:
    found = read(tmp_path, 'image,label\nb.jpg\n')
    assert found == [
        Reject(f'{tmp_path}/data.csv', 2, 'b.jpg', 'rows', 'wrong-columns', '1 cells where the header has 2')
    ]


def test_a_file_that_begins_with_a_hash_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / '#1.jpg').touch()
    assert said(read(tmp_path, '#1.jpg,rose\n#2.jpg,rose\n')) == [('#1.jpg', ('rose',))]


def test_fifty_bad_rows_among_a_thousand_are_rejected_where_they_stand(tmp_path: Path) -> None:
    bad = ['# remark', ',rose', '"open.jpg,rose', 'n\0ul.jpg,rose', 'x.jpg,"ro\nse"']
    lines, expected, line = [], [], 1
    for number in range(1000):
        lines.append(f'"pics, all/{number}.jpg",rose' if number % 3 else f'\n{number}.jpg,rose')
        line += 1 + lines[-1].count('\n')
        if number % 20 == 0:
            lines.append(bad[number // 20 % 5])
            expected.append(line)
            line += 1 + lines[-1].count('\n')
    found = read(tmp_path, '\n'.join(lines) + '\n')
    assert len(rows(found)) == 1000
    assert [line for line, _ in rejects(found)] == expected
    assert Counter(reason for _, reason in rejects(found)) == {
        'comment': 10,
        'wrong-columns': 10,
        'bad-quotes': 10,
        'bad-encoding': 10,
        'bad-label': 10,
    }


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@pytest.mark.parametrize('name', ODD_NAMES)
@pytest.mark.parametrize('base', ['', 'gs://bucket/a folder/', '{}/', 'file://{}/'])
def test_an_odd_path_is_taken_verbatim_wherever_it_is(tmp_path: Path, name: str, base: str) -> None:
    (tmp_path / name).touch()
    cell = base.format(tmp_path) + name
    found = read(tmp_path, f'{quoted(cell)},rose\n')
    assert said(found) == [(cell, ('rose',))]
    here = base.startswith('gs:')
    assert rows(found)[0].uri == (cell if here else f'{tmp_path}/{name}')
    # In a bucket a fragment can't be told from a name without asking; on a disk the file of that name counts.
    assert rows(found)[0].is_footage is (here and name.startswith('clip.mp4'))


def test_pictures_are_beside_the_csv_else_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / 'elsewhere' / 'Samples').mkdir(parents=True)
    (tmp_path / 'elsewhere' / 'Samples' / 'b.jpg').touch()
    (tmp_path / 'a.jpg').touch()
    found = rows(read(tmp_path, 'a.jpg,positive\r\nSamples/b.jpg,positive\r\n'))
    assert [(row.uri, row.from_working_dir) for row in found] == [
        (f'{tmp_path}/a.jpg', False),
        (f'{tmp_path}/elsewhere/Samples/b.jpg', True),
    ]


def test_the_image_root_replaces_the_folder_of_the_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'data.csv').write_text('a.jpg,rose\n')
    (tmp_path / 'root').mkdir()
    monkeypatch.chdir(tmp_path)
    for root in ('root', str(tmp_path / 'root')):
        assert [row.uri for row in rows(list(read_csv('data.csv', image_root=root)))] == [f'{tmp_path}/root/a.jpg']
    assert [row.uri for row in rows(list(read_csv('data.csv', image_root='gs://b')))] == ['gs://b/a.jpg']
    with pytest.raises(InputError, match='no such folder'):
        read_csv('data.csv', image_root='no_root')


def test_stretches_of_video_are_one_cell_or_two_or_columns(tmp_path: Path) -> None:
    cells = ('"clip.mp4#t=12.5,19.0"', 'clip.mp4#t=12.5,19.0', 'clip.mp4#t=3', 'clip.mp4', 'clip.mp4#frame=7')
    found = rows(read(tmp_path, ''.join(f'{cell},WALK\n' for cell in cells)))
    assert [(row.cell, row.labels, row.start, row.stop, row.frame) for row in found] == [
        ('clip.mp4#t=12.5,19.0', ('WALK',), 12.5, 19.0, None),
        ('clip.mp4#t=12.5,19.0', ('WALK',), 12.5, 19.0, None),
        ('clip.mp4#t=3', ('WALK',), 3.0, None, None),
        ('clip.mp4', ('WALK',), None, None, None),
        ('clip.mp4#frame=7', ('WALK',), None, None, 7),
    ]
    assert all(row.is_footage for row in found)
    assert found[0].uri == f'{tmp_path}/clip.mp4#t=12.5,19.0'
    by_column = rows(
        read(tmp_path, 'image,label,start,stop\nclip.mp4,WALK,12.5,19.0\nclip.mp4,WALK,3,\na.jpg,WALK,x,y\n')
    )
    assert [(row.uri.removeprefix(f'{tmp_path}/'), row.start, row.stop) for row in by_column] == [
        ('clip.mp4#t=12.5,19.0', 12.5, 19.0),
        ('clip.mp4#t=3', 3.0, None),
        ('a.jpg', None, None),
    ]


def test_the_recording_of_a_row_is_its_place_without_the_stretch(tmp_path: Path) -> None:
    (tmp_path / 'P5').mkdir()
    lines = 'a.mp4;b.mp4,3,4,WALK\nP5,3,,WALK\nlist.txt,,,WALK\nclip.mp4#frame=7,,,WALK\nP5,,,WALK\n'
    found = rows(read(tmp_path, 'image,start,stop,label\n' + lines))
    assert [row.recording.removeprefix(f'{tmp_path}/') for row in found] == [
        *('a.mp4;b.mp4', 'P5/', 'list.txt', 'clip.mp4', 'P5/'),
    ]
    assert all(row.is_footage for row in found)
    assert rows(read(tmp_path, 'a#t=1.jpg,WALK\n'))[0].recording == f'{tmp_path}/a#t=1.jpg'


def test_a_stop_without_a_start_is_no_stretch(tmp_path: Path) -> None:
    (found,) = read(tmp_path, 'image,start,stop,label\nclip.mp4,,4,WALK\n')
    assert isinstance(found, Reject)
    assert (found.reason, found.message) == ('bad-times', 'a stop, 4, without a start')


def test_under_a_header_cells_are_joined_only_when_one_is_too_many(tmp_path: Path) -> None:
    found = rows(read(tmp_path, 'image,label\nclip.mp4#t=1,2,WALK\nclip.mp4#t=1,7\n'))
    assert [(row.cell, row.labels) for row in found] == [('clip.mp4#t=1,2', ('WALK',)), ('clip.mp4#t=1', ('7',))]


@pytest.mark.parametrize('text', ['', '\n\n \n', 'image,label\n', '\ufeffimage,label\r\n\r\n'])
def test_a_csv_without_rows_is_refused_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / 'data.csv').write_text(text)
    for use in (check_csv, read_csv, expand_inputs):
        with pytest.raises(InputError, match='no rows'):
            use(str(tmp_path / 'data.csv'))


def test_a_csv_that_is_not_there_or_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    for use in (check_csv, read_csv, expand_inputs):
        with pytest.raises(InputError, match='no such CSV'):
            use(str(tmp_path / 'nothing.csv'))
        with pytest.raises(InputError, match='this is a directory'):
            use(str(tmp_path))
    with pytest.raises(InputError, match='no such CSV'):
        expand_inputs(str(tmp_path / '*.csv'))
    with pytest.raises(InputError, match='no CSV is named'):
        expand_inputs(' , ')


def test_latin_1_is_refused_before_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='not UTF-8') as caught:
        read(tmp_path, b'a.jpg,rose\n' * 100_000 + b'caf\xe9.jpg,rose\n')
    assert caught.value.where == f'{tmp_path}/data.csv: byte 1100003'


def test_inputs_are_lists_and_patterns_in_any_order(tmp_path: Path) -> None:
    for name in ('b.csv', 'a.csv', 'c[1].csv', 'd,e.csv'):
        (tmp_path / name).write_text('a.jpg,rose\n')
    (tmp_path / 'f.csv.gz').write_bytes(gzip.compress(b'a.jpg,rose\n'))
    a, b, c, d, f = (f'{tmp_path}/{name}' for name in ('a.csv', 'b.csv', 'c[1].csv', 'd,e.csv', 'f.csv.gz'))
    assert expand_inputs(f'{b}, {a}') == expand_inputs(f'{a},{b},{a}') == [a, b]
    assert expand_inputs(f'{tmp_path}/*.csv*') == [a, b, c, d, f]
    assert expand_inputs(f'{f},{tmp_path}/[ab].csv') == [a, b, f]
    assert (expand_inputs(c), expand_inputs(d)) == ([c], [d])
    assert said(list(read_csv(f))) == [('a.jpg', ('rose',))]


def row_of(*labels: str, line: int = 1, source: str = 'x.csv', split: str | None = None) -> Row:
    return Row('/a.jpg', 'a.jpg', labels, source, line, split=split)


def test_labels_become_sorted_ids() -> None:
    labels = Labels(('daisy', 'rose', 'tulip'))
    assert label_ids(row_of('rose'), labels) == (1,)
    assert label_ids(row_of(), labels) == ()
    assert label_ids(row_of('tulip', 'daisy'), labels, multi_label=True) == (0, 2)
    assert label_ids(row_of('ROSE'), labels, ignore_case=True) == (1,)
    assert label_ids(row_of('ROSE', 'rose'), labels, ignore_case=True, multi_label=True) == (1,)


def test_an_unknown_label_is_rejected_with_the_nearest_one() -> None:
    labels = Labels(('daisy', 'rose'))
    assert label_ids(row_of('dasy', line=7), labels) == Reject(
        'x.csv', 7, '/a.jpg', 'labels', 'unknown-label', "'dasy' is not among the 2 labels; the nearest one is 'daisy'"
    )
    found = label_ids(row_of('zzz'), labels)
    assert isinstance(found, Reject)
    assert found.message == "'zzz' is not among the 2 labels"
    assert isinstance(label_ids(row_of('ROSE'), labels), Reject)


def test_several_labels_are_rejected_unless_asked_for() -> None:
    found = label_ids(row_of('daisy', 'rose'), Labels(('daisy', 'rose')))
    assert isinstance(found, Reject)
    assert (found.reason, found.message) == ('several-labels', '2 labels: daisy, rose')


def test_equal_rows_of_a_picture_are_one_and_repeats_are_counted() -> None:
    given = [row_of('b', 'a', line=9), row_of('a', 'b', line=2), row_of('a', 'b', line=1, source='y.csv')]
    assert resolve_duplicates(given) == (given[1], [], 2)
    assert resolve_duplicates(given[:1]) == (given[0], [], 0)


def test_rows_of_a_picture_that_disagree_are_all_rejected() -> None:
    given = [row_of('b', line=9), row_of('a', line=2), row_of('a', line=4)]
    found = resolve_duplicates(given)
    assert (found.kept, found.duplicates) == (None, 0)
    assert [(each.row, each.reason) for each in found.rejects] == [
        (2, 'conflicting-labels'),
        (4, 'conflicting-labels'),
        (9, 'conflicting-labels'),
    ]
    assert found.rejects[0].message == 'x.csv:2 says a; x.csv:4 says a; x.csv:9 says b'


def test_a_label_against_none_or_another_split_is_a_disagreement() -> None:
    assert resolve_duplicates([row_of('a'), row_of(line=2)]).kept is None
    assert resolve_duplicates([row_of('a', split='train'), row_of('a', split='eval', line=2)]).kept is None


def test_case_is_ignored_in_disagreements_where_asked() -> None:
    given = [row_of('Rose'), row_of('rose', line=2)]
    assert resolve_duplicates(given).kept is None
    assert resolve_duplicates(given, ignore_case=True) == (given[0], [], 1)


def test_rows_and_rejects_travel_to_workers() -> None:
    row = row_of('a')
    refused = reject(row, stage='decode', reason='corrupt', message='no')
    assert pickle.loads(pickle.dumps((row, refused))) == (row, refused)
    assert refused == Reject('x.csv', 1, '/a.jpg', 'decode', 'corrupt', 'no')


def test_a_reason_is_one_of_the_list_and_each_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="unknown reason 'bad luck'"):
        reject(row_of('a'), stage='decode', reason='bad luck', message='')
    assert all(sentence.endswith('.') and sentence[0].isupper() for sentence in REASONS.values())
