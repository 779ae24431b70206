"""The old way: in a Beam DoFn on the local runner, one picture a call, decoded twice, float32, into TFRecords.

Pillow reads and writes it as JPEG (quality 75), TensorFlow decodes that, resizes, and runs Inception v3: what the
samples this project replaces did, with the Keras network of today.
"""

import importlib
import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from PIL import Image

SIDE = 299
done_at: list[float] = []


class Embed(beam.DoFn):
    """A picture's path -> its serialised Example."""

    def setup(self) -> None:
        import keras
        import tensorflow as tf

        network = keras.applications.InceptionV3(include_top=False, weights=None, pooling='avg')

        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def embed(jpeg: tf.Tensor) -> tf.Tensor:
            picture = tf.image.convert_image_dtype(tf.io.decode_jpeg(jpeg, channels=3), tf.float32)
            resized = tf.compat.v1.image.resize_bilinear(picture[None], [SIDE, SIDE], align_corners=False)
            return network((resized - 0.5) * 2.0, training=False)[0]

        self._embed = embed

    def process(self, path: str) -> Iterator[bytes]:
        import tensorflow as tf

        with open(path, 'rb') as opened:
            picture = Image.open(io.BytesIO(opened.read())).convert('RGB')
        jpeg = io.BytesIO()
        picture.save(jpeg, 'JPEG')
        vector = self._embed(tf.constant(jpeg.getvalue())).numpy().ravel()
        features = {
            'image_uri': tf.train.Feature(bytes_list=tf.train.BytesList(value=[path.encode()])),
            'embedding': tf.train.Feature(float_list=tf.train.FloatList(value=vector.tolist())),
            'label': tf.train.Feature(int64_list=tf.train.Int64List(value=[0])),
        }
        yield tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
        done_at.append(time.perf_counter())


def main(folder: str, out: str) -> None:
    """Embed a folder of class folders; the first few pictures warm up."""
    paths = sorted(map(str, Path(folder).glob('*/*.jpg')))
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create(paths, reshuffle=False)
            | beam.ParDo(Embed())
            | beam.io.WriteToTFRecord(f'{out}/old', file_name_suffix='.tfrecord.gz')
        )
    warm = min(8, len(done_at) // 2)
    print(json.dumps({'rate': (len(done_at) - 1 - warm) / (done_at[-1] - done_at[warm])}))


if __name__ == '__main__':
    # As a module of its own: Beam would send a copy of what belongs to the script, and the clock with it.
    importlib.import_module(Path(__file__).stem).main(*sys.argv[1:])
