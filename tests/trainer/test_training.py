import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from preprocess import interrupts
from preprocess.failures import InputError, Interrupted, RunFailed, UsageError
from tests.trainer import raw_records
from tests.trainer.raw_records import learning
from trainer import checkpoints, data, environment, history, network, stream, training, watch
from trainer.config import Schedule


@pytest.fixture
def config(tmp_path):
    return raw_records.both_sets(tmp_path)


def _weights(result):
    return result.head().weights


def _same(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def _elsewhere(config, name):
    return replace(config, output_path=f'{config.output_path}-{name}', checkpoint_dir='', log_dir='', model_dir='')


def _scalars(directory):
    found = {}
    for path in sorted(directory.glob('events.out.tfevents.*')):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_a_training_learns_and_says_how_well(config, tmp_path, capsys):
    result = training.train(config)
    assert (result.steps, result.skipped) == (100, False)
    assert result.chosen.eval.accuracy > 0.9 > 0.5 > result.majority_eval
    assert result.chosen.eval.loss == min(
        point.eval_loss for point in history.read(f'{config.checkpoint_dir}/{history.FILE}')
    )
    said = capsys.readouterr().err
    assert '60 training records of 8 numbers, in memory' in said
    assert 'Eval, step 100:\n- on train set ' in said
    assert '\n-- on eval set ' in said
    assert said.count('(majority class 0.333)') == said.count('- on train set')


def test_the_curves_are_written_for_tensorboard(config, tmp_path):
    training.train(config)
    for folder in ('train_set', 'eval_set'):
        assert set(_scalars(tmp_path / 'out' / folder)) == {'loss', 'accuracy', 'auc'}
        assert set(_scalars(tmp_path / 'out' / folder)['loss']) == {25, 50, 75, 100}
    assert set(_scalars(tmp_path / 'out' / 'train')) == {'loss'}


def test_the_same_seed_gives_the_same_weights_whenever_it_looks_up(config):
    first = training.train(config)
    rarely = replace(config, schedule=Schedule(eval_interval_secs=1000, verbosity='ERROR', eval_batch_size=7))
    assert _same(_weights(first), _weights(training.train(_elsewhere(rarely, 'rarely'))))
    other = training.train(_elsewhere(learning(config, seed=1), 'seed'))
    assert not _same(_weights(first), _weights(other))


def test_a_complete_training_is_skipped_with_one_line(config, capsys):
    first = training.train(config)
    capsys.readouterr()
    again = training.train(replace(config, schedule=Schedule(eval_interval_secs=9, verbosity='DEBUG')))
    assert again == replace(first, skipped=True)
    assert capsys.readouterr().err.count('\n') == 1
    assert _same(_weights(again), _weights(first))


class _Killed(BaseException):
    pass


def test_killed_at_any_moment_it_ends_with_the_weights_of_an_undisturbed_run(config, monkeypatch):
    undisturbed = training.train(_elsewhere(config, 'undisturbed'))
    look_up, looks = watch.Watch.look_up, []

    def killed_every_other_time(self, step, losses):
        looks.append(step)
        if len(looks) % 2 == 0:
            raise _Killed
        look_up(self, step, losses)

    monkeypatch.setattr(watch.Watch, 'look_up', killed_every_other_time)
    for _ in range(10):
        try:
            resumed = training.train(config)
            break
        except _Killed:
            continue
    assert len(looks) > 5
    assert resumed.best == undisturbed.best
    assert _same(_weights(resumed), _weights(undisturbed))


def test_asked_to_stop_it_saves_and_the_same_command_continues(config, monkeypatch):
    undisturbed = training.train(_elsewhere(config, 'undisturbed'))
    rarely = replace(config, schedule=Schedule(eval_interval_secs=1000))
    answers = iter([False, False, True])
    monkeypatch.setattr(interrupts, 'requested', lambda: next(answers, False))
    with pytest.raises(Interrupted, match='step 50') as raised:
        training.train(rarely)
    assert raised.value.exit_code == 130
    assert checkpoints.latest(config.checkpoint_dir).step == 50
    assert _same(_weights(training.train(rarely)), _weights(undisturbed))


@pytest.mark.parametrize('call', [2, 6, 20])
def test_asked_to_stop_while_it_measures_it_saves_and_measures_when_it_continues(config, monkeypatch, call):
    undisturbed = training.train(_elsewhere(config, 'undisturbed'))
    bit_by_bit = replace(config, schedule=replace(config.schedule, eval_batch_size=7))
    calls = iter(range(1000))
    monkeypatch.setattr(interrupts, 'requested', lambda: next(calls) == call)
    with pytest.raises(Interrupted) as raised:
        training.train(bit_by_bit)
    kept = checkpoints.latest(config.checkpoint_dir)
    assert kept.owes
    assert f'after step {kept.step}, which is saved' in raised.value.what
    resumed = training.train(bit_by_bit)
    assert resumed.best.step == undisturbed.best.step
    assert _same(_weights(resumed), _weights(undisturbed))
    steps = [point.step for point in history.read(f'{config.checkpoint_dir}/{history.FILE}')]
    assert steps == [25, 50, 75, 100]


def test_both_sets_are_measured_for_the_first_time_when_training_took_longer(config, tmp_path, capsys):
    # Of 80 examples, three of which are scored in the time of one that is learnt from: twice that are 54 steps of one.
    training.train(learning(config, batch_size=1, max_steps=200))
    evaluated = [line for line in capsys.readouterr().err.splitlines() if line.startswith('Eval, step')]
    assert evaluated[0] == 'Eval, step 75:'


def test_other_settings_are_refused_with_the_difference(config):
    training.train(config)
    with pytest.raises(InputError, match='batch_size: 20 -> 10; l2: 0.0 -> 0.5') as raised:
        training.train(learning(config, batch_size=10, l2=0.5))
    assert '--overwrite' in raised.value.do


def test_other_records_are_another_training(config, tmp_path):
    training.train(config)
    raw_records.write(tmp_path, 'train', *raw_records.clusters(60, seed=9))
    with pytest.raises(InputError, match='train_records: '):
        training.train(config)


def test_the_same_records_elsewhere_are_the_same_training(config, tmp_path):
    training.train(config)
    moved = tmp_path / 'moved'
    moved.mkdir()
    for path in tmp_path.glob('train-*'):
        path.rename(moved / path.name)
    assert training.train(replace(config, train_data_paths=(f'{moved}/*',))).skipped


def test_overwrite_trains_anew(config):
    before = _weights(training.train(config))
    after = training.train(replace(learning(config, seed=3), overwrite=True))
    assert not after.skipped
    assert not _same(before, _weights(after))
    again = training.train(replace(learning(config, seed=3), overwrite=True))
    assert not again.skipped


def test_a_pipeline_trains_anew_where_settings_changed_and_skips_where_not(config, capsys):
    training.train(config)
    changed = replace(learning(config, seed=3), redo_if_changed=True)
    assert not training.train(changed).skipped
    assert 'training anew, other settings: seed: 0 -> 3' in capsys.readouterr().err
    assert training.train(changed).skipped


def test_training_anew_removes_nothing_that_is_not_its_own(config, tmp_path):
    training.train(config)
    for folder in ('train', 'eval_set'):
        (tmp_path / 'out' / folder / 'mine.jpg').touch()
    training.train(replace(config, overwrite=True))
    for folder in ('train', 'eval_set'):
        assert (tmp_path / 'out' / folder / 'mine.jpg').exists()
        assert len(list((tmp_path / 'out' / folder).glob('events*'))) == 1


def test_more_steps_continue_and_end_where_one_run_would_have(config, capsys):
    training.train(config)
    longer = training.train(learning(config, max_steps=150))
    assert 'continuing from the checkpoint of step 100' in capsys.readouterr().err
    at_once = training.train(_elsewhere(learning(config, max_steps=150), 'at-once'))
    assert (longer.steps, longer.skipped) == (150, False)
    assert longer.last == at_once.last


def test_fewer_steps_are_a_difference(config):
    training.train(config)
    with pytest.raises(InputError, match='max_steps: 100 -> 99'):
        training.train(learning(config, max_steps=99))


def test_epochs_count_records(config):
    result = training.train(learning(config, max_steps=None, epochs=7))
    assert result.steps == 21
    assert training.train(learning(config, max_steps=21)).skipped
    assert training.train(learning(config, max_steps=None, epochs=8)).steps == 24


def test_a_loss_of_nan_stops_names_the_step_and_keeps_the_last_good_checkpoint(config, tmp_path):
    training.train(learning(config, max_steps=50))
    vectors, labels = raw_records.clusters(60, seed=1)
    kept = checkpoints.latest(config.checkpoint_dir)
    broken = tuple(np.full_like(slot, np.nan) for slot in kept.network.slots)
    checkpoints.save(config.checkpoint_dir, replace(kept, network=replace(kept.network, slots=broken)))
    with pytest.raises(RunFailed, match='loss became NaN at step 52') as raised:
        training.train(config)
    assert raised.value.exit_code == 5
    assert 'the checkpoint of step 50 is kept' in raised.value.do
    assert checkpoints.latest(config.checkpoint_dir).step == 50


def test_weights_of_nan_are_never_saved(config, monkeypatch):
    learn = network.Network.learn

    def spoilt_at_the_end_of_the_second_stretch(self, work, first):
        losses = learn(self, work, first)
        if first == 25:
            self.use([np.full_like(weight, np.nan) for weight in self.snapshot().weights])
        return losses

    monkeypatch.setattr(network.Network, 'learn', spoilt_at_the_end_of_the_second_stretch)
    with pytest.raises(RunFailed, match='loss became NaN at step 50'):
        training.train(config)
    assert checkpoints.latest(config.checkpoint_dir).step == 25


def test_records_that_hold_nan_are_named_when_the_loss_becomes_nan(config, tmp_path):
    vectors, labels = raw_records.clusters(60, seed=1)
    vectors[3, 3] = np.nan
    raw_records.write(tmp_path, 'train', vectors, labels)
    with pytest.raises(RunFailed, match='loss became NaN at step') as raised:
        training.train(config)
    assert 'train-00001-of-00002.tfrecord.gz holds NaN or infinity' in raised.value.do


def test_a_learning_rate_that_is_far_too_large_is_a_loss_of_nan(config):
    with pytest.raises(RunFailed, match='loss became NaN at step'):
        training.train(learning(config, learning_rate=1e30))


@pytest.mark.parametrize('select_by', ['eval_loss', 'eval_accuracy', 'eval_auc'])
def test_the_best_is_the_best_of_all_evaluations(config, tmp_path, select_by):
    hard = raw_records.both_sets(tmp_path, spread=3)
    result = training.train(learning(hard, select_by=select_by, max_steps=300, hidden_units=64))
    points = history.read(f'{hard.checkpoint_dir}/{history.FILE}')
    values = {point.step: getattr(point, select_by) for point in points}
    best = (min if select_by == 'eval_loss' else max)(values.values())
    assert values[result.best.step] == best
    assert result.best.step == min(step for step, value in values.items() if value == best)
    assert getattr(result.best.eval, select_by.removeprefix('eval_')) == pytest.approx(best)


def test_the_last_weights_may_be_wanted_without_training_again(config, tmp_path):
    hard = raw_records.both_sets(tmp_path, spread=3)
    long = learning(hard, max_steps=300, hidden_units=64)
    best = training.train(long)
    last = training.train(replace(long, export_last=True))
    assert last.skipped
    assert (best.chosen, last.chosen) == (best.best, best.last)
    assert best.best.step < 300
    assert not _same(_weights(best), _weights(last))


def test_early_stopping_ends_a_training_that_gets_no_better(config, tmp_path):
    hard = learning(
        raw_records.both_sets(tmp_path, spread=3), max_steps=2000, hidden_units=64, early_stopping_steps=100
    )
    result = training.train(hard)
    assert result.steps == result.best.step + 100
    assert training.train(hard).skipped
    assert training.train(learning(hard, max_steps=3000)).steps == result.steps


def test_a_set_too_large_for_memory_trains_to_the_same_quality(config, monkeypatch, capsys):
    monkeypatch.setattr(data, 'fits_in_memory', lambda size: False)
    monkeypatch.setattr(stream, 'BLOCK_BYTES', 16 * raw_records.WIDTH * 4)
    result = training.train(config)
    assert 'read from disk each time' in capsys.readouterr().err
    assert result.chosen.eval.accuracy > 0.9


def test_evaluation_may_be_streamed(config, capsys):
    streamed = replace(config, schedule=replace(config.schedule, streaming_eval=True))
    result = training.train(_elsewhere(streamed, 'streamed'))
    assert '20 evaluation records of 8 numbers, read from disk each time' in capsys.readouterr().err
    assert result.best.eval.loss == pytest.approx(training.train(config).best.eval.loss)


def test_one_class_alone_is_refused(config, tmp_path):
    vectors, _ = raw_records.clusters(60)
    raw_records.write(tmp_path, 'train', vectors, [(1,)] * 60)
    with pytest.raises(InputError, match="all training records are of one class, '1'"):
        training.train(config)


def test_a_class_that_a_set_lacks_is_told(config, tmp_path, capsys):
    vectors, labels = raw_records.clusters(20, classes=2)
    raw_records.write(tmp_path, 'eval', vectors, labels, shards=1)
    training.train(config)
    assert 'warning: no evaluation record of 2\n' in capsys.readouterr().err


def test_auc_can_not_choose_where_one_class_is_evaluated(config, tmp_path):
    vectors, _ = raw_records.clusters(20)
    raw_records.write(tmp_path, 'eval', vectors, [(1,)] * 20, shards=1)
    with pytest.raises(InputError, match='AUC says nothing'):
        training.train(learning(config, select_by='eval_auc'))


def test_scores_that_never_differ_are_warned_of(config, tmp_path, capsys):
    raw_records.write(tmp_path, 'train', np.ones((60, raw_records.WIDTH)), [(row % 3,) for row in range(60)])
    training.train(config)
    assert capsys.readouterr().err.count('warning: the scores are the same for every input') == 1


def test_rows_without_a_label_can_be_a_class(config, tmp_path, capsys):
    vectors, labels = raw_records.clusters(60, seed=1)
    raw_records.write(tmp_path, 'train', vectors, [() if label == (2,) else label for label in labels])
    result = training.train(learning(replace(config, label_count=3), unlabelled_class=True))
    assert result.classes.names == ('0', '1', '2', 'unlabelled')
    assert result.head().spec.classes == 4
    assert '20 without a label (a class of their own)' in capsys.readouterr().err


def test_rows_without_a_label_are_otherwise_left_out(config, tmp_path, capsys):
    vectors, labels = raw_records.clusters(60, seed=1)
    raw_records.write(tmp_path, 'train', vectors, [() if row < 10 else labels[row] for row in range(60)])
    training.train(config)
    assert '50 training records of 8 numbers, in memory, 10 without a label (left out)' in capsys.readouterr().err


def test_several_labels_a_row_are_learnt_as_several_questions(config, tmp_path):
    for name, rows, seed in (('train', 90, 1), ('eval', 30, 2)):
        random = np.random.default_rng(seed)
        labels = [tuple(sorted({row % 3, int(random.integers(3))})) for row in range(rows)]
        vectors = np.stack([3 * np.eye(raw_records.WIDTH)[list(ids)].sum(0) for ids in labels])
        raw_records.write(tmp_path, name, vectors + random.normal(0, 0.3, vectors.shape), labels, shards=3 - seed)
    several = learning(replace(config, overwrite=True), multi_label=True, max_steps=300, class_weights='balanced')
    result = training.train(several)
    assert result.head().spec.multi_label
    assert result.chosen.eval.accuracy > 0.8 > result.majority_eval


def test_a_limit_leaves_a_handful_that_can_be_learnt_by_heart(config, capsys):
    result = training.train(learning(config, limit=6))
    assert '6 training records' in capsys.readouterr().err
    assert result.last.train.accuracy == 1


def test_labels_are_numbered_by_the_records_where_nothing_names_them(config):
    assert training.train(replace(config, label_count=None)).classes.names == ('0', '1', '2')


def test_an_unknown_label_in_class_weights_changes_nothing(config):
    training.train(config)
    with pytest.raises(UsageError, match='not in the dictionary: tulip'):
        training.train(replace(learning(config, class_weights='tulip=2'), overwrite=True))
    assert training.train(config).skipped


@pytest.mark.parametrize('export_last', [False, True])
def test_a_study_is_told_one_figure_a_step_and_at_the_end_those_of_the_exported_weights(config, tmp_path, export_last):
    metrics = tmp_path / 'study' / 'metrics'
    around = environment.Environment(metric_file=str(metrics), metric_trial='5')
    # A learning rate this large leaves the best step behind.
    steep = replace(learning(config, learning_rate=0.5), export_last=export_last)
    result = training.train(steep, around)
    assert result.best.step < result.steps == 100
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    names = ('eval_loss', 'eval_accuracy', 'eval_auc')
    # How often it is evaluated in between depends on the clock.
    steps = [int(line['global_step']) for line in lines[::3]]
    assert (steps, steps[-1]) == (sorted(set(steps)), 100)
    for number, line in enumerate(lines):
        assert set(line) == {'timestamp', 'trial', 'global_step', names[number % 3]}
        assert int(line['global_step']) == steps[number // 3]
    assert {line['trial'] for line in lines} == {'5'}
    assert [float(line[name]) for line, name in zip(lines[-3:], names, strict=True)] == [
        result.chosen.eval.loss,
        result.chosen.eval.accuracy,
        result.chosen.eval.auc,
    ]


@pytest.mark.parametrize(('examples', 'batch_size', 'steps'), [(60, 100, 25), (750, 100, 25), (751, 100, 50)])
def test_looking_for_the_best_takes_a_tenth_of_the_time_by_the_sizes_of_things(examples, batch_size, steps):
    assert watch.stretches(examples, batch_size) == steps
