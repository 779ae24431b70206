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


_CLIPS = HeadSpec(16, 2, 0, kind='convlstm', frame=(4, 4, 1), window=4, clip_frames=2, filters=2)


def _frames(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1), np.uint8)


def _windows_of(frames, starts=(0, 2, 5, 3)):
    indices = np.array(starts, np.int32)[None, :, None] + np.arange(4, dtype=np.int32)
    return Work(tf.constant(frames), tf.constant(np.arange(len(frames)) % 2, tf.int32), indices)


def test_the_target_of_a_window_is_that_of_its_first_row():
    network = _network(spec=_CLIPS)
    frames = _frames(10)
    examples = np.stack([frames[start : start + 4] for start in (0, 2, 5, 3)])
    work = _windows_of(frames)
    network.learn(work, 0)  # from here on by running statistics, which the next step leaves be in scoring
    losses, _ = network.score(tf.constant(examples), tf.constant([0, 0, 1, 1]))
    wrong, _ = network.score(tf.constant(examples), tf.constant([1, 1, 0, 0]))
    steps = _windows_of(frames).indices.repeat(200, axis=0)
    found = network.learn(Work(work.values, work.targets, steps), 1)
    assert found[-1] < found[0]
    after, _ = network.score(tf.constant(examples), tf.constant([0, 0, 1, 1]))
    assert after.mean() < losses.mean()
    assert wrong.mean() != losses.mean()


def test_running_statistics_are_the_mean_of_the_first_batches():
    network = _network(spec=_CLIPS, optimizer='sgd', learning_rate=0.0)
    frames = _frames(10)
    means = []
    for step, starts in enumerate([(0, 1, 2, 3), (3, 4, 5, 6), (1, 3, 5, 6)]):
        alone = _network(spec=_CLIPS, learning_rate=0.0)
        alone.learn(_windows_of(frames, starts), 0)
        means.append(alone.snapshot().weights[2:4])
        network.learn(_windows_of(frames, starts), step)
    for place in (0, 1):
        expected = np.mean([of_batch[place] for of_batch in means], axis=0)
        np.testing.assert_allclose(network.snapshot().weights[2 + place], expected, rtol=1e-5)


def test_running_statistics_have_no_slots_and_go_on_as_if_nothing_had_happened():
    whole, begun, resumed = (_network(spec=_CLIPS, optimizer='adam', flips=('h', 'v')) for _ in range(3))
    assert len(whole.snapshot().slots) == 2 * (len(whole.snapshot().weights) - 2)
    work = _windows_of(_frames(10))

    def steps(network, first, last):
        network.learn(Work(work.values, work.targets, work.indices.repeat(last - first, axis=0)), first)

    steps(whole, 0, 5)
    steps(begun, 0, 3)
    resumed.restore(begun.snapshot())
    steps(resumed, 3, 5)
    for one, other in zip(_all(whole.snapshot()), _all(resumed.snapshot()), strict=True):
        np.testing.assert_array_equal(one, other)


def _flips(ways, number, **changes):
    """60 clips before and after; those of the node alone, where there are several."""
    network = _network(**{'spec': _CLIPS, 'flips': ways, 'batch_size': 60, **changes})
    size = network.recipe.batch_size
    start = network.recipe.node * size
    clips = np.stack([_frames(4, seed) for seed in range(60)])[start : start + size]
    return clips, network._flipped(tf.constant(clips), tf.constant(number, tf.int64)).numpy()


_WAYS = {
    'as it is': lambda x: x,
    'h': lambda x: x[:, :, ::-1],
    'v': lambda x: x[:, ::-1],
    'hv': lambda x: x[:, ::-1, ::-1],
}


@pytest.mark.parametrize('ways', [('h',), ('v',), ('hv',), ('h', 'v', 'hv')])
def test_all_frames_of_a_window_are_flipped_alike_in_one_of_the_ways_asked_for(ways):
    counts = dict.fromkeys(_WAYS, 0)
    for clip, flipped in zip(*_flips(ways, 7), strict=True):
        (way,) = [name for name, turned in _WAYS.items() if np.array_equal(turned(clip), flipped)]
        counts[way] += 1
    assert {name for name, count in counts.items() if count} == {'as it is', *ways}
    assert min(counts[way] for way in ('as it is', *ways)) > 60 / (len(ways) + 1) / 3


def test_flips_follow_from_the_seed_and_the_step():
    (_, one), (_, same), (_, later), (_, other) = (
        _flips(('h', 'v'), number, seed=seed) for number, seed in ((3, 0), (3, 0), (4, 0), (3, 1))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, later)
    assert not np.array_equal(one, other)


def test_nodes_flip_together_what_one_node_would():
    (_, one), (_, other) = (_flips(('h',), 3, batch_size=30, nodes=2, node=node) for node in (0, 1))
    np.testing.assert_array_equal(np.concatenate([one, other]), _flips(('h',), 3)[1])


def test_sequences_drop_the_same_units_at_all_times():
    network = _network(spec=HeadSpec(2, 2, 6, kind='lstm', window=5), batch_size=4)
    values = network._drop(tf.ones((5, 4, 6)), tf.constant(2, tf.int64), 0).numpy()
    assert set(np.unique(values)) == {0, 2}
    for time in range(1, 5):
        np.testing.assert_array_equal(values[time], values[0])
    assert not np.array_equal(values, network._drop(tf.ones((5, 4, 6)), tf.constant(2, tf.int64), 1).numpy())


def _all(snapshot: Snapshot):
    return [*snapshot.weights, *snapshot.slots]
