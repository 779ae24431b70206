"""Keras applications as encoders: where their weights come from. A tiny application stands in for the real ones."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from preprocess import keras_encoders
from preprocess.applications import APPLICATIONS, Application
from preprocess.encoders import EncoderSpec, compile_encoder, compile_in_child
from preprocess.engines import load_engine
from preprocess.failures import InputError
from preprocess.images import Pixels

ROOT = Path(__file__).parents[2]
REAL = tuple(APPLICATIONS)
SIZE = 24
TINY = Application(constructor='Tiny', size=SIZE, vector_size=5, scaled=True, weights_url='https://example.org/tiny.h5')
PIXELS: Pixels = np.random.default_rng(2).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


def tiny(
    *,
    include_top: bool,
    weights: None = None,
    pooling: str | None = None,
    input_shape: tuple[int, int, int] | None = None,
    classes: int = 10,
) -> keras.Model:
    """A network in the manner of keras.applications."""
    inputs = keras.Input(input_shape or (SIZE, SIZE, 3))
    values = keras.layers.Conv2D(4, 3, strides=2, use_bias=False)(inputs)
    values = keras.layers.BatchNormalization(scale=False)(values)
    values = keras.layers.ReLU()(values)
    values = keras.layers.DepthwiseConv2D(3)(values)
    values = keras.layers.Conv2D(5, 1)(values)
    if include_top or pooling == 'avg':
        values = keras.layers.GlobalAveragePooling2D()(values)
    if include_top:
        values = keras.layers.Dense(classes, activation='softmax')(values)
    return keras.Model(inputs, values)


@pytest.fixture(autouse=True)
def tiny_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(APPLICATIONS, 'tiny', TINY)
    monkeypatch.setattr(keras.applications, 'Tiny', tiny, raising=False)


def drawn(model: keras.Model) -> keras.Model:
    """The model with every weight other than its default, averages and variances too."""
    rng = np.random.default_rng(4)
    model.set_weights([rng.uniform(0.2, 1.0, weight.shape) for weight in model.get_weights()])
    return model


def features(model: keras.Model) -> np.ndarray:
    """What the model's features are before its classifier, by Keras itself."""
    pooling = next(layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    return keras.Model(model.inputs, pooling.output).predict(PIXELS / 127.5 - 1.0, verbose=0)


def vectors(directory: Path, weights: str | None) -> np.ndarray:
    return load_engine(compile_encoder(EncoderSpec('tiny', weights), str(directory))).encode(PIXELS)


@pytest.mark.parametrize('ending', ['.weights.h5', '.h5', '.keras'])
@pytest.mark.parametrize('include_top', [True, False])
def test_weights_are_read_with_or_without_a_classifier(tmp_path: Path, ending: str, include_top: bool) -> None:
    model = drawn(tiny(include_top=include_top, pooling='avg'))
    path = str(tmp_path / f'file{ending}')
    model.save_weights(path) if ending == '.weights.h5' else model.save(path)
    np.testing.assert_allclose(vectors(tmp_path / 'encoder', path), features(model), rtol=1e-5)


def test_a_classifier_of_other_classes_does_not_matter(tmp_path: Path) -> None:
    model = drawn(tiny(include_top=True, classes=3))
    model.save(tmp_path / 'mine.keras')
    np.testing.assert_allclose(vectors(tmp_path / 'encoder', str(tmp_path / 'mine.keras')), features(model), rtol=1e-5)


def test_an_application_inside_a_model_of_ones_own_is_found(tmp_path: Path) -> None:
    inside = drawn(tiny(include_top=False, pooling='avg'))
    whole = keras.Sequential([keras.Input((SIZE, SIZE, 3)), inside, keras.layers.Dense(2)])
    whole.save(tmp_path / 'mine.keras')
    np.testing.assert_allclose(vectors(tmp_path / 'encoder', str(tmp_path / 'mine.keras')), features(inside), rtol=1e-5)


def test_a_file_of_another_network_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    other = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    other.save(tmp_path / 'other.keras')
    other.save(tmp_path / 'other.h5')
    other.save_weights(tmp_path / 'other.weights.h5')
    for ending in ('h5', 'keras', 'weights.h5'):
        (tmp_path / f'damaged.{ending}').write_bytes(b'damaged')
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(InputError, match='not the weights of Tiny') as caught:
            vectors(tmp_path / 'encoder', str(path))
        assert caught.value.where == str(path)


def test_code_in_a_keras_file_is_refused_not_run(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Lambda(lambda values: values)])
    model.save(tmp_path / 'code.keras')
    with pytest.raises(InputError, match='not the weights of Tiny'):
        vectors(tmp_path / 'encoder', str(tmp_path / 'code.keras'))


def test_random_weights_are_the_same_every_time_and_tell_pictures_apart(tmp_path: Path) -> None:
    first = vectors(tmp_path / 'first', 'random')
    assert np.array_equal(first, vectors(tmp_path / 'second', 'random'))
    assert np.isfinite(first).all() and first.std(axis=0).min() > 0


def test_imagenet_weights_come_from_keras_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = drawn(tiny(include_top=False, pooling='avg'))
    model.save(tmp_path / 'cached.h5')
    asked = []

    def get_file(name: str, url: str, **options: object) -> str:
        asked.append((name, url, options))
        return str(tmp_path / 'cached.h5')

    monkeypatch.setattr(keras.utils, 'get_file', get_file)
    np.testing.assert_allclose(vectors(tmp_path / 'encoder', None), features(model), rtol=1e-5)
    assert asked == [('tiny.h5', 'https://example.org/tiny.h5', {'cache_subdir': 'models', 'file_hash': None})]


@pytest.mark.parametrize('error', [Exception('URL fetch failure'), TimeoutError('timed out'), ValueError('bad hash')])
def test_weights_that_can_not_be_had_are_an_error_that_says_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def get_file(*arguments: object, **options: object) -> str:
        raise error

    monkeypatch.setattr(keras.utils, 'get_file', get_file)
    with pytest.raises(InputError) as caught:
        vectors(tmp_path / 'encoder', None)
    for way_out in ('models', '--encoder_weights FILE', '--encoder DIR', 'hub:URL', 'random'):
        assert way_out in caught.value.do
    assert not (tmp_path / 'encoder').exists()


def test_a_bug_while_fetching_is_not_taken_for_a_missing_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_file(*arguments: object, **options: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(keras.utils, 'get_file', get_file)
    with pytest.raises(ZeroDivisionError):
        vectors(tmp_path / 'encoder', None)


def test_the_table_is_keras_own() -> None:
    sources = Path(str(sys.modules[keras.applications.InceptionV3.__module__].__file__)).parent.glob('*.py')
    pinned = ''.join(source.read_text() for source in sources)
    for name in REAL:
        assert hasattr(keras.applications, APPLICATIONS[name].constructor)
        assert all(md5 in pinned for md5 in APPLICATIONS[name].weights_md5), name


@pytest.mark.slow
@pytest.mark.parametrize('name', REAL)
def test_every_application_answers_as_keras_does(tmp_path: Path, name: str) -> None:
    application = APPLICATIONS[name]
    compiled = compile_encoder(EncoderSpec(name, 'random'), str(tmp_path / 'encoder'))
    assert compiled.input_shape == (application.size, application.size, 3)
    assert compiled.vector_size == application.vector_size
    pixels = np.random.default_rng(0).integers(0, 256, (2, *compiled.input_shape), dtype=np.uint8)
    model = keras_encoders.random(application).owner
    assert isinstance(model, keras.Model)
    module = sys.modules[getattr(keras.applications, application.constructor).__module__]
    by_keras = model.predict(module.preprocess_input(pixels.astype(np.float32)), verbose=0)
    np.testing.assert_allclose(
        load_engine(compiled).encode(pixels), by_keras, atol=1e-4 * float(np.abs(by_keras).max())
    )


@pytest.mark.slow
def test_without_a_network_the_default_encoder_fails_in_three_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('KERAS_HOME', str(tmp_path / 'keras'))
    for proxy in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'):
        monkeypatch.setenv(proxy, 'http://127.0.0.1:9')
    with pytest.raises(InputError) as caught:
        compile_in_child(EncoderSpec('inception_v3'), str(tmp_path / 'encoder'))
    assert len(caught.value.lines().splitlines()) == 3
    assert str(tmp_path / 'keras' / 'models') in caught.value.do
