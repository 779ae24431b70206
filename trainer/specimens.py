"""Drawn sample pictures and a sample vector, and what a model answers to them."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import images
from trainer.proof import Case, Tensors, fixed
from trainer.signatures import Signature, Signatures

# Two, so that a mix-up of rows shows; neither has the size of any encoder.
_SIDES = ((48, 64), (77, 31))


def pictures() -> 'NDArray[np.bytes_]':
    """PNG files of smooth colours with noise."""
    return np.array([images.png_bytes(_drawn(height, width)) for height, width in _SIDES], np.bytes_)


def cases(signatures: Signatures, input_shape: tuple[int, int, int] | None, vector_size: int) -> list[Case]:
    """One case for each signature, answered by this process."""
    inputs: dict[str, Tensors] = {'classify': {'embedding': _vectors(vector_size)}}
    if input_shape:
        files = pictures()
        squares = np.stack([images.to_pixels(bytes(file), input_shape) for file in files])
        inputs |= {
            'serving_default': {'key': np.array([b'one', b'two']), 'image_bytes': files},
            'embed': {'image_bytes': files},
            'pixels': {'pixels': squares},
        }
    return [Case(name, inputs[name], _answered(signature, inputs[name])) for name, signature in signatures.items()]


def _answered(signature: Signature, inputs: Tensors) -> Tensors:
    # The process that proves the model runs on the CPU.
    with tf.device('/CPU:0'):
        answer = signature(**{name: tf.constant(value) for name, value in inputs.items()})
    return {name: fixed(tensor.numpy()) for name, tensor in answer.items()}


def _drawn(height: int, width: int) -> 'NDArray[np.uint8]':
    rows, columns = np.mgrid[:height, :width]
    smooth = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=2)
    noise = np.random.default_rng(height).integers(-20, 20, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def _vectors(size: int) -> 'NDArray[np.float32]':
    # As encoders give them after pooling: mostly between 0 and 1.
    return np.random.default_rng(size).random((2, size), np.float32)
