"""The network behind `mini`: a small residual one, trained as a classifier, then frozen without its last layer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import freezing, interrupts
from preprocess.failures import Interrupted
from preprocess.progress import Progress

# Of the vector's 256 numbers; the other 12 are the mean colours of the picture's quarters. Shapes are learned whatever
# their colours, so without those no number would know red from green.
SHAPE_NUMBERS = 244
Pixels = NDArray[np.uint8]
Classes = NDArray[np.int64]

# What leaves a drawn shape its class; half of the pictures of a batch undergo each.
_CHANGES: tuple[Callable[[Pixels], Pixels], ...] = (
    lambda x: x[:, ::-1],
    lambda x: x[:, :, ::-1],
    lambda x: x.transpose(0, 2, 1, 3),
    lambda x: 255 - x,
)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train."""

    epochs: int
    seed: int
    batch_size: int = 128
    peak_learning_rate: float = 2e-3


@dataclass(frozen=True)
class Network:
    """Two models over the same weights: pixels (0 to 255) to vectors, and on to one logit per class."""

    encoder: keras.Model
    classifier: keras.Model


def build(picture_size: int, classes: int, *, seed: int) -> Network:
    """About 380,000 weights, the first values of which follow from the seed."""
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((picture_size, picture_size, 3))
    x = _conv(_Standardised()(pixels), 24, 3, strides=2)
    x = _bottleneck(_conv(x, 48, 3, strides=2))
    x = _bottleneck(_bottleneck(_conv(x, 96, 3, strides=2)))
    x = _bottleneck(_bottleneck(_conv(x, 128, 3, strides=2)))
    shapes = keras.layers.GlobalAveragePooling2D()(_conv(x, SHAPE_NUMBERS, 1))
    colours = keras.layers.Flatten()(keras.layers.AveragePooling2D(picture_size // 2)(pixels))
    vectors = keras.layers.Concatenate()([shapes, colours])
    # Each number has mean 0 and deviation 1 over the drawn pictures: what a head on top learns from fastest.
    vectors = keras.layers.BatchNormalization(center=False, scale=False, momentum=0.98)(vectors)
    logits = keras.layers.Dense(classes)(vectors)
    return Network(keras.Model(pixels, vectors), keras.Model(pixels, logits))


class _Standardised(keras.layers.Layer):
    """Each picture about its own mean colour, in units of its own contrast: without it learning hardly starts."""

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(pixels, axis=(1, 2), keepdims=True)
        # The 8 keeps a picture of one colour from being blown up into its noise.
        return (pixels - mean) / (tf.math.reduce_std(pixels, axis=(1, 2, 3), keepdims=True) + 8.0)


def _conv(x: keras.KerasTensor, channels: int, width: int, *, strides: int = 1) -> keras.KerasTensor:
    x = keras.layers.Conv2D(channels, width, strides=strides, padding='same', use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.98)(x))


def _bottleneck(x: keras.KerasTensor) -> keras.KerasTensor:
    channels = x.shape[-1]
    inner = _conv(_conv(x, channels // 2, 1), channels // 2, 3)
    inner = keras.layers.Conv2D(channels, 1, use_bias=False)(inner)
    return keras.layers.ReLU()(x + keras.layers.BatchNormalization(momentum=0.98)(inner))


def fit(network: Network, pixels: Pixels, classes: Classes, schedule: Schedule) -> None:
    """Trains the classifier, and the encoder with it."""
    steps = schedule.epochs * (len(pixels) // schedule.batch_size)
    if steps < 1:
        raise ValueError(f'{len(pixels)} pictures are less than one batch of {schedule.batch_size}')
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=schedule.peak_learning_rate, warmup_steps=min(200, steps // 10)
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.02)
    model = network.classifier
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(batch: tf.Tensor, answers: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = model(tf.cast(batch, tf.float32), training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(answers, logits))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )

    with Progress('training', total=steps * schedule.batch_size, unit='pictures') as progress:
        for batch, answers in _batches(pixels, classes, schedule):
            step(batch, answers)
            progress.advance(len(batch))
            if interrupts.requested():
                raise Interrupted(
                    'stopped training mini', where='fit', do='run the same command again: nothing was kept'
                )


def _batches(pixels: Pixels, classes: Classes, schedule: Schedule) -> Iterator[tuple[Pixels, Classes]]:
    rng = np.random.default_rng(schedule.seed)
    for _ in range(schedule.epochs):
        order = rng.permutation(len(pixels))
        for start in range(0, len(order) - schedule.batch_size + 1, schedule.batch_size):
            chosen = order[start : start + schedule.batch_size]
            yield _varied(pixels[chosen], rng), classes[chosen]


def _varied(batch: Pixels, rng: np.random.Generator) -> Pixels:
    """Every epoch shows a picture another way: mirrored, turned by quarters, colours exchanged or inverted."""
    for change in _CHANGES:
        chosen = rng.random(len(batch)) < 0.5
        batch[chosen] = change(batch[chosen])
    return np.ascontiguousarray(batch[..., rng.permutation(3)])


def accuracy(network: Network, pixels: Pixels, classes: Classes) -> float:
    """The share of pictures the classifier names rightly."""
    logits = [network.classifier(part.astype(np.float32), training=False) for part in np.array_split(pixels, 40)]
    return float(np.mean(np.argmax(np.concatenate(logits), axis=1) == classes))


def frozen(network: Network) -> bytes:
    """The encoder as one serialized GraphDef: `pixels:0` to `vectors:0`, all its weights constants in it."""

    def encode(pixels: tf.Tensor) -> tf.Tensor:
        return network.encoder(tf.cast(pixels, tf.float32), training=False)

    shape = network.encoder.input_shape[1:]
    return freezing.freeze(freezing.Network(encode=encode, input_shape=shape, owner=network), where='mini').graph
