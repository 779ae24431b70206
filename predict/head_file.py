"""A head by itself, on disk and in a process: its graph, and the names of its input and its scores."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocess import files, processor, tensorflow_engine
from preprocess.streams import Streams
from preprocess.tensorflow_engine import Ends

Scores: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = 'NDArray[np.float32 | np.uint8]'
_LENGTH = struct.Struct('<I')


@dataclass(frozen=True)
class HeadGraph:
    """A graph of constants, and the names of its input and its scores."""

    graph: bytes
    rows: str
    scores: str

    def write(self, path: str) -> None:
        """Write it as one file: the names, then the graph."""
        names = json.dumps([self.rows, self.scores]).encode()
        files.write_atomic(path, _LENGTH.pack(len(names)) + names + self.graph)

    @classmethod
    def read(cls, path: str) -> 'HeadGraph':
        """What `write` wrote."""
        data = files.read_bytes(path)
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        rows, scores = json.loads(data[_LENGTH.size : end])
        return cls(data[end:], rows, scores)

    def load(self, labels: int, *, where: str = 'the head') -> Callable[[Rows], Scores]:
        """The head as a function, for so many labels; any thread may call it. Python's TensorFlow is not needed."""
        streams = Streams(1, processor.usable_cores())
        config = tensorflow_engine.session_config('float32', streams, has_gpus=processor.gpus() > 0)
        return tensorflow_engine.load_graph(self.graph, config, Ends(self.rows, self.scores, labels, where))
