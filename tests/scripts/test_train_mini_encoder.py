"""Training `mini`: the same seed draws the same pictures, and what is left is a graph every reader can use."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from scripts import mini_network, mini_pictures, train_mini_encoder
from scripts.mini_pictures import TRAINING_CLASSES
from scripts.train_mini_encoder import NOTICE, draw_set


def _answers(graph: bytes, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    with tf.Graph().as_default() as imported, tf.compat.v1.Session(graph=imported) as session:
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef.FromString(graph), name='')
        answers: NDArray[np.float32] = session.run('vectors:0', {'pixels:0': pixels})
        return answers


def test_the_same_seed_draws_the_same_set_and_another_seed_another() -> None:
    one, same, other = (draw_set(1, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.pixels, same.pixels)
    assert not any(np.array_equal(a, b) for a, b in zip(one.pixels, other.pixels, strict=True))
    assert one.classes.tolist() == list(range(len(TRAINING_CLASSES)))


def test_more_pictures_of_a_class_begin_with_the_fewer() -> None:
    assert np.array_equal(mini_pictures.draw_class(4, 3, 0)[:2], mini_pictures.draw_class(4, 2, 0))


def test_the_frozen_graph_answers_as_the_network_does() -> None:
    network = mini_network.build(96, 2, seed=0)
    pixels = mini_pictures.draw_class(0, 3, 0)
    expected = network.encoder(pixels.astype(np.float32), training=False).numpy()
    answers = _answers(mini_network.frozen(network), pixels)
    assert answers.shape == (3, 256)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, expected, atol=1e-4)


@pytest.mark.slow
def test_training_moves_the_weights_and_leaves_the_pictures_as_they_are() -> None:
    network = mini_network.build(96, 2, seed=0)
    pixels = np.concatenate([mini_pictures.draw_class(class_id, 4, 0) for class_id in (0, 1)])
    before, pictures = network.classifier.get_weights(), pixels.copy()
    mini_network.fit(network, pixels, np.repeat([0, 1], 4), mini_network.Schedule(epochs=1, seed=0, batch_size=4))
    assert not any(np.array_equal(a, b) for a, b in zip(before, network.classifier.get_weights(), strict=True))
    assert np.array_equal(pixels, pictures)


def test_the_command_writes_the_graph_and_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mini_network, 'fit', lambda *args: None)
    train_mini_encoder.main(['--output_dir', str(tmp_path), '--pictures_per_class', '1', '--epochs', '1'])
    about = json.loads((tmp_path / 'about.json').read_text(encoding='utf-8'))
    assert about['made_by'] == 'python -m scripts.train_mini_encoder --pictures_per_class 1 --epochs 1 --seed 0'
    assert (about['notice'], tuple(about['classes'])) == (NOTICE, TRAINING_CLASSES)
    assert _answers((tmp_path / 'graph.pb').read_bytes(), np.zeros((2, 96, 96, 3), np.uint8)).shape == (2, 256)
