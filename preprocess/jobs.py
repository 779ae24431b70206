"""Running a Beam job on the runner the user asked for, watched from outside, its failures made readable."""

import logging
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import preprocess
from preprocess import command, interrupts, worker_failures
from preprocess.failures import Interrupted, RunFailed

if TYPE_CHECKING:
    from apache_beam import Pipeline
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineRunner

_log = logging.getLogger(__name__)
LOOK_EVERY_S = 0.5
# Beam's default of these names tries to download another runner first, and ignores the number of workers.
_LOCAL = (None, 'DirectRunner', 'FnApiRunner')


def run(
    build: 'Callable[[Pipeline], object]',
    beam_args: Sequence[str],
    *,
    look: Callable[[bool], None],
    log: str | None = None,
) -> None:
    """Run what `build` wires; `look(interrupted)` is called twice a second meanwhile.

    What local worker processes have to say goes to the file `log`.
    """
    from apache_beam import Pipeline
    from apache_beam.options.pipeline_options import PipelineOptions

    options = PipelineOptions(list(beam_args))
    with _children_find_us(), _threads_fail_quietly(), _watched(look):
        try:
            pipeline = Pipeline(runner=_runner(options, log or os.devnull), options=options)
            build(pipeline)
            result = pipeline.run()
            state = result.wait_until_finish()
        except Exception as error:
            failure = worker_failures.from_runner(_whole_text(error))
            if interrupts.requested():
                # However the workers ended, it was because they were asked to.
                do = f'the same command continues: {command.this_command()}'
                failure = Interrupted('interrupted', where='the embedding', do=do)
            if failure is None:
                raise
            _log.error('the job failed', exc_info=error)
            raise failure from None
    if str(state) != 'DONE':
        raise RunFailed(f'the job ended as {state}', where='the runner', do='see the log; the same command continues')


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
    command_line = f'exec {shlex.quote(sys.executable)} -m preprocess.worker_process 2>>{shlex.quote(log)}'
    return FnApiRunner(default_environment=SubprocessSDKEnvironment.from_command_string(command_line))


def _whole_text(error: BaseException) -> str:
    """An error and those that led to it: runners put the worker's words into any of them."""
    texts = []
    seen: BaseException | None = error
    while seen is not None:
        texts.append(f'{type(seen).__name__}: {seen}')
        seen = seen.__cause__ or seen.__context__
    return '\n'.join(texts)


@contextmanager
def _children_find_us() -> 'Iterator[None]':
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


@contextmanager
def _threads_fail_quietly() -> 'Iterator[None]':
    """A runner's thread that ends with an error is for the log: what it means comes out of the runner."""
    before = threading.excepthook

    def log_it(ended: threading.ExceptHookArgs) -> None:
        _log.error('a thread of the runner ended', exc_info=ended.exc_value)

    threading.excepthook = log_it
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def _watched(look: Callable[[bool], None]) -> 'Iterator[None]':
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            look(interrupts.requested())

    watcher = threading.Thread(target=watch, name='job watcher', daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        look(interrupts.requested())
