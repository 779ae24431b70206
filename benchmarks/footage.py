"""How fast video becomes records, beside the network and the decoder alone: `python benchmarks/footage.py`.

The least a frame can cost is the network's time and the decoder's, each measured alone on all cores; ours is held
against their sum. Rates are steady: from the first batches to the last, start-up apart. The network is Inception v3,
untrained, which costs what the trained one does.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import results
from contenders import footage, memory, running

from preprocess import processor
from preprocess.encoders import EncoderSpec, compile_in_child
from preprocess.sampling import EVERY_FRAME, Sampling

SHAPE = (299, 299, 3)
WEIGHTS = 'random'
PIECE_S = 40.0
MINUTES = 10
SAMPLINGS = {'1fps': ('1 frame a second', Sampling(1.0)), 'every': ('every frame', EVERY_FRAME)}
# Pixels that the bare network is fed: which ones costs nothing.
FED = 288

Figures = dict[str, float | str]


@dataclass(frozen=True)
class Footage:
    """A video and how it is sampled; `part` is what the decoder alone is measured on, in a moment."""

    name: str
    path: Path
    part: Path
    sampling: str

    @property
    def words(self) -> str:
        """As the figures say it."""
        return f'{self.name}, {SAMPLINGS[self.sampling][0]}'


@dataclass
class Bench:
    """Videos, encoders, and what was measured."""

    scratch: Path
    footage: list[Footage]
    precisions: tuple[str, ...]
    encoders: dict[str, Path] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)

    def compile(self) -> None:
        """Every encoder once, into the store that ours is given a copy of."""
        for precision in self.precisions:
            spec = EncoderSpec('inception_v3', WEIGHTS, 'tensorflow', precision)
            self.encoders[precision] = self.scratch / 'store' / spec.key()[:16] / 'encoder'
            compile_in_child(spec, str(self.encoders[precision]))
        np.save(self.pixels, np.random.default_rng(0).integers(0, 256, (FED, *SHAPE), np.uint8))

    @property
    def pixels(self) -> Path:
        """What the network alone is fed."""
        return self.scratch / 'pixels.npy'

    def round(self, number: int) -> None:
        """Every way once."""
        for precision in self.precisions:
            self._note(f'network {precision}', partial(self._network, precision))
            for one in self.footage:
                self._note(f'decoder, {one.words}', partial(decoded_alone, one))
                self._note(f'ours {precision}, {one.words}', partial(self._ours, precision, one, number))

    def shares(self) -> Figures:
        """What ours is of the network and the decoder one after the other."""
        found: Figures = {}
        for precision in self.precisions:
            for one in self.footage:
                rounds = zip(
                    self.rates[f'ours {precision}, {one.words}'],
                    self.rates[f'network {precision}'],
                    self.rates[f'decoder, {one.words}'],
                    strict=False,
                )
                shares = [ours * (1 / network + 1 / decoder) for ours, network, decoder in rounds]
                found[f'{one.words}, {precision}: ours / (network + decoder)'] = statistics.median(shares)
        return found

    def _note(self, name: str, run: Callable[[], float]) -> None:
        self.rates.setdefault(name, []).append(run())
        print(f'{name:<50} {self.rates[name][-1]:8.2f} frames/s', flush=True)

    def _network(self, precision: str) -> float:
        return running.child('bare', self.encoders[precision], self.pixels)['rate']

    def _ours(self, precision: str, one: Footage, number: int) -> float:
        out = self.scratch / f'{one.path.stem}-{one.sampling}-{precision}-{number}'
        table, labels = rows_of(one.path, self.scratch)
        store = f'{out}-store'
        subprocess.run(['cp', '-r', str(self.scratch / 'store'), store], check=True)  # encoders, no vectors
        settings = {
            'encoder_weights': WEIGHTS,
            'precision': precision,
            'embedding_store': store,
            'sampling': SAMPLINGS[one.sampling][1].to_json(),
        }
        return running.child('ours', table, labels, out, json.dumps(settings))['rate']


def decoded_alone(one: Footage) -> float:
    """Frames a second of the decoder, a process on every core."""
    said = running.together(processor.usable_cores(), 'decoding', 'bare', one.part, one.sampling)
    return sum(each['frames'] / each['seconds'] for each in said)


def rows_of(video: Path, folder: Path) -> tuple[str, str]:
    """A video as one labelled row, and its dict.txt."""
    table = folder / f'{video.stem}.csv'
    with table.open('w', newline='') as opened:
        csv.writer(opened).writerows([['image', 'start', 'stop', 'label'], [video, 0, footage.seconds(video), 'swims']])
    labels = folder / 'dict.txt'
    labels.write_text('swims\n')
    return str(table), str(labels)


def flatness(scratch: Path, piece: Path) -> Figures:
    """The memory of all processes while a short and a long video are embedded by an encoder that keeps the pixels."""
    found: Figures = {}
    for minutes in (1, MINUTES):
        video = footage.repeated(piece, scratch / f'{minutes}min.mp4', seconds=60 * minutes)
        table, labels = rows_of(video, scratch)
        out = scratch / f'flat{minutes}'
        flags = ['--encoder=pixels:224x224', f'--output_path={out}/train', f'--input_path={table}']
        command = [sys.executable, '-m', 'preprocess.run', *flags, f'--input_dict={labels}', '--frames_per_second=5']
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=running.environment()
        )
        watch = memory.Watch(process)
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(errors)
        found[f'peak memory, {minutes} min of 720p as pixels, MB'] = watch.peak / 1e6
    return found


def main() -> None:
    """Measure, print, and leave the figures for RESULTS.md."""
    flags = _flags()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        piece = footage.draw(scratch / 'piece.mp4', size=(1280, 720), seconds=PIECE_S)
        long = footage.repeated(piece, scratch / 'long.mp4', seconds=60 * flags.minutes)
        clip = footage.draw(scratch / 'clip.mp4', size=(3840, 2160), seconds=6.0)
        bench = Bench(
            scratch,
            [
                Footage(f'{flags.minutes} min of 720p', long, piece, '1fps'),
                Footage(f'{PIECE_S:.0f} s of 720p', piece, piece, 'every'),
                Footage('6 s of 4K', clip, clip, 'every'),
            ],
            ('float32', 'bfloat16') if processor.computes_in_bfloat16() else ('float32',),
        )
        bench.compile()
        for number in range(flags.rounds):
            bench.round(number)
        found: Figures = {f'{name}, frames/s': statistics.median(rates) for name, rates in bench.rates.items()}
        found |= bench.shares() | flatness(scratch, piece)
    for name, value in found.items():
        print(f'{name:<70} {value if isinstance(value, str) else format(value, ".3f")}')
    results.write('footage', 'Embedding video with Inception v3', found)


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=int, default=MINUTES, help=f'of 720p (default {MINUTES})')
    parser.add_argument('--rounds', type=int, default=3, help='how often the ways take turns (default 3)')
    return parser.parse_args()


if __name__ == '__main__':
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    main()
