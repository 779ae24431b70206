"""A training job of Vertex AI as its API wants it: which machines run the trainer of which package with which flags."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from preprocess.failures import UsageError
from preprocess.settings import Json

MODULE = 'trainer.task'
DEFAULT_MACHINE = 'n1-standard-4'
# Vertex AI installs packages on the images of its own list alone. Those of TensorFlow have Python 3.10, and the last of
# them was promised until July 2026; of the others Ray's have 3.11, this one until July 2027. Pip brings the TensorFlow.
DEFAULT_IMAGE = 'us-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest'
# On machines with GPUs: the libraries of CUDA come with the package's extra, which only our own first lines install.
DEFAULT_GPU_IMAGE = 'python:3.12-slim'
# By this label a job is found whose submission was never answered.
TOKEN = 'headlight_job'
_VERTEX_IMAGE = re.compile(r'(us|europe|asia)-docker\.pkg\.dev/vertex-ai/training/')
_TOO_OLD = re.compile(r'\.[cp][py]3([789]|10)\b|(^|/)python:3\.(\d|10)(?!\d)')
# What names no Python on that list has one that is older still.
_OF_PYTHON = re.compile(r'\.[cp][py]3\d+\b')
_MACHINE = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)+')
_ACCELERATOR = re.compile(r'[A-Z][A-Z0-9_]+')
_LABEL = re.compile(r'[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}')
# What runs first on an image that Vertex installs nothing on.
_BOOTSTRAP = 'vertex_bootstrap.py'


@dataclass(frozen=True)
class Machines:
    """What the job runs on: so many alike, the first of which is the chief."""

    kind: str = DEFAULT_MACHINE
    accelerator: str | None = None
    accelerators: int = 0
    nodes: int = 1
    spot: bool = False

    def __post_init__(self) -> None:
        if not _MACHINE.fullmatch(self.kind):
            do = f'give one of Google Cloud, say {DEFAULT_MACHINE}'
            raise UsageError(f'{self.kind!r} is no type of machine', where='--train_machine_type', do=do)
        if self.accelerator is not None and not _ACCELERATOR.fullmatch(self.accelerator):
            do = 'write it as Vertex AI does, say NVIDIA_TESLA_T4 or NVIDIA_L4:2'
            raise UsageError(f'{self.accelerator!r} is no accelerator', where='--train_accelerator', do=do)
        for name, value in (('nodes', self.nodes), ('accelerator', self.accelerators or 1)):
            if value < 1:
                raise UsageError(f'{value} is too few', where=f'--train_{name}', do='give 1 or more')

    @classmethod
    def of_words(cls, kind: str, accelerator: str | None, *, nodes: int, spot: bool) -> 'Machines':
        """From flags: an accelerator is TYPE or TYPE:COUNT."""
        if accelerator is None:
            return cls(kind, nodes=nodes, spot=spot)
        name, _, count = accelerator.partition(':')
        if count and not count.isdigit():
            raise UsageError(f'{count!r} is no number', where='--train_accelerator', do='write TYPE or TYPE:COUNT')
        return cls(kind, name, int(count or 1), nodes, spot)

    def spec(self) -> dict[str, Json]:
        """MachineSpec."""
        gpus: dict[str, Json] = {'acceleratorType': self.accelerator, 'acceleratorCount': self.accelerators}
        return {'machineType': self.kind, **(gpus if self.accelerator else {})}


@dataclass(frozen=True, kw_only=True)
class VertexJob:
    """A job to be submitted; `args` are the flags of trainer.task."""

    name: str
    package_uri: str
    args: Sequence[str]
    output_dir: str
    machines: Machines = field(default_factory=Machines)
    image: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    service_account: str | None = None

    def body(self) -> dict[str, Json]:
        """CustomJob, as its API wants it."""
        machines = self.machines
        pools: list[Json] = [self._pool(1)]
        if machines.nodes > 1:
            pools.append(self._pool(machines.nodes - 1))
        spec: dict[str, Json] = {
            'workerPoolSpecs': pools,
            'baseOutputDirectory': {'outputUriPrefix': self.output_dir},
        }
        if scheduling := self._scheduling():
            spec['scheduling'] = scheduling
        if self.service_account:
            spec['serviceAccount'] = self.service_account
        return {'displayName': self.name, 'labels': dict(self.labels), 'jobSpec': spec}

    def _pool(self, replicas: int) -> dict[str, Json]:
        # The API writes numbers of 64 bits as text.
        pool: dict[str, Json] = {'machineSpec': self.machines.spec(), 'replicaCount': str(replicas)}
        image = self.image or (DEFAULT_GPU_IMAGE if self.machines.accelerator else DEFAULT_IMAGE)
        if _VERTEX_IMAGE.match(image):
            pool['pythonPackageSpec'] = {
                'executorImageUri': image,
                'packageUris': [self.package_uri],
                'pythonModule': MODULE,
                'args': list(self.args),
            }
        else:
            extra = '[gpu]' if self.machines.accelerator else ''
            pool['containerSpec'] = {
                'imageUri': image,
                'command': ['python3', '-c', bootstrap()],
                'args': [self.package_uri + extra, MODULE, *self.args],
            }
        return pool

    def _scheduling(self) -> dict[str, Json]:
        # A node that is lost ends the others: all start again and go on from the last checkpoint.
        again: dict[str, Json] = {'restartJobOnWorkerRestart': True} if self.machines.nodes > 1 else {}
        return {**again, 'strategy': 'SPOT'} if self.machines.spot else again


def bootstrap() -> str:
    """The program that installs the package on any image with a Python, and becomes the trainer."""
    return resources.files('trainer').joinpath(_BOOTSTRAP).read_text()


def check_image(image: str) -> None:
    """Refuse images whose Python can not run the package, which only pip would say, in the job's log."""
    if _TOO_OLD.search(image) or (_VERTEX_IMAGE.match(image) and not _OF_PYTHON.search(image)):
        raise UsageError(
            f'the image {image} has Python 3.10 or older; the trainer needs 3.11',
            where='--train_image',
            do=f'leave it out ({DEFAULT_IMAGE}), or give any image with Python 3.11-3.13, say python:3.12-slim',
        )


def labels_of_words(words: Sequence[str]) -> dict[str, str]:
    """Labels given as k=v."""
    if wrong := [word for word in words if not _LABEL.fullmatch(word)]:
        do = 'write key=value: lower-case letters, digits, - and _, each at most 63, the key begins with a letter'
        raise UsageError(f'{wrong[0]!r} is no label', where='--labels', do=do)
    return dict(word.split('=', 1) for word in words)
