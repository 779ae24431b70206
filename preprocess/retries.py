"""Requests to a storage on the network, made again while it is overloaded or the connection breaks.

Each waits longer than the one before, by chance more or less, so that a hundred workers don't come back at once. One
object that fails again and again is an OSError of its own; a storage that answers nothing at all ends the run.
"""

import errno
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from preprocess.failures import RunFailed
from preprocess.progress import say

_log = logging.getLogger(__name__)
T = TypeVar('T')
# What no user should wait for in silence.
_TELL_EVERY_S = 5.0


@dataclass(frozen=True)
class Patience:
    """How long to wait before the second request and at most between two, and after how long to give up."""

    first_s: float = 0.25
    most_s: float = 8.0
    in_all_s: float = 40.0


PATIENCE = Patience()


class Transient(Exception):
    """Why a request failed that may well succeed in a moment."""


class Line:
    """The way to one storage: what is known of it serves all threads of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_down = False
        self._told = 0.0

    def persist(self, request: Callable[[], T], *, uri: str, probe: Callable[[], object]) -> T:
        """The answer to a request, tried again while it fails for reasons that pass.

        `probe` is another request to the same storage: it tells one that is down from one object that can't be had.
        """
        # Once it was found to be down, nobody waits for it again until something came through.
        left_s = 0.0 if self._is_down else PATIENCE.in_all_s
        wait_s, ends = PATIENCE.first_s, 0.0
        while True:
            try:
                answer = request()
            except Transient as why:
                now = time.monotonic()
                ends = ends or now + left_s
                _log.info('%s: %s', uri, why)
                if now >= ends:
                    raise self._given_up(why, uri, probe) from why
                self._tell(uri, why, waited_s=left_s - (ends - now))
                time.sleep(min(random.uniform(wait_s / 2, wait_s), ends - now))
                wait_s = min(2 * wait_s, PATIENCE.most_s)
            else:
                self._is_down = False
                return answer

    def _given_up(self, why: Transient, uri: str, probe: Callable[[], object]) -> Exception:
        if _answers(probe):
            return OSError(errno.EIO, f'the storage fails again and again: {why}', uri)
        self._is_down = True
        return RunFailed(
            f'the storage does not answer: {why}',
            where=uri,
            do='look whether the network and the storage are up; the same command continues',
        )

    def _tell(self, uri: str, why: Transient, *, waited_s: float) -> None:
        with self._lock:
            now = time.monotonic()
            if waited_s < _TELL_EVERY_S / 2 or now - self._told < _TELL_EVERY_S:
                return
            self._told = now
        say(f'{uri}: {why}; trying again, for {PATIENCE.in_all_s:g} s in all')


def _answers(probe: Callable[[], object]) -> bool:
    try:
        probe()
    except Transient:
        return False
    except OSError:
        # A refusal is an answer.
        return True
    return True
