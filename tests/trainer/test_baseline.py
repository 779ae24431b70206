"""Baselines on made-up signals: what is counted, what is written, what is left out; and on the published ones."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from preprocess.bursts import BurstRule
from preprocess.contiguous import Contiguous
from preprocess.failures import InputError, UsageError
from preprocess.motion_config import MotionConfig
from preprocess.motion_finding import find_motion
from tests import tanks
from trainer import baseline
from trainer.motion_baselines import HardRule, Past, Probabilistic

PUBLISHED = Path(__file__).parents[3] / 'shared' / 'reference' / 'fish' / 'targets'
needs_published = pytest.mark.skipif(not PUBLISHED.exists(), reason='the published signals are not beside the checkout')
RULE = BurstRule(n=3, h=5, b=0.3, c=0.005)
FLAGS = ['--n', '3', '--label_h', '5', '--d', '12', '--hard_d', '12', '--h', '4']
LSTM = ['--window', '15', '--hidden_units', '8', '--max_steps', '150', '--learning_rate', '0.02']


def signal(frames: int, *, seed: int = 0) -> np.ndarray:
    """Twelve frames of rest, eight of swimming, and so on: how long the rest has lasted tells when it ends."""
    random = np.random.default_rng(seed)
    swims = np.arange(frames) % 20 >= 12
    return np.where(swims, 0.01, 0.001) + random.random(frames) * 0.0005


def arrays(folder: Path, name: str, frames: int, *, seed: int = 0) -> tuple[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    values = signal(frames, seed=seed)
    np.save(folder / f'{name}.npy', values)
    np.save(folder / f'{name}_label.npy', RULE.labels(values))
    return str(folder / f'{name}.npy'), str(folder / f'{name}_label.npy')


def words(tmp_path: Path, **frames: int) -> list[str]:
    found = ['--output_dir', str(tmp_path / 'out'), *FLAGS]
    for place, (side, count) in enumerate(frames.items()):
        start = '' if side == 'eval' else f'{side}_'
        paths = arrays(tmp_path / side, 'Y_tilde', count, seed=place)
        found += [f'--{start}signal', paths[0], f'--{start}labels', paths[1]]
    return found


def predicted(path: Path) -> list[dict[str, str]]:
    with path.open(newline='') as opened:
        return list(csv.DictReader(opened))


@pytest.fixture(scope='module')
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four baselines, with a training and a test set."""
    folder = tmp_path_factory.mktemp('all')
    assert baseline.main([*words(folder, train=600, eval=300, test=200), *LSTM]) == 0
    return folder / 'out'


def test_all_baselines_are_measured_on_the_same_frames(out: Path) -> None:
    content = json.loads((out / 'metrics.json').read_text())

    assert set(content['eval']) == set(content['test']) == {'probabilistic', 'hard_rule', 'lstm', 'majority'}
    # The LSTM needs 15 motions before a frame, the labels 5 frames after it.
    for side, frames in (('eval', 300), ('test', 200)):
        expected = [str(number) for number in range(15, frames - 6)]
        for name, found in content[side].items():
            assert found['examples'] == len(expected)
            file = 'predictions.csv' if side == 'eval' else 'predictions.test.csv'
            assert [row['frame'] for row in predicted(out / name / 'eval' / file)] == expected


def test_the_lstm_learns_from_the_order_of_motions_what_rules_can_not_tell(out: Path) -> None:
    found = json.loads((out / 'metrics.json').read_text())['test']

    assert found['lstm']['thresholds']['roc_auc'] >= 0.95
    assert found['lstm']['thresholds']['roc_auc'] > found['probabilistic']['thresholds']['roc_auc']
    assert found['majority']['thresholds']['roc_auc'] == 0.5


def test_each_baseline_has_what_an_evaluation_has(out: Path) -> None:
    for name in ('probabilistic', 'hard_rule', 'lstm', 'majority'):
        found = json.loads((out / name / 'eval' / 'metrics.json').read_text())
        assert {'accuracy', 'per_class', 'thresholds', 'per_group', 'confusion_matrix', 'test'} <= found.keys()
        assert (out / name / 'report.html').exists()
        for figure in ('confusion_matrix.svg', 'timelines/001-Y_tilde.png', 'timelines.test/001-Y_tilde.svg'):
            assert (out / name / 'eval' / figure).exists()
    for figure in ('roc.png', 'roc.svg', 'roc.test.png', 'roc.test.svg'):
        assert (out / figure).exists()


def test_the_scores_are_the_rules_and_whole_in_float64(out: Path) -> None:
    values = np.load(out.parent / 'eval' / 'Y_tilde.npy')
    rules = {
        'probabilistic': Probabilistic(Past(d=12, n=3, h=4)),
        'hard_rule': HardRule(Past(d=12, n=3, h=5)),
    }
    for name, rule in rules.items():
        scores = np.load(out / name / 'eval' / 'Y_pred.npy')
        assert scores.dtype == np.float64
        assert scores.tolist() == rule.scores(values).tolist()


def test_the_table_has_a_line_for_each_baseline_and_set(out: Path) -> None:
    found = predicted(out / 'baselines.csv')
    content = json.loads((out / 'metrics.json').read_text())

    assert [(row['set'], row['baseline']) for row in found[:3]] == [
        ('eval', 'probabilistic'),
        ('test', 'probabilistic'),
        ('eval', 'hard_rule'),
    ]
    figures = content['eval']['probabilistic']['thresholds']
    assert float(found[0]['youden_j']) == pytest.approx(figures['best_youden']['youden_j'])
    assert float(found[0]['best_accuracy']) == pytest.approx(figures['best_accuracy']['accuracy'])


def test_without_a_training_set_the_lstm_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert baseline.main(words(tmp_path, eval=100)) == 0

    printed = capsys.readouterr()
    assert 'lstm is left out: there is no training set' in printed.err
    assert [line.split()[1] for line in printed.out.splitlines()[1:4]] == ['probabilistic', 'hard', 'majority']
    found = json.loads((tmp_path / 'out' / 'majority' / 'eval' / 'metrics.json').read_text())
    assert found['majority_class']['note'].endswith('of the eval set, for want of a training set')


def test_forced_zeros_at_the_ends_are_not_counted(tmp_path: Path) -> None:
    # The rule answers until 2 frames before the end, the labels look 5 ahead: three more frames would be scored
    # against labels that are 0 for want of a future.
    assert baseline.main([*words(tmp_path, eval=100), '--baselines', 'probabilistic', '--h', '2', '--d', '3']) == 0

    rows = predicted(tmp_path / 'out' / 'probabilistic' / 'eval' / 'predictions.csv')
    assert [int(row['frame']) for row in rows] == list(range(11, 100 - 1 - 5))


def test_what_motion_found_is_measured_part_by_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = tanks.write_video(tmp_path / 'tank.mkv', tanks.frames(160))
    found = MotionConfig((str(video),), str(tmp_path / 'motion'), rule=RULE, contiguous=Contiguous.parse('80,40,40'))
    find_motion(found)

    flags = ['--motion_dir', str(tmp_path / 'motion'), '--output_dir', str(tmp_path / 'out'), *FLAGS[4:]]
    assert baseline.main([*flags, '--baselines', 'probabilistic,hard_rule,majority']) == 0

    rows = predicted(tmp_path / 'out' / 'probabilistic' / 'eval' / 'predictions.csv')
    # As if the recording began with frame 80 and ended with frame 119: d = 12 motions before, 5 frames looked ahead.
    assert [row['image_uri'] for row in rows] == [f'{video}#frame={number}' for number in range(92, 114)]
    assert {(row['video'], row['label'] in ('rest', 'burst')) for row in rows} == {(str(video), True)}
    assert float(rows[0]['time']) == pytest.approx(92 / 30, abs=1e-3)
    whole = np.load(tmp_path / 'motion' / 'Y_tilde.npy')
    expected = Probabilistic(Past(d=12, n=3, h=4)).scores(whole[80:120])
    assert [float(row['score_burst']) for row in rows] == pytest.approx(expected[12:34], rel=1e-5)
    assert 'on 22 frames of the eval set, 22 frames of the test set' in capsys.readouterr().out


def test_labels_of_several_kinds_have_no_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = arrays(tmp_path, 'Y_tilde', 120)
    np.save(paths[1], np.arange(120) // 7 % 3.0)
    flags = ['--signal', paths[0], '--labels', paths[1], '--label_names', 'rest,feed,dart', *FLAGS]

    assert baseline.main([*flags, '--output_dir', str(tmp_path / 'out')]) == 0

    assert 'hard rule is left out: it tells two labels apart, there are 3' in capsys.readouterr().err
    assert [row['baseline'] for row in predicted(tmp_path / 'out' / 'baselines.csv')] == ['majority']
    assert not (tmp_path / 'out' / 'roc.png').exists()


@pytest.mark.parametrize(
    ('flags', 'where'),
    [
        ([], '--output_dir'),
        (['--output_dir', 'o'], '--motion_dir'),
        (['--output_dir', 'o', '--signal', 's.npy'], '--labels'),
        (['--output_dir', 'o', '--train_signal', 's.npy', '--train_labels', 'l.npy'], '--signal'),
        (['--output_dir', 'o', '--motion_dir', '.', '--signal', 's.npy', '--labels', 'l.npy'], '--motion_dir'),
        (['--output_dir', 'o', '--motion_dir', '.', '--baselines', 'best'], '--baselines'),
        (['--output_dir', 'o', '--motion_dir', '.', '--d', '0'], '--d'),
        (['--output_dir', 'o', '--motion_dir', '.', '--window', '1'], '--window'),
        (['--output_dir', 'o', '--motion_dir', '.', '--layers', '0'], '--layers'),
    ],
)
def test_impossible_flags_are_named(flags: list[str], where: str) -> None:
    with pytest.raises(UsageError) as raised:
        baseline.main(flags)
    assert raised.value.where == where


def test_what_can_not_be_judged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='there is no labelled frame to be judged on'):
        baseline.main(words(tmp_path / 'a', eval=17))
    with pytest.raises(InputError, match='no frame of the eval set can be judged'):
        baseline.main([*words(tmp_path / 'b', eval=30), '--d', '25'])
    with pytest.raises(InputError, match='no baseline is left'):
        baseline.main([*words(tmp_path / 'c', eval=30), '--baselines', 'lstm'])
    with pytest.raises(InputError, match='there is no motion.json here'):
        baseline.main(['--motion_dir', str(tmp_path), '--output_dir', str(tmp_path / 'out')])

    flags = words(tmp_path / 'd', eval=60)
    np.save(flags[flags.index('--labels') + 1], np.zeros(5))
    with pytest.raises(InputError, match='5 labels for a signal of 60 frames'):
        baseline.main(flags)


@needs_published
def test_on_the_published_signals_only_frames_with_a_label_of_their_own_are_counted(tmp_path: Path) -> None:
    folder = PUBLISHED / 'validation'
    flags = ['--signal', str(folder / 'Y_tilde.npy'), '--labels', str(folder / 'Y_label.npy')]

    baseline.main([*flags, '--output_dir', str(tmp_path), '--baselines', 'probabilistic,hard_rule'])

    values, labels = np.load(folder / 'Y_tilde.npy'), np.load(folder / 'Y_label.npy')
    valid = slice(119, len(values) - 46)
    truth, scores = labels[valid] == 1, Probabilistic().scores(values)[valid]
    false_rate, true_rate, _ = roc_curve(truth, scores)
    found = json.loads((tmp_path / 'metrics.json').read_text())['eval']['probabilistic']
    assert found['examples'] == 3593 - 119 - 46
    assert found['thresholds']['roc_auc'] == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)
    assert found['thresholds']['best_youden']['youden_j'] == pytest.approx(np.max(true_rate - false_rate), abs=1e-6)
