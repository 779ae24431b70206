"""The four signatures of a model and the SavedModel that holds them: encoder and head in it once, as constants."""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import tensorflow as tf

from preprocess import files, graph_images
from preprocess.compiled import PIXELS, VECTORS, CompiledEncoder
from preprocess.failures import RunFailed

Signature: TypeAlias = Callable[..., Mapping[str, tf.Tensor]]
Signatures: TypeAlias = dict[str, Signature]


@dataclass(frozen=True)
class Classifier:
    """From a vector to scores: the head as graph operations, and the names of its classes."""

    vector_size: int
    labels: tuple[str, ...]
    scores: Callable[[tf.Tensor], tf.Tensor]


def build(classifier: Classifier, encoder: CompiledEncoder | None) -> Signatures:
    """The signatures by name; without an encoder there is only `classify`."""
    answer = _answer_function(classifier)

    @tf.function(input_signature=[tf.TensorSpec([None, classifier.vector_size], tf.float32, 'embedding')])
    def classify(embedding: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(embedding)

    if encoder is None:
        return {'classify': classify}
    return {**_picture_signatures(encoder, answer), 'classify': classify}


def save(signatures: Signatures, assets: Mapping[str, bytes], directory: str) -> None:
    """Write the SavedModel, with `assets` as files in its assets/."""
    module = tf.Module()
    # Attributes are what makes TensorFlow keep them.
    module.signatures_kept = list(signatures.values())
    with tempfile.TemporaryDirectory() as written:
        for name, content in assets.items():
            files.write_atomic(os.path.join(written, name), content)
        module.assets_kept = [tf.saved_model.Asset(os.path.join(written, name)) for name in assets]
        try:
            tf.saved_model.save(module, directory, signatures=signatures)
        except tf.errors.OpError as error:
            # TensorFlow reports a full disk or a forbidden path by errors of its own.
            raise RunFailed(
                f'the model can not be written: {_reason(error)}',
                where=directory,
                do='free some space or mend the permissions; the same command continues',
            ) from error


def _reason(error: tf.errors.OpError) -> str:
    """`No space left on device` out of `{{function_node ...}} PATH; No space left on device [Op:SaveV2]`."""
    first_line = error.message.split('\n')[0]
    return str(first_line.rsplit('; ', 1)[-1].partition(' [Op:')[0])


def _picture_signatures(encoder: CompiledEncoder, answer: Callable[[tf.Tensor], dict[str, tf.Tensor]]) -> Signatures:
    encode = _encode_function(encoder)
    decode = _decode_function(encoder.input_shape)
    keys = tf.TensorSpec([None], tf.string, 'key')
    image_bytes_spec = tf.TensorSpec([None], tf.string, 'image_bytes')

    @tf.function(input_signature=[keys, image_bytes_spec])
    def serving_default(key: tf.Tensor, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {'key': tf.identity(key), **answer(encode(decode(image_bytes)))}

    @tf.function(input_signature=[tf.TensorSpec([None, *encoder.input_shape], tf.uint8, 'pixels')])
    def pixels(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        embedding = encode(pixels)
        return {'embedding': embedding, **answer(embedding)}

    @tf.function(input_signature=[image_bytes_spec])
    def embed(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {'embedding': encode(decode(image_bytes))}

    return {'serving_default': serving_default, 'pixels': pixels, 'embed': embed}


# Each of these is one function in the file, called by the signatures: imported into each of them, an encoder of 90 MB
# would stand there three times, and a large one would pass the 2 GB a protocol buffer can hold.


def _encode_function(encoder: CompiledEncoder) -> Callable[[tf.Tensor], tf.Tensor]:
    graph = tf.compat.v1.GraphDef.FromString(files.read_bytes(encoder.graph_path))

    @tf.function(input_signature=[tf.TensorSpec([None, *encoder.input_shape], tf.uint8)])
    def encode(pixels: tf.Tensor) -> tf.Tensor:
        (vectors,) = tf.graph_util.import_graph_def(
            graph, input_map={PIXELS: pixels}, return_elements=[VECTORS], name=''
        )
        return tf.ensure_shape(vectors, [None, encoder.vector_size])

    return encode  # type: ignore[no-any-return]  # TensorFlow is untyped


def _decode_function(shape: tuple[int, int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def decode(image_bytes: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda one: graph_images.decode_in_graph(one, shape),
            image_bytes,
            fn_output_signature=tf.TensorSpec(shape, tf.uint8),
        )

    return decode  # type: ignore[no-any-return]  # TensorFlow is untyped


def _answer_function(classifier: Classifier) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    @tf.function(input_signature=[tf.TensorSpec([None, classifier.vector_size], tf.float32)])
    def answer(embedding: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = classifier.scores(embedding)
        prediction = tf.argmax(scores, axis=1, output_type=tf.int64)
        return {
            'prediction': prediction,
            'label': tf.gather(tf.constant(classifier.labels), prediction),
            'scores': scores,
        }

    return answer  # type: ignore[no-any-return]  # TensorFlow is untyped
