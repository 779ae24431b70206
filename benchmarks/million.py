"""A million rows on one machine: `python benchmarks/million.py [--rows 1000000] [--against 100000]`.

Synthetic rows, tiny pictures each unlike the others, an encoder of 16 numbers that does next to nothing: what is left
is what the pipeline itself costs. It must finish, its driver stay below 1 GB, and its pace within 20 % of that of a
tenth of the rows. Each size runs in a process of its own; its memory is watched from outside. The processors' seconds
stand beside the pace, because other work on the machine changes that and hardly these.
"""

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import results
import store
from contenders import memory

from preprocess.compiled import CompiledEncoder
from preprocess.embedding import Existing, Machinery, embed_sets
from preprocess.encoders import EncoderSpec
from preprocess.manifest import Manifest
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.rows import read_csv

VECTOR_SIZE = 16
# A folder of a million files is slow to list on many disks, and nobody has one.
_FILES_PER_FOLDER = 1000
# Of a BMP of 8 x 8 pixels, 24 bits each: its file header, and how its pixels lie.
_SIDE = 8
_BMP = struct.pack('<2sIHHI', b'BM', 54 + 3 * _SIDE * _SIDE, 0, 0, 54) + struct.pack(
    '<IiiHHIIiiII', 40, _SIDE, _SIDE, 1, 24, 0, 3 * _SIDE * _SIDE, 2835, 2835, 0, 0
)


class SmallEngine(store.TrivialEngine):
    """The trivial engine, with fewer numbers."""

    def __init__(self, encoder: CompiledEncoder) -> None:
        super().__init__(encoder)
        self._numbers = self._numbers[: encoder.vector_size]


def compile_small(spec: EncoderSpec, directory: str) -> CompiledEncoder:
    """A directory like a compiled encoder's."""
    encoder = replace(store.compile_trivial(spec, directory), vector_size=VECTOR_SIZE)
    encoder.write()
    return encoder


def main() -> None:
    """Measure both sizes, print, and leave the figures for RESULTS.md."""
    flags = _flags()
    if flags.run:
        print(json.dumps(_run(Path(flags.run), flags.twice)))
        return
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=flags.scratch) as scratch:
        for rows in (flags.against, flags.rows):
            begun = time.monotonic()
            _draw(Path(scratch) / str(rows), rows)
            print(f'{rows:,} pictures drawn in {time.monotonic() - begun:.0f} s', file=sys.stderr, flush=True)
            for what, value in _measure(Path(scratch) / str(rows), rows, flags.twice).items():
                found[what] = value
                print(f'{what:<70} {value:,.3f}', flush=True)
    few, many = (found[_pace_of(rows)] for rows in (flags.against, flags.rows))
    found[f'pace at {flags.rows:,} / at {flags.against:,} rows'] = many / few
    print(f'pace at {flags.rows:,} / at {flags.against:,} rows: {many / few:.3f}', flush=True)
    found['rows of a CSV read, rows/s'] = min(found.pop(_csv_of(rows)) for rows in (flags.against, flags.rows))
    if flags.keep:
        results.write('million', 'A million synthetic rows: tiny pictures, an encoder of 16 numbers', found)


def _pace_of(rows: int) -> str:
    return f'{rows:,} rows into an empty store, rows/s'


def _csv_of(rows: int) -> str:
    return f'{rows:,} rows of a CSV read, rows/s'


def _measure(folder: Path, rows: int, twice: bool) -> dict[str, float]:
    words = [sys.executable, __file__, f'--run={folder}', *(['--twice'] if twice else [])]
    environment = {**os.environ, 'PYTHONPATH': str(store.ROOT)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    watch = memory.Watch(process)
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f'the run over {rows:,} rows ended with {process.returncode}')
    ended: dict[str, float] = json.loads(said.splitlines()[-1])
    if ended['written'] != rows:
        raise SystemExit(f'{rows:,} rows became {ended["written"]:,} records')
    found = {
        _csv_of(rows): rows / ended['csv_s'],
        _pace_of(rows): rows / ended['cold_s'],
        f'{rows:,} rows, processor seconds per 1,000 rows': ended['processor_s'] / rows * 1000,
        f'{rows:,} rows, peak memory of the driver, MB': ended['peak_mb'],
        f'{rows:,} rows, peak memory of all processes, MB': watch.peak / 1e6,
    }
    if twice:
        found[f'{rows:,} rows from a full store, rows/s'] = rows / ended['warm_s']
    return found


def _run(folder: Path, twice: bool) -> dict[str, float]:
    """In a process of its own: the rows embedded, and once more out of the store if asked to."""
    seconds, processor_s = [], []
    for _ in range(1 + twice):
        begun, used = time.monotonic(), _processor_s()
        made = embed_sets(
            [SetConfig(input_path=f'{folder}/a.csv', input_dict=f'{folder}/dict.txt', output_path=f'{folder}/out/a')],
            EmbeddingConfig(encoder=str(folder / 'model')),
            existing=Existing.REDO,
            machinery=Machinery(compile=compile_small, load=SmallEngine),
        )
        seconds.append(time.monotonic() - begun)
        processor_s.append(_processor_s() - used)
    manifest: Manifest = made.manifests[0]
    begun = time.monotonic()
    for _ in read_csv(f'{folder}/a.csv'):
        pass
    return {
        'csv_s': time.monotonic() - begun,
        'cold_s': seconds[0],
        'warm_s': seconds[-1],
        'processor_s': processor_s[0],
        'peak_mb': _high_water_kb() * 1024 / 1e6,
        'written': manifest.examples.written,
    }


def _processor_s() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _high_water_kb() -> int:
    """The most this process held at once; a child's getrusage begins at what its parent had."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM:'))


def _draw(folder: Path, rows: int) -> None:
    """Pictures that differ in a few pixels, in folders of a thousand, and their CSV; a row's number is its picture."""
    (folder / 'model').mkdir(parents=True)
    (folder / 'model' / 'saved_model.pb').touch()
    (folder / 'dict.txt').write_text('a\nb\n')
    with open(folder / 'a.csv', 'w') as listing:
        for number in range(rows):
            place = f'pictures/{number // _FILES_PER_FOLDER}/{number}.bmp'
            if number % _FILES_PER_FOLDER == 0:
                (folder / place).parent.mkdir(parents=True)
            (folder / place).write_bytes(_BMP + struct.pack('<Q', number) * (3 * _SIDE * _SIDE // 8))
            listing.write(f'{place},{"ab"[number % 2]}\n')


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rows', type=int, default=1_000_000)
    parser.add_argument('--against', type=int, default=100_000, help='the smaller number it is compared with')
    parser.add_argument('--twice', action='store_true', help='once more, out of the full store')
    parser.add_argument('--keep', action='store_true', help='keep the figures in results/ and RESULTS.md')
    parser.add_argument('--scratch', help='where the pictures and records are for the while')
    parser.add_argument('--run', help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == '__main__':
    main()
