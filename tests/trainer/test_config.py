import pytest

from preprocess.command import FlagParser
from preprocess.failures import UsageError
from trainer import config
from trainer.config import HEADS, Learning, Schedule, TrainConfig
from trainer.environment import Environment

_DATA = ['--train_data_paths', 'train', '--eval_data_paths', 'eval']


def _read(*words, environment=None):
    parser = FlagParser('trainer.task', 'test')
    config.add_flags(parser)
    return config.from_flags(parser.parse_args(words), environment or Environment())


def test_the_defaults_are_those_of_the_interface():
    found = _read(*_DATA, '--output_path', 'out')
    assert found == TrainConfig(train_data_paths=('train',), eval_data_paths=('eval',), output_path='out')
    assert found.learning == Learning(
        max_steps=None, batch_size=100, dropout=0.5, hidden_units=512, optimizer='adam', learning_rate=1e-3, l2=0.0
    )
    assert found.schedule == Schedule(eval_interval_secs=2, min_train_eval_rate=2, log_interval_secs=2)
    assert (found.checkpoint_dir, found.log_dir, found.model_dir) == ('out/train', 'out', 'out/model')


def test_data_paths_may_be_repeated_and_listed():
    found = _read('--train_data_paths', 'a', 'b', '--train_data_paths=c,d', '--eval_data_paths', 'e', '--job-dir', 'o')
    assert found.train_data_paths == ('a', 'b', 'c,d')


def test_the_arguments_of_the_earlier_scripts_are_understood():
    found = _read(
        *('--output_path', 'gs://b/training', '--eval_data_paths', 'gs://b/preproc/eval*'),
        *('--train_data_paths', 'gs://b/preproc/train*', '--eval_set_size', '19', '--eval_batch_size', '19'),
        *('--classifier_label_count', '2', '--max-steps', '2000', '--job-dir', 'gs://b/job'),
    )
    assert (found.output_path, found.label_count, found.learning.max_steps) == ('gs://b/training', 2, 2000)


def test_retired_flags_are_answered_with_what_replaced_them():
    parser = FlagParser('trainer.task', 'test')
    config.add_flags(parser)
    given = parser.parse_args(['--write_to_tmp', '--copy_eval_data_to_tmp', '--inception_checkpoint_file', 'gs://x'])
    lines = config.retired_lines(given)
    assert [line.split()[0] for line in lines] == [
        '--write_to_tmp',
        '--copy_eval_data_to_tmp',
        '--inception_checkpoint_file',
    ]


_VERTEX = Environment(
    model_dir='gs://b/r/model', checkpoint_dir='gs://b/r/ckpt', log_dir='gs://b/r/logs', train_data='t', eval_data='e'
)


def test_on_vertex_the_environment_says_where_everything_is():
    found = _read(environment=_VERTEX)
    assert (found.train_data_paths, found.eval_data_paths) == (('t',), ('e',))
    places = (found.output_path, found.model_dir, found.checkpoint_dir, found.log_dir)
    assert places == ('gs://b/r', 'gs://b/r/model', 'gs://b/r/ckpt', 'gs://b/r/logs')


@pytest.mark.parametrize('flag', ['--output_path', '--job_dir', '--job-dir'])
def test_an_explicit_flag_wins_over_the_environment(flag):
    found = _read(*_DATA, flag, 'out', environment=_VERTEX)
    assert (found.train_data_paths, found.model_dir, found.checkpoint_dir) == (('train',), 'out/model', 'out/train')


def test_output_path_goes_before_job_dir():
    assert _read(*_DATA, '--output_path', 'a', '--job_dir', 'b').output_path == 'a'


def test_a_trial_has_a_directory_of_its_own():
    assert _read(*_DATA, '--output_path', 'out', environment=Environment(trial='3')).model_dir == 'out/3/model'


@pytest.mark.parametrize('missing', ['--train_data_paths', '--eval_data_paths', '--output_path'])
def test_what_is_missing_is_named(missing):
    words = {'--train_data_paths': 't', '--eval_data_paths': 'e', '--output_path': 'o'}
    with pytest.raises(UsageError, match=missing):
        _read(*(word for flag, value in words.items() if flag != missing for word in (flag, value)))


@pytest.mark.parametrize(
    'words',
    [
        ['--max_steps', '0'],
        ['--epochs', '0'],
        ['--max_steps', '10', '--epochs', '1'],
        ['--batch_size', '0'],
        ['--dropout', '1'],
        ['--dropout', 'nan'],
        ['--hidden_units', '-1'],
        ['--learning_rate', '0'],
        ['--learning_rate', 'inf'],
        ['--l2', '-0.1'],
        ['--optimizer', 'magic'],
        ['--select_by', 'luck'],
        ['--class_weights', 'heavy'],
        ['--label_count', '1'],
        ['--limit', '0'],
        ['--seed', '-1'],
        ['--eval_set_size', '0'],
        ['--eval_interval_secs', '-1'],
        ['--early_stopping_steps', '0'],
        ['--verbosity', 'LOUD'],
        ['--window', '3'],
        ['--head', 'lstm', '--window', '1'],
        ['--head', 'lstm', '--hidden_units', '0'],
        ['--head', 'lstm', '--stride', '0'],
        ['--head', 'lstm', '--window_label', 'first'],
        ['--head', 'convlstm', '--layers', '0'],
        ['--head', 'cnn', '--augment', 'd'],
        ['--head', 'cnn', '--augment', ''],
    ],
)
def test_impossible_values_are_usage_errors(words):
    with pytest.raises(UsageError):
        _read(*_DATA, '--output_path', 'out', *words)


@pytest.mark.parametrize(
    ('words', 'where', 'do'),
    [
        (['--window', '3'], '--window', 'leave it out, or choose --head lstm or convlstm'),
        (['--head', 'cnn', '--stride', '2'], '--stride', 'leave it out, or choose --head lstm or convlstm'),
        (['--head', 'lstm', '--filters', '2'], '--filters', 'leave it out, or choose --head convlstm or cnn'),
        (['--head', 'lstm', '--clip_frames', '2'], '--clip_frames', 'leave it out, or choose --head convlstm'),
        (['--layers', '2'], '--layers', 'leave it out, or choose --head lstm or convlstm or cnn'),
        (
            ['--head', 'lstm', '--augment', 'h'],
            '--augment',
            'leave it out, or embed with --encoder pixels:HEIGHTxWIDTH for --head convlstm or cnn',
        ),
        (
            ['--head', 'convlstm', '--window', '30'],
            '--clip_frames',
            'make --window a multiple of it, say 28',
        ),
    ],
)
def test_settings_that_a_head_has_not_are_refused_with_their_remedy(words, where, do):
    with pytest.raises(UsageError) as raised:
        _read(*_DATA, '--output_path', 'out', *words)
    assert (raised.value.where, raised.value.do, raised.value.exit_code) == (where, do, 2)


def test_each_head_has_defaults_of_its_own():
    lstm, convlstm, cnn = (_read(*_DATA, '--output_path', 'o', '--head', head).learning for head in HEADS[1:])
    assert (lstm.window, lstm.stride, lstm.window_label, lstm.layers, lstm.hidden_units) == (16, 1, 'last', 2, 128)
    assert (convlstm.window, convlstm.clip_frames, convlstm.batch_size, convlstm.filters) == (120, 4, 4, 16)
    assert (cnn.window, cnn.windowing, cnn.layers, cnn.filters, cnn.hidden_units) == (None, None, 3, 16, 64)
    assert lstm == Learning(head='lstm', window=16, hidden_units=128)


def test_flips_are_named_once_whatever_the_spaces():
    assert _read(*_DATA, '--output_path', 'o', '--head', 'cnn', '--augment', 'h, hv,h').learning.flips == ('h', 'hv')
    assert _read(*_DATA, '--output_path', 'o').learning.flips == ()
