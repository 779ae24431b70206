"""Whether the exported model says of pictures what their records give: another engine or precision moves scores."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from preprocess import files, images
from preprocess.images import Pixels, Shape
from preprocess.progress import Progress
from trainer.evaluation import ServingAgreement
from trainer.metrics import Floats

PICTURES = 200
# Where pictures were moved away since they were embedded, not every one of a million is looked for.
_MOST_TRIED = 1000
# One fixed size: rows of a padded batch don't depend on how many there are.
_BATCH = 32


def measure(
    uris: Sequence[str], scores: Floats, shape: Shape, score_pixels: Callable[[Pixels], Floats]
) -> ServingAgreement:
    """Score 200 of the pictures (all, where there are fewer) through the whole model; `scores` are their records'."""
    read: dict[int, Pixels] = {}
    unreadable = 0
    with Progress('scoring pictures again', total=min(PICTURES, len(uris)), unit='pictures') as progress:
        for row in _sample(uris):
            pixels = _pixels(uris[row], shape)
            if pixels is None:
                unreadable += 1
                continue
            read[row] = pixels
            progress.update(len(read), failed=unreadable)
            if len(read) == PICTURES:
                break
        again = _scored(list(read.values()), score_pixels)
    if again is None:
        return ServingAgreement(0, unreadable, None, None, None)
    before = scores[list(read)]
    difference = np.abs(again - before)
    return ServingAgreement(
        pictures=len(read),
        unreadable=unreadable,
        same_label=float(np.mean(again.argmax(axis=1) == before.argmax(axis=1))),
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
    )


def _sample(uris: Sequence[str]) -> list[int]:
    """Rows by a hash of their URIs: the same pictures in every run, whatever the order of the records."""
    order = sorted(range(len(uris)), key=lambda row: _hash(uris[row]))
    return order[:_MOST_TRIED]


def _hash(uri: str) -> bytes:
    return hashlib.blake2b(uri.encode('utf-8', 'surrogateescape'), digest_size=16).digest()


def _pixels(uri: str, shape: Shape) -> Pixels | None:
    try:
        return images.to_pixels(files.read_bytes(uri, limit=images.MAX_BYTES + 1), shape)
    except (OSError, ValueError):  # an ImageError is a ValueError, and so is a path that can't be one
        return None  # counted: a picture may have been moved or replaced since it was embedded


def _scored(pictures: Sequence[Pixels], score_pixels: Callable[[Pixels], Floats]) -> Floats | None:
    batches = []
    for start in range(0, len(pictures), _BATCH):
        batch = np.stack(pictures[start : start + _BATCH])
        padding = [(0, _BATCH - len(batch)), (0, 0), (0, 0), (0, 0)]
        batches.append(score_pixels(np.pad(batch, padding))[: len(batch)])
    return np.concatenate(batches) if batches else None
