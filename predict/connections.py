"""Clients' connections under guard (uvicorn): idle and slow ones end, and make room for others; an orderly farewell."""

import asyncio
import contextlib
import ctypes
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from socket import SOL_SOCKET, socket

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

# A request's headers are one small packet. Also how long a connection may be idle between two requests.
_HEADERS_S = 10.0
# A client that takes nothing of what is sent to it for so long has gone, too.
_UNREAD_S = 10.0
# A client that was refused before it had sent everything may go on for so long, so that it comes to read the answer.
_LINGER_S = 1.0
# Between a signal and the end, clients that keep a connection may ask once more, and are told to close it.
_FAREWELL_S = 1.0
_LAST_REQUEST_S = 0.3
_LAST_ANSWERS_S = 60
_LOOK_S = 0.05
_HEADER_BYTES = 32 << 10
# Pieces of a body that are hardly larger than what they are wrapped in; the parser takes a tenth of a second for them.
_CRUMB_BYTES, _MOST_CRUMBS = 64, 10_000
# Of Linux (asm/socket.h, filter.h): a packet filter, and a program of one instruction, to keep nothing of a packet.
_SO_ATTACH_FILTER = 26
_DROP_ALL = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))


@dataclass(frozen=True)
class Guard:
    """How many connections there may be, and the app that whoever comes when all of them are busy meets instead."""

    most_connections: int
    overload: ASGIApp


class _Frugal(h11.Connection):
    """HTTP whose bodies do not come in crumbs: every piece costs as much, however small it is."""

    _crumbs = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._crumbs = 0
        elif isinstance(event, h11.Data):
            self._crumbs += len(event.data) < _CRUMB_BYTES
            if self._crumbs > _MOST_CRUMBS:
                raise h11.RemoteProtocolError('a body in too many pieces')
        return event


class Guarded(H11Protocol):
    """One connection. While no request of it is under way it is idle: for a while, unless others need its place."""

    def __init__(
        self,
        guard: Guard,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = _Frugal(h11.SERVER, _HEADER_BYTES)
        self._guard = guard
        self._end_at: asyncio.TimerHandle | None = None
        self._unread_at: asyncio.TimerHandle | None = None
        self.idle_since = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        if not self._has_room():
            self.app = self._guard.overload
        super().connection_made(transport)
        self._wait(_HEADERS_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.is_busy:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        is_still_sending = self.conn.their_state is h11.SEND_BODY
        self._wait(_LINGER_S if is_still_sending else _HEADERS_S)
        super().on_response_complete()
        if self.is_busy:  # the next request was here already
            self._stop_waiting()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def end_if_idle(self) -> None:
        """Close it, unless it just became busy."""
        if not self.is_busy:
            self.transport.close()
            self._watch_reader()

    def _watch_reader(self) -> None:
        """Cut it off when nothing of what waits to be sent has been taken a while later: closing waits for that."""
        self._stop_watching()
        if waiting := self.transport.get_write_buffer_size():
            self._unread_at = self.loop.call_later(_UNREAD_S, self._cut_off_unless_less_than, waiting)

    def _cut_off_unless_less_than(self, waiting: int) -> None:
        if self.transport.get_write_buffer_size() >= waiting:
            self.transport.abort()
        else:
            self._watch_reader()

    def _stop_watching(self) -> None:
        if self._unread_at:
            self._unread_at.cancel()
            self._unread_at = None

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self.idle_since = self.loop.time()
        self._end_at = self.loop.call_later(seconds, self.end_if_idle)

    def _stop_waiting(self) -> None:
        if self._end_at:
            self._end_at.cancel()
            self._end_at = None

    def _has_room(self) -> bool:
        """Whether there is a place, if need be that of the connection that has been idle longest."""
        if len(self.connections) < self._guard.most_connections:
            return True
        idle = [other for other in self.connections if isinstance(other, Guarded) and not other.is_busy]
        if idle:
            min(idle, key=lambda other: other.idle_since).transport.abort()
        return bool(idle)


class Server(uvicorn.Server):
    """uvicorn that leaves signals to us, and ends without cutting anybody short."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._protocol = partial(Guarded, guard)
        config = Config(
            app,
            http=self._protocol,  # type: ignore[arg-type]  # it is only ever called
            ws='none',
            lifespan='off',
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(_HEADERS_S) + 1,
            timeout_graceful_shutdown=_LAST_ANSWERS_S,
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def farewell(self) -> None:
        """Let clients that keep a connection ask once more, then end; what was accepted is answered."""
        await self._wait_for_clients(_FAREWELL_S)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        for listener in sockets or []:
            await self._accept_last(listener)
        for server in self.servers:
            server.close()
        await self._wait_for_clients(_LAST_REQUEST_S)
        await super().shutdown(sockets)

    async def _accept_last(self, listener: socket) -> None:
        """The kernel has accepted more than we have seen: these clients have sent their requests."""
        # asyncio drops, without a word, whom it has accepted and not made a connection of when its server closes.
        asyncio.get_running_loop().remove_reader(listener)
        await asyncio.sleep(_LOOK_S)
        _let_nobody_in(listener)
        await self._accept_waiting(listener)

    async def _accept_waiting(self, listener: socket) -> None:
        state = self.lifespan.state
        protocol = partial(self._protocol, config=self.config, server_state=self.server_state, app_state=state)
        with contextlib.suppress(BlockingIOError):
            while True:
                accepted, _ = listener.accept()
                await asyncio.get_running_loop().connect_accepted_socket(protocol, accepted)

    async def _wait_for_clients(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.server_state.connections and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)


def _let_nobody_in(listener: socket) -> None:
    """Have the kernel drop what comes for a listener: who got in between our last look and its end would be cut off.

    Connections that there are already, seen or not, are not the listener's any more. Linux alone can do this.
    """
    if sys.platform != 'linux':
        return
    with contextlib.suppress(OSError):  # it is not allowed here: the gap is microseconds wide
        listener.setsockopt(SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack('HL', 1, ctypes.addressof(_DROP_ALL)))
