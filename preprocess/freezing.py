"""A network -> a frozen graph with the names every reader relies on (TensorFlow)."""

from collections.abc import Callable, Set
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from preprocess.compiled import PIXELS, VECTORS, FrozenGraph
from preprocess.failures import InputError

# What can't be a constant, and what has no place in an encoder: state, tables, Python, files.
_REFUSED = {
    *('VarHandleOp', 'ReadVariableOp', 'Variable', 'VariableV2', 'HashTableV2', 'MutableHashTableV2'),
    *('PyFunc', 'PyFuncStateless', 'EagerPyFunc', 'ReadFile', 'WriteFile', 'MatchingFiles', 'Save', 'SaveV2'),
}

# What does nothing by itself.
_IDLE = ('Const', 'Identity', 'NoOp')


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network before it is frozen: uint8[N,H,W,C] pixels to float32[N,D] vectors."""

    encode: Callable[[tf.Tensor], tf.Tensor]
    input_shape: tuple[int, int, int]
    owner: object = None  # keeps the variables alive
    notes: tuple[str, ...] = ()  # what was assumed, to be told to the user


def from_graph_def(graph_def: tf.compat.v1.GraphDef, *, pixels: str, vectors: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """A frozen graph as a function of its input."""

    def encode(tensor: tf.Tensor) -> tf.Tensor:
        (answer,) = tf.graph_util.import_graph_def(
            graph_def, input_map={pixels: tensor}, return_elements=[vectors], name='network'
        )
        return answer

    return encode


def freeze(network: Network, *, where: str) -> FrozenGraph:
    """The network as a graph of constants."""
    shape = (None, *network.input_shape)
    function = tf.function(network.encode, input_signature=[tf.TensorSpec(shape, tf.uint8)], autograph=False)
    constant = _with_constants(function.get_concrete_function())
    with tf.Graph().as_default() as graph:
        pixels = tf.compat.v1.placeholder(tf.uint8, shape, name=PIXELS.partition(':')[0])
        (answer,) = tf.graph_util.import_graph_def(
            _lean(constant.graph_def, vectors=constant.vectors),
            input_map={constant.pixels: pixels},
            return_elements=[constant.vectors],
            name='encoder',
        )
        vector_size = _vector_size(answer, where)
        vectors = tf.ensure_shape(answer, (None, vector_size))
        tf.identity(vectors, name=VECTORS.partition(':')[0])
    graph_def = graph.as_graph_def()
    _refuse_ops(graph_def, where)
    _steady_means(graph, graph_def)
    return FrozenGraph(
        graph=graph_def.SerializeToString(),
        input_shape=network.input_shape,
        vector_size=vector_size,
        notes=network.notes,
    )


@dataclass(frozen=True)
class _Constant:
    """A graph without variables, and the names of its input and output."""

    graph_def: tf.compat.v1.GraphDef
    pixels: str
    vectors: str


def _with_constants(function: tf.types.experimental.ConcreteFunction) -> _Constant:
    """Constants where variables were read; TensorFlow's own way, which copies all of it again and again, for the rest.

    The rest is graphs that call functions, or do more with a variable than to read it.
    """
    graph_def, graph = function.graph.as_graph_def(), function.graph
    values = {id(variable.handle): variable for variable in graph.variables}
    captured = {inside.op.name: values[id(outside)] for outside, inside in graph.captures if id(outside) in values}
    readers = [node for node in graph_def.node if any(_source(name) in captured for name in node.input)]
    is_plain = len(captured) == len(graph.captures) and all(node.op == 'ReadVariableOp' for node in readers)
    if graph_def.library.function or not is_plain:
        frozen = convert_variables_to_constants_v2(function)
        return _Constant(frozen.graph.as_graph_def(), frozen.inputs[0].name, frozen.outputs[0].name)
    for node in readers:
        variable = captured[_source(node.input[0])]
        name, dtype = node.name, node.attr['dtype'].type
        node.Clear()
        node.name, node.op, node.attr['dtype'].type = name, 'Const', dtype
        node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(variable.numpy()))
    return _Constant(_without(graph_def, captured.keys()), graph.inputs[0].name, graph.outputs[0].name)


def _lean(graph_def: tf.compat.v1.GraphDef, *, vectors: str) -> tf.compat.v1.GraphDef:
    """Only what the vectors need, with constants read directly: each Identity on the way makes a copy, also in memory,
    and whatever else holds a constant keeps it alive when it has become part of another."""
    nodes = {node.name: node for node in graph_def.node}

    def origin(name: str) -> str:
        start = name
        while name and (node := nodes[_source(name)]).op == 'Identity':
            name = node.input[0] if len(node.input) == 1 else ''
        return name if name and nodes[_source(name)].op == 'Const' else start

    def is_idle(name: str) -> bool:
        """Whether waiting for it is waiting for nothing."""
        node = nodes[name]
        return node.op in _IDLE and all(is_idle(_source(one)) for one in node.input)

    needed, todo = set(), [_source(vectors)]
    while todo:
        if (name := todo.pop()) not in needed:
            needed.add(name)
            inputs = nodes[name].input
            inputs[:] = [
                one if one.startswith('^') else origin(one)
                for one in inputs
                if not (one.startswith('^') and is_idle(_source(one)))
            ]
            todo += map(_source, inputs)
    return _without(graph_def, nodes.keys() - needed)


def _without(graph_def: tf.compat.v1.GraphDef, names: Set[str]) -> tf.compat.v1.GraphDef:
    return tf.compat.v1.GraphDef(
        node=[node for node in graph_def.node if node.name not in names],
        library=graph_def.library,
        versions=graph_def.versions,
    )


def _source(name: str) -> str:
    """The node of an input's name: `^node`, `node` or `node:1`."""
    return name.lstrip('^').partition(':')[0]


def _vector_size(answer: tf.Tensor, where: str) -> int:
    if answer.dtype == tf.float32 and answer.shape.rank == 2 and answer.shape[1]:
        return int(answer.shape[1])
    raise InputError(
        f'the encoder answers {answer.dtype.name}{list(answer.shape)}, not float32[N,D] with a fixed D',
        where=where,
        do='give a model whose output is one feature vector a picture',
    )


def _steady_means(graph: tf.Graph, graph_def: tf.compat.v1.GraphDef) -> None:
    """Average over space by AvgPool instead of Mean: equal but for the last bit, which with Mean depends on a picture's
    place in the batch when the channels are no multiple of the processor's vectors (measured: 244 channels)."""
    nodes = {node.name: node for node in graph_def.node}
    for operation in graph.get_operations():
        if operation.type != 'Mean' or not _is_over_space(operation):
            continue
        pictures, mean = operation.inputs[0], nodes[operation.name]
        pool = graph_def.node.add(op='AvgPool', name=f'{mean.name}/pool', input=[mean.input[0]])
        window = [1, *pictures.shape[1:3], 1]
        for key in ('ksize', 'strides'):
            pool.attr[key].list.i.extend(window)
        pool.attr['padding'].s, pool.attr['data_format'].s = b'VALID', b'NHWC'
        pool.attr['T'].CopyFrom(mean.attr['T'])
        keeps = mean.attr['keep_dims'].b
        mean.Clear()
        mean.name, mean.op = operation.name, 'Identity' if keeps else 'Squeeze'
        mean.input.append(pool.name)
        mean.attr['T'].CopyFrom(pool.attr['T'])
        if not keeps:
            mean.attr['squeeze_dims'].list.i.extend([1, 2])


def _is_over_space(mean: tf.Operation) -> bool:
    pictures, axes = mean.inputs[0], tf.get_static_value(mean.inputs[1])
    is_space = axes is not None and sorted(axis % 4 for axis in axes.flatten()) == [1, 2]
    return is_space and pictures.shape.rank == 4 and None not in pictures.shape[1:3]


def _refuse_ops(graph_def: tf.compat.v1.GraphDef, where: str) -> None:
    nodes = [*graph_def.node, *(node for function in graph_def.library.function for node in function.node_def)]
    if left := sorted({node.op for node in nodes} & _REFUSED):
        raise InputError(
            f'the encoder can not be frozen into constants: {", ".join(left)} remain in its graph',
            where=where,
            do='give a model without tables, state, files and Python code',
        )
