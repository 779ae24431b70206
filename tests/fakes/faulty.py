"""Between a client and any server: what it is asked it asks the server, and `faults` may befall the answer."""

import http.client
from urllib.parse import urlencode, urlsplit

from tests.fakes.servers import Answer, FakeServer, Request

# Of one connection each; the bodies come and go whole.
_OWN = frozenset(['connection', 'transfer-encoding', 'content-length', 'host', 'expect', 'date', 'server'])


class FaultyRelay(FakeServer):
    """A relay to the server at an address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._to = urlsplit(url).netloc

    def respond(self, request: Request) -> Answer:
        """What the server answers."""
        query = f'?{urlencode(request.query)}' if request.query else ''
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        connection = http.client.HTTPConnection(self._to, timeout=20)
        try:
            connection.request(request.method, request.path + query, request.body, {**headers, 'Host': self._to})
            answer = connection.getresponse()
            said = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN}
            length = answer.getheader('Content-Length')
            if request.method == 'HEAD' and length:
                said['Content-Length'] = length
            return Answer(answer.status, answer.read(), said)
        finally:
            connection.close()
