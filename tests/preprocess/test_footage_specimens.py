"""Frames to calibrate on: spread over what the rows claim, and the same ones every time."""

from pathlib import Path

import numpy as np
import pytest

from preprocess import encoder_choice, footage_specimens, quantising
from preprocess.failures import InputError
from preprocess.options import EmbeddingConfig
from preprocess.sampling import EVERY_FRAME
from tests import footage
from tests.preprocess.runs import config, write_csv

SHAPE = (16, 16, 3)
ASKED = EmbeddingConfig(sampling=EVERY_FRAME)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two videos whose frames are numbered through, a broken one, and rows that claim half of each."""
    for number, name in enumerate(('a.mp4', 'b.mp4')):
        footage.write_numbered(tmp_path / name, 60, first=60 * number)
    footage.without_video(tmp_path / 'sound.mp4')
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    write_csv(tmp_path, 'train.csv', ['"a.mp4#t=0,1",cat', '"b.mp4#t=1,2",dog', 'sound.mp4,cat', 'x.jpg,dog'])
    return tmp_path


def chosen(folder: Path, count: int) -> list[int]:
    def rows():
        return [row for row in encoder_choice._rows_of(config(folder)) if row.is_footage]

    decoded = footage_specimens.frames(config(folder), rows, ASKED, count)(SHAPE)
    return [footage.number_of(pixels) for pixels in decoded]


def test_so_many_frames_are_spread_over_what_the_rows_claim(folder):
    found = chosen(folder, 10)
    claimed = {*range(30), *range(90, 120)}
    assert len(found) == len(set(found)) == 10
    assert set(found) <= claimed
    assert sum(number < 60 for number in found) == 5
    assert np.ptp([number for number in found if number < 60]) >= 20
    assert chosen(folder, 10) == found


def test_there_are_no_more_frames_than_the_rows_claim(folder):
    assert sorted(chosen(folder, 300)) == [*range(30), *range(90, 120)]


def test_frames_fill_up_where_there_are_too_few_pictures(folder, monkeypatch):
    monkeypatch.setattr(quantising, 'FEWEST_PICTURES', 4)
    frames = np.arange(6 * 12, dtype=np.uint8).reshape(6, 2, 2, 3)
    found = quantising.calibration_pixels(lambda: [str(folder / 'gone.jpg')], (2, 2, 3), lambda shape: iter(frames))
    assert np.array_equal(found, frames)
    with pytest.raises(InputError, match='usable pictures or frames, there are 3'):
        quantising.calibration_pixels(lambda: [], (2, 2, 3), lambda shape: iter(frames[:3]))
