"""A model taken apart for a batch: its head by itself, and its encoder in the store, where it is only if needed.

The encoder is known by its key, which the model has from its training: what the store holds under that key are the
vectors this model's encoder would give.
"""

import json
from dataclasses import dataclass, replace
from typing import cast

from predict.description import Description
from preprocess import children, engines, files, kept_encoders, near, settings
from preprocess.compiled import PIXEL_ENGINE, CompiledEncoder
from preprocess.failures import InputError
from preprocess.images import Shape
from preprocess.progress import Progress, say
from preprocess.settings import Json

_CHILD = 'predict.batch_child'
_AS_EXPORTED = ('tensorflow', 'float32')
_BATCH_SIZE = 8


@dataclass(frozen=True)
class Parted:
    """What a model says of its encoder."""

    model_dir: str
    description: Description
    input_shape: Shape
    vector_size: int
    spec: str
    key: str
    engine: str
    precision: str
    batch_size: int

    @classmethod
    def read(cls, model_dir: str) -> 'Parted':
        """The model in a directory; InputError when it can't be used for pictures."""
        description = Description.read(model_dir)
        shape = description.shape_for_pictures(model_dir)
        path = files.join(model_dir, 'assets', 'model.json')
        said = json.loads(files.read_text(path))
        try:
            encoder = said['encoder']
            return cls(
                model_dir,
                description,
                shape,
                int(said['vector_size']),
                spec=str(encoder['spec']),
                key=str(encoder['key']),
                engine=str(encoder['engine']),
                precision=str(encoder['precision']),
                batch_size=int(encoder['batch_size']),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f'this model does not say which encoder it has: {type(error).__name__}: {error}',
                where=path,
                do='train it again, or answer the pictures with predict.local',
            ) from error

    @property
    def digest(self) -> str:
        """What tells one model from another."""
        names = ('saved_model.pb', 'assets/model.json', 'assets/dict.txt')
        return settings.digest({name: files.sha256(near.file(files.join(self.model_dir, name))) for name in names})

    def in_store(self, store: str) -> 'Parted':
        """This model, or with its float32 graph where its encoder is a quantised one that the store has not."""
        if self.engine == PIXEL_ENGINE or not engines.way(self.engine, self.precision).is_quantised:
            return self
        if kept_encoders.usable(kept_encoders.place_in_store(self.key, store), self.key):
            return self
        say(
            f"the model's {self.precision} encoder is not in {store}: its float32 graph is used, as predict.local does"
            ' (--embedding_store: the store of its training)'
        )
        engine, precision = _AS_EXPORTED
        own = settings.digest({'float32 graph of': self.key, 'batch_size': _BATCH_SIZE})
        return replace(self, key=own, engine=engine, precision=precision, batch_size=_BATCH_SIZE)

    def take_apart(self, store: str, *, staging: str, head: str) -> CompiledEncoder:
        """Write the head to a file; the encoder, from the store or else put there out of the model."""
        made: list[str] = []

        def make(folder: str) -> CompiledEncoder:
            made.append(folder)
            self._ask(head, folder)
            return CompiledEncoder.load(folder)

        encoder = kept_encoders.found_or_made(self.key, store, staging=staging, make=make)
        if not made:
            self._ask(head, None)
        return encoder

    def _ask(self, head: str, encoder: str | None) -> None:
        """Have it done in a process whose gigabytes end with it."""
        request: dict[str, Json] = {'model_dir': files.absolute(self.model_dir), 'head': head, 'encoder': None}
        if encoder is not None:
            request['encoder'] = {
                'directory': encoder,
                'spec': self.spec,
                'key': self.key,
                'input_shape': cast('list[Json]', list(self.input_shape)),
                'vector_size': self.vector_size,
                'engine': self.engine,
                'precision': self.precision,
                'batch_size': self.batch_size,
            }
        with Progress('taking the head out of the model' if encoder is None else 'taking the model apart'):
            children.ask(_CHILD, request, doing='taking the model apart', where=self.model_dir)
