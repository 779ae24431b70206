import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss, roc_auc_score

from preprocess.record_sets import find_records
from tests.trainer import raw_records
from trainer import classes, data, quality
from trainer.class_weights import Weights
from trainer.classes import Classes
from trainer.head_spec import HeadSpec
from trainer.network import Network, Recipe
from trainer.result import Quality

_ABC = Classes(('a', 'b', 'c'))


def _measured(tmp_path, labels, *, told_apart=_ABC, weights=None, **how):
    """A set of these labels and what a small network makes of it: (quality, scores, examples)."""
    vectors = np.random.default_rng(0).normal(size=(len(labels), 4))
    found = find_records([raw_records.write(tmp_path, 'set', vectors, labels, shards=2)])
    examples = data.examples(data.read('evaluation', found, stream=how.get('stream', False)), told_apart)
    spec = HeadSpec(4, len(told_apart), hidden_units=0, multi_label=told_apart.multi_label)
    ones = np.ones(len(told_apart), np.float32)
    recipe = Recipe(
        spec=spec, batch_size=1, optimizer='sgd', learning_rate=1, l2=0, weights=Weights(ones, ones), seed=1
    )
    network = Network(recipe, tf.distribute.get_strategy())
    if weights is not None:
        network.use(weights)
    everything = np.concatenate([values.numpy() for _, values in examples.whole().batches(1024)])
    _, scores = network.score(tf.constant(everything), examples.targets)
    return quality.measure(network, examples, batch_size=how.get('batch_size', 1024)), scores[examples.rows], examples


@pytest.mark.parametrize('batch_size', [1, 7, 1024])
@pytest.mark.parametrize('stream', [False, True])
def test_the_whole_set_is_measured_whatever_the_batch_size(tmp_path, batch_size, stream):
    found, scores, examples = _measured(
        tmp_path, [(row % 3,) for row in range(23)], batch_size=batch_size, stream=stream
    )
    truth = examples.targets.numpy()
    assert found.loss == pytest.approx(log_loss(truth, scores, labels=[0, 1, 2]), rel=1e-5)
    assert found.accuracy == np.mean(scores.argmax(1) == truth)
    expected = [roc_auc_score(truth == label, scores[:, label]) for label in range(3)]
    assert found.auc == pytest.approx(np.mean(expected))


def test_rows_not_in_use_are_not_measured(tmp_path):
    found, scores, examples = _measured(tmp_path, [() if row % 2 else (row % 3,) for row in range(20)])
    assert found.accuracy == np.mean(scores.argmax(1) == examples.targets.numpy()[examples.rows])


def test_where_a_class_is_named_positive_auc_is_of_it(tmp_path):
    names = Classes(('negative', 'positive', 'other'))
    found, scores, examples = _measured(tmp_path, [(row % 3,) for row in range(20)], told_apart=names)
    assert found.auc == pytest.approx(roc_auc_score(examples.targets.numpy() == 1, scores[:, 1]))


def test_with_several_labels_all_must_be_right(tmp_path):
    several = classes.make(['a', 'b'], multi_label=True, unlabelled=False)
    labels = [[(0,), (1,), (0, 1)][row % 3] for row in range(20)]
    found, scores, examples = _measured(tmp_path, labels, told_apart=several)
    truth = examples.targets.numpy().astype(bool)
    assert found.accuracy == np.mean(((scores >= 0.5) == truth).all(1))
    assert found.auc == pytest.approx(np.mean([roc_auc_score(truth[:, c], scores[:, c]) for c in range(2)]))


def test_scores_that_are_the_same_for_every_input_are_noticed(tmp_path):
    dead = (np.zeros((4, 3), np.float32), np.array([1, 2, 3], np.float32))
    labels = [(row % 3,) for row in range(9)]
    assert _measured(tmp_path, labels, weights=dead)[0].constant
    assert not _measured(tmp_path, labels)[0].constant


def test_of_a_very_large_set_auc_looks_at_evenly_spread_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(quality, '_AUC_SCORES', 30)
    found, scores, examples = _measured(tmp_path, [(row % 2,) for row in range(20)], batch_size=3)
    truth, some = examples.targets.numpy()[::2], scores[::2]
    assert found.auc == pytest.approx(np.mean([roc_auc_score(truth == c, some[:, c]) for c in range(2)]))


def test_ties_count_half():
    assert quality.auc(np.array([True, False]), np.array([0.5, 0.5], np.float32)) == 0.5


def test_one_side_alone_has_no_auc():
    assert quality.auc(np.array([True, True]), np.array([0.1, 0.5], np.float32)) is None


def test_auc_equals_scikit_learns_with_ties():
    random = np.random.default_rng(0)
    truth, scores = random.random(500) < 0.3, np.round(random.random(500), 1).astype(np.float32)
    assert quality.auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))


def test_the_majority_class_is_the_training_sets(tmp_path):
    _, _, examples = _measured(tmp_path, [(0,), (1,), (1,), (2,)])
    assert quality.majority_accuracy(examples, np.array([9, 1, 1])) == 0.25


def test_with_several_labels_the_most_common_alone_must_be_right(tmp_path):
    several = classes.make(['a', 'b'], multi_label=True, unlabelled=False)
    _, _, examples = _measured(tmp_path, [(0,), (0, 1), (1,), (0,)], told_apart=several)
    assert quality.majority_accuracy(examples, examples.counts()) == 0.5


def test_the_majority_class_stands_beside_the_accuracy():
    assert Quality(0.4631, 0.7629, 0.8124).text(0.5) == '0.463, 0.763 (majority class 0.500), AUC 0.812'
    assert Quality(0.4631, 0.7629, None).text(0.5) == '0.463, 0.763 (majority class 0.500)'
