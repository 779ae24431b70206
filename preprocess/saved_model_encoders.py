"""Local model directories, TF2 and TF1, plain or hub-style, as networks to freeze (TensorFlow)."""

import tensorflow as tf

from preprocess.failures import InputError
from preprocess.freezing import Network

DEFAULT_SIZE = 224


def from_directory(path: str, size: int | None) -> Network:
    """A SavedModel: hub-style or plain, float pictures in 0..1 (or uint8) to one vector each."""
    model = tf.saved_model.load(path)
    signature = model.signatures['serving_default']
    ((name, spec),) = signature.structured_input_signature[1].items()
    height, width = spec.shape[1], spec.shape[2]

    def encode(pixels: tf.Tensor) -> tf.Tensor:
        pictures = pixels if spec.dtype == tf.uint8 else tf.cast(pixels, tf.float32) / 255.0
        (answer,) = signature(**{name: pictures}).values()
        return answer

    if not height or not width:
        raise InputError('dynamic size', where=path, do='')
    return Network(encode=encode, input_shape=(height, width, 3), owner=model)
