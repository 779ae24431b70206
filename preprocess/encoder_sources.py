"""Where an encoder comes from: a Keras application and its weights, `mini`, a directory, a hub address, no network.

A source knows its name, what its vectors depend on (without TensorFlow), and how its graph is made.
"""

import difflib
import hashlib
import json
import os
import re
from dataclasses import dataclass
from typing import Protocol

from preprocess import files, near, pixel_encoders
from preprocess.applications import APPLICATIONS, Application
from preprocess.compiled import FrozenGraph
from preprocess.failures import InputError, UsageError

MINI_SHAPE = (96, 96, 3)
MINI_VECTOR_SIZE = 256
MINI_GRAPH = os.path.join(os.path.dirname(__file__), 'mini', 'graph.pb')
MINI_ABOUT = os.path.join(os.path.dirname(__file__), 'mini', 'about.json')
_WEIGHTS_ENDINGS = ('.h5', '.hdf5', '.keras')
_ADDRESS = re.compile(r'https?://', re.IGNORECASE)
_WITH_SIZE = re.compile(r'(.+)@([1-9]\d{0,3})')


class Source(Protocol):
    """What a kind of encoder must be able to say and do."""

    @property
    def canonical(self) -> str:
        """Its name, without paths of this machine."""
        ...

    def identity(self) -> str:
        """What its vectors depend on: a hash of its weights or files, wherever they are; no TensorFlow."""
        ...

    @property
    def is_heavy(self) -> bool:
        """Whether making the graph takes TensorFlow, and gigabytes."""
        ...

    def build(self) -> FrozenGraph:
        """Its graph."""
        ...


@dataclass(frozen=True)
class ApplicationSource:
    """A Keras application: weights are None (ImageNet), 'random', or a file."""

    name: str
    weights: str | None

    @property
    def canonical(self) -> str:
        """`inception_v3`, `inception_v3+random` or `inception_v3+FILE`."""
        return f'{self.name}+{files.name(self.weights)}' if self.weights else self.name

    @property
    def _application(self) -> Application:
        return APPLICATIONS[self.name]

    def identity(self) -> str:
        """The weights: ImageNet's by the name and hash Keras pins, so that it needn't be there; a file's by content."""
        imagenet = f'{self.name} imagenet {self._application.weights_file}'
        if self.weights is None:
            return imagenet
        if self.weights == 'random':
            return f'{self.name} random'
        content = files.read_bytes(near.file(self.weights))
        # The ImageNet file given by hand is the same encoder as the one from the cache.
        if hashlib.md5(content, usedforsecurity=False).hexdigest() in self._application.weights_md5:
            return imagenet
        return f'{self.name} {hashlib.sha256(content).hexdigest()}'

    is_heavy = True

    def build(self) -> FrozenGraph:
        """Built by Keras."""
        from preprocess import freezing, keras_encoders

        if self.weights is None:
            network = keras_encoders.imagenet(self._application)
        elif self.weights == 'random':
            network = keras_encoders.random(self._application)
        else:
            network = keras_encoders.from_file(self._application, self.weights)
        return freezing.freeze(network, where=f'--encoder {self.name}')


@dataclass(frozen=True)
class MiniSource:
    """The small encoder in this package: trained on drawn pictures, not meant for photographs."""

    @property
    def canonical(self) -> str:
        """Its name says it all."""
        return 'mini'

    def identity(self) -> str:
        """The hash of its graph."""
        return f'mini {files.sha256(MINI_GRAPH)}'

    is_heavy = False

    def build(self) -> FrozenGraph:
        """It is frozen already."""
        return FrozenGraph(
            graph=files.read_bytes(MINI_GRAPH),
            input_shape=MINI_SHAPE,
            vector_size=MINI_VECTOR_SIZE,
            notes=(json.loads(files.read_text(MINI_ABOUT))['notice'],),
        )


@dataclass(frozen=True)
class DirectorySource:
    """A SavedModel or hub model in a directory; `size` where its signature leaves the input's size open."""

    path: str
    size: int | None

    @property
    def canonical(self) -> str:
        """The directory's own name, and the size if one was given."""
        return f'saved_model:{files.name(self.path)}' + (f'@{self.size}' if self.size else '')

    def identity(self) -> str:
        """A hash over the relative names and contents of its files: the same wherever a copy of it lies."""
        digest = hashlib.sha256()
        place = near.tree(self.path, what='the model')
        for found in files.list_dir(place, recursive=True):
            relative = os.path.relpath(found.uri, place)
            if files.name(relative).startswith('.'):
                continue  # what file managers leave behind
            digest.update(f'{relative}\0{files.sha256(found.uri)}\n'.encode())
        return f'directory {digest.hexdigest()} {self.size}'

    is_heavy = True

    def build(self) -> FrozenGraph:
        """Loaded by TensorFlow."""
        from preprocess import freezing, saved_model_encoders

        return freezing.freeze(saved_model_encoders.from_directory(self.path, self.size), where=self.path)


@dataclass(frozen=True)
class HubSource:
    """An address that tensorflow-hub can fetch; such addresses carry a version and never change their content."""

    handle: str
    size: int | None

    @property
    def canonical(self) -> str:
        """`hub:` and the address, and the size if one was given."""
        return f'hub:{self.handle}' + (f'@{self.size}' if self.size else '')

    def identity(self) -> str:
        """The address."""
        return self.canonical

    is_heavy = True

    def build(self) -> FrozenGraph:
        """Fetched once into tensorflow-hub's cache, then like any directory."""
        from preprocess import hub_cache

        return DirectorySource(hub_cache.fetch(self.handle), self.size).build()


def find_source(name: str, weights: str | None) -> Source:
    """The source an encoder's name and weights mean; a name that means nothing is an error listing the choices."""
    if name in APPLICATIONS:
        return ApplicationSource(name, _checked_weights(weights))
    if weights is not None:
        if difflib.get_close_matches(name, APPLICATIONS, n=1, cutoff=0.85):
            raise UsageError(f'unknown encoder {name!r}', where='--encoder', do=_choices(name))
        raise UsageError(
            f'{name} brings its own weights',
            where='--encoder_weights',
            do=f'leave it out, or choose one of {", ".join(APPLICATIONS)}',
        )
    if name == 'mini':
        return MiniSource()
    if pixel_encoders.is_pixels(name):
        return pixel_encoders.find(name)
    handle, is_hub = name.removeprefix('hub:'), name.startswith('hub:')
    if _ADDRESS.match(handle):
        if not is_hub:
            raise UsageError(f'{name} is an address', where='--encoder', do=f'write --encoder hub:{name}')
        address, size = _without_size(handle)
        return HubSource(address, size)
    path, size = (handle, None) if files.is_dir(handle) else _without_size(handle)
    if files.is_dir(path):
        return DirectorySource(path, size)
    if '/' in name or files.exists(path):
        raise InputError('no such model directory', where=path, do='give the path of a SavedModel or hub model')
    raise UsageError(f'unknown encoder {name!r}', where='--encoder', do=_choices(name))


def _without_size(path: str) -> tuple[str, int | None]:
    """`DIR@160` -> DIR and 160."""
    found = _WITH_SIZE.fullmatch(path)
    return (found[1], int(found[2])) if found else (path, None)


def _checked_weights(weights: str | None) -> str | None:
    if weights is None or weights == 'imagenet':
        return None
    if weights == 'random':
        return weights
    if not weights.endswith(_WEIGHTS_ENDINGS):
        raise UsageError(
            f'{weights!r} is neither a Keras weights file ({", ".join(_WEIGHTS_ENDINGS)}) nor random',
            where='--encoder_weights',
            do='give a .h5, .weights.h5 or .keras file, or random',
        )
    if not files.exists(weights) or files.is_dir(weights):
        raise InputError('no such weights file', where=weights, do='give the path of a .h5, .weights.h5 or .keras file')
    return weights


def _choices(name: str) -> str:
    known = [*APPLICATIONS, 'mini', 'pixels:224x224']
    nearest = difflib.get_close_matches(name, known, n=1)
    meant = f'did you mean {nearest[0]}? ' if nearest else ''
    return f'{meant}choose from {", ".join(known)}, hub:URL or a model directory'
