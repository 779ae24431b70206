"""Running predict.batch in tests: in this process, or in one of its own."""

import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from predict import batch
from preprocess import engines
from preprocess.compiled import CompiledEncoder
from preprocess.embedder import Hands
from preprocess.embedding import Machinery
from preprocess.failures import Failure

ROOT = Path(__file__).parents[2]
TWO_PROCESSES = ('--direct_running_mode=multi_processing', '--direct_num_workers=2')
Line = dict[str, Any]


# What engines did, by the number of who counts: machinery travels to workers, also to those in this process, as a copy.
_encoded: Counter[int] = Counter()
_loaded: Counter[int] = Counter()
_numbers = itertools.count()


class Counted:
    """Counts what is encoded in this process."""

    def __init__(self) -> None:
        self._number = next(_numbers)
        self.machinery = Machinery(
            load=functools.partial(_CountingEngine, self._number), hands=Hands(readers=2, decoders=1)
        )

    @property
    def encoded(self) -> int:
        """How many pictures went through the network."""
        return _encoded[self._number]

    @property
    def loaded(self) -> int:
        """How many times the network was loaded."""
        return _loaded[self._number]


class _CountingEngine:
    def __init__(self, number: int, encoder: CompiledEncoder, **settings: int) -> None:
        self._engine, self._number = engines.load_engine(encoder, **settings), number
        self.input_shape, self.vector_size = self._engine.input_shape, self._engine.vector_size
        self.batch_size, self.streams = self._engine.batch_size, self._engine.streams
        _loaded[number] += 1

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        _encoded[self._number] += len(pixels)
        return self._engine.encode(pixels)


def run(model: str, output: object, *words: object, machinery: Machinery | None = None) -> int:
    """The exit code of a run in this process."""
    given = [f'--model_dir={model}', f'--output_path={output}', *map(str, words)]
    try:
        return batch.main(given, machinery=machinery)
    except Failure as failure:
        print(failure.lines(), file=sys.stderr)
        return failure.exit_code


def lines(prefix: object) -> list[Line]:
    """All lines of a batch, in their order."""
    folder, stem = Path(str(prefix)).parent, Path(str(prefix)).name
    return [
        json.loads(line) for path in sorted(folder.glob(f'{stem}-*.jsonl')) for line in path.read_text().splitlines()
    ]


def start(folder: Path, model: str, *words: object, **environment: str) -> 'subprocess.Popen[str]':
    """A run in a process of its own, in a group of its own."""
    given = [f'--model_dir={model}', f'--output_path={folder}/out/p', *map(str, words)]
    return subprocess.Popen(
        [sys.executable, '-m', 'tests.predict.fake_batch', *given],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        process_group=0,
        env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
    )


@contextmanager
def held(folder: Path, batch_number: int, model: str, *words: object, **environment: str) -> Iterator[int]:
    """The id of a run that stands before a batch; it is killed in the end."""
    process = start(folder, model, *words, HEADLIGHT_TEST_HOLD=f'{folder}:{batch_number}', **environment)
    try:
        while not (folder / 'holding').exists():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stderr:
            process.stderr.close()
