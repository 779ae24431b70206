"""The tests that guard the product: what is trained on the records is what the exported model answers."""

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from preprocess import images, records
from preprocess.compiled import CompiledEncoder
from preprocess.encoders import EncoderSpec, compile_encoder
from preprocess.engines import load_engine
from preprocess.records import Record, RecordWriter
from tests.models import LABELS, noise_bytes, random_head, tiny_encoder
from trainer.export import ModelParts, write_model
from trainer.head_spec import HeadSpec
from trainer.heads import TrainedHead

SHARED = Path(__file__).parents[3] / 'shared'


def hub_encoder(directory: Path) -> CompiledEncoder:
    source = SHARED / 'encoders/mobilenet_v2_imagenet'
    if not source.exists():
        pytest.skip(f'no {source}')
    return compile_encoder(EncoderSpec(str(source)), str(directory))


def inception(directory: Path) -> CompiledEncoder:
    return compile_encoder(EncoderSpec('inception_v3', weights='random'), str(directory))


@pytest.mark.parametrize(
    'make_encoder',
    [
        tiny_encoder,
        pytest.param(hub_encoder, marks=pytest.mark.slow),
        pytest.param(inception, marks=pytest.mark.slow),
    ],
)
def test_scores_of_the_head_on_the_records_are_the_exported_models_on_the_same_pictures(make_encoder, tmp_path):
    encoder = make_encoder(tmp_path / 'encoder')
    engine = load_engine(encoder)
    pictures = {f'{seed}.jpg': noise_bytes(seed, size=(320 + seed, 240)) for seed in range(11)}
    squares = np.stack([images.to_pixels(picture, encoder.input_shape) for picture in pictures.values()])
    with RecordWriter(str(tmp_path / 'train-00000-of-00001.tfrecord.gz')) as writer:
        for name, vector in zip(pictures, engine.encode(squares), strict=True):
            writer.write(Record(name, vector, (0,)))
    vectors = np.stack([record.embedding for record in records.read(writer.path)])

    head = random_head(encoder.vector_size)
    write_model(ModelParts(head, LABELS, encoder), str(tmp_path / 'model'))
    loaded = tf.saved_model.load(str(tmp_path / 'model'))
    answer = loaded.signatures['pixels'](pixels=tf.constant(squares))
    np.testing.assert_allclose(answer['embedding'], vectors, atol=1e-5)
    np.testing.assert_allclose(answer['scores'], head.scores(vectors), atol=1e-5)
    by_client = loaded.signatures['serving_default'](
        key=tf.constant(list(pictures)), image_bytes=tf.constant([images.png_bytes(square) for square in squares])
    )
    np.testing.assert_allclose(by_client['scores'], head.scores(vectors), atol=1e-5)


def as_they_are(path: Path) -> bytes:
    return path.read_bytes()


def fading_to_transparent(path: Path) -> bytes:
    """The photograph as PNG, opaque on its left side, more and more transparent to the right."""
    with Image.open(path) as photograph:
        layered = photograph.convert('RGBA')
    fading = np.tile(np.linspace(255, 60, layered.width).astype(np.uint8), (layered.height, 1))
    layered.putalpha(Image.fromarray(fading))
    buffer = io.BytesIO()
    layered.save(buffer, 'PNG')
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize('read', [as_they_are, fading_to_transparent])
def test_raw_photographs_get_the_label_of_the_pixel_policy_on_99_of_100(read, tmp_path):
    folder = SHARED / 'photos/flowers'
    if not folder.exists():
        pytest.skip(f'no {folder}')
    encoder = hub_encoder(tmp_path / 'encoder')
    engine = load_engine(encoder)
    paths = sorted(folder.glob('*/*.jpg'))
    names = tuple(sorted({path.parent.name for path in paths}))
    labels = np.array([names.index(path.parent.name) for path in paths])
    raw = [read(path) for path in paths]
    vectors = engine.encode(np.stack([images.to_pixels(data, encoder.input_shape) for data in raw]))

    same = []
    for seed in range(5):
        training = np.random.default_rng(seed).random(len(paths)) < 0.8
        head = fitted_head(vectors[training], labels[training], len(names))
        write_model(ModelParts(head, names, encoder), str(tmp_path / f'model{seed}'))
        answers = served(str(tmp_path / f'model{seed}'), raw)
        same.append(np.mean(answers == head.scores(vectors).argmax(axis=1)))
    assert np.mean(same) >= 0.99, same


def fitted_head(vectors: np.ndarray, labels: np.ndarray, classes: int) -> TrainedHead:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=1000).fit(vectors, labels)
    weights = (fitted.coef_.T.astype(np.float32), fitted.intercept_.astype(np.float32))
    return TrainedHead(HeadSpec(vectors.shape[1], classes, hidden_units=0), weights)


def served(model: str, raw: list[bytes]) -> np.ndarray:
    loaded = tf.saved_model.load(model)
    serve = loaded.signatures['serving_default']
    batches = [raw[start : start + 25] for start in range(0, len(raw), 25)]
    return np.concatenate(
        [serve(key=tf.constant([''] * len(some)), image_bytes=tf.constant(some))['prediction'] for some in batches]
    )
