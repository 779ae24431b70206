import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from predict import images_to_json, local
from preprocess import interrupts
from preprocess.failures import InputError, Interrupted, UsageError
from tests.models import noise_bytes, picture_bytes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ask(tiny_model, capsys):
    """predict.local in this process: exit code, lines on stdout, lines on stderr."""

    def asked(*words: str, model: str = tiny_model) -> tuple[int, list[str], list[str]]:
        code = local.main(['--model_dir', model, *words])
        shown = capsys.readouterr()
        return code, shown.out.splitlines(), shown.err.splitlines()

    return asked


def messages(ended: subprocess.CompletedProcess[bytes]) -> list[str]:
    """Lines on stderr, without the one that comes every five seconds on a busy machine."""
    return [line for line in ended.stderr.decode().splitlines() if not line.endswith(' so far')]


def run(*words: str, stdin: bytes = b'', env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, '-m', 'predict.local', *words],
        input=stdin,
        capture_output=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]), **(env or {})},
        timeout=120,
    )


def test_the_table_is_gclouds_with_the_label(coloured, ask):
    code, out, err = ask('red.jpg', 'blue.jpg')
    assert (code, err) == (0, [])
    assert out[0].split() == ['KEY', 'PREDICTION', 'LABEL', 'SCORES']
    assert [line.split()[:3] for line in out[1:]] == [['red.jpg', '0', 'red'], ['blue.jpg', '2', 'blue']]
    assert out[1].split('[')[1].startswith('0.99')


def test_json_lines_in_the_order_asked_with_failures_in_their_place(coloured, ask):
    (coloured / 'text.jpg').write_text('hello')
    code, out, err = ask('--json', 'blue.jpg', 'gone.jpg', 'text.jpg', 'red.jpg')
    answers = [json.loads(line) for line in out]
    assert code == 4
    assert [answer.get('label') for answer in answers] == ['blue', None, None, 'red']
    assert answers[1] == {'key': 'gone.jpg', 'error': 'missing: No such file or directory'}
    assert list(answers[0]) == ['key', 'prediction', 'label', 'scores']
    assert err == [
        'error: gone.jpg: missing: No such file or directory',
        f'error: text.jpg: {answers[2]["error"]}',
        '2 of 4 pictures failed',
    ]


def test_99_of_100_are_answered(coloured, ask):
    for place in range(100):
        (coloured / f'{place:03d}.png').write_bytes(picture_bytes('green', form='PNG', size=(4, 4)))
    (coloured / '042.png').write_bytes(b'\x89PNG\r\n\x1a\nbroken')
    code, out, err = ask(*(f'{place:03d}.png' for place in range(100)))
    assert (code, len(out), err[-1]) == (4, 1 + 99, '1 of 100 pictures failed')
    assert [line.split()[0] for line in out[1:]] == [f'{place:03d}.png' for place in range(100) if place != 42]


def test_when_all_fail_there_is_no_table(coloured, ask):
    assert ask('gone.jpg')[:2] == (4, [])


def test_a_folder_means_its_pictures(coloured, ask):
    out = ask(str(coloured))[1]
    assert [line.split()[2] for line in out[1:]] == ['blue', 'green', 'red']


def test_a_name_that_begins_with_a_hyphen_goes_after_two(coloured, ask):
    (coloured / '-name.jpg').write_bytes(picture_bytes('blue'))
    assert ask('--', '-name.jpg')[1][1].split()[:3] == ['-name.jpg', '2', 'blue']
    with pytest.raises(UsageError, match='goes after --'):
        ask('-name.jpg')


def test_control_characters_in_a_name_do_not_reach_the_terminal(coloured, ask):
    (coloured / 'a\x1b[31m\n.jpg').write_bytes(picture_bytes('red'))
    _, out, err = ask('a\x1b[31m\n.jpg', 'gone\r.jpg')
    assert out[1].startswith('a\\x1b[31m\\n.jpg  0 ')
    assert err[0].startswith('error: gone\\r.jpg: missing')


def test_below_the_threshold_the_label_is_unsure(coloured, ask):
    (coloured / 'gray.png').write_bytes(noise_bytes(3, form='PNG'))
    out = ask('--threshold', '0.9', 'red.jpg', 'gray.png')[1]
    assert [line.split()[2] for line in out[1:]] == ['red', 'unsure']
    assert json.loads(ask('--json', '--threshold', '0.9', 'gray.png')[1][0])['label'] == 'unsure'


def test_top_k_names_the_best(coloured, ask):
    out = ask('--top_k', '2', 'blue.jpg')[1]
    assert out[1].split('  ')[-1].startswith('blue 0.99') and out[1].count(',') == 1
    assert [one['label'] for one in json.loads(ask('--json', '--top_k=1', 'blue.jpg')[1][0])['top']] == ['blue']


def test_several_labels_are_joined(coloured, ask, several_labels_model):
    (coloured / 'white.png').write_bytes(b'')
    out = ask('--json', 'red.jpg', model=several_labels_model)[1]
    assert json.loads(out[0])['labels'] == ['red']
    out = ask('--threshold', '0.001', 'red.jpg', model=several_labels_model)[1]
    assert out[1].split()[2] == 'red|green|blue'


@pytest.mark.parametrize('form', ['lines', 'instances'])
def test_a_request_is_answered_with_its_keys(coloured, ask, form):
    images_to_json.main(['-r', '--format', form, 'red.jpg', 'blue.jpg'])
    answers = [json.loads(line) for line in ask('--json', '--request', 'request.json')[1][-2:]]
    assert [(answer['key'], answer['label']) for answer in answers] == [('red.jpg', 'red'), ('blue.jpg', 'blue')]


def test_a_broken_instance_of_a_request_fails_alone(coloured, ask):
    images_to_json.main(['red.jpg'])
    Path('request.json').write_text('{"key": "x"}\n' + Path('request.json').read_text())
    code, out, err = ask('--request', 'request.json')
    assert code == 4 and out[-1].split()[2] == 'red' and err[0].startswith('error: x: bad-request')


def test_resized_here_or_by_the_client_the_scores_are_the_same(coloured, ask, tiny_model):
    (coloured / 'noise.jpg').write_bytes(noise_bytes(8, size=(400, 300)))
    images_to_json.main(['--model_dir', tiny_model, 'noise.jpg'])
    by_client, here = (ask('--json', *words)[1][-1] for words in (['--request', 'request.json'], ['noise.jpg']))
    assert here == by_client


@pytest.mark.parametrize(
    'words',
    [
        [],
        ['a.jpg', '--threshold', '2'],
        ['a.jpg', '--threshold', 'nan'],
        ['a.jpg', '--top_k', '0'],
        ['a.jpg', '--top_k', '4'],
        ['a.jpg', '--request', 'r.json'],
    ],
)
def test_mistakes_in_the_flags_are_usage_errors(ask, words):
    with pytest.raises(UsageError):
        ask(*words)


def test_a_request_that_is_not_there_is_an_input_error(coloured, ask):
    with pytest.raises(InputError, match='can not be read'):
        ask('--request', 'gone.json')


def test_an_interrupt_stops_with_the_command_to_repeat(coloured, ask, monkeypatch):
    monkeypatch.setattr(interrupts, 'requested', lambda: True)
    with pytest.raises(Interrupted):
        ask('red.jpg')


def test_from_a_shell_names_from_stdin_are_answered_and_the_exit_code_tells_of_failures(coloured, tiny_model):
    odd = os.fsencode(coloured) + b'/\xff\xc3\xbc.jpg'
    Path(os.fsdecode(odd)).write_bytes(picture_bytes('green'))
    listed = b'red.jpg\n' + odd + b'\ngone.jpg\n'
    ended = run('--model-dir', tiny_model, '--json', '-', stdin=listed, env={'PYTHONIOENCODING': 'ascii'})
    answers = [json.loads(line) for line in ended.stdout.decode('utf-8').splitlines()]
    assert [answer.get('label') for answer in answers] == ['red', 'green', None]
    assert os.fsencode(answers[1]['key']) == odd
    assert (ended.returncode, messages(ended)) == (
        4,
        ['error: gone.jpg: missing: No such file or directory', '1 of 3 pictures failed'],
    )


def test_from_a_shell_a_picture_on_stdin_is_answered(tiny_model):
    ended = run('--model_dir', tiny_model, '-', stdin=picture_bytes('blue'))
    assert (ended.returncode, messages(ended)) == (0, [])
    assert ended.stdout.splitlines()[1].split()[:3] == [b'-', b'2', b'blue']


def test_a_missing_model_is_three_lines_and_exit_3(tmp_path):
    ended = run('--model_dir', str(tmp_path / 'gone'), 'a.jpg')
    assert (ended.returncode, ended.stdout) == (3, b'')
    assert [line.split(':')[0] for line in messages(ended)] == ['error', 'where', 'do']


def test_help_needs_no_tensorflow():
    code = 'import sys\nfrom predict import local\ntry: local.main(["--help"])\nexcept SystemExit: pass\n'
    ended = subprocess.run(
        [sys.executable, '-c', code + 'print({"tensorflow", "apache_beam", "numpy", "PIL"} & set(sys.modules))'],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert ended.stdout.splitlines()[-1] in ('set()', "{'numpy'}")


def test_standard_output_without_a_terminal_encoding_still_shows_every_name(coloured, tiny_model, monkeypatch):
    (coloured / 'schön.jpg').write_bytes(picture_bytes('red'))
    latin = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
    monkeypatch.setattr(sys, 'stdout', latin)
    assert local.main(['--model_dir', tiny_model, 'schön.jpg']) == 0
    latin.flush()
    assert b'sch\\xf6n.jpg' in latin.buffer.getvalue()
