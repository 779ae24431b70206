"""The small network on top of the records: its weights, and the one definition of what it computes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer import layers
from trainer.head_spec import KERNEL, HeadSpec, Shape
from trainer.layers import AS_IT_IS, Mode, Weight

Floats: TypeAlias = npt.NDArray[np.float32]
# A step of training costs as much as so many scores: each weight is met on the way there and twice on the way back.
TRAINING = 3
# Scoring a whole set at once would need as much memory again as the set.
_SCORE_BATCH = 4096
_SCORE_BYTES = 64 << 20


@dataclass(frozen=True)
class TrainedHead:
    """A head with its weights, in the order of its layers: matrix, bias, matrix, bias."""

    spec: HeadSpec
    weights: tuple[Floats, ...]

    def __post_init__(self) -> None:
        shapes = tuple(weight.shape for weight in self.weights)
        if shapes != weight_shapes(self.spec):
            raise ValueError(
                f'weights of shapes {shapes} do not fit {self.spec}, which needs {weight_shapes(self.spec)}'
            )

    def scores(self, examples: npt.ArrayLike) -> Floats:
        """Scores float32[N, classes] of what the head looks at: [N, D], [N, n, D], [N, H, W, C] or [N, n, H, W, C]."""
        rows = np.asarray(examples, np.uint8 if self.spec.looks_at_frames else np.float32)
        weights = [tf.constant(weight) for weight in self.weights]
        size = batch_within(self.spec, _SCORE_BATCH)
        starts = range(0, max(len(rows), 1), size)
        batches = [apply(self.spec, weights, tf.constant(rows[at : at + size])).numpy() for at in starts]
        return np.concatenate(batches)


@dataclass(frozen=True)
class Head:
    """A kind of head: the weights it has, and its scores before the last non-linearity."""

    weights: Callable[[HeadSpec], Iterator[Weight]]
    logits: Callable[[HeadSpec, Iterator[tf.Tensor], tf.Tensor, Mode], tf.Tensor]


def weights_of(spec: HeadSpec) -> tuple[Weight, ...]:
    """The weights, in the order of the layers."""
    return tuple(HEADS[spec.kind].weights(spec))


def weight_shapes(spec: HeadSpec) -> tuple[Shape, ...]:
    """The shapes of the weights, in the order of the layers."""
    return tuple(weight.shape for weight in weights_of(spec))


def initial_weights(spec: HeadSpec, seed: int) -> tuple[Floats, ...]:
    """Weights as training begins with them, the same for the same seed on every machine."""
    random = np.random.default_rng(seed)
    return tuple(weight.initial(random) for weight in weights_of(spec))


def flops(spec: HeadSpec) -> int:
    """About how many operations scoring one example takes."""
    return sum(2 * weight.size * weight.uses for weight in weights_of(spec))


def batch_within(spec: HeadSpec, wanted: int) -> int:
    """So many examples at a time, or as many as can be looked at within bounds of memory."""
    example_bytes = 4 * int(np.prod(spec.example_shape))
    return max(min(wanted, _SCORE_BYTES // example_bytes), 1)


def logits(spec: HeadSpec, weights: Sequence[tf.Tensor], examples: tf.Tensor, *, mode: Mode = AS_IT_IS) -> tf.Tensor:
    """What training differentiates: scores[N, classes] before the last non-linearity."""
    values = HEADS[spec.kind].logits(spec, iter(weights), examples, mode)
    return tf.concat([tf.zeros_like(values), values], axis=1) if spec.outputs < spec.classes else values


def apply(spec: HeadSpec, weights: Sequence[tf.Tensor], examples: tf.Tensor) -> tf.Tensor:
    """Scores float32[N, classes] as graph operations: probabilities, or one sigmoid a class with multi_label."""
    return squashed(spec, logits(spec, weights, examples))


def squashed(spec: HeadSpec, values: tf.Tensor) -> tf.Tensor:
    """Scores from what they are before the last non-linearity."""
    return tf.nn.sigmoid(values) if spec.multi_label else tf.nn.softmax(values)


def _dense_weights(sizes: Sequence[int]) -> Iterator[Weight]:
    """Matrices and biases from each size to the next."""
    for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
        yield Weight((inputs, outputs))
        yield Weight((outputs,), 'zeros')


def _dense(values: tf.Tensor, weights: Iterator[tf.Tensor], mode: Mode, *, hidden: int) -> tf.Tensor:
    """So many layers with ReLU and drop-out, and a last one without."""
    for place in range(hidden):
        values = mode.drop(tf.nn.relu(tf.matmul(values, next(weights)) + next(weights)), place)
    return tf.matmul(values, next(weights)) + next(weights)


def _hidden(spec: HeadSpec, count: int = 1) -> list[int]:
    return [spec.hidden_units] * count if spec.hidden_units else []


def _softmax_weights(spec: HeadSpec) -> Iterator[Weight]:
    return _dense_weights([spec.input_size, *_hidden(spec), spec.outputs])


def _softmax_logits(spec: HeadSpec, weights: Iterator[tf.Tensor], vectors: tf.Tensor, mode: Mode) -> tf.Tensor:
    return _dense(vectors, weights, mode, hidden=len(_hidden(spec)))


def _lstm_weights(spec: HeadSpec) -> Iterator[Weight]:
    inputs, units = spec.input_size, spec.hidden_units
    for _ in range(spec.layers):
        yield Weight((inputs, 4 * units), uses=spec.window)
        yield Weight((units, 4 * units), 'orthogonal', uses=spec.window)
        yield Weight((4 * units,), 'forget')
        inputs = units
    yield from _dense_weights([inputs, spec.outputs])


def _lstm_logits(spec: HeadSpec, weights: Iterator[tf.Tensor], windows: tf.Tensor, mode: Mode) -> tf.Tensor:
    values = tf.transpose(windows, [1, 0, 2])
    for place in range(spec.layers):
        of_layer = next(weights), next(weights), next(weights)
        values = mode.drop(layers.lstm(values, of_layer, each=place < spec.layers - 1), place)
    return _dense(values, weights, mode, hidden=0)


def _convlstm_weights(spec: HeadSpec) -> Iterator[Weight]:
    channels = spec.clip_frames * (spec.frame or (1, 1, 1))[2]
    for layer in range(spec.layers):
        filters = spec.filters_of(layer)
        height, width = (side - KERNEL + 1 for side in spec.frame_after(layer))
        positions = height * width * spec.slices
        yield Weight((KERNEL, KERNEL, channels, 4 * filters), uses=positions)
        yield Weight((KERNEL, KERNEL, filters, 4 * filters), 'orthogonal', uses=positions)
        if _is_normalised(spec, layer):
            yield Weight((filters,), 'zeros', trained=False)
            yield Weight((filters,), 'ones', trained=False)
        channels = filters
    yield from _dense_weights([channels, *_hidden(spec), spec.outputs])


def _convlstm_logits(spec: HeadSpec, weights: Iterator[tf.Tensor], windows: tf.Tensor, mode: Mode) -> tf.Tensor:
    values = layers.unit(layers.slices(windows, spec.clip_frames))
    for layer in range(spec.layers):
        is_last = layer == spec.layers - 1
        values = layers.conv_lstm(values, (next(weights), next(weights)), each=not is_last)
        values = values if is_last else layers.max_pool_each(values)
        if _is_normalised(spec, layer):
            values = mode.normalise(values, next(weights), next(weights))
    return _dense(tf.reduce_max(values, [1, 2]), weights, mode, hidden=len(_hidden(spec)))


def _is_normalised(spec: HeadSpec, layer: int) -> bool:
    """As the published models have it: the only layer is, and of several all but the last."""
    return spec.layers == 1 or layer < spec.layers - 1


def _cnn_weights(spec: HeadSpec) -> Iterator[Weight]:
    channels = (spec.frame or (1, 1, 1))[2]
    for layer in range(spec.layers):
        filters = spec.filters_of(layer)
        height, width = (side - KERNEL + 1 for side in spec.frame_after(layer))
        yield Weight((KERNEL, KERNEL, channels, filters), uses=height * width)
        yield Weight((filters,), 'zeros')
        channels = filters
    height, width = spec.frame_after(spec.layers)
    yield from _dense_weights([height * width * channels, *_hidden(spec, 2), spec.outputs])


def _cnn_logits(spec: HeadSpec, weights: Iterator[tf.Tensor], frames: tf.Tensor, mode: Mode) -> tf.Tensor:
    values = layers.unit(frames)
    for _ in range(spec.layers):
        values = layers.convolution(values, next(weights), next(weights))
    flat = tf.reshape(values, [-1, int(np.prod(values.shape[1:]))])
    return _dense(flat, weights, mode, hidden=len(_hidden(spec, 2)))


HEADS = {
    'softmax': Head(_softmax_weights, _softmax_logits),
    'lstm': Head(_lstm_weights, _lstm_logits),
    'convlstm': Head(_convlstm_weights, _convlstm_logits),
    'cnn': Head(_cnn_weights, _cnn_logits),
}
