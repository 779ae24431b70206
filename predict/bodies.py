"""Reading what clients send: so much and no more, in so much time, and in so much memory for all of them together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Receive, Scope

from predict.refusals import Refused

# A phone's slow uplink brings a large picture in this time; who sends nothing for so long has gone.
_WHOLE_S = 120.0
_SILENCE_S = 10.0


class Gone(Exception):
    """The client hung up."""


@dataclass
class Intake:
    """How much is read: of one body, and of all that are held at a time."""

    most_bytes: int
    most_bytes_at_once: int
    held: int = field(default=0, init=False)

    @asynccontextmanager
    async def body(self, scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
        """A request's body; Refused when it is too large, too slow, or too much beside the others'."""
        if _announced(scope) > self.most_bytes:
            raise self._too_large()
        if (coding := _header(scope, b'content-encoding', b'identity').strip().lower()) not in (b'identity', b''):
            raise Refused('unsupported-encoding', f'a body in {coding.decode("ascii", "replace")}: send it as it is')
        pieces: list[bytes] = []
        try:
            await self._read(receive, pieces)
            pieces[:] = [b''.join(pieces)]  # in memory once
            yield pieces[0]
        finally:
            self.held -= sum(map(len, pieces))

    async def _read(self, receive: Receive, pieces: list[bytes]) -> None:
        so_far = 0
        try:
            async with asyncio.timeout(_WHOLE_S):
                async for piece in _pieces(receive):
                    pieces.append(piece)
                    so_far += len(piece)
                    self.held += len(piece)
                    self._check(so_far)
        except TimeoutError:
            raise Refused('slow-request', 'the body took too long to come') from None

    def _check(self, so_far: int) -> None:
        if so_far > self.most_bytes:
            raise self._too_large()
        if self.held > self.most_bytes_at_once:
            raise Refused('busy', 'too many large requests at once', retry_after_s=1)

    def _too_large(self) -> Refused:
        return Refused('too-many-bytes', f'a request of more than {self.most_bytes:,} bytes')


async def hung_up(receive: Receive) -> None:
    """Return when the client is gone; for requests whose body was read."""
    while (await receive())['type'] != 'http.disconnect':
        pass


def _announced(scope: Scope) -> int:
    return int(_header(scope, b'content-length', b'0'))


def _header(scope: Scope, wanted: bytes, default: bytes) -> bytes:
    return next((bytes(value) for name, value in scope['headers'] if name == wanted), default)


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        async with asyncio.timeout(_SILENCE_S):
            message = await receive()
        if message['type'] == 'http.disconnect':
            raise Gone
        more = message.get('more_body', False)
        if piece := message.get('body', b''):
            yield piece
