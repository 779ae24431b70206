"""What a server is told at its start, by flags and by Vertex AI's environment: valid or not born."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from preprocess.failures import UsageError

_WHERE = 'python -m predict.web'
# Flags, and the least they may be.
_LEAST: dict[str, float] = {
    'port': 0,
    'top_k': 1,
    'network_threads': 1,
    'decoders': 1,
    'size': 1,
    'batch_size': 1,
    'batch_wait_ms': 0,
    'max_request_mb': 1,
    'max_connections': 8,
    'reload_secs': 0,
}


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """A model or an endpoint, where to listen, how answers are given, what runs the network, how much load is taken."""

    model_dir: str | None = None
    endpoint: str | None = None
    host: str = '127.0.0.1'
    port: int = 8080
    model_name: str = 'headlight'
    predict_route: str | None = None
    health_route: str | None = None
    top_k: int | None = None
    threshold: float | None = None
    engine: str | None = None
    precision: str | None = None
    encoder_dir: str | None = None
    calibration_pictures: str | None = None
    network_threads: int | None = None
    decoders: int | None = None
    size: int | None = None
    input_dict: str | None = None
    batch_size: int = 8  # larger ones are no faster on processors (measured), and all in one wait for its last
    batch_wait_ms: float = 5.0
    queue: int = 128
    max_request_mb: int = 32
    max_connections: int = 512
    reload_secs: float = 2.0
    verbosity: str = 'WARNING'

    def __post_init__(self) -> None:
        if bool(self.model_dir) == bool(self.endpoint):
            raise _mistake('give --model_dir or --endpoint, one of them', 'say --model_dir out/model')
        for name, least in {**_LEAST, 'queue': self.batch_size}.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise _mistake(f'--{name} is {least:g} or more, got {value}', f'give --{name} {least:g} or more')
        if self.port > 65535:
            raise _mistake(f'--port is at most 65535, got {self.port}', 'give another, or 0 for any free one')
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise _mistake(f'--threshold is from 0 to 1, got {self.threshold}', 'give a score, say 0.9')
        if self.verbosity not in logging.getLevelNamesMapping():
            raise _mistake(f'--verbosity {self.verbosity} is unknown', 'give INFO, WARNING or ERROR')
        if not self.model_name.strip() or set(self.model_name) & set('/:?#%'):
            raise _mistake(f'--model_name {self.model_name!r} can not stand in an address', 'give letters and digits')
        self._check_belongings()

    def _check_belongings(self) -> None:
        """What concerns a model here is not said of an endpoint, and the other way round."""
        networks = ('engine', 'precision', 'encoder_dir', 'calibration_pictures', 'network_threads')
        strangers = networks if self.endpoint else ('size', 'input_dict')
        if said := [f'--{name}' for name in strangers if getattr(self, name) is not None]:
            holder = '--endpoint' if self.endpoint else '--model_dir'
            raise _mistake(f'{", ".join(said)} can not be said with {holder}', f'leave {said[0]} out')


def from_environment(environment: Mapping[str, str]) -> dict[str, str | int]:
    """What Vertex AI tells its containers."""
    port = environment.get('AIP_HTTP_PORT', '')
    if port and not (port.isascii() and port.isdigit()):
        raise UsageError(f'AIP_HTTP_PORT is {port!r}', where='the environment', do='give the number of a port')
    for name in ('AIP_PREDICT_ROUTE', 'AIP_HEALTH_ROUTE'):
        if not environment.get(name, '/').startswith('/'):
            raise UsageError(f'{name} is {environment[name]!r}', where='the environment', do='let it begin with a /')
    told: dict[str, str | int] = {'host': '0.0.0.0', 'port': int(port)} if port else {}
    names = {
        'model_dir': 'AIP_STORAGE_URI',
        'predict_route': 'AIP_PREDICT_ROUTE',
        'health_route': 'AIP_HEALTH_ROUTE',
    }
    return told | {field: environment[name] for field, name in names.items() if environment.get(name)}


def _mistake(what: str, do: str) -> UsageError:
    return UsageError(what, where=_WHERE, do=do)
