"""Machine types of the cloud by name: how many vCPUs, how much memory, and the accelerators that are part of some."""

import re
from dataclasses import dataclass

from preprocess.failures import UsageError

# Gigabytes for each vCPU, by family and kind.
_MEMORY = {
    'n1': {'standard': 3.75, 'highmem': 6.5, 'highcpu': 0.9},
    'n2': {'standard': 4.0, 'highmem': 8.0, 'highcpu': 1.0},
    'n2d': {'standard': 4.0, 'highmem': 8.0, 'highcpu': 1.0},
    'n4': {'standard': 4.0, 'highmem': 8.0, 'highcpu': 2.0},
    'e2': {'standard': 4.0, 'highmem': 8.0, 'highcpu': 1.0},
    't2d': {'standard': 4.0},
    'c2': {'standard': 4.0},
    'c2d': {'standard': 4.0, 'highmem': 8.0, 'highcpu': 2.0},
    'c3': {'standard': 4.0, 'highmem': 8.0, 'highcpu': 2.0},
    'c3d': {'standard': 4.0, 'highmem': 8.0, 'highcpu': 2.0},
    'c4': {'standard': 3.75, 'highmem': 7.75, 'highcpu': 2.0},
    'g2': {'standard': 4.0},
}
# Of the g2 family: L4s by the number of vCPUs.
_L4S = {4: 1, 8: 1, 12: 1, 16: 1, 24: 2, 32: 1, 48: 4, 96: 8}
# Of the a2 family: vCPUs for each A100.
_OF_AN_A100, _MEMORY_OF_AN_A100 = 12, 85.0
_A100S = re.compile(r'a2-highgpu-(?P<count>[1248])g')
_NAMED = re.compile(r'(?P<family>[a-z]\d[a-z]?)-(?P<kind>[a-z]+)-(?P<vcpus>\d+)')
_CUSTOM = re.compile(r'(?:(?P<family>n1|n2|n2d|n4|e2)-)?custom-(?P<vcpus>\d+)-(?P<megabytes>\d+)(?:-ext)?')


@dataclass(frozen=True)
class Accelerator:
    """Accelerators of one kind in a machine."""

    kind: str
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f'{self.count} accelerators')


@dataclass(frozen=True)
class Machine:
    """A machine type."""

    name: str
    family: str
    vcpus: int
    memory_gb: float
    accelerator: Accelerator | None = None

    def __post_init__(self) -> None:
        if self.vcpus < 1 or self.memory_gb <= 0:
            raise ValueError(f'a machine of {self.vcpus} vCPUs and {self.memory_gb} GB')

    @classmethod
    def named(cls, name: str, *, where: str = '--worker_machine_type') -> 'Machine':
        """The machine of a name like n1-standard-4 or n2-custom-6-24576; UsageError when it isn't known here."""
        # Some ask with the zone's whole path before it.
        short = name.rpartition('/')[2]
        if found := _CUSTOM.fullmatch(short):
            vcpus, megabytes = int(found['vcpus']), int(found['megabytes'])
            if vcpus and megabytes:
                return cls(short, found['family'] or 'n1', vcpus, megabytes / 1024)
        elif found := _A100S.fullmatch(short):
            cards = Accelerator('nvidia-tesla-a100', int(found['count']))
            return cls(short, 'a2', cards.count * _OF_AN_A100, cards.count * _MEMORY_OF_AN_A100, cards)
        elif (found := _NAMED.fullmatch(short)) and (per_vcpu := _MEMORY.get(found['family'], {}).get(found['kind'])):
            family, vcpus = found['family'], int(found['vcpus'])
            l4s = Accelerator('nvidia-l4', _L4S[vcpus]) if family == 'g2' and vcpus in _L4S else None
            if vcpus and (family != 'g2' or l4s):
                return cls(short, family, vcpus, vcpus * per_vcpu, l4s)
        raise UsageError(
            f'{name!r} is no machine type whose size is known here',
            where=where,
            do='give one like n1-standard-4, e2-standard-8, n2-highmem-8, g2-standard-8 or n2-custom-6-24576',
        )
