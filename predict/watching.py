"""A model looks at footage: frames -> scores of each, or of each window of consecutive ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from predict import along, model
from predict.along import FRAMES_AT_ONCE, FrameRow, Rows, Said, Scores
from predict.description import Description
from predict.footage import Sampled


@dataclass(frozen=True)
class Watcher:
    """A loaded model for footage."""

    description: Description
    rows: Callable[[Rows], Rows]  # frames uint8[N,H,W,C] -> what the head looks at; their scores, without windows
    score: Callable[[Rows], Scores]  # windows [N,n,...] -> scores

    def watch(self, frames: Iterable[Sampled]) -> Iterator[Said]:
        """What the model says along a recording."""
        window = self.description.manner.window
        if window is None:
            for batch in along.batches(frames, FRAMES_AT_ONCE):
                for frame, scores in zip(batch, self._rows(batch), strict=True):
                    yield Said(frame, frame, frame, np.asarray(scores, np.float32))
            return
        yield from along.said(self._with_rows(frames), window, self.score)

    def _with_rows(self, frames: Iterable[Sampled]) -> Iterator[FrameRow]:
        for batch in along.batches(frames, FRAMES_AT_ONCE):
            yield from map(FrameRow, map(_without_pixels, batch), self._rows(batch))

    def _rows(self, batch: Sequence[Sampled]) -> Rows:
        return self.rows(along.padded([frame.pixels for frame in batch], FRAMES_AT_ONCE))[: len(batch)]


def load(directory: str) -> Watcher:
    """The model in a directory, for footage."""
    description = Description.read(directory)
    description.shape_for_pictures(directory)
    signatures = model.load_graph(directory)

    def pixels(frames: Rows, output: str) -> Rows:
        return np.asarray(signatures.signatures['pixels'](pixels=tf.constant(frames))[output])

    def classify(windows: Rows) -> Scores:
        name = 'pixels' if windows.dtype == np.uint8 else 'embedding'
        return np.asarray(signatures.signatures['classify'](**{name: tf.constant(windows)})['scores'])

    if description.manner.window is None:
        return Watcher(description, lambda frames: pixels(frames, 'scores'), classify)
    if description.manner.looks_at_frames:
        return Watcher(description, lambda frames: frames, classify)
    return Watcher(description, lambda frames: pixels(frames, 'embedding'), classify)


def _without_pixels(frame: Sampled) -> Sampled:
    return frame._replace(pixels=frame.pixels[:0])
