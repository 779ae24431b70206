"""A mark beside the checkpoints: which weights and which encoder the exported model was made of."""

import json

from preprocess import files, settings
from trainer.config import TrainConfig
from trainer.publishing import GRAPH
from trainer.result import TrainResult

FILE = 'exported.json'


def made_of(result: TrainResult, encoder_key: str | None) -> str:
    """A digest of everything that goes into a model."""
    return settings.digest(
        {
            'training': result.digest,
            'step': result.chosen.step,
            'encoder': encoder_key,
            'labels': list(result.classes.names),
        }
    )


def is_there(config: TrainConfig) -> bool:
    """Whether there is a model, of whatever it is."""
    return files.exists(files.join(config.model_dir, GRAPH))


def read(config: TrainConfig) -> str | None:
    """What the model there was made of; None where that isn't known."""
    try:
        return str(json.loads(files.read_text(_path(config)))['made_of'])
    except FileNotFoundError:
        return None


def write(config: TrainConfig, digest: str) -> None:
    """Say what the model was made of."""
    files.write_atomic(_path(config), json.dumps({'made_of': digest}).encode())


def remove(config: TrainConfig) -> None:
    """Say nothing of the model any more."""
    files.delete(_path(config))


def _path(config: TrainConfig) -> str:
    return files.join(config.checkpoint_dir, FILE)
