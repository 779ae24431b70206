"""Our layers beside Keras' with the same weights."""

import numpy as np
import pytest
import tensorflow as tf

from trainer import heads, layers
from trainer.head_spec import HeadSpec
from trainer.heads import TrainedHead


def _filled(spec, seed=1):
    """Initial weights, but no bias or statistic as it begins."""
    random = np.random.default_rng(seed)
    weights = heads.initial_weights(spec, seed)
    return tuple(w if w.ndim > 1 else random.uniform(0.2, 1, w.shape).astype(np.float32) for w in weights)


def _set(model, weights):
    rest = list(weights)
    for layer in model.layers:
        count = len(layer.get_weights())
        layer.set_weights(rest[:count])
        del rest[:count]
    assert rest == []


def test_an_lstm_of_two_layers_answers_as_keras_does():
    from keras import Sequential
    from keras.layers import LSTM, Dense, Input

    spec = HeadSpec(7, 3, hidden_units=5, kind='lstm', window=6, layers=2)
    weights = _filled(spec)
    model = Sequential([Input((6, 7)), LSTM(5, return_sequences=True), LSTM(5), Dense(3, activation='softmax')])
    _set(model, weights)
    rows = np.random.default_rng(0).normal(size=(4, 6, 7)).astype(np.float32)
    np.testing.assert_allclose(TrainedHead(spec, weights).scores(rows), model.predict(rows, verbose=0), atol=1e-5)


@pytest.mark.parametrize('count', [1, 2])
def test_a_convlstm_answers_as_the_published_model_does_in_keras(count):
    from keras import Sequential
    from keras import layers as k

    kind = {'kernel_size': 3, 'recurrent_activation': 'hard_sigmoid', 'use_bias': False}
    normalised = k.BatchNormalization(center=False, scale=False)
    if count == 1:
        body = [k.ConvLSTM2D(3, **kind), normalised]
    else:
        pooled = [k.TimeDistributed(k.MaxPooling2D(2)), k.TimeDistributed(normalised)]
        body = [k.ConvLSTM2D(3, return_sequences=True, **kind), *pooled, k.ConvLSTM2D(6, **kind)]
    model = Sequential([k.Input((3, 12, 14, 4)), *body, k.GlobalMaxPooling2D(), k.Dense(1, activation='sigmoid')])
    spec = HeadSpec(
        12 * 14, 2, 0, kind='convlstm', frame=(12, 14, 1), window=12, clip_frames=4, filters=3, layers=count
    )
    weights = _filled(spec)
    _set(model, weights)
    frames = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 14, 1), np.uint8)
    # The time-channels layout: channel k of slice s is frame 4 s + k.
    clips = np.stack([frames[:, at : at + 4, :, :, 0] for at in (0, 4, 8)], axis=1).transpose(0, 1, 3, 4, 2) / 255
    ours = TrainedHead(spec, weights).scores(frames)
    np.testing.assert_allclose(ours[:, 1], model.predict(clips, verbose=0)[:, 0], atol=1e-5)
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=1e-6)


def test_a_cnn_answers_as_the_same_layers_of_keras_do():
    from keras import Sequential
    from keras import layers as k

    spec = HeadSpec(30 * 28 * 3, 4, 8, kind='cnn', frame=(30, 28, 3), layers=2, filters=4)
    convolutions = [layer for n in (4, 8) for layer in (k.Conv2D(n, 3, activation='relu'), k.MaxPooling2D(2))]
    dense = [k.Dense(8, activation='relu'), k.Dense(8, activation='relu'), k.Dense(4, activation='softmax')]
    model = Sequential([k.Input((30, 28, 3)), k.Rescaling(1 / 255), *convolutions, k.Flatten(), *dense])
    weights = _filled(spec)
    _set(model, weights)
    frames = np.random.default_rng(0).integers(0, 256, (3, 30, 28, 3), np.uint8)
    np.testing.assert_allclose(TrainedHead(spec, weights).scores(frames), model.predict(frames, verbose=0), atol=1e-5)


def test_colours_of_a_frame_stay_together_in_a_slice():
    frames = np.arange(2 * 4 * 1 * 1 * 3).reshape(2, 4, 1, 1, 3).astype(np.uint8)
    found = layers.slices(tf.constant(frames), 2).numpy()
    assert found.shape == (2, 2, 1, 1, 6)
    assert found[:, 0, 0, 0].tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert found[0, 1, 0, 0].tolist() == [12, 13, 14, 15, 16, 17]


def test_what_goes_round_begins_orthogonal_and_forget_gates_open():
    spec = HeadSpec(7, 3, hidden_units=5, kind='lstm', window=6, layers=1)
    _, recurrent, bias, *_ = heads.initial_weights(spec, 0)
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(5), atol=1e-6)
    assert bias.tolist() == [0] * 5 + [1] * 5 + [0] * 10
