"""The policy in TensorFlow's ops: bit for bit at the encoder's size, within rounding of Pillow's at others."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from preprocess import images
from preprocess.graph_images import decode_in_graph
from tests.preprocess import odd_pictures as odd

SHAPE = (64, 80, 3)
ODD = {picture.name: picture.data for picture in odd.odd_pictures()}
PHOTOS = sorted((Path(__file__).parents[2].parent / 'shared' / 'photos' / 'flowers').glob('*/*'))


def decoder(shape: tuple[int, int, int]) -> tf.types.experimental.ConcreteFunction:
    """Decode a batch, as a model's signature does."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def decode(files: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda one: decode_in_graph(one, shape), files, fn_output_signature=tf.TensorSpec(shape, tf.uint8)
        )

    return decode


@pytest.fixture(scope='module')
def decode() -> tf.types.experimental.ConcreteFunction:
    return decoder(SHAPE)


def difference(data: bytes, decode: tf.types.experimental.ConcreteFunction) -> np.ndarray:
    ours = images.to_pixels(data, SHAPE).astype(int)
    return np.abs(decode([data]).numpy()[0].astype(int) - ours)


@pytest.mark.parametrize('channels', [1, 3])
def test_a_png_of_the_encoders_size_comes_back_bit_for_bit(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 29, 31, channels), dtype=np.uint8)
    answered = decoder((29, 31, channels))([images.png_bytes(picture) for picture in pixels]).numpy()
    assert np.array_equal(answered, pixels)


EXACT = (
    *('plain.png', 'plain.gif', 'plain.bmp', 'L.png', '1.png', 'P.png', 'P-transparent.png', 'P-translucent.png'),
    *('RGB-transparent.png', 'LA.png', 'RGBA.png', 'RGBA.bmp', 'L.bmp', 'P.bmp', '16-bit-gray.png', '16-bit-rgb.png'),
    *('plain.jpg', 'progressive.jpg', 'L.jpg', 'CMYK.jpg', 'two-pictures.mpo', 'junk-behind.jpg', 'one-pixel.png'),
    *('tall.png', 'wide.jpg', 'animated.gif', 'animated.png', 'worst-quality.jpg'),
)


@pytest.mark.parametrize('name', EXACT)
def test_small_pictures_differ_by_rounding_alone(name: str, decode: tf.types.experimental.ConcreteFunction) -> None:
    differing = difference(ODD[name], decode)
    assert differing.max() <= 2 and differing.mean() < 0.5


def test_narrow_palettes_and_grays_keep_their_colours(decode: tf.types.experimental.ConcreteFunction) -> None:
    for colours in (2, 4, 16):
        picture = odd.photograph().quantize(colours)
        for options in ({}, {'transparency': 1}):
            assert difference(odd.encoded(picture, 'PNG', **options), decode).max() <= 1


def test_a_much_larger_jpeg_is_nearly_the_reduced_one(decode: tf.types.experimental.ConcreteFunction) -> None:
    differing = difference(odd.encoded(odd.photograph(1600, 1200), 'JPEG', quality=90), decode)
    assert differing.mean() < 1.5


def test_large_pictures_are_antialiased(decode: tf.types.experimental.ConcreteFunction) -> None:
    stripes = Image.fromarray(np.tile(np.array([[0, 255]], np.uint8), (640, 400)))
    answered = decode([odd.encoded(stripes, 'PNG')]).numpy()
    assert np.abs(answered.astype(int) - 128).max() < 6


@pytest.mark.skipif(not PHOTOS, reason='needs ../shared/photos')
def test_photographs_are_nearly_the_same(decode: tf.types.experimental.ConcreteFunction) -> None:
    for path in PHOTOS[::20]:
        differing = difference(path.read_bytes(), decode)
        assert differing.mean() < 2.5, path.name


@pytest.mark.parametrize('name', ['empty.jpg', 'notes.txt', 'cut-at-10.png', 'raw.tiff', 'garbage-data.png'])
def test_what_it_can_not_decode_is_an_error_of_the_request(
    name: str, decode: tf.types.experimental.ConcreteFunction
) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode([ODD[name]])


def test_the_ops_live_in_a_saved_model(tmp_path: Path, decode: tf.types.experimental.ConcreteFunction) -> None:
    module = tf.Module()
    module.decode = decode
    tf.saved_model.save(module, str(tmp_path), signatures=decode)
    loaded = tf.saved_model.load(str(tmp_path)).signatures['serving_default']
    files = [ODD[name] for name in ('RGBA.png', 'plain.jpg', 'plain.gif', 'P.bmp')]
    assert np.array_equal(loaded(files=tf.constant(files))['output_0'].numpy(), decode(files).numpy())
