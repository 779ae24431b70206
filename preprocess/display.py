"""How far the workers of an embedding job are, for the terminal."""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from preprocess import files, tally
from preprocess.progress import Progress

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Phase:
    """A part of the work, by the counts that show how far it is; it has begun when `first` counts."""

    name: str
    unit: str
    first: str
    done: tuple[str, ...]
    total: tuple[str, ...]
    failed: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()  # in the total, and counted otherwise

    def progress(self, counts: Counter[str]) -> Progress:
        """Its display."""
        return Progress(self.name, unit='frames' if self.unit == _PICTURES and counts['frames'] else self.unit)


_PICTURES = 'pictures'
# A row of footage counts until it is known which frames it has; these count in its place from then on.
_PHASES = (
    _Phase('looking up', 'rows', 'read', ('named', 'duplicates'), ('read',), ('rejected',)),
    _Phase('reading the times of videos', 'files', 'files', ('surveyed',), ('files',)),
    _Phase(
        'embedding',
        _PICTURES,
        'wanted',
        ('accepted', 'rejected', 'duplicates', 'frames_placed', 'frames_refused'),
        ('read', 'frames'),
        ('rejected', 'frames_refused'),
        ('expanded_rows',),
    ),
    # What was rejected gets no record: it is no failure of the writing.
    _Phase('writing', 'records', 'written', ('written',), ('accepted', 'frames_placed')),
)


class Display:
    """How far the workers are, from what they report: pictures and frames looked up, embedded, records written."""

    def __init__(self, tallies: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tallies = tallies
        self._clock = clock
        self._look_every_s = tally.REMOTELY_EVERY_S if files.is_remote(tallies) else 0.0
        self._looked = -math.inf
        self._asked_to_stop = False
        self._phase = 0
        self._shown = _PHASES[0].progress(Counter())

    def __enter__(self) -> Self:
        self._shown.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._look_every_s:
            self._looked = -math.inf
            self.look(False)
        self._shown.__exit__(kind, error, trace)

    def look(self, is_interrupted: bool) -> None:
        """Show what the workers reported last, and pass on to them that the user wants to stop."""
        if is_interrupted and not self._asked_to_stop:
            tally.ask_to_stop(self._tallies)
            self._asked_to_stop = True
        if self._clock() - self._looked < self._look_every_s:
            return
        self._looked = self._clock()
        try:
            counts = tally.total(self._tallies)
        except OSError as error:
            # Only for showing; the work itself will meet the same fault and report it.
            _log.warning('how far the workers are is not known: %s', error)
            return
        latest = max(number for number, phase in enumerate(_PHASES) if counts[phase.first] or not number)
        if latest > self._phase:
            self._show(counts)
            self._shown.__exit__(None, None, None)
            self._phase = latest
            self._shown = _PHASES[latest].progress(counts).__enter__()
        self._show(counts)

    def _show(self, counts: Counter[str]) -> None:
        phase = _PHASES[self._phase]
        done, failed, total = (sum(counts[name] for name in names) for names in (phase.done, phase.failed, phase.total))
        total -= sum(counts[name] for name in phase.beside)
        # What one worker has done, another may not have reported as there to be done.
        self._shown.update(done, failed=failed, total=max(total, done) or None)
