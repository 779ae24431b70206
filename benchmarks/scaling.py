"""Scaling on paper: `python benchmarks/scaling.py [--write]` prints the tables of docs/scaling.md, or puts them there.

Pictures x bytes x speed of a core x workers -> time and dollars, and what grows with the pictures. The model and the
prices are those of the product's dry run (`preprocess.costs`, `preprocess.rates`); speeds are what results/*.json
measured. Run it again with --write after a benchmark.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from preprocess import costs, stock  # noqa: E402  # the checkout's, installed or not
from preprocess.costs import Estimate, Fleet, Overheads, Workload  # noqa: E402
from preprocess.dataflow_config import DEFAULT_MACHINE as MACHINE  # noqa: E402
from preprocess.machines import Machine  # noqa: E402
from preprocess.progress import duration  # noqa: E402
from preprocess.rates import Rates  # noqa: E402

DOCUMENT = HERE.parent / 'docs' / 'scaling.md'
BEGIN, END = '<!-- benchmarks/scaling.py -->', '<!-- end -->'
# A photograph of 500 x 375; a vector of 2,048 numbers.
PICTURE_BYTES = 100_000.0
VECTOR_BYTES = 8192
# Pictures and the workers somebody would ask for. The last is as many as a job may have.
SIZES = {10_000: 2, 1_000_000: 25, 100_000_000: 500, 10_000_000_000: 1000}
# A CSV of a million rows is as much as one worker should read.
ROWS_PER_CSV = 1_000_000
WAYS = ('tensorflow float32', 'tensorflow bfloat16', 'openvino int8')
# What an object store lists in a second, a thousand names a request: not measured.
LISTED_PER_S = 5000.0
# A path of a piece in the lists that the driver writes.
PATH_BYTES = 120.0
# A picture and its keys as Python objects, while a range of keys is looked up; a rejected row until it is written.
LOOKED_UP_BYTES = 1200.0
REJECT_BYTES = 900.0


@dataclass(frozen=True)
class Measured:
    """What the benchmarks found: seconds of a core for a picture, by way to run the network; a row's overheads."""

    seconds_per_picture: Mapping[str, float]
    overheads: Overheads
    sources: tuple[str, ...]


def measured(results: Path = HERE / 'results') -> Measured:
    """The constants, from the figures that are there; the product's own where one isn't."""
    embedding, cores = _figures(results / 'embedding.json')
    seconds = {
        way: cores / embedding[f'ours {way}, pictures/s'] for way in WAYS if f'ours {way}, pictures/s' in embedding
    }
    sources = [f'embedding.json: {way}, {1000 * value:.0f} ms a picture on one core' for way, value in seconds.items()]
    beam, _ = _figures(results / 'beam.json')
    cold, warm = _one(beam, 'into an empty store, rows/s'), _one(beam, 'from a full store, rows/s')
    rest = Overheads()
    if cold and warm:
        rest = replace(rest, row_s=1 / warm, new_row_s=1 / cold - 1 / warm)
        sources.append(f'beam.json: {1000 / warm:.2f} ms a row, {1000 / cold - 1000 / warm:.2f} ms more when it is new')
    million, _ = _figures(results / 'million.json')
    if csv_rows := _one(million, 'rows of a CSV read, rows/s'):
        rest = replace(rest, csv_row_s=1 / csv_rows)
        sources.append(f'million.json: {csv_rows:,.0f} rows of a CSV a second')
    return Measured(seconds or {WAYS[0]: 0.12}, rest, tuple(sources))


def _figures(path: Path) -> tuple[dict[str, float], int]:
    """What a benchmark found, and the cores of its machine."""
    if not path.exists():
        return {}, 1
    kept = json.loads(path.read_text())
    cores = re.search(r'(\d+) cores', kept['machine'])
    return kept['figures'], int(cores[1]) if cores else 1


def _one(figures: Mapping[str, float], ends: str) -> float | None:
    return next((value for name, value in figures.items() if name.endswith(ends)), None)


def estimate(pictures: int, workers: int, found: Measured, way: str) -> Estimate:
    """What embedding so many new pictures takes."""
    work = Workload(
        rows=pictures,
        pictures=pictures,
        in_store=0,
        picture_bytes=PICTURE_BYTES,
        seconds_per_picture=found.seconds_per_picture[way],
        vector_bytes=VECTOR_BYTES,
        csvs=math.ceil(pictures / ROWS_PER_CSV),
    )
    return costs.estimate(work, Fleet(workers, Machine.named(MACHINE)), Rates(), found.overheads)


def tables(found: Measured) -> str:
    """Everything the document shows, in Markdown."""
    return '\n'.join(
        [
            f'Measured: {"; ".join(found.sources)}.',
            '',
            *_taking(found),
            '',
            *_phases(found),
            '',
            *_growing(found),
        ]
    )


def _taking(found: Measured) -> list[str]:
    """What it takes, by way to run the network."""
    rows = []
    for pictures, workers in SIZES.items():
        for way in found.seconds_per_picture:
            one = estimate(pictures, workers, found, way)
            rows.append(
                [
                    f'{pictures:,}',
                    f'{workers:,}',
                    way,
                    duration(one.wall_s),
                    f'{one.worker_hours:,.1f}',
                    _dollars(one.total),
                ]
            )
    return _table(['pictures', f'{MACHINE} workers', 'network', 'time', 'worker-hours', 'cost'], rows)


def _phases(found: Measured) -> list[str]:
    """Where the time goes and what is moved, with the first way."""
    rows = []
    for pictures, workers in SIZES.items():
        one = estimate(pictures, workers, found, next(iter(found.seconds_per_picture)))
        work_s = one.wall_s - one.start_s
        rows.append(
            [
                f'{pictures:,}',
                *(f'{100 * seconds / work_s:.0f} %' for seconds in (one.naming_s, one.embedding_s, one.joining_s)),
                f'{one.read_bytes / work_s / 1e9:,.2f} GB/s',
                _bytes(one.shuffle_bytes),
                _bytes(one.written_bytes),
                f'{one.requests / 1e6:,.2f} M',
            ]
        )
    head = ['pictures', 'looking up', 'embedding', 'joining, writing', 'read', 'shuffle', 'written', 'storage requests']
    return _table(head, rows)


def _growing(found: Measured) -> list[str]:
    """What grows with the pictures, and where it is held."""
    rows = []
    for pictures, workers in SIZES.items():
        one = estimate(pictures, workers, found, next(iter(found.seconds_per_picture)))
        ranges = stock.how_many_ranges(pictures, pictures)
        rows.append(
            [
                f'{pictures:,}',
                f'{one.pieces:,}',
                duration(one.pieces / LISTED_PER_S),
                _bytes(one.pieces * PATH_BYTES),
                f'{ranges:,}',
                _bytes(pictures / ranges * LOOKED_UP_BYTES),
                f'{one.shards:,}',
                f'{one.openings / 1e6:,.2f} M',
                _bytes(pictures * 0.05 * REJECT_BYTES),
            ]
        )
    head = [
        'pictures',
        'pieces of the store',
        'listing them',
        'lists of them',
        'ranges of keys',
        'memory of one',
        'record files',
        'pieces they open',
        '5 % rejects in memory',
    ]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f'| {" | ".join(row)} |' for row in [head, ['---'] * len(head), *rows]]


def _bytes(count: float) -> str:
    for unit, size in (('PB', 1e15), ('TB', 1e12), ('GB', 1e9)):
        if count >= size:
            return f'{count / size:,.1f} {unit}'
    return f'{count / 1e6:,.1f} MB'


def _dollars(amount: float) -> str:
    return f'${amount:,.2f}' if amount < 100 else f'${amount:,.0f}'


def shown() -> str:
    """What docs/scaling.md shows between its marks."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def main() -> None:
    """Print the tables, or write them into the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--write', action='store_true', help='put them into docs/scaling.md')
    made = tables(measured())
    if not parser.parse_args().write:
        print(made)
        return
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f'{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}')


if __name__ == '__main__':
    main()
