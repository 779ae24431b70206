"""The timeline of a file, and the reasons for which it has none."""

import struct
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from preprocess import packet_table
from preprocess.containers import VideoError
from preprocess.surveying import survey
from preprocess.timelines import Timeline
from tests import footage
from tests.footage import Style


def surveyed(path: Path) -> Timeline:
    return survey(str(path))


def refusal(path: Path) -> VideoError:
    with pytest.raises(VideoError) as refused:
        survey(str(path))
    return refused.value


def test_times_of_a_steady_video(tmp_path: Path) -> None:
    found = surveyed(footage.write_numbered(tmp_path / 'a.mp4', 30, times=25))
    assert found.times.tolist() == pytest.approx([n / 25 for n in range(30)])
    assert found.duration == pytest.approx(30 / 25)
    assert (found.width, found.height, found.rotation, found.codec) == (96, 64, 0, 'h264')
    assert found.created is None


@pytest.mark.parametrize('suffix', ['mp4', 'mov', 'mkv', 'ts'])
def test_times_of_a_variable_rate(tmp_path: Path, suffix: str) -> None:
    times = np.cumsum([0, 0.04, 0.1, 0.033, 0.5, 0.02, 0.02, 3.0, 0.04, 0.04]).tolist()
    found = surveyed(footage.write_numbered(tmp_path / f'a.{suffix}', 10, times=times))
    # Matroska's clock has milliseconds.
    assert found.times.tolist() == pytest.approx(times, abs=0.0006)


def test_b_frames_stand_where_they_are_shown_and_not_where_they_are_decoded(tmp_path: Path) -> None:
    found = surveyed(footage.write_numbered(tmp_path / 'a.mp4', 24))
    assert found.places.tolist() != sorted(found.places.tolist())
    assert sorted(found.places.tolist()) == list(range(24))
    assert 0 < np.count_nonzero(found.disposable) < 24


def test_decoding_begins_at_keyframes(tmp_path: Path) -> None:
    closed = surveyed(footage.write_numbered(tmp_path / 'closed.mp4', 30, style=Style(gop=10)))
    assert (closed.keyframes.tolist(), closed.key_places.tolist()) == ([0, 10, 20], [0, 10, 20])
    # In front of the keyframe of an open group others are shown that are decoded behind it.
    opened = surveyed(footage.write_numbered(tmp_path / 'open.mp4', 30, style=Style(gop=10, open_gop=True)))
    assert opened.keyframes.tolist() == [0, 10, 20]
    assert np.any(opened.key_places < opened.keyframes)


@pytest.mark.parametrize(
    ('turned', 'mirrored', 'size'),
    [(0, False, (96, 64)), (90, False, (64, 96)), (180, False, (96, 64)), (270, False, (64, 96))],
)
def test_the_size_is_that_of_the_upright_frame(
    tmp_path: Path, turned: int, mirrored: bool, size: tuple[int, int]
) -> None:
    found = surveyed(footage.write_numbered(tmp_path / 'a.mp4', 3, style=Style(turned=turned)))
    assert (found.rotation, found.mirrored, (found.width, found.height)) == (turned, mirrored, size)


def test_the_camera_says_when_it_was_recorded(tmp_path: Path) -> None:
    style = Style(created='2019-04-04T09:21:58.000000Z')
    found = surveyed(footage.write_numbered(tmp_path / 'a.mp4', 3, style=style))
    assert found.created == datetime(2019, 4, 4, 9, 21, 58, tzinfo=UTC)
    never = Style(created='1970-01-01T00:00:00Z')
    assert surveyed(footage.write_numbered(tmp_path / 'b.mp4', 3, style=never)).created is None


def test_what_an_edit_list_hides_is_not_shown_and_decoding_begins_with_it_all_the_same(tmp_path: Path) -> None:
    whole = footage.write_numbered(tmp_path / 'whole.mp4', 30, style=Style(gop=15))
    with av.open(str(whole)) as source, av.open(str(tmp_path / 'late.mp4'), 'w') as copy:
        stream = source.streams.video[0]
        written = copy.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None and packet.pts is not None:
                # Times below 0 are written as an edit that begins behind them.
                packet.pts, packet.dts = packet.pts - 4000, packet.dts - 4000
                packet.stream = written
                copy.mux(packet)
    found = surveyed(tmp_path / 'late.mp4')
    assert (len(found), found.packets) == (26, 30)
    assert (found.keyframes.tolist(), found.key_places.tolist()) == ([0, 11], [0, 15])


def test_a_stream_that_begins_in_the_middle_has_frames_before_its_first_keyframe(tmp_path: Path) -> None:
    whole = footage.write_numbered(tmp_path / 'whole.ts', 30, style=Style(gop=10))
    with av.open(str(whole)) as source:
        places = [packet.pos for packet in source.demux(video=0) if packet.size]
    assert places[4] is not None
    (tmp_path / 'late.ts').write_bytes(whole.read_bytes()[places[4] :])
    found = surveyed(tmp_path / 'late.ts')
    assert (len(found), found.keyframes.tolist()) == (26, [6, 16])


def test_an_avi_with_b_frames_has_no_times_of_its_own(tmp_path: Path) -> None:
    found = surveyed(footage.write_numbered(tmp_path / 'a.avi', 30))
    assert found.counted
    assert found.keyframes.tolist() == [0]
    assert found.times.tolist() == pytest.approx([n / 30 for n in range(30)])
    assert not surveyed(footage.write_numbered(tmp_path / 'b.avi', 30, style=Style(codec='mpeg4'))).counted


def test_frames_at_one_time_are_one_frame(tmp_path: Path) -> None:
    # Matroska's milliseconds are too coarse for 2000 frames a second.
    times = [n / 2000 for n in range(10)]
    found = surveyed(footage.write_numbered(tmp_path / 'a.mkv', 10, times=times, style=Style(b_frames=0)))
    assert len(found) < 10
    assert found.packets == 10
    assert np.all(np.diff(found.pts) > 0)


def test_the_last_frame_lasts_as_long_as_it_says(tmp_path: Path) -> None:
    path = footage.write_numbered(tmp_path / 'a.mp4', 3, times=[0, 1, 2.5])
    assert surveyed(path).duration == pytest.approx(2.5 + 1 / 30, abs=0.001)
    # FFmpeg only guesses in a transport stream.
    assert surveyed(footage.write_numbered(tmp_path / 'a.ts', 4, times=5)).duration == pytest.approx(4 / 5)


@pytest.mark.parametrize('suffix', ['mp4', 'mkv', 'avi'])
@pytest.mark.parametrize('keep', [0.2, 0.6, 0.98])
def test_a_video_cut_short_is_truncated(tmp_path: Path, suffix: str, keep: float) -> None:
    style = Style(codec='mpeg4') if suffix == 'avi' else footage.PLAIN
    whole = footage.write_numbered(tmp_path / f'a.{suffix}', 30, style=style)
    assert refusal(footage.cut(whole, tmp_path / f'cut.{suffix}', keep=keep)).reason == 'truncated'


def test_an_mp4_with_its_index_in_front_cut_short_is_truncated(tmp_path: Path) -> None:
    whole = footage.write_numbered(tmp_path / 'a.mp4', 30)
    first = footage.with_index_first(whole, tmp_path / 'first.mp4')
    assert len(surveyed(first)) == 30
    for keep in (0.6, 0.9, 0.999):
        assert refusal(footage.cut(first, tmp_path / 'cut.mp4', keep=keep)).reason == 'truncated'


def test_frames_the_index_lists_and_the_file_does_not_hold_are_truncated(tmp_path: Path) -> None:
    whole = footage.write_numbered(tmp_path / 'a.mp4', 30)
    data = bytearray(footage.with_index_first(whole, tmp_path / 'first.mp4').read_bytes()[:-40])
    # A copier that mended the length of the data as well.
    at = data.index(b'mdat') - 4
    data[at : at + 4] = struct.pack('>I', len(data) - at)
    (tmp_path / 'cut.mp4').write_bytes(data)
    found = refusal(tmp_path / 'cut.mp4')
    assert found.reason == 'truncated'
    assert 'of its 30 frames' in found.message


def test_a_live_recording_that_stopped_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = footage.write_numbered(tmp_path / 'a.ts', 40)
    assert 0 < len(surveyed(footage.cut(whole, tmp_path / 'cut.ts', keep=0.6))) < 40


def test_sound_alone_has_no_video_stream(tmp_path: Path) -> None:
    found = refusal(footage.without_video(tmp_path / 'a.mp4'))
    assert (found.reason, found.message) == ('no-video-stream', 'it holds audio, no video')


@pytest.mark.parametrize('suffix', ['mp4', 'mkv'])
def test_a_video_of_no_frames_is_refused(tmp_path: Path, suffix: str) -> None:
    assert refusal(footage.without_frames(tmp_path / f'a.{suffix}')).reason == 'no-frames'


def test_a_clock_that_goes_back_is_refused(tmp_path: Path) -> None:
    found = refusal(footage.with_clock_going_back(tmp_path / 'a.ts', count=24))
    assert found.reason == 'non-monotonic-times'
    assert 'at frame 24 its clock goes back by 0.7' in found.message


def test_more_frames_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_table, 'MAX_FRAMES', 20)
    path = footage.write_numbered(tmp_path / 'a.mp4', 21)
    assert refusal(path).reason == 'too-many-frames'
    assert len(surveyed(footage.write_numbered(tmp_path / 'b.mp4', 20))) == 20


def test_years_between_two_frames_cost_nothing(tmp_path: Path) -> None:
    found = surveyed(footage.write_numbered(tmp_path / 'a.mkv', 2, times=[0, 5 * 365 * 86400.0]))
    assert found.duration > 1.5e8
    assert found.at(1e8) == 0


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'empty-file'),
        (b'image,label\n1.jpg,cat\n', 'not-a-video'),
        (b'\x89PNG\r\n\x1a\n' + bytes(100), 'not-a-video'),
        (b'\0\0\0\x18ftypisom' + bytes(40), 'truncated'),
        (b'\x1aE\xdf\xa3' + bytes(200), 'corrupt'),
        (b'RIFF\0\0\0\0AVI LIST', 'corrupt'),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / 'a.mp4').write_bytes(content)
    assert refusal(tmp_path / 'a.mp4').reason == reason


@pytest.mark.parametrize(
    'playlist',
    ['#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n', 'ffconcat version 1.0\nfile {}\n', "file '{}'\n"],
)
def test_a_playlist_in_a_videos_place_opens_no_other_file(tmp_path: Path, playlist: str) -> None:
    footage.write_numbered(tmp_path / 'secret.mp4', 3)
    (tmp_path / 'a.mp4').write_text(playlist.format('secret.mp4'))
    assert refusal(tmp_path / 'a.mp4').reason == 'not-a-video'


def test_a_missing_file_and_a_folder_are_told_as_by_every_storage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        survey(str(tmp_path / 'missing.mp4'))
    with pytest.raises(IsADirectoryError):
        survey(str(tmp_path))


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / 'song.mp4'), 'w') as container:
        sound = container.add_stream('aac', rate=8000)
        cover = container.add_stream('mjpeg', rate=1)
        assert isinstance(sound, av.AudioStream)
        assert isinstance(cover, av.VideoStream)
        cover.width, cover.height, cover.pix_fmt = 96, 64, 'yuvj420p'
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(footage.quarters(), 'rgb24')))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(sound.encode(frame))
        container.mux([*sound.encode(None), *cover.encode(None)])
    assert refusal(tmp_path / 'song.mp4').reason == 'no-video-stream'


def test_a_path_with_its_scheme_is_the_same_file(tmp_path: Path) -> None:
    path = footage.write_numbered(tmp_path / 'a.mp4', 12)
    assert survey('file://' + str(path)).to_bytes() == survey(str(path)).to_bytes()
