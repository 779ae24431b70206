"""What encoded frames say of themselves, against what their encoders say."""

from pathlib import Path

import av
import pytest

from preprocess import bitstreams
from preprocess.bitstreams import Facts, Stream
from preprocess.h264_fields import SliceLayout
from tests import footage
from tests.footage import Style


def facts(path: Path) -> list[tuple[Facts, str]]:
    """What each packet says, and what the decoder made of it: I, P or B."""
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        parsing = bitstreams.parsing(stream.codec_context.name, stream.codec_context.extradata)
        packets = [packet for packet in video.demux(stream) if packet.size]
        said = {packet.pts: parsing.facts(packet) for packet in packets}
        video.seek(0)
        kinds = {frame.pts: 'IPB'[frame.pict_type - 1] for frame in video.decode(stream)}
    return [(said[packet.pts], kinds[packet.pts or 0]) for packet in packets]


@pytest.mark.parametrize('suffix', ['mp4', 'mkv', 'ts', 'avi'])
def test_h264_is_read_with_lengths_and_with_start_codes(tmp_path: Path, suffix: str) -> None:
    style = Style(options={'x264-params': 'scenecut=0:b-pyramid=none:b-adapt=0'})
    found = facts(footage.write_numbered(tmp_path / f'a.{suffix}', 24, style=style))
    assert {said.disposable for said, kind in found if kind == 'B'} == {True}
    assert {said.disposable for said, kind in found if kind != 'B'} == {False}


def test_b_frames_others_rest_on_are_needed(tmp_path: Path) -> None:
    style = Style(options={'x264-params': 'scenecut=0:b-pyramid=normal:b-adapt=0'})
    found = facts(footage.write_numbered(tmp_path / 'a.mp4', 24, style=style))
    assert {said.disposable for said, kind in found if kind == 'B'} == {True, False}


def test_h264_begins_at_a_full_keyframe_and_at_one_that_recovers_at_once(tmp_path: Path) -> None:
    found = facts(footage.write_numbered(tmp_path / 'a.mp4', 24, style=Style(open_gop=True)))
    assert [said.may_begin for said, kind in found if kind == 'I'] == [True, True]
    assert {said.may_begin for said, kind in found if kind != 'I'} <= {None}


def test_h264_that_refreshes_row_by_row_can_be_begun_nowhere_but_at_its_start(tmp_path: Path) -> None:
    style = Style(options={'x264-params': 'intra-refresh=1:keyint=8:scenecut=0'}, b_frames=0)
    found = [said.may_begin for said, _ in facts(footage.write_numbered(tmp_path / 'a.mp4', 24, style=style))]
    assert found[0] is True
    assert False in found[1:]
    assert True not in found[1:]


def test_hevc_knows_frames_nothing_rests_on(tmp_path: Path) -> None:
    path = footage.write_numbered(tmp_path / 'a.mp4', 24, style=Style(codec='libx265'))
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        parsing = bitstreams.parsing('hevc', stream.codec_context.extradata)
        packets = [packet for packet in video.demux(stream) if packet.size]
    # x265 says the same outside of the frames, in the container's own table.
    assert [parsing.facts(packet).disposable for packet in packets] == [packet.is_disposable for packet in packets]
    assert {parsing.facts(packet).disposable for packet in packets} == {True, False}
    assert {parsing.facts(packet).layer for packet in packets} == {0}


@pytest.mark.parametrize(('codec', 'suffix'), [('mpeg2video', 'mpg'), ('mpeg4', 'mp4')])
def test_b_frames_of_mpeg_are_needed_by_none(tmp_path: Path, codec: str, suffix: str) -> None:
    found = facts(footage.write_numbered(tmp_path / f'a.{suffix}', 24, style=Style(codec=codec, b_frames=2)))
    assert {kind for _, kind in found} == {'I', 'P', 'B'}
    assert [said.disposable for said, _ in found] == [kind == 'B' for _, kind in found]


def test_frames_of_vp8_that_are_never_shown_say_so() -> None:
    read = bitstreams.parsing('vp8', None).read
    assert read is not None
    assert (read(b'\x90\x13', Stream()).shown, read(b'\x01\x13', Stream()).shown) == (True, False)


@pytest.mark.parametrize('codec', ['h264', 'hevc', 'mpeg2video', 'mpeg4', 'vp8'])
@pytest.mark.parametrize('data', [b'', b'\0', b'\0\0\1', b'\0\0\0\2', b'\xff' * 40, b'\0\0\1\x06\xff\xff', b'\0' * 40])
def test_rubbish_says_nothing_and_hurts_nobody(codec: str, data: bytes) -> None:
    read = bitstreams.parsing(codec, None).read
    assert read is not None
    for length_bytes in (0, 4):
        assert isinstance(read(data, Stream(length_bytes, SliceLayout(4, False))), Facts)


def test_of_unknown_codecs_the_container_is_asked() -> None:
    assert bitstreams.parsing('av1', b'\1' * 30).read is None
