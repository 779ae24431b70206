"""The server of a real model: every form of the API, what it refuses, and that it answers as predict.local does."""

import base64
import json
import re
import struct

import numpy as np
import pytest

from predict import images_to_json, local, openapi
from preprocess.image_formats import ImageError
from preprocess.images import to_pixels
from tests.models import SIDE, noise_bytes, picture_bytes
from tests.predict import servers
from tests.preprocess.odd_pictures import odd_pictures

V1 = '/v1/models/headlight:predict'
V2 = '/v2/models/headlight/infer'
ODD = odd_pictures()


@pytest.fixture(scope='module')
def served(tiny_model):
    """The server."""
    with servers.serving(model_dir=tiny_model, decoders=2) as server:
        yield server


@pytest.fixture(scope='module')
def odd(served):
    """What became of every odd picture, posted by itself."""
    return {picture.name: served.post('/predict', picture.data) for picture in ODD}


def b64(data: bytes) -> dict[str, str]:
    return {'b64': base64.b64encode(data).decode()}


def form(*files: tuple[str, bytes], field: str = 'image') -> tuple[bytes, dict[str, str]]:
    """A form as curl -F and browsers send it."""
    parts = b''.join(
        f'--X\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + data + b'\r\n'
        for name, data in files
    )
    return parts + b'--X--\r\n', {'Content_Type': 'multipart/form-data; boundary=X'}


def as_local(model: str, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict]:
    assert local.main(['--model_dir', model, '--json', *words]) in (0, 4)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{')]


def alike(one: dict, other: dict) -> bool:
    """Whether two answers are the same, but for the last bits of scores: batches of one take another path."""
    assert one.keys() == other.keys()
    rest = all(one[name] == other[name] for name in one if name != 'scores')
    return rest and np.allclose(one.get('scores', ()), other.get('scores', ()), rtol=0, atol=1e-6)


def test_answers_of_version_1_are_those_of_predict_local(served, tiny_model, coloured, capsys):
    for seed in range(5):
        (coloured / f'noise{seed}.png').write_bytes(noise_bytes(seed, form='PNG'))
    names = [*(f'noise{seed}.png' for seed in range(5)), 'red.jpg', 'green.jpg', 'blue.jpg']
    images_to_json.main(['--format', 'instances', *names])
    reply = served.post(V1, (coloured / 'request.json').read_bytes(), Content_Type='application/json')
    assert reply.status == 200
    answers = reply.json['predictions']
    ours = as_local(tiny_model, capsys, *names)
    assert [alike(*pair) for pair in zip(answers, ours, strict=True)] == [True] * len(names)
    assert [answer['label'] for answer in answers[-3:]] == ['red', 'green', 'blue']


def test_the_short_form_is_named_by_its_place(served):
    body = {'instances': [b64(picture_bytes('red')), {'image_bytes': b64(picture_bytes('blue')), 'key': 'b'}]}
    answers = served.post(V1, json.dumps(body).encode()).json['predictions']
    assert [(answer['key'], answer['label']) for answer in answers] == [('0', 'red'), ('b', 'blue')]


def test_columns_are_answered_by_columns(served):
    columns = {'key': ['a', 'b'], 'image_bytes': [b64(picture_bytes('red')), b64(picture_bytes('green'))]}
    reply = served.post(V1, json.dumps({'signature_name': 'serving_default', 'inputs': columns}).encode())
    outputs = reply.json['outputs']
    assert (outputs['key'], outputs['label'], outputs['prediction']) == (['a', 'b'], ['red', 'green'], [0, 1])
    assert np.shape(outputs['scores']) == (2, 3)


def test_a_bad_picture_among_good_ones_keeps_its_place_with_its_reason(served):
    body = {'instances': [b64(picture_bytes('red')), b64(b'text'), {'key': 'c'}, b64(picture_bytes('blue'))]}
    reply = served.post(V1, json.dumps(body).encode())
    answers = reply.json['predictions']
    assert reply.status == 200
    assert [answer.get('label') for answer in answers] == ['red', None, None, 'blue']
    assert [answer.get('reason') for answer in answers] == [None, 'not-an-image', 'bad-request', None]


def test_when_every_picture_failed_the_request_did(served):
    reply = served.post(V1, json.dumps({'instances': [b64(b'text'), b64(b'')]}).encode())
    assert (reply.status, reply.json['reason']) == (415, 'not-an-image')
    assert [answer['reason'] for answer in reply.json['predictions']] == ['not-an-image', 'empty-file']


def test_a_failed_picture_fails_its_columns(served):
    reply = served.post(V1, json.dumps({'inputs': [b64(picture_bytes('red')), b64(b'')]}).encode())
    assert (reply.status, reply.json['reason']) == (400, 'empty-file')


@pytest.mark.parametrize(
    'body',
    [
        b'',
        b'{',
        b'[]',
        b'null',
        b'{}',
        b'\xff\xfe',
        b'{"instances": {}}',
        b'{"instances": []}',
        b'{"instances": [1, "gs://bucket/a.jpg", null]}',
        b'{"instances": [{"image_bytes": "file:///etc/passwd"}]}',
        b'{"inputs": 3}',
        b'{"inputs": {"image_bytes": [{"b64": ""}], "key": ["a", "b"]}}',
        b'{"instances": [{"b64": ""}], "signature_name": "embed"}',
        b'{"instances":' + b'[' * 20_000 + b']' * 20_000 + b'}',
        b'{"instances": [' + b'{},' * 60_000 + b'{}]}',
    ],
)
def test_what_is_no_request_of_version_1_is_a_mistake_of_the_client(served, body):
    reply = served.post(V1, body)
    assert (reply.status, reply.json['reason']) in [(400, 'bad-request'), (400, 'empty-file')]


def test_a_picture_by_itself_is_answered_as_curl_sends_it(served):
    reply = served.post('/predict', picture_bytes('green'), Content_Type='application/x-www-form-urlencoded')
    assert (reply.status, reply.json['label'], reply.json['key']) == (200, 'green', '0')
    assert [one['label'] for one in reply.json['top']][0] == 'green' and len(reply.json['top']) == 3


def test_files_of_a_form_are_answered_with_their_names(served):
    body, headers = form(('a.jpg', picture_bytes('red')))
    assert served.post('/predict', body, **headers).json['key'] == 'a.jpg'
    body, headers = form(('a.jpg', picture_bytes('red')), ('b.jpg', b'text'), ('ü "c".jpg', picture_bytes('blue')))
    answers = served.post('/predict', body, **headers).json['predictions']
    assert [answer.get('label') for answer in answers] == ['red', None, 'blue']
    assert answers[1]['reason'] == 'not-an-image'


def test_other_fields_of_a_form_are_no_pictures(served):
    body, headers = form(('a.jpg', picture_bytes('red')), field='anything')
    note = b'--X\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    assert served.post('/predict', note + body, **headers).json['label'] == 'red'
    reply = served.post('/predict', note + b'--X--\r\n', **headers)
    assert (reply.status, reply.json['reason']) == (400, 'bad-request')
    assert '@FILE' in reply.json['error']


@pytest.mark.parametrize(
    ('body', 'content_type'),
    [
        (b'--X\r\n', 'multipart/form-data; boundary=X'),
        (b'--X--\r\n', 'multipart/form-data'),
        (b'--X--\r\n', f'multipart/form-data; boundary={"X" * 20_000}'),
        (b'nothing of the kind', 'multipart/form-data; boundary=X'),
        (b'--X\r\nContent-Disposition: form-data\r\n\r\n\r\n' * 1001 + b'--X--', 'multipart/form-data; boundary=X'),
        (b'--X\r\n' + b'A: b\r\n' * 100 + b'\r\n\r\n--X--\r\n', 'multipart/form-data; boundary=X'),
        (b'--X\r\nContent-Disposition: ' + b'x' * 9000 + b'\r\n\r\n\r\n--X--', 'multipart/form-data; boundary=X'),
        (form(('a.jpg', b'picture'))[0][:-8], 'multipart/form-data; boundary=X'),
    ],
)
def test_broken_forms_are_mistakes_of_the_client(served, body, content_type):
    reply = served.post('/predict', body, Content_Type=content_type)
    assert (reply.status, reply.json['reason']) == (400, 'bad-request')


def test_json_is_taken_at_predict_too_as_vertex_sends_it(served):
    body = json.dumps({'instances': [b64(picture_bytes('red'))], 'parameters': {}}).encode()
    assert served.post('/predict', body, Content_Type='application/json').json['predictions'][0]['label'] == 'red'


def v2_request(**more) -> dict:
    texts = [base64.b64encode(picture_bytes(colour)).decode() for colour in ('red', 'blue')]
    return {'inputs': [{'name': 'image_bytes', 'shape': [2], 'datatype': 'BYTES', 'data': texts}], **more}


def test_version_2_round_trip(served):
    request = v2_request(id='42')
    request['inputs'].append({'name': 'key', 'shape': [2, 1], 'datatype': 'BYTES', 'data': [['a'], ['b']]})
    reply = served.post(V2, json.dumps(request).encode()).json
    outputs = {one['name']: one for one in reply['outputs']}
    assert (reply['id'], reply['model_name']) == ('42', 'headlight')
    assert (outputs['key']['data'], outputs['label']['data']) == (['a', 'b'], ['red', 'blue'])
    assert (outputs['prediction']['data'], outputs['scores']['shape']) == ([0, 2], [2, 3])
    assert len(outputs['scores']['data']) == 6 and outputs['scores']['datatype'] == 'FP32'


def test_version_2_in_binary_both_ways_is_as_tritons_client_speaks_it(served):
    pictures = [picture_bytes('green'), picture_bytes('red')]
    tensor = b''.join(struct.pack('<I', len(one)) + one for one in pictures)
    head = json.dumps(
        {
            'inputs': [
                {
                    'name': 'pictures',
                    'shape': [2],
                    'datatype': 'BYTES',
                    'parameters': {'binary_data_size': len(tensor)},
                }
            ],
            'outputs': [
                {'name': 'label', 'parameters': {'binary_data': True}},
                {'name': 'scores', 'parameters': {'binary_data': True}},
                {'name': 'prediction'},
            ],
        }
    ).encode()
    reply = served.post(V2, head + tensor, Inference_Header_Content_Length=str(len(head)))
    length = int(reply.headers['inference-header-content-length'])
    said, behind = json.loads(reply.body[:length]), reply.body[length:]
    assert [one['name'] for one in said['outputs']] == ['label', 'scores', 'prediction']
    assert behind[:16] == b'\x05\0\0\0green\x03\0\0\0red'
    scores = np.frombuffer(behind[16:], '<f4').reshape(2, 3)
    assert scores.argmax(axis=1).tolist() == said['outputs'][2]['data'] == [1, 0]


@pytest.mark.parametrize(
    ('request_', 'header'),
    [
        ({'inputs': []}, None),
        ({'inputs': [{'name': 'image_bytes', 'datatype': 'UINT8', 'shape': [1], 'data': [1]}]}, None),
        ({'inputs': [{'name': 'image_bytes', 'datatype': 'BYTES', 'shape': [1], 'data': [1]}]}, None),
        ({'inputs': [{'name': 'image_bytes', 'datatype': 'BYTES', 'shape': [1], 'data': ['?']}]}, None),
        ({'inputs': [{'datatype': 'BYTES'}]}, None),
        (v2_request(outputs=[{'name': 'secrets'}]), None),
        (v2_request(), '99999999'),
        (v2_request(), '-1'),
        (
            {'inputs': [{'name': 'a', 'datatype': 'BYTES', 'parameters': {'binary_data_size': 1 << 40}}]},
            None,
        ),
    ],
)
def test_what_is_no_request_of_version_2_is_a_mistake_of_the_client(served, request_, header):
    headers = {} if header is None else {'Inference_Header_Content_Length': header}
    reply = served.post(V2, json.dumps(request_).encode(), **headers)
    assert (reply.status, reply.json['reason']) == (400, 'bad-request')


def test_a_bytes_element_beyond_its_tensor_is_refused(served):
    tensor = struct.pack('<I', 1000) + b'short'
    parameters = {'binary_data_size': len(tensor)}
    head = json.dumps({'inputs': [{'name': 'a', 'datatype': 'BYTES', 'parameters': parameters}]}).encode()
    reply = served.post(V2, head + tensor, Inference_Header_Content_Length=str(len(head)))
    assert (reply.status, reply.json['reason']) == (400, 'bad-request')


def test_a_tensor_of_very_many_elements_is_refused(served):
    tensor = bytes(4 * 100_001)
    parameters = {'binary_data_size': len(tensor)}
    head = json.dumps({'inputs': [{'name': 'a', 'datatype': 'BYTES', 'parameters': parameters}]}).encode()
    reply = served.post(V2, head + tensor, Inference_Header_Content_Length=str(len(head)))
    assert (reply.status, reply.json) == (400, {'error': 'more than 100,000 elements', 'reason': 'bad-request'})


def test_the_model_is_described_as_clients_of_both_versions_ask(served):
    about = served.get('/v1/models/headlight').json
    assert about['model_version_status'][0]['state'] == 'AVAILABLE'
    assert (about['ready'], about['labels'], about['input_shape']) == (True, ['red', 'green', 'blue'], [SIDE, SIDE, 3])
    assert served.get('/v1/models').json == {'models': ['headlight']}
    metadata = served.get('/v2/models/headlight').json
    assert [one['name'] for one in metadata['inputs']] == ['key', 'image_bytes']
    assert metadata['outputs'][-1] == {'name': 'scores', 'datatype': 'FP32', 'shape': [-1, 3]}
    for path in ('/healthz', '/readyz', '/v2', '/v2/health/live', '/v2/health/ready', '/v2/models/headlight/ready'):
        assert served.get(path).status == 200


def test_a_client_may_name_the_version_that_is_served(served):
    body = json.dumps({'instances': [b64(picture_bytes('red'))]}).encode()
    answers = served.post('/v1/models/headlight/versions/1:predict', body).json['predictions']
    assert [answer['label'] for answer in answers] == ['red']
    reply = served.post('/v2/models/headlight/versions/1/infer', json.dumps(v2_request()).encode())
    assert reply.json['model_name'] == 'headlight'
    for path in ('/v1/models/headlight', '/v2/models/headlight'):
        assert served.get(f'{path}/versions/1').json == served.get(path).json
        assert served.get(f'{path}/versions/2').status == 404
    assert served.get('/v2/models/headlight/versions/1/ready').status == 200


OTHERS = ('/v1/models/other:predict', '/v1/models/headlight/versions/2:predict', '/v2/models/other/infer')


@pytest.mark.parametrize('path', OTHERS)
def test_another_models_name_or_version_is_not_found(served, path):
    assert served.post(path, b'{}').status == 404


def test_odd_pictures_are_never_the_servers_fault(odd):
    assert {name: reply.status for name, reply in odd.items() if reply.status >= 500} == {}


@pytest.mark.parametrize('picture', ODD, ids=lambda picture: picture.name)
def test_odd_pictures_are_answered_or_refused_as_the_policy_has_it(odd, picture):
    reply = odd[picture.name]
    try:
        to_pixels(picture.data, (SIDE, SIDE, 3))
        reason = None
    except ImageError as error:
        reason = error.reason
    assert reply.json.get('reason') == reason
    statuses = {None: 200, 'empty-file': 400, 'not-an-image': 415, 'unsupported-format': 415}
    statuses |= {'too-many-pixels': 413, 'too-many-bytes': 413}
    assert reply.status == statuses.get(reason, 422)


PATHS = [
    '/../setup.py',
    '/%2e%2e/setup.py',
    '/..%2fsetup.py',
    '//etc/passwd',
    '/page/../../setup.py',
    '/index.html',
    '/v1/models/..%2f..%2fetc%2fpasswd',
    '/v1/models/%2e%2e:predict',
    '/v2/models/../infer',
    '/example.jpg%00.png',
    '/predict/../../x',
    '/static/page.js',
    '/page.js/',
    '/.git/config',
    '/v1/models/headlight/../../../x',
    '/C:%5Cwindows',
    '/proc/self/environ',
    '/v1/models/file:%2f%2f%2fetc%2fpasswd',
    '/v1/models/http:%2f%2f127.0.0.1',
    '/%ff%fe',
]


@pytest.mark.parametrize('path', PATHS)
def test_no_path_leads_out_of_the_server(served, path):
    reply = served.get(path)
    assert (reply.status, reply.json['reason']) in [(404, 'not-found'), (405, 'method-not-allowed')]


@pytest.mark.parametrize('name', ['../../etc/passwd', '/etc/passwd', 'http://127.0.0.1:1/x', 'gs://b/o', 'a\\b', '%00'])
def test_names_are_names_and_nothing_else(served, name):
    body, headers = form((name, picture_bytes('red')))
    assert served.post('/predict', body, **headers).json['key'] == name
    instance = {'key': name, **b64(picture_bytes('blue'))}
    answer = served.post(V1, json.dumps({'instances': [instance]}).encode()).json['predictions'][0]
    assert (answer['key'], answer['label']) == (name, 'blue')


def test_a_key_that_is_no_unicode_is_escaped(served):
    body = json.dumps({'instances': [{'key': '\udcff', **b64(picture_bytes('blue'))}]}).encode()
    assert served.post(V1, body).json['predictions'][0]['key'] == '\udcff'


@pytest.mark.parametrize('path', ['/', '/predict', '/nowhere', '/v1/models', '/page.js', '/metrics', '/docs'])
def test_every_answer_has_the_headers_that_keep_browsers_safe(served, path):
    headers = served.get(path).headers
    assert headers['x-content-type-options'] == 'nosniff'
    policy = headers['content-security-policy']
    assert "default-src 'self'" in policy and 'unsafe' not in policy and 'script-src' not in policy
    assert not [name for name in headers if name.startswith('access-control')]
    assert 'server' not in headers


def test_a_method_that_is_not_for_a_route_is_told_so(served):
    reply = served.get('/predict')
    assert (reply.status, reply.json['reason'], reply.headers['allow']) == (405, 'method-not-allowed', 'POST')


def test_the_page_needs_nothing_from_elsewhere_and_has_no_inline_script(served):
    for path in ('/', '/docs', '/page.js', '/docs.js', '/page.css', '/icon.svg'):
        text = served.get(path).body.decode().replace('http://www.w3.org/2000/svg', '')
        assert not re.search(r'https?://|//cdn|@import|url\(', text), path
        assert not re.search(r'<script(?![^>]*src=)|\son\w+=|style=|javascript:|innerHTML|eval\(', text), path


def test_the_document_of_the_api_has_every_route_and_resolves(served):
    document = served.get('/openapi.json').json
    assert document == json.loads(openapi.text())
    routes = {'/predict', '/v1/models/{name}:predict', '/v1/models', '/v1/models/{name}', '/v2/models/{name}/infer'}
    routes |= {'/v2', '/v2/health/live', '/v2/health/ready', '/v2/models/{name}', '/v2/models/{name}/ready'}
    assert set(document['paths']) == routes | {'/video', '/healthz', '/readyz', '/metrics'}
    for reference in re.findall(r'"#/components/schemas/(\w+)"', openapi.text()):
        assert reference in document['components']['schemas']
    for path, said in document['paths'].items():
        concrete = path.replace('{name}', 'headlight')
        for method in set(said) - {'parameters'}:
            assert served.ask(method.upper(), concrete, b'x' if method == 'post' else b'').status not in (404, 405)


def test_what_happened_is_counted(served):
    served.post('/predict', picture_bytes('red'))
    served.post('/predict', b'text')
    text = served.get('/metrics').body.decode()
    lines = [line.rpartition(' ') for line in text.splitlines() if not line.startswith('#')]
    numbers = {name: float(value) for name, _, value in lines}
    assert numbers['headlight_requests_total{route="/predict",status="200"}'] >= 1
    assert numbers['headlight_requests_total{route="/predict",status="415"}'] >= 1
    assert numbers['headlight_pictures_total{outcome="ok"}'] >= 1
    assert numbers['headlight_pictures_total{outcome="not-an-image"}'] >= 1
    assert numbers['headlight_batch_pictures_count'] >= 1
    assert numbers['headlight_predict_seconds_count'] >= 2
    assert numbers['headlight_pictures_in_line'] == 0
    assert numbers['headlight_model_version'] == 1
    assert numbers['process_resident_memory_bytes'] > 1e6


def test_32_clients_get_the_answers_to_their_own_pictures(served, tiny_model):
    colours = ('red', 'green', 'blue')
    pictures = [[(colours[(client + turn) % 3], client * 20 + turn) for turn in range(20)] for client in range(32)]

    def client(mine):
        def ask():
            answers = []
            for colour, number in mine:
                data = picture_bytes(colour, size=(20 + number, 20))
                instance = {'key': f'{number}', **b64(data)}
                answers += served.post(V1, json.dumps({'instances': [instance]}).encode()).json['predictions']
            return answers

        return ask

    found = servers.together(*map(client, pictures))
    said = [[(answer['label'], answer['key']) for answer in answers] for answers in found]
    assert said == [[(colour, str(number)) for colour, number in mine] for mine in pictures]
