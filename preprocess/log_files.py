"""log.txt: everything the libraries say, in the output directory; for one on the network, copied there now and then."""

import contextlib
import logging
import os
import sys
import tempfile
import threading

from preprocess import files, near
from preprocess.failures import Failure

COPY_EVERY_S = 60.0
_FORMAT = '%(asctime)s %(levelname)s %(name)s: %(message)s'


class LogFile(logging.FileHandler):
    """A log that a full or forbidden disk ends in silence: the work meets the same fault, and reports it once."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        os.makedirs(os.path.dirname(self._local()), exist_ok=True)
        super().__init__(self._local(), encoding='utf-8', delay=True)
        self.setFormatter(logging.Formatter(_FORMAT))

    def _local(self) -> str:
        return os.path.abspath(files.without_scheme(self.uri))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # logging's name
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class RemoteLogFile(LogFile):
    """A log that is written here and copied to its place every minute and in the end; what was there stays in front."""

    def __init__(self, uri: str) -> None:
        self._folder = tempfile.mkdtemp(dir=near.folder())
        self._over = threading.Event()
        self._copied = 0
        super().__init__(uri)
        with contextlib.suppress(FileNotFoundError):
            files.copy(uri, self._local())
        self._copier = threading.Thread(target=self._copy_now_and_then, name=f'log {uri}', daemon=True)
        self._copier.start()

    def _local(self) -> str:
        return os.path.join(self._folder, 'log.txt')

    def close(self) -> None:
        """Copy what is new; nothing is logged to it any more."""
        super().close()
        if not self._over.is_set():
            self._over.set()
            self.copy()

    def copy(self) -> None:
        """Bring the remote file up to date."""
        # As in LogFile: what fails here fails the work too, or matters less than it.
        with contextlib.suppress(OSError, Failure):
            size = os.stat(self._local()).st_size
            if size != self._copied:
                files.copy(self._local(), self.uri)
                self._copied = size

    def _copy_now_and_then(self) -> None:
        while not self._over.wait(COPY_EVERY_S):
            self.copy()


def close() -> None:
    """Close the logs that were attached; one on the network is copied a last time."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, LogFile)]:
        root.removeHandler(handler)
        # What a full disk leaves in the buffer is lost; the work has met the same fault, and said so.
        with contextlib.suppress(OSError):
            handler.close()


def attach(uri: str, *, verbosity: str) -> None:
    """Have everything that is logged written to a file, too (appended)."""
    root = logging.getLogger()
    if local_path(uri):
        return
    root.addHandler(RemoteLogFile(uri) if files.is_remote(uri) else LogFile(uri))
    root.setLevel(min(root.level or logging.WARNING, logging.getLevelName(verbosity)))


def for_workers(uri: str) -> str | None:
    """Where processes that this one starts may append what they say; for a remote log, beside its own words."""
    if not files.is_remote(uri):
        return files.without_scheme(uri)
    return next((one.baseFilename for one in logging.getLogger().handlers if isinstance(one, RemoteLogFile)), None)


def local_path(uri: str) -> str | None:
    """The file on this machine that a log is written to; None when it isn't written."""
    wanted = files.absolute(uri)
    handlers = [one for one in logging.getLogger().handlers if isinstance(one, LogFile)]
    return next((one.baseFilename for one in handlers if files.absolute(one.uri) == wanted), None)
