"""A few frames that stand for the footage of a set: spread over its recordings, the same ones every time."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from preprocess import footage_forecast, shelves
from preprocess.image_formats import ImageError
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.rows import Row
from preprocess.video_children import ReaderApart

Pixels = NDArray[np.uint8]
Shape = tuple[int, int, int]


def frames(
    config: SetConfig, found: Callable[[], Sequence[Row]], embedding: EmbeddingConfig, count: int
) -> Callable[[Shape], Iterator[Pixels]]:
    """At most `count` frames that rows of a set claim, decoded at a size when they are asked for."""

    def decoded(shape: Shape) -> Iterator[Pixels]:
        filmed = found()
        wanted = footage_forecast.take_stock(config, filmed, embedding).wanted if filmed else []
        share = -(-count // max(len(wanted), 1))
        given = 0
        for one in sorted(wanted, key=lambda one: (shelves.hash_of(one.uri), one.uri)):
            chosen = one.numbers[:: max(1, len(one.numbers) // share)][:share].tolist()
            for pixels in _usable(one, chosen, shape, embedding):
                yield pixels
                given += 1
                if given == count:
                    return

    return decoded


def _usable(
    wanted: footage_forecast.Wanted, numbers: Sequence[int], shape: Shape, embedding: EmbeddingConfig
) -> Iterator[Pixels]:
    try:
        for _, found in ReaderApart().frames(wanted.uri, wanted.timeline, numbers, shape, embedding.preparation):
            if isinstance(found, np.ndarray):
                yield found
    except ImageError:
        return  # the run itself refuses it by name
