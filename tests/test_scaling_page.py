"""docs/scaling.md shows what the simulator reckons, and the simulator reckons with what was measured."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def scaling() -> ModuleType:
    spec = importlib.util.spec_from_file_location('scaling', ROOT / 'benchmarks' / 'scaling.py')
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_what_the_simulator_prints(scaling):
    assert scaling.shown() == scaling.tables(scaling.measured()), 'run `python benchmarks/scaling.py --write`'


def test_speeds_are_those_that_were_measured(scaling, tmp_path):
    figures = {
        'embedding': {'ours tensorflow float32, pictures/s': 16.0, 'ours openvino int8, pictures/s': 64.0},
        'beam': {
            '100,000 tiny pictures into an empty store, rows/s': 1000.0,
            '100,000 tiny pictures from a full store, rows/s': 2000.0,
        },
        'million': {'rows of a CSV read, rows/s': 50_000.0},
    }
    for name, found in figures.items():
        kept = {'machine': 'AMD EPYC, 4 cores (avx512f)', 'figures': found}
        (tmp_path / f'{name}.json').write_text(json.dumps(kept))
    found = scaling.measured(tmp_path)
    # Four cores embedded 16 and 64 a second.
    assert found.seconds_per_picture == {'tensorflow float32': 0.25, 'openvino int8': 0.0625}
    assert (found.overheads.row_s, found.overheads.new_row_s, found.overheads.csv_row_s) == (0.0005, 0.0005, 0.00002)


def test_what_was_never_measured_is_the_products_own(scaling, tmp_path):
    from preprocess.costs import Overheads

    found = scaling.measured(tmp_path)
    assert (found.overheads, found.sources) == (Overheads(), ())
    assert scaling.tables(found).count('\n| 10,000,000,000 |') == 3
