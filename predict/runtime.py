"""What runs a model's network: TensorFlow as it was exported, or its encoder in another engine or precision.

A model has its encoder's graph in it: every engine can have it from there. A quantised graph is one of its own: it
comes from --encoder_dir, or is calibrated on --calibration_pictures, and kept in --encoder_dir where both are given.
"""

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from predict import graph_labels, head_graph, pictures
from predict import model as models
from predict.answers import Prediction
from predict.description import Description
from predict.model import Model, Scores
from preprocess import compiled, engines, files, freezing, heap, near, quantising
from preprocess.compiled import CompiledEncoder
from preprocess.engines import Vectors
from preprocess.failures import InputError, UsageError
from preprocess.images import Pixels, Shape
from preprocess.streams import Streams

_AS_EXPORTED = ('tensorflow', 'float32')
# Two compilations of one network differ by far less than this share of its largest number, two networks by far more.
_ALIKE = 1e-2
_PROBES = 4
_Graph: TypeAlias = 'tf.types.experimental.Trackable'


@dataclass(frozen=True)
class Runtime:
    """How a model's network is to be run: as exported where nothing else is said."""

    engine: str | None = None
    precision: str | None = None
    encoder_dir: str | None = None
    calibration_pictures: str | None = None
    threads: int | None = None

    def settled(self) -> tuple[str, str]:
        """Engine and precision: as asked, else those of the encoder that is given, else as exported."""
        given = self.encoder()
        engine = self.engine or (given.engine if given else None)
        precision = self.precision or (given.precision if given else None)
        if self.calibration_pictures and not given:
            engine, precision = engine or 'openvino', precision or 'int8'
        engine = engine or _AS_EXPORTED[0]
        precision = engines.resolved(precision or _AS_EXPORTED[1], is_here=True)
        self._check(engine, precision, given)
        return engine, precision

    def encoder(self) -> CompiledEncoder | None:
        """The encoder that is given, if it is there already."""
        if self.encoder_dir and files.exists(files.join(self.encoder_dir, compiled.INFO_FILE)):
            return CompiledEncoder.load(self.encoder_dir)
        return None

    def _check(self, engine: str, precision: str, given: CompiledEncoder | None) -> None:
        is_quantised = engines.way(engine, precision).is_quantised
        engines.check_here(engine, precision)
        if not is_quantised and (self.encoder_dir or self.calibration_pictures):
            raise UsageError(
                f'--precision {precision} takes the encoder from the model itself',
                where='--encoder_dir, --calibration_pictures',
                do='leave them out, or ask for --engine openvino --precision int8',
            )
        if is_quantised and not given and not self.calibration_pictures:
            raise UsageError(
                f'--precision {precision} takes a quantised encoder, or pictures to calibrate one on',
                where=f'--encoder_dir {self.encoder_dir}' if self.encoder_dir else '--precision int8',
                do='give --encoder_dir (STORE/KEY/encoder of an int8 run), or --calibration_pictures FOLDER',
            )
        if given and is_quantised and not given.quantised:
            raise InputError(
                f'this encoder is not quantised: it is {given.engine} {given.precision}',
                where=f'--encoder_dir {self.encoder_dir}',
                do='give that of a run with --engine openvino --precision int8, or --calibration_pictures',
            )


@dataclass(frozen=True)
class Running:
    """A model that answers batches as they are, of the sizes it was loaded for."""

    model: Model
    score: Callable[[Pixels, bool], Scores]

    @property
    def description(self) -> Description:
        """Its labels."""
        return self.model.description

    @property
    def input_shape(self) -> Shape:
        """The squares it takes."""
        return self.model.input_shape

    def answers(self, squares: Sequence[Pixels], *, alone: bool) -> list[Prediction]:
        """One answer each, without keys; `alone`: all processors are for these."""
        return [self.model.prediction(scores) for scores in self.score(np.stack(squares), alone)]


def load(directory: str, runtime: Runtime, sizes: Sequence[int]) -> Running:
    """The model in a directory, ready for batches of these sizes."""
    engine, precision = runtime.settled()
    graph_labels.check(directory)
    if (engine, precision) == _AS_EXPORTED:
        if runtime.threads:
            tf.config.threading.set_intra_op_parallelism_threads(runtime.threads)
        model = models.load(directory)
        # Batches that are computed at a time share TensorFlow's threads.
        return Running(model, lambda pixels, alone: model.score(pixels))
    description = Description.read(directory)
    shape = description.shape_for_pictures(directory)
    description.for_single_pictures(directory)
    _check_encoder(description, directory, engine, precision)
    head = head_graph.cut_out(near.tree(directory, what='the model'))
    scores = head.load(len(description.labels), where=directory)
    with tempfile.TemporaryDirectory() as folder, heap.returning():
        graph = models.load_graph(directory)
        encode = _loaded(_encoder(graph, shape, directory, runtime, folder), sizes, runtime.threads)
    model = Model(directory, description, shape, lambda pixels: scores(encode(pixels, True)))
    return Running(model, lambda pixels, alone: scores(encode(pixels, alone)))


def _loaded(encoder: CompiledEncoder, sizes: Sequence[int], threads: int | None) -> Callable[[Pixels, bool], Vectors]:
    """The encoder for batches that are alone, on all threads, and for several at a time, on one each."""
    encoder = encoder.near()
    encoder.verify()
    several = Streams.for_machine(threads)
    beside = _runs(encoder, sizes, several)
    alone = _runs(encoder, [size for size in sizes if size <= several.count], Streams(1, several.all_threads))

    def encode(pixels: Pixels, is_alone: bool) -> Vectors:
        runs = alone if is_alone and len(pixels) in alone else beside
        return runs[len(pixels)](pixels)

    return encode


def _runs(encoder: CompiledEncoder, sizes: Sequence[int], streams: Streams) -> dict[int, engines.Run]:
    """A function for each size; TensorFlow's takes all of them, others are made for one."""
    way = engines.way(encoder.engine, encoder.precision)
    if encoder.engine == _AS_EXPORTED[0]:
        return dict.fromkeys(sizes, way.load(encoder, streams))
    return {size: way.load(replace(encoder, batch_size=size), streams) for size in sizes}


def _check_encoder(description: Description, directory: str, engine: str, precision: str) -> None:
    if description.manner.looks_at_frames:
        raise InputError(
            'this model looks at frames themselves: it has no encoder that another engine could run',
            where=directory,
            do=f'leave out --engine {engine} --precision {precision}',
        )


def _encoder(graph: _Graph, shape: Shape, directory: str, runtime: Runtime, folder: str) -> CompiledEncoder:
    """The encoder to run: the model's own, or its quantised form."""
    engine, precision = runtime.settled()
    given = runtime.encoder()
    if given and given.sha256 == _exported_sha256(directory):
        return given
    own = _own_encoder(graph, shape, folder)
    if not engines.way(engine, precision).is_quantised:
        return replace(own, engine=engine, precision=precision)
    if given:
        _check_alike(own, given)
        return given
    return _calibrated(own, runtime)


def _exported_sha256(directory: str) -> str | None:
    """The hash of the graph that was put into the model."""
    said = json.loads(files.read_text(files.join(directory, 'assets', 'model.json')))
    return str(said['encoder']['sha256']) if said['encoder'] else None


def _own_encoder(graph: _Graph, shape: Shape, folder: str) -> CompiledEncoder:
    """The encoder in a model, written as a compiled one."""
    signature = graph.signatures['pixels']
    network = freezing.Network(
        encode=lambda pixels: signature(pixels=pixels)['embedding'], input_shape=shape, owner=graph
    )
    frozen = freezing.freeze(network, where='the model')
    sha256 = hashlib.sha256(frozen.graph).hexdigest()
    encoder = CompiledEncoder(
        directory=folder,
        spec="the model's own encoder",
        key=sha256,
        sha256=sha256,
        input_shape=shape,
        vector_size=frozen.vector_size,
        engine=_AS_EXPORTED[0],
        precision=_AS_EXPORTED[1],
        batch_size=_PROBES,
    )
    files.write_atomic(encoder.graph_path, frozen.graph)
    encoder.write()
    return encoder


def _calibrated(own: CompiledEncoder, runtime: Runtime) -> CompiledEncoder:
    """The model's encoder, quantised now on the pictures that are given."""
    named = pictures.named([runtime.calibration_pictures or ''], io.BytesIO())
    uris = [one.source for one in named if isinstance(one, pictures.Picture) and isinstance(one.source, str)]
    made = quantising.quantise(own, lambda: uris, os.path.join(own.directory, 'quantised'))
    return made.copied(runtime.encoder_dir) if runtime.encoder_dir else made


def _check_alike(own: CompiledEncoder, given: CompiledEncoder) -> None:
    """Refuse an encoder of another network than the model's."""
    is_alike = (own.input_shape, own.vector_size) == (given.input_shape, given.vector_size)
    if is_alike and own.sha256 != given.sha256:
        pixels = np.random.default_rng(0).integers(0, 256, (_PROBES, *own.input_shape), np.uint8)
        plain = replace(given, engine=own.engine, precision=own.precision, batch_size=_PROBES, quantised=None)
        ours, theirs = (engines.load_engine(one).encode(pixels) for one in (own, plain))
        is_alike = bool(np.allclose(ours, theirs, rtol=0, atol=_ALIKE * float(np.abs(ours).max())))
    if not is_alike:
        raise InputError(
            "this encoder is of another network than the model's",
            where=f'--encoder_dir {given.directory}',
            do="give the encoder of the model's own records, or --calibration_pictures",
        )
