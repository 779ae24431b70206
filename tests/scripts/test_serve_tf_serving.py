"""scripts/serve_tf_serving.sh against a docker and a curl that remember what was asked of them."""

import json

import pytest

from tests.scripts.fake_tools import Tools


@pytest.fixture
def tools(tmp_path) -> Tools:
    (tmp_path / 'a model').mkdir()
    (tmp_path / 'a model' / 'saved_model.pb').write_bytes(b'x')
    return Tools.made(tmp_path)


def test_it_serves_says_when_a_picture_is_answered_and_stops_the_container_at_the_end(tools):
    tools.change(silent=2)
    ended = tools.run('serve_tf_serving.sh', '--model_dir', 'a model', '--port', '9000', '--name', 'flowers')
    assert ended.returncode == 0, ended.stderr
    (started,) = tools.called('docker', 'run')
    folder = tools.folder.resolve() / 'a model'
    assert f'type=bind,"source={folder}",target=/models/flowers/1,readonly' in started
    assert '127.0.0.1:9000:8501' in started and 'MODEL_NAME=flowers' in started
    loading, _, loaded, asked = (call[-1] for call in tools.called('curl'))
    assert loading == loaded == 'http://127.0.0.1:9000/v1/models/flowers' and asked == f'{loaded}:predict'
    assert ended.stderr.count('loading the model: ') == 2
    assert json.loads(ended.stdout)['predictions'][0]['label'] == 'rose'
    assert tools.calls[-2:] == [['docker', 'stop', '--time', '10', 'c0ffee'], ['docker', 'rm', '--force', 'c0ffee']]
    assert '--rm' not in started, 'the log of a container that ends by itself would go with it'


def test_a_container_that_ended_is_told_with_its_log(tools):
    tools.change(silent=1000, container_ended=True)
    ended = tools.run('serve_tf_serving.sh', '--model_dir=a model')
    assert ended.returncode == 5
    assert 'error: TensorFlow Serving ended by itself' in ended.stderr
    assert 'no versions of servable found' in ended.stderr


def test_what_does_not_load_in_time_is_stopped(tools):
    tools.change(silent=1000)
    ended = tools.run('serve_tf_serving.sh', '--model-dir', 'a model', '--wait_secs', '00')
    assert ended.returncode == 5 and 'takes longer than 0 s' in ended.stderr
    assert [call[:2] for call in tools.calls[-2:]] == [['docker', 'stop'], ['docker', 'rm']]


def test_a_dry_run_starts_nothing(tools):
    ended = tools.run('serve_tf_serving.sh', '--model_dir', 'a model', '--dry_run')
    assert ended.returncode == 0 and '+ docker run' in ended.stderr
    assert tools.calls == []


@pytest.mark.parametrize(
    ('words', 'code', 'problem'),
    [
        ((), 2, '--model_dir is missing'),
        (('--model_dir', '.'), 3, 'this is no SavedModel'),
        (('--model_dir', 'a model', '--port', 'x'), 2, '--port is a number'),
        (('--model_dir', 'a model', '--name', 'a/b'), 2, '--name a/b can not stand in an address'),
        (('--model_dir', 'a model', '--sample_image', 'no.jpg'), 3, 'there is no such picture'),
        (('--modle_dir', 'a model'), 2, 'unknown argument --modle_dir'),
    ],
)
def test_mistakes_are_three_lines(tools, words, code, problem):
    ended = tools.run('serve_tf_serving.sh', *words)
    assert ended.returncode == code and f'error: {problem}' in ended.stderr
    assert 'where: ' in ended.stderr and 'do: ' in ended.stderr
    assert tools.calls == []
