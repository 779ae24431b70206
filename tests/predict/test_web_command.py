"""predict.web as people start it: what it prints, what it refuses, how it ends."""

import asyncio
import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from predict import web
from predict.metrics import Metrics
from predict.server import Contract, Limits, application
from predict.service import Manner, Service
from preprocess.failures import InputError, UsageError
from tests.models import picture_bytes
from tests.predict import servers

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120
needs_curl = pytest.mark.skipif(shutil.which('curl') is None, reason='curl is not installed')


class Command:
    """A server process, and what it said."""

    def __init__(self, *words: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'predict.web', *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONPATH': str(ROOT), **(env or {})},
            process_group=0,
        )
        stdout = self.process.stdout
        assert stdout
        self.lines = [stdout.readline().strip() for _ in range(2)]
        found = re.search(r'http://127\.0\.0\.1:(\d+)', self.lines[0])
        assert found, self.process.communicate()[1]
        self.url, self.port = found[0], int(found[1])

    def resident_bytes(self, name: str) -> int:
        status = Path(f'/proc/{self.process.pid}/status').read_text()
        found = re.search(rf'{name}:\s+(\d+) kB', status)
        assert found
        return int(found[1]) * 1024

    def end(self) -> tuple[int, str]:
        """Ask it to end; exit code and what it said on stderr."""
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=PATIENCE_S)[1]
        return self.process.returncode, said


@contextlib.contextmanager
def started(*words: str, env: dict[str, str] | None = None) -> Iterator[Command]:
    command = Command(*words, env=env)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.kill()
            command.process.communicate()


@pytest.fixture(scope='module')
def command(tiny_model: str) -> Iterator[Command]:
    """One for the tests that leave it running."""
    with started('--model_dir', tiny_model, '--port', '0') as running:
        yield running


def shell(line: str, folder: Path) -> str:
    ended = subprocess.run(['sh', '-c', line], capture_output=True, text=True, cwd=folder, timeout=PATIENCE_S)
    assert ended.returncode == 0, (line, ended.stderr)
    return ended.stdout


@needs_curl
def test_it_prints_where_it_is_and_a_line_that_works_as_printed(command, tmp_path):
    where, line = command.lines
    assert re.search(r'\(3 labels\) is served at http://127\.0\.0\.1:\d+$', where)
    assert '"scores"' in shell(line, tmp_path)


def readme_lines() -> list[str]:
    """The lines of the README's section on the server, with the port of its examples."""
    text = (ROOT / 'README.md').read_text()
    section = text[text.index('## Serve it') :].split('\n## ', 1)[0]
    found = [line.strip() for line in re.findall(r'^    (.*)$', section, flags=re.M)]
    return [line for line in found if 'http://127.0.0.1:8080' in line]


@needs_curl
def test_the_readmes_lines_run(command, coloured):
    (coloured / 'cat.jpg').write_bytes(picture_bytes('red'))
    lines = readme_lines()
    assert len(lines) >= 5
    binaries = {**os.environ, 'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}', 'PYTHONPATH': str(ROOT)}
    for line in lines:
        mine = line.replace('http://127.0.0.1:8080', command.url).replace('…', '')
        ended = subprocess.run(['sh', '-ec', mine], capture_output=True, text=True, cwd=coloured, env=binaries)
        assert ended.returncode == 0, (mine, ended.stderr)
        assert 'red' in ended.stdout or 'ready' in ended.stdout, (mine, ended.stdout)


def test_a_gigabyte_is_refused_in_little_memory(command):
    before = command.resident_bytes('VmRSS')
    Path(f'/proc/{command.process.pid}/clear_refs').write_text('5')  # the peak begins anew
    with socket.create_connection(('127.0.0.1', command.port)) as connection:
        connection.sendall(b'POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b'f4240\r\n' + bytes(1_000_000) + b'\r\n')
        assert connection.recv(12) == b'HTTP/1.1 413'
    assert command.resident_bytes('VmHWM') - before < 50e6


def test_told_to_end_under_load_it_answers_every_request_it_accepted_and_exits_0(tiny_model):
    with started('--model_dir', tiny_model, '--port', '0') as command:
        lost: list[str] = []
        answered: list[int] = []
        started_: threading.Semaphore = threading.Semaphore(0)

        def client(keeps: bool) -> None:
            connection = http.client.HTTPConnection('127.0.0.1', command.port, timeout=PATIENCE_S)
            while True:
                try:
                    connection.connect() if connection.sock is None else None
                except ConnectionRefusedError:
                    return
                try:
                    connection.request('POST', '/predict', body=picture_bytes('red'))
                    response = connection.getresponse()
                    response.read()
                    answered.append(response.status)
                    started_.release()
                except OSError as error:
                    lost.append(repr(error))
                    return
                if not keeps:
                    connection.close()

        clients = [threading.Thread(target=client, args=(bool(number % 2),)) for number in range(16)]
        for one in clients:
            one.start()
        for _ in range(200):
            assert started_.acquire(timeout=PATIENCE_S)
        code, said = command.end()
        for one in clients:
            one.join(PATIENCE_S)
    assert (lost, set(answered), code) == ([], {200}, 0)
    assert 'Traceback' not in said


def test_a_busy_port_is_three_lines_and_exit_3(command, tiny_model):
    ended = subprocess.run(
        [sys.executable, '-m', 'predict.web', '--model_dir', tiny_model, '--port', str(command.port)],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, ended.stdout) == (3, '')
    what, where, do = ended.stderr.splitlines()
    assert what == f'error: port {command.port} is in use'
    assert where == f'where: --host 127.0.0.1 --port {command.port}'
    assert do == 'do: give another, or --port 0 for any that is free'


def test_a_damaged_model_is_three_lines_and_exit_3(tiny_model, tmp_path):
    shutil.copytree(tiny_model, tmp_path / 'model')
    (tmp_path / 'model/saved_model.pb').write_bytes(b'\xff' * 100)
    with pytest.raises(InputError, match='can not be loaded'), servers.serving(model_dir=str(tmp_path / 'model')):
        pass


def test_a_model_that_is_not_there_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(InputError, match='no such folder'):
        web.main(['--model_dir', str(tmp_path / 'gone')])


@pytest.mark.parametrize(
    'words',
    [
        [],
        ['--model_dir', 'a', '--endpoint', 'http://x'],
        ['--model_dir', 'a', '--port', '70000'],
        ['--model_dir', 'a', '--port', '-1'],
        ['--model_dir', 'a', '--threshold', '2'],
        ['--model_dir', 'a', '--threshold', 'nan'],
        ['--model_dir', 'a', '--top_k', '0'],
        ['--model_dir', 'a', '--batch_size', '0'],
        ['--model_dir', 'a', '--queue', '4'],
        ['--model_dir', 'a', '--batch_wait_ms', 'nan'],
        ['--model_dir', 'a', '--max_connections', '1'],
        ['--model_dir', 'a', '--size', '3'],
        ['--model_dir', 'a', '--verbosity', 'LOUD'],
        ['--model_dir', 'a', '--model_name', 'a/b'],
        ['--model_dir', 'a', '--decoders', '0'],
        ['--endpoint', 'http://x', '--engine', 'openvino'],
        ['--model_dirr', 'a'],
    ],
)
def test_mistakes_in_the_flags_are_usage_errors(words):
    with pytest.raises(UsageError):
        web.main(words)


def test_vertex_says_in_the_environment_what_the_flags_do_not(tiny_model):
    parser = web._parser()
    told = {'AIP_HTTP_PORT': '8123', 'AIP_STORAGE_URI': 'gs://b/m', 'AIP_PREDICT_ROUTE': '/p', 'AIP_HEALTH_ROUTE': '/h'}
    config = web._config(parser.parse_args([]), told)
    assert (config.host, config.port, config.model_dir) == ('0.0.0.0', 8123, 'gs://b/m')
    assert (config.predict_route, config.health_route) == ('/p', '/h')
    config = web._config(parser.parse_args(['--model_dir', tiny_model, '--port', '9', '--host', '::1']), told)
    assert (config.host, config.port, config.model_dir) == ('::1', 9, tiny_model)
    assert web._config(parser.parse_args(['--endpoint', 'http://x']), told).model_dir is None
    assert web._config(parser.parse_args(['--model_dir', tiny_model]), {}).host == '127.0.0.1'
    for name, value in (('AIP_HTTP_PORT', 'eighty'), ('AIP_PREDICT_ROUTE', 'predict'), ('AIP_HEALTH_ROUTE', 'health')):
        with pytest.raises(UsageError, match=name):
            web._config(parser.parse_args(['--model_dir', tiny_model]), {name: value})


def test_the_routes_that_vertex_names_are_served():
    routes = {'predict_route': '/v1/endpoints/1/deployedModels/2:predict', 'health_route': '/v1/health'}
    with servers.serving(servers.FakeAnswerer(), **routes) as server:
        assert server.get('/v1/health').json == {'ready': True}
        reply = server.post(routes['predict_route'], b'{"instances": [{"b64": ""}]}')
        assert (reply.status, reply.json['reason']) == (400, 'empty-file')
        assert server.get('/readyz').status == 200


def test_what_vertex_asks_for_health_is_whether_requests_are_answered_whatever_its_route():
    service = Service(Manner('headlight'), Metrics())
    app = application(service, Metrics(), Limits(), Contract(health='/healthz'))
    said: list[dict] = []

    async def receive() -> dict:
        return {'type': 'http.request', 'body': b'', 'more_body': False}

    async def send(message) -> None:
        said.append(message)

    scope = {'type': 'http', 'method': 'GET', 'path': '/healthz', 'headers': [], 'query_string': b''}
    asyncio.run(app(scope, receive, send))
    assert said[0]['status'] == 503, 'the model is still being loaded'


def test_an_address_that_is_not_this_machines_is_an_input_error():
    with pytest.raises(InputError, match='can not listen'):
        servers.running.listening('192.0.2.1', 0)


def test_it_listens_on_ipv6_too():
    with contextlib.suppress(InputError), servers.running.listening('::1', 0) as listener:
        assert listener.family == socket.AF_INET6
