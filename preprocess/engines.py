"""Running a compiled encoder: engine and precision from a table, fixed padded batches, the graph as it is on disk.

Whoever loads an encoder must be able to do what it says: a machine without bfloat16 would compute in float32 silently.

Batches always have the encoder's own size, padded when there are fewer pictures: rows of different batch sizes differ
in the last bits, rows of one size don't, whatever stands beside them. So a picture gets the same vector always.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from preprocess import heap, openvino_engine, processor, tensorflow_engine
from preprocess.compiled import PIXEL_ENGINE, PIXEL_PRECISION, CompiledEncoder
from preprocess.failures import InputError, UsageError
from preprocess.streams import Streams

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32 | np.uint8]
Run = Callable[[Pixels], Vectors]  # one full batch


class Engine(Protocol):
    """A loaded encoder."""

    input_shape: tuple[int, int, int]
    vector_size: int
    batch_size: int
    streams: int  # how many threads should call `encode` at a time, for all processors to be busy

    def encode(self, pixels: Pixels) -> Vectors:
        """uint8[n,H,W,C] -> float32[n,D], any n; encoders that keep the pixels answer uint8[n,H*W*C]."""
        ...


class _FixedBatches:
    """An encoder that answers any number of pictures in batches of one size."""

    def __init__(self, encoder: CompiledEncoder, run: Run, streams: Streams) -> None:
        self.input_shape = encoder.input_shape
        self.vector_size = encoder.vector_size
        self.batch_size = max(encoder.batch_size, streams.least)
        self.streams = streams.count
        self._dtype = np.uint8 if encoder.is_pixels else np.float32
        self._run = run

    def encode(self, pixels: Pixels) -> Vectors:
        """uint8[n,H,W,C] -> float32[n,D] (or the pixels), any n."""
        if pixels.dtype != np.uint8 or pixels.shape[1:] != self.input_shape:
            raise ValueError(f'pixels are {pixels.dtype}{list(pixels.shape)}, not uint8[n, *{self.input_shape}]')
        vectors: Vectors = np.empty((len(pixels), self.vector_size), self._dtype)
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


def _unchanged(encoder: CompiledEncoder, streams: Streams) -> Run:
    """The pixels themselves."""
    return lambda batch: batch.reshape(len(batch), -1)


@dataclass(frozen=True)
class Way:
    """One way to run a graph, and what it needs of the machine."""

    load: Callable[[CompiledEncoder, Streams], Run]  # all prepared for the first batch
    modules: tuple[str, ...] = ()  # of the extra `fast`
    needs_bfloat16: bool = False
    is_quantised: bool = False
    may_use_gpu: bool = False


# What --engine and --precision can be together.
ENGINES: dict[tuple[str, str], Way] = {
    ('tensorflow', 'float32'): Way(tensorflow_engine.load, may_use_gpu=True),
    ('tensorflow', 'bfloat16'): Way(tensorflow_engine.load, needs_bfloat16=True),
    ('openvino', 'float32'): Way(openvino_engine.load, ('openvino',)),
    ('openvino', 'bfloat16'): Way(openvino_engine.load, ('openvino',), needs_bfloat16=True),
    ('openvino', 'int8'): Way(openvino_engine.load, ('openvino',), is_quantised=True),
    (PIXEL_ENGINE, PIXEL_PRECISION): Way(_unchanged),
}
AUTO = 'auto'


def way(engine: str, precision: str) -> Way:
    """The row of a pair; one that is not in the table is refused, naming those that are."""
    try:
        return ENGINES[engine, precision]
    except KeyError:
        choices = [f'--engine {one} --precision {other}' for one, other in ENGINES if one != PIXEL_ENGINE]
        raise UsageError(
            f'no engine {engine} with precision {precision}',
            where='--engine, --precision',
            do=f'choose from {", ".join(choices)}',
        ) from None


def resolved(precision: str, *, is_here: bool) -> str:
    """What `auto` means: bfloat16 where the pictures are embedded here and this processor has it, else float32."""
    if precision != AUTO:
        return precision
    return 'bfloat16' if is_here and processor.computes_in_bfloat16() and not processor.gpus() else 'float32'


def check_here(engine: str, precision: str) -> None:
    """Raise InputError unless this machine can run the pair."""
    asked = way(engine, precision)
    check_installed(asked.modules, where=f'--engine {engine}')
    if asked.needs_bfloat16 and not processor.computes_in_bfloat16():
        raise InputError(
            f'{processor.name()} does not compute in bfloat16',
            where=f'--precision {precision}',
            do='choose --precision float32, or machines with AVX512-BF16 or AMX',
        )


def check_installed(modules: tuple[str, ...], *, where: str) -> None:
    """Raise InputError when modules of the extra `fast` are not there."""
    if absent := [module for module in modules if importlib.util.find_spec(module) is None]:
        raise InputError(
            f'{" and ".join(absent)} {"is" if len(absent) == 1 else "are"} not installed',
            where=where,
            do="pip install 'headlight[fast]'",
        )


def advice(engine: str, precision: str) -> str | None:
    """What this machine could do instead, when pictures were embedded the slowest way."""
    if (engine, precision) != ('tensorflow', 'float32') or processor.gpus():
        return None
    ways = ['2 x with --precision bfloat16'] if processor.computes_in_bfloat16() else []
    if processor.multiplies_int8():
        ways.append('4 x with --engine openvino --precision int8')
        if importlib.util.find_spec('openvino') is None or importlib.util.find_spec('nncf') is None:
            ways[-1] += " (after pip install 'headlight[fast]')"
    return f'this machine can embed faster: {", ".join(ways)}' if ways else None


def load_engine(encoder: CompiledEncoder, *, threads: int | None = None) -> Engine:
    """Load a compiled encoder for this process, after checking that its graph is intact and this machine can run it."""
    check_here(encoder.engine, encoder.precision)
    chosen = way(encoder.engine, encoder.precision)
    streams = Streams.for_machine(threads, gpus=None if chosen.may_use_gpu else 0)
    encoder = encoder.near()
    encoder.verify()
    with heap.returning():
        run = chosen.load(encoder, streams)
    return _FixedBatches(encoder, run, streams)
