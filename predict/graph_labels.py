"""Whether the labels beside a model are those in its graph: while an export is copied, they may be another one's."""

from collections.abc import Iterator

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from predict.description import Description
from preprocess import files, near
from preprocess.failures import InputError


def check(directory: str) -> None:
    """Raise InputError when the graph of the model there names its answers otherwise than dict.txt."""
    labels = Description.read(directory).labels
    path = files.join(directory, 'saved_model.pb')
    try:
        found = saved_model_pb2.SavedModel.FromString(files.read_bytes(near.file(path)))
    except (DecodeError, OSError) as error:
        raise InputError(
            f'the SavedModel can not be loaded: {error}', where=path, do='export the model again'
        ) from error
    if tuple(label.encode() for label in labels) not in _constants(found):
        raise InputError(
            'dict.txt has other labels than the graph: they are of two exports',
            where=files.join(directory, 'assets', 'dict.txt'),
            do='copy the whole model, or export it again',
        )


def _constants(model: saved_model_pb2.SavedModel) -> Iterator[tuple[bytes, ...]]:
    """The lists of strings in a model's graphs and their functions."""
    for graph in (meta.graph_def for meta in model.meta_graphs):
        for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
            for node in nodes:
                if node.op == 'Const' and node.attr['dtype'].type == tf.string.as_datatype_enum:
                    yield tuple(node.attr['value'].tensor.string_val)
