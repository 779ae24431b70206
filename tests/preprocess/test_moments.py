"""Pictures that are frames of recordings: what their rows say, and records in which windows find them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess import moments, records, rows
from preprocess.create_docs import main as create_docs
from preprocess.moments import Moment
from preprocess.record_sets import find_records
from preprocess.rows import Row
from tests.preprocess.runs import config, embed, write_csv
from trainer.windows import runs

HEADER = 'image,label,group,video,frame,time,step'
FRAMES = 12
RATE = 2000 / 1001


def draw(path: Path, number: int) -> None:
    Image.fromarray(np.full((24, 24, 3), number * 8, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cameras' extracted frames, every fifteenth of thirty a second; of the first camera one is missing."""
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    lines = [HEADER]
    for camera in (1, 2):
        for step in range(FRAMES):
            name = f'C{camera}{15 * step:06}.png'
            draw(tmp_path / name, step + 20 * (camera - 1))
            cells = f'{name},{("cat", "dog")[step // 6]},P1,C{camera}%06d.png,{15 * step},{step / RATE:.6f},{step}'
            lines += [] if (camera, step) == (1, 7) else [cells]
    # Not in the order of their times: nobody sorts a CSV.
    write_csv(tmp_path, 'train.csv', [lines[0], *lines[:0:-1]])
    return tmp_path


def test_a_row_says_which_frame_it_is() -> None:
    assert Moment.of('C1', '30', '1.001', '2') == Moment('C1', 30, 1.001, 2)
    assert Moment.of('C1', '30', '1.001', '') == Moment('C1', 30, 1.001, 30)
    for cells in (
        ('', '1', '1', '1'),
        ('C1', '1.5', '1', ''),
        ('C1', '-1', '1', ''),
        ('C1', '1', 'soon', ''),
        4 * ('',),
    ):
        assert Moment.of(*cells) is None
    assert Moment.of('C1', '1', '1', 'x') is None and Moment.of('C1', '1', 'inf', '') is None


def test_the_rate_is_that_of_what_follows_on_one_another() -> None:
    at = [Moment('a', 15 * step, round(step / RATE, 6), step) for step in (0, 1, 2, 7, 8)]
    assert moments.rate([*at, Moment('b', 0, 99.0, 9), Moment('b', 15, 99.5005, 10)]) == 1.998
    assert moments.rate([at[0], at[2]]) is None


def test_only_pictures_whose_row_says_all_of_it_are_frames(tmp_path: Path) -> None:
    lines = ['a.png,cat,P1,C1,5,0.5,', 'b.png,cat,P1,C1,left,0.5,', 'clip.mp4,cat,P1,C1,5,0.5,']
    write_csv(tmp_path, 'in.csv', [HEADER, *lines])
    found = [row for row in rows.read_csv(str(tmp_path / 'in.csv')) if isinstance(row, Row)]
    assert [row.moment for row in found] == [Moment('C1', 5, 0.5, 5), None, None]


def test_records_of_frames_lie_together_in_their_order_and_cuts_are_seen(folder: Path) -> None:
    (manifest,) = embed(config(folder, shards=3), folder=folder)

    assert (manifest.examples.written, manifest.sampling) == (2 * FRAMES - 1, {'frames_per_second': 1.998})
    shards = [list(records.read(path)) for path in find_records([str(folder / 'out' / 'train')]).paths]
    found = [record for shard in shards for record in shard]
    by_video = {video: [one for one in found if one.video == video] for video in ('C1%06d.png', 'C2%06d.png')}
    for camera, (video, of_video) in enumerate(by_video.items(), 1):
        steps = [step for step in range(FRAMES) if (camera, step) != (1, 7)]
        assert [one.step for one in of_video] == steps
        assert [Path(one.image_uri).name for one in of_video] == [f'C{camera}{15 * step:06}.png' for step in steps]
        assert [one.frame for one in of_video] == [15 * step for step in steps]
        np.testing.assert_allclose([one.time for one in of_video], [step / RATE for step in steps], atol=1e-5)
        assert [one.label_ids for one in of_video] == [(step // 6,) for step in steps]
        assert len([shard for shard in shards if any(one.video == video for one in shard)]) == 1
    stretches = runs([one.video for one in found], np.array([one.step for one in found]), [len(one) for one in shards])
    assert sorted(stretches.lengths.tolist()) == [4, 7, FRAMES]


def test_frames_and_other_pictures_may_stand_in_one_csv(folder: Path) -> None:
    draw(folder / 'alone.png', 28)
    with open(folder / 'train.csv', 'a') as opened:
        opened.write('alone.png,cat,,,,,\n')
    (manifest,) = embed(config(folder), folder=folder)
    found = [one for path in find_records([str(folder / 'out' / 'train')]).paths for one in records.read(path)]
    assert manifest.examples.written == len(found) == 2 * FRAMES
    assert [(Path(one.image_uri).name, one.video, one.step) for one in found if one.video is None] == [
        ('alone.png', None, None)
    ]


def test_each_recording_is_cut_in_time_and_rows_still_say_which_frames_they_are(folder: Path) -> None:
    words = [str(folder / 'train.csv'), '--output_dir', str(folder / 'docs'), '--contiguous', '0.5,0.5']
    assert create_docs(words) == 0
    read = {
        side: {row.uri: row.moment for row in rows.read_csv(str(folder / 'docs' / f'{side}_set.csv'))}
        for side in ('train', 'eval')
    }
    steps = {side: sorted((one.video[:2], one.step) for one in found.values()) for side, found in read.items()}
    assert steps['train'] == [*(('C1', step) for step in range(5)), *(('C2', step) for step in range(6))]
    assert steps['eval'] == [*(('C1', step) for step in (5, 6, 8, 9, 10, 11)), *(('C2', step) for step in range(6, 12))]
    given = {row.uri: row.moment for row in rows.read_csv(str(folder / 'train.csv'))}
    assert {**read['train'], **read['eval']} == given
