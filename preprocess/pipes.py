"""Pipes to child processes, wide enough for a picture: each piece of one would wake both sides up."""

import contextlib
import fcntl
from subprocess import Popen

# Holds the pixels of an encoder's picture, and most pictures' files. Linux's own are an eighth of it.
_BYTES = 1 << 19


def widen(child: 'Popen[bytes]') -> None:
    """Make the pipes to and from a child wider, where the system allows it."""
    for pipe in (child.stdin, child.stdout):
        if pipe:
            with contextlib.suppress(OSError, AttributeError):  # it gave out as much as it will; it is not Linux
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _BYTES)
