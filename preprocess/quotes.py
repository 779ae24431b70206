"""What a cloud job is said to take before it is started: the flags that ask for it, and the lines that answer."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preprocess import costs
from preprocess.costs import Estimate, Fleet, TrainingFleet, Workload
from preprocess.dataflow_config import DEFAULT_MACHINE, DEFAULT_MAX_WORKERS
from preprocess.failures import UsageError
from preprocess.machines import Accelerator, Machine
from preprocess.progress import duration
from preprocess.rates import SOURCES, Rates

_OF_DATAFLOW = ('vcpu_hour', 'memory_gb_hour', 'disk_gb_hour', 'shuffle_gb')
_PAGES = {'Dataflow': 'cloud.google.com/dataflow/pricing', 'Vertex AI': 'cloud.google.com/vertex-ai/pricing'}
_ACCELERATOR = re.compile(r'worker_accelerator=type:(?P<kind>[\w-]+)(?:;count:(?P<count>\d+))?')


@dataclass(frozen=True)
class Asked:
    """The workers a job is asked to have, and what to reckon with; `notes` say what was filled in."""

    fleet: Fleet
    rates: Rates
    region: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """The training that follows: how long it takes here, and the machine it is to run on."""

    seconds: float
    fleet: TrainingFleet
    start_s: float = 300.0  # not measured: a training job's machine and container come up


def add_flags(parser: argparse._ActionsContainer) -> None:
    """The flags a cloud dry run reckons with."""
    parser.add_argument('--rates', metavar='FILE', help='JSON with prices that differ from the table')
    parser.add_argument(
        '--vcpu_speed',
        type=float,
        default=1.0,
        metavar='F',
        help="how fast a worker's vCPU is against one core here (default 1)",
    )
    parser.add_argument(
        '--worker_speed',
        type=float,
        metavar='N',
        help='pictures a second of one worker, where that was measured, as with a GPU',
    )


def from_flags(found: argparse.Namespace, beam_args: Sequence[str] = ()) -> Asked:
    """What the flags of a command, ours and Beam's, ask for."""
    for name, value in (('--vcpu_speed', found.vcpu_speed), ('--worker_speed', found.worker_speed)):
        if value is not None and not 0 < value < float('inf'):
            raise UsageError(f'{value} is no speed', where=name, do='give a number above 0')
    said = _said(found, beam_args)
    rates = Rates.read(found.rates) if found.rates else Rates()
    workers, machine, notes = _workers(said), said.get('machine_type'), []
    if workers is None:
        notes.append(f'{DEFAULT_MAX_WORKERS} workers, the most there are without --max_num_workers')
    if machine is None:
        notes.append(f'{DEFAULT_MACHINE}, the machines there are without --machine_type')
    fleet = Fleet(
        workers=workers or DEFAULT_MAX_WORKERS,
        machine=Machine.named(machine or DEFAULT_MACHINE, where='--machine_type'),
        vcpu_speed=found.vcpu_speed,
        pictures_per_second=found.worker_speed,
        disk_gb=float(said.get('disk_size_gb', 25)),
        accelerator=_accelerator(said.get('dataflow_service_options', '')),
    )
    return Asked(fleet, rates, said.get('region', rates.region), tuple(notes))


def lines(work: Workload, asked: Asked, training: Training | None = None) -> list[str]:
    """What a job will take, and what that takes for granted."""
    fleet, found = asked.fleet, costs.estimate(work, asked.fleet, asked.rates)
    said = [
        f'cloud     {fleet.workers:,} x {fleet.machine.name}, {fleet.workers * fleet.machine.vcpus:,} vCPUs, '
        f'{asked.region}: {work.rows:,} rows, {work.new:,} pictures to embed, {work.in_store:,} in the store already',
        f'moves     {found.read_bytes / 1e9:,.2f} GB to read, {found.written_bytes / 1e9:,.2f} GB to write, '
        f'{found.shuffle_bytes / 1e9:,.2f} GB through the shuffle',
        f'time      about {duration(found.wall_s)}, {found.worker_hours:,.1f} worker-hours: {_phases(found)}',
        f'cost      about {_dollars(found.total)}: {_items(found.dollars)}',
        f'keeping   what is written: {_dollars(found.written_bytes / 1e9 * asked.rates.storage_gb_month)} a month',
    ]
    said += _training_lines(training, asked.rates, found) if training else []
    said += [f'assumed   {one}' for one in _assumptions(work, asked)]
    return [*said, *_to_check(asked, training)]


def _phases(found: Estimate) -> str:
    phases = {
        'until workers are up': found.start_s,
        'looking up': found.naming_s,
        'embedding': found.embedding_s,
        'joining and writing': found.joining_s,
    }
    return ', '.join(f'{duration(seconds)} {what}' for what, seconds in phases.items())


def _items(dollars: Mapping[str, float]) -> str:
    return ', '.join(f'{_dollars(value)} {what}' for what, value in dollars.items()) or 'nothing'


def _training_lines(training: Training, rates: Rates, found: Estimate) -> list[str]:
    seconds = training.start_s + training.seconds
    dollars = costs.training_dollars(seconds, training.fleet, rates)
    if dollars is None:
        return [f'training  about {duration(seconds)} on {training.fleet}, for which --rates has no price']
    return [
        f'training  about {duration(seconds)} on {training.fleet}, {duration(training.start_s)} of it until it is up: '
        f'{_dollars(dollars)}',
        f'in all    about {duration(found.wall_s + seconds)} and {_dollars(found.total + dollars)}',
    ]


def _assumptions(work: Workload, asked: Asked) -> list[str]:
    fleet, rates = asked.fleet, asked.rates
    here_ms = work.seconds_per_picture * 1000
    speed = f'a vCPU is {fleet.vcpu_speed:g} of a core here, which takes {here_ms:,.1f} ms a picture'
    if fleet.pictures_per_second:
        speed = f'a worker embeds {fleet.pictures_per_second:g} pictures a second, as --worker_speed says'
    elif fleet.accelerators:
        speed += '; what an accelerator adds is not known here (--worker_speed)'
    said = [
        *asked.notes,
        f'{speed}; all workers are there from the first picture to the last',
        'pictures and store are in the region of the workers; a picture that moved since it was embedded counts as new',
        f'list prices in US dollars of {rates.as_of} for {rates.region}, without discounts and taxes',
    ]
    if missing := costs.unpriced(fleet, rates):
        said.append(f'{", ".join(missing)} at no price, because the table has none')
    return said


def _to_check(asked: Asked, training: Training | None) -> list[str]:
    """The prices the estimate takes that are surer on the vendor's pages than here."""
    unsure, taken = asked.rates.unsure(), {'Dataflow': [*_OF_DATAFLOW]}
    if asked.fleet.accelerators:
        taken['Dataflow'] += ['accelerator_hour']
    if training:
        taken['Vertex AI'] = [name for name in SOURCES if name.startswith('training_')]
    return [
        f'check     prices of {service} are {" or ".join(sources)}: {_PAGES[service]}; --rates FILE puts in yours'
        for service, names in taken.items()
        if (sources := dict.fromkeys(unsure[name] for name in names if name in unsure))
    ]


def _dollars(amount: float) -> str:
    return f'${amount:,.2f}' if amount >= 0.005 or not amount else f'${amount:.4f}'


def _workers(said: Mapping[str, str]) -> int | None:
    """The most that are asked for: a job that may grow does."""
    asked = [int(said[name]) for name in ('num_workers', 'max_num_workers') if name in said]
    if any(one < 0 for one in asked):
        raise UsageError(f'{min(asked)} workers', where='--num_workers', do='give 1 or more')
    # Beam takes 0 for what the service chooses.
    return max(asked, default=0) or None


def _accelerator(service_options: str) -> Accelerator | None:
    found = _ACCELERATOR.search(service_options)
    return Accelerator(found['kind'], int(found['count'] or 1)) if found else None


def _said(found: argparse.Namespace, beam_args: Sequence[str]) -> dict[str, str]:
    """What our flags say of workers, and Beam's where ours don't."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument('--num_workers', type=int)
    parser.add_argument('--max_num_workers', type=int)
    parser.add_argument('--machine_type', '--worker_machine_type')
    parser.add_argument('--disk_size_gb', type=int)
    parser.add_argument('--region')
    parser.add_argument('--dataflow_service_options', '--dataflow_service_option', action='append')
    beams = parser.parse_known_args(list(beam_args))[0]
    said = {}
    for name, value in vars(beams).items():
        own = getattr(found, name, None)
        chosen = own if own is not None else value
        if chosen is not None:
            said[name] = ' '.join(chosen) if isinstance(chosen, list) else str(chosen)
    return said
