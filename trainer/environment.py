"""What the machine around the trainer says: the cluster it is part of, and where a cloud job keeps its things."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from preprocess.failures import UsageError

Json: TypeAlias = 'str | int | float | bool | None | list[Json] | dict[str, Json]'

# The roles of CLUSTER_SPEC's pools, in Vertex's order; TF_CONFIG names the roles themselves.
_POOLS = {'workerpool0': 'chief', 'workerpool1': 'worker', 'workerpool2': 'ps', 'workerpool3': 'evaluator'}
_ROLES = {'chief': 'chief', 'master': 'chief', 'worker': 'worker', 'ps': 'ps', 'evaluator': 'evaluator', **_POOLS}
_IDLE_ROLES = ('ps', 'evaluator')
# Where cloudml-hypertune writes when it is told no file; Vertex reads it there.
_METRIC_FILE = '/tmp/hypertune/output.metrics'
_EXAMPLE = '{"cluster": {"chief": ["host:port"], "worker": ["host:port"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Environment:
    """One process' place in the world; the default is a process by itself on a machine of its own."""

    nodes: tuple[str, ...] = ()  # addresses of those that train together, the chief first; empty: this one alone
    index: int = 0  # which of the nodes this is
    role: str = 'chief'
    trial: str | None = None
    model_dir: str | None = None
    checkpoint_dir: str | None = None
    log_dir: str | None = None
    train_data: str | None = None
    eval_data: str | None = None
    job_id: str | None = None
    metric_file: str | None = None
    metric_trial: str = '0'

    @property
    def trains(self) -> bool:
        """Whether this process has a part in training: parameter servers and evaluators have none."""
        return self.role not in _IDLE_ROLES

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the results."""
        return self.trains and self.index == 0


def read(variables: Mapping[str, str]) -> Environment:
    """The environment that these environment variables describe; UsageError for a malformed cluster."""
    name = 'TF_CONFIG' if variables.get('TF_CONFIG', '').strip() else 'CLUSTER_SPEC'
    place = _Place(name, _parsed(name, variables.get(name, '').strip() or '{}'))
    metric_trial = variables.get('CLOUD_ML_TRIAL_ID') or '0'
    default_file = _METRIC_FILE if variables.get('CLOUD_ML_TRIAL_ID') else None
    nodes = place.nodes()
    return Environment(
        nodes=nodes if len(nodes) > 1 else (),
        index=place.index(),
        role=place.role(),
        trial=place.trial(),
        model_dir=_folder(variables, 'AIP_MODEL_DIR'),
        checkpoint_dir=_folder(variables, 'AIP_CHECKPOINT_DIR'),
        log_dir=_folder(variables, 'AIP_TENSORBOARD_LOG_DIR'),
        train_data=variables.get('AIP_TRAINING_DATA_URI') or None,
        eval_data=variables.get('AIP_VALIDATION_DATA_URI') or None,
        job_id=variables.get('CLOUD_ML_JOB_ID') or None,
        metric_file=variables.get('CLOUD_ML_HP_METRIC_FILE') or default_file,
        metric_trial=metric_trial,
    )


class _Place:
    """The cluster in TF_CONFIG or CLUSTER_SPEC, and this process' task in it."""

    def __init__(self, variable: str, content: Mapping[str, Json]) -> None:
        self._variable = variable
        self._task = _mapping(variable, content, 'task')
        cluster = _mapping(variable, content, 'cluster')
        self._chiefs: list[str] = []
        self._workers: list[str] = []
        for job, addresses in cluster.items():
            role = self._known(job)
            found = self._addresses(job, addresses)
            if role == 'chief':
                self._chiefs += found
            elif role == 'worker':
                self._workers += found
        if len(self._chiefs) > 1:
            raise _malformed(variable, f'{len(self._chiefs)} chiefs (a master is one, too)')
        if len(set(self.nodes())) < len(self.nodes()):
            raise _malformed(variable, 'an address stands there twice')

    def nodes(self) -> tuple[str, ...]:
        """Those that train; without a chief the first worker is it."""
        return (*self._chiefs, *self._workers)

    def role(self) -> str:
        """chief, worker, ps or evaluator."""
        named = self._task.get('type')
        if named is None:
            if len(self.nodes()) > 1:
                raise _malformed(self._variable, 'a cluster of several nodes, but no task type')
            return 'chief'
        role = self._known(str(named))
        return 'chief' if role == 'worker' and self.index() == 0 else role

    def index(self) -> int:
        """This process' place among the nodes."""
        role = self._known(str(self._task.get('type') or 'chief'))
        if role in _IDLE_ROLES or not self.nodes():
            return 0
        given = self._task.get('index') or 0
        try:
            index = int(given) if isinstance(given, int | str) else -1
        except ValueError:
            index = -1
        peers = self._workers if role == 'worker' else self._chiefs or self._workers[:1]
        if role == 'chief' and not self._chiefs and len(self._workers) > 1 and self._task.get('type'):
            raise _malformed(self._variable, 'a chief (or master) task, but none in the cluster')
        if not 0 <= index < len(peers):
            raise _malformed(self._variable, f'task index {given!r} where the cluster has {len(peers)} {role}(s)')
        return index + (len(self._chiefs) if role == 'worker' else 0)

    def trial(self) -> str | None:
        """The number of a hyper-parameter trial."""
        given = self._task.get('trial')
        return str(given) if given not in (None, '') else None

    def _known(self, job: str) -> str:
        if job not in _ROLES:
            raise _malformed(self._variable, f'unknown task type {job!r} (known: {", ".join(_ROLES)})')
        return _ROLES[job]

    def _addresses(self, job: str, given: Json) -> list[str]:
        found = [address for address in given if isinstance(address, str)] if isinstance(given, list) else []
        if not isinstance(given, list) or len(found) < len(given) or not all(':' in address for address in found):
            raise _malformed(self._variable, f'{job} is not a list of "host:port"')
        return found


def _parsed(variable: str, text: str) -> Mapping[str, Json]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _malformed(variable, f'not JSON ({error})') from None
    if not isinstance(content, dict):
        raise _malformed(variable, 'not a JSON object')
    return content


def _mapping(variable: str, content: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    value = content.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed(variable, f'{key} is not a JSON object')
    return value


def _folder(variables: Mapping[str, str], name: str) -> str | None:
    # Vertex writes its directories with a slash at the end.
    return variables.get(name, '').rstrip('/') or None


def _malformed(variable: str, what: str) -> UsageError:
    return UsageError(
        f'the description of the cluster is malformed: {what}',
        where=f'environment variable {variable}',
        do=f'unset it to train on this machine alone, or write it like {_EXAMPLE}',
    )
