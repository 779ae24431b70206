"""The process that takes a model apart: `python -m predict.batch_child REQUEST`, started by `batch_model`."""

import dataclasses
import hashlib
import json

from predict import head_graph, model
from preprocess import children, files, freezing, near
from preprocess.compiled import CompiledEncoder


def main(request: str) -> tuple[str, ...]:
    """Write the head, and the encoder where one is asked for."""
    asked = json.loads(request)
    model_dir = near.tree(asked['model_dir'], what='the model')
    head_graph.cut_out(model_dir).write(asked['head'])
    if said := asked['encoder']:
        _write_encoder(model_dir, CompiledEncoder(**{**said, 'input_shape': tuple(said['input_shape']), 'sha256': ''}))
    return ()


def _write_encoder(model_dir: str, encoder: CompiledEncoder) -> None:
    """The encoder as the model has it, under the name the model knows it by."""
    if encoder.is_pixels:
        encoder.write()
        return
    loaded = model.load_graph(model_dir)
    signature = loaded.signatures['pixels']
    network = freezing.Network(
        encode=lambda pixels: signature(pixels=pixels)['embedding'], input_shape=encoder.input_shape, owner=loaded
    )
    graph = freezing.freeze(network, where=model_dir).graph
    files.write_atomic(encoder.graph_path, graph)
    dataclasses.replace(encoder, sha256=hashlib.sha256(graph).hexdigest()).write()


if __name__ == '__main__':
    children.answer(main)
