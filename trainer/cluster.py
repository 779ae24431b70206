"""Several nodes that learn together: who they are, how they agree, and what happens when one is lost."""

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import command
from preprocess.failures import RunFailed
from preprocess.progress import Progress
from trainer.environment import Environment

_log = logging.getLogger(__name__)
# What the chief says at the end of each stretch of steps.
GO_ON, STOP = 0, 1
# Any node may add this to what the chief says: someone asked it to stop.
_INTERRUPTED = 1000


class Cluster:
    """This process among those that train; a cluster of one needs no network.

    TensorFlow's coordination service notices a node that is gone, crashed or stuck within some ten seconds and ends
    every collective operation with an error.
    """

    def __init__(self, environment: Environment) -> None:
        self.size = max(len(environment.nodes), 1)
        self.index = environment.index
        self.is_chief = environment.is_chief
        self.strategy = _strategy(environment) if environment.nodes else tf.distribute.get_strategy()
        self._compiled_sum = tf.function(self._sum, autograph=False)

    def agree(self, word: int, *, interrupted: bool) -> tuple[int, bool]:
        """What the chief says to all, and whether any node was asked to stop; all nodes call it together."""
        said = (word if self.is_chief else 0) + (_INTERRUPTED if interrupted else 0)
        if self.size > 1:
            with self.company():
                said = int(self._compiled_sum(tf.constant(said)))
        return said % _INTERRUPTED, said >= _INTERRUPTED

    def from_chief(self, arrays: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], ...]:
        """The chief's arrays on every node; the others give arrays of the same shapes."""
        if self.size == 1:
            return tuple(arrays)
        given = [array if self.is_chief else np.zeros_like(array) for array in arrays]
        with self.company():
            return tuple(self._compiled_sum(tf.constant(array)).numpy() for array in given)

    @contextmanager
    def company(self) -> Iterator[None]:
        """Around what needs the other nodes: losing one is a failure that the same command mends."""
        try:
            yield
        except tf.errors.OpError as error:
            if self.size == 1:
                raise
            _log.info('the cluster fell apart: %s', error)
            raise RunFailed(
                'a node of the cluster was lost',
                where=f'node {self.index} of {self.size}, waiting for the others',
                do=f'start all nodes again: {command.this_command()} continues from the last checkpoint',
            ) from error

    def _sum(self, value: tf.Tensor) -> tf.Tensor:
        return self.strategy.run(_summed, args=(value,))


def device() -> str:
    """What this process trains on."""
    gpus = tf.config.list_physical_devices('GPU')
    return gpus[0].name if gpus else f'{os.cpu_count()} CPU cores'


def _summed(value: tf.Tensor) -> tf.Tensor:
    context = tf.distribute.get_replica_context()
    # An argument as it came has no device yet, which all_reduce wants.
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value) + 0)


def _strategy(environment: Environment) -> tf.distribute.Strategy:
    gpus = tf.config.list_physical_devices('GPU')
    # One replica a node: the head is small, and the order of examples counts nodes.
    tf.config.set_visible_devices(gpus[:1], 'GPU')
    # As workers only: then the first of them is TensorFlow's chief, too.
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({'worker': list(environment.nodes)}),
        task_type='worker',
        task_id=environment.index,
        rpc_layer='grpc',
    )
    with Progress(f'waiting for all {len(environment.nodes)} nodes (this is node {environment.index})'):
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    # TensorFlow has put a handler of its own on SIGTERM, below Python's: ours shall be heard again.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy
