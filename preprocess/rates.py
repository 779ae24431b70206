"""What a cloud charges: one dated table, of which a file of one's own replaces what differs.

List prices in US dollars, without discounts, credits and taxes, of Dataflow, Vertex AI (custom training) and Cloud
Storage. They change, and no price list could be asked when they were written down: `SOURCES` says where each is from,
and `--rates FILE`, a JSON object with the same names, puts others in their place.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

from preprocess import files
from preprocess.failures import InputError

# Where the prices are from, the surest first.
READ = "read on the vendor's page"
QUOTED = "as others quote the vendor's page"
RECKONED = 'reckoned from those of Compute Engine'
SOURCES: Mapping[str, str] = {
    'reads_1000': READ,
    'writes_1000': READ,
    'storage_gb_month': READ,
    'vcpu_hour': QUOTED,
    'memory_gb_hour': QUOTED,
    'disk_gb_hour': QUOTED,
    'shuffle_gb': QUOTED,
    # Dataflow asks a fifth more for accelerators than Compute Engine, Vertex AI 15 % more for all of a machine.
    'accelerator_hour': RECKONED,
    'training_vcpu_hour': RECKONED,
    'training_memory_gb_hour': RECKONED,
    'training_disk_gb_hour': RECKONED,
    'training_accelerator_hour': RECKONED,
}
_DO = 'give a JSON object with names of the table in docs/formats.md'


def _dataflow_accelerators() -> dict[str, float]:
    return {'nvidia-tesla-t4': 0.42, 'nvidia-l4': 0.672, 'nvidia-tesla-p100': 1.752, 'nvidia-tesla-v100': 2.976}


def _training_vcpus() -> dict[str, float]:
    return {'n1': 0.036353, 'n2': 0.036353, 'e2': 0.025083, 'c2': 0.039077, 'g2': 0.02874, 'a2': 0.036353}


def _training_memory() -> dict[str, float]:
    return {'n1': 0.004873, 'n2': 0.004873, 'e2': 0.003361, 'c2': 0.005237, 'g2': 0.00337, 'a2': 0.004873}


def _training_accelerators() -> dict[str, float]:
    return {
        'nvidia-tesla-t4': 0.4025,
        'nvidia-l4': 0.644046,
        'nvidia-tesla-p100': 1.679,
        'nvidia-tesla-v100': 2.852,
        'nvidia-tesla-a100': 3.374,
    }


@dataclass(frozen=True)
class Rates:
    """Dollars for an hour of something, a gigabyte, a thousand requests; by family of machines where these differ."""

    as_of: str = '2025-06'
    region: str = 'us-central1'
    # Dataflow, batch.
    vcpu_hour: float = 0.056
    memory_gb_hour: float = 0.003557
    disk_gb_hour: float = 0.000054
    shuffle_gb: float = 0.011
    accelerator_hour: Mapping[str, float] = field(default_factory=_dataflow_accelerators)
    # Vertex AI, custom training.
    training_vcpu_hour: Mapping[str, float] = field(default_factory=_training_vcpus)
    training_memory_gb_hour: Mapping[str, float] = field(default_factory=_training_memory)
    training_disk_gb_hour: float = 0.000268
    training_accelerator_hour: Mapping[str, float] = field(default_factory=_training_accelerators)
    # Cloud Storage, standard class, read by workers of the same region.
    reads_1000: float = 0.0004
    writes_1000: float = 0.005
    storage_gb_month: float = 0.02
    # What a file has said, whose author knows where it is from.
    own: frozenset[str] = frozenset()

    def unsure(self) -> dict[str, str]:
        """Where the prices are from that the table has and nobody has read on the vendor's page."""
        return {name: source for name, source in SOURCES.items() if source != READ and name not in self.own}

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            for number in value.values() if isinstance(value, dict) else [value]:
                if isinstance(number, float) and not 0 <= number < float('inf'):
                    raise ValueError(f'{name} is {number}, which is no price')

    @classmethod
    def read(cls, path: str) -> 'Rates':
        """The table with what a file replaces; of a table by family or kind, what it names."""
        try:
            said = json.loads(files.read_text(path))
        except FileNotFoundError:
            raise InputError('there is no such file', where=f'--rates {path}', do=_DO) from None
        except ValueError as error:
            raise InputError(f'not JSON: {error}', where=f'--rates {path}', do=_DO) from None
        if not isinstance(said, dict):
            raise InputError('not a JSON object', where=f'--rates {path}', do=_DO)
        known = {one.name for one in fields(cls)} - {'own'}
        if strangers := sorted(set(said) - known):
            raise InputError(
                f'no such rate: {", ".join(strangers)}', where=f'--rates {path}', do=f'choose from {", ".join(known)}'
            )
        try:
            return _replaced(cls(), said)
        except (TypeError, ValueError) as error:
            raise InputError(str(error), where=f'--rates {path}', do=_DO) from None


def _replaced(rates: Rates, said: dict[str, object]) -> Rates:
    new: dict[str, object] = {'own': frozenset(said)}
    for name, value in said.items():
        before = getattr(rates, name)
        if isinstance(before, str):
            if not isinstance(value, str):
                raise TypeError(f'{name} is {value!r}, not a text')
            new[name] = value
        elif isinstance(before, Mapping):
            if not isinstance(value, dict):
                raise TypeError(f'{name} is {value!r}, not an object of prices')
            new[name] = {**before, **{kind: _price(f'{name}.{kind}', price) for kind, price in value.items()}}
        else:
            new[name] = _price(name, value)
    return replace(rates, **new)  # type: ignore[arg-type]  # each was checked against what it replaces


def _price(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f'{name} is {value!r}, not a number')
    return float(value)
