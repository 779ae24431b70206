"""Freed memory, where the C library is glibc: seen in a process of its own."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Blocks of 64 KB, with one that is held above them all: glibc keeps what lies below it.
CODE = """
import ctypes
from preprocess import heap

def resident():
    return 4096 * int(open('/proc/self/statm').read().split()[1])

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
blocks = [libc.malloc(65536) for _ in range(2000)]
for block in blocks:
    ctypes.memset(block, 1, 65536)
full = resident()
for block in blocks[:-1]:
    libc.free(block)
kept = resident()
heap.give_back()
print(full - kept < 10_000_000, kept - resident() > 100_000_000)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='other C libraries have ways of their own')
def test_what_is_free_is_given_back_to_the_system():
    done = subprocess.run([sys.executable, '-c', CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['True', 'True']
