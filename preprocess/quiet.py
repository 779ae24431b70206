"""Loading libraries that talk while they load: TensorFlow's C++ part heeds its log level only afterwards."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """What C++ writes to descriptor 2 meanwhile is dropped; Python's own stderr (progress lines) still arrives."""
    terminal = os.dup(2)
    python_stderr = sys.stderr
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with open(terminal, 'w', buffering=1, encoding='utf-8', errors='backslashreplace') as still_heard:
        try:
            if _descriptor_of(python_stderr) == 2:
                python_stderr.flush()
                sys.stderr = still_heard
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(nowhere)
            sys.stderr = python_stderr


def _descriptor_of(stream: object) -> int | None:
    try:
        return stream.fileno()  # type: ignore[attr-defined, no-any-return]  # AttributeError is one of the answers
    except (AttributeError, OSError, ValueError):
        return None
