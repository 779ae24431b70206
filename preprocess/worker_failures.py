"""Failures on their way from a worker to the driver: runners pass on nothing but text, so they travel in it."""

import base64
import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from preprocess import command, failures
from preprocess.failures import Failure, RunFailed
from preprocess.pieces import PieceError

T = TypeVar('T')
P = ParamSpec('P')

# Letters only: runners quote, escape and wrap what they pass on.
_MARKED = re.compile(r'headlight-failure:([A-Za-z0-9_=-]+):')
# How Beam's runners say that a worker is gone.
_LOST_WORKER = re.compile(
    r'Channel closed prematurely|worker.{0,40}(?:died|lost|exited)|Socket closed|SDK harness.{0,40}disconnected|'
    r'Connection (?:reset|refused)',
    re.IGNORECASE,
)


class WorkerFailure(RuntimeError):
    """A failure in a worker, written so that it can be read back out of a runner's text."""

    def __init__(self, failure: Failure) -> None:
        said = json.dumps([type(failure).__name__, failure.what, failure.where, failure.do])
        marked = base64.urlsafe_b64encode(said.encode()).decode()
        super().__init__(f'{failure} [headlight-failure:{marked}:]')


class _Working(Protocol):
    """A step that knows where it writes."""

    @property
    def place(self) -> str: ...


W = TypeVar('W', bound=_Working)


def carried(step: Callable[Concatenate[W, P], Iterator[T]]) -> Callable[Concatenate[W, P], Iterator[T]]:
    """A DoFn's method whose failures, and those of disk and store, reach the driver whole."""

    @functools.wraps(step)
    def carrying(worker: W, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        try:
            yield from step(worker, *args, **kwargs)
        except Failure as failure:
            raise WorkerFailure(failure) from failure
        except OSError as error:
            if error.filename is None:
                error.filename = worker.place
            raise WorkerFailure(command.from_os_error(error)) from error
        except PieceError as error:
            again = RunFailed(str(error), where=worker.place, do='run the same command again')
            raise WorkerFailure(again) from error

    return carrying


def from_runner(text: str) -> Failure | None:
    """The failure a runner's error text tells of; None when it is none we know, so a bug."""
    if marked := _MARKED.search(text):
        kind, what, where, do = json.loads(base64.urlsafe_b64decode(marked[1]))
        failure: Failure = getattr(failures, kind)(what, where=where, do=do)
        return failure
    if lost := _LOST_WORKER.search(text):
        return lost_worker(lost[0])
    return None


def lost_worker(words: str) -> RunFailed:
    """The failure for a worker that is gone, in the runner's words."""
    return RunFailed(
        f'a worker was lost ({words})',
        where='the runner',
        do='look for it in the log: out of memory is the usual cause; the same command continues',
    )
