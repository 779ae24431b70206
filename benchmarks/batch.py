"""predict.batch at length: `python benchmarks/batch.py [--rows 100000] [--quick]`.

Tiny pictures and an encoder that does next to nothing, so what is measured is the machinery: rows a second into an
empty store and out of a full one with another head, how memory grows from a tenth of the rows to all, and a run that is
killed half-way and started again, whose lines must be those of the undisturbed run.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np  # after the log level, which TensorFlow reads when it is loaded
import results
from store import VECTOR_SIZE, TrivialEngine, _draw

from preprocess import command, files, pieces
from preprocess.compiled import CompiledEncoder
from preprocess.embedding import Machinery
from preprocess.options import STORE

ROOT = Path(__file__).resolve().parents[1]
LABELS = ('a', 'b', 'c', 'd', 'e')
SIDE = 8
_CRC_BYTES = 4


def main() -> None:
    """Measure, print, and leave the figures for RESULTS.md."""
    flags = _flags()
    if flags.child:
        _predict(flags)
        return
    rows = 2000 if flags.quick else flags.rows
    with tempfile.TemporaryDirectory(dir=flags.scratch) as scratch:
        found = _measure(Path(scratch), rows)
        for what, value in found.items():
            print(f'{what:<60} {value:,.3f}', flush=True)
    if not flags.quick and rows == 100_000:
        results.write('batch', 'predict.batch: tiny pictures, an encoder that does next to nothing', found)


def _measure(scratch: Path, rows: int) -> dict[str, float]:
    print(f'drawing {rows:,} pictures', flush=True)
    _draw(scratch / 'pictures', range(rows), size=SIDE)
    (scratch / 'some').mkdir()
    for number in range(rows // 10):
        os.link(scratch / 'pictures' / f'{number}.jpg', scratch / 'some' / f'{number}.jpg')
    models = [_write_model(scratch / f'model{seed}', seed) for seed in (0, 1)]
    few = _run(scratch, models[0], 'some', 'few', store='few-store')
    cold = _run(scratch, models[0], 'pictures', 'cold')
    warm = _run(scratch, models[1], 'pictures', 'warm')
    again = _run(scratch, models[1], 'pictures', 'warm')
    kills = _killed(scratch, models[0], rows)
    return {
        f'{rows:,} rows into an empty store, rows/s': rows / cold['seconds'],
        f'{rows:,} rows out of a full store, another head, rows/s': rows / warm['seconds'],
        'the same command once more, s': again['seconds'],
        f'peak memory at {rows // 10:,} rows, MB': few['peak_mb'],
        f'peak memory at {rows:,} rows, MB': cold['peak_mb'],
        f'peak memory at {rows:,} rows out of the store, MB': warm['peak_mb'],
        'killed half-way: vectors that were in the store / rows': kills / rows,
        'killed half-way and run again: lines that differ': _different(scratch / 'cold', scratch / 'killed', rows),
    }


def _run(scratch: Path, model: str, pictures: str, name: str, *, store: str = STORE) -> dict[str, float]:
    begun = time.monotonic()
    with _started(scratch, model, pictures, name, store) as process:
        said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f'{name} ended with exit code {process.returncode}')
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return {**found, 'seconds': time.monotonic() - begun}


def _started(scratch: Path, model: str, pictures: str, name: str, store: str) -> 'subprocess.Popen[str]':
    words = [
        *(sys.executable, __file__, '--child', f'--model_dir={model}', f'--input_path={scratch}/{pictures}'),
        *(f'--output_path={scratch}/{name}/p', f'--embedding_store={scratch}/{store}'),
    ]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment, process_group=0)


def _killed(scratch: Path, model: str, rows: int) -> float:
    """Kill a run when half of the vectors are in the store, and run it again; how many there were."""
    kept = scratch / 'killed-store'
    with _started(scratch, model, 'pictures', 'killed', kept.name) as process:
        while (count := _vectors(kept)) < rows // 2:
            if process.poll() is not None:
                raise SystemExit('the run that was to be killed ended by itself: raise --rows')
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    print(f'killed with {count:,} vectors in the store', flush=True)
    _run(scratch, model, 'pictures', 'killed', store=kept.name)
    return count


def _vectors(store: Path) -> int:
    row_bytes = VECTOR_SIZE * 4 + pieces.KEY_BYTES + _CRC_BYTES
    found = [path for path in store.glob('*/*.piece') if path.parent.name != 'index']
    return sum(path.stat().st_size // row_bytes for path in found)


def _different(one: Path, other: Path, rows: int) -> float:
    lines = [
        [line for path in sorted(folder.glob('p-*.jsonl')) for line in path.read_bytes().splitlines()]
        for folder in (one, other)
    ]
    if len(lines[0]) != rows:
        raise SystemExit(f'{len(lines[0]):,} lines for {rows:,} rows')
    return len(set(lines[0]) ^ set(lines[1])) + abs(len(lines[0]) - len(lines[1]))


def _write_model(folder: Path, seed: int) -> str:
    """A model whose encoder is only a name: it is in the store before it could be asked for."""
    import tensorflow as tf

    random = np.random.default_rng(seed)
    matrix = tf.constant(random.standard_normal((VECTOR_SIZE, len(LABELS))).astype(np.float32) / VECTOR_SIZE)
    labels = tf.constant(LABELS)

    @tf.function(input_signature=[tf.TensorSpec([None, VECTOR_SIZE], tf.float32, 'embedding')])
    def classify(embedding: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = tf.nn.softmax(embedding @ matrix)
        prediction = tf.argmax(scores, axis=1)
        return {'prediction': prediction, 'label': tf.gather(labels, prediction), 'scores': scores}

    module = tf.Module()
    module.classify = classify
    tf.saved_model.save(module, str(folder), signatures={'classify': classify})
    encoder = {'spec': 'trivial', 'key': _KEY, 'engine': 'tensorflow', 'precision': 'float32', 'batch_size': 32}
    about = {
        'version': 1,
        'multi_label': False,
        'threshold': 0.5,
        'vector_size': VECTOR_SIZE,
        'vector_shape': [VECTOR_SIZE],
        'input_shape': [SIDE, SIDE, 3],
        'encoder': encoder,
    }
    files.write_atomic(f'{folder}/assets/model.json', json.dumps(about).encode())
    files.write_atomic(f'{folder}/assets/dict.txt', ''.join(f'{label}\n' for label in LABELS).encode())
    return str(folder)


_KEY = hashlib.sha256(b'trivial').hexdigest()


def _put_encoder(store: str) -> None:
    """The trivial encoder, where a run finds the compiled one."""
    encoder = CompiledEncoder(
        directory=f'{store}/{_KEY[:16]}/encoder',
        spec='trivial',
        key=_KEY,
        sha256=hashlib.sha256(b'graph').hexdigest(),
        input_shape=(SIDE, SIDE, 3),
        vector_size=VECTOR_SIZE,
        engine='tensorflow',
        precision='float32',
        batch_size=32,
    )
    files.write_atomic(encoder.graph_path, b'graph')
    encoder.write()


def _peak_mb() -> float:
    """Of this process alone: what getrusage says begins with the size of the one that started it."""
    status = Path('/proc/self/status').read_text()
    return int(status.partition('VmHWM:')[2].split()[0]) / 1024


def _predict(flags: argparse.Namespace) -> None:
    """One run of predict.batch, and what it took."""
    from predict import batch

    _put_encoder(flags.embedding_store)

    def run(argv: object) -> int:
        words = ('model_dir', 'input_path', 'output_path', 'embedding_store')
        code = batch.main(
            [f'--{word}={getattr(flags, word)}' for word in words], machinery=Machinery(load=TrivialEngine)
        )
        print(json.dumps({'peak_mb': _peak_mb()}), flush=True)
        return code

    command.run(run)


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rows', type=int, default=100_000, help='how many (figures are kept of 100,000)')
    parser.add_argument('--quick', action='store_true', help='2,000 rows; keeps no figures')
    parser.add_argument('--scratch', help='where 10 KB a row, twice, have room (default: the temporary folder)')
    for word in ('model_dir', 'input_path', 'output_path', 'embedding_store'):
        parser.add_argument(f'--{word}', help=argparse.SUPPRESS)
    parser.add_argument('--child', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == '__main__':
    main()
