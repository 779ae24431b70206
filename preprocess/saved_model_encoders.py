"""Model directories as networks to freeze: SavedModels of TF2 and TF1, plain or hub-style (TensorFlow)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from preprocess import files, near
from preprocess.failures import InputError
from preprocess.freezing import Network, from_graph_def

# What most image models take; used where a model takes any size.
DEFAULT_SIZE = 224
# The names models give to what is wanted, the likelier first.
_SIGNATURES = ('serving_default', 'default', 'image_feature_vector')
_OUTPUTS = ('default', 'feature_vector', 'embedding', 'output_0', 'outputs')
_WANTED = 'a model that takes one batch of pictures, float32 in 0..1 or uint8 [N,H,W,3], and answers one vector each'


@dataclass(frozen=True, kw_only=True)
class _Model:
    """A loaded model: the pictures it takes, and how it is called."""

    takes: tf.TensorSpec
    call: Callable[[tf.Tensor], tf.Tensor]
    owner: object = None


def from_directory(path: str, size: int | None) -> Network:
    """The network in a model directory, at the size its signature fixes, else at `size`, else at 224."""
    model = _load(path)
    shape = _input_shape(model.takes, size, path)
    is_open = None in model.takes.shape[1:3]
    note = f'{path} takes pictures of any size: {DEFAULT_SIZE} pixels are used (--encoder {path}@SIZE for another)'

    def encode(pixels: tf.Tensor) -> tf.Tensor:
        pictures = pixels if model.takes.dtype == tf.uint8 else tf.cast(pixels, tf.float32) / 255.0
        answer = model.call(pictures)
        # A network cut before its pooling answers a map of vectors.
        return tf.reduce_mean(answer, axis=[1, 2]) if answer.shape.rank == 4 else answer

    return Network(
        encode=encode, input_shape=shape, owner=model.owner, notes=(note,) if is_open and size is None else ()
    )


def _load(path: str) -> _Model:
    """The model, by the loader of its generation."""
    try:
        saved = saved_model_pb2.SavedModel.FromString(files.read_bytes(files.join(path, 'saved_model.pb')))
        graphs = {frozenset(graph.meta_info_def.tags): graph for graph in saved.meta_graphs}
        if any(graph.HasField('object_graph_def') for graph in graphs.values()):
            return _load_tf2(path)
        return _load_tf1(path, graphs)
    except InputError:
        raise
    # What TensorFlow and protobuf raise for directories that are incomplete or damaged.
    except (OSError, ValueError, KeyError, RuntimeError, DecodeError, tf.errors.OpError) as error:
        raise InputError(
            f'not a model that can be loaded ({" ".join(str(error).split())[:300]})',
            where=path,
            do=f'give the directory of {_WANTED}: saved_model.pb directly in it, variables/ beside it',
        ) from None


def _load_tf2(path: str) -> _Model:
    model = tf.saved_model.load(near.tree(path, what='the model'))
    signatures = dict(model.signatures)
    if not signatures:
        return _model_without_signature(model, path)
    signature = signatures[_chosen(signatures, _SIGNATURES, path)]
    takes = signature.structured_input_signature[1]
    name = _chosen(takes, (), path)

    def call(pictures: tf.Tensor) -> tf.Tensor:
        answers = signature(**{name: pictures})
        return answers[_chosen(answers, _OUTPUTS, path)]

    return _Model(takes=takes[name], call=call, owner=model)


def _model_without_signature(model: tf.Module, path: str) -> _Model:
    """A model that is only callable, as hub's may be: model(pictures), or model(pictures, training=False)."""
    functions = getattr(model.__call__, 'concrete_functions', []) if callable(model) else []
    arguments = [function.structured_input_signature for function in functions]
    # Arguments besides the pictures are fixed in each function; the one that doesn't train has no True among them.
    fitting = [
        (positional, named)
        for positional, named in arguments
        if positional and _is_pictures(positional[0]) and True not in [*positional[1:], *named.values()]
    ]
    if not fitting:
        raise InputError('the model has no signature and can not be called with pictures', where=path, do=_WANTED)
    (takes, *others), options = fitting[0]
    return _Model(takes=takes, call=lambda pictures: model(pictures, *others, **options), owner=model)


def _is_pictures(argument: object) -> bool:
    return isinstance(argument, tf.TensorSpec) and argument.shape.rank == 4


def _load_tf1(path: str, graphs: dict[frozenset[str], meta_graph_pb2.MetaGraphDef]) -> _Model:
    """A model of TF1: frozen in a session, since functions can't hold its kind of variable."""
    # Hub's modules have a graph without tags for this, and one tagged `train`.
    tags = next((wanted for wanted in (frozenset({'serve'}), frozenset[str]()) if wanted in graphs), None)
    if tags is None:
        raise ValueError(f'no graph for serving among those tagged {[sorted(found) for found in graphs]}')
    signatures = graphs[tags].signature_def
    signature = signatures[_chosen(signatures, _SIGNATURES, path)]
    pictures = signature.inputs[_chosen(signature.inputs, (), path)]
    vectors = signature.outputs[_chosen(signature.outputs, _OUTPUTS, path)].name
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.compat.v1.saved_model.loader.load(session, tags, near.tree(path, what='the model'))
        frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [vectors.partition(':')[0]]
        )
    takes = tf.TensorSpec(tf.TensorShape(pictures.tensor_shape), tf.as_dtype(pictures.dtype))
    return _Model(takes=takes, call=from_graph_def(frozen, pixels=pictures.name, vectors=vectors))


def _chosen(names: Iterable[str], preferred: tuple[str, ...], path: str) -> str:
    """The only name, or the first of those preferred."""
    known = sorted(names)
    if len(known) == 1:
        return known[0]
    if found := next((name for name in preferred if name in known), None):
        return found
    raise InputError(f'the model does not say which of {", ".join(known)} is meant', where=path, do=f'give {_WANTED}')


def _input_shape(takes: tf.TensorSpec, size: int | None, path: str) -> tuple[int, int, int]:
    """The pictures' height, width and channels, where the model leaves them open by choice."""
    if takes.dtype not in (tf.float32, tf.uint8) or takes.shape.rank != 4 or takes.shape[0] is not None:
        raise InputError(f'the model takes {takes.dtype.name}{takes.shape}', where=path, do=f'give {_WANTED}')
    height, width, channels = takes.shape[1:]
    if size and (height or size, width or size) != (size, size):
        raise InputError(
            f'the model takes {height} x {width} pixels, not {size} x {size}',
            where=path,
            do='leave the @SIZE out',
        )
    if channels not in (None, 1, 3):
        raise InputError(f'the model takes pictures of {channels} channels', where=path, do=f'give {_WANTED}')
    wanted = size or DEFAULT_SIZE
    return height or wanted, width or wanted, channels or 3
