"""What every benchmark measured last, and on what: results/NAME.json, RESULTS.md of all of it, the README of some."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / 'README.md'
BEGIN, END = '<!-- figures, written by benchmarks/results.py -->\n', '<!-- figures end -->\n'


@dataclass(frozen=True)
class Quote:
    """A line of the README: some figures of one benchmark."""

    words: str
    benchmark: str
    figures: tuple[str, ...]


_WAYS = ('tensorflow float32', 'tensorflow bfloat16', 'openvino int8')
QUOTES = (
    Quote(
        'pictures/s against one picture a call, float32 (the old way): float32, bfloat16, OpenVINO int8',
        'embedding',
        tuple(f'{way}: ours / old way' for way in _WAYS),
    ),
    Quote(
        'pictures/s against the bare network fed ready pixels: the same three',
        'embedding',
        tuple(f'{way}: ours / bare network' for way in _WAYS),
    ),
    Quote(
        '12-megapixel photographs, bfloat16, against the old way',
        'embedding',
        ('tensorflow bfloat16, 12 MP: ours / old way',),
    ),
    Quote(
        'forty pictures from start to end against the old way: the first time, later',
        'embedding',
        (
            '40 pictures, ours, the first time / the old way',
            '40 pictures, ours, with a compiled encoder / the old way',
        ),
    ),
    Quote(
        'video, float32, against network and decoder alone: 720p at 1 frame a second, every frame, 4K',
        'footage',
        (
            '10 min of 720p, 1 frame a second, float32: ours / (network + decoder)',
            '40 s of 720p, every frame, float32: ours / (network + decoder)',
            '6 s of 4K, every frame, float32: ours / (network + decoder)',
        ),
    ),
    Quote(
        'embedding again, of the first run: nothing new, all labels changed, 1 % new, moved elsewhere',
        'store',
        (
            'everything in the store / the first run',
            'every label changed / the first run',
            '1 % new pictures / the first run',
            'moved to another folder / the first run',
        ),
    ),
    Quote(
        'rows/s of a million against those of 100,000, with an encoder that does next to nothing',
        'million',
        ('pace at 1,000,000 / at 100,000 rows',),
    ),
    Quote('training steps/s against Keras `fit`', 'training', ('ours / keras',)),
    Quote(
        'pictures/s served to 32 clients against the bare network: float32, int8',
        'serving',
        ('float32: server with 32 clients / bare network', 'int8: server with 32 clients / bare network'),
    ),
    Quote(
        'an answer to one client against one picture in the bare network: float32, int8',
        'serving',
        ('float32: server, one client, p50 / bare network', 'int8: server, one client, p50 / bare network'),
    ),
)
_VERSIONED = ('tensorflow', 'keras', 'apache-beam', 'pillow', 'openvino', 'nncf', 'scikit-learn', 'av')


def write(name: str, title: str, figures: Mapping[str, float | str]) -> None:
    """Keep the figures of one benchmark, and write RESULTS.md anew from those of all."""
    (HERE / 'results').mkdir(exist_ok=True)
    kept = {
        'title': title,
        'date': datetime.now(UTC).strftime('%Y-%m-%d'),
        'machine': _machine(),
        'versions': _versions(),
        'figures': dict(figures),
    }
    (HERE / 'results' / f'{name}.json').write_text(json.dumps(kept, indent=1) + '\n')
    sections = [_section(json.loads(path.read_text())) for path in sorted((HERE / 'results').glob('*.json'))]
    head = '# Results\n\nMachines differ, ratios taken in one run hold. `make bench` measures again.\n'
    (HERE / 'RESULTS.md').write_text('\n'.join([head, *sections]))
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(before + BEGIN + quoted() + END + rest.partition(END)[2])


def quoted() -> str:
    """The table in the README."""
    rows = [f'| {one.words} | {", ".join(_times(one, figure) for figure in one.figures)} |' for one in QUOTES]
    return '\n'.join(['', '| | ratio |', '|---|---|', *rows, '', ''])


def _times(one: Quote, figure: str) -> str:
    path = HERE / 'results' / f'{one.benchmark}.json'
    value = json.loads(path.read_text())['figures'].get(figure) if path.exists() else None
    return 'not measured' if value is None else f'{value:.2f}'


def write_some(name: str, figures: Mapping[str, float | str]) -> None:
    """Measured by themselves: they take their places among the other figures of the benchmark."""
    kept = json.loads((HERE / 'results' / f'{name}.json').read_text())
    write(name, kept['title'], {**kept['figures'], **figures})


def _section(kept: dict[str, object]) -> str:
    figures = kept['figures']
    assert isinstance(figures, dict)
    rows = [f'| {name} | {_number(value)} |' for name, value in figures.items()]
    return '\n'.join(
        [f'## {kept["title"]}', '', f'{kept["date"]}, {kept["machine"]}; {kept["versions"]}.', '']
        + ['| what | measured |', '|---|---|', *rows, '']
    )


def _number(value: object) -> str:
    if isinstance(value, float) and value < 100:
        return f'{value:,.3g}'
    return value if isinstance(value, str) else f'{value:,.0f}'


def _machine() -> str:
    model = next(
        (line.partition(':')[2].strip() for line in _cpuinfo() if line.startswith('model name')), platform.machine()
    )
    flags = next((line for line in _cpuinfo() if line.startswith('flags')), '')
    extras = [name for name in ('avx512f', 'avx512_bf16', 'avx512_vnni', 'amx_bf16') if name in flags.split()]
    return f'{model}, {_cores()} cores ({", ".join(extras) or "no AVX-512"})'


def _cpuinfo() -> list[str]:
    path = Path('/proc/cpuinfo')
    return path.read_text().splitlines() if path.exists() else []


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _versions() -> str:
    found = [f'Python {platform.python_version()}']
    for name in _VERSIONED:
        try:
            found.append(f'{name} {metadata.version(name)}')
        except metadata.PackageNotFoundError:
            continue
    return ', '.join(found)
