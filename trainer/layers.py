"""The layers heads are made of, as graph operations, and the weights they have.

Recurrent layers have the gates, and the order of them, that Keras' layers have: input, forget, cell, output.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.head_spec import POOL, Shape

Floats: TypeAlias = npt.NDArray[np.float32]
# As in Keras' BatchNormalization.
EPSILON = 1e-3
_GATES = 4


@dataclass(frozen=True)
class Weight:
    """One array of a head: its shape, how it begins, whether gradients move it, how often an example meets it."""

    shape: Shape
    start: str = 'glorot'
    trained: bool = True
    uses: int = 1

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    def initial(self, random: np.random.Generator) -> Floats:
        """Its values before training."""
        return _STARTS[self.start](self.shape, random)


def _glorot(shape: Shape, random: np.random.Generator) -> Floats:
    *field, inputs, outputs = shape
    limit = math.sqrt(6 / (math.prod(field) * (inputs + outputs)))
    return random.uniform(-limit, limit, shape).astype(np.float32)


def _orthogonal(shape: Shape, random: np.random.Generator) -> Floats:
    """What goes round in a recurrent layer neither grows nor vanishes at first."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    square, upper = np.linalg.qr(random.normal(size=(max(rows, columns), min(rows, columns))))
    square *= np.sign(np.diag(upper))
    return (square if rows >= columns else square.T).reshape(shape).astype(np.float32)


def _forget_gates_open(shape: Shape, _: np.random.Generator) -> Floats:
    bias = np.zeros(shape, np.float32)
    units = shape[0] // _GATES
    bias[units : 2 * units] = 1
    return bias


_STARTS: dict[str, Callable[[Shape, np.random.Generator], Floats]] = {
    'glorot': _glorot,
    'orthogonal': _orthogonal,
    'forget': _forget_gates_open,
    'zeros': lambda shape, _: np.zeros(shape, np.float32),
    'ones': lambda shape, _: np.ones(shape, np.float32),
}


def _keep_all(values: tf.Tensor, _: int) -> tf.Tensor:
    return values


def by_statistics(values: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
    """Values of mean 0 and variance 1 in each channel, by these statistics."""
    return (values - mean) * tf.math.rsqrt(variance + EPSILON)


@dataclass(frozen=True)
class Mode:
    """How a head is gone through: as it is; or in training, where parts are dropped and the batch is the measure.

    `drop` takes values and the number of the place in the head; `normalise` values and the running mean and variance.
    """

    drop: Callable[[tf.Tensor, int], tf.Tensor] = _keep_all
    normalise: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor] = by_statistics


AS_IT_IS = Mode()


def unit(pixels: tf.Tensor) -> tf.Tensor:
    """uint8 pixels as float32 from 0 to 1."""
    return tf.cast(pixels, tf.float32) / 255


def slices(windows: tf.Tensor, clip_frames: int) -> tf.Tensor:
    """Frames [N, n, H, W, C] as slices [n / k, N, H, W, k C], time first: k frames after each other are channels."""
    _, frames, height, width, channels = windows.shape
    count = frames // clip_frames
    apart = tf.reshape(windows, [-1, count, clip_frames, height, width, channels])
    stacked = tf.transpose(apart, [1, 0, 3, 4, 2, 5])
    return tf.reshape(stacked, [count, -1, height, width, clip_frames * channels])


def lstm(inputs: tf.Tensor, weights: tuple[tf.Tensor, tf.Tensor, tf.Tensor], *, each: bool) -> tf.Tensor:
    """What an LSTM layer says to vectors [n, N, D], time first: after `each` [n, N, units], or after the last."""
    kernel, recurrent, bias = weights
    units = recurrent.shape[0]
    # All that does not go round at once.
    known = tf.tensordot(inputs, kernel, 1) + bias
    recurrent = tf.convert_to_tensor(recurrent)

    def step(value: tf.Tensor, state: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _gated(value + tf.matmul(state, recurrent), cell, tf.sigmoid)

    return _over_time(step, known, tf.zeros([tf.shape(inputs)[1], units]), each=each)


def conv_lstm(inputs: tf.Tensor, weights: tuple[tf.Tensor, tf.Tensor], *, each: bool) -> tf.Tensor:
    """What a ConvLSTM layer (hard sigmoid, no padding, no bias) says to slices [n, N, H, W, C], as `lstm` does."""
    kernel, recurrent = (tf.convert_to_tensor(weight) for weight in weights)
    side, filters = kernel.shape[0], recurrent.shape[2]
    height, width = (length - side + 1 for length in inputs.shape[2:4])

    def step(value: tf.Tensor, state: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Not all of them before: that would be four times the memory of the states.
        seen = tf.nn.conv2d(value, kernel, 1, 'VALID')
        return _gated(seen + tf.nn.conv2d(state, recurrent, 1, 'SAME'), cell, hard_sigmoid)

    return _over_time(step, inputs, tf.zeros([tf.shape(inputs)[1], height, width, filters]), each=each)


def hard_sigmoid(values: tf.Tensor) -> tf.Tensor:
    """As Keras 3 has it, of slope 1/6; the one of Keras 2, which the published fish models had, is of slope 0.2."""
    return tf.nn.relu6(values + 3) / 6


def convolution(pictures: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Features [N, h, w, filters] of pictures [N, H, W, C]: a convolution without padding, ReLU, max pool."""
    return max_pool(tf.nn.relu(tf.nn.conv2d(pictures, kernel, 1, 'VALID') + bias))


def max_pool(pictures: tf.Tensor) -> tf.Tensor:
    """The largest of each 2 x 2."""
    return tf.nn.max_pool2d(pictures, POOL, POOL, 'VALID')


def max_pool_each(slices_: tf.Tensor) -> tf.Tensor:
    """The largest of each 2 x 2 in slices [n, N, H, W, C]."""
    count, _, height, width, channels = slices_.shape
    pooled = max_pool(tf.reshape(slices_, [-1, height, width, channels]))
    return tf.reshape(pooled, [count, -1, height // POOL, width // POOL, channels])


def _gated(values: tf.Tensor, cell: tf.Tensor, squash: Callable[[tf.Tensor], tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """The next state and cell."""
    taken, kept, candidate, shown = tf.split(values, _GATES, axis=-1)
    cell = squash(kept) * cell + squash(taken) * tf.tanh(candidate)
    return squash(shown) * tf.tanh(cell), cell


_Step: TypeAlias = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def _over_time(step: _Step, inputs: tf.Tensor, nothing: tf.Tensor, *, each: bool) -> tf.Tensor:
    """The states after each of the inputs, time first, or the last one.

    A loop and not a step written out for each: it compiles as fast for 500 frames as for five, and runs as fast.
    """
    count = inputs.shape[0]
    values = tf.TensorArray(inputs.dtype, count, element_shape=inputs.shape[1:]).unstack(inputs)
    states = tf.TensorArray(tf.float32, count if each else 0, element_shape=nothing.shape)

    def body(
        place: tf.Tensor, state: tf.Tensor, cell: tf.Tensor, states: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
        state, cell = step(values.read(place), state, cell)
        return place + 1, state, cell, states.write(place, state) if each else states

    _, last, _, states = tf.while_loop(lambda place, *_: place < count, body, (0, nothing, nothing, states))
    return states.stack() if each else last
