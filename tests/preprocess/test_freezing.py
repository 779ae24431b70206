"""Networks as graphs of constants, with nothing in them that the vectors don't need."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from preprocess import freezing
from preprocess.compiled import PIXELS, VECTORS
from preprocess.failures import InputError
from preprocess.freezing import Network, freeze

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)


class Weights(tf.Module):
    """A layer, and one that nobody asks for."""

    def __init__(self) -> None:
        self.kernel = tf.Variable(tf.random.stateless_normal((48, 5), seed=(1, 2)))
        self.unused = tf.Variable(tf.zeros((1000,)))

    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        read = tf.identity(tf.identity(self.kernel))
        with tf.control_dependencies([tf.identity(self.unused)]):
            return tf.reshape(tf.cast(pixels, tf.float32), [-1, 48]) @ read


@tf.function
def called(weights: Weights, pixels: tf.Tensor) -> tf.Tensor:
    return weights(pixels)


def frozen(encode) -> tf.compat.v1.GraphDef:
    network = Network(encode=encode, input_shape=(4, 4, 3))
    return tf.compat.v1.GraphDef.FromString(freeze(network, where='here').graph)


def answer(graph_def: tf.compat.v1.GraphDef) -> np.ndarray:
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name='')
    return tf.compat.v1.Session(graph=graph).run(VECTORS, {PIXELS: PICTURES})


def test_a_frozen_network_answers_what_the_network_does() -> None:
    weights = Weights()
    assert np.array_equal(answer(frozen(weights)), weights(tf.constant(PICTURES)).numpy())


def test_what_the_vectors_do_not_need_is_left_out() -> None:
    graph_def = frozen(Weights())
    kinds = Counter(node.op for node in graph_def.node)
    # The numbers of the layer, and the shape to reshape to; the vectors' two names.
    assert (kinds['Const'], kinds['Identity'], kinds['NoOp'], kinds['ReadVariableOp']) == (2, 2, 0, 0)
    assert graph_def.ByteSize() < 3000


def test_a_network_that_calls_functions_is_frozen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, ways = Weights(), []
    theirs = freezing.convert_variables_to_constants_v2
    monkeypatch.setattr(
        freezing, 'convert_variables_to_constants_v2', lambda function: ways.append(function) or theirs(function)
    )
    graph_def = frozen(lambda pixels: called(weights, pixels))
    assert len(ways) == 1
    assert not graph_def.library.function
    assert np.array_equal(answer(graph_def), weights(tf.constant(PICTURES)).numpy())


def test_a_network_that_keeps_count_is_refused() -> None:
    count = tf.Variable(0.0)

    def counting(pixels: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.cast(pixels, tf.float32), [-1, 48]) + count.assign_add(1.0)

    with pytest.raises((InputError, ValueError)):
        frozen(counting)
