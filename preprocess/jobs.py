"""Running a Beam job on the runner the user asked for, watched from outside, its failures made readable."""

import argparse
import difflib
import importlib
import logging
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import preprocess
from preprocess import command, interrupts, worker_failures
from preprocess.failures import Failure, Interrupted, RunFailed, UsageError

if TYPE_CHECKING:
    from apache_beam import Pipeline
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineRunner

_log = logging.getLogger(__name__)
# What wires a job into a pipeline.
Build: TypeAlias = 'Callable[[Pipeline], object]'
LOOK_EVERY_S = 0.5
# The runner notices the end of a worker it talks to within 3 s; one that ended before that it awaits for ever.
LOST_WORKER_AFTER_S = 15.0
WORKER = 'preprocess.worker_process'
_ANSWERS_WITHIN_S = 5.0
# Beam's default of these names tries to download another runner first, and ignores the number of workers.
_LOCAL = (None, 'DirectRunner', 'FnApiRunner')


def run(
    build: Build,
    beam_args: Sequence[str],
    *,
    look: Callable[[bool], None],
    log: str | None = None,
) -> None:
    """Run what `build` wires; `look(interrupted)` is called twice a second meanwhile.

    What local worker processes have to say goes to the file `log`.
    """
    job = _Job(build, beam_args, log or os.devnull)
    with _children_find_us(), job.noticing_lost_workers():
        job.start()
        while not job.over.wait(LOOK_EVERY_S):
            look(interrupts.requested())
            job.raise_if_a_worker_is_lost()
        look(interrupts.requested())
    job.raise_failure()


@contextmanager
def importing_beam() -> Iterator[None]:
    """Have Beam imported meanwhile: it takes a second, which another process's work can hide."""
    importing = threading.Thread(target=importlib.import_module, args=('apache_beam',), daemon=True)
    importing.start()
    try:
        yield
    finally:
        importing.join()


def is_local(beam_args: Sequence[str]) -> bool:
    """Whether the job runs on this machine; found out without Beam."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument('--runner')
    return parser.parse_known_args(list(beam_args))[0].runner in _LOCAL


def check(beam_args: Sequence[str]) -> None:
    """Refuse a runner there isn't, and a job server that doesn't answer, before anything is done."""
    if is_local(beam_args):
        _check_workers(beam_args)
        return
    from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions

    options = PipelineOptions(list(beam_args))
    name = str(options.view_as(StandardOptions).runner)
    known = StandardOptions.KNOWN_RUNNER_NAMES
    if '.' not in name and name.lower() not in map(str.lower, known):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f'did you mean {close[0]}? ' if close else ''
        raise UsageError(f'there is no runner {name}', where='--runner', do=f'{hint}leave it out to run locally')
    if endpoint := options.view_as(PortableOptions).job_endpoint:
        _check_endpoint(endpoint)


def _check_workers(beam_args: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument('--direct_num_workers', type=int, default=1)
    count = parser.parse_known_args(list(beam_args))[0].direct_num_workers
    if count < 0:
        flag = '--direct_num_workers'
        raise UsageError(f'there can not be {count} workers', where=flag, do='give 1 or more, or 0 for one a core')


def _check_endpoint(endpoint: str) -> None:
    host, _, port = endpoint.rpartition(':')
    if not host or not port.isdigit():
        raise UsageError(f'{endpoint!r} is no address', where='--job_endpoint', do='give HOST:PORT')
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN_S).close()
    except OSError as error:
        raise RunFailed(
            f'no job server answers there: {(error.strerror or str(error)).lower()}',
            where=f'--job_endpoint {endpoint}',
            do='start it, or correct the address',
        ) from error


def describe(beam_args: Sequence[str]) -> str:
    """The runner in a few words."""
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

    options = PipelineOptions(list(beam_args))
    runner = options.view_as(StandardOptions).runner
    if runner not in _LOCAL:
        return str(runner)
    direct = options.view_as(DirectOptions)
    kind = {'multi_processing': 'process', 'multi_threading': 'thread'}.get(direct.direct_running_mode)
    workers = direct.direct_num_workers or os.cpu_count() or 1
    return f'locally, {workers} {kind}{"es" if kind == "process" else "s"}' if kind else 'locally, in this process'


class _Job:
    """The runner's blocking call in a thread of its own, so that somebody is left to watch it."""

    def __init__(self, build: Build, beam_args: Sequence[str], log: str) -> None:
        self._build = build
        self._beam_args = list(beam_args)
        self._log_path = log
        self.over = threading.Event()
        self._state = ''
        self._error: BaseException | None = None
        self._lost: tuple[float, BaseException] | None = None

    def start(self) -> None:
        """Begin; `over` is set when it ended."""
        # A daemon, because a runner that waits for a lost worker can't be ended any other way.
        threading.Thread(target=self._run, name='Beam job', daemon=True).start()

    def _run(self) -> None:
        from apache_beam import Pipeline
        from apache_beam.options.pipeline_options import PipelineOptions

        try:
            options = PipelineOptions(self._beam_args)
            pipeline = Pipeline(runner=_runner(options, self._log_path), options=options)
            self._build(pipeline)
            self._state = str(pipeline.run().wait_until_finish())
        except BaseException as error:
            self._error = error
        finally:
            self.over.set()

    @contextmanager
    def noticing_lost_workers(self) -> Iterator[None]:
        """A runner's thread that ends with an error is noted, and told to the log instead of the terminal."""
        before = threading.excepthook

        def note(ended: threading.ExceptHookArgs) -> None:
            _log.error('a thread of the runner ended', exc_info=ended.exc_value)
            if ended.exc_value and not self._lost:
                self._lost = time.monotonic(), ended.exc_value

        threading.excepthook = note
        try:
            yield
        finally:
            threading.excepthook = before

    def raise_if_a_worker_is_lost(self) -> None:
        """Give up on a runner that waits for a worker that is gone."""
        if self._lost and time.monotonic() - self._lost[0] > LOST_WORKER_AFTER_S:
            raise worker_failures.lost_worker(str(self._lost[1]))

    def raise_failure(self) -> None:
        """Raise what ended the job, if it didn't end well."""
        if self._error:
            if failure := self._failure(self._error):
                _log.error('the job failed', exc_info=self._error)
                raise failure
            raise self._error
        if self._state != 'DONE':
            do = 'see the log; the same command continues'
            raise RunFailed(f'the job ended as {self._state}', where='the runner', do=do)

    def _failure(self, error: BaseException) -> Failure | None:
        if interrupts.requested():
            # However the workers ended, it was because they were asked to.
            do = f'the same command continues: {command.this_command()}'
            return Interrupted('interrupted', where='the job', do=do)
        return worker_failures.from_runner(_whole_text(error))


def _runner(options: 'PipelineOptions', log: str) -> 'PipelineRunner':
    from apache_beam.options.pipeline_options import DirectOptions, StandardOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.runners.runner import create_runner
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    name = options.view_as(StandardOptions).runner
    if name not in _LOCAL:
        return create_runner(name)
    # The name goes on to workers as an option; the instance is what runs.
    options.view_as(StandardOptions).runner = 'FnApiRunner'
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != 'multi_processing':
        return FnApiRunner()
    # The runner would start Beam's worker for this mode; ours is given to it as what is to run in any mode.
    direct.direct_running_mode = 'in_memory'
    command_line = shlex.join([sys.executable, '-m', WORKER, log])
    return FnApiRunner(default_environment=SubprocessSDKEnvironment.from_command_string(f'exec {command_line}'))


def _whole_text(error: BaseException) -> str:
    """An error and those that led to it: runners put the worker's words into any of them."""
    texts = []
    seen: BaseException | None = error
    while seen is not None:
        texts.append(f'{type(seen).__name__}: {seen}')
        seen = seen.__cause__ or seen.__context__
    return '\n'.join(texts)


@contextmanager
def _children_find_us() -> Iterator[None]:
    """Worker processes import this package from where this process did, installed or not."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(preprocess.__file__ or '.')))
    before = os.environ.get('PYTHONPATH')
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [home, before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ['PYTHONPATH']
        else:
            os.environ['PYTHONPATH'] = before
