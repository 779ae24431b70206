"""Failures on their way from a worker to the driver: runners pass on nothing but text, so they travel in it."""

import base64
import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from preprocess import command, failures
from preprocess.failures import Failure, RunFailed
from preprocess.store import PieceError

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


def carried(process: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """A DoFn's method whose failures, and those of disk and store, reach the driver whole."""

    @functools.wraps(process)
    def carrying(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        try:
            yield from process(*args, **kwargs)
        except Failure as failure:
            raise WorkerFailure(failure) from failure
        except OSError as error:
            raise WorkerFailure(command.from_os_error(error)) from error
        except PieceError as error:
            raise WorkerFailure(
                RunFailed(str(error), where='the embedding store', do='run the same command again')
            ) from error

    return carrying


def from_runner(text: str) -> Failure | None:
    """The failure a runner's error text tells of; None when it is none we know, so a bug."""
    if marked := _MARKED.search(text):
        kind, what, where, do = json.loads(base64.urlsafe_b64decode(marked[1]))
        failure: Failure = getattr(failures, kind)(what, where=where, do=do)
        return failure
    if lost := _LOST_WORKER.search(text):
        return RunFailed(
            f'a worker was lost ({lost[0]})',
            where='the runner',
            do='look for it in the log: out of memory is the usual cause; the same command continues',
        )
    return None
