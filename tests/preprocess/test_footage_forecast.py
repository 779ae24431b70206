"""What a dry run says of footage: counted from the times of the videos, nothing written."""

from pathlib import Path

import pytest

from preprocess import encoders, footage_forecast, forecast
from preprocess.encoders import EncoderSpec
from preprocess.footage_forecast import FootagePace
from preprocess.options import EmbeddingConfig
from preprocess.sampling import EVERY_FRAME, KEYFRAMES, Sampling
from tests import footage
from tests.preprocess.runs import config, write_csv


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two videos of 90 frames, three seconds each, a keyframe every 12 frames, and no frame that others don't need."""
    for name in ('a.mp4', 'b.mp4'):
        footage.write_numbered(tmp_path / name, 90, style=footage.Style(b_frames=0))
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    return tmp_path


def stock(folder: Path, *lines: str, sampling: Sampling = EVERY_FRAME) -> footage_forecast.FootageStock:
    write_csv(folder, 'train.csv', list(lines))
    found = forecast.take_stock(config(folder))
    assert found.rows == ()
    return footage_forecast.take_stock(config(folder), found.footage, EmbeddingConfig(sampling=sampling))


@pytest.mark.parametrize(
    ('sampling', 'frames', 'decoded'),
    [(EVERY_FRAME, 60, 60), (KEYFRAMES, 5, 5), (Sampling(1.0), 2, 1 + 7), (Sampling(2.0), 4, 1 + 4 + 7 + 10)],
)
def test_frames_and_what_must_be_decoded_for_them_are_counted(folder, sampling, frames, decoded):
    found = stock(folder, '"a.mp4#t=0,1",cat', '"a.mp4#t=1,2",dog', sampling=sampling)
    assert (found.recordings, found.rows, found.frames, found.decoded) == (1, 2, frames, decoded)
    assert found.megapixels == pytest.approx(decoded * footage.WIDTH * footage.HEIGHT / 1e6)
    assert found.seconds == pytest.approx(3.0)
    assert footage_forecast.bytes_to_read(found) == (folder / 'a.mp4').stat().st_size


def test_what_will_be_refused_is_said_by_reason(folder):
    found = stock(
        folder,
        '"a.mp4#t=0,1",cat',
        '"a.mp4#t=0,1",cat',
        '"a.mp4#t=0.5,1.5",dog',
        '"a.mp4#t=7,8",dog',
        'gone.mp4,dog',
        'b.mp4,owl',
    )
    assert found.rejects == {'beyond-the-end': 1, 'missing': 1, 'unknown-label': 1}
    assert (found.duplicates, found.rows, found.rejected_frames, found.frames) == (1, 2, 15, 30)
    assert footage_forecast.stock_lines('train', found) == [
        'train     2 rows of footage in 2 recordings (3 s): 30 frames, 36 to be decoded for them, 15 frames that rows '
        'disagree about, 1 repeats, 3 rows to be rejected (1 unknown-label, 1 beyond-the-end, 1 missing)'
    ]


def test_of_many_recordings_some_speak_for_all(folder, monkeypatch):
    monkeypatch.setattr(footage_forecast, '_MOST_SURVEYED', 1)
    found = stock(folder, 'a.mp4,cat', 'b.mp4,dog')
    assert (found.recordings, found.scale, found.frames) == (2, 2.0, 180)
    assert footage_forecast.stock_lines('train', found)[0].startswith('train     about 2 rows of footage')


def test_decoding_and_the_network_are_told_apart(folder):
    encoder = encoders.compile_encoder(EncoderSpec('pixels:16x16'), str(folder / 'encoder'))
    found = stock(folder, 'a.mp4,cat', 'b.mp4,dog')
    measured = footage_forecast.pace(encoder.directory, [found], EmbeddingConfig(sampling=EVERY_FRAME))
    assert measured and measured.megapixels > 0 and measured.frames > 0
    lines, seconds = footage_forecast.time_lines({'train': found}, FootagePace(megapixels=0.5, frames=4.0), 768)
    decoding_s = 180 * footage.WIDTH * footage.HEIGHT / 1e6 / 0.5
    assert seconds == pytest.approx(decoding_s + 45)
    assert lines == [
        f'decoding  180 frames of footage at {180 / decoding_s:,.0f}/s here: 0.0006 decoder hours',
        'network   180 frames at 4.0/s here: 0.01 network hours; writes 0.1 MB of records and as much into the store',
    ]


def test_nothing_that_can_be_decoded_has_no_pace(folder):
    encoder = encoders.compile_encoder(EncoderSpec('pixels:16x16'), str(folder / 'encoder'))
    found = stock(folder, 'gone.mp4,cat')
    assert footage_forecast.pace(encoder.directory, [found], EmbeddingConfig()) is None


def test_pictures_are_counted_beside_footage(folder):
    (folder / 'x.jpg').write_bytes(b'12345')
    write_csv(folder, 'train.csv', ['x.jpg,cat', 'a.mp4,cat'])
    found = forecast.take_stock(config(folder))
    assert ([row.cell for row in found.rows], [row.cell for row in found.footage]) == (['x.jpg'], ['a.mp4'])
    assert found.read == 1
