"""What a directory says of an earlier training, and whether the same command skips, continues, or must not go on."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from preprocess import files, settings
from preprocess.failures import InputError
from preprocess.settings import Json
from trainer import checkpoints, history, inputs, result
from trainer.config import DEFAULT_MAX_STEPS, Learning, TrainConfig
from trainer.inputs import Inputs
from trainer.result import TrainResult

FILE = 'settings.json'
_EVENTS = re.compile(r'events\.out\.tfevents\..*')
# Settings of Learning that say how long to go on, not how.
_LENGTHS = ('max_steps', 'epochs')


@dataclass(frozen=True)
class Plan:
    """What a training's weights depend on; the last two are known once its records were read."""

    settings: Mapping[str, Json]
    max_steps: int = 0
    rows: int = 0  # training records in use

    def write(self, checkpoint_dir: str) -> None:
        """Keep it where the checkpoints are."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False) + '\n'
        files.write_atomic(files.join(checkpoint_dir, FILE), text.encode())


def describe(config: TrainConfig, found: Inputs, *, nodes: int) -> dict[str, Json]:
    """The settings that make one training another: not how long it goes on, nor when it looks up."""
    learning = {name: value for name, value in asdict(config.learning).items() if name not in _LENGTHS}
    return {
        **learning,
        'multi_label': found.multi_label,
        'labels': list(found.labels) if found.labels is not None else None,
        'train_records': inputs.identity(found.train),
        'eval_records': inputs.identity(found.eval),
        'nodes': nodes,
    }


def steps_wanted(learning: Learning, *, rows: int, nodes: int) -> int:
    """How many steps are asked for, when there are so many training records."""
    if learning.epochs is not None:
        return math.ceil(learning.epochs * rows / (learning.batch_size * nodes))
    return learning.max_steps or DEFAULT_MAX_STEPS


@dataclass(frozen=True)
class Verdict:
    """What to do in a directory: nothing where there is a complete result, else go on, or begin anew."""

    complete: TrainResult | None = None
    anew: bool = False
    changes: tuple[str, ...] = ()


def judge(config: TrainConfig, described: Mapping[str, Json], *, nodes: int) -> Verdict:
    """What the directory holds against what is asked for; InputError when it was asked for differently."""
    earlier = None if config.overwrite else _read(config.checkpoint_dir)
    if earlier is None:
        return Verdict(anew=True)
    wanted = steps_wanted(config.learning, rows=earlier.rows, nodes=nodes)
    changes = settings.changes(earlier.settings, described)
    if wanted < earlier.max_steps:
        changes.append(f'max_steps: {earlier.max_steps} -> {wanted}')
    if changes and config.redo_if_changed:
        return Verdict(anew=True, changes=tuple(changes))
    if changes:
        raise InputError(
            f'this directory holds a training with other settings: {"; ".join(changes)}',
            where=config.checkpoint_dir,
            do='add --overwrite to train anew, or choose another --output_path',
        )
    complete = result.read(config.checkpoint_dir, export_last=config.export_last)
    return Verdict(complete if wanted == earlier.max_steps else None)


def begin(config: TrainConfig, plan: Plan, *, anew: bool) -> None:
    """Make the directory ready to train by this plan: from its last checkpoint, or from the start."""
    files.delete(files.join(config.checkpoint_dir, result.FILE))
    if anew:
        _clear(config)
    plan.write(config.checkpoint_dir)


def forget(config: TrainConfig) -> None:
    """Make the directory ready for a training from the start, by somebody else."""
    for name in (result.FILE, FILE):
        files.delete(files.join(config.checkpoint_dir, name))
    _clear(config)


def planned_steps(checkpoint_dir: str) -> int | None:
    """How many steps the training there is to take, once it knows."""
    try:
        earlier = _read(checkpoint_dir)
    except InputError:
        return None
    return earlier.max_steps if earlier else None


def _clear(config: TrainConfig) -> None:
    """Remove what an earlier training left, file by file: the directory may hold other things, too."""
    checkpoints.clear(config.checkpoint_dir)
    files.delete(files.join(config.checkpoint_dir, history.FILE))
    for name in ('train', 'train_set', 'eval_set'):
        directory = files.join(config.log_dir, name)
        for found in files.list_dir(directory) if files.is_dir(directory) else ():
            if _EVENTS.fullmatch(files.name(found.uri)):
                files.delete(found.uri)


def _read(checkpoint_dir: str) -> Plan | None:
    path = files.join(checkpoint_dir, FILE)
    try:
        content = json.loads(files.read_text(path))
        return Plan(cast('dict[str, Json]', content['settings']), int(content['max_steps']), int(content['rows']))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f'not the settings of a training this version reads: {error}', where=path, do='add --overwrite'
        ) from None
