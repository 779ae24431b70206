"""Encoders: names and keys, what a model directory may be, and compiling one once."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from preprocess import encoders, files, hub_cache
from preprocess.applications import APPLICATIONS
from preprocess.compiled import CompiledEncoder
from preprocess.encoder_sources import MINI_ABOUT, MINI_GRAPH, MINI_SHAPE, MINI_VECTOR_SIZE
from preprocess.encoders import EncoderSpec, compile_encoder, compile_in_child
from preprocess.engines import load_engine
from preprocess.failures import Failure, InputError, UsageError
from tests.preprocess import tiny_models

ROOT = Path(__file__).parents[2]
REAL_MODEL = ROOT.parent / 'shared' / 'encoders' / 'mobilenet_v2_imagenet'
PIXELS = np.random.default_rng(5).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope='module')
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_models.save(tiny_models.Plain(), tmp_path_factory.mktemp('models') / 'plain')


def vectors_of(model: str, directory: Path, pixels: np.ndarray = PIXELS) -> np.ndarray:
    return load_engine(compile_encoder(EncoderSpec(model), str(directory))).encode(pixels)


def refusal(action: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as caught:
        action()
    assert len(caught.value.lines().splitlines()) == 3
    return caught.value


# --- names


def test_an_unknown_encoder_is_answered_with_the_choices_and_the_nearest() -> None:
    failure = refusal(lambda: EncoderSpec('inception_v33'))
    assert isinstance(failure, UsageError)
    assert 'did you mean inception_v3?' in failure.do
    assert all(name in failure.do for name in [*APPLICATIONS, 'mini', 'hub:URL'])


def test_a_missing_model_directory_is_named() -> None:
    failure = refusal(lambda: EncoderSpec('no/such/model'))
    assert isinstance(failure, InputError) and failure.where == 'no/such/model'


def test_an_address_needs_its_hub() -> None:
    assert refusal(lambda: EncoderSpec('https://example.org/model/1')).do == (
        'write --encoder hub:https://example.org/model/1'
    )


@pytest.mark.parametrize('name', ['mini', 'hub:https://example.org/model/1'])
def test_only_keras_applications_take_weights(name: str) -> None:
    assert isinstance(refusal(lambda: EncoderSpec(name, 'random')), UsageError)


def test_weights_must_be_a_keras_file_that_exists() -> None:
    assert isinstance(refusal(lambda: EncoderSpec('inception_v3', 'weights.ckpt')), UsageError)
    assert isinstance(refusal(lambda: EncoderSpec('inception_v3', 'missing.h5')), InputError)


def test_an_unknown_engine_is_answered_with_the_choices() -> None:
    failure = refusal(lambda: EncoderSpec('mini', engine='abacus'))
    assert '--engine tensorflow --precision float32' in failure.do


def test_a_batch_holds_a_picture_at_least() -> None:
    assert isinstance(refusal(lambda: EncoderSpec('mini', batch_size=0)), UsageError)


# --- keys


def test_a_key_needs_no_tensorflow_and_is_the_same_in_every_process(plain: str) -> None:
    specs = [('mini', None), ('inception_v3', None), ('inception_v3', 'random'), (plain, None)]
    code = f"""
import sys
from preprocess.encoders import EncoderSpec
print(*[EncoderSpec(*spec).key() for spec in {specs!r}])
print([name for name in ('tensorflow', 'keras', 'PIL.EpsImagePlugin') if name in sys.modules])
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    keys, heavy = done.stdout.splitlines()
    assert keys.split() == [EncoderSpec(*spec).key() for spec in specs]
    assert len(set(keys.split())) == len(specs)
    assert heavy == '[]'


def test_a_key_depends_on_everything_the_vectors_depend_on(plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = EncoderSpec(plain)
    keys = {spec.key(), dataclasses.replace(spec, batch_size=16).key()}
    monkeypatch.setattr(encoders, 'ENCODER_VERSION', 99)
    keys.add(spec.key())
    monkeypatch.setattr(encoders.images, 'POLICY_VERSION', 99)
    keys.add(spec.key())
    assert len(keys) == 4


def test_a_copied_model_directory_has_the_same_key_and_a_changed_one_another(plain: str, tmp_path: Path) -> None:
    copy = tmp_path / 'elsewhere'
    shutil.copytree(plain, copy)
    assert EncoderSpec(str(copy)).key() == EncoderSpec(plain).key() == EncoderSpec(f'hub:{copy}').key()
    (copy / '.DS_Store').write_bytes(b'left behind')
    assert EncoderSpec(str(copy)).key() == EncoderSpec(plain).key()
    with (copy / 'saved_model.pb').open('ab') as opened:
        opened.write(b' ')
    assert EncoderSpec(str(copy)).key() != EncoderSpec(plain).key()


def test_the_imagenet_file_given_by_hand_is_the_encoder_with_imagenet_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand = tmp_path / 'downloaded.h5'
    by_hand.write_bytes(b'abc')
    assert EncoderSpec('inception_v3', str(by_hand)).key() != EncoderSpec('inception_v3').key()
    md5_of_abc = '900150983cd24fb0d6963f7d28e17f72'
    application = dataclasses.replace(APPLICATIONS['inception_v3'], weights_md5=(md5_of_abc,))
    monkeypatch.setitem(APPLICATIONS, 'inception_v3', application)
    assert EncoderSpec('inception_v3', str(by_hand)).key() == EncoderSpec('inception_v3').key()


@pytest.mark.parametrize(
    ('name', 'weights', 'canonical'),
    [
        ('inception_v3', None, 'inception_v3'),
        ('inception_v3', 'imagenet', 'inception_v3'),
        ('inception_v3', 'random', 'inception_v3+random'),
        ('mini', None, 'mini'),
        ('hub:https://example.org/model/1', None, 'hub:https://example.org/model/1'),
        ('hub:https://example.org/model/1@160', None, 'hub:https://example.org/model/1@160'),
    ],
)
def test_canonical_names(name: str, weights: str | None, canonical: str) -> None:
    assert EncoderSpec(name, weights).canonical == canonical


def test_a_model_directorys_canonical_name_has_no_path_of_the_machine(plain: str) -> None:
    assert EncoderSpec(plain).canonical == 'saved_model:plain'
    assert EncoderSpec(plain + '/').canonical == 'saved_model:plain'


# --- model directories


def test_a_plain_saved_model_is_an_encoder(plain: str, tmp_path: Path) -> None:
    compiled = compile_encoder(EncoderSpec(plain), str(tmp_path / 'encoder'))
    assert (compiled.input_shape, compiled.vector_size) == ((16, 16, 3), 4)
    np.testing.assert_allclose(load_engine(compiled).encode(PIXELS), tiny_models.expected(PIXELS), atol=1e-6)


def test_a_model_of_uint8_pictures_gets_them_as_they_are(tmp_path: Path) -> None:
    model = tiny_models.save(tiny_models.Plain(dtype=tf.uint8), tmp_path / 'model')
    np.testing.assert_allclose(vectors_of(model, tmp_path / 'encoder'), tiny_models.expected(PIXELS), atol=1e-6)


def test_a_model_cut_before_its_pooling_is_pooled(tmp_path: Path) -> None:
    model = tiny_models.save(tiny_models.Uncut(), tmp_path / 'model')
    np.testing.assert_allclose(vectors_of(model, tmp_path / 'encoder'), tiny_models.expected(PIXELS), atol=1e-5)


def test_a_hub_model_without_signatures_is_called_without_training(tmp_path: Path) -> None:
    model = tiny_models.save(tiny_models.HubStyle(), tmp_path / 'model', signature=False)
    np.testing.assert_allclose(vectors_of(model, tmp_path / 'encoder'), tiny_models.expected(PIXELS), atol=1e-6)


@pytest.mark.parametrize('hub', [True, False])
def test_models_of_tf1_are_encoders(tmp_path: Path, hub: bool) -> None:
    model = tiny_models.save_tf1(tmp_path / 'model', hub=hub)
    np.testing.assert_allclose(vectors_of(model, tmp_path / 'encoder'), tiny_models.expected(PIXELS), atol=1e-6)


def test_a_hub_address_is_fetched_and_loaded_like_a_directory(
    plain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_cache, 'fetch', {'https://example.org/model/1': plain}.__getitem__)
    found = vectors_of('hub:https://example.org/model/1', tmp_path / 'encoder')
    np.testing.assert_allclose(found, tiny_models.expected(PIXELS), atol=1e-6)


def test_tensorflow_hub_resolves_a_local_model(plain: str) -> None:
    assert hub_cache.fetch(plain) == plain


def test_a_hub_address_that_can_not_be_fetched_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow_hub

    def unreachable(handle: str) -> str:
        raise OSError('no route to host')

    monkeypatch.setattr(tensorflow_hub, 'resolve', unreachable)
    failure = refusal(lambda: hub_cache.fetch('https://example.org/model/1'))
    assert failure.where == '--encoder hub:https://example.org/model/1' and '--encoder DIR' in failure.do


def test_a_model_of_any_size_gets_224_pixels_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_models.save(tiny_models.Plain((None, None, None, 3)), tmp_path / 'model')
    assert compile_encoder(EncoderSpec(model), str(tmp_path / 'a')).input_shape == (224, 224, 3)
    assert '224 pixels are used' in capsys.readouterr().err
    compiled = compile_encoder(EncoderSpec(f'{model}@160'), str(tmp_path / 'b'))
    assert (compiled.input_shape, compiled.spec) == ((160, 160, 3), 'saved_model:model@160')
    assert capsys.readouterr().err == ''


def test_a_size_that_contradicts_the_model_is_refused(plain: str, tmp_path: Path) -> None:
    failure = refusal(lambda: compile_encoder(EncoderSpec(f'{plain}@99'), str(tmp_path / 'encoder')))
    assert '16 x 16' in failure.what


class Classifier(tiny_models.Plain):
    """A model that takes image bytes, like the ones this project exports."""

    def __init__(self) -> None:
        super().__init__()
        self.serve = tf.function(
            lambda data: {'scores': tf.zeros([1, 2])}, input_signature=[tf.TensorSpec([None], tf.string)]
        )


class Ambiguous(tiny_models.Plain):
    """A model with two outputs of unknown names."""

    def _serve(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        return {'left': self.answer(pictures), 'right': self.answer(pictures)}


class Looker(tiny_models.Plain):
    """A model that reads a file while it runs."""

    def answer(self, values: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.io.read_file('/etc/hostname')]):
            return super().answer(values) + tf.cast(tf.strings.length(tf.io.read_file('/etc/hostname')), tf.float32)


@pytest.mark.parametrize(
    ('model', 'said'),
    [(Classifier(), 'takes string'), (Ambiguous(), 'left, right'), (Looker(), 'ReadFile')],
    ids=lambda value: type(value).__name__,
)
def test_models_that_are_no_encoders_are_refused_with_what_they_are(
    tmp_path: Path, model: tf.Module, said: str
) -> None:
    saved = tiny_models.save(model, tmp_path / 'model')
    failure = refusal(lambda: compile_encoder(EncoderSpec(saved), str(tmp_path / 'encoder')))
    assert isinstance(failure, InputError) and said in failure.what
    assert not (tmp_path / 'encoder').exists()


def test_a_damaged_model_directory_is_refused_in_three_lines(plain: str, tmp_path: Path) -> None:
    copy = tmp_path / 'copy'
    shutil.copytree(plain, copy)
    (copy / 'variables' / 'variables.index').unlink()
    assert isinstance(refusal(lambda: compile_encoder(EncoderSpec(str(copy)), str(tmp_path / 'a'))), InputError)
    (copy / 'saved_model.pb').write_bytes(b'not a model')
    assert isinstance(refusal(lambda: compile_encoder(EncoderSpec(str(copy)), str(tmp_path / 'a'))), InputError)
    (copy / 'saved_model.pb').unlink()
    assert isinstance(refusal(lambda: compile_encoder(EncoderSpec(str(copy)), str(tmp_path / 'a'))), InputError)


@pytest.mark.slow
@pytest.mark.skipif(not REAL_MODEL.exists(), reason='needs ../shared/encoders/mobilenet_v2_imagenet')
def test_a_real_hub_model_answers_as_it_does_by_itself(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    model = tf.saved_model.load(str(REAL_MODEL))
    itself = model.signatures['serving_default'](inputs=tf.constant(pixels, tf.float32) / 255.0)['output_0'].numpy()
    np.testing.assert_allclose(vectors_of(str(REAL_MODEL), tmp_path / 'encoder', pixels), itself, atol=1e-4)


# --- mini


def test_mini_is_what_its_constants_say() -> None:
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef.FromString(files.read_bytes(MINI_GRAPH)), name='')
    pixels, vectors = graph.get_tensor_by_name('pixels:0'), graph.get_tensor_by_name('vectors:0')
    assert (pixels.dtype, pixels.shape.as_list()) == (tf.uint8, [None, *MINI_SHAPE])
    assert (vectors.dtype, vectors.shape.as_list()) == (tf.float32, [None, MINI_VECTOR_SIZE])
    assert os.path.getsize(MINI_GRAPH) <= 2 << 20


# --- compiling once


def test_a_compiled_encoder_is_kept_while_it_is_whole(plain: str, tmp_path: Path) -> None:
    first = compile_encoder(EncoderSpec(plain), str(tmp_path / 'encoder'))
    written = os.stat(first.graph_path).st_mtime_ns
    assert compile_encoder(EncoderSpec(plain), str(tmp_path / 'encoder')) == first
    assert os.stat(first.graph_path).st_mtime_ns == written
    assert CompiledEncoder.load(str(tmp_path / 'encoder')) == first
    assert first.key == EncoderSpec(plain).key()


def test_a_damaged_compiled_encoder_is_built_anew(plain: str, tmp_path: Path) -> None:
    directory = tmp_path / 'encoder'
    first = compile_encoder(EncoderSpec(plain), str(directory))
    for damage in (b'', b'damaged'):
        Path(first.graph_path).write_bytes(damage)
        with pytest.raises(InputError, match='damaged'):
            first.verify()
        again = compile_encoder(EncoderSpec(plain), str(directory))
        again.verify()
    (directory / 'encoder.json').write_text('{}')
    compile_encoder(EncoderSpec(plain), str(directory)).verify()
    assert os.listdir(tmp_path) == ['encoder']


def test_an_encoder_compiled_by_another_run_meanwhile_is_taken(
    plain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = compile_encoder(EncoderSpec(plain), str(tmp_path / 'theirs'))
    build = type(EncoderSpec(plain).source).build

    def overtaken(source: object) -> object:
        made = build(source)
        shutil.copytree(tmp_path / 'theirs', tmp_path / 'encoder')
        return made

    monkeypatch.setattr(type(EncoderSpec(plain).source), 'build', overtaken)
    ours = compile_encoder(EncoderSpec(plain), str(tmp_path / 'encoder'))
    assert ours.sha256 == theirs.sha256
    assert sorted(os.listdir(tmp_path)) == ['encoder', 'theirs']


def test_the_description_names_no_path_and_reads_back(plain: str, tmp_path: Path) -> None:
    compiled = compile_encoder(EncoderSpec(plain), str(tmp_path / 'encoder'))
    said = json.loads((tmp_path / 'encoder' / 'encoder.json').read_text())
    assert str(tmp_path) not in json.dumps(said)
    moved = shutil.move(tmp_path / 'encoder', tmp_path / 'moved')
    assert CompiledEncoder.load(str(moved)) == dataclasses.replace(compiled, directory=str(moved))


def test_a_directory_without_an_encoder_is_named(tmp_path: Path) -> None:
    assert isinstance(refusal(lambda: CompiledEncoder.load(str(tmp_path))), InputError)


def test_graphs_hold_no_variables(plain: str, tmp_path: Path) -> None:
    compiled = compile_encoder(EncoderSpec(plain), str(tmp_path / 'encoder'))
    graph = tf.compat.v1.GraphDef.FromString(files.read_bytes(compiled.graph_path))
    assert not [node.op for node in graph.node if 'Var' in node.op or 'Call' in node.op]


def test_averages_over_space_do_not_depend_on_a_pictures_place_in_the_batch(tmp_path: Path) -> None:
    # 244 channels are no multiple of the processor's vectors: with Mean, the last bits would differ.
    class Wide(tiny_models.Plain):
        def answer(self, values: tf.Tensor) -> tf.Tensor:
            wide = tf.sin(tf.repeat(values, 82, axis=3)[..., :244] * tf.range(1.0, 245.0))
            squeezed, kept = tf.reduce_mean(wide, [1, 2]), tf.reduce_mean(wide, [2, 1], keepdims=True)
            return tf.concat([squeezed, kept[:, 0, 0]], axis=1)

    model = tiny_models.save(Wide(), tmp_path / 'model')
    pixels = np.random.default_rng(8).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    order = np.random.default_rng(9).permutation(8)
    vectors = vectors_of(model, tmp_path / 'encoder', pixels)
    assert np.array_equal(vectors_of(model, tmp_path / 'encoder', pixels[order]), vectors[order])
    direct = tf.saved_model.load(model).signatures['serving_default'](tf.constant(pixels / 255.0, tf.float32))
    np.testing.assert_allclose(vectors, direct['output_0'].numpy(), atol=1e-5)


def test_mini_is_compiled_without_tensorflow(tmp_path: Path) -> None:
    code = """
import sys
from preprocess.encoders import EncoderSpec, compile_in_child
print(compile_in_child(EncoderSpec('mini'), sys.argv[1]).vector_size, 'tensorflow' in sys.modules)
"""
    command = [sys.executable, '-c', code, str(tmp_path / 'encoder')]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['256', 'False']
    assert done.stderr.splitlines() == [json.loads(Path(MINI_ABOUT).read_text())['notice']]


def test_compiling_in_a_child_gives_the_same_encoder_and_its_notes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tiny_models.save(tiny_models.Plain((None, None, None, 3)), tmp_path / 'model')
    capfd.readouterr()
    compiled = compile_in_child(EncoderSpec(model), str(tmp_path / 'encoder'))
    compiled.verify()
    output = capfd.readouterr()
    lines = [line for line in output.err.splitlines() if not line.startswith('compiling the encoder saved_model:model')]
    assert lines == [f'{model} takes pictures of any size: 224 pixels are used (--encoder {model}@SIZE for another)']
    assert output.out == ''


def test_a_failure_in_the_child_is_the_same_failure_here(tmp_path: Path) -> None:
    model = tiny_models.save(Ambiguous(), tmp_path / 'model')
    failure = refusal(lambda: compile_in_child(EncoderSpec(model), str(tmp_path / 'encoder')))
    assert isinstance(failure, InputError) and 'left, right' in failure.what
