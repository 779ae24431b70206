"""Model directories of every kind, in miniature: their vectors are the mean colours times a fixed matrix."""

from pathlib import Path

import numpy as np
import tensorflow as tf

MATRIX = np.array([[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 1, 2]], np.float32)


def expected(pixels: np.ndarray) -> np.ndarray:
    """What each of them answers for uint8 pixels."""
    return (pixels.astype(np.float64) / 255).mean(axis=(1, 2)) @ MATRIX


class Plain(tf.Module):
    """A plain SavedModel with one signature."""

    def __init__(self, shape: tuple[int | None, ...] = (None, 16, 16, 3), dtype: tf.DType = tf.float32) -> None:
        super().__init__()
        self.matrix = tf.Variable(MATRIX)
        self.serve = tf.function(self._serve, input_signature=[tf.TensorSpec(shape, dtype, name='pictures')])

    def _serve(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        values = pictures if pictures.dtype == tf.float32 else tf.cast(pictures, tf.float32) / 255.0
        return {'output_0': self.answer(values)}

    def answer(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(values, axis=[1, 2]) @ self.matrix


class Uncut(Plain):
    """Like a network cut before its pooling: it answers a map of vectors."""

    def answer(self, values: tf.Tensor) -> tf.Tensor:
        return tf.einsum('nhwc,cd->nhwd', values, self.matrix)


class HubStyle(tf.Module):
    """A reusable SavedModel as tensorflow-hub defines it: callable, with a training flag and no signature."""

    def __init__(self, side: int = 16) -> None:
        super().__init__()
        self.matrix = tf.Variable(MATRIX)
        self.trainable_variables_ = [self.matrix]
        for training in (True, False):
            self.__call__.get_concrete_function(tf.TensorSpec([None, side, side, 3], tf.float32), training=training)

    @tf.function
    def __call__(self, pictures: tf.Tensor, training: bool = False) -> tf.Tensor:
        answer = tf.reduce_mean(pictures, axis=[1, 2]) @ self.matrix
        return answer + 1000.0 if training else answer


def save(module: tf.Module, directory: Path, *, signature: bool = True) -> str:
    """Write a module as a SavedModel."""
    tf.saved_model.save(module, str(directory), signatures=module.serve if signature else None)
    return str(directory)


def save_tf1(directory: Path, *, hub: bool) -> str:
    """Write a model of TF1: plain (tag serve), or in hub's first format (no tag, signature `default`)."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        pictures = v1.placeholder(tf.float32, [None, 16, 16, 3], name='pictures')
        matrix = v1.get_variable('matrix', initializer=MATRIX, use_resource=not hub)
        vectors = tf.matmul(tf.reduce_mean(pictures, axis=[1, 2]), matrix)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(str(directory))
        signature = v1.saved_model.predict_signature_def({'images': pictures}, {'default': vectors})
        names = {'default' if hub else 'serving_default': signature}
        builder.add_meta_graph_and_variables(session, [] if hub else ['serve'], signature_def_map=names)
        builder.save()
    if hub:
        (directory / 'tfhub_module.pb').write_bytes(b'\x08\x03')  # format 3, as hub's writer says
    return str(directory)
