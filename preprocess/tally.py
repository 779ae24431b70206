"""What workers report while they work, in small files of counts; and the driver's one word back: stop.

Files serve threads, processes and machines alike. The counts are for showing: a bundle that is done twice counts twice.
"""

import json
import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from preprocess import files
from preprocess.failures import Failure

WRITE_EVERY_S = 1.0
# An object store is asked, and written to, now and then; a local disk costs microseconds, at every picture too many.
LOCALLY_EVERY_S = 0.05
REMOTELY_EVERY_S = 5.0
_READERS = 16
_STOP = 'stop'
_log = logging.getLogger(__name__)


class Tally:
    """One worker's counts; written at most once a second, more seldom to an object store, and when it is closed."""

    def __init__(self, directory: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._path = files.join(directory, f'{uuid.uuid4().hex}.json')
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._looked = self._wrote = clock()
        self._is_remote = files.is_remote(directory)
        self._look_every_s = REMOTELY_EVERY_S if self._is_remote else LOCALLY_EVERY_S
        self._write_every_s = REMOTELY_EVERY_S if self._is_remote else WRITE_EVERY_S
        self._stop = False

    def add(self, **counts: int) -> None:
        """Count something."""
        self._counts.update(counts)
        if self._clock() - self._wrote >= self._write_every_s:
            self.write()

    def write(self) -> None:
        """Bring the file up to date."""
        self._wrote = self._clock()
        if self._counts != self._written:
            self._written = Counter(self._counts)
            try:
                files.write_atomic(self._path, json.dumps(self._counts).encode())
            except (OSError, Failure) as error:
                # Only for showing; the work itself will meet the same fault and report it.
                _log.warning('%s not written: %s', self._path, error)

    def close(self) -> None:
        """Write the last counts; on a network not, where they would come after the driver has cleared them away."""
        if not self._is_remote:
            self.write()

    def should_stop(self) -> bool:
        """Whether the driver asked for an orderly stop."""
        if not self._stop and self._clock() - self._looked >= self._look_every_s:
            self._looked = self._clock()
            self._stop = files.exists(files.join(self._directory, _STOP))
        return self._stop


def ask_to_stop(directory: str) -> None:
    """Tell every worker that reports to this directory to stop after its current piece."""
    files.write_atomic(files.join(directory, _STOP), b'')


def total(directory: str) -> Counter[str]:
    """The sum over all workers that report to this directory."""
    listed = [found.uri for found in files.list_dir(directory)] if files.is_dir(directory) else []
    written = [uri for uri in listed if uri.endswith('.json') and not files.name(uri).startswith('.')]
    # On a network hundreds of small files take as long as the slowest of them, not as their sum.
    with ThreadPoolExecutor(_READERS, 'tallies') as readers:
        return sum((Counter(json.loads(data)) for data in readers.map(files.read_bytes, written)), Counter[str]())
