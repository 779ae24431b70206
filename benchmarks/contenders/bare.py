"""The bare network: a compiled encoder fed ready pixels, in batches and by as many callers as it likes best."""

import dataclasses
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from preprocess.compiled import CompiledEncoder
from preprocess.engines import Engine, load_engine

BATCHES = (8, 16, 32)
TRIED = 64


def main(encoder_directory: str, pixels_path: str) -> None:
    """Encode all pixels of a file."""
    pixels = np.load(pixels_path)
    encoder = CompiledEncoder.load(encoder_directory)
    engines = [load_engine(dataclasses.replace(encoder, batch_size=size)) for size in BATCHES]
    for engine in engines:
        engine.encode(pixels[: engine.batch_size])
    best = max(engines, key=lambda engine: rate(engine, pixels[:TRIED]))
    together = best.batch_size * best.streams
    whole = len(pixels) // together * together
    print(json.dumps({'rate': rate(best, pixels[:whole]), 'batch': best.batch_size}))


def rate(engine: Engine, pixels: np.ndarray) -> float:
    """Pictures a second."""
    batches = [pixels[first : first + engine.batch_size] for first in range(0, len(pixels), engine.batch_size)]
    with ThreadPoolExecutor(engine.streams) as callers:
        begun = time.perf_counter()
        list(callers.map(engine.encode, batches))
        return len(pixels) / (time.perf_counter() - begun)


if __name__ == '__main__':
    main(*sys.argv[1:])
