"""Which recordings and frames are whose."""

import re
from pathlib import Path

import pytest

from preprocess.failures import Failure, InputError, UsageError
from preprocess.range_footage import Footage, find_footage
from preprocess.range_frames import find_frames
from preprocess.sheets import Entry, Sheet
from preprocess.ties import Ties


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def sheets(*names: str) -> list[Sheet]:
    return [Sheet(name, f'{name}.csv', (), name) for name in names]


def footage(folder: Path, of: list[Sheet], *patterns: str, subjects: str | None = None) -> list[tuple[str, str]]:
    """(sheet, where below the folder) of every recording."""
    found = find_footage(of, [_below(folder, one) for one in patterns], Ties.of(of, subjects), root=None)
    return [(one.sheet, one.uri.replace(f'{folder}/', '')) for one in found]


def frames(folder: Path, of: list[Sheet], *patterns: str, subjects: str | None = None) -> list[tuple[str, list[int]]]:
    found = find_frames([_below(folder, one) for one in patterns], Ties.of(of, subjects))
    return [(one.sheet, [*one.numbers]) for one in found]


def _below(folder: Path, pattern: str) -> str:
    return re.sub(r'^(\w+=)?', lambda found: f'{found[0]}{folder}/', pattern)


def test_files_of_one_folder_are_pieces_and_folders_are_cameras(tmp_path: Path) -> None:
    touch(tmp_path, *(f'S1C{camera}/GX0{part}0042.MP4' for camera in (1, 2) for part in (1, 2, 10)), 'S1C1/notes.txt')
    assert footage(tmp_path, sheets('P5'), 'P5=S1C*/*.MP4') == [('P5', 'S1C1/'), ('P5', 'S1C2/')]


def test_some_files_of_a_folder_are_named_one_by_one_in_their_order(tmp_path: Path) -> None:
    touch(tmp_path, 'v/part10.mp4', 'v/part2.mp4', 'v/part1.mp4', 'v/other.mp4')
    assert footage(tmp_path, sheets('P5'), 'P5=v/part*.mp4') == [('P5', 'v/part1.mp4;v/part2.mp4;v/part10.mp4')]
    assert footage(tmp_path, sheets('P5'), 'P5=v/other.mp4') == [('P5', 'v/other.mp4')]


def test_a_folder_that_fits_is_a_recording(tmp_path: Path) -> None:
    touch(tmp_path, 'S1C1/a.mp4', 'S1C2/a.mp4', 'S1C2/b.mp4')
    assert footage(tmp_path, sheets('P5'), 'P5=S1C*') == [('P5', 'S1C1/'), ('P5', 'S1C2/')]


def test_cameras_in_one_folder_are_told_by_their_place_in_the_name(tmp_path: Path) -> None:
    touch(
        tmp_path, *(f'v/S{subject}C{camera}_{part}.mp4' for subject in (1, 2) for camera in (1, 2) for part in (1, 2))
    )
    found = footage(tmp_path, sheets('P5', 'P6'), 'v/S{subject}C{camera}_*.mp4', subjects='P5-P6=1-2')
    assert found == [
        ('P5', 'v/S1C1_1.mp4;v/S1C1_2.mp4'),
        ('P5', 'v/S1C2_1.mp4;v/S1C2_2.mp4'),
        ('P6', 'v/S2C1_1.mp4;v/S2C1_2.mp4'),
        ('P6', 'v/S2C2_1.mp4;v/S2C2_2.mp4'),
    ]


def test_a_matching_stem_or_folder_ties_without_a_word(tmp_path: Path) -> None:
    touch(tmp_path, 'v/P5.mp4', 'v/p6.MP4', 'v/P7_front.mp4', 'P8/one.mp4', 'P8/two.mp4')
    found = footage(tmp_path, sheets('P5', 'P6', 'P7', 'P8'), 'v/*', 'P?/*')
    assert sorted(found) == [('P5', 'v/P5.mp4'), ('P6', 'v/p6.MP4'), ('P7', 'v/P7_front.mp4'), ('P8', 'P8/')]


def test_a_longer_number_is_another_sheets(tmp_path: Path) -> None:
    touch(tmp_path, 'v/P1.mp4', 'v/P10.mp4', 'v/P10-side.mp4')
    with pytest.raises(InputError, match=r'video without a sheet: .*/v/P10\.mp4;.*/v/P10-side\.mp4'):
        footage(tmp_path, sheets('P1'), 'v/*.mp4')


def test_pieces_and_cameras_that_look_alike_have_to_be_told_apart(tmp_path: Path) -> None:
    touch(tmp_path, 'v/P5_1.mp4', 'v/P5_2.mp4')
    with pytest.raises(InputError, match=r'pieces of one recording of P5, or its cameras: P5_1\.mp4, P5_2\.mp4'):
        footage(tmp_path, sheets('P5'), 'v/*.mp4')
    assert footage(tmp_path, sheets('P5'), 'P5=v/*.mp4') == [('P5', 'v/')]
    assert len(footage(tmp_path, sheets('P5'), 'v/{subject}_{camera}.mp4')) == 2


def test_sheets_without_video_and_videos_without_sheet_are_both_named(tmp_path: Path) -> None:
    touch(tmp_path, 'v/P5.mp4', 'v/S2.mp4')
    with pytest.raises(InputError) as caught:
        footage(tmp_path, sheets('P5', 'P6', 'P10'), 'v/*.mp4')
    assert caught.value.what == f'sheets without video: P6, P10; video without a sheet: {tmp_path}/v/S2.mp4'
    assert (caught.value.where, "--videos 'P6=…'" in caught.value.do) == ('--videos', True)


def test_subjects_of_videos_that_meet_no_sheet_are_offered_one_by_one(tmp_path: Path) -> None:
    touch(tmp_path, *(f'S{subject}C{camera}/a.mp4' for subject in (1, 2) for camera in (1, 2)))
    with pytest.raises(InputError, match='sheets without video: P5, P6') as caught:
        footage(tmp_path, sheets('P5', 'P6'), 'S{subject}C{camera}/*.mp4')
    assert caught.value.do.endswith('--subjects P5=1,P6=2')


def test_one_sheet_and_one_video_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, 'clip.mp4')
    assert footage(tmp_path, sheets('P5'), 'clip.mp4') == [('P5', 'clip.mp4')]
    assert 'clip.mp4 is taken for P5' in capsys.readouterr().err
    touch(tmp_path, 'S1C1/a.mp4', 'S1C2/a.mp4')
    assert len(footage(tmp_path, sheets('P5'), 'S{subject}C*/a.mp4')) == 2
    assert '1 is taken for P5' in capsys.readouterr().err


def test_no_video_is_two_sheets(tmp_path: Path) -> None:
    touch(tmp_path, 'a.mp4')
    with pytest.raises(InputError, match='two sheets have this video: P5 and P6'):
        footage(tmp_path, sheets('P5', 'P6'), 'P5=a.mp4', 'P6=a.mp4')
    assert footage(tmp_path, sheets('P5'), 'P5=a.mp4', 'P5=*.mp4') == [('P5', 'a.mp4')]


@pytest.mark.parametrize(
    ('pattern', 'what'),
    [
        ('P9=a.mp4', "there is no sheet 'P9'"),
        ('P5=b.mp4', 'nothing fits'),
        ('v/*.mp4', 'nothing fits'),
        ('{sheet}.mp4', 'no part'),
    ],
)
def test_patterns_that_lead_nowhere_say_so(tmp_path: Path, pattern: str, what: str) -> None:
    touch(tmp_path, 'a.mp4')
    with pytest.raises(Failure, match=re.escape(what)) as caught:
        of = sheets('P5')
        find_footage(
            of, [pattern if pattern.startswith('P9') else _below(tmp_path, pattern)], Ties.of(of, None), root=None
        )
    assert caught.value.where.startswith('--videos ')


def named(folder: Path, *media: str, name: str = 'clip') -> Sheet:
    entries = (Entry(str(folder / 'sheets' / 'a.csv'), 7, 'run', '0', '1'),)
    return Sheet(name, str(folder / 'sheets' / 'a.csv'), entries, name, media=media)


def test_a_video_a_sheet_names_is_beside_it_or_found_by_its_name(tmp_path: Path) -> None:
    touch(tmp_path, 'sheets/clip.mp4', 'sheets/p/1.mp4', 'sheets/p/2.mp4', 'films/far.mp4', 'films/other.mp4')
    assert footage(tmp_path, [named(tmp_path, 'clip.mp4')]) == [('clip', 'sheets/clip.mp4')]
    assert footage(tmp_path, [named(tmp_path, 'p')]) == [('clip', 'sheets/p/')]
    assert footage(tmp_path, [named(tmp_path, 'p/1.mp4; p/2.mp4')]) == [('clip', 'sheets/p/1.mp4;sheets/p/2.mp4')]
    for far in ('C:\\Users\\me\\far.mp4', '/home/other/far.mp4'):
        assert footage(tmp_path, [named(tmp_path, far)], 'films/*.mp4') == [('clip', 'films/far.mp4')]
    found = find_footage(
        [named(tmp_path, 'far.mp4')], [], Ties.of([named(tmp_path)], None), root=str(tmp_path / 'films')
    )
    assert found == [Footage(f'{tmp_path}/films/far.mp4', 'clip', ('far',))]


def test_a_video_a_sheet_names_that_is_nowhere_is_named_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the video 'gone.mp4' of clip is not there") as caught:
        footage(tmp_path, [named(tmp_path, 'gone.mp4')])
    assert caught.value.where == f'{tmp_path}/sheets/a.csv:7'
    touch(tmp_path, 'sheets/p/1.mp4', 'sheets/p/2.mp4')
    assert footage(tmp_path, [named(tmp_path, 'p/1.mp4;2.mp4')]) == [('clip', 'sheets/p/1.mp4;sheets/p/2.mp4')]
    with pytest.raises(InputError) as caught:
        footage(tmp_path, [named(tmp_path, 'p/1.mp4;p/3.mp4')])
    assert f'{tmp_path}/sheets/p/3.mp4 or ' in caught.value.what
    assert caught.value.what.endswith(f'{tmp_path}/sheets/p/p/3.mp4')


def test_a_sheet_that_names_its_video_may_lie_beside_one_that_does_not(tmp_path: Path) -> None:
    touch(tmp_path, 'sheets/clip.mp4', 'v/P5.mp4')
    assert footage(tmp_path, [named(tmp_path, 'clip.mp4'), *sheets('P5')], 'v/*.mp4') == [
        ('clip', 'sheets/clip.mp4'),
        ('P5', 'v/P5.mp4'),
    ]


def test_frames_are_ordered_by_number_for_every_camera(tmp_path: Path) -> None:
    touch(
        tmp_path, *(f'f/S{s}C{c}{n:06}.jpg' for s in (1, 2) for c in (1, 2) for n in (10, 9, 100)), 'f/thumb000001.jpg'
    )
    found = frames(tmp_path, sheets('P5', 'P6'), 'f/S{subject}C{camera}{frame}.jpg', subjects='P5=1,P6=2')
    assert found == [('P5', [9, 10, 100]), ('P5', [9, 10, 100]), ('P6', [9, 10, 100]), ('P6', [9, 10, 100])]


@pytest.mark.parametrize(
    'pattern', ['P{subject}/{frame}.jpg', '{subject}/{frame}.jpg', '*/{frame}.jpg', 'P5=P5/{frame}.jpg']
)
def test_subjects_called_like_sheets_are_theirs(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, 'P5/1.jpg', 'P5/2.jpg')
    assert frames(tmp_path, sheets('P5'), pattern) == [('P5', [1, 2])]


def test_subjects_and_sheets_that_do_not_meet_are_both_named(tmp_path: Path) -> None:
    touch(tmp_path, *(f'S{subject}C2{number:06}.jpg' for subject in (1, 2, 5) for number in (1, 2)))
    with pytest.raises(InputError) as caught:
        frames(tmp_path, sheets('P5', 'P6'), 'S{subject}C{camera}{frame}.jpg')
    # Subject 5 is not sheet P5: S is no P.
    assert caught.value.what == 'sheets without frames: P5, P6; frames without a sheet: 1, 2, 5'
    assert caught.value.do.endswith('--subjects P5=1,P6=2')
    with pytest.raises(InputError, match='frames without a sheet: 5'):
        frames(tmp_path, sheets('P5', 'P6'), 'S{subject}C{camera}{frame}.jpg', subjects='P5-P6=1-2')


def test_one_sheet_and_one_subject_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, 'S1C2000001.jpg', 'S1C3000001.jpg')
    assert frames(tmp_path, sheets('P5'), 'S{subject}C{camera}{frame}.jpg') == [('P5', [1]), ('P5', [1])]
    assert '1 is taken for the subject of P5' in capsys.readouterr().err


@pytest.mark.parametrize('subjects', ['P5', 'P5=', '=1', 'P5=1,P6'])
def test_subjects_are_pairs(subjects: str) -> None:
    with pytest.raises(UsageError, match='names no subject'):
        Ties.of(sheets('P5'), subjects)


def test_an_unknown_sheet_among_the_subjects_names_those_there_are() -> None:
    with pytest.raises(InputError, match='there is no sheet P8') as caught:
        Ties.of(sheets('P5', 'P6', 'P7'), 'P5-P8=1-4')
    assert caught.value.do == 'the sheets are P5, P6, P7'


def test_a_pattern_of_frames_says_where_the_number_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='where the number of a frame stands'):
        frames(tmp_path, sheets('P5'), 'f/*.jpg')
    with pytest.raises(InputError, match='no frame fits'):
        frames(tmp_path, sheets('P5'), 'f/{frame}.jpg')


def test_a_pattern_that_fits_in_capitals_only_is_told_so(tmp_path: Path) -> None:
    touch(tmp_path, 'v/P5.MP4')
    with pytest.raises(InputError, match='nothing fits') as caught:
        footage(tmp_path, sheets('P5'), 'v/*.mp4')
    assert caught.value.do == f'write it as the files do: {tmp_path}/v/*.MP4'
    with pytest.raises(InputError, match='nothing fits') as caught:
        footage(tmp_path, sheets('P5'), 'v/*.mov')
    assert caught.value.do == 'check the path'


def test_more_subjects_than_sheets_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='P5-P8 is 4 sheets, 1-5 is 5 subjects'):
        Ties.of(sheets('P5', 'P6', 'P7', 'P8'), 'P5-P8=1-5')
