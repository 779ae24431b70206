"""The pictures that are embedded: photographs where there are some, else drawn; and camera pictures, always drawn."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS = Path(__file__).parents[3] / 'shared' / 'photos' / 'flowers'
CAMERA = (4000, 3000)
SMALL = (500, 375)


def photographs(folder: Path, count: int) -> Path:
    """A folder of class folders with `count` pictures of about 500 pixels."""
    there = sorted(PHOTOGRAPHS.glob('*/*.jpg')) if PHOTOGRAPHS.exists() else []
    if len(there) < count:
        return drawn(folder, count, SMALL)
    for number in range(count):
        path = there[number * len(there) // count]
        linked = folder / path.parent.name / path.name
        linked.parent.mkdir(parents=True, exist_ok=True)
        linked.symlink_to(path)
    return folder


def drawn(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """Pictures as smooth here and as rough there as photographs are, so that they compress like them."""
    for number in range(count):
        random = np.random.default_rng(number)
        width, height = size
        picture = np.zeros((height, width, 3), np.float32)
        for cells, strength in ((8, 90), (60, 40), (500, 20)):
            coarse = random.normal(0, strength, (cells * height // width + 1, cells, 3)).astype(np.float32)
            layers = [
                Image.fromarray(coarse[:, :, channel]).resize(size, Image.Resampling.BICUBIC) for channel in range(3)
            ]
            picture += np.stack([np.asarray(layer) for layer in layers], axis=2)
        path = folder / f'class{number % 2}' / f'{number:04d}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(picture + 128, 0, 255).astype(np.uint8)).save(path, quality=90)
    return folder


def csv_of(folder: Path, path: Path) -> tuple[str, str]:
    """A labelled CSV of a folder of class folders, and its dict.txt."""
    found = sorted(folder.glob('*/*.jpg'))
    with path.open('w', newline='') as opened:
        csv.writer(opened).writerows([str(one), one.parent.name] for one in found)
    labels = path.with_suffix('.txt')
    labels.write_text(''.join(f'{name}\n' for name in sorted({one.parent.name for one in found})))
    return str(path), str(labels)
