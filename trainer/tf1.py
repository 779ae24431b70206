"""A model as TensorFlow 1 clients know it: JPEG bytes into Placeholder:0, scores out of final_ops/softmax:0."""

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from preprocess import files, near
from preprocess.failures import InputError, UsageError
from trainer import proof, specimens
from trainer.proof import Case

IMAGE_BYTES = 'Placeholder:0'
SCORES = 'final_ops/softmax:0'
_PICTURES = 'serving_default'


def write(model: str, directory: str) -> None:
    """Write the model's network once more, with the names the earlier clients feed and fetch."""
    meta_graph = _meta_graph(model)
    with tf.Graph().as_default() as graph:
        image_bytes = tf.compat.v1.placeholder(tf.string, [None], name=IMAGE_BYTES.removesuffix(':0'))
        key = tf.compat.v1.placeholder(tf.string, [None], name='key')
        # Scores are fetched by clients that feed no keys.
        nobody = tf.fill(tf.shape(image_bytes), '')
        answer = _called(meta_graph, _PICTURES, {'key': nobody, 'image_bytes': image_bytes})
        scores = tf.identity(answer['scores'], name=SCORES.removesuffix(':0'))
        outputs = {**answer, 'key': tf.identity(key), 'scores': scores}
        signature = tf.compat.v1.saved_model.predict_signature_def({'key': key, 'image_bytes': image_bytes}, outputs)
        builder = tf.compat.v1.saved_model.builder.SavedModelBuilder(directory)
        with tf.compat.v1.Session(graph=graph) as session:
            # An older TensorFlow refuses attributes it doesn't know, even at their defaults.
            builder.add_meta_graph_and_variables(
                session, ['serve'], {'serving_default': signature}, strip_default_attrs=True
            )
        builder.save()
    for asset in files.list_dir(files.join(model, 'assets')):
        files.copy(asset.uri, files.join(directory, 'assets', files.name(asset.uri)))


def prove(model: str, directory: str) -> None:
    """Compare both forms on sample pictures, as a client of the earlier systems would ask."""
    pictures = specimens.pictures()
    loaded = tf.saved_model.load(near.tree(model, what='the model'))
    keys = tf.constant([str(place) for place in range(len(pictures))])
    expected = loaded.signatures['serving_default'](key=keys, image_bytes=tf.constant(pictures))['scores'].numpy()
    proof.check(directory, 'tensors', [Case('', {IMAGE_BYTES: pictures}, {SCORES: expected})])


def _meta_graph(model: str) -> meta_graph_pb2.MetaGraphDef:
    path = files.join(model, 'saved_model.pb')
    try:
        (found,) = saved_model_pb2.SavedModel.FromString(files.read_bytes(path)).meta_graphs
    except (DecodeError, ValueError):
        raise InputError('this file is no model of ours, or damaged', where=path, do='export the model again') from None
    if _PICTURES not in found.signature_def:
        raise InputError(
            f'this model takes no pictures (it lacks {_PICTURES})',
            where=model,
            do='train again with --encoder, so that the encoder is in the model',
        )
    if 'first_frame' in found.signature_def[_PICTURES].outputs:
        raise UsageError(
            'this model looks at windows of frames, and the clients this form is for send single pictures',
            where='--format tf1',
            do=f'use {model} as it is, or train a head that looks at single pictures (softmax, cnn)',
        )
    return found


def _called(
    meta_graph: meta_graph_pb2.MetaGraphDef, signature: str, inputs: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """The nodes of one signature, put into the current graph behind these inputs."""
    definition = meta_graph.signature_def[signature]
    names = {name: said.name for name, said in definition.outputs.items()}
    nodes = sorted({tensor.split(':')[0] for tensor in names.values()})
    found = tf.graph_util.import_graph_def(
        _reduced(meta_graph.graph_def, nodes),
        input_map={definition.inputs[name].name: tensor for name, tensor in inputs.items()},
        return_elements=list(names.values()),
        name=signature,
    )
    return dict(zip(names, found, strict=True))


def _reduced(graph: tf.compat.v1.GraphDef, nodes: list[str]) -> tf.compat.v1.GraphDef:
    """The graph with what these nodes need: the nodes before them and the functions those call."""
    reduced = tf.compat.v1.graph_util.extract_sub_graph(graph, nodes)
    functions = {function.signature.name: function for function in graph.library.function}
    used: dict[str, None] = {}
    waiting = list(reduced.node)
    while waiting:
        for name in _called_by(waiting.pop()):
            if name in functions and name not in used:
                used[name] = None
                waiting.extend(functions[name].node_def)
    del reduced.library.function[:]
    reduced.library.function.extend(functions[name] for name in used)
    return reduced


def _called_by(node: tf.compat.v1.NodeDef) -> list[str]:
    attributes = node.attr.values()
    named = [attribute.func for attribute in attributes if attribute.HasField('func')]
    listed = [function for attribute in attributes for function in attribute.list.func]
    return [function.name for function in (*named, *listed)]
