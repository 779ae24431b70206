"""kill -9 at any moment, and runs that share a store: the records are those of an undisturbed run, byte for byte."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.preprocess.fakes import draw
from tests.preprocess.processes import TWO_PROCESSES, found, held, left_over, release, run, start
from tests.preprocess.runs import vectors_kept

PICTURES = 100
BATCH = 8
PIECE = 16


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('data')
    draw(folder / 'pics', PICTURES)
    (folder / 'dict.txt').write_text('cat\ndog\n')
    rows = [f'pics/{n:05d}.png,{("cat", "dog")[n % 2]}\n' for n in range(PICTURES)]
    (folder / 'train.csv').write_text(''.join(rows))
    (folder / 'eval.csv').write_text(''.join(rows[:40]))
    assert run(folder, f'--output_path={folder}/undisturbed/train')[0] == 0
    return folder


@pytest.fixture
def folder(data, tmp_path) -> Path:
    """The pictures of all tests, in a place of its own for what is made of them."""
    for one in data.iterdir():
        if one.name != 'undisturbed':
            (tmp_path / one.name).symlink_to(one)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return {'HEADLIGHT_TEST_COUNT': f'{folder}/count', 'HEADLIGHT_TEST_PIECE': str(PIECE)}


def embedded(folder: Path) -> int:
    count = folder / 'count'
    return count.stat().st_size if count.exists() else 0


def record_files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob('train-*')}


def kill(process: 'subprocess.Popen[str]') -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()


def finish(folder: Path, data: Path, *flags: object) -> None:
    """The same command once more: complete, and as if nothing had happened."""
    assert not list((folder / 'out').glob('train-*'))
    code, said = run(folder, f'--input_path={data}/train.csv', *flags, env=environment(folder))
    assert code == 0, said
    assert record_files(folder / 'out') == record_files(data / 'undisturbed')
    assert left_over(folder / 'out') == []


@pytest.mark.parametrize(
    'percent', [pytest.param(25, marks=pytest.mark.slow), 50, pytest.param(75, marks=pytest.mark.slow)]
)
def test_a_killed_run_goes_on_from_what_it_had(folder, data, percent):
    batch = PICTURES * percent // 100 // BATCH + 1
    with held(folder, batch, f'--input_path={data}/train.csv', env=environment(folder)) as process:
        before = (batch - 1) * BATCH
        # A piece is closed after the batch that fills it; the network is ahead of that by a moment.
        while len(vectors_kept(folder / 'out')) < before - PIECE - BATCH:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert embedded(folder) == before
    finish(folder, data)
    assert embedded(folder) - PICTURES <= PIECE + BATCH
    assert len(set(vectors_kept(folder / 'out'))) == PICTURES


def remove_records(folder):
    """Back to the top, but for the store and whatever unfinished work a kill left."""
    for path in (folder / 'out').glob('*train*'):
        if path.is_file():
            path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize('flags', [[], TWO_PROCESSES], ids=['in process', 'two processes'])
def test_ten_kills_at_any_moment_cost_at_most_a_piece_each(folder, data, flags):
    chance = random.Random(7)
    input_path = f'--input_path={data}/train.csv'
    begun = time.monotonic()
    assert run(folder, input_path, f'--output_path={folder}/timed/train', *flags)[0] == 0
    whole_s = time.monotonic() - begun
    kills = 0
    while kills < 10:
        process = start(folder, input_path, *flags, env=environment(folder), process_group=0)
        try:
            process.wait(timeout=chance.uniform(0.2, 1.0) * whole_s)
        except subprocess.TimeoutExpired:
            kill(process)
        else:
            # It came through: from the top.
            process.stderr.close()
            remove_records(folder)
        kills += 1
    remove_records(folder)
    finish(folder, data, *flags)
    workers = 2 if flags else 1
    assert embedded(folder) - PICTURES <= 10 * workers * (PIECE + BATCH)


def test_two_runs_that_share_a_store_are_both_right(folder, data):
    shared = f'--embedding_store={folder}/shared'
    train = f'--input_path={data}/train.csv'
    with held(folder, 3, train, shared) as first:
        other = start(folder, train, shared, f'--output_path={folder}/other/train')
        assert other.communicate()[1] and other.returncode == 0
        release(folder)
        first.communicate()
        assert first.returncode == 0
    for place in ('out', 'other'):
        assert record_files(folder / place) == record_files(data / 'undisturbed')
    assert left_over(folder) == []
    assert run(folder, train, shared, '--overwrite', env=environment(folder))[0] == 0
    assert embedded(folder) == 0


def test_two_runs_started_at_once_on_an_empty_store_are_both_right(folder, data):
    flags = [f'--embedding_store={folder}/shared', f'--input_path={data}/train.csv']
    runs = [start(folder, *flags, f'--output_path={folder}/{place}/train') for place in ('one', 'two')]
    said = [process.communicate()[1] for process in runs]
    assert [process.returncode for process in runs] == [0, 0], said
    assert found(folder / 'one' / 'train') == found(folder / 'two' / 'train')
    assert record_files(folder / 'one') == record_files(data / 'undisturbed')
