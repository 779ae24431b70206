"""The encoder's graph in OpenVINO: float32, bfloat16, or quantised to int8; no TensorFlow."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from preprocess.compiled import PIXELS, VECTORS, CompiledEncoder

if TYPE_CHECKING:
    from openvino import Model

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

# What layers compute in that are not quantised. Unasked, OpenVINO takes bfloat16 where the processor has it.
_FLOATS = {'float32': 'f32', 'bfloat16': 'bf16', 'int8': 'f32'}


def load(encoder: CompiledEncoder, threads: int | None) -> Run:
    """The compiled encoder, ready to run one full batch at a time."""
    import openvino

    graph = openvino.Core().read_model(encoder.model_path) if encoder.quantised else read_graph(encoder.graph_path)
    graph.reshape([encoder.batch_size, *encoder.input_shape])
    settings = {'INFERENCE_PRECISION_HINT': _FLOATS[encoder.precision], 'PERFORMANCE_HINT': 'LATENCY', 'NUM_STREAMS': 1}
    if threads:
        settings['INFERENCE_NUM_THREADS'] = threads
    request = openvino.Core().compile_model(graph, 'CPU', settings).create_infer_request()

    def run(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        # Without `share_outputs` the answer is ours to keep.
        vectors: NDArray[np.float32] = request.infer([pixels], share_inputs=True)[0]
        return vectors

    return run


def read_graph(path: str) -> 'Model':
    """A frozen TensorFlow graph with nothing but its way from pixels to vectors."""
    import openvino

    whole = openvino.Core().read_model(path)
    return openvino.Model([whole.output(VECTORS).get_node()], [whole.input(PIXELS).get_node()], 'encoder')
