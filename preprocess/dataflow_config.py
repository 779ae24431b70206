"""What a Dataflow job is asked to be: place, workers, machines, package, labels; their flags, defaults and limits."""

import argparse
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from preprocess import cloud_place, files
from preprocess.cloud_place import CloudPlace
from preprocess.failures import InputError, UsageError

RUNNER = 'DataflowRunner'
# gcloud's own name for it: who reaches Google by another address has set it already.
ENDPOINT = 'CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAFLOW'
# One kind of processor with AVX-512, so that all workers' vectors are equal to the last bit.
DEFAULT_MACHINE = 'n2-standard-8'
# More are worth a container in which everything is installed already: without it each installs TensorFlow first.
DEFAULT_MAX_WORKERS = 10
AUTOSCALING = ('THROUGHPUT_BASED', 'NONE')
STAGING = '.dataflow'
_MOST_WORKERS = 1000  # of any Dataflow job
_CORES_OF_OTHERS = 4
_MACHINE = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)+')
_CORES = re.compile(r'(?:[a-z0-9]+-)?custom-(\d+)-\d+(?:-ext)?|[a-z0-9]+-[a-z]+-(\d+)(?:-[a-z]+)?')
_SHARED_CORES = re.compile(r'[a-z0-9]+-(micro|small|medium)')
_LABEL = re.compile(r'([a-z][a-z0-9_-]{0,62})=([a-z0-9_-]{0,63})')
# Beam's options that make something else than a job which is waited for.
_NO_JOB = ('--template_location', '--update')
# Ours and Beam's of one name: without --cloud they go to whatever runner was asked for.
_SHARED = (
    'job_name',
    'num_workers',
    'project',
    'region',
    'staging_location',
    'temp_location',
    'max_num_workers',
    'autoscaling_algorithm',
    'machine_type',
    'sdk_container_image',
    'setup_file',
    'service_account_email',
)


@dataclass(frozen=True, kw_only=True)
class DataflowConfig:
    """One Dataflow job, whatever it computes."""

    place: CloudPlace
    job_name: str
    staging_location: str
    temp_location: str
    num_workers: int | None = None  # None: Dataflow's choice
    max_num_workers: int = DEFAULT_MAX_WORKERS
    autoscaling: str = AUTOSCALING[0]
    machine_type: str = DEFAULT_MACHINE
    container: str | None = None
    setup_file: str | None = None  # None: a package of what workers need
    labels: tuple[str, ...] = ()
    service_account: str | None = None
    wait: bool = True
    more: tuple[str, ...] = ()  # Beam's options, handed on

    def __post_init__(self) -> None:
        for flag, path in (('--staging_location', self.staging_location), ('--temp_location', self.temp_location)):
            check_on_bucket(flag, path)
        cloud_place.job_name(self.job_name, '')
        self._check_workers()
        if unfit := next((word for word in self.more if word.partition('=')[0] in _NO_JOB), None):
            flag = unfit.partition('=')[0]
            raise UsageError(f'{flag} makes no job that could be waited for', where=flag, do='leave it out')
        if not _MACHINE.fullmatch(self.machine_type):
            raise UsageError(
                f'{self.machine_type!r} is no type of machine',
                where='--machine_type',
                do=f'give one like {DEFAULT_MACHINE} (gcloud compute machine-types list)',
            )
        for label in self.labels:
            check_label(label)
        if self.setup_file is not None and files.name(self.setup_file) != 'setup.py':
            raise UsageError(
                f'{self.setup_file} is not called setup.py', where='--setup_file', do='leave it out, or name a setup.py'
            )
        if self.setup_file is not None and not os.path.isfile(self.setup_file):
            raise InputError('there is no such file', where=f'--setup_file {self.setup_file}', do='leave it out')

    def _check_workers(self) -> None:
        for flag, count in (('--num_workers', self.num_workers), ('--max_num_workers', self.max_num_workers)):
            if count is not None and not 1 <= count <= _MOST_WORKERS:
                raise UsageError(f'{count} workers', where=flag, do=f'give 1 to {_MOST_WORKERS}')
        if self.num_workers and self.num_workers > self.max_num_workers:
            raise UsageError(
                f'{self.num_workers} workers to begin with are more than the {self.max_num_workers} at most',
                where='--num_workers',
                do='raise --max_num_workers, or leave one of them out',
            )

    @property
    def cores(self) -> int:
        """Of one worker."""
        found = _CORES.fullmatch(self.machine_type)
        if not found:
            return 2 if _SHARED_CORES.fullmatch(self.machine_type) else _CORES_OF_OTHERS
        return int(found[1] or found[2])

    @property
    def harness_threads(self) -> int:
        """Bundles under way at once in a worker: while some are ended and others begun, the network keeps its batch."""
        return max(4, min(self.cores, 12))

    @property
    def workers(self) -> str:
        """In a few words."""
        if self.autoscaling == 'NONE':
            count = str(self.num_workers or 1)
        else:
            count = f'{self.num_workers or 1} to {self.max_num_workers}'
        return f'{count} x {self.machine_type}'

    def beam_args(self, *, setup_file: str | None = None) -> list[str]:
        """The job as Beam's options; the encoder is loaded once a machine, not once a core."""
        named = {
            'runner': RUNNER,
            'project': self.place.project,
            'region': self.place.region,
            'job_name': self.job_name,
            'staging_location': self.staging_location,
            'temp_location': self.temp_location,
            'num_workers': self.num_workers,
            'max_num_workers': self.max_num_workers,
            'autoscaling_algorithm': self.autoscaling,
            'worker_machine_type': self.machine_type,
            'sdk_container_image': self.container,
            'service_account_email': self.service_account,
            'setup_file': self.setup_file or setup_file,
            'number_of_worker_harness_threads': self.harness_threads,
            'experiments': 'no_use_multiple_sdk_containers',
        }
        given = [f'--{name}={value}' for name, value in named.items() if value is not None]
        # What a worker runs is in modules: the session would drag the driver's own imports along.
        return [*given, *(f'--labels={label}' for label in self.labels), '--no_save_main_session', *self.more]

    def beam_option(self, name: str) -> str | None:
        """One of Beam's options that were handed on."""
        return _option(self.more, name)


def add_worker_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that other runners know, too."""
    parser.add_argument('--job_name', help='what a job is called (default: of your name, the folder and the time)')
    parser.add_argument(
        '--num_workers', type=int, metavar='N', help='workers to begin with, for runners that start them'
    )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of a Dataflow job, with those of add_worker_flags."""
    cloud = parser.add_argument_group('on Google Cloud')
    cloud.add_argument('--cloud', action='store_true', help='run there instead of here; all paths are gs://')
    cloud.add_argument('--project', help="the project (default: the environment's, or gcloud's)")
    cloud.add_argument('--region', help="the region (default: the environment's, or gcloud's)")
    cloud.add_argument('--no_wait', action='store_true', help='submit and end; the same command attaches later')
    cloud.add_argument('--staging_location', metavar='gs://…', help='where code is put (default: below the output)')
    cloud.add_argument('--temp_location', metavar='gs://…', help="for Dataflow's own files (default: below the output)")
    cloud.add_argument(
        '--max_num_workers', type=int, metavar='N', help=f'most workers at a time (default {DEFAULT_MAX_WORKERS})'
    )
    cloud.add_argument(
        '--autoscaling_algorithm', choices=AUTOSCALING, help='NONE: --num_workers, all the time (default: as needed)'
    )
    cloud.add_argument(
        '--machine_type', '--worker_machine_type', metavar='TYPE', help=f'of a worker (default {DEFAULT_MACHINE})'
    )
    cloud.add_argument(
        '--sdk_container_image', metavar='IMAGE', help='a container of your own for workers; worth it above 10'
    )
    cloud.add_argument('--setup_file', metavar='setup.py', help='another package for workers (default: made of this)')
    cloud.add_argument('--labels', '--label', action='append', metavar='K=V', help='labels of the job; repeatable')
    cloud.add_argument('--service_account_email', metavar='EMAIL', help='who workers are')


def is_asked_for(found: argparse.Namespace, beam_args: Sequence[str]) -> bool:
    """Whether the embedding is to run on Dataflow: with --cloud, or by the name of its runner."""
    runner = _option(beam_args, 'runner')
    if found.cloud and runner not in (None, RUNNER):
        raise UsageError(
            f'--cloud runs on Dataflow, --runner asks for {runner}', where='--runner', do='leave out one of them'
        )
    if runner != RUNNER and not found.cloud and found.no_wait:
        raise UsageError('--no_wait goes with --cloud', where='--no_wait', do='add --cloud, or leave it out')
    return bool(found.cloud) or runner == RUNNER


def handed_on(found: argparse.Namespace) -> list[str]:
    """Our flags that other runners of Beam's may know under the same names."""
    if found.num_workers is not None and found.num_workers < 1:
        raise UsageError(f'{found.num_workers} workers', where='--num_workers', do='give 1 or more')
    given = [f'--{name}={value}' for name in _SHARED if (value := getattr(found, name)) is not None]
    return [*given, *(f'--labels={label}' for label in found.labels or ())]


def from_flags(
    found: argparse.Namespace, beam_args: Sequence[str], *, output_dir: str, about: str | None = None
) -> DataflowConfig:
    """The job that flags ask for; its files lie below the output, where whoever may write that may write them.

    `about` is what it is named after: the output, unless several jobs share that.
    """
    check_on_bucket('the output directory', output_dir)
    below = files.join(output_dir, STAGING)
    workers = found.num_workers
    return DataflowConfig(
        place=cloud_place.find(found.project, found.region),
        job_name=cloud_place.job_name(found.job_name, about or output_dir),
        staging_location=found.staging_location or files.join(below, 'staging'),
        temp_location=found.temp_location or files.join(below, 'temp'),
        num_workers=workers,
        max_num_workers=found.max_num_workers or max(DEFAULT_MAX_WORKERS, workers or 0),
        autoscaling=found.autoscaling_algorithm or AUTOSCALING[0],
        machine_type=found.machine_type or DEFAULT_MACHINE,
        container=found.sdk_container_image,
        setup_file=found.setup_file and os.path.abspath(found.setup_file),
        labels=_labels(found.labels or ()),
        service_account=found.service_account_email,
        wait=not found.no_wait,
        more=_with_endpoint(_without_runner(beam_args)),
    )


def _with_endpoint(more: tuple[str, ...]) -> tuple[str, ...]:
    """The address that the environment names, where the flags name none."""
    told = os.environ.get(ENDPOINT)
    return (*more, f'--dataflow_endpoint={told}') if told and not _option(more, 'dataflow_endpoint') else more


def check_on_bucket(flag: str, path: str) -> None:
    """Refuse a path that workers could not reach."""
    if not re.fullmatch(r'gs://[^/]+(/.*)?', path):
        raise UsageError(
            f'{path} is not on Google Cloud Storage',
            where=flag,
            do='with --cloud every path is one like gs://bucket/folder (gcloud storage cp -r … copies there)',
        )


def check_label(label: str) -> None:
    """Refuse a label that Google would refuse."""
    if not _LABEL.fullmatch(label):
        raise UsageError(
            f'{label!r} is no label',
            where='--labels',
            do='write key=value: small letters, digits, - and _, 63 at most each, the key begins with a letter',
        )


def _labels(given: Sequence[str]) -> tuple[str, ...]:
    """Labels as they are given: k=v, or Beam's other form, one JSON object."""
    found: list[str] = []
    for text in given:
        try:
            said = json.loads(text) if text.startswith('{') else None
        except ValueError:
            said = None
        found += [f'{key}={value}' for key, value in said.items()] if isinstance(said, dict) else [text]
    return tuple(found)


def _option(beam_args: Sequence[str], name: str) -> str | None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(f'--{name}')
    found = getattr(parser.parse_known_args(list(beam_args))[0], name)
    return None if found is None else str(found)


def _without_runner(beam_args: Sequence[str]) -> tuple[str, ...]:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument('--runner')
    return tuple(parser.parse_known_args(list(beam_args))[1])
