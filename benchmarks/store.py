"""What the store saves, and what Beam costs: `python benchmarks/store.py [--quick]`.

(1) Beam's share: rows a second with tiny pictures and an encoder that does next to nothing, into an empty store and out
of a full one, and how memory grows. (2) `preprocess.run --overwrite` with a real network over pictures that are in the
store: all of them, with other labels, with 1 % new ones, and after they moved.
"""

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np  # after the log level, which TensorFlow reads when it is loaded
import results
from contenders import memory
from PIL import Image

from preprocess import files
from preprocess.compiled import CompiledEncoder
from preprocess.embedding import Existing, Machinery, embed_sets
from preprocess.encoders import EncoderSpec
from preprocess.options import EmbeddingConfig, SetConfig

ROOT = Path(__file__).resolve().parents[1]
VECTOR_SIZE = 2048
PICTURES = 2000


class TrivialEngine:
    """Answers the same numbers to every picture, but for its first pixel."""

    def __init__(self, encoder: CompiledEncoder, *, threads: int | None = None) -> None:
        self.input_shape = encoder.input_shape
        self.vector_size = encoder.vector_size
        self.batch_size = encoder.batch_size
        self.streams = 1
        self._numbers = np.random.default_rng(0).random(VECTOR_SIZE, np.float32)

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """uint8[n,H,W,C] -> float32[n,D]."""
        return self._numbers + pixels[:, 0, 0, :1].astype(np.float32)


def compile_trivial(spec: EncoderSpec, directory: str) -> CompiledEncoder:
    """A directory like a compiled encoder's."""
    encoder = CompiledEncoder(
        directory=directory,
        spec=spec.canonical,
        key=spec.key(),
        sha256=hashlib.sha256(b'graph').hexdigest(),
        input_shape=(8, 8, 3),
        vector_size=VECTOR_SIZE,
        engine=spec.engine,
        precision=spec.precision,
        batch_size=32,
    )
    files.write_atomic(encoder.graph_path, b'graph')
    encoder.write()
    return encoder


def main() -> None:
    """Measure, print, and leave the figures for RESULTS.md."""
    flags = _flags()
    if flags.share:
        print(json.dumps(_share(Path(flags.scratch), flags.share)))
        return
    for half, (name, title, measure) in _HALVES.items():
        if flags.only in (None, half):
            # Told before the pictures are removed, which may take longer than measuring.
            with tempfile.TemporaryDirectory() as scratch:
                found = measure(Path(scratch), flags)
                for what, value in found.items():
                    print(f'{what:<60} {value:,.3f}', flush=True)
                if not flags.quick:
                    results.write(name, title, found)


def _measure_share(scratch: Path, flags: argparse.Namespace) -> dict[str, float]:
    """Beam's share at a tenth of the rows and at all of them, each in a process of its own."""
    rows = 10_000 if flags.quick else 100_000
    few, many = (_child(scratch / str(count), count) for count in (rows // 10, rows))
    return {
        f'{rows:,} tiny pictures into an empty store, rows/s': rows / many['cold_s'],
        f'{rows:,} tiny pictures from a full store, rows/s': rows / many['warm_s'],
        f'peak memory of all processes at {rows // 10:,} rows, MB': few['peak_mb'],
        f'peak memory of all processes at {rows:,} rows, MB': many['peak_mb'],
        'growth of memory between them, MB': many['peak_mb'] - few['peak_mb'],
    }


def _child(scratch: Path, count: int) -> dict[str, float]:
    words = [sys.executable, __file__, f'--share={count}', f'--scratch={scratch}']
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=_environment())
    watch = memory.Watch(process)
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f'{count:,} rows ended with {process.returncode}')
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return {**found, 'peak_mb': watch.peak / 1e6}


def _share(folder: Path, count: int) -> dict[str, float]:
    _draw(folder / 'pictures', range(count), size=8)
    _write_rows(folder, range(count), 'pictures')
    (folder / 'model').mkdir()
    (folder / 'model' / 'saved_model.pb').touch()
    seconds = []
    for _ in range(2):
        begun = time.monotonic()
        embed_sets(
            [SetConfig(input_path=f'{folder}/a.csv', input_dict=f'{folder}/dict.txt', output_path=f'{folder}/out/a')],
            EmbeddingConfig(encoder=str(folder / 'model')),
            existing=Existing.REDO,
            machinery=Machinery(compile=compile_trivial, load=TrivialEngine),
        )
        seconds.append(time.monotonic() - begun)
    return {'cold_s': seconds[0], 'warm_s': seconds[1]}


def _measure_again(scratch: Path, flags: argparse.Namespace) -> dict[str, float]:
    """One run of `preprocess.run` after the other over the same pictures, as ratios of the first."""
    count = 200 if flags.quick else PICTURES
    one_percent = range(count, count + count // 100)
    _draw(scratch / 'pictures', range(count + len(one_percent)), size=300)
    _write_rows(scratch, range(count), 'pictures')
    first = _run(scratch, flags)
    found = {'the first run, s': first, 'everything in the store / the first run': _run(scratch, flags) / first}
    _write_rows(scratch, range(count), 'pictures', shift=1)
    found['every label changed / the first run'] = _run(scratch, flags) / first
    _write_rows(scratch, range(len(one_percent), count + len(one_percent)), 'pictures')
    found['1 % new pictures / the first run'] = _run(scratch, flags) / first
    (scratch / 'pictures').rename(scratch / 'moved')
    _write_rows(scratch, range(count), 'moved')
    found['moved to another folder / the first run'] = _run(scratch, flags) / first
    return found


def _run(scratch: Path, flags: argparse.Namespace) -> float:
    """Seconds of one `preprocess.run --overwrite`."""
    encoder = 'mini' if flags.quick else 'inception_v3'
    words = [
        *(sys.executable, '-m', 'preprocess.run', '--overwrite', f'--encoder={encoder}'),
        *([] if encoder == 'mini' else ['--encoder_weights=random']),
        *(f'--input_path={scratch}/a.csv', f'--input_dict={scratch}/dict.txt', f'--output_path={scratch}/out/a'),
    ]
    begun = time.monotonic()
    ended = subprocess.run(words, stderr=subprocess.PIPE, text=True, env=_environment())
    said = ended.stderr
    if ended.returncode:
        raise SystemExit(said)
    print(next(line for line in said.splitlines() if 'from the store' in line), flush=True)
    return time.monotonic() - begun


def _environment() -> dict[str, str]:
    return {**os.environ, 'PYTHONPATH': str(ROOT)}


def _draw(folder: Path, numbers: range, *, size: int) -> None:
    """Pictures of a few rough shades, each another."""
    folder.mkdir(parents=True)
    for number in numbers:
        rough = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(rough).resize((size, size), Image.Resampling.BICUBIC).save(buffer, 'JPEG', quality=90)
        (folder / f'{number}.jpg').write_bytes(buffer.getvalue())


def _write_rows(scratch: Path, numbers: range, folder: str, *, shift: int = 0) -> None:
    (scratch / 'dict.txt').write_text('a\nb\n')
    rows = [f'{folder}/{number}.jpg,{"ab"[(number + shift) % 2]}\n' for number in numbers]
    (scratch / 'a.csv').write_text(''.join(rows))


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='a tenth of it, with mini; keeps no figures')
    parser.add_argument('--only', choices=('share', 'again'), help='one half')
    parser.add_argument('--share', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--scratch', help=argparse.SUPPRESS)
    return parser.parse_args()


_HALVES = {
    'share': (
        'beam',
        "Beam's share: tiny pictures, an encoder that does next to nothing, vectors of 2048",
        _measure_share,
    ),
    'again': (
        'store',
        'The store: `preprocess.run --overwrite` over 2,000 pictures that were embedded before',
        _measure_again,
    ),
}

if __name__ == '__main__':
    main()
