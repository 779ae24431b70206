import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from preprocess.failures import InputError, RunFailed, UsageError
from tests.models import LABELS, colour_head, noise_bytes, picture_bytes, write_tiny
from trainer import export, tf1
from trainer.export import ModelParts, write_model


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> str:
    return write_tiny(tmp_path_factory.mktemp('tf1') / 'model', labels=('red', 'blue'))


@pytest.fixture(scope='module')
def old_form(model) -> str:
    export.main([model, '--format', 'tf1'])
    return f'{model}.tf1'


def test_the_earlier_client_feeds_jpeg_bytes_and_fetches_two_scores(old_form):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        tf.compat.v1.saved_model.loader.load(session, ['serve'], old_form)
        softmax = session.graph.get_tensor_by_name('final_ops/softmax:0')
        crops = [picture_bytes('red', size=(299, 299)), picture_bytes('blue')]
        scores = session.run(softmax, {'Placeholder:0': crops})
        one_by_one = [session.run(softmax, {'Placeholder:0': [crop]})[0] for crop in crops]
    assert scores.shape == (2, 2)
    assert scores[0][0] > 0.99 and scores[1][1] > 0.99
    np.testing.assert_allclose(scores, one_by_one, atol=1e-5)


def test_its_scores_are_the_models(model, old_form):
    pictures = tf.constant([noise_bytes(seed, form=form) for seed, form in enumerate(['JPEG', 'PNG', 'GIF'])])
    arguments = {'key': tf.constant(['a', 'b', 'c']), 'image_bytes': pictures}
    new, old = (tf.saved_model.load(where).signatures['serving_default'](**arguments) for where in (model, old_form))
    np.testing.assert_allclose(new['scores'], old['scores'], atol=1e-5)
    assert {name: new[name].numpy().tolist() for name in ('key', 'label', 'prediction')} == {
        name: old[name].numpy().tolist() for name in ('key', 'label', 'prediction')
    }


def test_it_carries_the_models_assets(model, old_form):
    assert {path.name: path.read_text() for path in Path(old_form, 'assets').iterdir()} == {
        path.name: path.read_text() for path in Path(model, 'assets').iterdir()
    }


def test_no_function_it_does_not_need_is_in_it(old_form):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta_graph = tf.compat.v1.saved_model.loader.load(session, ['serve'], old_form)
    operations = {node.op for function in meta_graph.graph_def.library.function for node in function.node_def}
    assert not operations & {'SaveV2', 'RestoreV2', 'MergeV2Checkpoints'}


def test_a_form_whose_scores_differ_is_not_published(model, tmp_path, monkeypatch):
    other = write_tiny(tmp_path / 'other', labels=('blue', 'red'))

    def mixed_up(model: str, staged: str) -> None:
        tf1.write(other, staged)
        tf1.prove(model, staged)

    monkeypatch.setattr(export, 'FORMATS', {'tf1': mixed_up})
    with pytest.raises(RunFailed, match='final_ops/softmax:0: off by up to'):
        export.main([model, '--format', 'tf1', '--output', str(tmp_path / 'out')])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['other', 'other.encoder']


def test_a_model_without_an_encoder_has_no_such_form(tmp_path):
    write_model(ModelParts(colour_head(), LABELS, None), str(tmp_path / 'model'))
    with pytest.raises(InputError, match='takes no pictures'):
        export.main([str(tmp_path / 'model'), '--format', 'tf1'])


def test_what_is_no_model_is_refused(tmp_path, model):
    with pytest.raises(InputError, match='not a SavedModel'):
        export.main([str(tmp_path), '--format', 'tf1'])
    shutil.copytree(model, tmp_path / 'torn')
    Path(tmp_path, 'torn', 'saved_model.pb').write_bytes(b'\xff' * 50)
    with pytest.raises(InputError, match='damaged'):
        export.main([str(tmp_path / 'torn'), '--format', 'tf1'])


@pytest.mark.parametrize('words', [['--format', 'coreml'], [], ['--format', 'tf1', '--output', '{model}']])
def test_an_unknown_form_or_the_models_own_place_is_a_usage_error(model, words):
    with pytest.raises(UsageError):
        export.main([model, *(word.format(model=model) for word in words)])
