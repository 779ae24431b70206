"""A portable job server and a pool of external workers, as processes of their own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def job_server(folder: Path) -> Iterator[list[str]]:
    """The Beam options that run a job there; both processes end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    # The pool starts its workers as plain `python`.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    environment = {**os.environ, 'PATH': path, 'PYTHONPATH': str(ROOT)}
    port_file, pool_port = folder / 'port', _free_port()
    commands = [
        ['apache_beam.runners.portability.local_job_service_main', '--port_file', str(port_file)],
        ['apache_beam.runners.worker.worker_pool_main', f'--service_port={pool_port}'],
    ]
    with (folder / 'log.txt').open('wb') as log:
        servers = [
            subprocess.Popen([sys.executable, '-m', *command], env=environment, cwd=folder, stdout=log, stderr=log)
            for command in commands
        ]
        try:
            _wait_for(servers, lambda: port_file.exists() and port_file.read_text() and _answers(pool_port))
            yield [
                '--runner=PortableRunner',
                f'--job_endpoint=localhost:{port_file.read_text()}',
                '--environment_type=EXTERNAL',
                f'--environment_config=localhost:{pool_port}',
            ]
        finally:
            for server in servers:
                server.terminate()
            for server in servers:
                server.wait()


def _wait_for(servers, is_ready) -> None:
    deadline = time.monotonic() + 60
    while not is_ready():
        if time.monotonic() > deadline or any(server.poll() is not None for server in servers):
            raise RuntimeError('the job server or the worker pool did not start')
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('localhost', 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(('localhost', port), timeout=1).close()
    except OSError:
        return False
    return True
