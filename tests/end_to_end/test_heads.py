"""Every head from the command line, on videos whose frames, or their order, tell the labels: killed, resumed, asked."""

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('av', reason='the extra `video` is not installed')
from tests import footage  # they need PyAV
from tests.trainer.clips import Clip
from tests.trainer.sequence_kinds import KINDS

ROOT = Path(__file__).parents[2]
RATE = 10
FRAMES = 120
# Blocks of pixels, so that what a codec loses is not what tells the labels apart.
ENLARGED = 4
TIMEOUT_S = 900


@dataclass(frozen=True)
class Asked:
    """How a head is asked for, on the vectors or pixels of which encoder."""

    encoder: str
    flags: tuple[str, ...]
    steps: int = 300


HEADS = {
    # So many that it is not over before it is killed.
    'softmax': Asked('mini', ('--hidden_units', '32'), steps=10_000),
    'lstm': Asked('mini', ('--window', '4', '--hidden_units', '32', '--learning_rate', '0.005', '--batch_size', '32')),
    'cnn': Asked('pixels:24x24', ('--layers', '2', '--filters', '8', '--augment', 'h,v')),
    'convlstm': Asked(
        'pixels:12x12:gray',
        ('--window', '6', '--clip_frames', '2', '--filters', '4', '--batch_size', '16', '--learning_rate', '0.01'),
    ),
}


def run(home: Path, *words: str) -> str:
    """A command as its user gives it; what it said."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    ended = subprocess.run(
        [sys.executable, '-m', *words], capture_output=True, text=True, cwd=home, env=environment, timeout=TIMEOUT_S
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout + ended.stderr


def film(home: Path, name: str, clip: Clip) -> None:
    """A clip as a video."""
    frames = clip.frames.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)
    footage.write(home / name, list(np.broadcast_to(frames, (*frames.shape[:3], 3)).copy()), times=RATE)


def embed(home: Path, head: str, encoder: str) -> list[str]:
    """Videos with a row for every stretch of one label, embedded; what a training is to be told of them."""
    kind = KINDS[head]
    (home / 'dict.txt').write_text('\n'.join(kind.labels) + '\n')
    for side, seeds in (('train', range(6)), ('eval', range(10, 12))):
        rows = ['image,start,stop,label']
        for seed in seeds:
            clip = kind.footage('', frames=FRAMES, seed=seed)
            film(home, f'{side}{seed}.mp4', clip)
            ids = np.array([label for (label,) in clip.labels])
            borders = [0, *(np.flatnonzero(np.diff(ids)) + 1).tolist(), FRAMES]
            for first, end in zip(borders, borders[1:], strict=False):
                rows.append(f'{side}{seed}.mp4,{first / RATE},{end / RATE},{kind.labels[ids[first]]}')
        (home / f'{side}.csv').write_text('\n'.join(rows))
        words = ['--input_path', f'{side}.csv', '--input_dict', 'dict.txt', '--output_path', f'out/{side}']
        run(home, 'preprocess.run', *words, '--every_frame', '--encoder', encoder)
    # In the very folder of the records, where `train/` and `eval/` come to lie beside them.
    return ['--train_data_paths', 'out/train', '--eval_data_paths', 'out/eval', '--output_path', 'out']


def killed(home: Path, words: list[str]) -> None:
    """Begin a training and end it the hard way, as soon as there is something to go on from."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    with subprocess.Popen(
        [sys.executable, '-m', *words], cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as training:
        begun = time.monotonic()
        while not list((home / 'out' / 'train').glob('*.npz')):
            assert training.poll() is None and time.monotonic() - begun < TIMEOUT_S
            time.sleep(0.02)
        training.kill()
    assert not (home / 'out' / 'model').exists()


def judged(home: Path, model: str) -> tuple[float, float]:
    """Accuracy and the area under the ROC curve of a model on the eval records."""
    run(home, 'trainer.evaluate', '--model_dir', model, '--data_paths', 'out/eval', '--output_dir', f'{model}.judged')
    found = json.loads((home / f'{model}.judged' / 'eval' / 'metrics.json').read_text())
    return found['accuracy'], found['roc_auc']


@pytest.mark.slow
@pytest.mark.parametrize('head', list(HEADS))
def test_a_head_learns_resumes_and_answers_from_the_command_line(head: str, tmp_path: Path) -> None:
    asked, kind = HEADS[head], KINDS[head]
    records = embed(tmp_path, head, asked.encoder)
    words = ['trainer.task', *records, '--head', head, *asked.flags, '--max_steps', str(asked.steps)]

    killed(tmp_path, words)
    assert 'continuing from the checkpoint of step' in run(tmp_path, *words)

    assert max(judged(tmp_path, 'out/model')) >= 0.9
    unseen = kind.footage('', frames=FRAMES, seed=77)
    film(tmp_path, 'unseen.mp4', unseen)
    run(tmp_path, 'predict.local', '--model_dir', 'out/model', '--output_dir', 'found', 'unseen.mp4')
    with (tmp_path / 'found' / 'scores.csv').open() as opened:
        said = {int(row['frame'].rpartition('=')[2]): row['prediction'] for row in csv.DictReader(opened)}
    right = [kind.labels[unseen.labels[frame][0]] == label for frame, label in said.items()]
    assert len(right) > FRAMES - 10 and np.mean(right) >= 0.85

    if head == 'lstm':
        # The same records, looked at one by one: their order is all that tells their labels apart.
        alone = [*records[:-1], 'alone', '--head', 'softmax', '--max_steps', str(asked.steps)]
        run(tmp_path, 'trainer.task', *alone)
        assert judged(tmp_path, 'alone/model')[0] <= 0.7
