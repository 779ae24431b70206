import numpy as np
import pytest
import tensorflow as tf

from trainer import config, heads
from trainer.head_spec import HeadSpec
from trainer.heads import TrainedHead
from trainer.layers import AS_IT_IS, Mode

_SPEC = HeadSpec(input_size=3, classes=2, hidden_units=4)


def test_scores_are_relu_dense_softmax():
    weights = heads.initial_weights(_SPEC, seed=1)
    rows = np.array([[1, -2, 3], [0, 0, 0]], np.float32)
    hidden = np.maximum(rows @ weights[0] + weights[1], 0)
    raw = hidden @ weights[2] + weights[3]
    expected = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
    np.testing.assert_allclose(TrainedHead(_SPEC, weights).scores(rows), expected, rtol=1e-6)


def test_no_hidden_units_is_plain_softmax_regression():
    spec = HeadSpec(input_size=3, classes=2, hidden_units=0)
    weights = heads.initial_weights(spec, seed=0)
    assert [w.shape for w in weights] == [(3, 2), (2,)]
    scores = TrainedHead(spec, weights).scores(np.zeros((1, 3)))
    np.testing.assert_array_equal(scores, [[0.5, 0.5]])


def test_multi_label_scores_are_one_sigmoid_a_class():
    spec = HeadSpec(input_size=1, classes=2, hidden_units=0, multi_label=True)
    head = TrainedHead(spec, (np.array([[0, 100]], np.float32), np.zeros(2, np.float32)))
    np.testing.assert_allclose(head.scores([[1.0]]), [[0.5, 1.0]])


def test_no_rows_give_no_scores():
    assert TrainedHead(_SPEC, heads.initial_weights(_SPEC, 0)).scores(np.zeros((0, 3))).shape == (0, 2)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    one, same, other = (heads.initial_weights(_SPEC, seed)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_drop_out_acts_on_the_hidden_layer():
    weights = [tf.constant(w) for w in heads.initial_weights(_SPEC, 0)]
    nothing = Mode(drop=lambda values, _: tf.zeros_like(values))
    nothing_left = heads.logits(_SPEC, weights, tf.ones((1, 3)), mode=nothing)
    np.testing.assert_array_equal(nothing_left, [[0, 0]])


def test_plain_softmax_has_nothing_to_drop():
    spec = HeadSpec(input_size=3, classes=2, hidden_units=0)
    weights = [tf.constant(w) for w in heads.initial_weights(spec, 0)]
    nothing = Mode(drop=lambda values, _: tf.zeros_like(values))
    dropped, kept = (heads.logits(spec, weights, tf.ones((1, 3)), mode=mode) for mode in (nothing, AS_IT_IS))
    np.testing.assert_array_equal(dropped, kept)


def test_one_label_is_enough_where_a_row_may_have_several():
    assert HeadSpec(input_size=3, classes=1, multi_label=True).classes == 1


@pytest.mark.parametrize(
    'wrong', [{'kind': 'magic'}, {'classes': 1}, {'dropout': 1.0}, {'hidden_units': -1}, {'input_size': 0}]
)
def test_an_impossible_head_is_not_born(wrong):
    with pytest.raises(ValueError):
        HeadSpec(**{'input_size': 3, 'classes': 2, **wrong})


def test_weights_that_do_not_fit_the_spec_are_refused():
    with pytest.raises(ValueError, match='do not fit'):
        TrainedHead(_SPEC, heads.initial_weights(HeadSpec(input_size=4, classes=2), 0))


def test_the_flags_name_every_head() -> None:
    assert tuple(heads.HEADS) == config.HEADS
