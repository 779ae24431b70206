"""A model's network in other engines and precisions: its own encoder, taken out of it, or a quantised one."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from predict import model as models
from predict import runtime, web
from predict.runtime import Runtime
from preprocess import processor, quantising
from preprocess.compiled import CompiledEncoder
from preprocess.encoders import EncoderSpec, compile_encoder
from preprocess.failures import InputError, UsageError
from tests.models import noise, noise_bytes, random_head, write_tiny
from tests.predict import servers
from tests.preprocess import fakes
from trainer.export import ModelParts, write_model

pytest.importorskip('openvino', reason="needs the extra `fast`: pip install 'headlight[fast]'")
pytest.importorskip('nncf', reason="needs the extra `fast`: pip install 'headlight[fast]'")
needs_bfloat16 = pytest.mark.skipif(
    not processor.computes_in_bfloat16(), reason='needs a processor that computes in bfloat16'
)
LABELS = ('a', 'b', 'c')
SIZES = (1, 4, 8)


@pytest.fixture(scope='module')
def photographs(tmp_path_factory) -> list[str]:
    """Pictures to calibrate on, in one folder."""
    return list(map(str, fakes.draw(tmp_path_factory.mktemp('pictures'), 104)))


@pytest.fixture(scope='module')
def mini_model(tmp_path_factory) -> str:
    """A model with the `mini` encoder and a random head."""
    home = tmp_path_factory.mktemp('mini')
    encoder = compile_encoder(EncoderSpec('mini'), str(home / 'encoder'))
    write_model(ModelParts(random_head(encoder.vector_size), LABELS, encoder), str(home / 'model'))
    return str(home / 'model')


@pytest.fixture(scope='module')
def quantised(tmp_path_factory, photographs) -> str:
    """The int8 encoder an embedding run left in its store."""
    spec = EncoderSpec('mini', engine='openvino', precision='int8')
    settled = quantising.settled(spec, store=str(tmp_path_factory.mktemp('store')), uris=lambda: photographs)
    assert settled.kept_at
    return settled.kept_at


def squares(model: runtime.Running, count: int = 8) -> list[np.ndarray]:
    height, width, _ = model.input_shape
    return [noise(seed, size=(width, height)) for seed in range(count)]


def scores(model: runtime.Running, some: list[np.ndarray], *, alone: bool = False) -> np.ndarray:
    return np.array([answer.scores for answer in model.answers(some, alone=alone)])


@pytest.fixture(scope='module')
def expected(mini_model) -> np.ndarray:
    """The scores of the model as it was exported."""
    model = models.load(mini_model)
    return np.array([answer.scores for answer in model.predict([noise(seed, size=(96, 96)) for seed in range(8)])])


@pytest.mark.parametrize(
    ('asked', 'tolerance'),
    [
        pytest.param(Runtime(), 1e-5, id='as exported'),
        pytest.param(Runtime('openvino'), 1e-4, id='openvino'),
        pytest.param(Runtime(precision='bfloat16'), 0.05, id='bfloat16', marks=needs_bfloat16),
        pytest.param(Runtime('openvino', 'bfloat16'), 0.05, id='openvino bfloat16', marks=needs_bfloat16),
    ],
)
def test_every_engine_gives_the_models_scores_in_every_size_of_batch(mini_model, expected, asked, tolerance):
    model = runtime.load(mini_model, asked, SIZES)
    some = squares(model)
    np.testing.assert_allclose(scores(model, some), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(scores(model, some[:4]), expected[:4], rtol=0, atol=tolerance)
    for alone in (True, False):
        np.testing.assert_allclose(scores(model, some[:1], alone=alone), expected[:1], rtol=0, atol=tolerance)


def test_an_encoder_that_was_quantised_for_embedding_serves(mini_model, quantised, expected):
    asked = Runtime(encoder_dir=quantised)
    assert asked.settled() == ('openvino', 'int8')
    model = runtime.load(mini_model, asked, SIZES)
    found = scores(model, squares(model))
    assert not np.array_equal(found, expected)
    assert np.abs(found - expected).mean() < 0.1


def test_pictures_quantise_the_models_own_encoder_which_is_kept_where_one_says(
    mini_model, photographs, expected, tmp_path
):
    folder = str(Path(photographs[0]).parent)
    asked = Runtime(encoder_dir=str(tmp_path / 'kept'), calibration_pictures=folder)
    model = runtime.load(mini_model, asked, SIZES)
    found = scores(model, squares(model))
    assert np.abs(found - expected).mean() < 0.1
    assert CompiledEncoder.load(str(tmp_path / 'kept')).quantised
    again = runtime.load(mini_model, Runtime(encoder_dir=str(tmp_path / 'kept')), SIZES)
    np.testing.assert_array_equal(scores(again, squares(again)), found)


def test_the_encoder_of_another_network_is_refused(quantised, tmp_path):
    other = write_tiny(tmp_path / 'model', side=96)
    with pytest.raises(InputError, match='of another network'):
        runtime.load(other, Runtime(encoder_dir=quantised), SIZES)


def test_a_network_of_other_weights_is_refused_and_another_compilation_of_the_same_is_not(
    mini_model, quantised, tmp_path
):
    given = CompiledEncoder.load(quantised)
    own = runtime._own_encoder(models.load_graph(mini_model), given.input_shape, str(tmp_path / 'own'))
    assert own.sha256 != given.sha256
    runtime._check_alike(own, given)
    definition = tf.compat.v1.GraphDef.FromString(Path(given.graph_path).read_bytes())
    for tensor in (node.attr['value'].tensor for node in definition.node if node.op == 'Const'):
        if len(tensor.tensor_content) > 1000:
            tensor.tensor_content = (np.frombuffer(tensor.tensor_content, np.float32) * 1.5).tobytes()
    graph = definition.SerializeToString()
    other = replace(given.copied(str(tmp_path / 'other')), sha256=hashlib.sha256(graph).hexdigest())
    Path(other.graph_path).write_bytes(graph)
    other.write()
    with pytest.raises(InputError, match='of another network'):
        runtime._check_alike(own, other)


@pytest.mark.parametrize(
    ('asked', 'failure', 'words'),
    [
        (Runtime('onnx'), UsageError, 'no engine onnx'),
        (Runtime('tensorflow', 'int8'), UsageError, 'no engine tensorflow with precision int8'),
        (Runtime('openvino', 'int8'), UsageError, 'takes a quantised encoder, or pictures'),
        (Runtime('openvino', 'int8', encoder_dir='/nowhere'), UsageError, 'takes a quantised encoder, or pictures'),
        (Runtime('openvino', 'float32', calibration_pictures='x'), UsageError, 'from the model itself'),
    ],
)
def test_ways_that_can_not_be_are_refused_with_the_way_out(asked, failure, words):
    with pytest.raises(failure, match=words):
        asked.settled()


def test_an_encoder_that_is_not_quantised_is_refused_for_int8(tmp_path):
    compile_encoder(EncoderSpec('mini'), str(tmp_path / 'encoder'))
    with pytest.raises(InputError, match='not quantised: it is tensorflow float32'):
        Runtime('openvino', 'int8', str(tmp_path / 'encoder')).settled()


def test_a_server_in_int8_answers(mini_model, quantised):
    with servers.serving(model_dir=mini_model, encoder_dir=quantised, network_threads=2) as server:
        answers = servers.together(*[lambda: server.post('/predict', noise_bytes(1))] * 12)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json['label'] for answer in answers}) == 1


def test_the_quantised_form_of_the_very_graph_in_the_model_is_taken_as_it_is(quantised, tmp_path, monkeypatch):
    encoder = CompiledEncoder.load(quantised)
    write_model(ModelParts(random_head(encoder.vector_size), LABELS, encoder), str(tmp_path / 'model'))

    def nobody_asks(*_: object) -> None:
        raise AssertionError('the encoder was taken out of the model')

    monkeypatch.setattr(runtime, '_own_encoder', nobody_asks)
    model = runtime.load(str(tmp_path / 'model'), Runtime(encoder_dir=quantised), SIZES)
    assert np.allclose(scores(model, squares(model)).sum(axis=1), 1, atol=1e-5)


def test_a_model_that_looks_at_frames_has_no_encoder_for_another_engine(mini_model, tmp_path):
    model = Path(shutil.copytree(mini_model, tmp_path / 'model'))
    said = json.loads((model / 'assets/model.json').read_text())
    (model / 'assets/model.json').write_text(json.dumps({**said, 'vector_shape': [96, 96, 3]}))
    with pytest.raises(InputError, match='no encoder that another engine could run'):
        runtime.load(str(model), Runtime('openvino'), SIZES)


def test_a_model_of_windows_is_refused_before_anything_is_loaded(mini_model, tmp_path):
    model = Path(shutil.copytree(mini_model, tmp_path / 'model'))
    said = json.loads((model / 'assets/model.json').read_text())
    window = {'frames': 5, 'stride': 1, 'label': 'last'}
    (model / 'assets/model.json').write_text(json.dumps({**said, 'window': window}))
    with pytest.raises(InputError, match='windows of 5 consecutive frames'):
        web.main(['--model_dir', str(model)])
