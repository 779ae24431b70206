"""Encoders: which one, its key, and compiling it once into one frozen graph from pixels to vectors.

An encoder is `inception_v3` (or another Keras application), `mini`, `hub:URL`, or the path of a model directory. Such a
model takes float pictures in 0..1 (hub's convention) or uint8 and answers one vector a picture. Its input size is the
one its signature fixes; where that leaves it open it is 224, which is said, or what is written behind: `DIR@160`.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import logging
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass

from preprocess import engines, failures, files, images, settings
from preprocess.compiled import CompiledEncoder
from preprocess.encoder_sources import Source, find_source
from preprocess.failures import InputError, RunFailed, UsageError
from preprocess.progress import Progress, say

_log = logging.getLogger(__name__)

# Raised when compiling the same model gives other vectors.
ENCODER_VERSION = 1


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder as the user asks for it: which network, with which weights, run how."""

    name: str
    weights: str | None = None
    engine: str = 'tensorflow'
    precision: str = 'float32'
    batch_size: int = 8  # as fast as 16 and 32 on CPUs (measured), and one picture alone waits for eight, not 32

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError('the batch size must be positive', where='--encoder_batch_size', do='leave it out')
        engines.check_choice(self.engine, self.precision)
        find_source(self.name, self.weights)

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
        return settings.digest(
            {
                'network': self.source.identity(),
                'pixels': images.POLICY_VERSION,
                'engine': self.engine,
                'precision': self.precision,
                'batch_size': self.batch_size,
                'version': ENCODER_VERSION,
            }
        )


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
    if not spec.source.is_heavy:
        return compile_encoder(spec, directory)
    with Progress(f'compiling the encoder {spec.canonical}'):
        answer = _ask_child(spec, directory)
    if 'failure' in answer:
        kind, what, where, do = answer['failure']
        raise getattr(failures, kind)(what, where=where, do=do)
    for note in answer['notes']:
        say(note)
    return CompiledEncoder.load(directory)


def build_encoder(spec: EncoderSpec, directory: str) -> Built:
    """compile_encoder without a word to the user."""
    key = spec.key()
    if there := _usable(directory, key):
        return Built(there)
    made = spec.source.build()
    compiled = CompiledEncoder(
        directory=f'{directory.rstrip("/")}.{uuid.uuid4().hex}.tmp',
        spec=spec.canonical,
        key=key,
        sha256=hashlib.sha256(made.graph).hexdigest(),
        input_shape=made.input_shape,
        vector_size=made.vector_size,
        engine=spec.engine,
        precision=spec.precision,
        batch_size=spec.batch_size,
    )
    return Built(_publish(compiled, made.graph, directory), made.notes)


def _ask_child(spec: EncoderSpec, directory: str) -> dict[str, list[str]]:
    """The answer of preprocess.encoder_child, whose chatter goes to the log."""
    request = json.dumps({'spec': dataclasses.asdict(spec), 'directory': directory})
    # Whatever this process imports from, the child does too; the user's own Keras settings don't reach it.
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    environment = {**os.environ, 'PYTHONPATH': paths, 'KERAS_BACKEND': 'tensorflow', 'TF_CPP_MIN_LOG_LEVEL': '3'}
    lifeline, held = os.pipe()
    try:
        with open(lifeline, 'rb') as standard_input:
            child = subprocess.Popen(
                [sys.executable, '-m', 'preprocess.encoder_child', request],
                stdin=standard_input,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                process_group=0,  # Ctrl-C lets it finish: it is the current piece
            )
        said, chatter = (text.decode(errors='replace').strip() for text in child.communicate())
    finally:
        os.close(held)
    _log.info('compiling the encoder: %s', chatter)
    if child.returncode != 0 or not said:
        raise RunFailed(
            f'compiling the encoder ended with exit code {child.returncode} ({chatter.rpartition(chr(10))[2]})',
            where=f'--encoder {spec.name}',
            do='see the log; exit code -9 means the machine ran out of memory',
        )
    answer: dict[str, list[str]] = json.loads(said)
    return answer


def _usable(directory: str, key: str) -> CompiledEncoder | None:
    """The compiled encoder that is there, if it is whole and the one wanted."""
    try:
        there = CompiledEncoder.load(directory)
    except InputError:
        return None
    return there if there.key == key and there.is_intact() else None


def _publish(compiled: CompiledEncoder, graph: bytes, directory: str) -> CompiledEncoder:
    """Give a finished encoder its place; whoever comes first keeps it, a damaged one gives way."""
    temporary, damaged = compiled.directory, f'{compiled.directory}.damaged'
    try:
        files.write_atomic(compiled.graph_path, graph)
        compiled.write()
        while True:
            try:
                files.rename(temporary, directory)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
            if there := _usable(directory, compiled.key):
                return there
            with contextlib.suppress(FileNotFoundError):  # someone else is mending it too
                files.rename(directory, damaged)
            files.delete_tree(damaged)
    finally:
        files.delete_tree(temporary)
