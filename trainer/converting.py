"""The process in which a model is converted: `python -m trainer.converting REQUEST`; its gigabytes end with it.

Every conversion begins with one frozen graph from pixels to scores, out of the model's signature `pixels`.
"""

import json
import os
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import children, freezing, openvino_engine
from preprocess.compiled import PIXELS, VECTORS
from preprocess.images import Pixels, Shape
from trainer.other_forms import INPUT, OUTPUT, RUNTIMES

# The newest operations that every runtime of the last two years knows.
_OPSET = 17


def main(request: str) -> tuple[str, ...]:
    """The model at `model` as `format` in the folder `directory`; int8 when there is a file of `pixels`."""
    asked = json.loads(request)
    frozen, shape = _frozen(asked['model'])
    pixels = np.load(asked['pixels'], mmap_mode='r') if asked['pixels'] else None
    path = os.path.join(asked['directory'], RUNTIMES[asked['format']].file)
    CONVERSIONS[asked['format']](frozen, path, shape, pixels)
    return ()


def _frozen(model: str) -> tuple[tf.compat.v1.GraphDef, Shape]:
    loaded = tf.saved_model.load(model)
    signature = loaded.signatures['pixels']
    shape = tuple(signature.structured_input_signature[1]['pixels'].shape[1:])
    network = freezing.Network(
        encode=lambda pixels: signature(pixels=pixels)['scores'], input_shape=shape, owner=loaded
    )
    return tf.compat.v1.GraphDef.FromString(freezing.freeze(network, where=model).graph), shape


def _litert(graph: tf.compat.v1.GraphDef, path: str, shape: Shape, pixels: Pixels | None) -> None:
    scores = freezing.from_graph_def(graph, pixels=PIXELS, vectors=VECTORS)

    # One picture at a time: with an open batch, phones' accelerators refuse the network.
    @tf.function(input_signature=[tf.TensorSpec([1, *shape], tf.uint8, INPUT)], autograph=False)
    def one(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: scores(pixels)}

    module = tf.Module()
    module.one = one
    converter = tf.lite.TFLiteConverter.from_concrete_functions([one.get_concrete_function()], module)
    if pixels is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _one_by_one(pixels)
    with open(path, 'wb') as file:
        file.write(converter.convert())


def _one_by_one(pixels: Pixels) -> Iterator[list[NDArray[np.uint8]]]:
    for picture in pixels:
        yield [np.ascontiguousarray(picture[None])]


def _openvino(graph: tf.compat.v1.GraphDef, path: str, shape: Shape, pixels: Pixels | None) -> None:
    import openvino

    graph_path = f'{path}.pb'
    with open(graph_path, 'wb') as file:
        file.write(graph.SerializeToString())
    model = openvino_engine.read_graph(graph_path)
    if pixels is not None:
        import nncf

        dataset = nncf.Dataset(pixels, lambda picture: picture[None])
        preset = nncf.QuantizationPreset.PERFORMANCE
        model = nncf.quantize(model, dataset, subset_size=len(pixels), preset=preset)
    model.input(0).tensor.set_names({INPUT})
    model.output(0).tensor.set_names({OUTPUT})
    openvino.save_model(model, path, compress_to_fp16=False)
    os.remove(graph_path)


def _onnx(graph: tf.compat.v1.GraphDef, path: str, shape: Shape, pixels: Pixels | None) -> None:
    import tf2onnx

    model, _ = tf2onnx.convert.from_graph_def(
        graph,
        name='headlight',
        input_names=[PIXELS],
        output_names=[VECTORS],
        opset=_OPSET,
        tensors_to_rename={PIXELS: INPUT, VECTORS: OUTPUT},
        output_path=path,
    )


Conversion = Callable[[tf.compat.v1.GraphDef, str, Shape, Pixels | None], None]
CONVERSIONS: dict[str, Conversion] = {'litert': _litert, 'openvino': _openvino, 'onnx': _onnx}

if __name__ == '__main__':
    children.answer(main)
