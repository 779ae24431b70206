"""Footage in whole processes: the records are the same however many workers decode, whatever is killed meanwhile."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests import footage
from tests.preprocess.processes import TWO_PROCESSES, found, held, left_over, run
from tests.preprocess.runs import vectors_kept

FRAMES = 400
PIECE = 32
BATCH = 8


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """One long video, and its records made by one undisturbed worker."""
    folder = tmp_path_factory.mktemp('data')
    footage.write_numbered(folder / 'long.mp4', FRAMES)
    (folder / 'dict.txt').write_text('cat\ndog\n')
    (folder / 'train.csv').write_text('"long.mp4#t=0,6",cat\nlong.mp4#t=6,dog\n')
    code, said = run(folder, '--every_frame', f'--output_path={folder}/undisturbed/train')
    assert code == 0, said
    assert f'train: 2 rows: {FRAMES} records' in said.splitlines()
    return folder


@pytest.fixture
def folder(data, tmp_path) -> Path:
    """The video of all tests, in a place of its own for what is made of it."""
    for name in ('dict.txt', 'fake_model'):
        (tmp_path / name).symlink_to(data / name)
    return tmp_path


def record_files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob('train-*')}


def flags(data: Path) -> list[str]:
    return ['--every_frame', f'--input_path={data}/train.csv']


def test_two_workers_make_the_records_of_one(folder, data):
    count = {'HEADLIGHT_TEST_COUNT': f'{folder}/count', 'HEADLIGHT_TEST_PIECE': str(PIECE)}
    code, said = run(folder, *flags(data), *TWO_PROCESSES, env=count)
    assert code == 0, said
    frames = found(folder / 'out' / 'train')
    assert [labels for labels, _ in frames.values()].count((0,)) == 180
    assert set(frames) == {f'{data}/long.mp4#frame={number}' for number in range(FRAMES)}
    assert record_files(folder / 'out') == record_files(data / 'undisturbed')
    assert (folder / 'count').stat().st_size == FRAMES
    assert left_over(folder / 'out') == []


def test_a_killed_run_goes_on_with_the_frames_it_had_not(folder, data):
    count = {'HEADLIGHT_TEST_COUNT': f'{folder}/count', 'HEADLIGHT_TEST_PIECE': str(PIECE)}
    with held(folder, 26, *flags(data), env=count) as process:
        # The network stands before its 26th batch; what it gave before is on its way into pieces.
        while len(vectors_kept(folder / 'out')) < 200 - PIECE - BATCH:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    before = (folder / 'count').stat().st_size
    assert before == 25 * BATCH
    code, said = run(folder, *flags(data), env=count)
    assert code == 0, said
    assert (folder / 'count').stat().st_size - FRAMES <= PIECE + BATCH
    assert record_files(folder / 'out') == record_files(data / 'undisturbed')
    assert left_over(folder / 'out') == []
