"""Signals and their labels as `.npy`: one float64 for each frame, never anything that could run."""

import io

import numpy as np
from numpy.typing import NDArray

from preprocess import files
from preprocess.failures import InputError


def read_signal(uri: str) -> NDArray[np.float64]:
    """A motion signal: finite numbers."""
    signal = _column(uri)
    if not np.isfinite(signal).all():
        place = int(np.flatnonzero(~np.isfinite(signal))[0])
        raise InputError(f'value {place} of the signal is {signal[place]}', where=uri, do='find the signal again')
    return signal


def read_labels(uri: str, *, classes: int) -> NDArray[np.float64]:
    """The class of each frame, NaN where it has none."""
    labels = _column(uri)
    wrong = np.flatnonzero(~np.isnan(labels) & ~np.isin(labels, np.arange(classes)))
    if len(wrong):
        raise InputError(
            f'label {int(wrong[0])} is {labels[wrong[0]]:g}, which is no class from 0 to {classes - 1}',
            where=uri,
            do='correct it, or name every class in --label_names (NaN: no label)',
        )
    return labels


def write(uri: str, values: NDArray[np.float64]) -> None:
    """Write an array whole or not at all."""
    with files.writing_atomic(uri) as opened:
        opened.write(to_bytes(values))


def to_bytes(values: NDArray[np.float64]) -> bytes:
    """What a `.npy` file of the array holds."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def _column(uri: str) -> NDArray[np.float64]:
    """The numbers of an array with one axis (others may be of length 1)."""
    try:
        found = np.load(io.BytesIO(files.read_bytes(uri)), allow_pickle=False)
        if found.ndim == 0 or found.size != max(found.shape) or found.dtype.kind not in 'biuf':
            raise ValueError(f'{found.dtype} of shape {found.shape}, not one number for each frame')
        return np.asarray(found, np.float64).reshape(-1)
    except FileNotFoundError as error:
        raise InputError('there is no such file', where=uri, do='check the path') from error
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f'no array of numbers can be read: {error}', where=uri, do='write it with numpy.save(path, array)'
        ) from error
