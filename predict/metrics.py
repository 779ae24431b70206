"""What a server counts, in the text form that Prometheus reads."""

import bisect
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32)
_Labels = tuple[tuple[str, str], ...]


@dataclass
class Counter:
    """A number for every combination of labels, which only grows."""

    name: str
    help: str
    _values: dict[_Labels, float] = field(default_factory=lambda: defaultdict(float))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, amount: float = 1, **labels: str) -> None:
        """Count."""
        with self._lock:
            self._values[tuple(sorted(labels.items()))] += amount

    def lines(self) -> Iterator[str]:
        """Its text form."""
        yield from _head(self.name, self.help, 'counter')
        with self._lock:
            values = sorted(self._values.items())
        yield from (_line(self.name, dict(labels), value) for labels, value in values)


@dataclass
class Histogram:
    """How often values were at most so large."""

    name: str
    help: str
    bounds: tuple[float, ...]
    _counts: list[int] = field(default_factory=list)
    _sum: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count a value."""
        with self._lock:
            self._counts[bisect.bisect_left(self.bounds, value)] += 1
            self._sum += value

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the seconds something takes."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - begun)

    def lines(self) -> Iterator[str]:
        """Its text form."""
        yield from _head(self.name, self.help, 'histogram')
        with self._lock:
            counts, total = list(self._counts), self._sum
        so_far = 0
        for bound, count in zip([*map(str, self.bounds), '+Inf'], counts, strict=True):
            so_far += count
            yield _line(f'{self.name}_bucket', {'le': bound}, so_far)
        yield _line(f'{self.name}_sum', {}, total)
        yield _line(f'{self.name}_count', {}, so_far)


@dataclass(frozen=True)
class Gauge:
    """A number as it is when it is asked for."""

    name: str
    help: str
    value: Callable[[], float]
    labels: Callable[[], Mapping[str, str]] = dict

    def lines(self) -> Iterator[str]:
        """Its text form."""
        yield from _head(self.name, self.help, 'gauge')
        yield _line(self.name, self.labels(), self.value())


class Metric(Protocol):
    """Whatever has lines."""

    def lines(self) -> Iterator[str]:
        """Its text form."""
        ...


class Metrics:
    """Everything the server counts."""

    def __init__(self) -> None:
        self.requests = Counter('headlight_requests_total', 'Requests answered, by route and status.')
        self.pictures = Counter('headlight_pictures_total', 'Pictures answered; outcome: ok, or why not.')
        self.loads = Counter('headlight_model_loads_total', 'Models loaded; outcome: ok or failed.')
        self.request_seconds = Histogram(
            'headlight_predict_seconds', 'From the headers of a prediction request to its answer.', _SECONDS
        )
        self.batch_sizes = Histogram('headlight_batch_pictures', 'Pictures that shared a batch.', _SIZES)
        self.batch_seconds = Counter('headlight_batch_seconds_total', 'Seconds the network worked.')
        self._gauges: list[Gauge] = [
            Gauge('process_resident_memory_bytes', 'Memory this process holds.', _resident_bytes),
        ]

    def add_gauge(self, gauge: Gauge) -> None:
        """One more number to ask for."""
        self._gauges.append(gauge)

    def watch_batch(self, pictures: int, seconds: float) -> None:
        """Count a batch."""
        self.batch_sizes.observe(pictures)
        self.batch_seconds.add(seconds)

    def text(self) -> str:
        """All of it, as Prometheus reads it."""
        own: list[Metric] = [self.requests, self.pictures, self.loads, self.batch_seconds]
        own += [self.request_seconds, self.batch_sizes, *self._gauges]
        return '\n'.join(line for metric in own for line in metric.lines()) + '\n'


def _resident_bytes() -> float:
    try:
        with open('/proc/self/statm', encoding='ascii') as told:
            return int(told.read().split()[1]) * float(os.sysconf('SC_PAGE_SIZE'))
    except OSError:
        return 0.0


def _head(name: str, text: str, kind: str) -> tuple[str, str]:
    return f'# HELP {name} {text}', f'# TYPE {name} {kind}'


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    said = ','.join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f'{name}{{{said}}} {value!r}' if said else f'{name} {value!r}'


def _escaped(text: str) -> str:
    return text.replace('\\', '\\\\').replace('\n', '\\n').replace('"', '\\"')
