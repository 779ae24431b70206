"""Pictures one after another -> answers in their order: decoded in threads, one batch ahead of whoever answers."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeAlias

from predict import reading
from predict.answers import Prediction
from predict.pictures import Picture, Unusable
from preprocess.image_formats import ImageError
from preprocess.images import Pixels, Shape

BATCH_SIZE = 32
# Squares of the encoder's size -> one answer each, without keys.
Answer: TypeAlias = Callable[[Sequence[Pixels]], Sequence[Prediction]]
_Decoded: TypeAlias = 'Pixels | Unusable'


def stream(pictures: Iterable[Picture | Unusable], shape: Shape, answer: Answer) -> Iterator[Prediction]:
    """Answers in order, as they come; what can't be used keeps its place."""
    with ThreadPoolExecutor(thread_name_prefix='decode') as decoders:
        waiting: list[tuple[str, Future[_Decoded]]] = []
        for batch in _batches(pictures):
            coming = [(picture.key, decoders.submit(_decoded, picture, shape)) for picture in batch]
            yield from _answers(waiting, answer)
            waiting = coming
        yield from _answers(waiting, answer)


def _batches(pictures: Iterable[Picture | Unusable]) -> Iterator[tuple[Picture | Unusable, ...]]:
    coming = iter(pictures)
    while batch := tuple(itertools.islice(coming, BATCH_SIZE)):
        yield batch


def _decoded(picture: Picture | Unusable, shape: Shape) -> _Decoded:
    if isinstance(picture, Unusable):
        return picture
    try:
        return reading.square(picture.source, shape)
    except ImageError as error:
        return Unusable(picture.key, str(error))


def _answers(decoding: Sequence[tuple[str, 'Future[_Decoded]']], answer: Answer) -> Iterator[Prediction]:
    decoded = [(key, future.result()) for key, future in decoding]
    squares = [pixels for _, pixels in decoded if not isinstance(pixels, Unusable)]
    answers = iter(answer(squares) if squares else ())
    for key, pixels in decoded:
        if isinstance(pixels, Unusable):
            yield Prediction(key, error=pixels.error)
        else:
            yield replace(next(answers), key=key)
