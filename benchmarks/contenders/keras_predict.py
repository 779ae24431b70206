"""Keras: `model.predict` over `image_dataset_from_directory`, batches of 32."""

import json
import sys
import time

import keras

SIDE = 299
BATCH = 32


class Clock(keras.callbacks.Callback):
    """When every batch was done."""

    def __init__(self) -> None:
        super().__init__()
        self.done_at: list[float] = []

    def on_predict_batch_end(self, batch: int, logs: object = None) -> None:
        """Note the time."""
        self.done_at.append(time.perf_counter())


def main(folder: str) -> None:
    """Embed a folder of class folders; the first batch warms up."""
    pictures = keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=(SIDE, SIDE), batch_size=BATCH, shuffle=False, verbose=False
    )
    network = keras.applications.InceptionV3(include_top=False, weights=None, pooling='avg')
    rescaled = keras.Sequential([keras.layers.Rescaling(1 / 127.5, offset=-1.0), network])
    clock = Clock()
    vectors = rescaled.predict(pictures, callbacks=[clock], verbose=0)
    print(json.dumps({'rate': (len(vectors) - BATCH) / (clock.done_at[-1] - clock.done_at[0])}))


if __name__ == '__main__':
    main(*sys.argv[1:])
