"""Files that end before their own headers say."""

from pathlib import Path

import pytest

from preprocess.completeness import is_cut_short
from tests import footage
from tests.footage import Style


@pytest.mark.parametrize(
    ('name', 'codec'), [('a.mp4', 'libx264'), ('a.mov', 'libx264'), ('a.mkv', 'libx264'), ('a.avi', 'mpeg4')]
)
def test_every_cut_is_noticed_and_no_whole_file_is_blamed(tmp_path: Path, name: str, codec: str) -> None:
    whole = footage.write_numbered(tmp_path / name, 30, style=Style(codec=codec))
    assert not is_cut_short(str(whole))
    data = whole.read_bytes()
    for missing in (1, 10, 100, len(data) // 2):
        (tmp_path / 'cut').write_bytes(data[:-missing])
        assert is_cut_short(str(tmp_path / 'cut')), missing


def test_a_box_of_64_bits_is_followed(tmp_path: Path) -> None:
    start = b'\0\0\0\x10ftypisom\0\0\0\0'
    large = b'\0\0\0\1mdat' + (1 << 33).to_bytes(8, 'big') + bytes(100)
    (tmp_path / 'a.mp4').write_bytes(start + large)
    assert is_cut_short(str(tmp_path / 'a.mp4'))


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'G' * 1000,
        b'\0\0\0\x10ftypisom\0\0\0\0' + b'\0\0\0\0mdat' + bytes(50),  # to the end of the file
        b'RIFF\xff\xff\xff\xffAVI LIST\0\0\0\0' + bytes(50),  # a camera that was switched off
        # A live recording: a segment of unknown size.
        b'\x1aE\xdf\xa3\x84' + bytes(4) + b'\x18S\x80g\x01\xff\xff\xff\xff\xff\xff\xff' + bytes(50),
        b'\x1aE\xdf\xa3',
        b'\x1aE\xdf\xa3\x84' + bytes(4) + b'something else',
    ],
)
def test_where_no_length_is_told_nothing_is_cut(tmp_path: Path, data: bytes) -> None:
    (tmp_path / 'a').write_bytes(data)
    assert not is_cut_short(str(tmp_path / 'a'))


@pytest.mark.parametrize(('name', 'codec'), [('a.mp4', 'libx264'), ('a.mkv', 'libx264'), ('a.avi', 'mpeg4')])
def test_what_a_camera_appends_is_no_cut(tmp_path: Path, name: str, codec: str) -> None:
    whole = footage.write_numbered(tmp_path / name, 10, style=Style(codec=codec))
    for notes in (b'\xff' * 40, b'SEFT' + bytes(20), b'\x7f\0\0\0gpmd' + bytes(8)):
        (tmp_path / 'noted').write_bytes(whole.read_bytes() + notes)
        assert not is_cut_short(str(tmp_path / 'noted'))
