"""The signatures of a model and the SavedModel that holds them: encoder and head in it once, as constants.

A head that looks at single records answers each picture; one that looks at windows answers each window of a clip.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import tensorflow as tf

from preprocess import files, graph_images
from preprocess.compiled import PIXELS, VECTORS, CompiledEncoder
from preprocess.failures import RunFailed
from trainer import heads
from trainer.head_spec import HeadSpec

Signature: TypeAlias = Callable[..., Mapping[str, tf.Tensor]]
Signatures: TypeAlias = dict[str, Signature]
# Of a clip so many frames are encoded, and at most so many windows scored, at a time.
_FRAMES_AT_ONCE = 32
_WINDOWS_AT_ONCE = 256
_EMBEDDING = 'embedding'


@dataclass(frozen=True)
class Classifier:
    """From what a head looks at to scores: the head as graph operations, and the names of its classes."""

    spec: HeadSpec
    labels: tuple[str, ...]
    scores: Callable[[tf.Tensor], tf.Tensor]


def build(classifier: Classifier, encoder: CompiledEncoder | None) -> Signatures:
    """The signatures by name; without an encoder there is only `classify`."""
    parts = _Parts(classifier, encoder)
    return {**(_encoder_signatures(parts, encoder) if encoder else {}), **_classify_signature(parts)}


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


class _Parts:
    """What the signatures are made of.

    Encoder, decoder and head are one function each in the file, called by the signatures: imported into each of them,
    an encoder of 90 MB would stand there three times, and a large one would pass the 2 GB a protocol buffer can hold.
    """

    def __init__(self, classifier: Classifier, encoder: CompiledEncoder | None) -> None:
        self.spec, self._labels = classifier.spec, classifier.labels
        dtype = tf.uint8 if self.spec.looks_at_frames else tf.float32
        self.score = tf.function(
            classifier.scores, autograph=False, input_signature=[tf.TensorSpec([None, *self.spec.example_shape], dtype)]
        )
        self._encode = _encode_function(encoder) if encoder and not encoder.is_pixels else None

    def answer(self, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        """What scores mean."""
        prediction = tf.argmax(scores, axis=1, output_type=tf.int64)
        return {
            'prediction': prediction,
            'label': tf.gather(tf.constant(self._labels), prediction),
            'scores': scores,
        }

    def vectors(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """The vectors of pictures, where the head does not look at the pixels themselves."""
        encode = self._encode
        if encode is None:
            return {}
        if not self.spec.is_sequence:
            return {_EMBEDDING: encode(pixels)}
        # A clip may be as long as it likes.
        size = self.spec.input_size
        return {
            _EMBEDDING: _in_blocks(
                tf.shape(pixels)[0], _FRAMES_AT_ONCE, size, lambda rows: encode(tf.gather(pixels, rows))
            )
        }

    def answers(self, records: tf.Tensor) -> dict[str, tf.Tensor]:
        """One answer for each record; or one for each window of a clip's records, and which frames it is of."""
        if not self.spec.is_sequence:
            return self.answer(self.score(records))
        length = self.spec.window
        count = tf.maximum(tf.shape(records)[0] - length + 1, 0)

        def scored(starts: tf.Tensor) -> tf.Tensor:
            return self.score(tf.gather(records, starts[:, None] + tf.range(length)))

        scores = _in_blocks(count, heads.batch_within(self.spec, _WINDOWS_AT_ONCE), self.spec.classes, scored)
        first = tf.range(tf.cast(count, tf.int64))
        return {**self.answer(scores), 'first_frame': first, 'last_frame': first + length - 1}


def _in_blocks(count: tf.Tensor, most: int, width: int, rows_of: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Rows [count, width], at most so many of them made at a time; the last block repeats a row to be as long."""
    size = tf.minimum(count, most)

    def made() -> tf.Tensor:
        blocks = (count + size - 1) // size
        places = tf.minimum(tf.range(blocks * size), count - 1)
        spec = tf.TensorSpec([None, width], tf.float32)
        rows = tf.map_fn(rows_of, tf.reshape(places, [-1, size]), fn_output_signature=spec, parallel_iterations=1)
        return tf.reshape(rows, [-1, width])[:count]

    return tf.ensure_shape(tf.cond(count > 0, made, lambda: tf.zeros([0, width])), [None, width])


def _classify_signature(parts: _Parts) -> Signatures:
    """From what the head looks at to answers; a head of single frames has this already under the name of `pixels`."""
    shape = [None, *parts.spec.example_shape]

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.uint8, 'pixels')])
    def classify_pixels(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return parts.answer(parts.score(pixels))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.float32, _EMBEDDING)])
    def classify(embedding: tf.Tensor) -> dict[str, tf.Tensor]:
        return parts.answer(parts.score(embedding))

    if not parts.spec.looks_at_frames:
        return {'classify': classify}
    return {'classify': classify_pixels} if parts.spec.is_sequence else {}


def _encoder_signatures(parts: _Parts, encoder: CompiledEncoder) -> Signatures:
    """From pictures to answers: one for each; or, where they are the frames of a clip, one for each window."""
    decode = _decode_function(encoder.input_shape)

    def answered(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        found = parts.vectors(pixels)
        return {**found, **parts.answers(found.get(_EMBEDDING, pixels))}

    key = tf.TensorSpec([] if parts.spec.is_sequence else [None], tf.string, 'key')
    image_bytes_spec = tf.TensorSpec([None], tf.string, 'image_bytes')

    @tf.function(autograph=False, input_signature=[key, image_bytes_spec])
    def serving_default(key: tf.Tensor, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        found = answered(decode(image_bytes))
        return {'key': tf.identity(key), **{name: value for name, value in found.items() if name != _EMBEDDING}}

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, *encoder.input_shape], tf.uint8, 'pixels')])
    def pixels(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return answered(pixels)

    @tf.function(autograph=False, input_signature=[image_bytes_spec])
    def embed(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return parts.vectors(decode(image_bytes))

    embedding = {} if encoder.is_pixels else {'embed': embed}
    return {'serving_default': serving_default, 'pixels': pixels, **embedding}


def _encode_function(encoder: CompiledEncoder) -> Callable[[tf.Tensor], tf.Tensor]:
    graph = tf.compat.v1.GraphDef.FromString(files.read_bytes(encoder.graph_path))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, *encoder.input_shape], tf.uint8)])
    def encode(pixels: tf.Tensor) -> tf.Tensor:
        (vectors,) = tf.graph_util.import_graph_def(
            graph, input_map={PIXELS: pixels}, return_elements=[VECTORS], name=''
        )
        return tf.ensure_shape(vectors, [None, encoder.vector_size])

    return encode  # type: ignore[no-any-return]  # TensorFlow is untyped


def _decode_function(shape: tuple[int, int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string)])
    def decode(image_bytes: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda one: graph_images.decode_in_graph(one, shape),
            image_bytes,
            fn_output_signature=tf.TensorSpec(shape, tf.uint8),
        )

    return decode  # type: ignore[no-any-return]  # TensorFlow is untyped
