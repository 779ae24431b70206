"""An encoder's graph in int8, calibrated on some of the pictures that are to be embedded: made once, kept in the store.

    STORE/RECIPE16/quantised.json   which graph it is for these settings; RECIPE16: 16 digits of the settings' key
    STORE/KEY16/encoder/            that encoder; its key has the graph's hash in it

Calibrated on other pictures it would be another graph, so another encoder: whoever writes quantised.json first decides
for all runs with the same settings that share the store.
"""

import dataclasses
import heapq
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess import children, decoders, encoders, engines, files, pictures, shelves
from preprocess.compiled import GRAPH_FILE, CompiledEncoder, quantised_sha256
from preprocess.encoders import EncoderSpec
from preprocess.failures import InputError
from preprocess.image_formats import ImageError
from preprocess.processor import usable_cores
from preprocess.progress import Progress, say

PICTURES = 300
FEWEST_PICTURES = 100
CHOICE_FILE = 'quantised.json'
ENCODER_FOLDER = 'encoder'
_MODULES = ('openvino', 'nncf')
# Some of the pictures can't be used: so many are looked at for every one that is wanted.
_TRIED = 2
_MORE = 'give more pictures, share the --embedding_store of a run that had them, or choose --precision bfloat16'

Uris = Callable[[], Iterable[str]]
Frames = Callable[[tuple[int, int, int]], Iterable[NDArray[np.uint8]]]
Decode = Callable[[bytes], NDArray[np.uint8]]


@dataclass(frozen=True)
class Quantised:
    """The files of a quantised encoder, and the spec that names it."""

    spec: EncoderSpec
    encoder: CompiledEncoder


def no_frames(shape: tuple[int, int, int]) -> Iterable[NDArray[np.uint8]]:
    """Of a set without footage."""
    return ()


def settled(spec: EncoderSpec, *, store: str, uris: Uris, frames: Frames = no_frames) -> EncoderSpec:
    """The spec with its quantised graph, if it is to have one: the store's, or one calibrated on some of `uris`.

    Where these are too few, `frames` of footage make up for them.
    """
    if not spec.way.is_quantised or spec.quantised:
        return spec
    if there := _kept(spec, store):
        return there
    engines.check_installed(_MODULES, where=f'--engine {spec.engine} --precision {spec.precision}')
    with tempfile.TemporaryDirectory() as folder:
        made = _made(spec, uris, folder, frames)
        _keep(made, spec, store)
    if there := _kept(spec, store):
        return there
    raise InputError(
        'the quantised encoder that was just written is not there',
        where=_choice_path(spec, store),
        do='see whether something else writes there, and run the same command again',
    )


def _choice_path(spec: EncoderSpec, store: str) -> str:
    return files.join(store, spec.key()[:16], CHOICE_FILE)


def _place(key: str, store: str) -> str:
    return files.join(store, key[:16], ENCODER_FOLDER)


def _kept(spec: EncoderSpec, store: str) -> EncoderSpec | None:
    """The spec of the store's graph; None when there is none, or a damaged one."""
    path = _choice_path(spec, store)
    try:
        named = dataclasses.replace(spec, quantised=str(json.loads(files.read_text(path))['quantised']))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        files.delete(path)
        return None
    place = _place(named.key(), store)
    try:
        encoder = CompiledEncoder.load(place)
    except InputError:
        encoder = None
    if encoder and encoder.key == named.key() and encoder.is_intact():
        return dataclasses.replace(named, kept_at=files.absolute(place))
    files.delete_tree(place)
    files.delete(path)
    return None


def _keep(made: Quantised, spec: EncoderSpec, store: str) -> None:
    made.encoder.copied(_place(made.spec.key(), store))
    choice = json.dumps({'quantised': made.spec.quantised}) + '\n'
    files.create_if_absent(_choice_path(spec, store), choice.encode())


def _made(spec: EncoderSpec, uris: Uris, folder: str, frames: Frames = no_frames) -> Quantised:
    base = encoders.compile_in_child(dataclasses.replace(spec, precision='float32'), os.path.join(folder, 'float32'))
    quantised = quantise(base, uris, os.path.join(folder, 'quantised'), frames=frames)
    named = dataclasses.replace(spec, quantised=quantised.quantised)
    encoder = dataclasses.replace(quantised, key=named.key(), precision=spec.precision)
    encoder.write()
    return Quantised(named, encoder)


def quantise(base: CompiledEncoder, uris: Uris, directory: str, *, frames: Frames = no_frames) -> CompiledEncoder:
    """A float32 encoder in int8, in a local directory that is made for it; it keeps its key, which is to be changed."""
    engines.check_installed(_MODULES, where='--precision int8')
    pixels = calibration_pixels(uris, base.input_shape, frames)
    os.mkdir(directory)
    with (
        Progress(f'quantising the encoder {base.spec}, calibrated on {len(pixels)} pictures'),
        tempfile.NamedTemporaryFile(suffix='.npy') as kept,
    ):
        np.save(kept.name, pixels)
        notes = children.ask(
            'preprocess.quantising_child',
            {'graph': base.graph_path, 'pixels': kept.name, 'directory': directory},
            doing='quantising the encoder',
            where='--engine openvino --precision int8',
        )
    for note in notes:
        say(note)
    files.copy(base.graph_path, os.path.join(directory, GRAPH_FILE))
    sha256 = quantised_sha256(directory)
    encoder = dataclasses.replace(base, directory=directory, engine='openvino', precision='int8', quantised=sha256)
    encoder.write()
    return encoder


def calibration_pixels(
    uris: Uris,
    shape: tuple[int, int, int],
    frames: Frames = no_frames,
    *,
    where: str = '--precision int8',
    do: str = _MORE,
) -> NDArray[np.uint8]:
    """The usable ones among the pictures with the smallest hashes, the same whatever order they come in."""
    with Progress('choosing pictures to calibrate on'):
        chosen = heapq.nsmallest(PICTURES * _TRIED, set(uris()), key=lambda uri: (shelves.hash_of(uri), uri))
    usable: list[NDArray[np.uint8]] = []
    progress = Progress('decoding pictures to calibrate on', total=min(PICTURES, len(chosen)), unit='pictures')
    with progress, decoders.DecoderPool(shape, children=usable_cores()) as pool:
        for pixels in _decoded(chosen, pool.decode):
            usable += [pixels] if pixels is not None else []
            progress.update(len(usable))
            if len(usable) == PICTURES:
                break
    if len(usable) < PICTURES:
        usable += itertools.islice(frames(shape), PICTURES - len(usable))
    if len(usable) < FEWEST_PICTURES:
        raise InputError(
            f'int8 is calibrated on {FEWEST_PICTURES} to {PICTURES} usable pictures or frames, there are {len(usable)}',
            where=where,
            do=do,
        )
    return np.stack(usable)


def _decoded(uris: list[str], decode: Decode) -> Iterator[NDArray[np.uint8] | None]:
    """Pixels in order; None for pictures that the run will reject."""

    def pixels(uri: str) -> NDArray[np.uint8] | None:
        try:
            return decode(pictures.read_bytes(uri))
        except ImageError:
            return None  # the run itself rejects it by name

    with ThreadPoolExecutor(max_workers=usable_cores()) as threads:
        # In slices: what is read ahead of the last picture wanted is lost work.
        for start in range(0, len(uris), 50):
            yield from threads.map(pixels, uris[start : start + 50])
