"""From videos in which only the order of frames tells the labels to a head of windows that finds them again."""

import csv
from pathlib import Path

import numpy as np
import pytest

from predict import local
from tests.end_to_end.conftest import Finished, run

pytest.importorskip('av', reason='the extra `video` is not installed')
from tests import footage  # it needs PyAV

RUN = 30
RATE = 30
LABELS = ('left', 'right')
WINDOW = 6


def wandering(seed: int) -> list[footage.Pixels]:
    """A bar that goes to the left for 30 frames, to the right for 30, and so on."""
    steps = [-2 if frame // RUN % 2 == 0 else 2 for frame in range(4 * RUN)]
    frames = []
    for place in 7 * seed + np.cumsum(steps):
        pixels = np.zeros((footage.HEIGHT, footage.WIDTH, 3), np.uint8)
        pixels[:, np.arange(place, place + 8) % footage.WIDTH] = 230
        frames.append(pixels)
    return frames


def record(home: Path, flags: tuple[str, ...]) -> tuple[str, ...]:
    """Five recordings with the times of their labels; all flags to learn from four of them."""
    rows = []
    for number in range(5):
        footage.write(home / f'{number}.mp4', wandering(number), times=RATE)
        for place in range(4):
            side = 'eval' if number == 3 else 'train'
            rows.append(f'{number}.mp4,{place * RUN / RATE},{(place + 1) * RUN / RATE},{LABELS[place % 2]},{side}')
    (home / 'rows.csv').write_text('\n'.join(['image,start,stop,label,split', *rows[:16]]))
    return '--input_path', str(home / 'rows.csv'), '--every_frame', *flags


CONVLSTM = (
    *('--encoder', 'pixels:16x24:gray', '--head', 'convlstm', '--window', str(WINDOW), '--clip_frames', '2'),
    *('--filters', '4', '--batch_size', '16', '--learning_rate', '0.01', '--max_steps', '150'),
)


def test_a_dry_run_forecasts_heads_whose_windows_are_longer_than_what_it_embeds(tmp_path: Path) -> None:
    done = run(tmp_path, *record(tmp_path, CONVLSTM), '--dry_run', source='')
    assert 'training  150 steps: about' in done.printed
    assert not done.out.exists()


@pytest.mark.slow
def test_what_only_the_order_of_frames_tells_is_found_again(tmp_path: Path) -> None:
    done: Finished = run(tmp_path, *record(tmp_path, CONVLSTM), source='')
    assert 'accuracy  eval accuracy 9' in done.printed or 'accuracy  eval accuracy 100' in done.printed
    words = ['--model_dir', str(done.out / 'model'), '--output_dir', str(tmp_path / 'seen'), '--smooth_s', '0.2']
    assert local.main([*words, str(tmp_path / '4.mp4')]) == 0
    found = list(csv.DictReader((tmp_path / 'seen' / 'segments.csv').open()))
    assert [one['label'] for one in found] == [LABELS[place % 2] for place in range(4)]
    starts = np.array([float(one['start']) for one in found]) * RATE
    # The first window speaks for its last frame, and half of one must be over before it can tell.
    np.testing.assert_allclose(starts, [WINDOW - 1, RUN, 2 * RUN, 3 * RUN], atol=WINDOW / 2)
