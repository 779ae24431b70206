"""How much of a processor the wanted frames of a video take, beside PyAV's own loop: `python benchmarks/decoding.py`.

Both decode by one thread, in processes of their own, taking turns, to 299 x 299; ratios are medians over the rounds.
The processor's time is measured and not the clock's: decoding waits for nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import results
from contenders import footage

from preprocess import decoding_plan, video
from preprocess.recordings import Recording
from preprocess.sampling import Sampling

CONTENDER = Path(__file__).parent / 'contenders' / 'decoding.py'
ROOT = Path(__file__).parents[1]
VIDEOS = {'720p': ((1280, 720), 40.0), '4K': ((3840, 2160), 6.0)}
SAMPLINGS = {'every': 'every frame', '1fps': '1 frame a second'}


def measured(way: str, path: Path, sampling: str) -> float:
    """The processor's seconds a frame."""
    said = subprocess.run(
        [sys.executable, str(CONTENDER), way, str(path), sampling],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    ).stdout
    found = json.loads(said)
    return float(found['seconds']) / int(found['frames'])


def bench(folder: Path, rounds: int) -> dict[str, float | str]:
    """Every video, sampling and way."""
    figures: dict[str, float | str] = {}
    for name, (size, seconds) in VIDEOS.items():
        path = footage.draw(folder / f'{name}.mp4', size=size, seconds=seconds)
        figures |= _of_its_packets(name, path)
        for sampling, words in SAMPLINGS.items():
            turns = [(measured('ours', path, sampling), measured('bare', path, sampling)) for _ in range(rounds)]
            ours, bare = (statistics.median(column) for column in zip(*turns, strict=True))
            figures[f'{name}, {words}: ours, ms a frame'] = ours * 1000
            figures[f'{name}, {words}: PyAV alone, ms a frame'] = bare * 1000
            ratio = statistics.median(other / mine for mine, other in turns)
            figures[f'{name}, {words}: pace of ours / of PyAV alone'] = ratio
            print(f'{name} {sampling}: {ours * 1000:.2f} ms, PyAV alone {bare * 1000:.2f} ms, {ratio:.3f}', flush=True)
    return figures


def _of_its_packets(name: str, path: Path) -> dict[str, float | str]:
    timeline = video.survey(str(path))
    frames = Recording.of(str(path), [(str(path), timeline)]).samples(Sampling(1.0)).frame
    decoded = decoding_plan.decoded_frames(timeline, frames)
    return {f'{name}, 1 frame a second: frames decoded of all': decoded / len(timeline)}


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=5)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = bench(Path(folder), flags.rounds)
    results.write('decoding', 'Decoding video: frames at 299 x 299, one thread', figures)


if __name__ == '__main__':
    main()
