"""Slices of fields and of whole frames, in streams that may hold both."""

from pathlib import Path

import av
import pytest

from preprocess.h264_fields import Field, SliceLayout, slice_layout
from tests import footage, interlaced
from tests.footage import Style


def test_fields_are_told_by_number_and_parity() -> None:
    layout = slice_layout(interlaced.parameters())
    assert layout == SliceLayout(frame_num_bits=4, separate_planes=False)
    for number in range(9):
        for bottom in (False, True):
            unit = interlaced.field(footage.numbered(number), number, bottom=bottom)[4:]
            assert layout.field(unit) == Field(number % 4, bottom)


def test_halves_of_one_picture_complete_each_other() -> None:
    assert Field(3, True).completes(Field(3, False))
    assert not Field(3, True).completes(Field(3, True))
    assert not Field(3, True).completes(Field(2, False))


@pytest.mark.parametrize('suffix', ['mp4', 'ts'])
@pytest.mark.parametrize('profile', ['main', 'high', 'high422'])
def test_interlaced_frames_coded_whole_are_no_fields(tmp_path: Path, suffix: str, profile: str) -> None:
    style = Style(options={'x264-params': 'tff=1:cqm=jvt', 'profile': profile}, b_frames=0)
    if profile == 'main':
        style = Style(options={'x264-params': 'tff=1', 'profile': profile}, b_frames=0)
    path = footage.write_numbered(tmp_path / f'a.{suffix}', 6, style=style)
    with av.open(str(path)) as video:
        layout = slice_layout(video.streams.video[0].codec_context.extradata or b'')
        packets = [bytes(packet) for packet in video.demux(video=0) if packet.size]
    assert layout is not None
    skipped = 4 if suffix == 'mp4' else 0
    for data in packets:
        unit = data[skipped:] if skipped else data[data.rindex(b'\0\0\1') + 3 :]
        if unit[0] & 31 in (1, 5):
            assert layout.field(unit) is None


def test_a_stream_of_whole_frames_needs_no_look_at_its_slices(tmp_path: Path) -> None:
    path = footage.write_numbered(tmp_path / 'a.mp4', 3)
    with av.open(str(path)) as video:
        assert slice_layout(video.streams.video[0].codec_context.extradata or b'') is None


@pytest.mark.parametrize('data', [b'', b'\1', b'\1' * 9, b'\0\0\1\x67', b'\0\0\1\x67\x64\0\x1e' + bytes(40)])
def test_rubbish_is_no_layout(data: bytes) -> None:
    assert slice_layout(data) is None
    assert SliceLayout(4, True).field(data) is None
