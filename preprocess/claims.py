"""One writer at a time for a result: a heartbeat file that names the run holding it."""

import json
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from functools import cache
from types import TracebackType
from typing import Self

from preprocess import files
from preprocess.failures import Failure, InputError
from preprocess.progress import say

_log = logging.getLogger(__name__)
BEAT_EVERY_S = 10.0
# The tokens of what this process holds: a claim of its own that it could not give back holds nobody up.
_held: set[str] = set()
# Three missed beats and a margin: a paused laptop or a slow bucket is not a dead run.
STALE_AFTER_S = 45.0
_ASK_EVERY_S = 4.0


@dataclass(frozen=True)
class Owner:
    """Who holds a claim; `started` tells a process from a later one with the same pid.

    `machine` is where a pid means this process: on a bucket, hosts and containers of one name meet.
    """

    doing: str
    host: str
    pid: int
    started: str
    token: str
    beat: float
    machine: str = ''


class Claim:
    """Hold `path` while working; a second holder is refused with the first one's name (exit 3).

    With patience it first waits for the other one to be gone.
    """

    def __init__(self, path: str, *, doing: str, patience_s: float = 0.0) -> None:
        self._path = path
        self._patience_s = patience_s
        self._owner = Owner(
            doing,
            socket.gethostname(),
            os.getpid(),
            _started(os.getpid()),
            uuid.uuid4().hex,
            time.time(),
            _machine(),
        )
        self._over = threading.Event()
        self._beater = threading.Thread(target=self._beat, name=f'claim {path}', daemon=True)

    def __enter__(self) -> Self:
        files.make_dirs(files.parent(self._path))
        until = time.monotonic() + self._patience_s
        while not files.create_if_absent(self._path, self._text()):
            other = _read(self._path)
            if other and _alive(other) and time.monotonic() < until:
                say(f'waiting for an earlier run to be gone: {other.doing}, process {other.pid} on {other.host}')
                time.sleep(_ASK_EVERY_S)
                continue
            if other and _alive(other):
                raise InputError(
                    f'another run is writing this result: {other.doing}, process {other.pid} on {other.host}',
                    where=self._path,
                    do='wait for it to end, end it, or choose another output',
                )
            # Its process is gone. Two claimants may both delete; create_if_absent lets one of them win.
            files.delete(self._path)
        _held.add(self._owner.token)
        self._beater.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._beater.join()
        _held.discard(self._owner.token)
        mine = _read(self._path)
        if mine and mine.token == self._owner.token:
            files.delete(self._path)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_EVERY_S):
            try:
                files.write_atomic(self._path, self._text())
            except (OSError, Failure) as error:
                # A missed beat is mended by the next one; the work itself will meet the same fault and report it.
                _log.warning('heartbeat %s not written: %s', self._path, error)

    def _text(self) -> bytes:
        return json.dumps({**asdict(self._owner), 'beat': time.time()}).encode()


def _read(path: str) -> Owner | None:
    try:
        return Owner(**json.loads(files.read_bytes(path)))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        # Torn by a full disk or a crash in the middle of a write: it names nobody.
        _log.warning('%s is not a readable heartbeat; taken over', path)
        return None


def _alive(owner: Owner) -> bool:
    if (owner.host, owner.machine) == (socket.gethostname(), _machine()):
        if owner.pid == os.getpid():
            return owner.token in _held
        return _started(owner.pid) == owner.started and owner.started != ''
    return time.time() - owner.beat < STALE_AFTER_S


@cache
def _machine() -> str:
    """This start of this machine, or of this container on it."""
    try:
        with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as opened:
            return f'{opened.read().strip()} {os.readlink("/proc/self/ns/pid")}'
    except OSError:
        return ''


def _started(pid: int) -> str:
    """When the process began, as the kernel counts it; empty when there is no such process."""
    try:
        with open(f'/proc/{pid}/stat', 'rb') as stat:
            # The command's name may hold spaces and brackets: fields count from the last bracket.
            fields = stat.read().rsplit(b')', 1)[1].split()
            # A killed process that its parent has not yet collected writes nothing any more.
            return '' if fields[0] in (b'Z', b'X') else fields[19].decode()
    except FileNotFoundError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ''
    except PermissionError:
        pass
    return 'running'
