"""Running compiled encoders: the same vector for the same picture, whatever stands beside it."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from preprocess.compiled import CompiledEncoder
from preprocess.encoders import EncoderSpec, compile_encoder
from preprocess.engines import ENGINES, Engine, load_engine
from preprocess.failures import InputError, UsageError

ROOT = Path(__file__).parents[2]
REAL_MODEL = ROOT.parent / 'shared' / 'encoders' / 'mobilenet_v2_imagenet'


@pytest.fixture(scope='module')
def mini(tmp_path_factory: pytest.TempPathFactory) -> CompiledEncoder:
    return compile_encoder(EncoderSpec('mini'), str(tmp_path_factory.mktemp('encoders') / 'mini'))


def pictures(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)


def assert_rows_stand_for_themselves(engine: Engine) -> None:
    pixels = pictures(40, engine.input_shape)
    vectors = engine.encode(pixels)
    assert (vectors.shape, vectors.dtype) == ((40, engine.vector_size), np.float32)
    assert np.isfinite(vectors).all()
    for count in (0, 1, 3, 8, 32):
        assert np.array_equal(engine.encode(pixels[:count]), vectors[:count]), count
    order = np.random.default_rng(2).permutation(40)
    assert np.array_equal(engine.encode(pixels[order]), vectors[order])


def test_a_pictures_vector_does_not_depend_on_its_batch(mini: CompiledEncoder) -> None:
    assert_rows_stand_for_themselves(load_engine(mini))


@pytest.mark.slow
@pytest.mark.skipif(not REAL_MODEL.exists(), reason='needs ../shared/encoders/mobilenet_v2_imagenet')
def test_a_real_encoders_vectors_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    assert_rows_stand_for_themselves(load_engine(compile_encoder(EncoderSpec(str(REAL_MODEL)), str(tmp_path / 'real'))))


@pytest.mark.slow
def test_inceptions_vectors_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    spec = EncoderSpec('inception_v3', 'random')
    assert_rows_stand_for_themselves(load_engine(compile_encoder(spec, str(tmp_path / 'inception'))))


def test_vectors_do_not_depend_on_the_number_of_threads(mini: CompiledEncoder) -> None:
    pixels = pictures(9, mini.input_shape)
    one, two = (load_engine(mini, threads=threads).encode(pixels) for threads in (1, 2))
    assert np.array_equal(one, two)


def test_a_worker_loads_an_encoder_without_what_compiles_it(mini: CompiledEncoder) -> None:
    code = """
import sys
import numpy as np
from preprocess.compiled import CompiledEncoder
from preprocess.engines import load_engine
engine = load_engine(CompiledEncoder.load(sys.argv[1]), threads=1)
vectors = engine.encode(np.zeros((2, *engine.input_shape), np.uint8))
unwanted = {'preprocess.encoders', 'preprocess.keras_encoders', 'preprocess.freezing', 'tensorflow_hub', 'tf_keras'}
print(vectors.shape, unwanted & set(sys.modules))
"""
    command = [sys.executable, '-c', code, mini.directory]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '(2, 256) set()'


def test_pixels_of_another_shape_are_refused(mini: CompiledEncoder) -> None:
    engine = load_engine(mini)
    with pytest.raises(ValueError, match='not uint8'):
        engine.encode(pictures(2, (50, 50, 3)))
    with pytest.raises(ValueError, match='not uint8'):
        engine.encode(pictures(2, engine.input_shape).astype(np.float32))


def test_a_damaged_graph_is_not_loaded(mini: CompiledEncoder, tmp_path: Path) -> None:
    damaged = dataclasses.replace(mini, directory=str(tmp_path))
    (tmp_path / 'graph.pb').write_bytes(b'damaged')
    with pytest.raises(InputError, match='damaged'):
        load_engine(damaged)


def test_an_engine_that_is_not_there_is_answered_with_those_that_are(mini: CompiledEncoder) -> None:
    with pytest.raises(UsageError) as caught:
        load_engine(dataclasses.replace(mini, engine='tensorflow', precision='int4'))
    choices = [(engine, precision) for engine, precision in ENGINES if engine != 'pixels']
    assert len(choices) >= 5
    assert all(f'--engine {engine} --precision {precision}' in caught.value.do for engine, precision in choices)


def test_a_gpu_is_given_larger_batches_that_answer_the_same(
    mini: CompiledEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = pictures(70, mini.input_shape)
    expected = load_engine(mini).encode(pixels)
    monkeypatch.setattr('preprocess.processor.gpus', lambda: 1)
    engine = load_engine(mini)
    assert (engine.batch_size, engine.streams) == (64, 1)
    np.testing.assert_allclose(engine.encode(pixels), expected, rtol=1e-4, atol=1e-5)
