"""The signatures of models that look at clips: shapes, borders, and clips of any length."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models import LABELS, SIDE, VECTOR_SIZE, tiny_encoder
from tests.trainer import clips
from trainer import heads, signatures
from trainer.export import ModelParts, write_model
from trainer.head_kinds import Windowing
from trainer.head_spec import HeadSpec
from trainer.heads import TrainedHead

_WINDOW = 3


def _head(spec):
    return TrainedHead(spec, heads.initial_weights(spec, 1))


@pytest.fixture(scope='module')
def lstm(tmp_path_factory):
    directory = tmp_path_factory.mktemp('lstm')
    head = _head(HeadSpec(VECTOR_SIZE, 3, 5, kind='lstm', window=_WINDOW, layers=2))
    parts = ModelParts(head, LABELS, tiny_encoder(directory / 'encoder'), windowing=Windowing(_WINDOW))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, '_WINDOWS_AT_ONCE', 4)
        patch.setattr(signatures, '_FRAMES_AT_ONCE', 5)
        write_model(parts, str(directory / 'model'))
    return head, tf.saved_model.load(str(directory / 'model'))


def _specs(loaded):
    return {
        name: (
            {key: (spec.dtype.name, spec.shape.as_list()) for key, spec in one.structured_input_signature[1].items()},
            {key: (spec.dtype.name, spec.shape.as_list()) for key, spec in one.structured_outputs.items()},
        )
        for name, one in loaded.signatures.items()
    }


_ANSWER = {'prediction': ('int64', [None]), 'label': ('string', [None]), 'scores': ('float32', [None, 3])}
_OF_CLIP = {**_ANSWER, 'first_frame': ('int64', [None]), 'last_frame': ('int64', [None])}


def test_a_model_of_windows_of_vectors_has_the_signatures_of_the_contract(lstm):
    clip, vectors = {'image_bytes': ('string', [None])}, ('float32', [None, VECTOR_SIZE])
    assert _specs(lstm[1]) == {
        'serving_default': ({'key': ('string', []), **clip}, {'key': ('string', []), **_OF_CLIP}),
        'pixels': ({'pixels': ('uint8', [None, SIDE, SIDE, 3])}, {'embedding': vectors, **_OF_CLIP}),
        'embed': (clip, {'embedding': vectors}),
        'classify': ({'embedding': ('float32', [None, _WINDOW, VECTOR_SIZE])}, _ANSWER),
    }


@pytest.mark.parametrize('frames', [0, 1, 2, 3, 4, 6, 7, 13])
def test_a_clip_of_any_length_has_an_answer_for_each_of_its_windows(lstm, frames):
    head, loaded = lstm
    clip = np.random.default_rng(frames).integers(0, 256, (frames, SIDE, SIDE, 3), np.uint8)
    answer = loaded.signatures['pixels'](pixels=tf.constant(clip))
    count = max(frames - _WINDOW + 1, 0)
    assert answer['scores'].shape == (count, 3)
    assert answer['embedding'].shape == (frames, VECTOR_SIZE)
    assert answer['first_frame'].numpy().tolist() == list(range(count))
    assert answer['last_frame'].numpy().tolist() == list(range(_WINDOW - 1, frames)) if count else True
    vectors = answer['embedding'].numpy()
    if count:
        windows = np.stack([vectors[at : at + _WINDOW] for at in range(count)])
        np.testing.assert_allclose(answer['scores'], head.scores(windows), atol=1e-6)
        by_windows = loaded.signatures['classify'](embedding=tf.constant(windows))
        np.testing.assert_allclose(by_windows['scores'], answer['scores'], atol=1e-6)


def test_heads_of_pixels_have_no_vectors_to_give(tmp_path):
    encoder = clips.pixel_encoder(tmp_path / 'encoder', (12, 10, 1))
    frame = ('uint8', [None, 12, 10, 1])
    convlstm = HeadSpec(120, 3, 0, kind='convlstm', frame=(12, 10, 1), window=4, clip_frames=2, filters=2)
    write_model(ModelParts(_head(convlstm), LABELS, encoder, windowing=Windowing(4)), str(tmp_path / 'clips'))
    assert _specs(tf.saved_model.load(str(tmp_path / 'clips'))) == {
        'serving_default': (
            {'key': ('string', []), 'image_bytes': ('string', [None])},
            {'key': ('string', []), **_OF_CLIP},
        ),
        'pixels': ({'pixels': frame}, _OF_CLIP),
        'classify': ({'pixels': ('uint8', [None, 4, 12, 10, 1])}, _ANSWER),
    }
    cnn = HeadSpec(120, 3, 4, kind='cnn', frame=(12, 10, 1), layers=1, filters=2)
    write_model(ModelParts(_head(cnn), LABELS, encoder), str(tmp_path / 'frames'))
    assert _specs(tf.saved_model.load(str(tmp_path / 'frames'))) == {
        'serving_default': (
            {'key': ('string', [None]), 'image_bytes': ('string', [None])},
            {'key': ('string', [None]), **_ANSWER},
        ),
        'pixels': ({'pixels': frame}, _ANSWER),
    }


@pytest.mark.parametrize('windowing', [None, Windowing(4)])
def test_a_model_is_not_cut_otherwise_than_its_head_learnt(tmp_path, windowing):
    head = _head(HeadSpec(VECTOR_SIZE, 3, 5, kind='lstm', window=_WINDOW))
    with pytest.raises(ValueError, match='a head for windows of 3'):
        ModelParts(head, LABELS, None, windowing=windowing)


def test_frames_of_another_shape_are_not_a_model(tmp_path):
    cnn = HeadSpec(120, 3, 4, kind='cnn', frame=(12, 10, 1), layers=1, filters=2)
    with pytest.raises(ValueError, match=r'\(10, 12, 1\)'):
        ModelParts(_head(cnn), LABELS, clips.pixel_encoder(tmp_path / 'encoder', (10, 12, 1)))
