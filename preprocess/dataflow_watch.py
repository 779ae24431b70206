"""Waiting for a Dataflow job: its state and words from Dataflow, how far its workers are from what these report."""

import logging
import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from preprocess import cloud_jobs, interrupts, tally, worker_failures
from preprocess.dataflow_jobs import CANCELLED, DataflowJobs, Job, Message
from preprocess.display import Display
from preprocess.failures import Failure, RunFailed
from preprocess.google_api import Unanswered
from preprocess.progress import Progress, say

_log = logging.getLogger(__name__)
LOOK_EVERY_S = 0.5
POLL_EVERY_S = 10.0
# A laptop that was carried home finds its network again; the job doesn't care.
LOST_AFTER_S = 900.0
_LONGEST_LINE = 240
_AGAIN = 'the same command submits it again; what is in the store is not embedded again'


def until_over(jobs: DataflowJobs, job_id: str, tallies: str) -> tuple[Job, list[Message]]:
    """The job when it has ended, well or not, and what was said of it; Ctrl-C raises Interrupted and leaves it be."""
    watch = _Watch(jobs, job_id)
    with _Showing(tallies) as showing:
        job = watch.poll()
        while not job.is_over:
            if interrupts.requested():
                raise cloud_jobs.interrupted(
                    'the Dataflow job', console=jobs.console(job_id), cancel=jobs.cancel_line(job_id)
                )
            showing.look()
            time.sleep(LOOK_EVERY_S)
            job = watch.poll_now_and_then(job)
    return job, watch.messages


def failure(job: Job, messages: Sequence[Message], *, console: str) -> Failure:
    """What a job that didn't end well asks of the user."""
    if job.state == CANCELLED:
        return RunFailed('the Dataflow job was cancelled', where=console, do=_AGAIN)
    errors = [one.text for one in messages if one.is_error]
    for text in reversed(errors):
        if found := worker_failures.from_runner(text):
            return found
    why = f': {_line(errors[-1])}' if errors else ''
    return RunFailed(f'the Dataflow job ended as {job.state}{why}', where=console, do=f'mend what it says; {_AGAIN}')


class _Watch:
    """One who asks Dataflow about a job now and then, and passes on what is new."""

    def __init__(self, jobs: DataflowJobs, job_id: str) -> None:
        self._jobs = jobs
        self._id = job_id
        self._polled = self._answered = time.monotonic()
        self._told: set[str] = set()
        self.messages: list[Message] = []

    def poll_now_and_then(self, job: Job) -> Job:
        """The job as it was last, or as it is now; a network that is down for a while is waited for."""
        if time.monotonic() - self._polled < POLL_EVERY_S:
            return job
        try:
            return self.poll()
        except Unanswered as unanswered:
            if time.monotonic() - self._answered > LOST_AFTER_S:
                raise
            say(f'{unanswered.what}; the job goes on')
            return job
        finally:
            self._polled = time.monotonic()

    def poll(self) -> Job:
        """The job as it is now; what Dataflow says of it is said."""
        job = self._jobs.get(self._id)
        since = self.messages[-1].time if self.messages else ''
        for message in self._jobs.messages(self._id, since=since):
            if message.id not in self._told:
                self._told.add(message.id)
                self.messages.append(message)
                _log.info('Dataflow: %s', message.text)
                say(f'Dataflow: {_line(message.text)}')
        self._answered = time.monotonic()
        return job


class _Showing:
    """`waiting for workers` until the first of them reports something, then how far they are."""

    def __init__(self, tallies: str) -> None:
        self._tallies = tallies
        self._shown: Progress | Display = Progress('waiting for workers')
        self._looked = -math.inf

    def __enter__(self) -> Self:
        self._shown.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.__exit__(kind, error, trace)

    def look(self) -> None:
        """Show what the workers reported last."""
        if isinstance(self._shown, Display):
            self._shown.look(False)
        elif time.monotonic() - self._looked >= tally.REMOTELY_EVERY_S:
            self._looked = time.monotonic()
            if self._anybody_reports():
                self._shown.__exit__(None, None, None)
                self._shown = Display(self._tallies).__enter__()

    def _anybody_reports(self) -> bool:
        try:
            return bool(tally.total(self._tallies))
        except OSError as error:
            # Only for showing; the job is asked about elsewhere.
            _log.warning('how far the workers are is not known: %s', error)
            return False


def _line(text: str) -> str:
    """What fits on a line: of a worker's failure its own words, else the first, or of a traceback the last line."""
    if found := worker_failures.from_runner(text):
        return str(found)
    lines = text.strip().splitlines() or ['']
    line = lines[-1] if lines[0].startswith('Traceback') else lines[0]
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + '…'
