"""What a job in the cloud will take: worker-hours, time and dollars, from the speed of a few pictures here.

The model is as plain as what is known: every phase is limited by processors, by the network's bytes or by the time
requests wait, whichever takes longest; all workers are there from the first picture to the last. What it takes for
granted is told with the estimate.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from preprocess.machines import Accelerator, Machine
from preprocess.rates import Rates

_HOUR = 3600.0
# Dataflow charges the first gigabytes of a job's shuffle at a quarter, and those after these at a half.
_SHUFFLE_STEPS = ((250.0, 0.25), (4870.0, 0.5))


@dataclass(frozen=True)
class Overheads:
    """What is the same in every job; seconds are those of one core. `benchmarks/scaling.py` shows what was measured."""

    # Workers come up and install the package: not measured, three to five minutes are usual.
    start_s: float = 240.0
    # benchmarks/store.py: a row's way from its CSV to its record out of a full store, and what a new picture adds.
    row_s: float = 0.00052
    new_row_s: float = 0.00045
    # Reading CSVs, each by one worker: 19 µs to parse a row, the rest to divide and pack it (benchmarks/million.py).
    csv_row_s: float = 0.00003
    # What travels for a row of 60 letters, packed and encoded, is written and read; and with what the store has of it.
    new_row_shuffle_bytes: float = 2 * 144.0
    known_row_shuffle_bytes: float = 2 * 182.0
    # What an object store gives a worker: not measured; the vendor's own figures are higher.
    bytes_per_s: float = 100e6
    request_s: float = 0.05
    requests_at_once: int = 16
    # A picture that is not known is read twice: to know it by its content, and to embed it.
    reads_of_new: int = 2
    # A writer of the store closes a piece when it is so big, or so many seconds old; records are cut into files so big.
    piece_bytes: float = 64 << 20
    piece_s: float = 30.0
    shard_bytes: float = 64 << 20
    # Whoever writes a record file opens every piece that has some of its vectors: its size, its keys, its rows.
    requests_an_opening: int = 3
    bytes_an_opening: float = 512 << 10

    def __post_init__(self) -> None:
        if self.bytes_per_s <= 0 or self.requests_at_once < 1:
            raise ValueError(f'nothing can be read so: {self}')


@dataclass(frozen=True)
class Workload:
    """What a job has to do: rows, pictures among them, those in the store already; a picture's bytes and seconds."""

    rows: int
    pictures: int
    in_store: int
    picture_bytes: float
    seconds_per_picture: float  # of one core here: decoding and the network
    vector_bytes: int
    csvs: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.in_store <= self.pictures <= self.rows or self.csvs < 1:
            raise ValueError(f'this can not be: {self}')

    @property
    def new(self) -> int:
        """Pictures to embed."""
        return self.pictures - self.in_store


@dataclass(frozen=True)
class Fleet:
    """The workers of a job; `pictures_per_second` is one worker's, where that was measured on such a machine."""

    workers: int
    machine: Machine
    vcpu_speed: float = 1.0  # how fast a vCPU is against one core here
    pictures_per_second: float | None = None
    disk_gb: float = 25.0
    accelerator: Accelerator | None = None  # one that is not part of the machine type

    def __post_init__(self) -> None:
        if self.workers < 1 or self.vcpu_speed <= 0 or (self.pictures_per_second or 1.0) <= 0:
            raise ValueError(f'these can not work: {self}')

    @property
    def cores(self) -> float:
        """How many cores like those here the fleet is worth."""
        return self.workers * self.machine.vcpus * self.vcpu_speed

    @property
    def accelerators(self) -> list[Accelerator]:
        """All of a worker's."""
        return [one for one in (self.machine.accelerator, self.accelerator) if one]


@dataclass(frozen=True)
class TrainingFleet:
    """The machines of a training job, all alike."""

    machine: Machine
    nodes: int = 1
    disk_gb: float = 100.0
    accelerator: Accelerator | None = None

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise ValueError(f'{self.nodes} machines')

    def __str__(self) -> str:
        cards = f' with {self.accelerator.count} {self.accelerator.kind}' if self.accelerator else ''
        return (f'{self.nodes} x ' if self.nodes > 1 else '') + self.machine.name + cards

    @property
    def accelerators(self) -> list[Accelerator]:
        """All of a machine's."""
        return [one for one in (self.machine.accelerator, self.accelerator) if one]


@dataclass(frozen=True)
class Estimate:
    """What a job will take: seconds of its phases, one after the other, what it moves, and dollars by what for."""

    workers: int
    start_s: float
    naming_s: float
    embedding_s: float
    joining_s: float
    read_bytes: float
    written_bytes: float
    shuffle_bytes: float
    requests: float  # that read
    writes: float
    pieces: int
    shards: int
    openings: int  # of pieces, by those who write record files
    dollars: Mapping[str, float] = field(default_factory=dict)

    @property
    def wall_s(self) -> float:
        """From submitting to done."""
        return self.start_s + self.naming_s + self.embedding_s + self.joining_s

    @property
    def worker_hours(self) -> float:
        """Hours of workers that are paid."""
        return self.workers * self.wall_s / _HOUR

    @property
    def total(self) -> float:
        """Dollars in all."""
        return sum(self.dollars.values())


def estimate(work: Workload, fleet: Fleet, rates: Rates, overheads: Overheads | None = None) -> Estimate:
    """What a job will take, and cost."""
    rest = overheads or Overheads()
    per_read = work.new * work.picture_bytes
    naming_s = max(
        _transfer_s(
            per_read * (rest.reads_of_new - 1), work.pictures + work.new * (rest.reads_of_new - 1), fleet, rest
        ),
        # A CSV is read by one worker, however many there are.
        work.rows * rest.csv_row_s / (work.csvs * fleet.vcpu_speed),
    )
    network_s = work.new * work.seconds_per_picture / fleet.cores
    if fleet.pictures_per_second:
        network_s = work.new / (fleet.workers * fleet.pictures_per_second)
    vectors_bytes = float(work.pictures * work.vector_bytes)
    pieces = math.ceil(work.pictures / _rows_of_a_piece(work, fleet, rest))
    shards = max(1, math.ceil(vectors_bytes / rest.shard_bytes))
    # At the worst every record is the only one that its file has from its piece.
    openings = min(work.pictures, pieces * shards)
    timed = Estimate(
        workers=fleet.workers,
        start_s=rest.start_s,
        naming_s=naming_s,
        embedding_s=max(network_s, _transfer_s(per_read, work.new, fleet, rest)),
        joining_s=(work.rows * rest.row_s + work.new * rest.new_row_s) / fleet.cores
        + _opening_s(openings, shards, fleet, rest),
        read_bytes=per_read * rest.reads_of_new,
        # Into the store what is new, and all of it into records.
        written_bytes=work.new * work.vector_bytes + vectors_bytes,
        shuffle_bytes=work.new * rest.new_row_shuffle_bytes + (work.rows - work.new) * rest.known_row_shuffle_bytes,
        requests=float(work.pictures + rest.reads_of_new * work.new + rest.requests_an_opening * openings),
        # A record file is written under another name first.
        writes=pieces * work.new / max(work.pictures, 1) + 2 * shards,
        pieces=pieces,
        shards=shards,
        openings=openings,
    )
    return _priced(timed, fleet, rates)


def training_dollars(seconds: float, fleet: TrainingFleet, rates: Rates) -> float | None:
    """What a training job costs; None when the table has no price for such machines."""
    machine = fleet.machine
    vcpu, memory = rates.training_vcpu_hour.get(machine.family), rates.training_memory_gb_hour.get(machine.family)
    cards = [rates.training_accelerator_hour.get(one.kind) for one in fleet.accelerators]
    if vcpu is None or memory is None or None in cards:
        return None
    hourly = machine.vcpus * vcpu + machine.memory_gb * memory + fleet.disk_gb * rates.training_disk_gb_hour
    hourly += sum(one.count * (card or 0.0) for one, card in zip(fleet.accelerators, cards, strict=True))
    return fleet.nodes * hourly * seconds / _HOUR


def unpriced(fleet: Fleet, rates: Rates) -> list[str]:
    """Accelerators of a fleet that the table has no price for."""
    return [one.kind for one in fleet.accelerators if one.kind not in rates.accelerator_hour]


def charged_shuffle_gb(gigabytes: float) -> float:
    """Gigabytes of shuffle as a job is charged for them."""
    charged, left = 0.0, gigabytes
    for step, share in _SHUFFLE_STEPS:
        charged += min(left, step) * share
        left -= min(left, step)
    return charged + left


def _transfer_s(transferred: float, requests: float, fleet: Fleet, rest: Overheads) -> float:
    """How long it takes to read so much in so many requests."""
    waiting_s = requests * rest.request_s / (fleet.workers * rest.requests_at_once)
    return max(waiting_s, transferred / (fleet.workers * rest.bytes_per_s))


def _rows_of_a_piece(work: Workload, fleet: Fleet, rest: Overheads) -> float:
    """Vectors in a piece: a core's of so many seconds, or a worker's where that is what is known."""
    a_second = fleet.pictures_per_second or fleet.vcpu_speed / max(work.seconds_per_picture, 1e-9)
    return max(1.0, min(rest.piece_bytes / work.vector_bytes, rest.piece_s * a_second))


def _opening_s(openings: int, shards: int, fleet: Fleet, rest: Overheads) -> float:
    """How long record files wait for the pieces: a file is one core's, which opens several pieces at once."""
    at_once = min(fleet.workers * fleet.machine.vcpus, shards) * rest.requests_at_once
    waiting_s = openings * rest.requests_an_opening * rest.request_s / at_once
    return max(waiting_s, openings * rest.bytes_an_opening / (fleet.workers * rest.bytes_per_s))


def _priced(timed: Estimate, fleet: Fleet, rates: Rates) -> Estimate:
    hours, machine, card = timed.worker_hours, fleet.machine, rates.accelerator_hour
    dollars = {
        'vCPUs': hours * machine.vcpus * rates.vcpu_hour,
        'memory': hours * machine.memory_gb * rates.memory_gb_hour,
        'disks': hours * fleet.disk_gb * rates.disk_gb_hour,
        'accelerators': sum(hours * one.count * card.get(one.kind, 0.0) for one in fleet.accelerators),
        'shuffle': charged_shuffle_gb(timed.shuffle_bytes / 1e9) * rates.shuffle_gb,
        'storage requests': (timed.requests * rates.reads_1000 + timed.writes * rates.writes_1000) / 1000,
    }
    return Estimate(**{**vars(timed), 'dollars': {what: value for what, value in dollars.items() if value}})
