"""The head while it learns: its weights as variables, many compiled steps in one call, and its scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer import heads, layers
from trainer.batches import Work
from trainer.checkpoints import Snapshot
from trainer.class_weights import Weights
from trainer.head_spec import HeadSpec
from trainer.heads import Floats
from trainer.layers import Mode
from trainer.optimizers import OPTIMIZERS

_ONE_LABEL = tf.TensorSpec([None], tf.int32)
# Of running statistics: as Keras' BatchNormalization forgets, once so many batches were seen.
_MOMENTUM = 0.99
# Chance is drawn by the seed and the step; for several purposes in one step the seed is raised by so much.
_PURPOSE = 1 << 32
_OF_FLIPS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a head learns; `nodes` learn together, each from its own `batch_size` examples of every step."""

    spec: HeadSpec
    batch_size: int
    optimizer: str
    learning_rate: float
    l2: float
    weights: Weights
    seed: int
    flips: tuple[str, ...] = ()  # in which ways frames are flipped at random
    nodes: int = 1
    node: int = 0


class Network:
    """A head that can learn. In a cluster every node holds the same weights and they move together."""

    def __init__(self, recipe: Recipe, strategy: tf.distribute.Strategy) -> None:
        self.recipe = recipe
        self._strategy = strategy
        self._optimizer = OPTIMIZERS[recipe.optimizer]
        weights = heads.initial_weights(recipe.spec, recipe.seed)
        self._weights = [tf.Variable(weight) for weight in weights]
        kinds = heads.weights_of(recipe.spec)
        self._trained = [weight for weight, kind in zip(self._weights, kinds, strict=True) if kind.trained]
        self._slots = [[tf.Variable(tf.zeros_like(w)) for _ in range(self._optimizer.slots)] for w in self._trained]
        self._of_class = tf.constant(recipe.weights.of)
        self._of_others = tf.constant(recipe.weights.others)
        spec = recipe.spec
        dtype = tf.uint8 if spec.looks_at_frames else tf.float32
        records, examples = (tf.TensorSpec([None, *shape], dtype) for shape in (spec.record_shape, spec.example_shape))
        targets = tf.TensorSpec([None, spec.classes], tf.uint8) if spec.multi_label else _ONE_LABEL
        windows = [spec.window] if spec.is_sequence else []
        indices = tf.TensorSpec([None, recipe.batch_size, *windows], tf.int32)
        # Autograph, which nothing here needs, rewrites every function it meets, in files that a killed process leaves.
        compiled = partial(tf.function, autograph=False)
        self._compiled = compiled(self._learn, [records, targets, indices, tf.TensorSpec([], tf.int64)])
        self._compiled_score = compiled(self._score, [examples, targets])

    def learn(self, work: Work, first: int) -> Floats:
        """Do the steps of `work`, the first of which is number `first` (from 0); the loss of each."""
        start = self.recipe.node * self.recipe.batch_size
        mine = np.ascontiguousarray(work.indices[:, start : start + self.recipe.batch_size])
        losses = self._compiled(work.values, work.targets, tf.constant(mine), tf.constant(first, tf.int64))
        return losses.numpy()  # type: ignore[no-any-return]  # a TensorFlow array

    def score(self, examples: tf.Tensor, targets: tf.Tensor) -> tuple[Floats, Floats]:
        """Loss (unweighted) and scores of each example."""
        losses, scores = self._compiled_score(examples, targets)
        return losses.numpy(), scores.numpy()

    def snapshot(self) -> Snapshot:
        """A copy of everything that changes."""
        slots = [slot for of_weight in self._slots for slot in of_weight]
        return Snapshot(_copies(self._weights), _copies(slots))

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from an earlier state."""
        self.use(snapshot.weights)
        slots = [slot for of_weight in self._slots for slot in of_weight]
        for variable, value in zip(slots, snapshot.slots, strict=True):
            variable.assign(value)

    def use(self, weights: Sequence[Floats]) -> None:
        """Take other weights, for scoring."""
        for variable, value in zip(self._weights, weights, strict=True):
            variable.assign(value)

    def _learn(self, values: tf.Tensor, targets: tf.Tensor, indices: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        steps = tf.shape(indices)[0]
        losses = tf.TensorArray(tf.float32, size=steps)
        windows = self.recipe.spec.is_sequence

        def body(k: tf.Tensor, losses: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            with tf.device('CPU:0'):  # where the records are; on a GPU all of them would be copied each time
                batch = (
                    tf.gather(values, indices[k]),
                    tf.gather(targets, indices[k, :, 0] if windows else indices[k]),
                )
            loss = self._strategy.run(self._step, args=(*batch, first + tf.cast(k, tf.int64)))
            return k + 1, losses.write(k, loss)

        _, losses = tf.while_loop(lambda k, _: k < steps, body, (0, losses), parallel_iterations=1)
        return losses.stack()

    def _step(self, examples: tf.Tensor, targets: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = self._loss(self._flipped(examples, number), targets, number)
        gradients = tape.gradient(loss, self._trained)
        if self.recipe.nodes > 1:
            context = tf.distribute.get_replica_context()
            *gradients, loss = context.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, loss])
        for weight, slots, gradient in zip(self._trained, self._slots, gradients, strict=True):
            self._optimizer.update(weight, slots, gradient, self.recipe.learning_rate, number + 1)
        return loss

    def _loss(self, examples: tf.Tensor, targets: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """This node's share: shares add up to the mean over all nodes' examples."""
        recipe = self.recipe
        mode = Mode(
            lambda values, place: self._drop(values, number, place),
            lambda values, mean, variance: self._normalise(values, (mean, variance), number),
        )
        logits = heads.logits(recipe.spec, self._weights, examples, mode=mode)
        losses = self._example_losses(logits, targets, weighted=True)
        penalty = recipe.l2 * tf.add_n([tf.reduce_sum(tf.square(w)) for w in self._trained if len(w.shape) > 1])
        return (tf.reduce_mean(losses) + penalty) / recipe.nodes

    def _example_losses(self, logits: tf.Tensor, targets: tf.Tensor, *, weighted: bool) -> tf.Tensor:
        if not self.recipe.spec.multi_label:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
            return losses * tf.gather(self._of_class, targets) if weighted else losses
        truth = tf.cast(targets, tf.float32)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(truth, logits)
        if weighted:
            losses *= truth * self._of_class + (1 - truth) * self._of_others
        return tf.reduce_mean(losses, axis=1)

    def _flipped(self, examples: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """Frames as they are or in one of the ways asked for, each as likely; all frames of a window alike."""
        ways = self.recipe.flips
        if not ways:
            return examples
        chosen = tf.cast(self._chance([], number, _OF_FLIPS) * (len(ways) + 1), tf.int32)
        chosen = tf.reshape(chosen, [-1] + [1] * (len(examples.shape) - 1))
        for axis, direction in ((-2, 'h'), (-3, 'v')):
            if numbers := [place for place, way in enumerate(ways) if direction in way]:
                is_flipped = tf.reduce_any([tf.equal(chosen, place) for place in numbers], axis=0)
                examples = tf.where(is_flipped, tf.reverse(examples, [axis]), examples)
        return examples

    def _drop(self, values: tf.Tensor, number: tf.Tensor, place: int = 0) -> tf.Tensor:
        """Drop-out; of the values of a sequence [n, N, D] the same ones at all times."""
        rate = self.recipe.spec.dropout
        if not rate:
            return values
        chance = self._chance([values.shape[-1]], number, place)
        return tf.where(chance >= rate, values / (1 - rate), 0.0)

    def _chance(self, shape: list[int], number: tf.Tensor, purpose: int) -> tf.Tensor:
        """Numbers in [0, 1) for each example, by the seed and the step alone: the same when resumed, or divided among
        nodes."""
        size = self.recipe.batch_size
        seed = tf.stack([tf.constant(self.recipe.seed + purpose * _PURPOSE, tf.int64), number])
        chance = tf.random.stateless_uniform([self.recipe.nodes * size, *shape], seed)
        return chance[self.recipe.node * size : (self.recipe.node + 1) * size]

    def _normalise(self, values: tf.Tensor, running: tuple[tf.Variable, tf.Variable], number: tf.Tensor) -> tf.Tensor:
        """By the statistics of the batch of all nodes, which the running ones follow.

        The running ones are the plain mean over the first batches: at first there is nothing to hold on to.
        """
        axes = list(range(len(values.shape) - 1))
        mean = self._over_nodes(tf.reduce_mean(values, axes))
        variance = self._over_nodes(tf.reduce_mean(tf.math.squared_difference(values, mean), axes))
        done = tf.cast(number, tf.float32)
        momentum = tf.minimum(_MOMENTUM, done / (done + 1))
        for variable, found in zip(running, (mean, variance), strict=True):
            variable.assign(momentum * variable + (1 - momentum) * found)
        return layers.by_statistics(values, mean, variance)

    def _over_nodes(self, values: tf.Tensor) -> tf.Tensor:
        """The mean over all nodes."""
        if self.recipe.nodes == 1:
            return values
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values) / self.recipe.nodes

    def _score(self, examples: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = heads.logits(self.recipe.spec, self._weights, examples)
        return self._example_losses(logits, targets, weighted=False), heads.squashed(self.recipe.spec, logits)


def _copies(variables: Sequence[tf.Variable]) -> tuple[NDArray[np.float32], ...]:
    # numpy() of a variable may be a view of memory that the next step changes.
    return tuple(np.array(variable.numpy()) for variable in variables)
