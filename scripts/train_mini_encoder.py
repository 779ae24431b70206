"""Trains `mini`, the small encoder in preprocess/mini, on pictures drawn here: `python -m scripts.train_mini_encoder`.

As it is called without flags it made the graph in the package: 73 classes, 58,400 pictures of 96 px, each seen 5 times,
28 minutes on 2 cores that had other work too. It named 89.9 % of 2,920 fresh pictures rightly. The same command draws
the same pictures, bit for bit; the graph's bytes differ from run to run, what it was trained on doesn't.
"""

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess import command, files
from preprocess.progress import Progress, say
from scripts import mini_pictures
from scripts.mini_pictures import PICTURE_SIZE, TRAINING_CLASSES

OUTPUT_DIR = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'preprocess', 'mini')
NOTICE = 'mini is trained on drawn shapes only: it is for the demo and for tests, not for real photographs'
# Added to the seed for the pictures the accuracy is measured on.
FRESH = 1_000_000


@dataclass(frozen=True)
class DrawnSet:
    """Pictures uint8[n,96,96,3] and the class of each, an index into TRAINING_CLASSES."""

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]


def draw_set(pictures_per_class: int, *, seed: int) -> DrawnSet:
    """The same numbers give the same pictures, in whatever process each is drawn."""
    count = len(TRAINING_CLASSES)
    pixels = np.empty((count, pictures_per_class, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
    with (
        ProcessPoolExecutor() as pool,
        Progress('drawing', total=count * pictures_per_class, unit='pictures') as progress,
    ):
        jobs = pool.map(mini_pictures.draw_class, range(count), [pictures_per_class] * count, [seed] * count)
        for class_id, drawn in enumerate(jobs):
            pixels[class_id] = drawn
            progress.advance(pictures_per_class)
    return DrawnSet(pixels.reshape(-1, *pixels.shape[2:]), np.repeat(np.arange(count), pictures_per_class))


def main(argv: Sequence[str] | None = None) -> None:
    """Draw, train, measure on fresh pictures, write the graph and what it is."""
    flags = _parser().parse_args(argv)
    # Drawn before TensorFlow is loaded, whose threads don't survive in forked processes.
    training = draw_set(flags.pictures_per_class, seed=flags.seed)
    fresh = draw_set(max(1, flags.pictures_per_class // 20), seed=flags.seed + FRESH)
    from scripts import mini_network

    network = mini_network.build(PICTURE_SIZE, len(TRAINING_CLASSES), seed=flags.seed)
    schedule = mini_network.Schedule(epochs=flags.epochs, seed=flags.seed)
    mini_network.fit(network, training.pixels, training.classes, schedule)
    accuracy = mini_network.accuracy(network, fresh.pixels, fresh.classes)
    say(f'accuracy on {len(fresh.pixels):,} fresh pictures of {len(TRAINING_CLASSES)} classes: {accuracy:.3f}')
    _write(flags, mini_network.frozen(network), accuracy)


def _write(flags: argparse.Namespace, graph: bytes, accuracy: float) -> None:
    about = {
        'notice': NOTICE,
        'made_by': f'python -m scripts.train_mini_encoder --pictures_per_class {flags.pictures_per_class} '
        f'--epochs {flags.epochs} --seed {flags.seed}',
        'accuracy_on_fresh_pictures': round(accuracy, 3),
        'classes': TRAINING_CLASSES,
    }
    files.write_atomic(files.join(flags.output_dir, 'graph.pb'), graph)
    files.write_atomic(files.join(flags.output_dir, 'about.json'), (json.dumps(about, indent=2) + '\n').encode())
    say(f'{len(graph):,} bytes in {flags.output_dir}')


def _parser() -> command.FlagParser:
    parser = command.FlagParser('train_mini_encoder', 'Train the small encoder that ships with the package.')
    parser.add_argument(
        '--output_dir', default=OUTPUT_DIR, help='where graph.pb and about.json go (default: the package)'
    )
    parser.add_argument(
        '--pictures_per_class', type=int, default=800, help='pictures drawn of each class (default 800)'
    )
    parser.add_argument('--epochs', type=int, default=5, help='times each picture is seen (default 5)')
    parser.add_argument('--seed', type=int, default=0, help='the same seed draws the same pictures (default 0)')
    return parser


if __name__ == '__main__':
    command.run(main)
