"""`predict.batch` with a network that a test can meet at work: `python -m tests.predict.fake_batch`.

HEADLIGHT_TEST_HOLD=DIR:N holds the network before its Nth batch: it makes DIR/holding, and waits for ever.
HEADLIGHT_TEST_COUNT=FILE gets a byte for every picture that went through the network.
HEADLIGHT_TEST_PIECE=N closes pieces of the store at N pictures.
"""

import functools
import os
import time
from pathlib import Path

import numpy as np

from predict import batch
from preprocess import command, engines, pieces
from preprocess.compiled import CompiledEncoder
from preprocess.embedder import Hands
from preprocess.embedding import Machinery

# Of the tiny model, whose module would load TensorFlow here.
VECTOR_SIZE = 6


class HeldEngine:
    """The engine of an encoder, counted and held."""

    def __init__(self, encoder: CompiledEncoder, **settings: int) -> None:
        self._engine = engines.load_engine(encoder, **settings)
        self.input_shape, self.vector_size = self._engine.input_shape, self._engine.vector_size
        self.batch_size, self.streams = self._engine.batch_size, 1
        self._batches = 0

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        self._batches += 1
        folder, _, number = os.environ.get('HEADLIGHT_TEST_HOLD', '').rpartition(':')
        if folder and self._batches == int(number):
            (Path(folder) / 'holding').touch()
            while True:
                time.sleep(1)
        vectors = self._engine.encode(pixels)
        if count := os.environ.get('HEADLIGHT_TEST_COUNT'):
            with open(count, 'ab') as opened:
                opened.write(b'.' * len(pixels))
        return vectors


if piece := os.environ.get('HEADLIGHT_TEST_PIECE'):
    pieces.PIECE_BYTES = int(piece) * 4 * VECTOR_SIZE

if __name__ == '__main__':
    machinery = Machinery(load=HeldEngine, hands=Hands(readers=2, decoders=1))
    command.run(functools.partial(batch.main, machinery=machinery))
