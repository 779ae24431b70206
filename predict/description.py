"""What a model says of itself in assets/model.json: read without TensorFlow."""

import json
from dataclasses import dataclass
from typing import Self, cast

from preprocess import files
from preprocess.failures import InputError


@dataclass(frozen=True)
class Description:
    """The part of model.json that prediction needs; `input_shape` is None for a model that takes vectors only."""

    multi_label: bool
    threshold: float
    input_shape: tuple[int, int, int] | None

    @classmethod
    def read(cls, directory: str) -> Self:
        """The description of the model in a directory."""
        path = files.join(directory, 'assets', 'model.json')
        try:
            content = json.loads(files.read_text(path))
            shape = content['input_shape']
            return cls(
                bool(content['multi_label']),
                float(content['threshold']),
                cast('tuple[int, int, int]', tuple(int(side) for side in shape)) if shape else None,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'this folder holds no model of ours: {type(error).__name__}: {error}',
                where=path,
                do='give the folder trainer.task or trainer.export wrote',
            ) from error
