"""From a sheet of the lab and its cameras' pieces to records: every frame has the label its moment has in the sheet."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from preprocess import encoders, engines, files, records
from preprocess.ranges import main
from preprocess.record_sets import find_records
from preprocess.sampling import EVERY_FRAME
from tests import footage
from tests.preprocess.fakes import FAKE
from tests.preprocess.runs import config, make
from tests.preprocess.sheet_files import lab_sheet

SIDE = 16
# Borders on the very frames of 30 a second, just beside them, between them; adjacent, overlapping, nested.
SHEET: list[tuple[str, float, float]] = [
    ('CUT', 0.5, 1.0),
    ('SEW', 1.0, 1.50001),
    ('TIE', 1.9, 2.6),
    ('CUT', 2.5, 3.0),
    ('SEW', 2.0, 2.2),
    ('TIE', 3.0, 3.09999),
]


def label_at(seconds: float) -> str | None:
    """The first row of the sheet that holds a moment."""
    return next((label for label, start, stop in SHEET if start - 1e-7 <= seconds < stop - 1e-7), None)


def film(folder: Path) -> dict[str, list[float]]:
    """Two cameras, the second with frames at uneven times in three pieces; when each frame of each file is shown."""
    shown: dict[str, list[float]] = {}
    for camera, sizes in (('C1', (55, 60)), ('C2', (30, 20, 40))):
        offset, first = 0.0, 0
        for piece, count in enumerate(sizes, 1):
            gaps = np.random.default_rng(first).choice([1, 1, 2], count - 1) if camera == 'C2' else np.ones(count - 1)
            times = np.cumsum([0, *gaps / 30]).tolist()
            name = f'S1{camera}/GX{piece:02}0042.MP4'
            footage.write_numbered(folder / name, count, first=first, times=times)
            shown[name] = [offset + time for time in times]
            offset, first = offset + times[-1] + 1 / 30, first + count
    return shown


def test_every_frame_of_every_camera_has_the_label_of_its_moment(tmp_path: Path) -> None:
    shown = film(tmp_path)
    sheet = lab_sheet(tmp_path / 'P5.csv', SHEET)
    out = tmp_path / 'labels'
    argv = [sheet, '--videos', f'P5={tmp_path}/S1C*/*.MP4', '--eval_fraction', '0', '--output_dir', str(out)]
    assert main(argv) == 0
    asked = config(tmp_path, input_path=str(out / 'all_data.csv'), input_dict=str(out / 'dict.txt'))
    machinery = replace(FAKE, compile=encoders.compile_encoder, load=engines.load_engine)
    make(asked, folder=tmp_path, machinery=machinery, encoder=f'pixels:{SIDE}x{SIDE}', sampling=EVERY_FRAME)
    labels = (out / 'dict.txt').read_text().split()
    found = {
        (record.image_uri.removeprefix(f'{tmp_path}/').partition('#')[0], record.frame): record
        for shard in find_records([str(tmp_path / 'out' / 'train')]).shards
        for record in records.read(shard.path, expect=shard.records)
    }
    expected = {
        (name, frame): label
        for name, times in shown.items()
        for frame, seconds in enumerate(times)
        if (label := label_at(seconds)) is not None
    }
    assert {key: labels[record.label_ids[0]] for key, record in found.items()} == expected
    assert {record.group for record in found.values()} == {'P5'}
    for (name, frame), record in found.items():
        pixels = np.frombuffer(record.pixels or b'', np.uint8).reshape(SIDE, SIDE, -1)
        before = sum(
            len(times) for other, times in shown.items() if other < name and files.parent(other) == files.parent(name)
        )
        assert footage.number_of(pixels) == before + (frame or 0)
