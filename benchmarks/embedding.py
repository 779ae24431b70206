"""How fast pictures become records, beside the old way, the bare network and Keras: `python benchmarks/embedding.py`.

Every way runs in processes of its own, the ways taking turns; ratios are medians over the rounds, because machines are
noisy. Rates are steady: from the first pictures done to the last, start-up apart. The network is Inception v3,
untrained, which costs what the trained one does.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import results
from contenders import memory, pictures, running

from preprocess import images, processor, quantising
from preprocess.encoders import EncoderSpec, compile_in_child

CONTENDERS = Path(__file__).parent / 'contenders'
SHAPE = (299, 299, 3)
WEIGHTS = 'random'
WAYS = (('tensorflow', 'float32'), ('tensorflow', 'bfloat16'), ('openvino', 'int8'))
FEW = 40

Figures = dict[str, float | str]


@dataclass
class Bench:
    """Pictures, encoders, and what was measured."""

    scratch: Path
    folder: Path
    camera: Path
    rounds: int
    rates: dict[str, list[float]] = field(default_factory=dict)
    notes: Figures = field(default_factory=dict)
    encoders: dict[tuple[str, str], Path] = field(default_factory=dict)

    def compile(self) -> None:
        """Every encoder once, into the store that ours shares."""
        uris = sorted(map(str, self.folder.glob('*/*.jpg')))
        for engine, precision in ways():
            spec = EncoderSpec('inception_v3', WEIGHTS, engine, precision)
            spec = quantising.settled(spec, store=str(self.store), uris=lambda: uris)
            self.encoders[engine, precision] = self.store / spec.key()[:16] / quantising.ENCODER_FOLDER
            compile_in_child(spec, str(self.encoders[engine, precision]))
        np.save(self.pixels, np.stack([images.to_pixels(Path(uri).read_bytes(), SHAPE) for uri in uris]))

    @property
    def store(self) -> Path:
        """A store of nothing but encoders."""
        return self.scratch / 'store'

    @property
    def pixels(self) -> Path:
        """The pictures, decoded."""
        return self.scratch / 'pixels.npy'

    def measure(self) -> None:
        """All ways in turns."""
        for number in range(self.rounds):
            for name, run in self._contenders(number).items():
                self.rates.setdefault(name, []).append(run())
                print(f'{name:<55} {self.rates[name][-1]:8.2f} pictures/s', flush=True)

    def ratio(self, ours: str, other: str) -> float:
        """The median over the rounds of what ours is to the other."""
        return statistics.median(a / b for a, b in zip(self.rates[ours], self.rates[other], strict=True))

    def _contenders(self, number: int) -> dict[str, Callable[[], float]]:
        found: dict[str, Callable[[], float]] = {
            'old way': lambda: self._old(self.folder),
            'old way, 12 MP': lambda: self._old(self.camera),
            'keras predict': lambda: running.child('keras_predict', self.folder)['rate'],
        }
        for way in ways():
            found[f'bare {" ".join(way)}'] = partial(self._bare, *way)
            found[f'ours {" ".join(way)}'] = partial(self._ours, self.folder, *way, number=number)
        if ('tensorflow', 'bfloat16') in ways():
            found['ours tensorflow bfloat16, 12 MP'] = partial(
                self._ours, self.camera, 'tensorflow', 'bfloat16', number=number
            )
        return found

    def _old(self, folder: Path) -> float:
        return running.child('old_way', folder, self.scratch)['rate']

    def _bare(self, engine: str, precision: str) -> float:
        said = running.child('bare', self.encoders[engine, precision], self.pixels)
        self.notes[f'best batch of {engine} {precision}'] = f'{said["batch"]:g}'
        return said['rate']

    def _ours(self, folder: Path, engine: str, precision: str, *, number: int) -> float:
        csv, labels = pictures.csv_of(folder, self.scratch / f'{folder.name}.csv')
        name = f'{folder.name}-{engine}-{precision}-{number}'
        store = self.scratch / f'store-{name}'
        shutil.copytree(self.store, store)  # no vectors in it: every picture is embedded
        settings = embedding_settings(engine, precision, store)
        said = running.child('ours', csv, labels, self.scratch / name, json.dumps(settings))
        self.notes[f'network busy, {engine} {precision}{" 12 MP" if folder == self.camera else ""}'] = said[
            'network busy'
        ]
        return said['rate']


def ways() -> list[tuple[str, str]]:
    """What this machine can do."""
    return [
        way
        for way in WAYS
        if (way[1] != 'bfloat16' or processor.computes_in_bfloat16()) and (way[0] == 'tensorflow' or _has_openvino())
    ]


def _has_openvino() -> bool:
    from importlib.util import find_spec

    return find_spec('openvino') is not None and find_spec('nncf') is not None


def embedding_settings(engine: str, precision: str, store: Path) -> dict[str, str]:
    """The flags of an embedding run."""
    return {
        'encoder': 'inception_v3',
        'encoder_weights': WEIGHTS,
        'engine': engine,
        'precision': precision,
        'embedding_store': str(store),
    }


def few_pictures(scratch: Path, rounds: int) -> Figures:
    """Forty pictures from the command line to the end: the old way, and ours without and with a compiled encoder."""
    both = pictures.photographs(scratch / 'few', 2 * FEW)
    paths = sorted(both.glob('*/*.jpg'))
    halves = []
    for number in range(2):
        half = scratch / f'few{number}'
        for path in paths[number::2]:
            (half / path.parent.name).mkdir(parents=True, exist_ok=True)
            os.link(path, half / path.parent.name / path.name, follow_symlinks=False)
        halves.append(half)
    timed(old_way := [sys.executable, str(CONTENDERS / 'old_way.py'), str(halves[0]), str(scratch)])  # from the disk
    turns = []
    for number in range(rounds):
        store = scratch / f'store-few-{number}'
        turns.append([timed(old_way), *(timed(_forty(half, scratch, store, number)) for half in halves)])
    old, first, later = zip(*turns, strict=True)
    return {
        f'{FEW} pictures, the old way, s': statistics.median(seconds for seconds, _ in old),
        f'{FEW} pictures, ours, the first time / the old way': _ratio(first, old),
        f'{FEW} pictures, ours, with a compiled encoder / the old way': _ratio(later, old),
        'peak memory while an encoder is compiled, GB': max(peak for _, peak in first) / 1e9,
        'peak memory with a compiled encoder, GB': max(peak for _, peak in later) / 1e9,
    }


def _ratio(ours: Sequence[tuple[float, int]], other: Sequence[tuple[float, int]]) -> float:
    return statistics.median(a / b for (a, _), (b, _) in zip(ours, other, strict=True))


def _forty(half: Path, scratch: Path, store: Path, number: int) -> list[str]:
    """The command that embeds half of the pictures."""
    csv, labels = pictures.csv_of(half, scratch / f'{half.name}.csv')
    flags = [f'--{name}={value}' for name, value in embedding_settings('tensorflow', 'float32', store).items()]
    flags += [
        f'--input_path={csv}',
        f'--input_dict={labels}',
        f'--output_path={scratch / half.name / str(number)}/train',
    ]
    return [sys.executable, '-m', 'preprocess.run', *flags]


def by_processes(scratch: Path, count: int, rounds: int) -> Figures:
    """Photographs from the command line to the end: in one process, and in one for each core."""
    csv, labels = pictures.csv_of(pictures.photographs(scratch / 'many', count), scratch / 'many.csv')
    here = processor.usable_cores()
    several = ('--direct_running_mode=multi_processing', f'--direct_num_workers={here}')
    found: dict[str, list[tuple[float, int]]] = {}
    for number in range(rounds + 1):
        for way, words in (('one process', ()), ('a process a core', several)):
            settings = embedding_settings('tensorflow', 'float32', scratch / f'store-{way}')
            flags = [f'--{name}={value}' for name, value in settings.items()]
            flags += [f'--input_path={csv}', f'--input_dict={labels}', f'--output_path={scratch}/{way}{number}/train']
            taken = timed([sys.executable, '-m', 'preprocess.run', *flags, *words])
            for piece in (scratch / f'store-{way}').rglob('*.piece'):
                piece.unlink()  # but the compiled encoder stays
            if number:  # the first compiles
                found.setdefault(way, []).append(taken)
    one, each = found['one process'], found['a process a core']
    return {
        f'{count} photographs, a process a core / one process, seconds': _ratio(each, one),
        'peak memory of one process, GB': max(peak for _, peak in one) / 1e9,
        f'peak memory of {here} processes, GB': max(peak for _, peak in each) / 1e9,
    }


def timed(command: list[str]) -> tuple[float, int]:
    """How long a command takes, and how many bytes it holds at the most with all its children."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=running.environment()
    )
    watch = memory.Watch(process)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f'{" ".join(command)} failed:\n{errors}')
    return time.perf_counter() - begun, watch.peak


def main() -> None:
    """Measure, print, and leave the figures for RESULTS.md."""
    flags = _flags()
    with tempfile.TemporaryDirectory() as temporary:
        found: Figures = {}
        if not flags.quick:
            found |= few_pictures(Path(temporary), flags.rounds)
            found |= by_processes(Path(temporary), flags.pictures, min(flags.rounds, 2))
        if not flags.few:
            found = {**_rates(Path(temporary), flags), **found}
    for name, value in found.items():
        print(f'{name:<60} {value if isinstance(value, str) else format(value, ".3f")}')
    if flags.few:
        results.write_some('embedding', found)
    elif not flags.quick:
        results.write('embedding', f'Embedding with Inception v3: {flags.pictures} photographs', found)


def _rates(scratch: Path, flags: argparse.Namespace) -> Figures:
    """All ways in turns."""
    bench = Bench(
        scratch,
        pictures.photographs(scratch / 'photographs', flags.pictures),
        pictures.drawn(scratch / 'camera', flags.camera_pictures, pictures.CAMERA),
        flags.rounds,
    )
    bench.compile()
    bench.measure()
    return {**_figures(bench), **bench.notes}


def _figures(bench: Bench) -> Figures:
    found: Figures = {f'{name}, pictures/s': statistics.median(rates) for name, rates in bench.rates.items()}
    for way in (' '.join(way) for way in ways()):
        found[f'{way}: ours / bare network'] = bench.ratio(f'ours {way}', f'bare {way}')
        found[f'{way}: ours / old way'] = bench.ratio(f'ours {way}', 'old way')
        found[f'{way}: ours / keras predict'] = bench.ratio(f'ours {way}', 'keras predict')
    if 'ours tensorflow bfloat16, 12 MP' in bench.rates:
        found['tensorflow bfloat16, 12 MP: ours / old way'] = bench.ratio(
            'ours tensorflow bfloat16, 12 MP', 'old way, 12 MP'
        )
    return found


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--pictures', type=int, default=300, help='photographs (default 300)')
    parser.add_argument('--camera_pictures', type=int, default=64, help='pictures of 12 megapixels (default 64)')
    parser.add_argument('--rounds', type=int, default=3, help='how often the ways take turns (default 3)')
    parser.add_argument(
        '--quick', action='store_true', help='104 photographs, one round, rates alone; RESULTS.md is left'
    )
    parser.add_argument('--few', action='store_true', help='only whole commands: few pictures, and several processes')
    flags = parser.parse_args()
    if flags.quick:
        flags.pictures, flags.camera_pictures, flags.rounds = 104, 24, 1
    return flags


if __name__ == '__main__':
    main()
