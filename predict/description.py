"""What a model says of itself beside its graph, in assets/: read without TensorFlow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

from preprocess import files
from preprocess.failures import InputError
from preprocess.labels import Labels
from preprocess.preparation import NOTHING, Preparation
from preprocess.sampling import Sampling
from preprocess.settings import Json

_LAST = 'last'


@dataclass(frozen=True)
class Windowing:
    """The windows a model looks at: how many consecutive frames each has, how far apart they begin."""

    length: int
    stride: int = 1
    label: str = _LAST

    @property
    def spoken(self) -> int:
        """The place of the frame a window speaks for: its last one, or the centre one where all have a say."""
        return self.length - 1 if self.label == _LAST else self.length // 2


@dataclass(frozen=True)
class Manner:
    """How footage came to a model when it was trained; `window` None: it looks at single frames."""

    window: Windowing | None = None
    looks_at_frames: bool = False  # at their pixels, not at an encoder's vectors
    sampling: Sampling | None = None
    preparation: Preparation = NOTHING

    @classmethod
    def of(cls, said: Mapping[str, Json]) -> Self:
        """What model.json says of it; nothing in models of pictures."""
        window, sampling, preparation = (said.get(name) for name in ('window', 'sampling', 'preparation'))
        return cls(
            _windowing(_object(window)) if window else None,
            len(cast('list[Json]', said.get('vector_shape') or ())) == 3,
            Sampling.from_json(_object(sampling)) if sampling else None,
            Preparation.from_json(_object(preparation)) if preparation else NOTHING,
        )


@dataclass(frozen=True)
class Description:
    """The labels of a model, when they hold, and the size of the pictures it takes; None: it takes vectors only."""

    labels: tuple[str, ...]
    multi_label: bool
    threshold: float
    input_shape: tuple[int, int, int] | None
    manner: Manner = Manner()

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
            manner = Manner.of(said)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'this folder holds no model of ours: {type(error).__name__}: {error}',
                where=path,
                do='give the folder trainer.task or trainer.export wrote',
            ) from error
        labels = Labels.read(files.join(directory, 'assets', 'dict.txt')).names
        return cls(labels, multi_label, threshold, cast('tuple[int, int, int] | None', shape), manner)

    def shape_for_pictures(self, directory: str) -> tuple[int, int, int]:
        """The size of the encoder's input; InputError when the model has no encoder."""
        if self.input_shape is None:
            raise InputError(
                'this model takes vectors, not pictures: it was exported without its encoder',
                where=directory,
                do='train again with --encoder, so that the encoder is in the model',
            )
        return self.input_shape

    def for_single_pictures(self, directory: str) -> None:
        """Raise InputError when the model needs the frames before and after."""
        if window := self.manner.window:
            raise InputError(
                f'this model looks at windows of {window.length} consecutive frames, not at single pictures',
                where=directory,
                do='give it videos: python -m predict.local --model_dir DIR CLIP.mp4',
            )


def _windowing(said: Mapping[str, Json]) -> Windowing:
    return Windowing(int(cast(int, said['frames'])), int(cast(int, said['stride'])), str(said['label']))


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise TypeError(f'not an object: {value!r}')
    return value


def _no_model(directory: str) -> InputError:
    what = 'not a SavedModel' if files.exists(directory) else 'there is no such folder'
    below = files.join(directory, 'model')
    if files.exists(files.join(below, 'saved_model.pb')):
        return InputError(what, where=directory, do=f'did you mean {below}?')
    return InputError(what, where=directory, do='give the folder that holds saved_model.pb')
