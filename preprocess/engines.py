"""Running a compiled encoder: engine and precision from a table, fixed padded batches, the graph as it is on disk.

Batches always have the encoder's own size, padded when there are fewer pictures: rows of different batch sizes differ
in the last bits, rows of one size don't, whatever stands beside them. So a picture gets the same vector always.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from preprocess import files
from preprocess.compiled import PIXELS, VECTORS, CompiledEncoder
from preprocess.failures import UsageError

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Run = Callable[[Pixels], Vectors]  # one full batch


class Engine(Protocol):
    """A loaded encoder."""

    input_shape: tuple[int, int, int]
    vector_size: int
    batch_size: int

    def encode(self, pixels: Pixels) -> Vectors:
        """uint8[n,H,W,C] -> float32[n,D], any n."""
        ...


class _FixedBatches:
    """An encoder that answers any number of pictures in batches of one size."""

    def __init__(self, encoder: CompiledEncoder, run: Run) -> None:
        self.input_shape = encoder.input_shape
        self.vector_size = encoder.vector_size
        self.batch_size = encoder.batch_size
        self._run = run

    def encode(self, pixels: Pixels) -> Vectors:
        """uint8[n,H,W,C] -> float32[n,D], any n."""
        if pixels.dtype != np.uint8 or pixels.shape[1:] != self.input_shape:
            raise ValueError(f'pixels are {pixels.dtype}{list(pixels.shape)}, not uint8[n, *{self.input_shape}]')
        vectors = np.empty((len(pixels), self.vector_size), np.float32)
        for start in range(0, len(pixels), self.batch_size):
            some = pixels[start : start + self.batch_size]
            vectors[start : start + len(some)] = self._run(self._padded(some))[: len(some)]
        return vectors

    def _padded(self, some: Pixels) -> Pixels:
        if len(some) == self.batch_size:
            return some
        batch = np.zeros((self.batch_size, *self.input_shape), np.uint8)
        batch[: len(some)] = some
        return batch


def _tensorflow_float32(encoder: CompiledEncoder, threads: int | None) -> Run:
    """The frozen graph in TensorFlow, as it is."""
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef.FromString(files.read_bytes(encoder.graph_path))
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name='')
    # A session, not a function: the same bits at the same speed, with 400 MB less at the peak (Inception v3, TF 2.21),
    # and its threads are its own affair, whatever TensorFlow did in this process before.
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads or 0, inter_op_parallelism_threads=threads or 0
    )
    config.gpu_options.allow_growth = True  # where there is one, others may want some of it
    run: Run = tf.compat.v1.Session(graph=graph, config=config).make_callable(VECTORS, [PIXELS])
    return run


# What --engine and --precision can be together, and who loads it.
ENGINES: dict[tuple[str, str], Callable[[CompiledEncoder, int | None], Run]] = {
    ('tensorflow', 'float32'): _tensorflow_float32,
}


def check_choice(engine: str, precision: str) -> None:
    """Refuse a pair that is not in the table, naming those that are."""
    if (engine, precision) not in ENGINES:
        raise UsageError(
            f'no engine {engine} with precision {precision}',
            where='--engine, --precision',
            do='choose from ' + ', '.join(f'--engine {one} --precision {other}' for one, other in ENGINES),
        )


def load_engine(encoder: CompiledEncoder, *, threads: int | None = None) -> Engine:
    """Load a compiled encoder for this process, after checking that its graph is intact."""
    check_choice(encoder.engine, encoder.precision)
    encoder.verify()
    return _FixedBatches(encoder, ENGINES[encoder.engine, encoder.precision](encoder, threads))
