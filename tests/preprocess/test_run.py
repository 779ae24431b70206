"""`preprocess.run` as a process: exit codes, kills, interruptions, runs side by side, full disks."""

import os
import resource
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.preprocess.fakes import draw
from tests.preprocess.processes import TWO_PROCESSES, found, held, left_over, release, run, start


@pytest.fixture
def folder(tmp_path) -> Path:
    draw(tmp_path / 'pics', 100)
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    rows = [f'pics/{n:05d}.png,{("cat", "dog")[n % 2]}\n' for n in range(100)]
    (tmp_path / 'train.csv').write_text(''.join(rows))
    (tmp_path / 'eval.csv').write_text(''.join(rows[:40]))
    return tmp_path


def three_lines(said: str) -> dict[str, str]:
    """The last three lines, which must be all there is to an error."""
    assert 'Traceback' not in said
    lines = dict(line.split(': ', 1) for line in said.splitlines()[-3:])
    assert list(lines) == ['error', 'where', 'do']
    return lines


@pytest.mark.parametrize(
    ('flags', 'code', 'what'),
    [
        (['--no_such_flag'], 2, 'unknown flag --no_such_flag'),
        (['--output_path=out/'], 2, "'out/' is no PREFIX for records"),
        (['--shard=4/4'], 2, 'argument --shard: a shard is i/n with 0 <= i < n, got 4/4'),
        (['--max_reject_fraction=2'], 2, 'a fraction is between 0 and 1, got 2.0'),
        (['--encoder=mobilenet_v9'], 2, "unknown encoder 'mobilenet_v9'"),
        (['--encoder=inceptionv3', '--encoder_weights=random'], 2, "unknown encoder 'inceptionv3'"),
        (['--embedding_store=dict.txt'], 3, 'the store is to be a folder, and this is a file'),
        (['--embedding_store=dict.txt/below'], 3, 'the store can not be made: not a directory'),
        (['--input_path=missing.csv'], 3, 'there is no such CSV'),
        (['--input_path=pics'], 3, 'a CSV is wanted here, this is a directory'),
        (['--input_path=empty.csv'], 3, 'the CSV has no rows'),
        (['--input_path=header.csv'], 3, 'the CSV has no rows'),
        (['--input_path=no*match.csv'], 3, 'there is no such CSV'),
        (['--input_path=unknown.csv'], 3, "no label of the CSV is in the dictionary: 'cta' is not among the 2 labels"),
        (['--input_path=utf16.csv'], 3, ''),
        (['--input_dict=blank.txt'], 3, 'a blank line in the dictionary of labels'),
        (['--input_dict=missing.txt'], 3, 'the dictionary of labels can not be read'),
    ],
)
def test_mistakes_end_at_once_in_three_lines(folder, flags, code, what):
    (folder / 'empty.csv').write_text('')
    (folder / 'header.csv').write_text('image,label\n')
    (folder / 'unknown.csv').write_text('pics/00000.png,cta\n')
    (folder / 'utf16.csv').write_bytes('pics/00000.png,cat\n'.encode('utf-16'))
    (folder / 'blank.txt').write_text('cat\n\ndog\n')
    ended, said = run(folder, *flags, module='preprocess.run')
    assert ended == code, said
    assert three_lines(said)['error'].startswith(what)
    assert not list((folder / 'out').glob('*train*'))


def test_a_run_says_what_it_runs_on_and_what_came_of_it(folder):
    code, said = run(folder)
    assert code == 0
    first, *others = said.splitlines()
    assert first.startswith('embedding with saved_model:fake_model on ')
    assert '100 pictures: 0 from the store, 100 embedded, 0 rejected' in others
    assert 'train: 100 rows: 100 records' in others
    assert 'train: 100 rows: 100 records' in (folder / 'out' / 'log.txt').read_text()


def test_a_killed_run_leaves_nothing_that_passes_for_records_and_its_repetition_is_complete(folder):
    for batch in (2, 6, 12):
        with held(folder, batch) as process:
            os.killpg(process.pid, signal.SIGKILL)
        (folder / 'hold' / 'holding').unlink()
        assert not list((folder / 'out').glob('train*'))
        assert not list((folder / 'out').glob('manifest*'))
    assert run(folder)[0] == 0
    assert run(folder, f'--output_path={folder}/clean/train')[0] == 0
    assert found(folder / 'out' / 'train') == found(folder / 'clean' / 'train')
    assert left_over(folder / 'out') == []


@pytest.mark.parametrize('flags', [[], TWO_PROCESSES], ids=['in process', 'two processes'])
def test_a_signal_ends_it_in_order_with_the_command_that_continues(folder, flags):
    with held(folder, 2, *flags) as process:
        process.send_signal(signal.SIGTERM)
        while not list((folder / 'out').glob('.train.work/*/tallies/stop')):
            assert process.poll() is None
            time.sleep(0.02)
        release(folder)
        said = process.stderr.read()
        assert process.wait() == 130
    assert three_lines(said)['do'].startswith('the same command continues: python -m tests.preprocess.fake_run')
    assert list((folder / 'out').rglob('*.piece'))
    assert left_over(folder / 'out') == []
    assert run(folder)[0] == 0


@pytest.mark.slow
def test_the_same_set_has_one_writer_and_other_sets_are_written_beside_it(folder):
    with held(folder, 2) as first:
        code, said = run(folder)
        assert code == 3
        assert f'process {first.pid}' in three_lines(said)['error']
        assert run(folder, name='eval')[0] == 0
        release(folder)
        first.communicate()
        assert first.returncode == 0
    assert (len(found(folder / 'out' / 'train')), len(found(folder / 'out' / 'eval'))) == (100, 40)
    assert left_over(folder / 'out') == []


def test_sets_and_parts_are_written_side_by_side_into_one_folder(folder):
    processes = [start(folder, f'--shard={index}/2') for index in range(2)] + [start(folder, name='eval')]
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    (folder / 'out').rename(folder / 'moved')
    assert len(found(folder / 'moved' / 'train')) == 100
    assert len(found(folder / 'moved' / 'eval')) == 40
    assert left_over(folder / 'moved') == []


def test_a_worker_that_dies_ends_the_run(folder):
    code, said = run(folder, *TWO_PROCESSES, env={'HEADLIGHT_TEST_DIE': '1'})
    assert code == 5
    assert three_lines(said)['error'].startswith('a worker was lost')
    assert not list((folder / 'out').glob('*train*'))
    assert left_over(folder / 'out') == []


@contextmanager
def tiny_disk(folder: Path, size: str, *options: str):
    folder.mkdir()
    mounting = ['mount', '-t', 'tmpfs', '-o', ','.join([f'size={size}', *options]), 'tmpfs', str(folder)]
    mounted = subprocess.run(mounting, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f'no small disk can be made here: {mounted.stderr.strip()}')
    try:
        yield
    finally:
        subprocess.run(['umount', str(folder)], check=True)


@pytest.mark.parametrize(
    'flags',
    [
        pytest.param([], id='in process'),
        pytest.param(TWO_PROCESSES, id='two processes', marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_three_lines_and_no_manifest(folder, flags):
    with tiny_disk(folder / 'disk', '24k'):
        code, said = run(folder, f'--output_path={folder}/disk/train', *flags)
        assert (code, three_lines(said)['error']) == (5, 'no space left on device')
        assert not list((folder / 'disk').glob('*train*'))


def test_a_disk_that_can_not_be_written_is_three_lines(folder):
    with tiny_disk(folder / 'disk', '64k', 'ro'):
        code, said = run(folder, f'--output_path={folder}/disk/train')
        assert (code, three_lines(said)['error']) == (3, 'read-only file system')


def test_a_file_size_limit_is_three_lines_and_no_manifest(folder):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    code, said = run(folder, preexec_fn=limit)
    assert (code, three_lines(said)['error']) == (5, 'file too large')
    assert not list((folder / 'out').glob('*train*'))


def test_a_worker_that_never_starts_ends_the_run(folder):
    broken = """
import sys
from preprocess import command, jobs, run
jobs.WORKER, jobs.LOST_WORKER_AFTER_S = 'no.such.module', 0.5
from tests.preprocess.fakes import FAKE
command.run(lambda argv: run.main(argv, machinery=FAKE))
"""
    (folder / 'broken.py').write_text(broken)
    code, said = run(folder, *TWO_PROCESSES, module='broken')
    assert code == 5
    assert three_lines(said)['error'] == 'a worker was lost (Worker subprocess exited with return code 1)'
