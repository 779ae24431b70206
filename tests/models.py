"""Tiny real models for tests: an encoder that sees colours, heads that name them, pictures of one colour."""

import hashlib
import io
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from preprocess import files
from preprocess.compiled import CompiledEncoder
from trainer.export import ModelParts, write_model
from trainer.head_spec import HeadSpec
from trainer.heads import TrainedHead

SIDE = 16
VECTOR_SIZE = 6
LABELS = ('red', 'green', 'blue')
COLOURS = {'red': (220, 30, 40), 'green': (20, 200, 50), 'blue': (30, 20, 230)}


def tiny_encoder(directory: Path | str, *, side: int = SIDE) -> CompiledEncoder:
    """A compiled encoder: the mean of each colour over the left and the right half, from 0 to 1."""
    with tf.Graph().as_default() as graph:
        pixels = tf.compat.v1.placeholder(tf.uint8, [None, side, side, 3], name='pixels')
        unit = tf.cast(pixels, tf.float32) / 255
        halves = [tf.reduce_mean(unit[:, :, : side // 2], axis=[1, 2]), tf.reduce_mean(unit[:, :, side // 2 :], [1, 2])]
        tf.concat(halves, axis=1, name='vectors')
    data = graph.as_graph_def().SerializeToString()
    encoder = CompiledEncoder(
        directory=str(directory),
        spec='tiny',
        key=hashlib.sha256(b'tiny').hexdigest(),
        sha256=hashlib.sha256(data).hexdigest(),
        input_shape=(side, side, 3),
        vector_size=VECTOR_SIZE,
        engine='tensorflow',
        precision='float32',
        batch_size=8,
    )
    files.write_atomic(encoder.graph_path, data)
    encoder.write()
    return encoder


def colour_head(labels: tuple[str, ...] = LABELS, *, multi_label: bool = False) -> TrainedHead:
    """A head that gives each label the strength of its colour in tiny_encoder's vectors; other labels get none."""
    matrix = np.zeros((VECTOR_SIZE, len(labels)), np.float32)
    bias = np.full(len(labels), -6 if multi_label else 0, np.float32)
    for column, label in enumerate(labels):
        if label in LABELS:
            matrix[LABELS.index(label) :: 3, column] = 6
    spec = HeadSpec(VECTOR_SIZE, len(labels), hidden_units=0, multi_label=multi_label)
    return TrainedHead(spec, (matrix, bias))


def random_head(input_size: int, classes: int = 3, *, seed: int = 0, multi_label: bool = False) -> TrainedHead:
    """A head with a hidden layer and random weights."""
    from trainer import heads

    spec = HeadSpec(input_size, classes, hidden_units=16, multi_label=multi_label)
    return TrainedHead(spec, heads.initial_weights(spec, seed))


def tiny_parts(
    directory: Path | str, *, labels: tuple[str, ...] = LABELS, multi_label: bool = False, side: int = SIDE
) -> ModelParts:
    """A model that names the colour of a picture; its encoder is put into the directory."""
    return ModelParts(colour_head(labels, multi_label=multi_label), labels, tiny_encoder(directory, side=side))


def write_tiny(
    directory: Path | str, *, labels: tuple[str, ...] = LABELS, multi_label: bool = False, side: int = SIDE
) -> str:
    """Write a model that names the colour of a picture, without the seconds its proof in a fresh process takes."""
    parts = tiny_parts(f'{directory}.encoder', labels=labels, multi_label=multi_label, side=side)
    write_model(parts, str(directory))
    return str(directory)


def picture_bytes(colour: str = 'red', *, size: tuple[int, int] = (40, 30), form: str = 'JPEG') -> bytes:
    """A picture file of one colour."""
    buffer = io.BytesIO()
    Image.new('RGB', size, COLOURS[colour]).save(buffer, form)
    return buffer.getvalue()


def noise(seed: int, *, size: tuple[int, int] = (60, 45)) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Pixels that look different in every place: smooth colours and noise."""
    width, height = size
    random = np.random.default_rng(seed)
    corners = random.integers(0, 255, (3, 3, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(corners).resize(size, Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + random.integers(-9, 9, (height, width, 3)), 0, 255).astype(np.uint8)


def noise_bytes(seed: int, *, form: str = 'JPEG', size: tuple[int, int] = (60, 45)) -> bytes:
    """A picture file of `noise`."""
    buffer = io.BytesIO()
    Image.fromarray(noise(seed, size=size)).save(buffer, form)
    return buffer.getvalue()
