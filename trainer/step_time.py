"""How long a step of a head takes here: measured on made-up records, for a forecast."""

import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer import head_spec
from trainer.batches import Work
from trainer.class_weights import Weights
from trainer.classes import Classes
from trainer.config import Learning
from trainer.network import Network, Recipe

# The first one compiles.
_STEPS = 3


def measure(learning: Learning, shape: Sequence[int], classes: Classes) -> float:
    """Seconds a step takes that learns from records of this shape; UsageError where the head can't look at them."""
    count = len(classes)
    spec = head_spec.of_learning(learning, shape, classes=count, multi_label=classes.multi_label)
    recipe = Recipe(
        spec=spec,
        batch_size=learning.batch_size,
        optimizer=learning.optimizer,
        learning_rate=learning.learning_rate,
        l2=learning.l2,
        weights=Weights(np.ones(count, np.float32), np.ones(count, np.float32)),
        seed=learning.seed,
        flips=learning.flips,
    )
    network = Network(recipe, tf.distribute.get_strategy())
    # All examples of a batch may be the same one.
    rows = spec.window if spec.is_sequence else 1
    values = tf.zeros([rows, *spec.record_shape], tf.uint8 if spec.looks_at_frames else tf.float32)
    targets = tf.zeros([rows, count], tf.uint8) if classes.multi_label else tf.zeros([rows], tf.int32)
    inside = np.arange(rows) if spec.is_sequence else np.int64(0)
    indices = np.broadcast_to(inside, (1, learning.batch_size, *np.shape(inside))).astype(np.int32)
    seconds = []
    for step in range(_STEPS):
        begun = time.perf_counter()
        network.learn(Work(values, targets, indices), step)
        seconds.append(time.perf_counter() - begun)
    return min(seconds[1:])
