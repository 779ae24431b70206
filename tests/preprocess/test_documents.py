"""A folder or CSV -> the CSVs of its splits, dict.txt, the table."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from preprocess import files, interrupts
from preprocess.documents import DocsConfig, DocsResult, create_docs
from preprocess.failures import InputError, Interrupted, UsageError
from preprocess.rows import Row, read_csv
from preprocess.samples import Reading
from preprocess.split_rules import SplitRules
from preprocess.splits import side
from tests.preprocess.test_files import ODD_NAMES


def touch(folder: Path, *paths: str) -> str:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return str(folder)


def flowers(folder: Path, count: int = 100) -> str:
    return touch(folder, *(f'{label}/{number}{label}.jpg' for label in ('rose', 'tulip') for number in range(count)))


def docs(tmp_path: Path, source: str, **settings: Any) -> DocsResult:
    reading = {name: settings.pop(name) for name in list(settings) if name in Reading.__dataclass_fields__}
    rules = {name: settings.pop(name) for name in list(settings) if name in SplitRules.__dataclass_fields__}
    config = DocsConfig(source, str(tmp_path / 'docs'), SplitRules(**rules), reading=Reading(**reading), **settings)
    return create_docs(config)


def rows(result: DocsResult, name: str) -> list[Row]:
    found = list(read_csv(result.paths[name]))
    assert all(isinstance(row, Row) for row in found)
    return [row for row in found if isinstance(row, Row)]


def uris(result: DocsResult, name: str) -> set[str]:
    return {row.uri for row in rows(result, name)}


def csv_of(tmp_path: Path, text: str, name: str = 'data.csv') -> str:
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_a_folder_becomes_lists_of_both_sides_and_a_dictionary(tmp_path: Path) -> None:
    result = docs(tmp_path, flowers(tmp_path / 'set'), eval_fraction=0.2)
    assert sorted(result.paths) == ['all', 'eval', 'train']
    assert [files.name(path) for path in result.paths.values()] == ['all_data.csv', 'train_set.csv', 'eval_set.csv']
    assert files.read_text(result.dictionary) == 'rose\ntulip\n'
    assert len(rows(result, 'all')) == 200
    assert uris(result, 'train') | uris(result, 'eval') == uris(result, 'all')
    assert not uris(result, 'train') & uris(result, 'eval')
    for row in rows(result, 'eval'):
        key = files.name(row.uri)
        assert side(key, seed=0, eval_fraction=0.2, test_fraction=0.0) == 'eval'
        assert row.labels == (files.name(files.parent(row.uri)),)
    assert files.read_text(result.paths['all']).splitlines()[0] == f'{tmp_path}/set/rose/0rose.jpg,rose'
    assert not files.exists(f'{tmp_path}/docs/test_set.csv')


def test_the_split_stays_when_pictures_are_added_and_changes_with_the_seed(tmp_path: Path) -> None:
    source = flowers(tmp_path / 'set')
    first = docs(tmp_path, source, eval_fraction=0.2)
    train, evaluated = uris(first, 'train'), uris(first, 'eval')
    touch(tmp_path / 'set', *(f'daisy/{number}.jpg' for number in range(50)))
    second = docs(tmp_path, source, eval_fraction=0.2)
    assert train <= uris(second, 'train')
    assert evaluated <= uris(second, 'eval')
    assert not evaluated <= uris(docs(tmp_path, source, eval_fraction=0.2, seed=1), 'eval')


def test_pictures_moved_between_class_folders_stay_on_their_side(tmp_path: Path) -> None:
    source = flowers(tmp_path / 'set', 150)
    before = docs(tmp_path, source, eval_fraction=0.2)
    sides = {files.name(row.uri): name for name in ('train', 'eval') for row in rows(before, name)}
    for number in range(20):
        (tmp_path / f'set/rose/{number}rose.jpg').rename(tmp_path / f'set/tulip/{number}rose.jpg')
    after = docs(tmp_path, source, eval_fraction=0.2)
    assert {files.name(row.uri): name for name in ('train', 'eval') for row in rows(after, name)} == sides
    assert Counter(row.labels[0] for row in rows(after, 'all')) == {'rose': 130, 'tulip': 170}


def test_the_split_is_the_same_wherever_the_folder_is(tmp_path: Path) -> None:
    names = []
    for place in ('here', 'far/away'):
        result = docs(tmp_path, flowers(tmp_path / place), eval_fraction=0.2)
        names.append({files.name(uri) for uri in uris(result, 'eval')})
    assert names[0] == names[1]


def test_a_csv_is_split_by_its_cells_as_written(tmp_path: Path) -> None:
    cells = [f'pics/{number}.jpg' for number in range(200)]
    result = docs(tmp_path, csv_of(tmp_path, ''.join(f'{cell},rose\n' for cell in cells)), eval_fraction=0.2)
    expected = {cell for cell in cells if side(cell, seed=0, eval_fraction=0.2, test_fraction=0.0) == 'eval'}
    assert uris(result, 'eval') == {f'{tmp_path}/{cell}' for cell in expected}


def test_split_folders_are_kept_as_they_are(tmp_path: Path) -> None:
    source = touch(
        tmp_path / 'Samples',
        *(f'Training/Positives/{number}.jpg' for number in range(30)),
        *(f'Training/Negatives/{number}.jpg' for number in range(30)),
        *(f'Testing/Positive/t{number}.jpg' for number in range(5)),
        *(f'Testing/negatives/t{number}.jpg' for number in range(5)),
    )
    result = docs(tmp_path, source, eval_fraction=0.5)
    assert files.read_text(result.dictionary) == 'positive\nnegative\n'
    assert uris(result, 'eval') == {
        f'{source}/Testing/{label}/t{number}.jpg' for label in ('Positive', 'negatives') for number in range(5)
    }
    assert result.counts == {
        ('positive', 'train'): 30,
        ('negative', 'train'): 30,
        ('positive', 'eval'): 5,
        ('negative', 'eval'): 5,
    }
    assert Counter(row.split for row in rows(result, 'all')) == {'train': 60, 'eval': 10}


def test_split_cells_are_kept_and_only_rows_without_are_split(tmp_path: Path) -> None:
    text = 'image,label,split\na.jpg,rose,train\nb.jpg,rose,Validation\nc.jpg,rose,test\n'
    result = docs(tmp_path, csv_of(tmp_path, text), eval_fraction=0.5)
    assert [uris(result, name) for name in ('train', 'eval', 'test')] == [
        {f'{tmp_path}/{name}.jpg'} for name in ('a', 'b', 'c')
    ]
    more = ''.join(f'{number}.jpg,rose,\n' for number in range(100))
    result = docs(tmp_path, csv_of(tmp_path, text + more), eval_fraction=0.5)
    assert {f'{tmp_path}/b.jpg'} < uris(result, 'eval')
    assert uris(result, 'test') == {f'{tmp_path}/c.jpg'}
    assert 30 < len(uris(result, 'train')) < 70


def test_rows_marked_test_are_the_eval_set_where_none_are_marked_eval(tmp_path: Path) -> None:
    result = docs(tmp_path, csv_of(tmp_path, 'image,label,split\na.jpg,rose,train\nb.jpg,rose,test\n'))
    assert (uris(result, 'eval'), sorted(result.paths)) == ({f'{tmp_path}/b.jpg'}, ['all', 'eval', 'train'])


def test_a_group_is_on_one_side_and_is_written_down(tmp_path: Path) -> None:
    text = 'image,label,group\n' + ''.join(f'{number}.jpg,rose,subject {number % 40}\n' for number in range(400))
    result = docs(tmp_path, csv_of(tmp_path, text), eval_fraction=0.3)
    groups = {name: {row.group for row in rows(result, name)} for name in ('train', 'eval')}
    assert not groups['train'] & groups['eval']
    assert groups['train'] | groups['eval'] == {f'subject {number}' for number in range(40)}
    assert files.read_text(result.paths['eval']).startswith('image,label,group\n')


def test_a_group_pattern_finds_the_groups(tmp_path: Path) -> None:
    source = touch(
        tmp_path / 'crops',
        *(f'{label}/video{video}_{frame}_0.jpg' for label in ('a', 'b') for video in range(20) for frame in range(5)),
        'a/single.jpg',
    )
    result = docs(tmp_path, source, eval_fraction=0.3, group_pattern='video_frame_box')
    groups = {name: {row.group for row in rows(result, name)} - {None} for name in ('train', 'eval')}
    assert groups['train'] | groups['eval'] == {f'video{number}' for number in range(20)}
    assert not groups['train'] & groups['eval']
    assert '1 pictures match no group and are split one by one' in result.notes
    with pytest.raises(InputError, match="no picture matches the group pattern, for instance 'single.jpg'"):
        docs(tmp_path, source, group_pattern='^subject')


def test_rows_without_a_split_follow_their_group(tmp_path: Path) -> None:
    groups = [f'g{number}' for number in range(10)]
    marked = ''.join(f'{group}.jpg,rose,{group},{"eval" if group == "g3" else "train"}\n' for group in groups)
    unmarked = ''.join(f'{group}/{number}.jpg,rose,{group},\n' for group in groups for number in range(5))
    result = docs(tmp_path, csv_of(tmp_path, 'image,label,group,split\n' + marked + unmarked), eval_fraction=0.5)
    assert {row.group for row in rows(result, 'eval')} == {'g3'}
    assert len(rows(result, 'eval')) == 6


def test_a_group_the_input_has_on_both_sides_is_warned_of(tmp_path: Path) -> None:
    text = 'image,label,group,split\na.jpg,rose,x,train\nb.jpg,rose,x,eval\nc.jpg,tulip,y,train\nd.jpg,tulip,z,eval\n'
    assert docs(tmp_path, csv_of(tmp_path, text)).notes == (
        'warning: the input puts pictures of one group on both sides: x',
    )


def test_balancing_cuts_the_training_set_alone(tmp_path: Path) -> None:
    source = touch(
        tmp_path / 'set',
        *(f'Training/Positives/{number}.jpg' for number in range(12)),
        *(f'Training/Negatives/{number}.jpg' for number in range(40)),
        *(f'Testing/Positives/t{number}.jpg' for number in range(2)),
        *(f'Testing/Negatives/t{number}.jpg' for number in range(9)),
    )
    result = docs(tmp_path, source, balance=True)
    assert Counter(row.labels[0] for row in rows(result, 'train')) == {'positive': 12, 'negative': 12}
    assert Counter(row.labels[0] for row in rows(result, 'eval')) == {'positive': 2, 'negative': 9}
    assert (len(rows(result, 'all')), result.left_out) == (63, 28)
    assert '28 training pictures left out so that the classes are of one size' in result.notes
    with pytest.raises(InputError, match='several labels have no class to balance'):
        docs(tmp_path, csv_of(tmp_path, 'a.jpg,rose,tulip\n'), balance=True)


def test_a_label_order_comes_first_and_the_rest_is_sorted(tmp_path: Path) -> None:
    source = csv_of(tmp_path, 'a.jpg,c\nb.jpg,a\nd.jpg,b\ne.jpg,10\n')
    assert docs(tmp_path, source).labels.names == ('10', 'a', 'b', 'c')
    assert docs(tmp_path, source, label_order=('b', 'c')).labels.names == ('b', 'c', '10', 'a')
    with pytest.raises(InputError, match="no picture has the label 'd'"):
        docs(tmp_path, source, label_order=('b', 'd'))


def test_the_positive_class_comes_first(tmp_path: Path) -> None:
    source = csv_of(tmp_path, 'a.jpg,negative\nb.jpg,positive\n')
    assert docs(tmp_path, source).labels.names == ('positive', 'negative')
    assert docs(tmp_path, source, label_order=('negative',)).labels.names == ('negative', 'positive')
    assert docs(tmp_path, csv_of(tmp_path, 'a.jpg,negative\n')).labels.names == ('negative',)
    three = csv_of(tmp_path, 'a.jpg,negative\nb.jpg,positive\nc.jpg,other\n')
    assert docs(tmp_path, three).labels.names == ('negative', 'other', 'positive')


def test_labels_in_several_cases_are_one_where_asked_spelt_as_most_are(tmp_path: Path) -> None:
    source = csv_of(tmp_path, 'a.jpg,Rose\nb.jpg,rose\nc.jpg,rose\nd.jpg,TULIP\na.jpg,ROSE\n')
    apart = docs(tmp_path, csv_of(tmp_path, 'a.jpg,Rose\nb.jpg,rose\n', 'two.csv'), eval_fraction=0.0)
    assert any('differ in case only: Rose, rose' in note for note in apart.notes)
    result = docs(tmp_path, source, ignore_label_case=True)
    assert (result.labels.names, result.duplicates) == (('TULIP', 'rose'), 1)
    assert {row.labels for row in rows(result, 'all')} == {('rose',), ('TULIP',)}
    ordered = docs(tmp_path, source, ignore_label_case=True, label_order=('tulip', 'Rose'))
    assert ordered.labels.names == ('tulip', 'Rose')


def test_every_row_read_is_a_sample_a_reject_or_a_repeat(tmp_path: Path) -> None:
    text = 'a.jpg,rose\n./a.jpg,rose\n# x\nb.jpg,rose\nb.jpg,tulip\nc.jpg,tulip\n,rose\n'
    result = docs(tmp_path, csv_of(tmp_path, text))
    assert (result.read, len(rows(result, 'all')), result.duplicates) == (7, 2, 1)
    assert [(reject.row, reject.reason) for reject in result.rejects] == [
        (3, 'comment'),
        (7, 'wrong-columns'),
        (4, 'conflicting-labels'),
        (5, 'conflicting-labels'),
    ]
    lines = files.read_text(f'{tmp_path}/docs/rejects.all_data.jsonl').splitlines()
    assert [json.loads(line)['row'] for line in lines] == [3, 7, 4, 5]
    assert set(json.loads(lines[0])) == {'source', 'row', 'uri', 'stage', 'reason', 'message'}
    told = '4 of 7 rows rejected (comment 1, conflicting-labels 2, wrong-columns 1): see rejects.all_data.jsonl'
    assert told in result.notes


def test_files_of_an_earlier_run_that_have_no_rows_any_more_go(tmp_path: Path) -> None:
    source = flowers(tmp_path / 'set')
    csv_of(tmp_path, 'a.jpg,rose\n,x\n')
    docs(tmp_path, str(tmp_path / 'data.csv'))
    docs(tmp_path, source, test_fraction=0.2)
    assert files.exists(f'{tmp_path}/docs/test_set.csv')
    assert not files.exists(f'{tmp_path}/docs/rejects.all_data.jsonl')
    docs(tmp_path, source)
    assert not files.exists(f'{tmp_path}/docs/test_set.csv')


def test_a_list_that_says_so_already_is_not_written_again(tmp_path: Path) -> None:
    source = csv_of(tmp_path, ''.join(f'{number}.jpg,{"rose" if number % 2 else "tulip"}\n' for number in range(40)))
    (first, second) = (files.stat(docs(tmp_path, source).paths['train']) for _ in range(2))
    assert first == second
    csv_of(tmp_path, ''.join(f'{number}.jpg,{"rose" if number % 3 else "tulip"}\n' for number in range(40)))
    assert files.read_text(docs(tmp_path, source).paths['train']).splitlines()[1].endswith(',rose')


def test_a_list_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    touch(tmp_path, 'docs/test_set.csv')
    docs(tmp_path, flowers(tmp_path / 'set'))
    assert files.exists(f'{tmp_path}/docs/test_set.csv')


@pytest.mark.parametrize('name', ['all_data.csv', 'train_set.csv', 'eval_set.csv', 'test_set.csv'])
def test_an_input_is_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / 'docs').mkdir()
    text = 'a.jpg,rose\nb.jpg,tulip\n'
    source = csv_of(tmp_path / 'docs', text, name)
    with pytest.raises(InputError, match='is read, and would be overwritten'):
        docs(tmp_path, source)
    assert files.read_text(source) == text


def test_odd_paths_and_labels_read_back_as_they_were(tmp_path: Path) -> None:
    names = [name for name in ODD_NAMES if name.endswith('.jpg')]
    source = touch(tmp_path / 'set', *(f'=1+1, "x"|y/{name}' for name in names), 'b\x1b[31m/z.jpg')
    result = docs(tmp_path, source, eval_fraction=0.0)
    assert uris(result, 'train') == {f'{source}/=1+1, "x"|y/{name}' for name in names} | {f'{source}/b\x1b[31m/z.jpg'}
    assert result.labels.names == ('=1+1, "x"|y', 'b\x1b[31m')
    assert '\x1b' not in result.table
    assert 'b\\x1b[31m' in result.table


@pytest.mark.parametrize(
    'text',
    [
        'a.jpg,rose,tulip\nb.jpg\nc.jpg,rose\n',
        'image,label,group\na.jpg,rose|tulip,g\nb.jpg,,h\n',
        'image,label,label,group\na.jpg,a|b,,g\nb.jpg,rose,tulip,\n',
        'image,label,split\na.jpg,rose|tulip,train\nb.jpg,,train\n',
        'image,label,start,stop\nclip.mp4,7,5,\nclip.mp4,WALK,5,6\nd.jpg,8,,\n',
        '"clip.mp4#t=5,6",7\nclip.mp4#frame=3,7\n',
        'a|b.jpg,a|b\n',
        'gs://b/a%20b#1.jpg,rose\ns3://b/c,d.jpg,rose\n',
    ],
)
def test_what_is_written_reads_back_as_the_same_rows(tmp_path: Path, text: str) -> None:
    source = csv_of(tmp_path, text)

    def seen(found: Sequence[object]) -> list[object]:
        return [
            (row.uri, row.labels, row.group, row.split, row.start, row.stop, row.frame)
            for row in found
            if isinstance(row, Row)
        ]

    result = docs(tmp_path, source, eval_fraction=0.0)
    assert seen(list(read_csv(result.paths['all']))) == seen(list(read_csv(source)))


def test_stretches_of_one_video_are_on_one_side(tmp_path: Path) -> None:
    lines = [f'"clip{video}.mp4#t={start},{start + 1}",WALK\n' for video in range(30) for start in range(5)]
    result = docs(tmp_path, csv_of(tmp_path, ''.join(lines)), eval_fraction=0.4)
    videos = {name: {uri.partition('#')[0] for uri in uris(result, name)} for name in ('train', 'eval')}
    assert len(videos['eval']) > 3
    assert not videos['train'] & videos['eval']


def test_the_table_counts_classes_by_split_and_group(tmp_path: Path) -> None:
    text = (
        'image,label,split,group\n'
        'a.jpg,rose,train,x\nb.jpg,rose,eval,y\nc.jpg,tulip,train,x\nd.jpg,tulip,train,x\ne.jpg,,train,x\n'
    )
    result = docs(tmp_path, csv_of(tmp_path, text))
    assert result.table == (
        'class         train  eval  total\n'
        'rose              1     1      2\n'
        'tulip             2     0      2\n'
        '(unlabelled)      1     0      1\n'
        'pictures          4     1      5\n'
        '\n'
        'group  split  rose  tulip  (unlabelled)\n'
        'x      train     1      2             1\n'
        'y      eval      1      0             0'
    )
    assert result.notes == ('warning: no eval picture of tulip',)


def test_a_set_without_pictures_has_no_file_and_is_warned_of(tmp_path: Path) -> None:
    result = docs(tmp_path, csv_of(tmp_path, 'a.jpg,rose\n'), eval_fraction=0.0)
    assert sorted(result.paths) == ['all', 'train']
    assert 'warning: there is no eval set' in result.notes
    assert 'warning: one class only, rose; a classifier needs two' in result.notes


def test_several_csvs_in_any_order_give_the_same_files(tmp_path: Path) -> None:
    a = csv_of(tmp_path, ''.join(f'{number}.jpg,rose\n' for number in range(50)), 'a.csv')
    b = csv_of(tmp_path, ''.join(f'{number}.jpg,tulip\n' for number in range(50, 90)) + '3.jpg,rose\n', 'b.csv')
    texts = []
    for source in (f'{a},{b}', f'{b},{a}', f'{tmp_path}/*.csv'):
        result = docs(tmp_path, source)
        texts.append({name: files.read_text(path) for name, path in result.paths.items()})
        assert result.duplicates == 1
    assert texts[0] == texts[1] == texts[2]


def test_pictures_taken_from_the_working_directory_are_told(tmp_path: Path) -> None:
    touch(tmp_path / 'here', 'Samples/a.jpg', 'Samples/b.jpg')
    source = csv_of(tmp_path, 'Samples/a.jpg,positive\r\nSamples/b.jpg,negative\r\n')
    result = docs(tmp_path, source, working_dir=str(tmp_path / 'here'), eval_fraction=0.0)
    assert uris(result, 'train') == {f'{tmp_path}/here/Samples/{name}.jpg' for name in 'ab'}
    assert '2 pictures are not where their CSV is and were taken from the working directory' in result.notes


@pytest.mark.parametrize(
    ('text', 'what'),
    [
        ('# nothing\n,x\n', 'every row was rejected'),
        ('a.jpg,rose\na.jpg,tulip\n', 'the rows of every picture disagree'),
        ('a.jpg\nb.jpg\n', 'no picture has a label'),
        ('image,label,split\na.jpg,rose,eval\n', 'no picture is left for training'),
    ],
)
def test_rows_of_which_nothing_can_be_made_say_why(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        docs(tmp_path, csv_of(tmp_path, text))
    assert not files.exists(f'{tmp_path}/docs')


@pytest.mark.parametrize(
    'settings',
    [
        {'eval_fraction': 1.0},
        {'eval_fraction': -0.1},
        {'test_fraction': 1.5},
        {'eval_fraction': float('nan')},
        {'eval_fraction': 0.5, 'test_fraction': 0.5},
        {'group_pattern': '('},
    ],
)
def test_impossible_settings_are_not_born(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        docs(tmp_path, 'x', **settings)


def test_a_request_to_stop_is_followed_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, 'requested', lambda: True)
    for source in (flowers(tmp_path / 'set', 2), csv_of(tmp_path, 'a.jpg,rose\n')):
        with pytest.raises(Interrupted, match='interrupted'):
            docs(tmp_path, source)
    assert not files.exists(f'{tmp_path}/docs')
