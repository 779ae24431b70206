"""Clients of a server, as many at a time as asked, each on a connection of its own that it keeps: raw pictures posted.

They are one process that does as little as can be: it shares the machine with the server.
"""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Load:
    """What is posted, for how long, and what came of it."""

    port: int
    requests: list[bytes]
    until: float = 0.0
    most: int = 0
    seconds: list[float] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    next: int = 0

    async def client(self) -> None:
        """Post one picture after the other."""
        reader, writer = await asyncio.open_connection('127.0.0.1', self.port)
        while time.perf_counter() < self.until and self.next < self.most:
            place, self.next = self.next, self.next + 1
            begun = time.perf_counter()
            writer.write(self.requests[place % len(self.requests)])
            head = await reader.readuntil(b'\r\n\r\n')
            length = next(int(line[15:]) for line in head.lower().split(b'\r\n') if line.startswith(b'content-length:'))
            body = await reader.readexactly(length)
            self.seconds.append(time.perf_counter() - begun)
            self.answers.append((place, body))
        writer.close()


def main(port: str, folder: str, clients: str, seconds: str, most: str) -> None:
    """Post pictures of a folder for some seconds, or until there were so many; the first tenth, or five, warm up."""
    paths = sorted(Path(folder).glob('*/*.jpg'))
    head = 'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n'
    requests = [head.format(len(data)).encode() + data for data in (path.read_bytes() for path in paths)]
    asyncio.run(_run(Load(int(port), requests), int(clients), float(seconds), int(most)))


async def _run(load: Load, clients: int, seconds: float, most: int) -> None:
    warm = min(seconds / 10, 5.0)
    load.until, load.most = time.perf_counter() + warm, 1 << 40
    await asyncio.gather(*(load.client() for _ in range(clients)))
    load.seconds.clear()
    load.answers.clear()
    begun = time.perf_counter()
    load.until, load.most, load.next = begun + seconds - warm, most or 1 << 40, 0
    await asyncio.gather(*(load.client() for _ in range(clients)))
    took = time.perf_counter() - begun
    answers = [(place % len(load.requests), json.loads(body)) for place, body in load.answers]
    print(
        json.dumps(
            {
                'rate': len(answers) / took,
                'p50': statistics.median(load.seconds),
                'p99': sorted(load.seconds)[int(len(load.seconds) * 0.99)],
                'failed': sum('scores' not in answer for _, answer in answers),
                'answers': [(place, answer.get('scores')) for place, answer in answers] if most else [],
            }
        )
    )


if __name__ == '__main__':
    main(*sys.argv[1:])
