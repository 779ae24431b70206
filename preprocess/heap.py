"""What becomes of freed memory: given back to the system at once, or kept for what asks for the same again (glibc).

TensorFlow copies a graph several times while it prepares it; glibc would keep those copies' room to the end: 500 MB of
1.7 GB with Inception v3 (measured). Afterwards room is kept, because every batch asks for the same again.

A process that decodes pictures asks for the same few blocks for each of them. glibc would give some back and get them
anew, page by page; with room kept a picture takes an eighth less time (measured).
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_RETURNED = 256 << 10
_KEPT_BLOCK, _KEPT_TOP = 32 << 20, 512 << 20
# For the environment of a process that decodes pictures: it keeps so much at most. Other C libraries don't read these.
DECODING = {'MALLOC_MMAP_THRESHOLD_': str(8 << 20), 'MALLOC_TRIM_THRESHOLD_': str(16 << 20)}


@contextmanager
def returning() -> Iterator[None]:
    """Blocks freed meanwhile are the system's again; nothing happens where the C library is not glibc."""
    libc = ctypes.CDLL(None)
    if not (hasattr(libc, 'mallopt') and hasattr(libc, 'malloc_trim')):
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _RETURNED)
    libc.mallopt(_TRIM_THRESHOLD, _RETURNED)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _KEPT_BLOCK)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT_TOP)
        give_back()


def give_back() -> None:
    """Make what is free the system's again, where the C library can."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, 'malloc_trim'):
        libc.malloc_trim(0)
