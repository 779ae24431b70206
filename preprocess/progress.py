"""How far a long step has come: a bar on a terminal, a plain line every five seconds without one."""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

_log = logging.getLogger(__name__)
PLAIN_LINE_EVERY_S = 5.0


_unsaid = False


def say(text: str) -> None:
    """One plain line to the user, on stderr and in the log."""
    _log.info('%s', text)
    if not _unsaid:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def unsaid() -> Iterator[None]:
    """Meanwhile lines go to the log alone: of a trial, only the result is told."""
    global _unsaid
    before, _unsaid = _unsaid, True
    try:
        yield
    finally:
        _unsaid = before


class Progress:
    """A step under way; thread-safe, and quiet when the step takes under five seconds without a terminal."""

    def __init__(self, step: str, *, total: int | None = None, unit: str = '') -> None:
        self._step = step
        self._total = total
        self._unit = unit
        self._done = 0
        self._failed = 0
        self._begun = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._shown_by = _Bar(step, total) if sys.stderr.isatty() else None
        self._ticker = threading.Thread(target=self._tick, name=f'progress {step}', daemon=True)

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        if self._shown_by:
            self._shown_by.start()
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._ticker.join()
        if self._shown_by:
            self._shown_by.stop(self._done, self._line())
        _log.info('%s', self._line())

    def advance(self, n: int = 1, *, failed: int = 0) -> None:
        """Count `n` more done and `failed` more failed."""
        with self._lock:
            self._done += n
            self._failed += failed

    def update(self, done: int, *, failed: int = 0, total: int | None = None) -> None:
        """Set the counts outright (when they are read from elsewhere)."""
        with self._lock:
            self._done, self._failed = done, failed
            if total is not None:
                self._total = total

    def _tick(self) -> None:
        interval = 0.2 if self._shown_by else PLAIN_LINE_EVERY_S
        while not self._over.wait(interval):
            if self._shown_by:
                self._shown_by.show(self._done, self._total, self._line())
            else:
                print(self._line(), file=sys.stderr, flush=True)

    def _line(self) -> str:
        elapsed_s = max(time.monotonic() - self._begun, 1e-9)
        rate = self._done / elapsed_s
        parts = [f'{self._step}:']
        of = f' of {self._total:,}' if self._total is not None else ''
        if self._done or self._total:
            parts.append(f'{self._done:,}{of} {self._unit}'.rstrip() + ',')
            parts.append(f'{rate:,.1f}/s,')
        if self._total and rate and self._done < self._total:
            parts.append(f'about {duration((self._total - self._done) / rate)} left,')
        if self._failed:
            parts.append(f'{self._failed:,} failed,')
        parts.append(f'{duration(elapsed_s)} so far')
        return ' '.join(parts)


class _Bar:
    """rich's progress bar, imported only where there is a terminal to draw on."""

    def __init__(self, step: str, total: int | None) -> None:
        from rich import progress
        from rich.console import Console

        self._progress = progress.Progress(
            progress.SpinnerColumn(),
            progress.BarColumn(),
            progress.TextColumn('{task.description}'),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(step, total=total)

    def start(self) -> None:
        self._progress.start()

    def show(self, done: int, total: int | None, line: str) -> None:
        self._progress.update(self._task, completed=done, total=total, description=line)

    def stop(self, done: int, line: str) -> None:
        self._progress.stop()
        print(line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    minutes = seconds / 60
    return f'{minutes:.0f} min' if minutes < 90 else f'{minutes / 60:.1f} h'
