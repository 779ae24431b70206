"""From three files of one recording and the times of its labels to a model that finds these times again."""

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import pipeline
from predict import local
from preprocess import records
from preprocess.failures import UsageError
from preprocess.record_sets import find_records
from tests.end_to_end.conftest import Finished, run

av = pytest.importorskip('av', reason='the extra `video` is not installed')
from preprocess import video  # noqa: E402  # they need PyAV
from preprocess.recordings import Recording  # noqa: E402
from tests import footage  # noqa: E402

# What is seen, for how many frames; the files end within stretches.
STRETCHES = (
    *(('red', 31), ('green', 17), ('blue', 45), ('green', 23), ('red', 38)),
    *(('blue', 27), ('red', 40), ('green', 25), ('blue', 34)),
)
LABELS = {'red': 'CUT', 'green': 'SEW', 'blue': 'WAIT'}
EVALUATED = (3, 4, 5)
ENDS_OF_FILES = (90, 190, 280)
TICK = 1 / 30000


@dataclass(frozen=True)
class Lab:
    """A recording, when each of its frames is shown, and the label of each."""

    parts: tuple[Path, ...]
    times: np.ndarray
    labels: list[str]

    @property
    def stretches(self) -> list[tuple[float, float, str]]:
        """Start, stop and label of what is to be found again."""
        bounds = [0, *itertools.accumulate(count for _, count in STRETCHES)]
        return [
            (float(self.times[first]), float(self.times[end]), LABELS[colour])
            for (colour, _), (first, end) in zip(STRETCHES, itertools.pairwise(bounds), strict=True)
        ]


def record_lab(folder: Path) -> Lab:
    """Three files with B-frames, frames lasting 1/60 to 1/15 s."""
    folder.mkdir()
    colours = [colour for colour, count in STRETCHES for _ in range(count)]
    frames = [footage.shape(colour, number) for number, colour in enumerate(colours)]
    lasting = np.random.default_rng(0).choice([500, 1000, 1000, 2000], size=len(frames)) * TICK
    parts = []
    for number, (first, end) in enumerate(itertools.pairwise((0, *ENDS_OF_FILES)), start=1):
        times = np.concatenate([[0], np.cumsum(lasting[first : end - 1])])
        parts.append(footage.write(folder / f'part{number}.mp4', frames[first:end], times=times.tolist()))
    recording = Recording.of('lab', [(str(part), video.survey(str(part))) for part in parts])
    return Lab(tuple(parts), np.append(recording.times, recording.duration), [LABELS[colour] for colour in colours])


@pytest.fixture(scope='module')
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Finished]:
    """The recording embedded by rows of times, every frame, and a head trained on them."""
    home = tmp_path_factory.mktemp('footage')
    lab = record_lab(home / 'lab')
    rows = [
        f'lab/part1.mp4;part2.mp4;part3.mp4,{start:.6f},{stop:.6f},{label},{"eval" if place in EVALUATED else "train"}'
        for place, (start, stop, label) in enumerate(lab.stretches)
    ]
    (home / 'rows.csv').write_text('\n'.join(['image,start,stop,label,split', *rows]))
    flags = ('--input_path', str(home / 'rows.csv'), '--encoder', 'mini', '--every_frame', '--max_steps', '200')
    return lab, run(home, *flags, source='')


def test_every_frame_has_the_label_of_its_stretch(learnt: tuple[Lab, Finished]) -> None:
    lab, done = learnt
    found = {}
    for side in ('train', 'eval'):
        spec = find_records([str(done.out / 'preprocessed' / side)])
        names = spec.labels or ()
        for shard in spec.paths:
            for one in records.read(shard):
                assert one.step is not None
                assert one.image_uri.endswith(f'#frame={one.frame}')
                assert one.time == pytest.approx(lab.times[one.step], abs=TICK)
                found[one.step] = names[one.label_ids[0]]
    assert [found[step] for step in range(len(lab.labels))] == lab.labels


def test_the_model_finds_the_stretches_again_within_a_frame(
    learnt: tuple[Lab, Finished], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, done = learnt
    monkeypatch.chdir(lab.parts[0].parent)
    words = ['--model_dir', str(done.out / 'model'), '--output_dir', str(tmp_path), '--smooth_s', '0']
    # Not told how: every frame, as the model learnt.
    assert local.main([*words, 'part1.mp4;part2.mp4;part3.mp4']) == 0
    found = list(csv.DictReader((tmp_path / 'segments.csv').open()))
    assert [one['label'] for one in found] == [label for _, _, label in lab.stretches]
    places = np.array([[float(one['start']), float(one['stop'])] for one in found])
    wanted = np.array([[start, stop] for start, stop, _ in lab.stretches])
    frames_off = np.searchsorted(lab.times, places + 1e-3) - np.searchsorted(lab.times, wanted + 1e-3)
    assert np.abs(frames_off).max() <= 1


def test_the_account_says_how_many_frames_there_were(learnt: tuple[Lab, Finished]) -> None:
    _, done = learnt
    assert 'examples  280 of 280 from footage' in done.printed
    assert '280 frames: 0 from the store, 280 embedded, 0 rejected' in done.printed


def test_a_model_of_footage_is_to_be_asked_about_videos(learnt: tuple[Lab, Finished]) -> None:
    _, done = learnt
    assert done.printed.splitlines()[-1] == f'next      python -m predict.local --model_dir {done.out / "model"} VIDEO…'


def test_single_frames_here_and_there_are_no_windows(tmp_path: Path) -> None:
    words = ['--input_path', 'rows.csv', '--output_dir', str(tmp_path), '--head', 'lstm', '--limit', '40']
    with pytest.raises(UsageError, match='windows of 16 in a row'):
        pipeline.run(words)
