"""Drawn sample pictures and a sample vector, and what a model answers to them."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import images
from trainer.head_spec import HeadSpec
from trainer.proof import Case, Tensors, fixed
from trainer.signatures import Signature, Signatures

# Two sizes, so that a mix-up of rows shows; neither is that of any encoder.
_SIDES = ((48, 64), (77, 31))
_PICTURES = 2
# A clip is so many frames longer than a window.
_WINDOWS = 3


def pictures(count: int = _PICTURES) -> 'NDArray[np.bytes_]':
    """PNG files of smooth colours with noise."""
    return np.array([images.png_bytes(_drawn(*_SIDES[place % 2], seed=place)) for place in range(count)], np.bytes_)


def cases(signatures: Signatures, input_shape: tuple[int, int, int] | None, spec: HeadSpec) -> list[Case]:
    """One case for each signature, answered by this process."""
    inputs: dict[str, Tensors] = {'classify': _examples(spec)}
    if input_shape:
        files = pictures(spec.window - 1 + _WINDOWS if spec.is_sequence else _PICTURES)
        squares = np.stack([images.to_pixels(bytes(file), input_shape) for file in files])
        keys = np.array(b'clip') if spec.is_sequence else np.array([b'one', b'two'])
        inputs |= {
            'serving_default': {'key': keys, 'image_bytes': files},
            'embed': {'image_bytes': files},
            'pixels': {'pixels': squares},
        }
    return [Case(name, inputs[name], _answered(signature, inputs[name])) for name, signature in signatures.items()]


def _answered(signature: Signature, inputs: Tensors) -> Tensors:
    # The process that proves the model runs on the CPU.
    with tf.device('/CPU:0'):
        answer = signature(**{name: tf.constant(value) for name, value in inputs.items()})
    return {name: fixed(np.asarray(tensor.numpy())) for name, tensor in answer.items()}


def _drawn(height: int, width: int, *, seed: int) -> 'NDArray[np.uint8]':
    rows, columns = np.mgrid[:height, :width]
    smooth = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=2)
    noise = np.random.default_rng(seed).integers(-20, 20, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def _examples(spec: HeadSpec) -> Tensors:
    """Two of what the head looks at."""
    random = np.random.default_rng(spec.input_size)
    shape = (_PICTURES, *spec.example_shape)
    if spec.looks_at_frames:
        return {'pixels': random.integers(0, 256, shape, np.uint8)}
    # As encoders give them after pooling: mostly between 0 and 1.
    return {'embedding': random.random(shape, np.float32)}
