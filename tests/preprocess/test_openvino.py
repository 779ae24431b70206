"""Encoders in OpenVINO, and quantised ones: the same rules as for TensorFlow's."""

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from preprocess import engines, files, images, processor, quantising
from preprocess.compiled import CompiledEncoder
from preprocess.embedding import embed_sets
from preprocess.encoders import EncoderSpec, compile_encoder, compile_in_child
from preprocess.engines import load_engine
from preprocess.failures import InputError
from preprocess.manifest import Manifest
from preprocess.options import EmbeddingConfig, SetConfig
from tests.preprocess import fakes
from tests.preprocess.processes import TWO_PROCESSES
from tests.preprocess.test_engines import assert_rows_stand_for_themselves, pictures

pytest.importorskip('openvino', reason="needs the extra `fast`: pip install 'headlight[fast]'")
needs_bfloat16 = pytest.mark.skipif(
    not processor.computes_in_bfloat16(), reason='needs a processor that computes in bfloat16'
)
MINI = EncoderSpec('mini')
INT8 = EncoderSpec('mini', engine='openvino', precision='int8')
WAYS = [
    pytest.param('openvino', 'float32'),
    pytest.param('openvino', 'bfloat16', marks=needs_bfloat16),
    pytest.param('tensorflow', 'bfloat16', marks=needs_bfloat16),
]


@pytest.fixture(scope='module')
def reference(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    encoder = compile_encoder(MINI, str(tmp_path_factory.mktemp('encoders') / 'mini'))
    return load_engine(encoder).encode(pictures(9, encoder.input_shape))


@pytest.fixture(scope='module')
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return list(map(str, fakes.draw(tmp_path_factory.mktemp('pictures'), 104)))


@pytest.fixture(scope='module')
def store(tmp_path_factory: pytest.TempPathFactory, photographs: list[str]) -> str:
    """A store with a quantised encoder."""
    pytest.importorskip('nncf', reason="needs the extra `fast`: pip install 'headlight[fast]'")
    place = str(tmp_path_factory.mktemp('store'))
    quantising.settled(INT8, store=place, uris=lambda: photographs)
    return place


def settled(store: str) -> EncoderSpec:
    return quantising.settled(INT8, store=store, uris=nobody_asks)


def nobody_asks() -> Iterator[str]:
    raise AssertionError('the pictures were looked at')


@pytest.mark.parametrize(('engine', 'precision'), WAYS)
def test_a_pictures_vector_does_not_depend_on_its_batch_or_the_threads(
    tmp_path: Path, engine: str, precision: str
) -> None:
    spec = dataclasses.replace(MINI, engine=engine, precision=precision)
    encoder = compile_encoder(spec, str(tmp_path / 'encoder'))
    assert_rows_stand_for_themselves(load_engine(encoder))
    pixels = pictures(9, encoder.input_shape)
    one, two = (load_engine(encoder, threads=threads).encode(pixels) for threads in (1, 2))
    assert np.array_equal(one, two)


def test_openvino_answers_what_tensorflow_answers(tmp_path: Path, reference: np.ndarray) -> None:
    encoder = compile_encoder(dataclasses.replace(MINI, engine='openvino'), str(tmp_path / 'encoder'))
    np.testing.assert_allclose(load_engine(encoder).encode(pictures(9, encoder.input_shape)), reference, atol=1e-4)


@needs_bfloat16
@pytest.mark.parametrize('engine', ['tensorflow', 'openvino'])
def test_bfloat16_is_near_float32_but_not_it(tmp_path: Path, reference: np.ndarray, engine: str) -> None:
    spec = dataclasses.replace(MINI, engine=engine, precision='bfloat16')
    encoder = compile_encoder(spec, str(tmp_path / 'encoder'))
    vectors = load_engine(encoder).encode(pictures(9, encoder.input_shape))
    assert not np.array_equal(vectors, reference)
    np.testing.assert_allclose(vectors, reference, atol=0.05 * float(np.abs(reference).max()))


def test_a_machine_without_bfloat16_says_so_instead_of_computing_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, 'computes_in_bfloat16', lambda: False)
    encoder = compile_encoder(dataclasses.replace(MINI, precision='bfloat16'), str(tmp_path / 'encoder'))
    with pytest.raises(InputError, match='does not compute in bfloat16'):
        load_engine(encoder)


def test_auto_is_what_the_machine_that_embeds_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, 'gpus', lambda: 0)
    for able, meant in ((True, 'bfloat16'), (False, 'float32')):
        monkeypatch.setattr(processor, 'computes_in_bfloat16', lambda able=able: able)
        assert engines.resolved('auto', is_here=True) == meant
        assert engines.resolved('auto', is_here=False) == 'float32'
        assert engines.resolved('int8', is_here=True) == 'int8'
    monkeypatch.setattr(processor, 'computes_in_bfloat16', lambda: True)
    monkeypatch.setattr(processor, 'gpus', lambda: 1)
    assert engines.resolved('auto', is_here=True) == 'float32'


def test_what_could_be_faster_is_said_of_float32_in_tensorflow_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, 'flags', lambda: frozenset(['avx512_bf16', 'avx512_vnni']))
    monkeypatch.setattr(processor, 'gpus', lambda: 0)
    line = engines.advice('tensorflow', 'float32')
    assert line and '2 x with --precision bfloat16, 4 x with --engine openvino --precision int8' in line
    assert engines.advice('tensorflow', 'bfloat16') is None
    monkeypatch.setattr(processor, 'flags', lambda: frozenset(['avx2']))
    assert engines.advice('tensorflow', 'float32') is None


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(InputError) as caught:
        engines.check_here('openvino', 'float32')
    assert 'headlight[fast]' in caught.value.do and caught.value.where == '--engine openvino'


# --- int8


def test_a_quantised_encoder_is_made_once_for_a_store(store: str) -> None:
    spec = settled(store)
    assert spec.quantised and spec.key() != INT8.key() == dataclasses.replace(spec, quantised=None).key()


def test_a_quantised_encoder_stands_by_itself_with_its_float32_graph(
    store: str, photographs: list[str], tmp_path: Path
) -> None:
    spec = settled(store)
    encoder = compile_in_child(spec, str(tmp_path / 'encoder'))
    assert (encoder.key, encoder.quantised) == (spec.key(), spec.quantised)
    assert sorted(os.listdir(encoder.directory)) == ['encoder.json', 'graph.pb', 'model.bin', 'model.xml']
    assert CompiledEncoder.load(encoder.directory) == encoder
    assert_rows_stand_for_themselves(load_engine(encoder))
    pixels = np.stack([images.to_pixels(Path(path).read_bytes(), encoder.input_shape) for path in photographs[:9]])
    served = dataclasses.replace(encoder, engine='tensorflow', precision='float32', quantised=None)
    bytes_, floats = load_engine(encoder).encode(pixels), load_engine(served).encode(pixels)
    likeness = (bytes_ * floats).sum(1) / np.linalg.norm(bytes_, axis=1) / np.linalg.norm(floats, axis=1)
    assert not np.array_equal(bytes_, floats) and likeness.min() > 0.95


def test_another_run_calibrating_at_the_same_time_does_not_make_two_encoders(
    store: str, photographs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = quantising._made

    def overtaken(*args: object) -> quantising.Quantised:
        mine = made(*args)
        theirs = settled(store)
        place = str(tmp_path / theirs.key()[:16] / 'encoder')
        CompiledEncoder.load(str(theirs.kept_at)).copied(place)
        files.write_atomic(
            str(tmp_path / INT8.key()[:16] / 'quantised.json'), json.dumps({'quantised': theirs.quantised}).encode()
        )
        return mine

    monkeypatch.setattr(quantising, '_made', overtaken)
    ours = quantising.settled(INT8, store=str(tmp_path), uris=lambda: photographs[2:])
    assert ours.quantised == settled(store).quantised


@pytest.mark.parametrize('file', ['model.bin', 'model.xml', 'graph.pb', 'encoder.json'])
def test_a_damaged_quantised_encoder_is_made_again(
    store: str, photographs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    spec = settled(store)
    place = tmp_path / spec.key()[:16] / 'encoder'
    whole = CompiledEncoder.load(str(spec.kept_at)).copied(str(place))
    files.copy(f'{store}/{INT8.key()[:16]}/quantised.json', f'{tmp_path}/{INT8.key()[:16]}/quantised.json')
    assert settled(str(tmp_path)).kept_at == str(place)
    (place / file).write_bytes(b'damaged')
    asked: list[bool] = []

    def made(*args: object) -> quantising.Quantised:
        asked.append(True)
        again = CompiledEncoder.load(str(spec.kept_at)).copied(str(tmp_path / 'again'))
        return quantising.Quantised(dataclasses.replace(spec, kept_at=None), again)

    monkeypatch.setattr(quantising, '_made', made)
    again = quantising.settled(INT8, store=str(tmp_path), uris=lambda: photographs)
    assert asked == [True] and again.kept_at == str(place)
    assert CompiledEncoder.load(str(place)) == whole and whole.is_intact()


def test_too_few_usable_pictures_to_calibrate_on_are_refused(tmp_path: Path, photographs: list[str]) -> None:
    (tmp_path / 'broken.png').write_bytes(b'no picture')
    uris = [*photographs[:99], str(tmp_path / 'broken.png'), str(tmp_path / 'missing.png')]
    with pytest.raises(InputError) as caught:
        quantising.settled(INT8, store=str(tmp_path / 'store'), uris=lambda: uris)
    assert 'there are 99' in caught.value.what and '--precision bfloat16' in caught.value.do
    assert not (tmp_path / 'store').exists()


def test_the_pictures_to_calibrate_on_do_not_depend_on_their_order(
    photographs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantising, 'PICTURES', 10)
    monkeypatch.setattr(quantising, 'FEWEST_PICTURES', 10)
    forward, backward = (
        quantising.calibration_pixels(lambda uris=uris: uris, (16, 16, 3))
        for uris in (photographs, photographs[::-1] + photographs[:3])
    )
    assert forward.shape == (10, 16, 16, 3) and np.array_equal(forward, backward)


# --- workers


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['float32', 'int8'])
def test_two_workers_make_the_same_records_as_one(
    store: str, photographs: list[str], tmp_path: Path, precision: str
) -> None:
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    lines = [f'{path},{("cat", "dog")[number % 2]}\n' for number, path in enumerate(photographs)]
    (tmp_path / 'train.csv').write_text(''.join(lines))

    def made(name: str, *beam_args: str) -> Manifest:
        kept = tmp_path / f'store of {name}'  # the quantised encoder is in it, and no vector
        shutil.copytree(store, kept)
        asked = EmbeddingConfig(encoder='mini', engine='openvino', precision=precision, embedding_store=str(kept))
        out = SetConfig(
            input_path=str(tmp_path / 'train.csv'),
            input_dict=str(tmp_path / 'dict.txt'),
            output_path=str(tmp_path / name / 'train'),
            shards=2,
        )
        result = embed_sets([out], asked, beam_args)
        assert result.sources and result.sources.embedded == len(photographs)
        (manifest,) = result.manifests
        return manifest

    # Manifests hold the sha256 of every record file.
    assert made('two', *TWO_PROCESSES) == made('one')
