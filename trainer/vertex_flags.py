"""How a training runs on Vertex AI: where, on which machines, as whom; its flags."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field

from preprocess import cloud_place
from preprocess.cloud_place import CloudPlace
from preprocess.command import FlagParser
from preprocess.failures import UsageError
from trainer import vertex_job
from trainer.vertex_job import DEFAULT_GPU_IMAGE, DEFAULT_IMAGE, DEFAULT_MACHINE, Machines

# What trainer.task takes for --cloud; pipeline.py shares these with Dataflow.
_SHARED = ('project', 'region', 'job_name', 'labels', 'no_wait')
_OWN = ('machine_type', 'accelerator', 'nodes', 'spot', 'image', 'service_account')


@dataclass(frozen=True, kw_only=True)
class VertexConfig:
    """Where and as what the job of one training runs."""

    place: CloudPlace
    name: str
    machines: Machines = field(default_factory=Machines)
    image: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    service_account: str | None = None
    wait: bool = True

    def __post_init__(self) -> None:
        if self.image is not None:
            vertex_job.check_image(self.image)
        if self.service_account is not None and '@' not in self.service_account:
            raise UsageError(
                f'{self.service_account!r} is no service account',
                where='--train_service_account',
                do='give its address, NAME@PROJECT.iam.gserviceaccount.com',
            )


def add_flags(parser: FlagParser) -> None:
    """The machines of the training job, for pipeline.py and trainer.task alike."""
    group = parser.add_argument_group('the training job on Vertex AI (with --cloud)')
    add = group.add_argument
    add('--train_machine_type', metavar='TYPE', help=f'its machines (default {DEFAULT_MACHINE})')
    add('--train_accelerator', metavar='TYPE[:COUNT]', help='GPUs of each machine, say NVIDIA_L4 (default: none)')
    add('--train_nodes', type=int, metavar='N', help='so many machines train together (default 1)')
    add('--train_spot', action='store_true', help='on machines that may be taken away: cheaper, it goes on by itself')
    add(
        '--train_image',
        metavar='IMAGE',
        help=f'any image with Python 3.11-3.13 (default {DEFAULT_IMAGE}; with GPUs {DEFAULT_GPU_IMAGE})',
    )
    add('--train_service_account', metavar='ADDRESS', help='as whom it runs (default: --service_account_email, if any)')


def add_cloud_flags(parser: FlagParser) -> None:
    """What pipeline.py has for all its cloud jobs, for trainer.task alone."""
    add = parser.add_argument_group('running as a job on Vertex AI').add_argument
    add('--cloud', action='store_true', help='train as a job on Vertex AI; the same command again attaches to it')
    add('--project', help='the project (default: of the environment, the credentials, or gcloud)')
    add('--region', help="the region (default: the environment's, or gcloud's)")
    add(
        '--job_name',
        metavar='NAME',
        help='what the job is called (default: of your name, the folder and the time)',
    )
    add('--labels', action='append', metavar='KEY=VALUE', help='a label of the job, for the bill; repeatable')
    add('--no_wait', action='store_true', help='submit the job and leave it; the same command later attaches to it')


def check_without_cloud(flags: argparse.Namespace) -> None:
    """Refuse flags of a cloud job where there is none."""
    given = [*(name for name in _SHARED), *(f'train_{name}' for name in _OWN)]
    if useless := [name for name in given if getattr(flags, name, None)]:
        raise UsageError(f'--{useless[0]} says something of a cloud job', where=f'--{useless[0]}', do='add --cloud')


def from_flags(flags: argparse.Namespace, output_dir: str) -> VertexConfig:
    """What the flags of pipeline.py or trainer.task ask for."""
    nodes = 1 if flags.train_nodes is None else flags.train_nodes
    return VertexConfig(
        place=cloud_place.find(flags.project, flags.region),
        name=cloud_place.job_name(flags.job_name, output_dir),
        machines=Machines.of_words(
            flags.train_machine_type or DEFAULT_MACHINE, flags.train_accelerator, nodes=nodes, spot=flags.train_spot
        ),
        image=flags.train_image,
        labels=vertex_job.labels_of_words(flags.labels or ()),
        service_account=flags.train_service_account or getattr(flags, 'service_account_email', None),
        wait=not flags.no_wait,
    )
