"""Every kind of head on generated footage: it learns, resumes, is exported, serves and is evaluated."""

import csv
from dataclasses import dataclass, replace

import numpy as np
import pytest
import tensorflow as tf

from preprocess import images, interrupts
from preprocess.failures import InputError, Interrupted, UsageError
from tests.trainer import clips
from tests.trainer.clips import Clip
from tests.trainer.sequence_kinds import KINDS, WINDOWS, encoder, footage
from trainer import evaluate, export, predictions, proof, task, training
from trainer.config import Learning, TrainConfig
from trainer.evaluate import EvaluateConfig
from trainer.result import TrainResult


@dataclass(frozen=True)
class Trained:
    """A head that has learnt, its model, and one clip of what it was not shown."""

    head: str
    config: TrainConfig
    result: TrainResult
    unseen: Clip


@pytest.fixture(scope='module', params=list(KINDS))
def trained(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    kind = KINDS[request.param]
    config = footage(directory, kind)
    with pytest.MonkeyPatch.context() as patch:
        # A fresh process takes seconds each time; below it is not spared.
        patch.setattr(proof, 'check', lambda *_: None)
        result = training.train(config)
        task.export_trained(config, result)
    return Trained(request.param, config, result, kind.footage('unseen.mp4', seed=7))


def test_it_learns_what_its_footage_shows(trained):
    assert trained.result.chosen.eval.accuracy >= 0.9 > 0.65 > trained.result.majority_eval


def test_stopped_and_started_again_it_has_the_weights_of_an_undisturbed_run(trained, monkeypatch):
    again = replace(
        trained.config, output_path=f'{trained.config.output_path}-again', checkpoint_dir='', log_dir='', model_dir=''
    )
    answers = iter([False, True])
    monkeypatch.setattr(interrupts, 'requested', lambda: next(answers, False))
    with pytest.raises(Interrupted):
        training.train(again)
    resumed = training.train(again)
    assert resumed.best == trained.result.best
    for one, other in zip(resumed.head().weights, trained.result.head().weights, strict=True):
        np.testing.assert_array_equal(one, other)


def _expected(trained):
    """What the head says of the records of the unseen clip; of their windows, where it looks at windows."""
    spec, clip = trained.result.head().spec, trained.unseen
    values = clip.frames
    if not spec.looks_at_frames:
        halves = clip.frames.astype(np.float32) / 255
        values = np.concatenate([halves[:, :, :8].mean((1, 2)), halves[:, :, 8:].mean((1, 2))], axis=1)
    if spec.is_sequence:
        values = np.stack([values[at : at + spec.window] for at in range(len(values) - spec.window + 1)])
    return trained.result.head().scores(values)


def test_the_model_serves_what_the_head_learnt(trained):
    loaded = tf.saved_model.load(trained.config.model_dir)
    expected, frames = _expected(trained), trained.unseen.frames
    windows = WINDOWS[trained.head] > 1
    files = tf.constant([images.png_bytes(frame) for frame in frames])
    keys = tf.constant('clip') if windows else tf.constant([str(place) for place in range(len(frames))])
    by_pixels = loaded.signatures['pixels'](pixels=tf.constant(frames))
    by_bytes = loaded.signatures['serving_default'](key=keys, image_bytes=files)
    for answer in (by_pixels, by_bytes):
        np.testing.assert_allclose(answer['scores'], expected, atol=1e-5)
        labels = [label.decode() for label in answer['label'].numpy()]
        assert labels == [trained.result.classes.names[best] for best in expected.argmax(axis=1)]
        if windows:
            count = len(frames) - WINDOWS[trained.head] + 1
            assert answer['first_frame'].numpy().tolist() == list(range(count))
            assert answer['last_frame'].numpy().tolist() == list(range(len(frames) - count, len(frames)))
    assert by_bytes['key'].shape == keys.shape
    assert ('embedding' in by_pixels) == (trained.head in ('softmax', 'lstm'))


def test_the_evaluation_has_a_row_for_each_window_and_says_what_the_training_did(trained, tmp_path):
    config = EvaluateConfig(
        model_dir=trained.config.model_dir,
        data_paths=trained.config.eval_data_paths,
        train_data_paths=trained.config.train_data_paths,
        output_dir=str(tmp_path),
        thumbnails=False,
    )
    found = evaluate.evaluate(config)
    assert found.eval.metrics.accuracy == pytest.approx(trained.result.chosen.eval.accuracy)
    said = predictions.read(found.paths.predictions)
    frames = len(KINDS[trained.head].footage('x').frames)
    length = WINDOWS[trained.head]
    assert len(said) == found.eval.rows == 3 * (frames - length + 1)
    assert said.uris[0] == f'eval0.mp4#frame={length - 1}'
    with open(found.paths.predictions) as opened:
        row = next(csv.DictReader(opened))
    assert (row['video'], row['frame'], float(row['time'])) == ('eval0.mp4', str(length - 1), (length - 1) / 10)
    if length > 1:
        assert (row['first_frame'], row['last_frame']) == ('0', str(length - 1))

    task.write_predictions(trained.config, trained.result)
    again = predictions.read(f'{trained.config.output_path}/eval/predictions.csv')
    assert (again.uris, again.labels) == (said.uris, said.labels)
    np.testing.assert_allclose(again.scores, said.scores, atol=1e-5)
    assert again.moments is not None and said.moments is not None
    np.testing.assert_array_equal(again.moments.frames, said.moments.frames)


def test_a_softmax_can_not_tell_what_only_the_order_of_frames_tells(tmp_path):
    config = footage(tmp_path, KINDS['lstm'])
    result = training.train(replace(config, learning=replace(KINDS['softmax'].learning, max_steps=200)))
    assert result.chosen.eval.accuracy < 0.7


def test_frames_that_are_read_from_disk_each_time_teach_as_much(tmp_path, monkeypatch, capsys):
    from trainer import data, stream

    monkeypatch.setattr(data, 'fits_in_memory', lambda size: False)
    monkeypatch.setattr(stream, 'BLOCK_BYTES', 100 * 12 * 12)
    result = training.train(footage(tmp_path, KINDS['convlstm']))
    said = capsys.readouterr().err
    assert '315 training windows of 6 in 360 records of 12 x 12 pixels (gray), read from disk each time' in said
    assert result.chosen.eval.accuracy > 0.9


def test_a_handful_of_windows_can_be_learnt_by_heart(tmp_path, capsys):
    kind = KINDS['lstm']
    limited = replace(kind.learning, limit=6, class_weights='balanced', l2=1e-5)
    result = training.train(replace(footage(tmp_path, kind), learning=limited))
    assert '6 training windows of 4 in 360 records' in capsys.readouterr().err
    assert result.last.train.accuracy == 1


def test_a_window_longer_than_every_run_is_refused_naming_the_longest(tmp_path):
    kind = KINDS['lstm']
    with pytest.raises(
        InputError, match='a window has 41 frames, and the longest run of consecutive training frames 40'
    ):
        training.train(replace(footage(tmp_path, kind), learning=replace(kind.learning, window=41)))


def test_records_that_are_no_footage_have_no_windows(tmp_path):
    from tests.trainer import raw_records

    both = raw_records.both_sets(tmp_path)
    with pytest.raises(InputError, match='no frames of footage'):
        training.train(raw_records.learning(both, head='lstm', window=2, hidden_units=4))


def test_a_head_and_records_that_do_not_fit_are_a_usage_error_before_anything_is_read(tmp_path):
    config = footage(tmp_path, KINDS['cnn'])
    with pytest.raises(UsageError, match='the head lstm does not look at frames'):
        training.train(replace(config, learning=Learning(head='lstm')))


def test_footage_sampled_otherwise_is_not_for_a_model_of_windows(trained, tmp_path):
    kind = KINDS[trained.head]
    compiled = encoder(tmp_path / 'encoder', kind)
    prefix = clips.write(tmp_path, 'eval', [kind.footage('e.mp4')], kind.labels, compiled)
    manifest = tmp_path / 'manifest.eval.json'
    manifest.write_text(manifest.read_text().replace('"frames_per_second": 10.0', '"frames_per_second": 25.0'))
    config = EvaluateConfig(model_dir=trained.config.model_dir, data_paths=(prefix,), output_dir=str(tmp_path))
    if WINDOWS[trained.head] == 1:
        assert evaluate.evaluate(config).eval.rows == len(kind.footage('e.mp4').frames)
        return
    with pytest.raises(InputError, match='another sampling than the model: {"frames_per_second": 25.0}'):
        evaluate.evaluate(config)


def test_old_clients_get_models_of_single_pictures_only(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(proof, 'check', lambda *_: None)
    words = [trained.config.model_dir, '--format', 'tf1', '--output', str(tmp_path / 'tf1')]
    if WINDOWS[trained.head] == 1:
        export.main(words)
        assert (tmp_path / 'tf1' / 'saved_model.pb').exists()
        return
    with pytest.raises(UsageError, match='looks at windows of frames') as raised:
        export.main(words)
    assert (raised.value.exit_code, (tmp_path / 'tf1').exists()) == (2, False)


@pytest.mark.slow
@pytest.mark.parametrize('head', list(KINDS))
def test_a_fresh_process_proves_the_model(head, tmp_path, capsys):
    config = footage(tmp_path, KINDS[head])
    words = ['--train_data_paths', *config.train_data_paths, '--eval_data_paths', *config.eval_data_paths]
    for name, value in vars(KINDS[head].learning).items():
        if value is not None and value is not False:
            words += [f'--{name}', str(value)]
    task.main([*words, '--output_path', config.output_path])
    assert (tmp_path / 'out' / 'model' / 'saved_model.pb').exists()
    if WINDOWS[head] == 1:
        export.main([config.model_dir, '--format', 'tf1'])
        assert (tmp_path / 'out' / 'model.tf1' / 'saved_model.pb').exists()
