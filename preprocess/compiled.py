"""A compiled encoder on disk: one frozen graph from pixels to vectors, beside a JSON file that says what it is.

A quantised one has its own model beside the float32 graph, which is what goes into a served model.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from preprocess import files, near
from preprocess.failures import InputError

GRAPH_FILE = 'graph.pb'
MODEL_FILE, MODEL_WEIGHTS_FILE = 'model.xml', 'model.bin'
INFO_FILE = 'encoder.json'
# The engine of encoders without a network, whose vectors are the pixels themselves; and its precision.
PIXEL_ENGINE, PIXEL_PRECISION = 'pixels', 'uint8'
# Names of the graph's input, uint8[N,H,W,C], and output, float32[N,D].
PIXELS = 'pixels:0'
VECTORS = 'vectors:0'


@dataclass(frozen=True, kw_only=True)
class FrozenGraph:
    """An encoder's graph before it has a place: constants only, with the tensor names above."""

    graph: bytes
    input_shape: tuple[int, int, int]
    vector_size: int
    notes: tuple[str, ...] = ()  # what was assumed in making it, to be told to the user


@dataclass(frozen=True, kw_only=True)
class CompiledEncoder:
    """What encoder.json says, and the directory it was read from.

    `sha256` is the float32 graph's; `quantised` the quantised model's, where that is what runs.
    """

    directory: str
    spec: str
    key: str
    sha256: str
    input_shape: tuple[int, int, int]
    vector_size: int
    engine: str
    precision: str
    batch_size: int
    quantised: str | None = None

    @property
    def is_pixels(self) -> bool:
        """Whether there is no network: its vectors are the pixels, uint8."""
        return self.engine == PIXEL_ENGINE

    @property
    def vector_shape(self) -> tuple[int, ...]:
        """(D,) float32; (H, W, C) uint8 where they are pixels."""
        return self.input_shape if self.is_pixels else (self.vector_size,)

    @property
    def vector_bytes(self) -> int:
        """How long one vector is."""
        return self.vector_size * (1 if self.is_pixels else 4)

    @property
    def graph_path(self) -> str:
        """Where the frozen graph is."""
        return files.join(self.directory, GRAPH_FILE)

    @property
    def model_path(self) -> str:
        """Where the quantised model is."""
        return files.join(self.directory, MODEL_FILE)

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names of its files, in the order to copy them: where the last one is, the others are whole."""
        if self.is_pixels:
            return (INFO_FILE,)
        return (GRAPH_FILE, *((MODEL_FILE, MODEL_WEIGHTS_FILE) if self.quantised else ()), INFO_FILE)

    @classmethod
    def load(cls, directory: str) -> 'CompiledEncoder':
        """Read encoder.json; the graph itself is not looked at."""
        path = files.join(directory, INFO_FILE)
        try:
            said = json.loads(files.read_text(path))
            height, width, channels = said.pop('input_shape')
            return cls(directory=directory, input_shape=(int(height), int(width), int(channels)), **said)
        except FileNotFoundError:
            raise InputError(
                'no compiled encoder here', where=directory, do='embed the pictures again, or copy the whole result'
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f'not the description of an encoder ({error})', where=path, do='embed the pictures again'
            ) from None

    def write(self) -> None:
        """Write encoder.json, which goes last: where it is, the graph is whole."""
        said = dataclasses.asdict(self)
        del said['directory']
        text = json.dumps(said, indent=2) + '\n'
        files.write_atomic(files.join(self.directory, INFO_FILE), text.encode())

    def is_intact(self) -> bool:
        """Whether the graph is the one that was written with this description."""
        if self.is_pixels:
            return True
        try:
            is_model = self.quantised is None or quantised_sha256(self.directory) == self.quantised
            return is_model and files.sha256(near.file(self.graph_path)) == self.sha256
        except FileNotFoundError:
            return False

    def copied(self, directory: str) -> 'CompiledEncoder':
        """The same encoder in another place, its description last."""
        for name in self.file_names:
            files.copy(files.join(self.directory, name), files.join(directory, name))
        return dataclasses.replace(self, directory=directory)

    def near(self) -> 'CompiledEncoder':
        """The same encoder on this machine, where libraries can read it."""
        return dataclasses.replace(self, directory=near.tree(self.directory, what='the encoder'))

    def verify(self) -> None:
        """Raise InputError unless the graph is the one that was written with this description."""
        if not self.is_intact():
            raise InputError(
                'the compiled encoder is missing or damaged (its sha256 is another)',
                where=self.graph_path,
                do='delete its directory and embed the pictures again, or copy it anew',
            )


def quantised_sha256(directory: str) -> str:
    """One hash for both files of a quantised model."""
    both = ''.join(files.sha256(files.join(directory, name)) for name in (MODEL_FILE, MODEL_WEIGHTS_FILE))
    return hashlib.sha256(both.encode()).hexdigest()
