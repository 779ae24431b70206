"""From frames that were extracted long ago, and a sheet of times, to a head of windows: only their order tells."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess import ranges
from tests.end_to_end.conftest import run
from tests.trainer import clips

RATE = 10
FRAMES = 120


def extract(home: Path, subject: int) -> list[str]:
    """A subject's frames as files, numbered from 1 as ffmpeg does, one of them lost; the rows of its sheet."""
    clip = clips.colours('', frames=FRAMES, seed=subject)
    folder = home / 'frames' / f'S{subject}C2'
    folder.mkdir(parents=True)
    for number, pixels in enumerate(clip.frames.repeat(4, axis=1).repeat(4, axis=2), 1):
        if number != 35:
            Image.fromarray(pixels).save(folder / f'S{subject}C2{number:06}.png')
    ids = [label for (label,) in clip.labels]
    borders = [0, *(np.flatnonzero(np.diff(ids)) + 1).tolist(), FRAMES]
    return [
        f'{clips.COLOUR_LABELS[ids[first]]},{first / RATE},{end / RATE}'
        for first, end in zip(borders, borders[1:], strict=False)
    ]


@pytest.mark.slow
def test_windows_of_extracted_frames_are_learnt_from(tmp_path: Path) -> None:
    (tmp_path / 'sheets').mkdir()
    for subject in range(1, 8):
        lines = ['label,start,stop', *extract(tmp_path, subject)]
        (tmp_path / 'sheets' / f'S{subject}.csv').write_text('\n'.join(lines))
    words = ['--frames', f'{tmp_path}/frames/S{{subject}}C{{camera}}/S{{subject}}C{{camera}}{{frame:06}}.png']
    sides = ['--split', 'train=S1-S5,eval=S6,test=S7', '--fps', str(RATE)]
    assert ranges.main([f'{tmp_path}/sheets', '--output_dir', f'{tmp_path}/labels', *words, *sides]) == 0

    head = ('--head', 'lstm', '--window', '4', '--hidden_units', '32', '--learning_rate', '0.005', '--max_steps', '300')
    given = ('--input_path', str(tmp_path / 'labels' / 'all_data.csv'), '--encoder', 'mini', *head)
    done = run(tmp_path, *given, source='')

    metrics = json.loads((done.out / 'eval' / 'metrics.json').read_text())
    assert metrics['accuracy'] >= 0.9
    # Of each recording one frame is lost: no window goes over it.
    assert metrics['examples'] == 34 - 3 + (FRAMES - 35) - 3
    manifest = json.loads((done.out / 'preprocessed' / 'manifest.eval.json').read_text())
    assert manifest['sampling'] == {'frames_per_second': float(RATE)}
    about = json.loads((done.out / 'model' / 'assets' / 'model.json').read_text())
    assert about['sampling'] == manifest['sampling']
