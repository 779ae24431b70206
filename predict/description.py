"""What a model says of itself beside its graph, in assets/: read without TensorFlow."""

import json
from dataclasses import dataclass
from typing import Self, cast

from preprocess import files
from preprocess.failures import InputError
from preprocess.labels import Labels


@dataclass(frozen=True)
class Description:
    """The labels of a model, when they hold, and the size of the pictures it takes; None: it takes vectors only."""

    labels: tuple[str, ...]
    multi_label: bool
    threshold: float
    input_shape: tuple[int, int, int] | None

    @classmethod
    def read(cls, directory: str) -> Self:
        """The description of the model in a directory; InputError when there is none."""
        if not files.exists(files.join(directory, 'saved_model.pb')):
            raise _no_model(directory)
        path = files.join(directory, 'assets', 'model.json')
        try:
            said = json.loads(files.read_text(path))
            shape = tuple(int(side) for side in said['input_shape']) if said['input_shape'] else None
            multi_label, threshold = bool(said['multi_label']), float(said['threshold'])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'this folder holds no model of ours: {type(error).__name__}: {error}',
                where=path,
                do='give the folder trainer.task or trainer.export wrote',
            ) from error
        labels = Labels.read(files.join(directory, 'assets', 'dict.txt')).names
        return cls(labels, multi_label, threshold, cast('tuple[int, int, int] | None', shape))

    def shape_for_pictures(self, directory: str) -> tuple[int, int, int]:
        """The size of the encoder's input; InputError when the model has no encoder."""
        if self.input_shape is None:
            raise InputError(
                'this model takes vectors, not pictures: it was exported without its encoder',
                where=directory,
                do='train again with --encoder, so that the encoder is in the model',
            )
        return self.input_shape


def _no_model(directory: str) -> InputError:
    what = 'not a SavedModel' if files.exists(directory) else 'there is no such folder'
    below = files.join(directory, 'model')
    if files.exists(files.join(below, 'saved_model.pb')):
        return InputError(what, where=directory, do=f'did you mean {below}?')
    return InputError(what, where=directory, do='give the folder that holds saved_model.pb')
