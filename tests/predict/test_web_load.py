"""A server under load, slow clients, large requests, failures and its own end; the model is a fake that can be held."""

import contextlib
import http.client
import io
import json
import socket
import sys
import threading

import pytest
from PIL import Image

from predict import bodies, connections, running
from predict.answers import Prediction
from predict.remote import EndpointFailed
from preprocess.failures import InputError
from tests.predict import servers
from tests.predict.servers import FakeAnswerer

PATIENCE_S = 60


def picture(light: int = 255, side: int = 9) -> bytes:
    """A gray picture."""
    buffer = io.BytesIO()
    Image.new('RGB', (side, side), (light, light, light)).save(buffer, 'PNG')
    return buffer.getvalue()


@pytest.fixture
def model():
    return FakeAnswerer()


@pytest.fixture(scope='module')
def shared():
    """A server for all tests that leave it as it was, and its model."""
    model = FakeAnswerer()
    with servers.serving(model, max_request_mb=1) as server:
        yield server, model


@pytest.fixture
def server(shared):
    """That server."""
    server, model = shared
    servers.until(lambda: in_line(server) == 0)
    model.forget()
    yield server
    model.gate.set()
    model.fails_with = None


@pytest.fixture
def fake(shared):
    """Its model."""
    return shared[1]


def in_line(server: servers.Running) -> float:
    """How many pictures the server holds."""
    lines = dict(line.split(' ') for line in server.get('/metrics').body.decode().splitlines() if line[0] != '#')
    return float(lines['headlight_pictures_in_line'])


@contextlib.contextmanager
def held(model: FakeAnswerer, server: servers.Running, *pictures: bytes):
    """Requests that wait within the model, each on a thread; their answers when the model is let go."""
    model.gate.clear()
    answers: list[servers.Answer] = []
    threads = []
    for place, data in enumerate(pictures):
        threads.append(threading.Thread(target=lambda data=data: answers.append(server.post('/predict', data))))
        threads[-1].start()
        servers.until(lambda place=place: in_line(server) == place + 1)
        if place == 0:
            assert model.began.acquire(timeout=PATIENCE_S)
    yield answers
    model.gate.set()
    for thread in threads:
        thread.join(PATIENCE_S)


def raw(method: str, path: str, *headers: str) -> bytes:
    return '\r\n'.join([f'{method} {path} HTTP/1.1', 'Host: x', *headers, '', '']).encode()


def reply_on(connection: socket.socket) -> http.client.HTTPResponse:
    """The next response on a bare connection."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response


def ready_on(connection: socket.socket) -> http.client.HTTPResponse:
    """Whether the server is ready, asked on a bare connection."""
    connection.sendall(raw('GET', '/readyz'))
    reply = reply_on(connection)
    reply.read()
    return reply


def test_requests_that_come_meanwhile_share_the_next_batch(server, fake):
    with held(fake, server, *[picture(0), picture(255)] * 3) as answers:
        pass
    assert fake.batches == [1, 4, 1]
    assert sorted(answer.json['label'] for answer in answers) == ['dark'] * 3 + ['light'] * 3


def test_when_the_line_is_full_the_next_is_told_when_to_come_again(model):
    with servers.serving(model, batch_size=2, queue=3) as server:
        with held(model, server, *[picture()] * 3) as answers:
            refused = server.post('/predict', picture())
            assert (refused.status, refused.json['reason'], refused.headers['retry-after']) == (503, 'busy', '1')
        assert [answer.status for answer in answers] == [200] * 3
        assert server.post('/predict', picture()).status == 200


def test_more_pictures_than_the_line_has_places_never_come_in(model):
    body = json.dumps({'instances': [{'b64': ''}] * 4}).encode()
    with servers.serving(model, batch_size=2, queue=3) as server:
        refused = server.post('/v1/models/headlight:predict', body)
    assert (refused.status, refused.json['reason']) == (413, 'too-many-pictures')


def test_what_a_client_asked_who_hung_up_is_not_computed(server, fake):
    with held(fake, server, picture()):
        gone = server.connect()
        gone.sendall(raw('POST', '/predict', f'Content-Length: {len(picture())}') + picture())
        servers.until(lambda: in_line(server) == 2)
        gone.close()
        servers.until(lambda: 'status="gone"' in server.get('/metrics').body.decode())
        server.get('/readyz')  # what was asked is taken back in the turn after it was counted
    assert server.post('/predict', picture()).status == 200
    servers.until(lambda: in_line(server) == 0)
    assert fake.batches == [1, 1]


def test_a_bug_is_told_without_its_traceback_and_the_next_request_is_answered(server, fake):
    fake.fails_with = ZeroDivisionError('secret detail')
    failed = server.post('/predict', picture())
    fake.fails_with = None
    assert (failed.status, failed.json['reason']) == (500, 'internal')
    assert b'secret' not in failed.body and b'Traceback' not in failed.body
    assert failed.headers['x-content-type-options'] == 'nosniff'
    assert server.post('/predict', picture()).status == 200


@pytest.mark.parametrize('kind', [EndpointFailed, InputError])
def test_an_endpoint_that_fails_or_lets_us_in_no_more_is_a_bad_gateway(server, fake, kind):
    fake.fails_with = kind('it is away', where='http://x', do='wait')
    failed = server.post('/predict', picture())
    assert (failed.status, failed.json) == (502, {'error': 'it is away', 'reason': 'endpoint-failed'})


def test_scores_that_are_no_numbers_are_a_reason_not_json_that_is_none(server, monkeypatch):
    answer = Prediction('', 0, 'dark', (float('nan'), 1.0))
    monkeypatch.setattr(FakeAnswerer, '_answer', lambda self, light: answer)
    reply = server.post('/predict', picture())
    assert (reply.status, reply.json['reason']) == (422, 'nonfinite-embedding')


def test_below_the_threshold_an_answer_is_unsure_and_top_k_names_the_best(model):
    with servers.serving(model, threshold=0.9, top_k=1) as server:
        sure, unsure = (server.post('/predict', picture(light)).json for light in (255, 150))
    assert (sure['label'], unsure['label']) == ('light', 'unsure')
    assert [one['label'] for one in unsure['top']] == ['light']


def test_an_announced_body_that_is_too_large_is_refused_unread(server):
    with server.connect() as connection:
        connection.sendall(raw('POST', '/predict', 'Content-Length: 1000000000'))
        reply = reply_on(connection)
    assert (reply.status, json.loads(reply.read())['reason']) == (413, 'too-many-bytes')


def test_a_compressed_body_is_refused_unread(server):
    reply = server.post('/predict', picture(), Content_Encoding='gzip')
    assert (reply.status, reply.json['reason']) == (415, 'unsupported-encoding')
    assert server.post('/predict', picture(), Content_Encoding='identity').status == 200


def test_a_body_of_unknown_length_is_refused_when_it_is_too_large(server):
    with server.connect() as connection:
        connection.sendall(raw('POST', '/predict', 'Transfer-Encoding: chunked'))
        for _ in range(3):
            connection.sendall(b'80000\r\n' + bytes(0x80000) + b'\r\n')
        assert reply_on(connection).status == 413


def test_a_client_that_goes_on_sending_comes_to_read_why_it_was_refused(server):
    with server.connect() as connection:
        connection.sendall(raw('POST', '/predict', 'Content-Length: 30000000'))
        connection.sendall(bytes(30_000_000))
        assert reply_on(connection).status == 413


def test_a_client_that_never_stops_sending_is_cut_off(server, monkeypatch):
    monkeypatch.setattr(connections, '_LINGER_S', 0.05)
    with server.connect() as connection:
        connection.sendall(raw('POST', '/predict', 'Content-Length: 1000000000000'))
        with pytest.raises(ConnectionError):
            while True:
                connection.sendall(bytes(100_000))


def test_a_body_that_does_not_come_is_a_slow_request(server, monkeypatch):
    monkeypatch.setattr(bodies, '_SILENCE_S', 0.05)
    with server.connect() as connection:
        connection.sendall(raw('POST', '/predict', 'Content-Length: 1000') + b'a few')
        reply = reply_on(connection)
        assert (reply.status, json.loads(reply.read())['reason']) == (408, 'slow-request')


def test_a_body_that_comes_in_drops_is_a_slow_request(server, monkeypatch):
    monkeypatch.setattr(bodies, '_WHOLE_S', 0.1)
    with server.connect() as connection:
        connection.sendall(raw('POST', '/predict', 'Content-Length: 900000'))
        with contextlib.suppress(ConnectionError):
            for _ in range(1_000_000):
                connection.sendall(b'drop')
        assert reply_on(connection).status == 408


@pytest.mark.parametrize('begun', [b'', b'POST /predict HTTP/1.1\r\nHost: x\r\nX-Slow: ', b'G'])
def test_headers_that_do_not_come_end_the_connection(server, monkeypatch, begun):
    monkeypatch.setattr(connections, '_HEADERS_S', 0.05)
    with server.connect() as connection:
        connection.sendall(begun)
        assert connection.recv(1000) == b''


def test_a_connection_that_is_kept_but_idle_ends(server, monkeypatch):
    monkeypatch.setattr(connections, '_HEADERS_S', 0.05)
    with server.connect() as connection:
        connection.sendall(raw('GET', '/healthz'))
        assert json.loads(reply_on(connection).read()) == {'live': True}
        assert connection.recv(1000) == b''


def test_a_connection_is_kept_for_further_requests_even_when_they_come_all_at_once(server):
    with server.connect() as connection:
        one = raw('POST', '/predict', f'Content-Length: {len(picture())}') + picture()
        connection.sendall(one * 5)
        stream = connection.makefile('rb')
        said = b''
        while said.count(b'"prediction": 1') < 5:
            said += stream.read1(1 << 16)
    assert said.count(b'HTTP/1.1 200') == 5


def test_a_client_that_asks_and_asks_and_never_reads_is_cut_off(server, monkeypatch):
    monkeypatch.setattr(connections, '_UNREAD_S', 0.05)
    with server.connect() as connection, pytest.raises(ConnectionError):
        while True:
            connection.sendall(raw('GET', '/page.js') * 100)


def test_a_client_that_reads_slowly_gets_all_of_its_answers(server, monkeypatch):
    monkeypatch.setattr(connections, '_UNREAD_S', 0.2)
    length = int(server.get('/page.js').headers['content-length'])
    with server.connect() as connection:
        asking = threading.Thread(target=connection.sendall, args=(raw('GET', '/page.js') * 1000,))
        asking.start()
        stream, taken = connection.makefile('rb'), 0
        while taken < 1000 * length and (some := stream.read1(1 << 18)):
            taken += len(some)
        assert taken >= 1000 * length
        asking.join()


def test_idle_connections_make_room_for_whoever_asks(model):
    with servers.serving(model, max_connections=50) as server:
        idle = [server.connect() for _ in range(200)]
        for number, connection in enumerate(idle):
            with contextlib.suppress(ConnectionError):
                connection.sendall(b'POST /predict HTTP/1.1\r\n' if number % 2 else b'')
        answers = servers.together(*[lambda: server.post('/predict', picture())] * 20)
        for connection in idle:
            connection.close()
    assert [answer.status for answer in answers] == [200] * 20


def test_200_clients_that_send_slowly_leave_others_alone(server):
    slow = [server.connect() for _ in range(200)]
    for number, connection in enumerate(slow):
        begun = raw('POST', '/predict', 'Content-Length: 1000') if number % 2 else b'GET / HTTP/1.1\r\nA:'
        connection.sendall(begun)
    answer = server.post('/predict', picture())
    for connection in slow:
        connection.close()
    assert answer.status == 200


def test_when_every_connection_is_busy_the_next_is_told_so(model):
    with servers.serving(model, max_connections=8) as server:
        model.gate.clear()
        busy = [server.connect() for _ in range(8)]
        for connection in busy:
            connection.sendall(raw('POST', '/predict', f'Content-Length: {len(picture())}') + picture())
        assert model.began.acquire(timeout=PATIENCE_S)
        servers.until(lambda: server.post('/predict', picture()).status == 503)
        refused = server.get('/healthz')
        assert (refused.status, refused.json['error']) == (503, 'too many connections')
        assert refused.headers['x-content-type-options'] == 'nosniff'
        model.gate.set()
        assert [reply_on(connection).status for connection in busy] == [200] * 8
        for connection in busy:
            connection.close()


def test_what_is_no_http_is_refused(server):
    with server.connect() as connection:
        connection.sendall(b'\x16\x03\x01\x02\0 not HTTP\r\n\r\n')
        assert connection.recv(12) == b'HTTP/1.1 400'


def test_headers_without_end_are_refused(server):
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b'GET / HTTP/1.1\r\nA: ' + b'a' * 100_000)
        assert connection.recv(12) in (b'HTTP/1.1 400', b'HTTP/1.1 431')


def test_an_ending_server_answers_what_it_accepted_and_takes_nothing_more(model):
    with servers.serving(model) as server, server.connect() as kept:
        assert ready_on(kept).status == 200
        with held(model, server, *[picture()] * 4) as answers:
            server.tell_to_end()
            while (reply := ready_on(kept)).status == 200:
                pass
            assert (reply.status, reply.getheader('connection')) == (503, 'close')
        server.join()
        assert [answer.status for answer in answers] == [200] * 4
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_a_body_in_crumbs_is_refused(server):
    crumb = b'1\r\nA\r\n'
    with server.connect() as connection:
        connection.sendall(raw('POST', '/predict', 'Transfer-Encoding: chunked') + crumb * 10_000 + b'0\r\n\r\n')
        reply = reply_on(connection)
        assert (reply.status, json.loads(reply.read())['reason']) == (415, 'not-an-image')
        connection.sendall(raw('POST', '/predict', 'Transfer-Encoding: chunked') + crumb * 10_001 + b'0\r\n\r\n')
        assert reply_on(connection).status == 400


def test_an_upload_under_way_when_the_server_ends_is_answered(model):
    with servers.serving(model) as server, server.connect() as connection:
        data = picture()
        connection.sendall(raw('POST', '/predict', f'Content-Length: {len(data)}') + data[:20])
        with server.connect() as another:
            another.sendall(raw('GET', '/healthz'))
            assert reply_on(another).status == 200
            server.tell_to_end()
        servers.until(lambda: _refuses(server))
        connection.sendall(data[20:])
        assert json.loads(reply_on(connection).read())['label'] == 'light'


def _refuses(server: servers.Running) -> bool:
    try:
        server.connect().close()
    except ConnectionError:
        return True
    return False


def test_the_body_of_an_answer_does_not_wait_for_its_head_to_arrive():
    with running.listening('127.0.0.1', 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.skipif(sys.platform != 'linux', reason='other kernels can not drop what comes for a listener')
def test_a_listener_about_to_end_lets_nobody_in_and_keeps_whom_it_has():
    with running.listening('127.0.0.1', 0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as there:
            connections._let_nobody_in(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.1)
            accepted, _ = listener.accept()
            with accepted:
                there.sendall(b'hello')
                assert accepted.recv(5) == b'hello'
