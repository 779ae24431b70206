"""RESULTS.md: what every benchmark measured last, and on what; each keeps its figures in results/NAME.json."""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
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
    head = '# Results\n\nMedians taken in one run: machines differ, ratios hold. `make bench` measures again.\n'
    (HERE / 'RESULTS.md').write_text('\n'.join([head, *sections]))


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
