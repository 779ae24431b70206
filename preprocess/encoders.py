"""Encoders: which one, its key, and compiling it once into one frozen graph from pixels to vectors.

An encoder is `inception_v3` (or another Keras application), `mini`, `hub:URL`, or the path of a model directory. Such a
model takes float pictures in 0..1 (hub's convention) or uint8 and answers one vector a picture. Its input size is the
one its signature fixes; where that leaves it open it is 224, which is said, or what is written behind: `DIR@160`. Or it
is `pixels:HxW`, no network at all: the pixels are kept.
"""

import contextlib
import dataclasses
import errno
import hashlib
import tempfile
import uuid
from dataclasses import dataclass

from preprocess import children, engines, files, images, pixel_encoders, settings
from preprocess.compiled import PIXEL_ENGINE, PIXEL_PRECISION, CompiledEncoder
from preprocess.encoder_sources import Source, find_source
from preprocess.failures import InputError, UsageError
from preprocess.progress import Progress, say
from preprocess.settings import Json

# Raised when compiling the same model gives other vectors.
ENCODER_VERSION = 1


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder as the user asks for it: which network, with which weights, run how.

    Where the graph is quantised, `quantised` is the sha256 of that and `kept_at` a directory that has it: before they
    are known (`quantising` sees to it), the key names the settings only.
    """

    name: str
    weights: str | None = None
    engine: str = 'tensorflow'
    precision: str = 'float32'
    batch_size: int = 8  # as fast as 16 and 32 on CPUs (measured), and one picture alone waits for eight, not 32
    quantised: str | None = None
    kept_at: str | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError('the batch size must be positive', where='--encoder_batch_size', do='leave it out')
        _ = self.way
        find_source(self.name, self.weights)
        if pixel_encoders.is_pixels(self.name):
            self._settle_pixels()
        elif self.engine == PIXEL_ENGINE:
            raise UsageError(f'{self.name} is no pixels', where='--engine pixels', do='leave it out')

    def _settle_pixels(self) -> None:
        """No engine computes pixels: none may be asked for."""
        pixels = PIXEL_ENGINE, PIXEL_PRECISION
        if (self.engine, self.precision) not in (pixels, ('tensorflow', 'float32')):
            raise UsageError(
                f'{self.name} is no network that --engine {self.engine} --precision {self.precision} could run',
                where='--engine, --precision',
                do='leave them out',
            )
        for field, value in zip(('engine', 'precision'), pixels, strict=True):
            object.__setattr__(self, field, value)

    @property
    def way(self) -> engines.Way:
        """How it runs."""
        return engines.way(self.engine, self.precision)

    @property
    def source(self) -> Source:
        """Where the network comes from."""
        return find_source(self.name, self.weights)

    @property
    def canonical(self) -> str:
        """The encoder's name for manifests: no path of this machine in it."""
        return self.source.canonical

    def key(self) -> str:
        """sha256 over everything the vectors depend on, without TensorFlow: equal keys, equal vectors."""
        settled: dict[str, Json] = {
            'network': self.source.identity(),
            'pixels': images.POLICY_VERSION,
            'engine': self.engine,
            'precision': self.precision,
            'batch_size': self.batch_size,
            'version': ENCODER_VERSION,
        }
        if self.quantised:
            settled['quantised'] = self.quantised
        return settings.digest(settled)


@dataclass(frozen=True)
class Built:
    """A compiled encoder, and what the user should know of how it was made."""

    encoder: CompiledEncoder
    notes: tuple[str, ...] = ()


def compile_encoder(spec: EncoderSpec, directory: str) -> CompiledEncoder:
    """The encoder compiled into `directory`; one that is there already, intact and with the same key, is kept."""
    built = build_encoder(spec, directory)
    for note in built.notes:
        say(note)
    return built.encoder


def compile_in_child(spec: EncoderSpec, directory: str) -> CompiledEncoder:
    """compile_encoder in a process of its own: building a network takes gigabytes this one would never get back."""
    if there := _usable(directory, spec.key()):
        return there
    if files.is_remote(directory):
        # Made where directories can be renamed.
        with tempfile.TemporaryDirectory() as folder:
            return compile_in_child(spec, files.join(folder, 'encoder')).copied(directory)
    if not spec.source.is_heavy or spec.kept_at:
        return compile_encoder(spec, directory)
    request: dict[str, Json] = {'spec': dataclasses.asdict(spec), 'directory': directory}
    with Progress(f'compiling the encoder {spec.canonical}'):
        notes = children.ask(
            'preprocess.encoder_child', request, doing='compiling the encoder', where=f'--encoder {spec.name}'
        )
    for note in notes:
        say(note)
    return CompiledEncoder.load(directory)


def build_encoder(spec: EncoderSpec, directory: str) -> Built:
    """compile_encoder without a word to the user."""
    key = spec.key()
    if there := _usable(directory, key):
        return Built(there)
    temporary = f'{directory.rstrip("/")}.{uuid.uuid4().hex}.tmp'
    try:
        notes = _fill(spec, temporary)
        return Built(_publish(temporary, key, directory), notes)
    finally:
        files.delete_tree(temporary)


def _fill(spec: EncoderSpec, directory: str) -> tuple[str, ...]:
    """Make the encoder, or fetch the one that is kept, in a directory of its own; the notes for the user."""
    if spec.kept_at:
        CompiledEncoder.load(spec.kept_at).copied(directory)
        return ()
    made = spec.source.build()
    compiled = CompiledEncoder(
        directory=directory,
        spec=spec.canonical,
        key=spec.key(),
        sha256=hashlib.sha256(made.graph).hexdigest(),
        input_shape=made.input_shape,
        vector_size=made.vector_size,
        engine=spec.engine,
        precision=spec.precision,
        batch_size=spec.batch_size,
    )
    if not compiled.is_pixels:
        files.write_atomic(compiled.graph_path, made.graph)
    compiled.write()
    return made.notes


def _usable(directory: str, key: str) -> CompiledEncoder | None:
    """The compiled encoder that is there, if it is whole and the one wanted."""
    try:
        there = CompiledEncoder.load(directory)
    except InputError:
        return None
    return there if there.key == key and there.is_intact() else None


def _publish(temporary: str, key: str, directory: str) -> CompiledEncoder:
    """Give a finished encoder its place; whoever comes first keeps it, a damaged one gives way."""
    damaged = f'{temporary}.damaged'
    while True:
        try:
            files.rename(temporary, directory)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        if there := _usable(directory, key):
            return there
        with contextlib.suppress(FileNotFoundError):  # someone else is mending it too
            files.rename(directory, damaged)
        files.delete_tree(damaged)
