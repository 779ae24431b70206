"""The encoder's graph in OpenVINO: float32, bfloat16, or quantised to int8; no TensorFlow."""

import queue
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from preprocess.compiled import PIXELS, VECTORS, CompiledEncoder
from preprocess.streams import Streams

if TYPE_CHECKING:
    from openvino import Model

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

# What layers compute in that are not quantised. Unasked, OpenVINO takes bfloat16 where the processor has it.
_FLOATS = {'float32': 'f32', 'bfloat16': 'bf16', 'int8': 'f32'}


def load(encoder: CompiledEncoder, streams: Streams) -> Run:
    """The compiled encoder, ready to run full batches, as many at a time as there are streams."""
    import openvino

    graph = openvino.Core().read_model(encoder.model_path) if encoder.quantised else read_graph(encoder.graph_path)
    graph.reshape([encoder.batch_size, *encoder.input_shape])
    settings = {
        'INFERENCE_PRECISION_HINT': _FLOATS[encoder.precision],
        'NUM_STREAMS': streams.count,
        'INFERENCE_NUM_THREADS': streams.all_threads,
    }
    compiled = openvino.Core().compile_model(graph, 'CPU', settings)
    free: queue.LifoQueue[openvino.InferRequest] = queue.LifoQueue()
    for _ in range(streams.count):
        free.put(compiled.create_infer_request())

    def run(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        request = free.get()
        try:
            # Without `share_outputs` the answer is ours to keep.
            vectors: NDArray[np.float32] = request.infer([pixels], share_inputs=True)[0]
            return vectors
        finally:
            free.put(request)

    return run


def read_graph(path: str) -> 'Model':
    """A frozen TensorFlow graph with nothing but its way from pixels to vectors."""
    import openvino

    whole = openvino.Core().read_model(path)
    return openvino.Model([whole.output(VECTORS).get_node()], [whole.input(PIXELS).get_node()], 'encoder')
