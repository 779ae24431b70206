"""Models served elsewhere: our own server, TensorFlow Serving as its documents have it, Google's, and broken ones."""

import base64
import http.server
import io
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from predict import endpoint, local
from predict.remote import EndpointFailed, Remote
from preprocess.failures import InputError, UsageError
from tests.models import SIDE, noise_bytes, picture_bytes
from tests.predict import servers
from tests.predict.test_web import alike


class Elsewhere:
    """A server that answers as it is told, by path, and remembers what it was asked."""

    def __init__(self, replies) -> None:
        self.asked: list[tuple[str, str, dict, dict | None]] = []
        self._replies = replies
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                asked = json.loads(body) if body else None
                outer.asked.append((self.command, self.path, dict(self.headers), asked))
                reply = outer._replies(self.path, asked)
                status, content, *headers = reply if isinstance(reply, tuple) else (200, reply)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in headers[0].items() if headers else ():
                    self.send_header(name, value)
                self.send_header('Content-Length', str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self._server.server_port}'
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def elsewhere(replies) -> Iterator[Elsewhere]:
    server = Elsewhere(replies)
    try:
        yield server
    finally:
        server.close()


def light_of(instance: dict) -> tuple[float, tuple[int, int]]:
    """What a model would see: how light the picture is, and its size."""
    with Image.open(io.BytesIO(base64.b64decode(instance['image_bytes']['b64']))) as image:
        assert image.format == 'PNG'
        return float(np.asarray(image).mean()) / 255, image.size


def tensorflow_serving(path: str, asked: dict | None):
    """A model of two classes; the size of its pixels is in its metadata, its labels are nowhere."""
    if path.endswith('/metadata'):
        dims = [{'size': size, 'name': ''} for size in ('-1', '24', '24', '3')]
        pixels = {'inputs': {'pixels': {'dtype': 'DT_UINT8', 'tensor_shape': {'dim': dims}}}}
        return {'model_spec': {'name': 'm'}, 'metadata': {'signature_def': {'signature_def': {'pixels': pixels}}}}
    if asked is None:
        return {'model_version_status': [{'version': '1', 'state': 'AVAILABLE'}]}
    rows = []
    for instance in asked['instances']:
        light, size = light_of(instance)
        assert size == (24, 24)
        best = int(light > 0.5)
        label = ['night', 'day'][best]
        rows.append({'key': instance['key'], 'prediction': best, 'label': label, 'scores': [1 - light, light]})
    return {'predictions': rows}


@pytest.fixture(scope='module')
def ours(tiny_model) -> Iterator[servers.Running]:
    with servers.serving(model_dir=tiny_model) as server:
        yield server


def as_json(capsys, *words: str) -> tuple[int, list[dict]]:
    code = local.main(['--json', *words])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{')]


@pytest.mark.parametrize('path', ['', '/', '/v1/models/headlight', '/v1/models/headlight:predict', '/predict'])
def test_our_server_answers_as_its_model_does_here(ours, tiny_model, coloured, capsys, path):
    (coloured / 'noise.jpg').write_bytes(noise_bytes(3, size=(300, 200)))
    (coloured / 'text.jpg').write_text('text')
    pictures = ['noise.jpg', 'red.jpg', 'text.jpg', 'gone.jpg']
    size = ['--size', str(SIDE)] if path == '/predict' else []
    code, there = as_json(capsys, '--endpoint', ours.url + path, *size, *pictures)
    same_code, here = as_json(capsys, '--model_dir', tiny_model, *pictures)
    assert code == same_code == 4
    assert [alike(*pair) for pair in zip(there, here, strict=True)] == [True] * 4


def test_tensorflow_serving_says_its_size_and_its_labels_one_by_one():
    with elsewhere(tensorflow_serving) as server:
        found = endpoint.connect(f'{server.url}/v1/models/m', Remote())
        dark, light = (np.full((24, 24, 3), value, np.uint8) for value in (0, 255))
        answers = found.answers([dark, light])
    assert found.input_shape == (24, 24, 3)
    assert found.description.labels == ('0', '1')
    assert [(one.prediction, one.label, one.labels) for one in answers] == [
        (0, 'night', ('night',)),
        (1, 'day', ('day',)),
    ]
    assert [path for _, path, _, _ in server.asked][:2] == ['/v1/models/m', '/v1/models/m/metadata']


def test_a_dictionary_names_the_scores(tmp_path, coloured, capsys):
    (tmp_path / 'dict.txt').write_text('dunkel\nhell\n')
    with elsewhere(tensorflow_serving) as server:
        words = ['--endpoint', f'{server.url}/v1/models/m:predict', '--input_dict', str(tmp_path / 'dict.txt')]
        _, (answer,) = as_json(capsys, *words, '--top_k', '2', 'green.jpg')
        assert [one['label'] for one in answer['top']] == ['dunkel', 'hell']
        (tmp_path / 'dict.txt').write_text('dunkel\nhell\nrot\n')
        with pytest.raises(InputError, match='3 labels, but the endpoint gives 2 scores'):
            local.main([*words, 'green.jpg'])


def test_bare_scores_are_answers_too():
    def replies(path: str, asked: dict | None):
        return {'predictions': [[0.25, 0.75]] * len(asked['instances'])} if asked else (404, {'error': 'no'})

    with elsewhere(replies) as server:
        found = endpoint.connect(f'{server.url}/v1/models/m:predict', Remote(), labels=('a', 'b'))
        (answer,) = found.answers([np.zeros(found.input_shape, np.uint8)])
    assert (answer.label, answer.scores, found.input_shape) == ('b', (0.25, 0.75), (299, 299, 3))


def test_a_model_that_changes_behind_the_endpoint_is_noticed():
    rows = iter([[0.5, 0.5], [0.2, 0.3, 0.5]])

    def replies(path: str, asked: dict | None):
        return {'predictions': [next(rows)]} if asked else {}

    with elsewhere(replies) as server:
        found = endpoint.connect(f'{server.url}/v1/models/m:predict', Remote())
        with pytest.raises(EndpointFailed, match='gave 3 scores where it gave 2 before'):
            found.answers([np.zeros(found.input_shape, np.uint8)])


def test_many_pictures_go_in_several_requests_and_come_back_in_order():
    def replies(path: str, asked: dict | None):
        rows = [{'scores': [1 - light_of(one)[0], light_of(one)[0]]} for one in asked['instances']] if asked else []
        return {'predictions': rows} if asked else {}

    random = np.random.default_rng(0)
    squares = [random.integers(place * 8, place * 8 + 8, (299, 299, 3), np.uint8) for place in range(31)]
    with elsewhere(replies) as server:
        found = endpoint.connect(f'{server.url}/v1/models/m:predict', Remote())
        answers = found.answers(squares)
    sizes = [len(json.dumps(asked)) for _, _, _, asked in server.asked if asked]
    assert max(sizes) < 1_500_000 and len(sizes) > 2
    assert np.allclose([one.scores[1] for one in answers], [square.mean() / 255 for square in squares])


def test_a_busy_endpoint_is_asked_again_when_it_says():
    waited: list[float] = []
    busy = iter([(503, {'error': 'busy'}, {'Retry-After': '3'}), (429, b'', {})])

    def replies(path: str, asked: dict | None):
        return next(busy, {'predictions': [[0.5, 0.5]]}) if asked else {}

    with elsewhere(replies) as server:
        endpoint.connect(f'{server.url}/v1/models/m:predict', Remote(wait=waited.append))
    assert waited == [3.0, 0.5]


def test_an_endpoint_that_stays_busy_fails_at_last():
    with (
        elsewhere(lambda path, asked: (503, {'error': 'busy'})) as server,
        pytest.raises(EndpointFailed, match='503: busy'),
    ):
        endpoint.connect(f'{server.url}/v1/models/m:predict', Remote(wait=lambda seconds: None))


@pytest.mark.parametrize(
    ('reply', 'failure', 'words'),
    [
        ((404, {'error': 'no such model'}), InputError, '404: no such model'),
        ((403, {'error': {'code': 403, 'message': 'Permission denied'}}), InputError, '403: Permission denied'),
        ((500, b'<html>\nTraceback\n</html>'), EndpointFailed, '500: <html> Traceback'),
        ((302, b'', {'Location': 'http://127.0.0.1:1/'}), EndpointFailed, '302'),
        ((200, b'hello'), EndpointFailed, 'not answer in JSON'),
        ((200, []), EndpointFailed, 'not answer in JSON'),
        ((200, {'predictions': []}), EndpointFailed, 'without 1 "predictions"'),
        ((200, {'predictions': [{'label': 'a'}]}), EndpointFailed, 'without scores'),
        ((200, {'predictions': [{'scores': ['a']}]}), EndpointFailed, 'without scores'),
        ((200, {'predictions': [{'error': 'corrupt: no'}]}), EndpointFailed, 'refused a white picture'),
        ((422, {'error': 'x', 'predictions': [{'error': 'corrupt: no'}]}), EndpointFailed, 'refused a white picture'),
    ],
)
def test_what_an_endpoint_does_wrong_is_told_in_three_lines(reply, failure, words):
    with elsewhere(lambda path, asked: reply) as server, pytest.raises(failure) as failed:
        endpoint.connect(f'{server.url}/v1/models/m:predict', Remote(wait=lambda seconds: None))
    assert words in failed.value.what
    assert failed.value.exit_code == (3 if failure is InputError else 5)


def test_an_endpoint_that_is_not_there_is_told_in_three_lines(coloured):
    with pytest.raises(EndpointFailed, match='can not be reached'):
        local.main(['--endpoint', 'http://127.0.0.1:9/v1/models/m:predict', 'red.jpg'])


@pytest.mark.parametrize('url', ['ftp://x/y', 'localhost:8080', 'file:///etc/passwd', 'http://'])
def test_what_is_no_address_is_a_usage_error(url):
    with pytest.raises(UsageError, match='no address'):
        endpoint.connect(url, Remote())


@pytest.mark.parametrize(
    'words',
    [
        ['--endpoint', 'http://x', '--model_dir', 'y', 'a.jpg'],
        ['--model_dir', 'y', '--size', '9', 'a.jpg'],
        ['--endpoint', 'http://x', '--size', '0', 'a.jpg'],
        ['a.jpg'],
    ],
)
def test_flags_of_the_wrong_kind_are_usage_errors(words):
    with pytest.raises(UsageError):
        local.main(words)


def test_googles_servers_get_the_users_token_and_others_do_not(monkeypatch):
    class Credentials:
        valid = False
        token = 'secret'

        def refresh(self, request: object) -> None:
            self.valid = True

    monkeypatch.setattr('google.auth.default', lambda scopes: (Credentials(), 'project'))
    remote = Remote()
    google = 'https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/7:predict'
    assert remote._request(google, b'{}').get_header('Authorization') == 'Bearer secret'
    for url in ('http://europe-west4-aiplatform.googleapis.com/', 'https://googleapis.com.example.org/', 'http://x/'):
        assert remote._request(url, b'{}').get_header('Authorization') is None


def test_without_credentials_google_is_an_input_error(monkeypatch):
    import google.auth.exceptions

    def nothing(scopes: object) -> None:
        raise google.auth.exceptions.DefaultCredentialsError('none found')

    monkeypatch.setattr('google.auth.default', nothing)
    with pytest.raises(InputError, match='no credentials for Google: none found'):
        endpoint.connect('https://europe-west4-aiplatform.googleapis.com/v1/projects/p/endpoints/7', Remote())


def test_an_endpoint_of_vertex_is_asked_to_predict_and_nothing_else(monkeypatch):
    asked: list[str] = []

    class Recorder(Remote):
        def post(self, url: str, body: bytes):
            asked.append(url)
            return {'predictions': [{'scores': [1.0, 0.0], 'label': 'a'}]}

        def get(self, url: str):
            raise AssertionError(url)

        get_if_there = get

    url = 'https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/7'
    found = endpoint.connect(url, Recorder(), size=8)
    assert asked == [f'{url}:predict'] and found.input_shape == (8, 8, 3)


def test_a_page_and_api_in_front_of_an_endpoint_answer_as_it_does(ours):
    with servers.serving(endpoint=ours.url, model_name='front') as front:
        assert front.get('/v1/models/front').json['labels'] == ['red', 'green', 'blue']
        theirs, mine = (server.post('/predict', noise_bytes(5)).json for server in (ours, front))
        broken = front.post('/predict', b'text')
        several = servers.together(*[lambda: front.post('/predict', picture_bytes('blue'))] * 9)
    assert alike({**mine, 'top': None}, {**theirs, 'top': None})
    assert (broken.status, [one.json['label'] for one in several]) == (415, ['blue'] * 9)


def test_asking_elsewhere_loads_no_tensorflow(ours, coloured, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'predict.model', SimpleNamespace())
    assert as_json(capsys, '--endpoint', ours.url, 'red.jpg')[1][0]['label'] == 'red'
