"""`preprocess.run` with the fake encoder: `python -m tests.preprocess.fake_run`, for tests of whole processes.

HEADLIGHT_TEST_HOLD=DIR:N holds the network before its Nth batch: it makes DIR/holding, and goes on when DIR/go appears.
HEADLIGHT_TEST_DIE=1 kills the process that runs the network.
HEADLIGHT_TEST_COUNT=FILE gets a byte for every picture that went through the network.
HEADLIGHT_TEST_PIECE=N closes pieces of the store at N pictures.
"""

import functools
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from preprocess import command, pieces, run
from tests.preprocess.fakes import FAKE, VECTOR_SIZE, FakeEngine


class HeldEngine(FakeEngine):
    """An engine that a test can meet at work."""

    batches = 0

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        self.batches += 1
        folder, _, batch = os.environ.get('HEADLIGHT_TEST_HOLD', '').rpartition(':')
        if folder and self.batches == int(batch):
            (Path(folder) / 'holding').touch()
            while not (Path(folder) / 'go').exists():
                time.sleep(0.01)
        if os.environ.get('HEADLIGHT_TEST_DIE'):
            os.kill(os.getpid(), signal.SIGKILL)
        vectors = super().encode(pixels)
        if count := os.environ.get('HEADLIGHT_TEST_COUNT'):
            with open(count, 'ab') as opened:
                opened.write(b'.' * len(pixels))
        return vectors


if piece := os.environ.get('HEADLIGHT_TEST_PIECE'):
    pieces.PIECE_BYTES = int(piece) * 4 * VECTOR_SIZE

if __name__ == '__main__':
    command.run(functools.partial(run.main, machinery=replace(FAKE, load=HeldEngine)))
