"""A server's life: it listens, loads its model, answers, follows new exports, and ends when it is told to."""

import asyncio
import contextlib
import errno
import functools
import ipaddress
import socket
from collections.abc import Callable

from predict import endpoint
from predict.answers import visible
from predict.batching import Batching
from predict.connections import Guard, Server
from predict.keeping import Export, Keeper, Loaded
from predict.metrics import Metrics
from predict.remote import Remote
from predict.server import Contract, Limits, application, overload
from predict.server_config import ServerConfig
from predict.service import Manner, Service
from predict.serving import Answerer, Machinery
from preprocess import interrupts, processor, quiet
from preprocess.failures import InputError
from preprocess.labels import Labels
from preprocess.progress import Progress, say
from preprocess.streams import Streams

_LOOK_S = 0.1
_MEGABYTE = 1 << 20
_BACKLOG = 2048
# Every address of this machine, and one by which it reaches itself.
_ANY = {'0.0.0.0': '127.0.0.1', '::': '::1', '': '127.0.0.1'}
# Batches that an endpoint is asked for at a time: its answers take their time on the way.
_ASKED_AT_ONCE = 4


Load = Callable[[], Loaded]


def run(config: ServerConfig) -> None:
    """Serve until a signal comes; Failure when it can't be done."""
    with listening(config.host, config.port) as listener:
        asyncio.run(serve(config, listener, told_to_end=interrupts.requested))


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; InputError when it can't."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, address = found[0][0], found[0][4]
        listener = socket.create_server((str(address[0]), port), family=family, backlog=_BACKLOG)
    except OSError as error:
        is_busy = error.errno == errno.EADDRINUSE
        raise InputError(
            f'port {port} is in use' if is_busy else f'can not listen there: {error.strerror or error}',
            where=f'--host {host} --port {port}',
            do='give another, or --port 0 for any that is free' if is_busy else 'give an address of this machine',
        ) from error
    # Connections inherit it. Without it an answer's body waits 40 ms until its head is known to have arrived.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(
    config: ServerConfig, listener: socket.socket, *, told_to_end: Callable[[], bool], load: Load | None = None
) -> None:
    """Serve until told to end; a model of one's own may stand in for the configuration's."""
    metrics = Metrics()
    service = Service(Manner(config.model_name, config.top_k, config.threshold), metrics)
    request_bytes = config.max_request_mb * _MEGABYTE
    limits = Limits(request_bytes, max(Limits.bytes_at_once, 4 * request_bytes), config.queue)
    app = application(service, metrics, limits, Contract(config.predict_route, config.health_route))
    server = Server(app, Guard(config.max_connections, overload))
    keeper = Keeper(service, _machinery(config, metrics), metrics)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    work = asyncio.create_task(_work(config, keeper, load, listener))
    end = asyncio.create_task(_end(told_to_end))
    await asyncio.wait({serving, work, end}, return_when=asyncio.FIRST_COMPLETED)
    end.cancel()
    service.is_draining = True
    await server.farewell()
    await serving
    work.cancel()
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await work
    finally:
        await service.close()


async def _work(config: ServerConfig, keeper: Keeper, load: Load | None, listener: socket.socket) -> None:
    """Load the model, say so, and follow its exports; ends only by failing, or with the server."""
    own, export = _source(config, keeper.machinery.batching.sizes)
    served = await keeper.put(load or own)
    _announce(config, keeper.service, listener)
    if export and config.reload_secs:
        await keeper.follow(export, served, config.reload_secs)
    await asyncio.Event().wait()


async def _end(told_to_end: Callable[[], bool]) -> None:
    while not told_to_end():
        await asyncio.sleep(_LOOK_S)


def _machinery(config: ServerConfig, metrics: Metrics) -> Machinery:
    batching = Batching(
        sizes=_sizes(config),
        places=config.queue,
        wait_s=config.batch_wait_ms / 1000,
        streams=_ASKED_AT_ONCE if config.endpoint else Streams.for_machine(config.network_threads).count,
        may_be_alone=not config.endpoint,
    )
    return Machinery(batching, config.decoders or processor.usable_cores(), metrics.watch_batch)


def _sizes(config: ServerConfig) -> tuple[int, ...]:
    """Powers of two up to the largest batch; of four where each size is a network of its own in memory."""
    is_as_exported = {config.engine, config.precision, config.encoder_dir} <= {None, 'tensorflow', 'float32'}
    step = 2 if is_as_exported else 4
    return tuple(sorted({step**power for power in range(12) if step**power < config.batch_size} | {config.batch_size}))


def _source(config: ServerConfig, sizes: tuple[int, ...]) -> tuple[Load, Export | None]:
    """What loads the model, and the directory it may be replaced in."""
    if config.endpoint:
        return functools.partial(_connected, config, config.endpoint), None
    export = Export(str(config.model_dir), functools.partial(_loaded, config, sizes))
    return export.loaded, export


def _loaded(config: ServerConfig, sizes: tuple[int, ...]) -> Answerer:
    with Progress('loading the model'):
        with quiet.loading():
            from predict import runtime
        way = runtime.Runtime(
            config.engine, config.precision, config.encoder_dir, config.calibration_pictures, config.network_threads
        )
        return runtime.load(str(config.model_dir), way, sizes)


def _connected(config: ServerConfig, url: str) -> Loaded:
    with Progress('asking the endpoint'):
        labels = Labels.read(config.input_dict).names if config.input_dict else ()
        return endpoint.connect(url, Remote(), size=config.size, labels=labels), None


def _announce(config: ServerConfig, service: Service, listener: socket.socket) -> None:
    """Where it is, and a line to try it with, on stdout."""
    host, port = listener.getsockname()[:2]
    host = _ANY.get(host, host)
    url = f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'
    labels = service.description.labels if service.description else ()
    if config.host in _ANY or not ipaddress.ip_address(host).is_loopback:
        say('note: whoever reaches this port may ask (--host 127.0.0.1: this machine alone)')
    print(f'{visible(config.model_dir or str(config.endpoint))} ({len(labels)} labels) is served at {url}')
    print(f'curl -sS {url}/example.jpg | curl -sS -F image=@- {url}/predict', flush=True)
