"""Ours: files in, records out, as `preprocess.run` does it; the clock looks at the network's batches."""

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np

from preprocess.compiled import CompiledEncoder
from preprocess.embedding import Machinery, embed_sets
from preprocess.engines import Engine, load_engine
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.sampling import Sampling


class Clocked:
    """An engine that notes when every batch was done, and how long the network took for it."""

    def __init__(self, engine: Engine) -> None:
        self.input_shape, self.vector_size = engine.input_shape, engine.vector_size
        self.batch_size, self.streams = engine.batch_size, engine.streams
        self._engine = engine

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """As the engine does."""
        begun = time.perf_counter()
        vectors = self._engine.encode(pixels)
        done.append((begun, time.perf_counter(), len(pixels)))
        return vectors


done: list[tuple[float, float, int]] = []


def load(encoder: CompiledEncoder, **settings: int) -> Engine:
    """The engine, clocked."""
    return Clocked(load_engine(encoder, **settings))


def main(csv: str, labels: str, out: str, settings: str) -> None:
    """Embed the pictures of a CSV; the first two batches warm up."""
    begun = time.perf_counter()
    config = SetConfig(input_path=csv, input_dict=labels, output_path=f'{out}/train')
    asked = json.loads(settings)
    if 'sampling' in asked:
        asked['sampling'] = Sampling.from_json(asked['sampling'])
    embed_sets([config], EmbeddingConfig(**asked), machinery=Machinery(load=load))
    seconds = time.perf_counter() - begun
    warm = done[1][1]
    pictures = sum(count for _, _, count in done[2:])
    steady = done[-1][1] - warm
    busy = sum(end - start for start, end, _ in done[2:])
    print(json.dumps({'rate': pictures / steady, 'seconds': seconds, 'network busy': busy / steady}))


if __name__ == '__main__':
    # As a module of its own: Beam would send a copy of what belongs to the script, and the clock with it.
    importlib.import_module(Path(__file__).stem).main(*sys.argv[1:])
