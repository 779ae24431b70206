"""A fake encoder and tiny pictures, for runs of the embedding job in milliseconds."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from preprocess import files
from preprocess.compiled import CompiledEncoder
from preprocess.embedder import Hands
from preprocess.embedding import Machinery
from preprocess.encoders import EncoderSpec

VECTOR_SIZE = 6


class FakeEngine:
    """Vectors are a fixed mixture of the pixels; a picture that is all red gives infinities."""

    def __init__(self, encoder: CompiledEncoder, *, threads: int | None = None) -> None:
        self.input_shape = encoder.input_shape
        self.vector_size = encoder.vector_size
        self.batch_size = encoder.batch_size
        self.streams = 1
        self._mixture = np.random.default_rng(7).standard_normal((int(np.prod(self.input_shape)), VECTOR_SIZE))

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        flat = pixels.reshape(len(pixels), -1).astype(np.float64) / 255
        # Row by row: numpy's product of a batch depends on how many rows it has.
        vectors = np.stack([row @ self._mixture for row in flat]).astype(np.float32)
        red = (pixels == [255, 0, 0]).all(axis=(1, 2, 3))
        vectors[red] = np.inf
        return vectors


def compile_fake(spec: EncoderSpec, directory: str) -> CompiledEncoder:
    """A directory like a compiled encoder's."""
    encoder = CompiledEncoder(
        directory=directory,
        spec=spec.canonical,
        key=spec.key(),
        sha256=hashlib.sha256(b'graph').hexdigest(),
        input_shape=(8, 8, 3),
        vector_size=VECTOR_SIZE,
        engine=spec.engine,
        precision=spec.precision,
        batch_size=spec.batch_size,
    )
    files.write_atomic(encoder.graph_path, b'graph')
    encoder.write()
    return encoder


FAKE = Machinery(compile=compile_fake, load=FakeEngine, hands=Hands(readers=3, decoders=1))


def model_dir(folder: Path) -> str:
    """A directory that passes for a model's."""
    (folder / 'fake_model').mkdir(parents=True, exist_ok=True)
    (folder / 'fake_model' / 'saved_model.pb').write_bytes(b'not really')
    return str(folder / 'fake_model')


def picture(seed: int, *, colour: tuple[int, int, int] | None = None) -> bytes:
    """A small PNG, each seed another."""
    pixels = np.random.default_rng(seed).integers(0, 255, (9, 10, 3), dtype=np.uint8)
    if colour:
        pixels[:] = colour
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG')
    return buffer.getvalue()


def draw(folder: Path, count: int, *, first: int = 0) -> list[Path]:
    """`count` pictures in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f'{number:05d}.png' for number in range(first, first + count)]
    for number, path in enumerate(paths, first):
        path.write_bytes(picture(number))
    return paths
