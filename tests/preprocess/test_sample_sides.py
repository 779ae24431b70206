"""Splits by named groups, by time, by whole ranges, and leaving every group out in turn."""

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from preprocess import files, folds
from preprocess.contiguous import Contiguous
from preprocess.create_docs import main
from preprocess.documents import DocsConfig, DocsResult, create_docs
from preprocess.failures import InputError, UsageError
from preprocess.group_split import GroupSplit
from preprocess.rows import Row, read_csv
from preprocess.split_rules import SplitRules

LAB = 'image,start,stop,label,group,split\n' + ''.join(
    f'{group}.mp4,{second},{second + 5},{"cut" if second % 2 else "sew"},{group},\n'
    for group in ('P5', 'P6', 'P10', 'P11')
    for second in range(0, 60, 5)
)


def docs(tmp_path: Path, text: str, *, leave_one_out: bool = False, **rules: object) -> DocsResult:
    (tmp_path / 'in.csv').write_text(text)
    split = SplitRules(**rules)  # type: ignore[arg-type]  # the settings of one test each
    return create_docs(DocsConfig(str(tmp_path / 'in.csv'), str(tmp_path / 'out'), split, leave_one_out=leave_one_out))


def rows(path: str) -> list[Row]:
    return [row for row in read_csv(path) if isinstance(row, Row)]


def groups(result: DocsResult) -> dict[str, set[str | None]]:
    return {side: {row.group for row in rows(path)} for side, path in result.paths.items() if side != 'all'}


def test_groups_go_to_the_sides_they_were_named_for(tmp_path: Path) -> None:
    result = docs(tmp_path, LAB, groups=GroupSplit.parse('train=P5-P6,eval=P10,test=P11'))
    assert groups(result) == {'train': {'P5', 'P6'}, 'eval': {'P10'}, 'test': {'P11'}}
    assert result.notes == ()


def test_a_group_that_is_not_there_or_was_forgotten_names_those_there_are(tmp_path: Path) -> None:
    for text in ('train=P5-P6,eval=P10', 'train=P5-P7,eval=P10,test=P11'):
        with pytest.raises(InputError) as caught:
            docs(tmp_path, LAB, groups=GroupSplit.parse(text))
        assert caught.value.do.endswith('P5, P6, P10, P11')
    assert not files.exists(str(tmp_path / 'out'))


def test_named_groups_go_before_the_inputs_own_splits(tmp_path: Path) -> None:
    text = 'image,label,group,split\na.jpg,x,A,eval\nb.jpg,y,A,eval\nc.jpg,x,B,train\nd.jpg,y,B,train\n'
    result = docs(tmp_path, text, groups=GroupSplit.parse('train=A,eval=B'))
    assert groups(result) == {'train': {'A'}, 'eval': {'B'}}
    assert "the input's own splits give way to --split" in result.notes
    assert {(row.group, row.split) for row in rows(result.paths['all'])} == {('A', 'train'), ('B', 'eval')}


def test_footage_without_groups_is_named_by_its_recording(tmp_path: Path) -> None:
    text = ''.join(
        f'"{name}.mp4#t={second},{second + 1}",{label}\n' for name in 'ab' for second, label in enumerate('xy')
    )
    result = docs(tmp_path, text, groups=GroupSplit.parse('train=a.mp4,eval=*'))
    assert {files.name(row.uri).partition('#')[0] for row in rows(result.paths['eval'])} == {'b.mp4'}


def test_a_picture_without_a_group_can_not_be_split_by_groups(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no group') as caught:
        docs(tmp_path, 'image,label,group\na.jpg,x,A\nb.jpg,y,\n', groups=GroupSplit.parse('train=A'))
    assert caught.value.where.endswith('in.csv:3')


def test_ranges_of_the_only_group_are_split_whole_with_a_warning(tmp_path: Path) -> None:
    lines = [
        f'{camera}.mp4,{second},{second + 5},{label},P5\n'
        for second, label in zip(range(0, 200, 5), ['cut', 'sew', 'tie', 'nap'] * 10, strict=True)
        for camera in ('C1', 'C2')
    ]
    result = docs(tmp_path, 'image,start,stop,label,group\n' + ''.join(lines), eval_fraction=0.2)
    by_side = {side: rows(path) for side, path in result.paths.items() if side != 'all'}
    assert Counter(row.labels[0] for row in by_side['eval']) == {'cut': 4, 'sew': 4, 'tie': 4, 'nap': 4}
    assert sum(map(len, by_side.values())) == 80
    # Both cameras show the same: they are never on both sides.
    stretches = {side: {(row.start, row.stop) for row in found} for side, found in by_side.items()}
    assert not stretches['train'] & stretches['eval']
    assert len(stretches['eval']) == 8
    assert [note for note in result.notes if 'P5 is the only group' in note]


def test_one_recording_without_a_group_is_split_by_its_ranges_too(tmp_path: Path) -> None:
    text = 'image,start,stop,label\n' + ''.join(
        f'a.mp4,{second},{second + 1},{"xy"[second % 2]}\n' for second in range(20)
    )
    result = docs(tmp_path, text)
    assert {side: len(rows(path)) for side, path in result.paths.items()} == {'all': 20, 'train': 18, 'eval': 2}


def test_frames_of_the_only_group_are_never_torn_apart(tmp_path: Path) -> None:
    text = 'image,label,group\n' + ''.join(f'a.mp4#frame={number},{"xy"[number % 2]},P5\n' for number in range(40))
    result = docs(tmp_path, text)
    assert len({path for side, path in result.paths.items() if side != 'all'}) == 1


def test_recordings_are_cut_in_time_order_each_by_itself(tmp_path: Path) -> None:
    lines = LAB.splitlines(keepends=True)[1:]
    random.Random(1).shuffle(lines)
    result = docs(
        tmp_path, 'image,start,stop,label,group,split\n' + ''.join(lines), contiguous=Contiguous.parse('0.5,0.25,0.25')
    )
    for group in ('P5', 'P6', 'P10', 'P11'):
        starts = {
            side: sorted(row.start for row in rows(path) if row.group == group and row.start is not None)
            for side, path in result.paths.items()
        }
        assert starts['train'] == [0, 5, 10, 15, 20, 25]
        assert starts['eval'] == [30, 35, 40]
        assert starts['test'] == [45, 50, 55]
    assert result.notes == ()


def test_time_counts_not_the_number_of_rows(tmp_path: Path) -> None:
    borders = [0, 50, 60, 70, 80, 90, 100]
    lines = [f'a.mp4,{start},{stop},{"xy"[stop % 20 // 10]}\n' for start, stop in pairwise(borders)]
    text = 'image,start,stop,label\n' + ''.join(lines)
    result = docs(tmp_path, text, contiguous=Contiguous.parse('0.5,0.5'))
    assert [row.stop for row in rows(result.paths['train'])] == [50]


def test_a_part_without_any_row_is_refused_and_one_without_a_recordings_is_told(tmp_path: Path) -> None:
    ranges = {'a.mp4': [(0, 50), (50, 60), (60, 100)], 'b.mp4': [(0, 70), (70, 85), (85, 100)]}
    lines = {
        video: [f'{video},{start},{stop},{label}\n' for (start, stop), label in zip(found, 'xyx', strict=True)]
        for video, found in ranges.items()
    }
    header, cut = 'image,start,stop,label\n', Contiguous.parse('0.7,0.2,0.1')

    with pytest.raises(InputError) as caught:
        docs(tmp_path, header + ''.join(lines['a.mp4']), contiguous=cut)
    assert caught.value.what.startswith('no row is in the test part')
    assert caught.value.where == '--contiguous 0.7,0.2,0.1'

    told = docs(tmp_path, header + ''.join(lines['a.mp4'] + lines['b.mp4']), contiguous=cut)
    assert told.notes == (f'warning: no row in the test part of {tmp_path}/a.mp4',)


def test_a_test_set_that_chance_left_empty_is_told(tmp_path: Path) -> None:
    result = docs(tmp_path, 'a.jpg,x\nb.jpg,y\nc.jpg,x\n', eval_fraction=0.3, test_fraction=0.001)
    assert 'test' not in result.paths
    assert [note for note in result.notes if 'test set' in note] == [
        'warning: there is no test set: there are too few rows or groups for --test_fraction'
    ]


def test_counts_of_frames_cut_rows_of_single_frames(tmp_path: Path) -> None:
    text = ''.join(f'a.mp4#frame={number},{"xy"[number % 2]}\n' for number in reversed(range(20)))
    result = docs(tmp_path, text, contiguous=Contiguous.parse('12,3,5'))
    assert sorted(row.frame for row in rows(result.paths['eval']) if row.frame is not None) == [12, 13, 14]
    with pytest.raises(InputError, match='19 frames, the recording has 20'):
        docs(tmp_path, text, contiguous=Contiguous.parse('12,2,5'))


def test_pictures_of_a_folder_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    text = ''.join(f'f/{number}.jpg,{"xy"[number % 2]}\n' for number in range(1, 21))
    result = docs(tmp_path, text, contiguous=Contiguous.parse('0.7,0.3'))
    assert {files.name(row.uri) for row in rows(result.paths['eval'])} == {f'{number}.jpg' for number in range(15, 21)}


def test_every_group_is_left_out_once(tmp_path: Path) -> None:
    result = docs(tmp_path, LAB, leave_one_out=True)
    assert list(result.folds) == ['P5', 'P6', 'P10', 'P11']
    assert list(result.paths) == ['all']
    for group, folder in result.folds.items():
        assert folder == str(tmp_path / 'out' / 'leave_one_out' / group)
        assert {row.group for row in rows(f'{folder}/eval_set.csv')} == {group}
        assert {row.group for row in rows(f'{folder}/train_set.csv')} == {*result.folds} - {group}
        assert len(rows(f'{folder}/train_set.csv')) == 36
    assert result.table.splitlines()[0].split() == ['class', 'P5', 'P6', 'P10', 'P11', 'total']


def test_sets_of_groups_that_are_gone_go_and_other_files_stay(tmp_path: Path) -> None:
    docs(tmp_path, LAB, leave_one_out=True)
    model = tmp_path / 'out/leave_one_out/P11/out/model.txt'
    model.parent.mkdir()
    model.write_text('mine')
    docs(tmp_path, ''.join(line for line in LAB.splitlines(keepends=True) if 'P11' not in line), leave_one_out=True)
    assert sorted(path.name for path in (tmp_path / 'out/leave_one_out/P11').iterdir()) == ['out']
    assert (tmp_path / 'out/leave_one_out/P10/eval_set.csv').exists()


def test_a_label_only_one_group_has_is_told_when_groups_are_left_out(tmp_path: Path) -> None:
    result = docs(tmp_path, LAB + 'P6.mp4,70,80,drill,P6,\n', leave_one_out=True)
    assert [note for note in result.notes if 'only one group has drill' in note]


@pytest.mark.parametrize('group', ['a/b', '..', '.hidden', 'ä b', '100%', 'a\\b', 'con:1'])
def test_any_group_has_a_folder_of_its_own(group: str) -> None:
    name = files.name(folds.folder('out', group))
    assert folds.folder('out', group) == f'out/leave_one_out/{name}'
    assert not set(name) & set('/\\:') and not name.startswith('.')


def test_one_group_alone_can_not_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='only group'):
        docs(tmp_path, 'image,label,group\na.jpg,x,A\nb.jpg,y,A\n', leave_one_out=True)


@pytest.mark.parametrize(
    ('flags', 'where'),
    [
        (['--split', 'train=P5,eval=P6', '--contiguous', '0.5,0.5'], '--split and --contiguous'),
        (['--split', 'train=P5,eval=P6', '--leave_one_out'], '--leave_one_out and --split'),
        (['--contiguous', '0.5,0.5', '--leave_one_out'], '--leave_one_out and --contiguous'),
        (['--contiguous', 'half'], '--contiguous'),
        (['--split', 'P5'], '--split P5'),
    ],
)
def test_two_ways_to_split_exclude_each_other(tmp_path: Path, flags: list[str], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        main([str(tmp_path / 'in.csv'), *flags])
    assert caught.value.where == where


def test_the_command_takes_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'in.csv').write_text(LAB)
    assert (
        main([str(tmp_path / 'in.csv'), '--output_dir', str(tmp_path / 'a'), '--split', 'train=P?,eval=P10-P11']) == 0
    )
    assert main([str(tmp_path / 'in.csv'), '--output_dir', str(tmp_path / 'b'), '--leave-one-out']) == 0
    printed = capsys.readouterr().out.splitlines()
    assert f'{tmp_path}/a/eval_set.csv' in printed
    assert f'{tmp_path}/b/leave_one_out/P10' in printed
