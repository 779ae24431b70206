"""Ctrl-C, SIGTERM, SIGHUP: the first asks for an orderly stop, the second stops at once."""

import os
import signal
import threading
from types import FrameType

_requested = threading.Event()
_SIGNALS = ('SIGINT', 'SIGTERM', 'SIGHUP')


def watch() -> None:
    """Take over the signals of this process (main thread only)."""
    for name in _SIGNALS:
        signal.signal(getattr(signal, name), _on_signal)


def requested() -> bool:
    """Whether an orderly stop was asked for: finish the current piece or checkpoint, then raise Interrupted."""
    return _requested.is_set()


def clear() -> None:
    """Forget an earlier request (a second command in the same process starts fresh)."""
    _requested.clear()


def _on_signal(number: int, frame: FrameType | None) -> None:
    if _requested.is_set():
        os._exit(130)
    _requested.set()
    os.write(2, b'stopping after what is under way; once more to stop at once\n')
