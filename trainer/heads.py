"""The small network on top of the embeddings: its shape, its weights, and the one definition of what it computes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Floats: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, ...]
# Scoring a whole set at once would need as much memory again as the set.
_SCORE_BATCH = 4096


@dataclass(frozen=True)
class HeadSpec:
    """What a head is, apart from its weights."""

    input_size: int
    classes: int
    hidden_units: int = 512  # 0: no hidden layer, plain softmax regression
    multi_label: bool = False
    dropout: float = 0.5  # the fraction dropped
    kind: str = 'softmax'

    def __post_init__(self) -> None:
        if self.kind not in HEADS:
            raise ValueError(f'unknown head {self.kind!r}; choose from {", ".join(HEADS)}')
        if self.input_size < 1 or self.hidden_units < 0:
            raise ValueError(f'a head takes numbers, and has hidden units from 0 up: {self}')
        if self.classes < (1 if self.multi_label else 2):
            raise ValueError(f'a head tells two classes apart, or more: {self}')
        if not 0 <= self.dropout < 1:
            raise ValueError(f'dropout is the fraction dropped, from 0 up to but not including 1, got {self.dropout}')


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

    def scores(self, embeddings: npt.ArrayLike) -> Floats:
        """Scores float32[N, classes] of embeddings float32[N, input_size]."""
        rows = np.asarray(embeddings, np.float32)
        weights = [tf.constant(weight) for weight in self.weights]
        starts = range(0, max(len(rows), 1), _SCORE_BATCH)
        batches = [apply(self.spec, weights, tf.constant(rows[at : at + _SCORE_BATCH])).numpy() for at in starts]
        return np.concatenate(batches)


@dataclass(frozen=True)
class Head:
    """A kind of head: the shapes of its weights and its scores before the last non-linearity."""

    shapes: Callable[[HeadSpec], tuple[Shape, ...]]
    logits: Callable[[Sequence[tf.Tensor], tf.Tensor, 'Drop'], tf.Tensor]


Drop: TypeAlias = Callable[[tf.Tensor], tf.Tensor]


def weight_shapes(spec: HeadSpec) -> tuple[Shape, ...]:
    """The shapes of the weights, in the order of the layers."""
    return HEADS[spec.kind].shapes(spec)


def initial_weights(spec: HeadSpec, seed: int) -> tuple[Floats, ...]:
    """Glorot-uniform matrices and zero biases, the same for the same seed on every machine."""
    random = np.random.default_rng(seed)
    return tuple(_initial(shape, random) for shape in weight_shapes(spec))


def logits(spec: HeadSpec, weights: Sequence[tf.Tensor], embeddings: tf.Tensor, *, drop: Drop) -> tf.Tensor:
    """What training differentiates; `drop` is the drop-out, applied to hidden layers."""
    return HEADS[spec.kind].logits(weights, embeddings, drop)


def apply(spec: HeadSpec, weights: Sequence[tf.Tensor], embeddings: tf.Tensor) -> tf.Tensor:
    """Scores float32[N, classes] as graph operations: probabilities, or one sigmoid a class with multi_label."""
    squash = tf.nn.sigmoid if spec.multi_label else tf.nn.softmax
    return squash(logits(spec, weights, embeddings, drop=tf.identity))


def _initial(shape: Shape, random: np.random.Generator) -> Floats:
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    limit = math.sqrt(6 / (shape[0] + shape[1]))
    return random.uniform(-limit, limit, shape).astype(np.float32)


def _softmax_shapes(spec: HeadSpec) -> tuple[Shape, ...]:
    if not spec.hidden_units:
        return (spec.input_size, spec.classes), (spec.classes,)
    hidden = spec.hidden_units
    return (spec.input_size, hidden), (hidden,), (hidden, spec.classes), (spec.classes,)


def _softmax_logits(weights: Sequence[tf.Tensor], embeddings: tf.Tensor, drop: Drop) -> tf.Tensor:
    values = embeddings
    for matrix, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        values = drop(tf.nn.relu(tf.matmul(values, matrix) + bias))
    return tf.matmul(values, weights[-2]) + weights[-1]


HEADS = {'softmax': Head(_softmax_shapes, _softmax_logits)}
