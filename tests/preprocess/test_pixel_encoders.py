"""Pixel encoders: the records hold the pictures themselves, at the size asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preprocess import encoders, engines, images, pixel_encoders, records
from preprocess.encoders import EncoderSpec
from preprocess.failures import UsageError
from preprocess.manifest import Manifest
from preprocess.options import EmbeddingConfig
from preprocess.record_sets import find_records
from preprocess.records import Record
from tests.preprocess.fakes import FAKE, draw, picture
from tests.preprocess.runs import config, embed, make, vectors_kept, write_csv

PIXELS = replace(FAKE, compile=encoders.compile_encoder, load=engines.load_engine)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw(tmp_path, 5)
    write_csv(tmp_path, 'train.csv', [f'{number:05d}.png,cat' for number in range(5)])
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    return tmp_path


def read(prefix: Path) -> dict[str, Record]:
    found = [record for shard in find_records([str(prefix)]).shards for record in records.read(shard.path)]
    return {Path(record.image_uri).name: record for record in found}


@pytest.mark.parametrize(
    ('name', 'shape'),
    [('pixels:224x224', (224, 224, 3)), ('pixels:120x160:gray', (120, 160, 1)), ('pixels:7x9', (7, 9, 3))],
)
def test_a_name_says_height_width_and_whether_it_is_gray(name, shape):
    spec = EncoderSpec(name)
    assert (spec.canonical, spec.engine, spec.precision) == (name, 'pixels', 'uint8')
    assert pixel_encoders.find(name).shape == shape


@pytest.mark.parametrize('name', ['pixels:', 'pixels:224', 'pixels:0x9', 'pixels:9x9:grey', 'pixels:9x9x3'])
def test_a_name_that_is_no_size_is_refused(name):
    with pytest.raises(UsageError) as error:
        EncoderSpec(name)
    assert (error.value.where, 'pixels:224x224' in error.value.do) == ('--encoder', True)


def test_pixels_nobody_could_hold_are_refused():
    with pytest.raises(UsageError, match='the limit is'):
        EncoderSpec('pixels:9999x9999')


@pytest.mark.parametrize(
    'asked', [{'engine': 'openvino'}, {'precision': 'bfloat16'}, {'engine': 'openvino', 'precision': 'int8'}]
)
def test_no_engine_is_asked_to_compute_pixels(asked):
    with pytest.raises(UsageError, match='no network'):
        EncoderSpec('pixels:8x8', **asked)
    with pytest.raises(UsageError, match='is no pixels'):
        EncoderSpec('mini', engine='pixels', precision='uint8')


def test_auto_is_nothing_to_pixels():
    assert EmbeddingConfig(encoder='pixels:8x8', precision='auto').spec == EncoderSpec('pixels:8x8')


def test_keys_differ_by_size_and_colour():
    names = ['pixels:8x8', 'pixels:8x9', 'pixels:9x8', 'pixels:8x8:gray']
    assert len({EncoderSpec(name).key() for name in names}) == 4


@pytest.mark.parametrize(('name', 'shape'), [('pixels:6x8', (6, 8, 3)), ('pixels:6x8:gray', (6, 8, 1))])
def test_records_hold_what_the_pixel_policy_makes_of_each_picture(folder, name, shape):
    (manifest,) = embed(config(folder), folder=folder, machinery=PIXELS, encoder=name)
    assert (manifest.vector_shape, manifest.is_pixels, manifest.encoder.input_shape) == (shape, True, shape)
    assert (manifest.encoder.engine, manifest.encoder.precision, manifest.encoder.spec) == ('pixels', 'uint8', name)
    found = read(folder / 'out' / 'train')
    assert len(found) == 5
    for number in range(5):
        record = found[f'{number:05d}.png']
        assert (record.embedding, record.label_ids) == (None, (0,))
        assert record.pixels == images.to_pixels(picture(number), shape).tobytes()


def test_gray_pixels_are_the_policys_gray():
    pixels = images.to_pixels(picture(3), (6, 8, 1))
    red, green, blue = np.moveaxis(images.to_pixels(picture(3), (6, 8, 3)).astype(float), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    assert pixels.shape == (6, 8, 1)
    assert np.abs(pixels[:, :, 0] - luma).max() < 1.6  # converted before it is scaled, so rounded otherwise


def test_pixels_are_kept_in_the_store_like_vectors(folder):
    embed(config(folder), folder=folder, machinery=PIXELS, encoder='pixels:6x8')
    assert len(vectors_kept(folder / 'out')) == 5
    again = config(folder, output_path=str(folder / 'out' / 'again'))
    made = make(again, folder=folder, machinery=PIXELS, encoder='pixels:6x8')
    assert (made.sources.from_store, made.sources.embedded) == (5, 0)
    assert Manifest.read(str(folder / 'out' / 'manifest.again.json')).examples.written == 5
