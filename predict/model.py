"""A trained model at work: `load(DIR).predict([path | bytes | uint8 array, ...])`."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from predict import streaming
from predict.answers import Prediction, answered
from predict.description import Description
from predict.pictures import Picture, Unusable
from preprocess import near
from preprocess.failures import InputError
from preprocess.images import Pixels

# A row of a batch of one differs in its last bits from the same row in a larger batch (oneDNN takes another path);
# from 3 up they don't differ. Few sizes, because each is compiled once, and small ones, because padding costs time.
BATCH_SIZES = (4, 8, 16, streaming.BATCH_SIZE)
Source: TypeAlias = 'str | os.PathLike[str] | bytes | Pixels'
Scores: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """A loaded model: its labels, the size its encoder takes, and its answers."""

    directory: str
    description: Description
    input_shape: tuple[int, int, int]
    score: Callable[[Pixels], Scores]  # uint8[N,H,W,C] -> float32[N, labels], as they come

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the scores."""
        return self.description.labels

    def predict(self, pictures: Iterable[Source], *, bgr: bool = False) -> list[Prediction]:
        """One answer for each picture, in order; `bgr` says that arrays come from OpenCV.

        A picture is a path, the bytes of a picture file, or uint8 pixels [H,W,3], [H,W,4], [H,W] or [H,W,1].
        """
        return list(self.stream(_keyed(source, place, bgr=bgr) for place, source in enumerate(pictures)))

    def stream(self, pictures: Iterable[Picture | Unusable]) -> Iterator[Prediction]:
        """Answers in order, as they come; pictures are decoded beside the network, one batch ahead of it."""
        return streaming.stream(pictures, self.input_shape, self.answers)

    def answers(self, squares: Sequence[Pixels]) -> list[Prediction]:
        """One answer, without a key, for each of up to 32 pictures of the encoder's size."""
        return [self.prediction(scores) for scores in self.score(_padded(squares))[: len(squares)]]

    def prediction(self, scores: Scores) -> Prediction:
        """The answer that these scores of all classes mean."""
        threshold = self.description.threshold if self.description.multi_label else None
        return answered(scores, self.labels, threshold=threshold)


def load(directory: 'str | os.PathLike[str]') -> Model:
    """The model in a directory that training or export left behind."""
    path = os.fspath(directory)
    description = Description.read(path)
    input_shape = description.shape_for_pictures(path)
    description.for_single_pictures(path)
    loaded = load_graph(path)

    def score(pixels: Pixels) -> Scores:
        # Through `loaded`, which thereby lives as long as the signature that needs its constants.
        return np.asarray(loaded.signatures['pixels'](pixels=tf.constant(pixels))['scores'])

    return Model(path, description, input_shape, score)


def load_graph(path: str) -> 'tf.types.experimental.Trackable':
    """The SavedModel as TensorFlow knows it; InputError when it is damaged."""
    try:
        return tf.saved_model.load(near.tree(path, what='the model'))
    except (OSError, ValueError, KeyError, DecodeError, tf.errors.OpError) as error:
        raise InputError(
            f'the SavedModel can not be loaded: {_first_line(error)}', where=path, do='export the model again'
        ) from error


def _keyed(source: Source, place: int, *, bgr: bool) -> Picture:
    if isinstance(source, bytes):
        return Picture(str(place), source)
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim not in (2, 3) or (source.shape[2:] or (1,))[0] not in (1, 3, 4):
            raise TypeError(f'picture {place}: pixels are uint8 [H,W,3], got {source.dtype} {list(source.shape)}')
        pixels = source.reshape(*source.shape[:2], -1) if source.size else source.reshape(0, 0, 3)
        return Picture(str(place), _reversed_colours(pixels) if bgr else pixels)
    path = os.fspath(source)
    return Picture(path, path)


def _reversed_colours(pixels: Pixels) -> Pixels:
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]
    return pixels[:, :, order]


def _padded(squares: Sequence[Pixels]) -> Pixels:
    size = next(size for size in BATCH_SIZES if size >= len(squares))
    padded = np.zeros((size, *squares[0].shape), np.uint8)
    padded[: len(squares)] = squares
    return padded


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
