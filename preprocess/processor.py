"""What this machine's processor can compute in, as its kernel lists it."""

import os
from functools import cache

from preprocess import files

_CPU_INFO = '/proc/cpuinfo'
_BFLOAT16 = frozenset(['avx512_bf16', 'amx_bf16'])
_INT8 = frozenset(['avx512_vnni', 'avx_vnni', 'amx_int8'])


def usable_cores() -> int:
    """The processors this process may use, which a container makes fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def computes_in_bfloat16() -> bool:
    """Whether bfloat16 is its own; elsewhere libraries emulate it, or compute in float32 without a word."""
    return bool(_BFLOAT16 & flags())


def multiplies_int8() -> bool:
    """Whether it multiplies and adds bytes in one step, which is what makes int8 fast."""
    return bool(_INT8 & flags())


@cache
def flags() -> frozenset[str]:
    """The names of what it can do; none where the system doesn't list them."""
    return frozenset(_described('flags').split())


def name() -> str:
    """Its model's name."""
    return _described('model name') or 'this processor'


def gpus() -> int:
    """How many GPUs a network may run on here."""
    return len(files.glob('/dev/nvidia[0-9]*'))


def _described(field: str) -> str:
    if not os.path.exists(_CPU_INFO):
        return ''
    with open(_CPU_INFO, encoding='utf-8', errors='replace') as told:
        for line in told:
            key, _, value = line.partition(':')
            if key.strip() == field:
                return value.strip()
    return ''
