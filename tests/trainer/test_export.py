import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from preprocess import images
from preprocess.compiled import CompiledEncoder
from preprocess.failures import RunFailed
from tests.models import LABELS, SIDE, VECTOR_SIZE, colour_head, noise_bytes, picture_bytes, random_head, tiny_parts
from trainer import export, proof, specimens
from trainer.export import ModelParts, export_model, write_model
from trainer.proof import Case

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / 'shared'
SIGNATURES = {
    'serving_default': (
        {'key': ('string', [None]), 'image_bytes': ('string', [None])},
        {
            'key': ('string', [None]),
            'prediction': ('int64', [None]),
            'label': ('string', [None]),
            'scores': ('float32', [None, 3]),
        },
    ),
    'pixels': (
        {'pixels': ('uint8', [None, SIDE, SIDE, 3])},
        {
            'embedding': ('float32', [None, VECTOR_SIZE]),
            'prediction': ('int64', [None]),
            'label': ('string', [None]),
            'scores': ('float32', [None, 3]),
        },
    ),
    'embed': ({'image_bytes': ('string', [None])}, {'embedding': ('float32', [None, VECTOR_SIZE])}),
    'classify': (
        {'embedding': ('float32', [None, VECTOR_SIZE])},
        {'prediction': ('int64', [None]), 'label': ('string', [None]), 'scores': ('float32', [None, 3])},
    ),
}
MANIFEST = {
    'name': 'train',
    'labels': ['/m/01', 'green', 'blue'],
    'counts_per_label': {'/m/01': 3},
    'encoder': {'spec': 'hub:/home/anna/models/net@160', 'path': 'encoder'},
    'settings': {'input_path': '/home/anna/a.csv,file:///mnt/b.csv,gs://bucket/c.csv', 'note': 'and/or', 'limit': None},
}


@pytest.fixture(scope='module')
def parts(tmp_path_factory) -> ModelParts:
    made = tiny_parts(tmp_path_factory.mktemp('parts') / 'encoder')
    return ModelParts(made.head, made.labels, made.encoder, manifest_json=json.dumps(MANIFEST))


@pytest.fixture(scope='module')
def model(parts, tmp_path_factory) -> str:
    directory = tmp_path_factory.mktemp('exported') / 'model'
    export_model(parts, str(directory))
    return str(directory)


@pytest.fixture(scope='module')
def signatures(model):
    # The loaded object must live as long as its signatures.
    loaded = tf.saved_model.load(model)
    yield loaded.signatures
    del loaded


# ------------------------------------------------------------------------------------ the ways it is loaded


def test_it_loads_with_the_four_signatures_of_the_contract(signatures):
    found = {
        name: (
            {
                key: (spec.dtype.name, spec.shape.as_list())
                for key, spec in function.structured_input_signature[1].items()
            },
            {key: (spec.dtype.name, spec.shape.as_list()) for key, spec in function.structured_outputs.items()},
        )
        for name, function in signatures.items()
    }
    assert found == SIGNATURES


def test_it_loads_with_the_loader_of_tensorflow_1(model):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta_graph = tf.compat.v1.saved_model.loader.load(session, ['serve'], model)
        signature = meta_graph.signature_def['serving_default']
        label, scores = session.run(
            [signature.outputs['label'].name, signature.outputs['scores'].name],
            {
                signature.inputs['key'].name: ['a', 'b'],
                signature.inputs['image_bytes'].name: [picture_bytes('blue'), picture_bytes('red')],
            },
        )
    assert label.tolist() == [b'blue', b'red']
    assert scores.shape == (2, 3)


def test_tensorflow_serving_finds_predict_methods_with_open_batches(model):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        defined = tf.compat.v1.saved_model.loader.load(session, ['serve'], model).signature_def
    for name in SIGNATURES:
        assert defined[name].method_name == 'tensorflow/serving/predict'
        for tensor in [*defined[name].inputs.values(), *defined[name].outputs.values()]:
            assert tensor.tensor_shape.dim[0].size == -1


def test_a_json_predict_request_has_one_row_out_for_each_row_in(signatures):
    instances = [
        {'key': f'{place}.jpg', 'image_bytes': {'b64': base64.b64encode(picture_bytes(colour)).decode()}}
        for place, colour in enumerate(LABELS)
    ]
    # What TensorFlow Serving does with the row format: decode b64, one column for each input, one row for each output.
    columns = {
        'key': tf.constant([row['key'] for row in instances]),
        'image_bytes': tf.constant([base64.b64decode(row['image_bytes']['b64']) for row in instances]),
    }
    outputs = {name: tensor.numpy().tolist() for name, tensor in signatures['serving_default'](**columns).items()}
    assert {len(values) for values in outputs.values()} == {3}
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    assert [(row['key'], row['label'], row['prediction']) for row in rows] == [
        (b'0.jpg', b'red', 0),
        (b'1.jpg', b'green', 1),
        (b'2.jpg', b'blue', 2),
    ]


@pytest.mark.slow
def test_saved_model_cli_shows_and_runs_it(model, tmp_path):
    np.save(tmp_path / 'vectors.npy', np.eye(VECTOR_SIZE, dtype=np.float32))
    start = [sys.executable, '-m', 'tensorflow.python.tools.saved_model_cli']
    where = ['--dir', model, '--tag_set', 'serve', '--signature_def']
    commands = [
        [*start, 'show', *where, 'serving_default'],
        [*start, 'run', *where, 'classify', '--inputs', f'embedding={tmp_path}/vectors.npy'],
    ]
    begun = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for command in commands]
    shown, ran = [process.communicate(timeout=120)[0].decode() for process in begun]
    assert re.findall(r"inputs\['(\w+)'\]", shown) == ['image_bytes', 'key']
    assert re.findall(r"outputs\['(\w+)'\]", shown) == ['key', 'label', 'prediction', 'scores']
    assert "b'red'" in ran


# ------------------------------------------------------------------------------------ what it answers


def test_raw_pictures_are_named_and_keys_come_back(signatures):
    pictures = [picture_bytes('green', form=form) for form in ('JPEG', 'PNG', 'GIF', 'BMP')]
    answer = signatures['serving_default'](key=tf.constant(list('abcd')), image_bytes=tf.constant(pictures))
    assert answer['key'].numpy().tolist() == [b'a', b'b', b'c', b'd']
    assert answer['label'].numpy().tolist() == [b'green'] * 4


def test_an_empty_batch_is_answered_with_nothing(signatures):
    empty = tf.zeros([0], tf.string)
    assert signatures['serving_default'](key=empty, image_bytes=empty)['scores'].shape == (0, 3)


def test_every_signature_gives_the_same_scores_for_one_square(signatures):
    square = images.to_pixels(noise_bytes(1), (SIDE, SIDE, 3))
    png = tf.constant([images.png_bytes(square)] * 4)
    by_pixels = signatures['pixels'](pixels=tf.constant(np.stack([square] * 4)))
    by_bytes = signatures['serving_default'](key=tf.constant(['k'] * 4), image_bytes=png)
    by_parts = signatures['classify'](embedding=signatures['embed'](image_bytes=png)['embedding'])
    for answer in (by_bytes, by_parts):
        np.testing.assert_array_equal(answer['scores'], by_pixels['scores'])


def test_several_labels_have_sigmoids_and_the_argmax_as_prediction(tmp_path):
    parts = tiny_parts(tmp_path / 'encoder', multi_label=True)
    write_model(parts, str(tmp_path / 'model'))
    vector = np.array([[1, 0, 0.9, 1, 0, 0.9]], np.float32)
    loaded = tf.saved_model.load(str(tmp_path / 'model'))
    answer = loaded.signatures['classify'](embedding=tf.constant(vector))
    np.testing.assert_allclose(answer['scores'], parts.head.scores(vector), atol=1e-6)
    assert (answer['prediction'].numpy().tolist(), answer['label'].numpy().tolist()) == ([0], [b'red'])
    assert np.sum(answer['scores']) > 1.5
    assert json.loads((tmp_path / 'model/assets/model.json').read_text())['threshold'] == 0.5


def test_without_an_encoder_there_is_only_classify_and_that_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(proof, 'check', lambda *_: None)
    export_model(ModelParts(colour_head(), LABELS, None), str(tmp_path / 'model'))
    loaded = tf.saved_model.load(str(tmp_path / 'model'))
    assert list(loaded.signatures) == ['classify']
    assert 'no encoder is known' in capsys.readouterr().err


# ------------------------------------------------------------------------------------ what is in it


def test_labels_travel_inside_the_graph(model, tmp_path):
    shutil.copytree(model, tmp_path / 'model')
    (tmp_path / 'model/assets/dict.txt').write_text('x\ny\nz\n')
    loaded = tf.saved_model.load(str(tmp_path / 'model'))
    answer = loaded.signatures['classify'](embedding=tf.constant(np.eye(6, dtype=np.float32)))
    assert answer['label'].numpy().tolist() == [b'red', b'green', b'blue'] * 2


def test_labels_may_be_of_any_script_and_one_more_than_the_dictionarys(tmp_path):
    labels = ('schön', '花', 'unlabelled')
    write_model(ModelParts(random_head(4, 3), labels, None), str(tmp_path / 'model'))
    assert (tmp_path / 'model/assets/dict.txt').read_text(encoding='utf-8') == 'schön\n花\nunlabelled\n'
    loaded = tf.saved_model.load(str(tmp_path / 'model'))
    answer = loaded.signatures['classify'](
        embedding=tf.constant(np.random.default_rng(0).normal(size=(50, 4)), tf.float32)
    )
    assert {label.decode() for label in answer['label'].numpy()} <= set(labels)


def test_dictionary_manifest_and_description_are_assets(model, parts):
    assets = Path(model, 'assets')
    assert sorted(path.name for path in assets.iterdir()) == ['dict.txt', 'manifest.json', 'model.json']
    assert (assets / 'dict.txt').read_text() == 'red\ngreen\nblue\n'
    described = json.loads((assets / 'model.json').read_text())
    assert (described['input_shape'], described['vector_size']) == ([SIDE, SIDE, 3], VECTOR_SIZE)
    assert described['encoder']['sha256'] == parts.encoder.sha256


def test_the_manifest_loses_local_paths_and_nothing_else(model):
    assert json.loads(Path(model, 'assets/manifest.json').read_text()) == {
        **MANIFEST,
        'encoder': {'spec': 'hub:net@160', 'path': 'encoder'},
        'settings': {'input_path': 'a.csv,b.csv,gs://bucket/c.csv', 'note': 'and/or', 'limit': None},
    }


def test_no_path_of_this_machine_is_in_any_file(model, parts):
    for path in (path for path in Path(model).rglob('*') if path.is_file()):
        content = path.read_bytes()
        for place in (model, parts.encoder.directory, str(ROOT), tempfile.gettempdir() + '/', str(Path.home()) + '/'):
            assert place.encode() not in content, f'{place} in {path.name}'


def test_encoder_and_head_stand_in_the_file_once(tmp_path):
    with tf.Graph().as_default() as graph:
        pixels = tf.compat.v1.placeholder(tf.uint8, [None, 8, 8, 3], name='pixels')
        matrix = np.random.default_rng(0).random((192, 5000), np.float32)
        tf.matmul(tf.reshape(tf.cast(pixels, tf.float32), [-1, 192]), matrix, name='vectors')
    data = graph.as_graph_def().SerializeToString()
    encoder = CompiledEncoder(
        directory=str(tmp_path),
        spec='large',
        key='k',
        sha256='s',
        input_shape=(8, 8, 3),
        vector_size=5000,
        engine='tensorflow',
        precision='float32',
        batch_size=8,
    )
    Path(encoder.graph_path).write_bytes(data)
    head = random_head(5000)
    write_model(ModelParts(head, LABELS, encoder), str(tmp_path / 'model'))
    once = len(data) + sum(weight.nbytes for weight in head.weights)
    assert once < (tmp_path / 'model/saved_model.pb').stat().st_size < once + 200_000
    assert sum(path.stat().st_size for path in (tmp_path / 'model/variables').iterdir()) < 1000


@pytest.mark.parametrize(('labels', 'vector_size'), [(('a', 'b'), 6), (('a', 'b', 'b'), 6), (LABELS, 7)])
def test_parts_that_do_not_fit_are_not_a_model(parts, labels, vector_size):
    with pytest.raises(ValueError):
        ModelParts(random_head(vector_size), labels, parts.encoder)


# ------------------------------------------------------------------------------------ how it gets its name


def test_a_model_that_answers_otherwise_in_a_fresh_process_is_not_published(parts, model, tmp_path, monkeypatch):
    shutil.copytree(model, tmp_path / 'model')
    before = contents(tmp_path / 'model')
    cases = specimens.cases

    def wrong(*about):
        first, *rest = cases(*about)
        scores = {**first.outputs, 'scores': first.outputs['scores'] + np.float32(1e-3)}
        return [Case(first.signature, first.inputs, scores), *rest]

    monkeypatch.setattr(specimens, 'cases', wrong)
    with pytest.raises(RunFailed, match='scores: off by up to 0.001') as failed:
        export_model(parts, str(tmp_path / 'model'))
    assert failed.value.exit_code == 5
    assert contents(tmp_path / 'model') == before
    assert [path.name for path in tmp_path.iterdir()] == ['model']


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob('*') if path.is_file()}


def test_a_model_that_does_not_load_is_not_published(parts, tmp_path, monkeypatch):
    def torn(parts: ModelParts, directory: str):
        written = write_model(parts, directory)
        whole = Path(directory, 'saved_model.pb').read_bytes()
        Path(directory, 'saved_model.pb').write_bytes(whole[:-100])
        return written

    monkeypatch.setattr(export, 'write_model', torn)
    with pytest.raises(RunFailed, match='can not be loaded'):
        export_model(parts, str(tmp_path / 'model'))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_failed_run_and_leaves_nothing(parts, tmp_path, monkeypatch):
    def full(*_, **__):
        said = '{{function_node SaveV2}} /somewhere/part-0.tempstate; No space left on device [Op:SaveV2]'
        raise tf.errors.ResourceExhaustedError(None, None, said)

    monkeypatch.setattr(tf.saved_model, 'save', full)
    with pytest.raises(RunFailed) as failed:
        export_model(parts, str(tmp_path / 'model'))
    assert failed.value.what == 'the model can not be written: No space left on device'
    assert list(tmp_path.iterdir()) == []


EXPORT = """
import sys
from tests.models import tiny_parts
from trainer.export import export_model
parts = tiny_parts(sys.argv[1] + '/encoder', labels=('blue', 'green', 'red'))
print('ready', flush=True)
export_model(parts, sys.argv[1] + '/model')
"""


def exporting(directory: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, '-c', EXPORT, str(directory)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    return process


def killed(process: 'subprocess.Popen[bytes]') -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def first_label(directory: Path) -> str:
    loaded = tf.saved_model.load(str(directory))
    return (
        loaded.signatures['classify'](embedding=tf.constant(np.ones((1, 6), np.float32)))['label'].numpy()[0].decode()
    )


@pytest.mark.slow
def test_killed_while_the_model_is_checked_the_old_one_stays_and_the_next_export_works(
    model, parts, tmp_path, monkeypatch
):
    shutil.copytree(model, tmp_path / 'model')
    process = exporting(tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / 'model.exporting/saved_model.pb').exists() and time.monotonic() < deadline:
        time.sleep(0.01)  # the process is another one: there is nothing to wait on
    killed(process)
    assert contents(tmp_path / 'model') == contents(Path(model))
    monkeypatch.setattr(proof, 'check', lambda *_: None)
    export_model(parts, str(tmp_path / 'model'))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['encoder', 'model']


@pytest.mark.slow
def test_killed_at_ten_random_moments_the_model_is_loadable_or_absent(tmp_path):
    moments = np.random.default_rng()
    begun = time.monotonic()
    exporting(tmp_path).wait()
    usual_s = time.monotonic() - begun
    for round_ in range(10):
        if round_ % 2:
            shutil.rmtree(tmp_path / 'model', ignore_errors=True)
        process = exporting(tmp_path)
        time.sleep(moments.uniform(0, usual_s))
        killed(process)
        if (tmp_path / 'model').exists():
            assert first_label(tmp_path / 'model') == 'blue'
