"""From footage to signals, labels and rows: what is written, what is not done twice, what is refused."""

import contextlib
import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from preprocess import kept_signals, motion, motion_finding, motion_results, motion_signal
from preprocess.bursts import BurstRule
from preprocess.contiguous import Contiguous
from preprocess.failures import InputError, Interrupted, UsageError
from preprocess.motion_config import MotionConfig
from preprocess.motion_finding import find_motion
from preprocess.rows import Row, read_csv
from tests import tanks

RULE = BurstRule(n=3, h=8, b=0.3, c=0.01)
FRAMES = 150


@pytest.fixture(scope='module')
def film() -> np.ndarray:
    return tanks.frames(FRAMES)


@pytest.fixture
def tank(tmp_path: Path, film: np.ndarray) -> Path:
    return tanks.write_pictures(tmp_path / 'tank', film)


def config(*sources: Path, out: Path, **changes: object) -> MotionConfig:
    return MotionConfig(tuple(map(str, sources)), str(out), **{'rule': RULE, **changes})  # type: ignore[arg-type]


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(newline='') as opened:
        return list(csv.DictReader(opened))


def rows(path: Path) -> list[Row]:
    found = list(read_csv(str(path)))
    assert all(isinstance(row, Row) for row in found)
    return found  # type: ignore[return-value]  # just asserted


def expected_labels(labels: np.ndarray, parts: list[tuple[int, int]]) -> list[str]:
    """A name where a frame has the whole clip behind it and the look-ahead before it in its own part."""
    named = [''] * len(labels)
    for first, end in parts:
        for place in range(first + 4 * RULE.n - 1, end - 1 - RULE.h):
            named[place] = ('rest', 'burst')[int(labels[place])]
    return named


def test_frames_become_a_signal_labels_and_a_row_each(tank: Path, film: np.ndarray, tmp_path: Path) -> None:
    outcome = find_motion(config(tank, out=tmp_path / 'm', contiguous=Contiguous.parse('0.6,0.4')))

    signal, labels = np.load(tmp_path / 'm' / 'Y_tilde.npy'), np.load(tmp_path / 'm' / 'Y_label.npy')
    assert signal.tolist() == motion_signal.of_frames(film).tolist()
    assert labels.tolist() == RULE.labels(signal).tolist()
    assert (signal.dtype, labels.dtype, len(labels)) == (np.float64, np.float64, FRAMES)
    assert 0 < labels.sum() < FRAMES
    assert (tmp_path / 'm' / 'dict.txt').read_text() == 'rest\nburst\n'
    found = cells(tmp_path / 'm' / 'all_data.csv')
    assert [row['image'] for row in found] == [f'{tank}/{place:05d}.png' for place in range(FRAMES)]
    assert [row['label'] for row in found] == expected_labels(labels, [(0, 90), (90, 150)])
    assert [row['split'] for row in found] == ['train'] * 90 + ['eval'] * 60
    assert {row['group'] for row in found} == {'tank'}
    assert [(row['frame'], row['time']) for row in found[:4]] == [
        ('0', '0'),
        ('1', '0.033333'),
        ('2', '0.066667'),
        ('3', '0.1'),
    ]
    assert cells(tmp_path / 'm' / 'train_set.csv') + cells(tmp_path / 'm' / 'eval_set.csv') == found
    assert [Path(path).name for path in outcome.files] == [
        'Y_tilde.npy',
        'Y_label.npy',
        'times.npy',
        'all_data.csv',
        'train_set.csv',
        'eval_set.csv',
        'dict.txt',
        'motion.json',
    ]
    assert sorted(path.name for path in (tmp_path / 'm').iterdir()) == sorted(Path(p).name for p in outcome.files)


def test_the_rows_read_back_as_the_pipeline_reads_them(tank: Path, tmp_path: Path) -> None:
    find_motion(config(tank, out=tmp_path / 'm'))

    found = rows(tmp_path / 'm' / 'all_data.csv')

    labels = expected_labels(np.load(tmp_path / 'm' / 'Y_label.npy'), [(0, 125), (125, 135), (135, 150)])
    assert [row.labels for row in found] == [(label,) if label else () for label in labels]
    assert [row.split for row in found] == ['train'] * 125 + ['eval'] * 10 + ['test'] * 15


def test_of_a_video_every_stretch_of_one_label_is_a_row_and_no_frame_is_in_two(
    tmp_path: Path, film: np.ndarray
) -> None:
    video = tanks.write_video(tmp_path / 'tank.mkv', film)
    find_motion(config(video, out=tmp_path / 'm', contiguous=Contiguous.parse('100,50')))

    labels = np.load(tmp_path / 'm' / 'Y_label.npy')
    expected = expected_labels(labels, [(0, 100), (100, 150)])
    from preprocess.recordings import Recording
    from preprocess.sampling import EVERY_FRAME
    from preprocess.video import survey

    samples = Recording.of(str(video), [(str(video), survey(str(video)))]).samples(EVERY_FRAME)
    seen = []
    for row in rows(tmp_path / 'm' / 'all_data.csv'):
        assert row.start is not None
        steps = samples.within(row.start, row.stop)
        seen += steps
        assert {expected[step] for step in steps} == {row.labels[0] if row.labels else ''}
        assert {step < 100 for step in steps} == {row.split == 'train'}
        assert row.recording == str(video)
    assert seen == list(range(FRAMES))


def test_folders_named_by_a_split_are_its_sides_and_have_arrays_of_their_own(tmp_path: Path) -> None:
    for seed, name in enumerate(['train/New folder', 'validation', 'test']):
        tanks.write_pictures(tmp_path / 'f' / name, tanks.frames(60, seed=seed))

    outcome = find_motion(config(tmp_path / 'f', out=tmp_path / 'm'))

    assert {one.name: one.segments[0].side for one in outcome.result.recordings} == {
        'test': 'test',
        'train/New folder': 'train',
        'validation': 'eval',
    }
    for name in ('test', 'train/New folder', 'validation'):
        assert np.load(tmp_path / 'm' / name / 'Y_tilde.npy').shape == (60,)
    assert {row['group'] for row in cells(tmp_path / 'm' / 'eval_set.csv')} == {'validation'}
    assert len(cells(tmp_path / 'm' / 'test_set.csv')) == 60


def test_recordings_can_be_divided_by_name(tmp_path: Path) -> None:
    from preprocess.group_split import GroupSplit

    for name in ('t1', 't2', 't3'):
        tanks.write_pictures(tmp_path / 'f' / name, tanks.frames(40))
    groups = GroupSplit.parse('train=t1-t2,eval=t3')

    outcome = find_motion(config(tmp_path / 'f', out=tmp_path / 'm', groups=groups))

    assert [one.segments[0].side for one in outcome.result.recordings] == ['train', 'train', 'eval']


def test_what_is_complete_is_not_done_again(tank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = config(tank, out=tmp_path / 'm')
    first = find_motion(asked)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'm').iterdir()}
    monkeypatch.setattr(kept_signals, 'find', None)

    again = find_motion(asked)

    assert (first.was_complete, again.was_complete) == (False, True)
    assert again.result == first.result
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / 'm').iterdir()} == before


def test_another_rule_labels_again_without_decoding(
    tank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_motion(config(tank, out=tmp_path / 'm'))
    monkeypatch.setattr(kept_signals, 'find', None)
    other = BurstRule(n=3, h=4, b=0.5, c=0.001)

    find_motion(config(tank, out=tmp_path / 'm', rule=other))

    signal = np.load(tmp_path / 'm' / 'Y_tilde.npy')
    assert np.load(tmp_path / 'm' / 'Y_label.npy').tolist() == other.labels(signal).tolist()


def test_other_frames_or_another_preparation_are_measured_again(tank: Path, tmp_path: Path) -> None:
    from preprocess.preparation import Preparation

    find_motion(config(tank, out=tmp_path / 'm'))
    first = np.load(tmp_path / 'm' / 'Y_tilde.npy')
    find_motion(config(tank, out=tmp_path / 'm', preparation=Preparation(gray=True, size=(8, 6))))
    smaller = np.load(tmp_path / 'm' / 'Y_tilde.npy')
    tanks.write_pictures(tank, tanks.frames(FRAMES, seed=9))
    find_motion(config(tank, out=tmp_path / 'm'))
    third = np.load(tmp_path / 'm' / 'Y_tilde.npy')

    assert not np.array_equal(first, smaller)
    assert not np.array_equal(first, third)


def test_an_interrupted_run_goes_on_where_it_was(
    tank: Path, film: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = config(tank, out=tmp_path / 'm')
    looks = iter([False] * 100 + [True])
    monkeypatch.setattr(kept_signals, 'interrupts', SimpleNamespace(requested=lambda: next(looks)))
    with pytest.raises(Interrupted, match='interrupted at frame 101 of 150') as raised:
        find_motion(asked)
    assert raised.value.where == str(tank)
    assert not (tmp_path / 'm' / 'motion.json').exists()

    monkeypatch.undo()
    seen = []
    real = motion_finding.motion_sources.Stills.grays
    monkeypatch.setattr(
        motion_finding.motion_sources.Stills,
        'grays',
        lambda self, wanted, *, start: (seen.append(start), real(self, wanted, start=start))[1],
    )
    find_motion(asked)

    assert seen == [100]  # the last frame seen is read again: the next one is compared with it
    assert np.load(tmp_path / 'm' / 'Y_tilde.npy').tolist() == motion_signal.of_frames(film).tolist()
    assert not (tmp_path / 'm' / '.motion').exists()


def test_a_damaged_beginning_is_found_anew(tank: Path, film: np.ndarray, tmp_path: Path) -> None:
    asked = config(tank, out=tmp_path / 'm')
    (source,) = motion_finding.motion_sources.find([str(tank)], frames_per_second=30)
    digest = motion_finding._Frames(source, asked.preparation).digest
    (tmp_path / 'm' / '.motion').mkdir(parents=True)
    (tmp_path / 'm' / '.motion' / f'{digest[:16]}.npz').write_bytes(b'PK torn')

    find_motion(asked)

    assert np.load(tmp_path / 'm' / 'Y_tilde.npy').tolist() == motion_signal.of_frames(film).tolist()


def test_own_labels_count_on_every_frame_that_has_one(tank: Path, tmp_path: Path) -> None:
    mine = np.arange(FRAMES) % 3.0
    mine[5] = np.nan
    np.save(tmp_path / 'mine.npy', mine.reshape(-1, 1))

    find_motion(
        config(tank, out=tmp_path / 'm', labels=(str(tmp_path / 'mine.npy'),), label_names=('rest', 'feed', 'dart'))
    )

    found = [row['label'] for row in cells(tmp_path / 'm' / 'all_data.csv')]
    assert found == ['' if place == 5 else ('rest', 'feed', 'dart')[place % 3] for place in range(FRAMES)]
    assert (tmp_path / 'm' / 'dict.txt').read_text() == 'rest\nfeed\ndart\n'


@pytest.mark.parametrize(
    ('labels', 'said'),
    [
        (np.zeros(3), '3 labels for 150 frames of tank'),
        (np.full(FRAMES, 2.0), 'label 0 is 2, which is no class from 0 to 1'),
        (np.full(FRAMES, 0.5), 'label 0 is 0.5, which is no class'),
        (np.zeros((FRAMES, 2)), 'no array of numbers can be read'),
        (np.array(['a'] * FRAMES), 'no array of numbers can be read'),
    ],
)
def test_labels_that_can_not_be_the_frames_are_refused(
    tank: Path, tmp_path: Path, labels: np.ndarray, said: str
) -> None:
    np.save(tmp_path / 'mine.npy', labels)
    with pytest.raises(InputError, match=said) as raised:
        find_motion(config(tank, out=tmp_path / 'm', labels=(str(tmp_path / 'mine.npy'),)))
    assert raised.value.where == str(tmp_path / 'mine.npy')


def test_labels_for_some_recordings_only_are_refused(tank: Path, tmp_path: Path) -> None:
    np.save(tmp_path / 'mine.npy', np.zeros(FRAMES))
    twice = (str(tmp_path / 'mine.npy'),) * 2
    with pytest.raises(InputError, match='2 files of labels for 1 recordings') as raised:
        find_motion(config(tank, out=tmp_path / 'm', labels=twice))
    assert raised.value.do == 'give one for each, in this order: tank'


def test_a_part_too_short_for_a_label_is_told(tank: Path, tmp_path: Path) -> None:
    outcome = find_motion(config(tank, out=tmp_path / 'm', contiguous=Contiguous.parse('130,20')))
    assert outcome.notes == (
        'warning: no frame of the eval set has a label: its part is too short (at least 21 frames are needed)',
    )
    outcome = find_motion(config(tank, out=tmp_path / 'm', contiguous=Contiguous.parse('129,21')))
    assert outcome.notes == ()
    assert [row['label'] != '' for row in cells(tmp_path / 'm' / 'eval_set.csv')] == [False] * 11 + [True] + [False] * 9


def test_arrays_of_recordings_that_are_no_longer_asked_for_go(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        tanks.write_pictures(tmp_path / 'f' / name, tanks.frames(40))
    find_motion(config(tmp_path / 'f', out=tmp_path / 'm'))
    find_motion(config(tmp_path / 'f' / 'a', out=tmp_path / 'm'))

    assert sorted(str(path.relative_to(tmp_path / 'm')) for path in (tmp_path / 'm').rglob('*.npy')) == [
        'Y_label.npy',
        'Y_tilde.npy',
        'times.npy',
    ]


def test_a_signal_gets_labels_and_no_rows(tmp_path: Path) -> None:
    np.save(tmp_path / 'Y_tilde.npy', np.random.default_rng(0).random(100) / 50)

    outcome = find_motion(config(tmp_path / 'Y_tilde.npy', out=tmp_path / 'm'))

    assert [Path(path).name for path in outcome.files] == [
        'Y_tilde.npy',
        'Y_label.npy',
        'times.npy',
        'dict.txt',
        'motion.json',
    ]
    assert not (tmp_path / 'm' / 'all_data.csv').exists()


def test_frames_as_a_video_are_footage_that_is_prepared_once(tmp_path: Path, film: np.ndarray) -> None:
    from preprocess.preparation import Preparation, Region

    tank = tanks.write_pictures(tmp_path / 'tank', film)
    wanted = Preparation(gray=True, roi=Region(0, 0, 20, 24), contrast='stretch')
    asked = config(tank, out=tmp_path / 'm', preparation=wanted, as_video=True, frames_per_second=25.0)

    outcome = find_motion(asked)

    (video,) = (tmp_path / 'm').glob('tank.*.mkv')
    assert str(video) in outcome.files
    stills = find_motion(config(tank, out=tmp_path / 's', preparation=wanted))
    signals = [np.load(tmp_path / name / 'Y_tilde.npy').tolist() for name in ('m', 's')]
    assert signals[0] == signals[1]
    assert stills.result.recordings[0].segments == outcome.result.recordings[0].segments
    assert {row['image'] for row in cells(tmp_path / 'm' / 'all_data.csv')} == {str(video)}
    assert [row['stop'] for row in cells(tmp_path / 'm' / 'all_data.csv')][-1] == '6'
    assert outcome.result.recordings[0].frames_per_second == pytest.approx(25, rel=1e-3)

    assert find_motion(asked).was_complete
    video.unlink()
    find_motion(asked)
    assert video.exists()
    find_motion(config(tank, out=tmp_path / 'm', as_video=True))
    assert not video.exists()
    assert len(list((tmp_path / 'm').glob('tank.*.mkv'))) == 1
    find_motion(config(tank, out=tmp_path / 'm'))
    assert list((tmp_path / 'm').glob('*.mkv')) == []


def test_the_result_reads_back(tank: Path, tmp_path: Path) -> None:
    written = find_motion(config(tank, out=tmp_path / 'm')).result
    assert motion_results.read(str(tmp_path / 'm')) == written
    (recording,) = written.recordings
    assert recording.parts == ((str(tank), FRAMES),)
    assert written.times(recording).tolist() == [place / 30 for place in range(FRAMES)]
    assert motion_results.read(str(tmp_path)) is None

    (tmp_path / 'm' / 'motion.json').write_text(json.dumps({'version': 7}))
    with pytest.raises(InputError, match='no motion.json that this version reads'):
        motion_results.read(str(tmp_path / 'm'))


def test_the_command_prints_what_there_is(tank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tank / 'notes.txt').write_text('')
    words = [str(tank), '--output-dir', str(tmp_path / 'm'), '--n', '3', '--h', '8', '--b', '0.3', '--c', '0.01']

    assert motion.main(words) == 0

    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert lines[1][:3] == ['tank', '150', '30']
    assert lines[3] == ['recording', 'set', 'rest', 'burst', 'no', 'label', 'frames']
    assert lines[4][:2] == ['tank', 'train'] and lines[4][-1] == '125'
    assert lines[-3] == [f'{tmp_path}/m/motion.json']
    # Frames say which they are: heads of windows learn from them as they are.
    assert lines[-1][:4] == ['next', 'python', 'pipeline.py', '--train_input_path']
    assert lines[-1][-4:] == ['--head', 'convlstm', '--class_weights', 'balanced'] and '--every_frame' not in lines[-1]
    assert 'tank: 1 other files among the frames, left out: notes.txt' in printed.err

    motion.main(words)
    assert capsys.readouterr().out.startswith('complete already: neither recordings nor flags have changed\n')

    motion.main([*words, '--size', '32x24'])
    assert '--as_video: its video is prepared' in capsys.readouterr().out
    motion.main([*words, '--n', '40'])
    assert 'warning: no frame of the train part of tank has a label: it has 125 frames' in capsys.readouterr().err


def test_the_command_that_comes_next_prepares_frames_as_they_were(
    tmp_path: Path, film: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tanks.write_video(tmp_path / 'a tank.mkv', film)
    words = [str(video), '--output_dir', 'm o', '--size', '16x12', '--background', 'median', '--contiguous', '1.0,1.0']
    with contextlib.chdir(tmp_path):
        motion.main(words)

    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith('next')]
    assert line == (
        "next  python pipeline.py --train_input_path 'm o/train_set.csv' --eval_input_path 'm o/eval_set.csv' "
        "--input_dict 'm o/dict.txt' --output_dir out --every_frame --size 16x12 --background median "
        '--encoder pixels:120x160:gray --head convlstm --class_weights balanced'
    )


@pytest.mark.parametrize(
    ('words', 'where'),
    [
        ([], 'SOURCE'),
        (['tank'], '--output_dir'),
        (['tank', '--output_dir', 'o', '--fps', '0'], '--fps'),
        (['tank', '--output_dir', 'o', '--label_names', 'a,a'], '--label_names'),
        (['tank', '--output_dir', 'o', '--label_names', 'a,b,c'], '--label_names'),
        (['tank', '--output_dir', 'o', '--n', '0'], '--n'),
        (['tank', '--output_dir', 'o', '--size', 'big'], '--size'),
        (['tank', '--output_dir', 'o', '--split', 'train=a', '--contiguous', '1,1'], '--split and --contiguous'),
    ],
)
def test_impossible_flags_are_named(words: list[str], where: str) -> None:
    with pytest.raises(UsageError) as raised:
        motion.main(words)
    assert raised.value.where == where
