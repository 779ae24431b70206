"""A compiled encoder on disk: one frozen graph from pixels to vectors, beside a JSON file that says what it is."""

import dataclasses
import json
from dataclasses import dataclass

from preprocess import files
from preprocess.failures import InputError

GRAPH_FILE = 'graph.pb'
INFO_FILE = 'encoder.json'
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
    """What encoder.json says, and the directory it was read from."""

    directory: str
    spec: str
    key: str
    sha256: str
    input_shape: tuple[int, int, int]
    vector_size: int
    engine: str
    precision: str
    batch_size: int

    @property
    def graph_path(self) -> str:
        """Where the frozen graph is."""
        return files.join(self.directory, GRAPH_FILE)

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
        return files.exists(self.graph_path) and files.sha256(self.graph_path) == self.sha256

    def verify(self) -> None:
        """Raise InputError unless the graph is the one that was written with this description."""
        if not self.is_intact():
            raise InputError(
                'the compiled encoder is missing or damaged (its sha256 is another)',
                where=self.graph_path,
                do='delete its directory and embed the pictures again, or copy it anew',
            )
