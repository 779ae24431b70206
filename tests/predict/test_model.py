import shutil
from pathlib import Path

import numpy as np
import pytest

from predict import model as models
from predict.answers import Prediction
from predict.model import load
from predict.pictures import Picture, Unusable
from preprocess import images
from preprocess.compiled import CompiledEncoder
from preprocess.engines import load_engine
from preprocess.failures import InputError
from tests.models import LABELS, SIDE, colour_head, noise, noise_bytes, picture_bytes
from trainer.export import ModelParts, write_model


def labels(predictions: list[Prediction]) -> list[str | None]:
    return [prediction.label for prediction in predictions]


def test_paths_bytes_and_arrays_are_answered_in_order(tiny_model, coloured):
    array = np.full((50, 70, 3), (20, 200, 50), np.uint8)
    pictures = ['red.jpg', coloured / 'blue.jpg', picture_bytes('blue', form='PNG'), array]
    answers = load(tiny_model).predict(pictures)
    assert labels(answers) == ['red', 'blue', 'blue', 'green']
    assert [answer.prediction for answer in answers] == [0, 2, 2, 1]
    assert [answer.key for answer in answers] == ['red.jpg', str(coloured / 'blue.jpg'), '2', '3']
    assert all(abs(sum(answer.scores) - 1) < 1e-5 for answer in answers)


def test_a_model_says_its_labels_and_size(tiny_model):
    model = load(Path(tiny_model))
    assert (model.labels, model.input_shape) == (LABELS, (SIDE, SIDE, 3))


def test_frames_of_opencv_are_bgr(tiny_model):
    blue_in_bgr = np.full((20, 20, 3), (230, 20, 30), np.uint8)
    model = load(tiny_model)
    assert labels(model.predict([blue_in_bgr], bgr=True)) == ['blue']
    assert labels(model.predict([blue_in_bgr])) == ['red']


def test_bgr_concerns_arrays_only(tiny_model):
    assert labels(load(tiny_model).predict([picture_bytes('red')], bgr=True)) == ['red']


def test_an_array_has_the_scores_of_the_same_pixels_in_a_file(tiny_model):
    from_file, from_array = load(tiny_model).predict([noise_bytes(5, form='PNG'), noise(5)])
    assert from_file.scores == from_array.scores


def test_gray_and_transparent_arrays_follow_the_pixel_policy(tiny_model):
    gray = noise(1)[:, :, 0]
    clear = np.zeros((9, 9, 4), np.uint8)
    white = np.full((9, 9, 3), 255, np.uint8)
    model = load(tiny_model)
    one, other = model.predict([gray, gray[:, :, np.newaxis]])
    assert one.scores == other.scores
    one, other = model.predict([clear, white])
    assert one.scores == other.scores


def test_a_bad_picture_gets_its_reason_and_the_others_their_answers(tiny_model, coloured):
    (coloured / 'torn.jpg').write_bytes(noise_bytes(1)[:300])
    pictures = ['red.jpg', 'gone.jpg', 'torn.jpg', b'', coloured, np.zeros((0, 5, 3), np.uint8), 'blue.jpg']
    answers = load(tiny_model).predict(pictures)
    assert labels(answers) == ['red', None, None, None, None, None, 'blue']
    assert [answer.error and answer.error.split(':')[0] for answer in answers] == [
        None,
        'missing',
        'truncated',
        'empty-file',
        'is-a-directory',
        'too-small',
        None,
    ]


@pytest.mark.parametrize('array', [np.zeros((5, 5, 3)), np.zeros((5, 5, 2), np.uint8), np.zeros(5, np.uint8)])
def test_arrays_that_are_no_pictures_are_a_mistake_of_the_caller(tiny_model, array):
    with pytest.raises(TypeError, match='uint8'):
        load(tiny_model).predict([array])


def test_scores_do_not_depend_on_what_else_is_asked(tiny_model):
    model = load(tiny_model)
    pictures = [noise_bytes(seed) for seed in range(70)]
    together = [answer.scores for answer in model.predict(pictures)]
    assert [model.predict([picture])[0].scores for picture in pictures[::9]] == together[::9]


def test_scores_are_the_heads_on_the_engines_vectors(tiny_model):
    engine = load_engine(CompiledEncoder.load(f'{tiny_model}.encoder'))
    pictures = [noise_bytes(seed) for seed in range(11)]
    vectors = engine.encode(np.stack([images.to_pixels(picture, engine.input_shape) for picture in pictures]))
    expected = colour_head().scores(vectors)
    scores = [answer.scores for answer in load(tiny_model).predict(pictures)]
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_batches_have_few_sizes(tiny_model):
    model = load(tiny_model)
    sizes = []

    def score(pixels: images.Pixels) -> models.Scores:
        sizes.append(len(pixels))
        return model.score(pixels)

    watched = models.Model(model.directory, model.description, model.input_shape, score)
    for count in (1, 4, 5, 33):
        assert len(watched.predict([noise(0)] * count)) == count
    assert sizes == [4, 4, 8, 32, 4]


def test_nothing_asked_is_nothing_answered(tiny_model):
    assert load(tiny_model).predict([]) == []


def test_a_stream_is_read_one_batch_ahead_and_keeps_what_is_already_lost(tiny_model):
    taken = []

    def pictures():
        for place in range(200):
            taken.append(place)
            yield Unusable('lost', 'bad-request: lost') if place == 1 else Picture(str(place), noise(place))

    answers = load(tiny_model).stream(pictures())
    assert [next(answers).key, next(answers)] == ['0', Prediction('lost', error='bad-request: lost')]
    assert len(taken) == 2 * models.BATCH_SIZES[-1]
    answers.close()


def test_several_labels_may_hold(several_labels_model):
    purple, black = np.full((9, 9, 3), (255, 0, 255), np.uint8), np.zeros((9, 9, 3), np.uint8)
    several, none = load(several_labels_model).predict([purple, black])
    assert (several.labels, several.label) == (('red', 'blue'), 'red')
    assert (none.labels, none.label) == ((), 'red')


def test_what_is_no_model_is_refused_with_the_way_out(tmp_path, tiny_model):
    with pytest.raises(InputError, match='no such folder'):
        load(tmp_path / 'gone')
    with pytest.raises(InputError, match='not a SavedModel'):
        load(tmp_path)
    shutil.copytree(tiny_model, tmp_path / 'model')
    with pytest.raises(InputError) as refused:
        load(tmp_path)
    assert refused.value.do == f'did you mean {tmp_path}/model?'


@pytest.mark.parametrize('content', [b'', b'\xff' * 100])
def test_a_damaged_model_is_refused(tmp_path, tiny_model, content):
    shutil.copytree(tiny_model, tmp_path / 'model')
    (tmp_path / 'model/saved_model.pb').write_bytes(content)
    with pytest.raises(InputError, match='can not be loaded'):
        load(tmp_path / 'model')


def test_a_model_cut_short_is_refused(tmp_path, tiny_model):
    shutil.copytree(tiny_model, tmp_path / 'model')
    whole = (tmp_path / 'model/saved_model.pb').read_bytes()
    (tmp_path / 'model/saved_model.pb').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match='can not be loaded'):
        load(tmp_path / 'model')


def test_a_model_of_somebody_else_is_refused(tmp_path, tiny_model):
    shutil.copytree(tiny_model, tmp_path / 'model')
    (tmp_path / 'model/assets/model.json').unlink()
    with pytest.raises(InputError, match='no model of ours'):
        load(tmp_path / 'model')


def test_a_model_without_its_encoder_takes_no_pictures(tmp_path):
    write_model(ModelParts(colour_head(), LABELS, None), str(tmp_path / 'model'))
    with pytest.raises(InputError, match='not pictures') as refused:
        load(tmp_path / 'model')
    assert '--encoder' in refused.value.do
