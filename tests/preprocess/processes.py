"""Runs of `preprocess.run` as processes, with the fake encoder, and what they left."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from preprocess import records
from preprocess.record_sets import find_records
from tests.preprocess.fakes import model_dir

ROOT = Path(__file__).parents[2]
TWO_PROCESSES = ['--direct_running_mode=multi_processing', '--direct_num_workers=2']


def start(folder: Path, *flags: object, name: str = 'train', module: str = 'tests.preprocess.fake_run', **popen):
    """The command on a set of the folder; later flags win."""
    given = [
        f'--encoder={model_dir(folder)}',
        f'--input_path={folder}/{name}.csv',
        f'--input_dict={folder}/dict.txt',
        f'--output_path={folder}/out/{name}',
    ]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), **popen.pop('env', {})}
    return subprocess.Popen(
        [sys.executable, '-m', module, *given, *map(str, flags)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
        **popen,
    )


def run(folder: Path, *flags: object, **kwargs) -> tuple[int, str]:
    """Exit code and what was said."""
    process = start(folder, *flags, **kwargs)
    said = process.communicate(timeout=120)[1]
    return process.returncode, said


@contextmanager
def held(folder: Path, batch: int, *flags: object, **kwargs):
    """A run that stands before a batch, in a process group of its own."""
    (folder / 'hold').mkdir(exist_ok=True)
    env = {'HEADLIGHT_TEST_HOLD': f'{folder}/hold:{batch}', **kwargs.pop('env', {})}
    process = start(folder, *flags, env=env, process_group=0, **kwargs)
    try:
        while not (folder / 'hold' / 'holding').exists():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


def release(folder: Path) -> None:
    (folder / 'hold' / 'go').touch()


def found(prefix: Path) -> dict[str, tuple[tuple[int, ...], bytes]]:
    shards = find_records([str(prefix)]).shards
    listed = [record for shard in shards for record in records.read(shard.path, expect=shard.records)]
    by_uri = {record.image_uri: (record.label_ids, record.embedding.tobytes()) for record in listed}
    assert len(by_uri) == len(listed)
    return by_uri


def left_over(out: Path) -> list[str]:
    return [str(path.relative_to(out)) for path in out.rglob('*') if path.name.startswith('.') or '.tmp' in path.name]
