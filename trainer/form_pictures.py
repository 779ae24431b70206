"""The pictures another form of a model is calibrated and checked on: the user's own, or drawn ones."""

import os
from collections.abc import Iterator

import numpy as np

from preprocess import files, quantising, rows
from preprocess.failures import InputError
from preprocess.folders import PICTURE_EXTENSIONS
from preprocess.images import Pixels, Shape

_DRAWN = 8


def drawn(shape: Shape) -> Pixels:
    """Smooth colours with noise, none like another."""
    height, width, channels = shape
    down, across = np.mgrid[:height, :width]
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(_DRAWN):
        starts, (downward, sideward) = random.uniform(0, 255, channels), random.uniform(-255, 255, (2, channels))
        smooth = starts + downward * (down / height)[..., None] + sideward * (across / width)[..., None]
        pictures.append(smooth + random.normal(0, 12, shape))
    return np.asarray(np.clip(pictures, 0, 255), np.uint8)


def own(place: str, shape: Shape) -> Pixels:
    """100 to 300 usable pictures of a folder or CSV, always the same ones."""
    return quantising.calibration_pixels(
        lambda: _uris(place),
        shape,
        where=f'--calibration_pictures {place}',
        do='give more pictures, or leave out --precision int8',
    )


def _uris(place: str) -> Iterator[str]:
    if files.is_dir(place):
        for one in files.list_dir(place, recursive=True):
            below = one.uri[len(place) :]
            if os.path.splitext(below)[1].lower() in PICTURE_EXTENSIONS and '/.' not in f'/{below}':
                yield one.uri
        return
    if not files.exists(place):
        raise InputError('there is no such folder or CSV', where=f'--calibration_pictures {place}', do='check the path')
    yield from (row.uri for row in rows.read_csv(place) if isinstance(row, rows.Row) and not row.is_footage)
