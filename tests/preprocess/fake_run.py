"""`preprocess.run` with the fake encoder: `python -m tests.preprocess.fake_run`, for tests of whole processes."""

import functools
import os
import signal
import time
from dataclasses import replace

import numpy as np

from preprocess import command, run
from preprocess.compiled import CompiledEncoder
from tests.preprocess.fakes import FAKE, FakeEngine


class SlowEngine(FakeEngine):
    """An engine that takes HEADLIGHT_TEST_BATCH_S for a batch, or dies of its first one (HEADLIGHT_TEST_DIE)."""

    def __init__(self, encoder: CompiledEncoder) -> None:
        super().__init__(encoder)
        self._batch_s = float(os.environ.get('HEADLIGHT_TEST_BATCH_S', '0'))

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        time.sleep(self._batch_s)
        if os.environ.get('HEADLIGHT_TEST_DIE'):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(pixels)


def machinery():
    """The fake machinery as the environment wants it."""
    found = replace(FAKE, load=SlowEngine)
    if poison := os.environ.get('HEADLIGHT_TEST_POISON'):
        found = replace(found, decode=poison, decode_timeout_s=0.5)
    return found


if __name__ == '__main__':
    command.run(functools.partial(run.main, machinery=machinery()))
