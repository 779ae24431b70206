"""A model's head alone, cut out of its SavedModel: from what the head looks at to scores, without the encoder.

The encoder may be a hundred megabytes and minutes of computing, the head is a few: whoever has the vectors needs no
more. What is cut out are the model's own operations, so the scores are the model's own.
"""

from collections.abc import Iterable

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from predict.head_file import HeadGraph
from preprocess import files
from preprocess.failures import InputError

# A model of single frames without an encoder between has its head in `pixels` alone.
_SIGNATURES = ('classify', 'pixels')
_TAG = 'serve'


def cut_out(model_dir: str) -> HeadGraph:
    """The head of the model in a directory; InputError when it has none that stands alone."""
    path = files.join(model_dir, 'saved_model.pb')
    try:
        found = saved_model_pb2.SavedModel.FromString(files.read_bytes(path))
    except DecodeError as error:
        raise InputError(f'the SavedModel is damaged: {error}', where=path, do='export the model again') from error
    for meta in found.meta_graphs:
        name = next((name for name in _SIGNATURES if name in meta.signature_def), None)
        if _TAG not in meta.meta_info_def.tags or name is None:
            continue
        signature = meta.signature_def[name]
        (rows,) = (one.name for one in signature.inputs.values())
        scores = signature.outputs['scores'].name
        graph = _needed_for(meta.graph_def, _node_of(scores))
        if any('VarHandle' in node.op or 'Variable' in node.op for node in graph.node):
            break
        return HeadGraph(graph.SerializeToString(), rows, scores)
    raise InputError(
        'this SavedModel has no head that stands alone (a signature `classify` of constants)',
        where=path,
        do='give a model that trainer.task wrote, or answer the pictures with predict.local',
    )


def _node_of(tensor: str) -> str:
    """`^a` waits for a, `a:1` is its second output."""
    return tensor.removeprefix('^').partition(':')[0]


def _needed_for(graph: tf.compat.v1.GraphDef, wanted: str) -> tf.compat.v1.GraphDef:
    """The nodes a node depends on, and the functions these call."""
    nodes = {node.name: node for node in graph.node}
    kept: set[str] = set()
    todo = [wanted]
    while todo:
        if (name := todo.pop()) not in kept:
            kept.add(name)
            todo += map(_node_of, nodes[name].input)
    needed = tf.compat.v1.GraphDef(versions=graph.versions)
    needed.node.extend(node for node in graph.node if node.name in kept)
    bodies = {function.signature.name: function for function in graph.library.function}
    called: set[str] = set()
    calls = list(_called(needed.node))
    while calls:
        if (name := calls.pop()) in bodies and name not in called:
            called.add(name)
            calls += _called(bodies[name].node_def)
    needed.library.function.extend(bodies[name] for name in sorted(called))
    return needed


def _called(nodes: 'Iterable[tf.compat.v1.NodeDef]') -> Iterable[str]:
    """The functions that nodes name: whatever calls, branches or loops names them in its attributes."""
    for node in nodes:
        for attribute in node.attr.values():
            yield from filter(None, [attribute.func.name, *(one.name for one in attribute.list.func)])
