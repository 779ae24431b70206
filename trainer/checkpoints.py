"""Checkpoints of a training: everything that changes, in one file that is there whole or not at all."""

import io
import json
import logging
import re
import zipfile
import zlib
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess import files
from trainer.history import CurvePoint

_log = logging.getLogger(__name__)
_NAME = re.compile(r'checkpoint-(\d{10})\.npz')
# The one before the last is there for the case that the last was damaged on disk.
_KEPT = 2


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything of a network that changes: weights, and the optimizer's slots for each of them."""

    weights: tuple[NDArray[np.float32], ...]
    slots: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, eq=False)
class Best:
    """The best weights so far, by the loss or score they were chosen for."""

    step: int
    value: float
    weights: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training after `step` steps; where it stands in the shuffled records follows from that."""

    step: int
    network: Snapshot
    best: Best | None
    seconds: float
    select_every: int
    history: tuple[CurvePoint, ...]
    owes: bool = False  # somebody asked to stop before these weights were measured


def save(directory: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, then let go of those before the last two."""
    arrays = {
        **_numbered('weight', checkpoint.network.weights),
        **_numbered('slot', checkpoint.network.slots),
        **_numbered('best', checkpoint.best.weights if checkpoint.best else ()),
    }
    said = {
        'step': checkpoint.step,
        'seconds': checkpoint.seconds,
        'select_every': checkpoint.select_every,
        'owes': checkpoint.owes,
        'best': {'step': checkpoint.best.step, 'value': checkpoint.best.value} if checkpoint.best else None,
        'history': [asdict(point) for point in checkpoint.history],
    }
    with files.writing_atomic(files.join(directory, f'checkpoint-{checkpoint.step:010d}.npz')) as opened:
        np.savez(opened, allow_pickle=False, said=np.frombuffer(json.dumps(said).encode(), np.uint8), **arrays)
    for path in _paths(directory)[:-_KEPT]:
        files.delete(path)


def latest(directory: str) -> Checkpoint | None:
    """The last checkpoint that can be read; None where there is none."""
    for path in reversed(_paths(directory)):
        try:
            return _read(path)
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            _log.warning('%s is damaged, the one before is used: %s', path, error)
    return None


def last_step(directory: str) -> int:
    """After how many steps the last checkpoint was written, by its name; 0 without any."""
    found = _NAME.fullmatch(files.name(paths[-1])) if (paths := _paths(directory)) else None
    return int(found[1]) if found else 0


def clear(directory: str) -> None:
    """Remove all checkpoints."""
    for path in _paths(directory):
        files.delete(path)


def _read(path: str) -> Checkpoint:
    with np.load(io.BytesIO(files.read_bytes(path)), allow_pickle=False) as content:
        said = json.loads(bytes(content['said']))
        best = said['best']
        return Checkpoint(
            step=said['step'],
            network=Snapshot(_of_name('weight', content), _of_name('slot', content)),
            best=Best(best['step'], best['value'], _of_name('best', content)) if best else None,
            seconds=said['seconds'],
            select_every=said['select_every'],
            history=tuple(CurvePoint(**point) for point in said['history']),
            owes=said.get('owes', False),
        )


def _paths(directory: str) -> list[str]:
    if not files.is_dir(directory):
        return []
    found = [listed.uri for listed in files.list_dir(directory)]
    return sorted(path for path in found if _NAME.fullmatch(files.name(path)))


def _numbered(name: str, arrays: tuple[NDArray[np.float32], ...]) -> dict[str, NDArray[np.float32]]:
    return {f'{name}_{number}': array for number, array in enumerate(arrays)}


def _of_name(name: str, content: 'np.lib.npyio.NpzFile') -> tuple[NDArray[np.float32], ...]:
    count = sum(key.startswith(f'{name}_') for key in content.files)
    return tuple(content[f'{name}_{number}'] for number in range(count))
