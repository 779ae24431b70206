"""How fast and how steadily a model is served, beside the bare network: `python benchmarks/serving.py`.

The server and its clients share this machine. The ways take turns, so that ratios hold on a noisy machine; each is the
median over the rounds. The network is Inception v3, untrained, which costs what the trained one does.
"""

import argparse
import contextlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import results
from contenders import memory, pictures, running

from preprocess import images, quantising
from preprocess.encoders import EncoderSpec, compile_in_child

CONTENDERS = Path(__file__).parent / 'contenders'
LABELS = ('daisy', 'dandelion', 'roses', 'sunflowers', 'tulips')
SHAPE = (299, 299, 3)
CLIENTS, DISTINCT = 32, 20
STEADY_REQUESTS = 5000
# Photographs at batch 1, and seconds of load.
ONES, LOAD_S = 60, 25
_SERVED = re.compile(r'http://127\.0\.0\.1:(\d+)')

Figures = dict[str, float | str]


@dataclass
class Server:
    """A server process."""

    process: 'subprocess.Popen[str]'
    port: int

    @property
    def resident_bytes(self) -> int:
        """With its decoders, what is shared counted in shares."""
        return memory.held(self.process.pid)


@dataclass
class Bench:
    """A model, its pictures, and what was measured of it."""

    scratch: Path
    photographs: Path
    measured: dict[str, list[float]] = field(default_factory=dict)

    def prepare(self) -> None:
        """The encoder, quantised too, and the model."""
        encoder = compile_in_child(EncoderSpec('inception_v3', 'random'), str(self.encoder))
        uris = sorted(map(str, self.photographs.glob('*/*.jpg')))
        spec = EncoderSpec('inception_v3', 'random', 'openvino', 'int8')
        settled = quantising.settled(spec, store=str(self.scratch / 'store'), uris=lambda: uris)
        self.quantised = Path(str(settled.kept_at))
        running.child('serving_model', encoder.directory, self.model, *LABELS)
        np.save(self.pixels, np.stack([images.to_pixels(Path(uri).read_bytes(), SHAPE) for uri in uris]))
        np.save(self.ones, np.load(self.pixels)[:ONES])

    @property
    def encoder(self) -> Path:
        """The float32 encoder."""
        return self.scratch / 'encoder'

    @property
    def model(self) -> Path:
        """The exported model."""
        return self.scratch / 'model'

    @property
    def pixels(self) -> Path:
        """The photographs, decoded."""
        return self.scratch / 'pixels.npy'

    @property
    def ones(self) -> Path:
        """Some of them."""
        return self.scratch / 'ones.npy'

    def round(self, seconds: float) -> None:
        """Every way once."""
        int8 = ('--encoder_dir', str(self.quantised))
        for name, encoder, flags in (('float32', self.encoder, ()), ('int8', self.quantised, int8)):
            self.note(f'bare {name}, pictures/s', running.child('bare', encoder, self.pixels)['rate'])
            self.note(f'bare {name}, one picture, ms', 1000 * running.child('bare_one', encoder, self.ones)['p50'])
            with self.serving(*flags) as server:
                self.note(f'server {name}, one client, p50, ms', 1000 * self.load(server, 1, seconds / 2)['p50'])
                loaded = self.load(server, CLIENTS, seconds)
                self.note(f'server {name}, {CLIENTS} clients, pictures/s', loaded['rate'])
                self.note(f'server {name}, {CLIENTS} clients, p99, s', loaded['p99'])
        with self.serving('--batch_size', '1') as server:
            rate = self.load(server, CLIENTS, seconds)['rate']
            self.note(f'server float32 without batches, {CLIENTS} clients, pictures/s', rate)

    def note(self, name: str, value: float) -> None:
        """Keep a figure of this round."""
        self.measured.setdefault(name, []).append(value)
        print(f'{name:<60} {value:10.2f}', flush=True)

    def ratio(self, one: str, other: str) -> float:
        """The median over the rounds of what one is to the other."""
        return statistics.median(a / b for a, b in zip(self.measured[one], self.measured[other], strict=True))

    def load(self, server: Server, clients: int, seconds: float, most: int = 0) -> dict[str, float]:
        """Clients at work."""
        said = running.child('clients', server.port, self.photographs, clients, seconds, most)
        assert not said['failed'], said
        return said

    @contextlib.contextmanager
    def serving(self, *flags: str) -> Iterator[Server]:
        """A server of the model."""
        command = [sys.executable, '-m', 'predict.web', '--model_dir', str(self.model), '--port', '0', *flags]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=running.environment())
        assert process.stdout
        try:
            found = _SERVED.search(process.stdout.readline())
            assert found, 'the server did not start'
            yield Server(process, int(found[1]))
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()

    def matched(self) -> int:
        """Of 32 clients' 20 pictures each, how many answers are those of their own picture."""
        expected = np.array(running.child('serving_scores', self.model, self.photographs)['scores'])
        with self.serving() as server:
            answers = self.load(server, CLIENTS, 1000, most=CLIENTS * DISTINCT)['answers']
        # The nearest of all pictures' scores is that of the picture that was sent.
        found = [int(np.abs(expected - np.array(scores)).sum(axis=1).argmin()) for _, scores in answers]  # type: ignore[attr-defined]
        return sum(near == place for near, (place, _) in zip(found, answers, strict=True))  # type: ignore[call-overload]

    def steadiness(self) -> Figures:
        """Memory over thousands of requests."""
        with self.serving('--encoder_dir', str(self.quantised)) as server:
            self.load(server, CLIENTS, 1000, most=STEADY_REQUESTS // 5)
            before = server.resident_bytes
            self.load(server, CLIENTS, 1000, most=STEADY_REQUESTS)
            after = server.resident_bytes
            slow_s = slow_sockets(server)
            refused_s, grown = gigabyte(server)
        return {
            f'memory after {STEADY_REQUESTS} more requests / before': after / before,
            'a request beside 200 slow connections, s': slow_s,
            'a gigabyte refused, s': refused_s,
            'memory it took, MB': grown / 1e6,
        }


def slow_sockets(server: Server) -> float:
    """How long a request takes while 200 connections send next to nothing."""
    slow = [socket.create_connection(('127.0.0.1', server.port)) for _ in range(200)]
    for number, connection in enumerate(slow):
        connection.sendall(b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n' + b'\r\n' * (number % 2))
    begun = time.perf_counter()
    with socket.create_connection(('127.0.0.1', server.port)) as connection:
        data = (Path(__file__).parents[1] / 'predict' / 'page' / 'example.jpg').read_bytes()
        connection.sendall(b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' % len(data) + data)
        assert connection.recv(12) == b'HTTP/1.1 200'
    took = time.perf_counter() - begun
    for connection in slow:
        connection.close()
    return took


def gigabyte(server: Server) -> tuple[float, int]:
    """How long until a gigabyte of unknown length is refused, and the memory that took at its peak."""
    own = Path(f'/proc/{server.process.pid}')
    (own / 'clear_refs').write_text('5')  # the peak begins anew
    before = _status(own, 'VmRSS')
    begun = time.perf_counter()
    with socket.create_connection(('127.0.0.1', server.port)) as connection:
        connection.sendall(b'POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b'f4240\r\n' + bytes(1_000_000) + b'\r\n')
        assert connection.recv(12) == b'HTTP/1.1 413'
    return time.perf_counter() - begun, _status(own, 'VmHWM') - before


def _status(own: Path, name: str) -> int:
    found = re.search(rf'{name}:\s+(\d+) kB', (own / 'status').read_text())
    assert found
    return int(found[1]) * 1024


def main() -> None:
    """Measure, print, and leave the figures for RESULTS.md."""
    flags = _flags()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        bench = Bench(scratch, pictures.photographs(scratch / 'photographs', flags.pictures))
        bench.prepare()
        for _ in range(flags.rounds):
            bench.round(flags.seconds)
        found = _figures(bench)
        if not flags.quick:
            found['answers matched to their pictures'] = f'{bench.matched()} of {CLIENTS * DISTINCT}'
            found |= bench.steadiness()
    for name, value in found.items():
        print(f'{name:<70} {value if isinstance(value, str) else format(value, ".3f")}')
    if not flags.quick:
        results.write('serving', f'Serving Inception v3: {flags.pictures} photographs', found)


def _figures(bench: Bench) -> Figures:
    found: Figures = {name: statistics.median(values) for name, values in bench.measured.items()}
    for name in ('float32', 'int8'):
        server = f'server {name}, {CLIENTS} clients, pictures/s'
        found[f'{name}: server with {CLIENTS} clients / bare network'] = bench.ratio(server, f'bare {name}, pictures/s')
        found[f'{name}: server, one client, p50 / bare network'] = bench.ratio(
            f'server {name}, one client, p50, ms', f'bare {name}, one picture, ms'
        )
    found['int8 with batches / float32 without'] = bench.ratio(
        f'server int8, {CLIENTS} clients, pictures/s',
        f'server float32 without batches, {CLIENTS} clients, pictures/s',
    )
    return found


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--pictures', type=int, default=300, help='photographs (default 300)')
    parser.add_argument('--rounds', type=int, default=3, help='how often the ways take turns (default 3)')
    parser.add_argument('--seconds', type=float, default=LOAD_S, help=f'of load each (default {LOAD_S})')
    parser.add_argument('--quick', action='store_true', help='one short round, ratios alone; RESULTS.md is left')
    flags = parser.parse_args()
    if flags.quick:
        flags.pictures, flags.rounds, flags.seconds = 104, 1, 10.0
    return flags


if __name__ == '__main__':
    main()
