import numpy as np
import pytest
import tensorflow as tf

from trainer import config
from trainer.batches import Work
from trainer.checkpoints import Snapshot
from trainer.class_weights import Weights
from trainer.head_spec import HeadSpec
from trainer.network import Network, Recipe
from trainer.optimizers import OPTIMIZERS

_X = np.array([[1, 2], [3, -1], [0, 1], [2, 2]], np.float32)
_Y = np.array([0, 1, 1, 0], np.int32)
_ALL = np.arange(4, dtype=np.int32)[None]


def _recipe(**changes):
    settings = {
        'spec': HeadSpec(input_size=2, classes=2, hidden_units=0),
        'batch_size': 4,
        'optimizer': 'sgd',
        'learning_rate': 0.1,
        'l2': 0.0,
        'weights': Weights(np.ones(2, np.float32), np.ones(2, np.float32)),
        'seed': 0,
    }
    return Recipe(**{**settings, **changes})


def _network(**changes):
    return Network(_recipe(**changes), tf.distribute.get_strategy())


def _work(indices=_ALL, y=_Y):
    return Work(tf.constant(_X), tf.constant(y), indices)


def _by_hand(weights, bias, *, example_weights=1.0, l2=0.0):
    """One step of gradient descent on softmax regression, written out."""
    raw = _X @ weights + bias
    p = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
    error = (p - np.eye(2)[_Y]) * np.reshape(example_weights, (-1, 1)) / 4
    loss = np.mean(-np.log(p[np.arange(4), _Y]) * example_weights) + l2 * np.sum(weights**2)
    return weights - 0.1 * (_X.T @ error + 2 * l2 * weights), bias - 0.1 * error.sum(0), loss


def test_a_step_of_gradient_descent_is_the_one_by_hand():
    network = _network()
    matrix, bias, loss = _by_hand(*network.snapshot().weights)
    np.testing.assert_allclose(network.learn(_work(), 0), [loss], rtol=1e-6)
    np.testing.assert_allclose(network.snapshot().weights[0], matrix, rtol=1e-5)
    np.testing.assert_allclose(network.snapshot().weights[1], bias, rtol=1e-5)


def test_class_weights_and_l2_are_in_the_loss_and_its_gradient():
    network = _network(l2=0.05, weights=Weights(np.array([3, 0.5], np.float32), np.ones(2, np.float32)))
    matrix, bias, loss = _by_hand(*network.snapshot().weights, example_weights=[3, 0.5, 0.5, 3], l2=0.05)
    np.testing.assert_allclose(network.learn(_work(), 0), [loss], rtol=1e-6)
    np.testing.assert_allclose(network.snapshot().weights[0], matrix, rtol=1e-5)


def test_evaluation_is_unweighted_and_without_penalty():
    network = _network(l2=0.05, weights=Weights(np.array([3, 0.5], np.float32), np.ones(2, np.float32)))
    _, _, loss = _by_hand(*network.snapshot().weights)
    losses, scores = network.score(tf.constant(_X), tf.constant(_Y))
    np.testing.assert_allclose(losses.mean(), loss, rtol=1e-6)
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-6)


def test_with_several_labels_yes_and_no_have_weights_of_their_own():
    spec = HeadSpec(input_size=2, classes=2, hidden_units=0, multi_label=True)
    network = _network(spec=spec, weights=Weights(np.array([2, 1], np.float32), np.array([1, 3], np.float32)))
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.uint8)
    matrix, bias = network.snapshot().weights
    p = 1 / (1 + np.exp(-(_X @ matrix + bias)))
    weighted = -(truth * np.log(p) * [2, 1] + (1 - truth) * np.log(1 - p) * [1, 3])
    np.testing.assert_allclose(network.learn(_work(y=truth), 0), [weighted.mean()], rtol=1e-5)


@pytest.mark.parametrize('optimizer', OPTIMIZERS)
def test_every_optimizer_learns(optimizer):
    network = _network(optimizer=optimizer, spec=HeadSpec(input_size=2, classes=2, hidden_units=8, dropout=0))
    losses = network.learn(_work(np.repeat(_ALL, 60, axis=0)), 0)
    assert losses[-1] < 0.5 * losses[0]


def test_the_optimizers_of_the_flags_are_those_there_are():
    assert tuple(OPTIMIZERS) == config.OPTIMIZERS


@pytest.mark.parametrize('optimizer', OPTIMIZERS)
def test_a_restored_network_goes_on_as_if_nothing_had_happened(optimizer):
    changes = {'optimizer': optimizer, 'spec': HeadSpec(input_size=2, classes=2, hidden_units=8)}
    whole, begun, resumed = (_network(**changes) for _ in range(3))
    whole.learn(_work(np.repeat(_ALL, 6, axis=0)), 0)
    begun.learn(_work(np.repeat(_ALL, 4, axis=0)), 0)
    resumed.restore(begun.snapshot())
    resumed.learn(_work(np.repeat(_ALL, 2, axis=0)), 4)
    for one, other in zip(_all(whole.snapshot()), _all(resumed.snapshot()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_snapshot_is_a_copy():
    network = _network()
    before = network.snapshot().weights[0]
    kept = before.copy()
    network.learn(_work(), 0)
    np.testing.assert_array_equal(before, kept)


def test_the_fraction_of_hidden_units_dropped_is_the_one_asked_for():
    network = _network(spec=HeadSpec(input_size=2, classes=2, hidden_units=1000, dropout=0.3), batch_size=50)
    values = network._drop(tf.ones((50, 1000)), tf.constant(7, tf.int64)).numpy()
    assert abs(np.mean(values == 0) - 0.3) < 0.01
    assert abs(values.mean() - 1) < 0.01


def test_nodes_drop_together_what_one_node_would():
    def dropped(**changes):
        network = _network(spec=HeadSpec(input_size=2, classes=2, hidden_units=5), **changes)
        return network._drop(tf.ones((network.recipe.batch_size, 5)), tf.constant(3, tf.int64)).numpy()

    parts = [dropped(batch_size=2, nodes=2, node=node) for node in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(parts), dropped(batch_size=4))


def _all(snapshot: Snapshot):
    return [*snapshot.weights, *snapshot.slots]
