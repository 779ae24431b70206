"""The head while it learns: its weights as variables, many compiled steps in one call, and its scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer import heads
from trainer.batches import Work
from trainer.checkpoints import Snapshot
from trainer.class_weights import Weights
from trainer.heads import Floats, HeadSpec
from trainer.optimizers import OPTIMIZERS

_ONE_LABEL = tf.TensorSpec([None], tf.int32)


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
        self._slots = [[tf.Variable(tf.zeros_like(w)) for _ in range(self._optimizer.slots)] for w in weights]
        self._of_class = tf.constant(recipe.weights.of)
        self._of_others = tf.constant(recipe.weights.others)
        embeddings = tf.TensorSpec([None, recipe.spec.input_size], tf.float32)
        targets = tf.TensorSpec([None, recipe.spec.classes], tf.uint8) if recipe.spec.multi_label else _ONE_LABEL
        indices = tf.TensorSpec([None, recipe.batch_size], tf.int32)
        self._compiled = tf.function(self._learn, [embeddings, targets, indices, tf.TensorSpec([], tf.int64)])
        self._compiled_score = tf.function(self._score, [embeddings, targets])

    def learn(self, work: Work, first: int) -> Floats:
        """Do the steps of `work`, the first of which is number `first` (from 0); the loss of each."""
        start = self.recipe.node * self.recipe.batch_size
        mine = np.ascontiguousarray(work.indices[:, start : start + self.recipe.batch_size])
        losses = self._compiled(work.embeddings, work.targets, tf.constant(mine), tf.constant(first, tf.int64))
        return losses.numpy()  # type: ignore[no-any-return]  # a TensorFlow array

    def score(self, embeddings: tf.Tensor, targets: tf.Tensor) -> tuple[Floats, Floats]:
        """Loss (unweighted) and scores of each example."""
        losses, scores = self._compiled_score(embeddings, targets)
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

    def _learn(self, embeddings: tf.Tensor, targets: tf.Tensor, indices: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        steps = tf.shape(indices)[0]
        losses = tf.TensorArray(tf.float32, size=steps)

        def body(k: tf.Tensor, losses: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            with tf.device('CPU:0'):  # where the records are; on a GPU all of them would be copied each time
                batch = tf.gather(embeddings, indices[k]), tf.gather(targets, indices[k])
            loss = self._strategy.run(self._step, args=(*batch, first + tf.cast(k, tf.int64)))
            return k + 1, losses.write(k, loss)

        _, losses = tf.while_loop(lambda k, _: k < steps, body, (0, losses), parallel_iterations=1)
        return losses.stack()

    def _step(self, embeddings: tf.Tensor, targets: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = self._loss(embeddings, targets, number)
        gradients = tape.gradient(loss, self._weights)
        if self.recipe.nodes > 1:
            context = tf.distribute.get_replica_context()
            *gradients, loss = context.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, loss])
        for weight, slots, gradient in zip(self._weights, self._slots, gradients, strict=True):
            self._optimizer.update(weight, slots, gradient, self.recipe.learning_rate, number + 1)
        return loss

    def _loss(self, embeddings: tf.Tensor, targets: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """This node's share: shares add up to the mean over all nodes' examples."""
        recipe = self.recipe
        logits = heads.logits(recipe.spec, self._weights, embeddings, drop=lambda values: self._drop(values, number))
        losses = self._example_losses(logits, targets, weighted=True)
        penalty = recipe.l2 * tf.add_n([tf.reduce_sum(tf.square(w)) for w in self._weights if len(w.shape) > 1])
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

    def _drop(self, values: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """Drop-out by the seed and the step alone: resumed, or divided among nodes, the same units are dropped."""
        rate, size = self.recipe.spec.dropout, self.recipe.batch_size
        if not rate:
            return values
        seed = tf.stack([tf.constant(self.recipe.seed, tf.int64), number])
        chance = tf.random.stateless_uniform([self.recipe.nodes * size, values.shape[1]], seed)
        mine = chance[self.recipe.node * size : (self.recipe.node + 1) * size]
        return tf.where(mine >= rate, values / (1 - rate), 0.0)

    def _score(self, embeddings: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = heads.logits(self.recipe.spec, self._weights, embeddings, drop=tf.identity)
        scores = heads.apply(self.recipe.spec, self._weights, embeddings)
        return self._example_losses(logits, targets, weighted=False), scores


def _copies(variables: Sequence[tf.Variable]) -> tuple[NDArray[np.float32], ...]:
    # numpy() of a variable may be a view of memory that the next step changes.
    return tuple(np.array(variable.numpy()) for variable in variables)
