"""A head that is cut out of its model: the model's own scores, without a byte of the encoder."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from predict.head_file import HeadGraph
from predict.head_graph import cut_out
from preprocess.failures import InputError
from tests.models import LABELS, VECTOR_SIZE, random_head, tiny_encoder
from trainer.export import ModelParts, write_model


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp('model')
    write_model(ModelParts(random_head(VECTOR_SIZE), LABELS, tiny_encoder(folder / 'encoder')), str(folder / 'model'))
    return str(folder / 'model')


def test_its_scores_are_those_of_classify(model: str, tmp_path: Path) -> None:
    cut_out(model).write(str(tmp_path / 'head'))
    vectors = np.random.default_rng(1).standard_normal((7, VECTOR_SIZE), np.float32)
    loaded = tf.saved_model.load(model)
    expected = loaded.signatures['classify'](embedding=tf.constant(vectors))['scores'].numpy()
    found = HeadGraph.read(str(tmp_path / 'head')).load(len(LABELS))(vectors)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_nothing_of_the_encoder_comes_along(model: str) -> None:
    graph = tf.compat.v1.GraphDef.FromString(cut_out(model).graph)
    bodies = [node for function in graph.library.function for node in function.node_def]
    assert {'MatMul', 'Softmax'} <= {node.op for node in bodies}
    assert {'DecodeJpeg', 'DecodeImage', 'Mean', 'ResizeBilinear'} & {node.op for node in bodies} == set()


def test_a_model_of_others_has_none(tmp_path: Path) -> None:
    module = tf.Module()
    module.weight = tf.Variable(2.0)
    module.serve = tf.function(lambda x: x * module.weight, input_signature=[tf.TensorSpec([], tf.float32)])
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    with pytest.raises(InputError, match='no head that stands alone'):
        cut_out(str(tmp_path))


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / 'saved_model.pb').write_bytes(b'\xff\xff nothing')
    with pytest.raises(InputError, match='damaged'):
        cut_out(str(tmp_path))
