"""The bare network on one picture at a time: a compiled encoder with all processors for it."""

import dataclasses
import json
import statistics
import sys
import time

import numpy as np

from preprocess import engines
from preprocess.compiled import CompiledEncoder
from preprocess.streams import Streams


def main(encoder_directory: str, pixels_path: str) -> None:
    """Encode the pixels of a file one by one."""
    pixels = np.load(pixels_path)
    encoder = dataclasses.replace(CompiledEncoder.load(encoder_directory), batch_size=1)
    every = Streams.for_machine()
    run = engines.way(encoder.engine, encoder.precision).load(encoder, Streams(1, every.all_threads))
    seconds = []
    for place in range(len(pixels)):
        begun = time.perf_counter()
        run(pixels[place : place + 1])
        seconds.append(time.perf_counter() - begun)
    print(json.dumps({'p50': statistics.median(seconds[len(seconds) // 10 :])}))


if __name__ == '__main__':
    main(*sys.argv[1:])
