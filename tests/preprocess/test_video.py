"""The frames that were asked for and no others, whatever the video and in whatever pieces."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from preprocess import video
from preprocess.preparation import Preparation, Region
from preprocess.video import BadFrame, Decoder, Frame, VideoError
from tests import footage
from tests.footage import Style
from tests.interlaced import write_fields

SMALL = (32, 48, 3)
FORMS = {
    'mp4': ('a.mp4', footage.PLAIN),
    'open groups': ('a.mp4', Style(open_gop=True)),
    'one keyframe': ('a.mp4', Style(gop=1000)),
    'keyframes alone': ('a.mp4', Style(gop=1)),
    'no B-frames': ('a.mp4', Style(b_frames=0)),
    'row by row': ('a.mp4', Style(b_frames=0, options={'x264-params': 'intra-refresh=1:keyint=8:scenecut=0'})),
    'HEVC': ('a.mp4', Style(codec='libx265')),
    'open HEVC': ('a.mp4', Style(codec='libx265', open_gop=True)),
    'Matroska': ('a.mkv', Style(open_gop=True)),
    'transport stream': ('a.ts', Style(open_gop=True)),
    'AVI without times': ('a.avi', footage.PLAIN),
    'MPEG-4 in AVI': ('a.avi', Style(codec='mpeg4', b_frames=2)),
    'MPEG-2': ('a.mpg', Style(codec='mpeg2video', b_frames=2)),
    'VP9': ('a.webm', Style(codec='libvpx-vp9', options={'deadline': 'realtime', 'cpu-used': '8'})),
    'bare H.264': ('a.h264', footage.PLAIN),
    'Flash': ('a.flv', footage.PLAIN),
}
COUNT = 45
ONE = Decoder()


@pytest.fixture(scope='module', params=FORMS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, style = FORMS[request.param]
    return footage.write_numbered(tmp_path_factory.mktemp('video') / name, COUNT, style=style)


def decoded(
    path: Path, frames: Sequence[int], shape: video.Shape = SMALL, *, decoder: Decoder | None = None
) -> list[Frame]:
    """The frames, all of which decode."""
    timeline = video.survey(str(path))
    found = list((decoder or Decoder()).decode(str(path), timeline, frames, shape))
    assert [one for one in found if isinstance(one, BadFrame)] == []
    return [one for one in found if isinstance(one, Frame)]


def same(one: Frame, other: Frame) -> bool:
    return one.number == other.number and bool(np.array_equal(one.pixels, other.pixels))


def test_frame_n_is_the_one_of_rank_n(path: Path) -> None:
    found = decoded(path, range(COUNT))
    assert [one.number for one in found] == list(range(COUNT))
    assert [footage.number_of(one.pixels) for one in found] == list(range(COUNT))
    assert {one.pixels.shape for one in found} == {SMALL}


def test_a_frame_by_itself_is_the_same_to_the_last_bit(path: Path) -> None:
    together = decoded(path, range(COUNT))
    assert all(same(decoded(path, [number])[0], together[number]) for number in range(0, COUNT, 4))


@pytest.mark.parametrize('step', [2, 7, 13])
def test_some_of_the_frames_are_the_same_as_of_all(path: Path, step: int) -> None:
    together = decoded(path, range(COUNT))
    assert all(same(one, together[one.number]) for one in decoded(path, range(0, COUNT, step)))


def test_pieces_hold_the_same_frames_as_the_whole(path: Path) -> None:
    together, timeline = decoded(path, range(COUNT)), video.survey(str(path))
    pieces = video.splits(timeline, range(COUNT), most=15)
    apart = [one for piece in pieces for one in decoded(path, piece)]
    assert len(apart) == COUNT
    assert all(map(same, apart, together))


def test_several_threads_decode_the_same(path: Path) -> None:
    together = decoded(path, range(COUNT))
    assert all(map(same, decoded(path, range(COUNT), decoder=Decoder(threads=3)), together))
    assert all(same(one, together[one.number]) for one in decoded(path, range(3, COUNT, 9), decoder=Decoder(threads=2)))


@pytest.fixture(scope='module')
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage.write_numbered(tmp_path_factory.mktemp('plain') / 'a.mp4', 60)


def test_pieces_reach_from_keyframe_to_keyframe(plain: Path) -> None:
    timeline = video.survey(str(plain))
    assert [len(piece) for piece in video.splits(timeline, range(60), most=24)] == [24, 24, 12]
    assert [len(piece) for piece in video.splits(timeline, range(60), most=1)] == [12] * 5
    assert [len(piece) for piece in video.splits(timeline, range(60), most=1000)] == [60]
    assert video.splits(timeline, range(0, 60, 10), most=2) == [[0, 10], [20, 30], [40, 50]]
    assert video.splits(timeline, [], most=5) == []


@pytest.mark.parametrize('frames', [[60], [-1], [3, 2], [4, 4]])
def test_frames_there_are_not_are_no_question(plain: Path, frames: list[int]) -> None:
    with pytest.raises(ValueError, match='must ascend, from 0 to 59'):
        decoded(plain, frames)


def test_no_frames_are_no_frames(plain: Path) -> None:
    assert decoded(plain, []) == []


def test_gray_frames_have_one_channel(plain: Path) -> None:
    (gray,) = decoded(plain, [37], (32, 48, 1))
    assert gray.pixels.shape == (32, 48, 1)
    assert footage.number_of(gray.pixels) == 37


def test_whole_levels_go_from_0_to_255(plain: Path) -> None:
    (frame,) = decoded(plain, [1], (64, 96, 3))
    assert frame.pixels[8:50, 8:90].min() <= 3
    assert frame.pixels[50:60, 76:92].min() >= 252


@pytest.mark.parametrize(
    ('turned', 'corners'),
    [
        (0, ['red', 'green', 'blue', 'white']),
        (90, ['blue', 'red', 'white', 'green']),
        (180, ['white', 'blue', 'green', 'red']),
        (270, ['green', 'white', 'red', 'blue']),
    ],
)
def test_frames_are_upright(tmp_path: Path, turned: int, corners: list[str]) -> None:
    path = footage.write(tmp_path / 'a.mp4', [footage.quarters()] * 3, style=Style(turned=turned))
    for shape in ((60, 80, 3), (80, 60, 3), (299, 299, 3)):
        for frame in decoded(path, [0, 2], shape):
            assert frame.pixels.shape == shape
            places = [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)]
            assert [footage.colour_at(frame.pixels, *place) for place in places] == corners


def test_mirrored_frames_are_mirrored_back(tmp_path: Path) -> None:
    path = tmp_path / 'a.mp4'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, 'yuv420p'
        stream.set_display_rotation(0, hflip=True)
        frame = av.VideoFrame.from_ndarray(footage.quarters(), 'rgb24')
        container.mux([*stream.encode(frame), *stream.encode(None)])
    (found,) = decoded(path, [0], (64, 96, 3))
    assert footage.colour_at(found.pixels, 0.2, 0.2) == 'green'
    assert footage.colour_at(found.pixels, 0.2, 0.8) == 'white'


def test_a_frame_is_stretched_to_the_shape(plain: Path) -> None:
    (frame,) = decoded(plain, [21], (200, 40, 3))
    assert frame.pixels.shape == (200, 40, 3)
    assert footage.number_of(frame.pixels) == 21


def prepared(path: Path, frames: Sequence[int], shape: video.Shape, preparation: Preparation) -> list[video.Pixels]:
    found = list(video.decode(str(path), video.survey(str(path)), frames, shape, preparation))
    return [one.pixels for one in found if isinstance(one, Frame)]


@pytest.mark.parametrize('turned', [0, 90, 180, 270])
def test_a_region_is_cut_out_of_the_upright_frame(tmp_path: Path, turned: int) -> None:
    path = footage.write(tmp_path / 'a.mp4', [footage.quarters()] * 2, style=Style(turned=turned))
    width, height = (96, 64) if turned % 180 == 0 else (64, 96)
    (whole,) = prepared(path, [1], (height, width, 3), Preparation())
    for x in (0, width // 2):
        for y in (0, height // 2):
            roi = Region(x, y, width // 2, height // 2)
            (part,) = prepared(path, [1], (height // 2, width // 2, 3), Preparation(roi=roi))
            around = whole[y : y + height // 2, x : x + width // 2]
            assert np.abs(part.astype(int) - around)[4:-4, 4:-4].max() <= 3


def test_a_region_of_odd_pixels_is_exact(tmp_path: Path) -> None:
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[11:32, 33:60] = 255
    path = footage.write(tmp_path / 'a.mp4', [pixels] * 2, style=Style(options={'crf': '1'}))
    (part,) = prepared(path, [0], (21, 27, 1), Preparation(roi=Region(33, 11, 27, 21)))
    assert part.min() > 200
    (around,) = prepared(path, [0], (23, 29, 1), Preparation(roi=Region(32, 10, 29, 23)))
    assert max(around[0].max(), around[-1].max(), around[:, 0].max(), around[:, -1].max()) < 60


def test_a_region_outside_of_the_frame_is_refused(plain: Path) -> None:
    with pytest.raises(VideoError) as refused:
        prepared(plain, [0], SMALL, Preparation(roi=Region(50, 0, 47, 10)))
    assert refused.value.reason == 'outside'


def test_a_size_comes_before_the_shape(plain: Path) -> None:
    (coarse,) = prepared(plain, [21], (64, 96, 3), Preparation(size=(4, 4)))
    assert coarse.shape == (64, 96, 3)
    assert footage.number_of(coarse) == 21
    (fine,) = prepared(plain, [21], (64, 96, 3), Preparation())
    assert np.abs(np.diff(coarse[:, :, 0].astype(int), axis=1)).max() < np.abs(np.diff(fine[:, :, 0].astype(int))).max()


def test_gray_footage_fills_three_channels(plain: Path) -> None:
    (frame,) = prepared(plain, [21], SMALL, Preparation(gray=True))
    assert frame.shape == SMALL
    np.testing.assert_array_equal(frame[:, :, 0], frame[:, :, 2])


@pytest.mark.parametrize('gop', [4, 1000])
def test_without_its_background_only_what_moves_is_seen(tmp_path: Path, gop: int) -> None:
    frames = [np.full((64, 96, 3), 90, np.uint8) for _ in range(40)]
    for number, pixels in enumerate(frames):
        pixels[:32, 48:] = 200
        left = number * 2
        pixels[40:56, left : left + 10] = 160
    path = footage.write(tmp_path / 'a.mp4', frames, style=Style(gop=gop, options={'crf': '4'}))
    moving = Preparation(gray=True, background='median')
    found = prepared(path, range(40), (64, 96, 1), moving)
    assert len(found) == 40
    for number, pixels in enumerate(found):
        left = number * 2
        assert pixels[44:52, left + 3 : left + 7].min() > 50
        assert pixels[:32].max() < 12
    # The same in whatever pieces, and stretched to the whole range.
    np.testing.assert_array_equal(prepared(path, [17], (64, 96, 1), moving)[0], found[17])
    (stretched,) = prepared(path, [17], (64, 96, 1), Preparation(gray=True, background='median', contrast='stretch'))
    assert stretched[44:52, 37:41].min() > 240


def all_but(bad: set[int], count: int) -> list[int]:
    return [number for number in range(count) if number not in bad]


@pytest.mark.parametrize('threads', [1, 3])
def test_a_damaged_frame_is_bad_with_what_rests_on_it_and_nothing_else(
    plain: Path, tmp_path: Path, threads: int
) -> None:
    timeline = video.survey(str(plain))
    place = int(timeline.key_places[2])
    path = footage.damaged(plain, tmp_path / 'damaged.mp4', packet=place)
    found = list(Decoder(threads=threads).decode(str(path), timeline, range(60), SMALL))
    assert [one.number for one in found] == list(range(60))
    bad = {one.number: one for one in found if isinstance(one, BadFrame)}
    assert sorted(bad) == list(range(24, 36))
    assert {one.reason for one in bad.values()} == {'corrupt'}
    assert bad[30].message == 'it rests on frame 24, which can not be decoded'
    good = [one for one in found if isinstance(one, Frame)]
    assert [footage.number_of(one.pixels) for one in good] == all_but(set(bad), 60)


def test_a_damaged_frame_that_nothing_rests_on_is_bad_alone(plain: Path, tmp_path: Path) -> None:
    timeline = video.survey(str(plain))
    number = int(np.flatnonzero(timeline.disposable)[6])
    path = footage.damaged(plain, tmp_path / 'damaged.mp4', packet=int(timeline.places[number]), at=0.3, length=64)
    found = list(video.decode(str(path), timeline, range(60), SMALL))
    assert [one.number for one in found if isinstance(one, BadFrame)] == [number]


@pytest.mark.parametrize('packet', range(0, 60, 5))
def test_a_verdict_is_the_same_in_whatever_pieces(plain: Path, tmp_path: Path, packet: int) -> None:
    timeline = video.survey(str(plain))
    path = str(footage.damaged(plain, tmp_path / 'damaged.mp4', packet=packet))
    together = {one.number: one for one in video.decode(path, timeline, range(60), SMALL)}
    for number in range(0, 60, 3):
        (alone,) = video.decode(path, timeline, [number], SMALL)
        if isinstance(alone, Frame):
            other = together[number]
            assert isinstance(other, Frame)
            assert same(alone, other)
        else:
            assert isinstance(together[number], BadFrame)


def test_a_frame_shown_before_what_it_rests_on_waits_for_the_verdict(plain: Path, tmp_path: Path) -> None:
    timeline = video.survey(str(plain))
    # A frame that others, shown before it, are decoded from.
    number = next(
        n
        for n in range(13, 24)
        if not timeline.disposable[n] and timeline.disposable[n - 1] and timeline.places[n - 1] > timeline.places[n]
    )
    path = footage.damaged(plain, tmp_path / 'damaged.mp4', packet=int(timeline.places[number]))
    found = {one.number: one for one in video.decode(str(path), timeline, range(60), SMALL)}
    assert isinstance(found[number], BadFrame)
    assert found[number - 1] == BadFrame(
        number - 1, 'corrupt', f'it rests on frame {number:,}, which can not be decoded'
    )
    assert isinstance(found[11], Frame)


def test_a_file_that_shrank_since_its_survey_fails_as_a_whole(plain: Path, tmp_path: Path) -> None:
    timeline = video.survey(str(footage.with_index_first(plain, tmp_path / 'first.mp4')))
    path = footage.cut(tmp_path / 'first.mp4', tmp_path / 'cut.mp4', keep=0.5)
    with pytest.raises(VideoError) as failed:
        list(video.decode(str(path), timeline, range(60), SMALL))
    assert failed.value.reason == 'truncated'


def test_another_file_in_its_place_is_noticed(plain: Path, tmp_path: Path) -> None:
    other = footage.write_numbered(tmp_path / 'a.mp4', 60, times=25)
    with pytest.raises(VideoError) as failed:
        list(video.decode(str(other), video.survey(str(plain)), range(60), SMALL))
    assert failed.value.reason == 'changed'


def test_frames_a_keyframe_does_not_know_are_found_from_far_away(tmp_path: Path) -> None:
    # Long enough for a seek; a transport stream knows none of its keyframes.
    for suffix in ('ts', 'mkv', 'mp4'):
        path = footage.write_numbered(tmp_path / f'a.{suffix}', 700, style=Style(gop=25))
        wanted = [0, 3, 180, 181, 500, 699]
        assert [footage.number_of(one.pixels) for one in decoded(path, wanted)] == wanted


def test_faults_in_two_groups_that_reach_into_one_another_are_told_apart(tmp_path: Path) -> None:
    path = footage.write_numbered(tmp_path / 'a.mp4', 60, style=Style(open_gop=True))
    timeline = video.survey(str(path))
    in_second = next(n for n in range(int(timeline.keyframes[1]) + 1, 60) if not timeline.disposable[n])
    faults = [int(timeline.places[in_second]), int(timeline.key_places[2])]
    for place in faults:
        path = footage.damaged(path, tmp_path / f'{place}.mp4', packet=place)

    def rests_on_a_fault(number: int) -> bool:
        begin = int(timeline.key_places[timeline.key_of(number)])
        return any(begin <= fault <= int(timeline.places[number]) for fault in faults)

    bad = [one.number for one in video.decode(str(path), timeline, range(60), SMALL) if isinstance(one, BadFrame)]
    assert bad == [number for number in range(60) if rests_on_a_fault(number)]
    assert min(bad) > timeline.keyframes[1]
    assert max(bad) < timeline.keyframes[3]


@pytest.mark.parametrize('packet', range(3, 40, 4))
def test_where_frames_are_counted_none_is_taken_for_another(tmp_path: Path, packet: int) -> None:
    path = footage.write_numbered(tmp_path / 'a.avi', 45)
    timeline = video.survey(str(path))
    damaged = footage.damaged(path, tmp_path / 'damaged.avi', packet=packet, at=0.05, length=200)
    found = list(video.decode(str(damaged), timeline, range(45), SMALL))
    assert [one.number for one in found] == list(range(45))
    assert any(isinstance(one, BadFrame) for one in found)
    assert all(footage.number_of(one.pixels) == one.number for one in found if isinstance(one, Frame))


def test_a_file_of_nothing_but_faults_is_soon_told(tmp_path: Path) -> None:
    path = footage.write_numbered(tmp_path / 'a.mp4', 400, style=Style(gop=1000))
    timeline = video.survey(str(path))
    with av.open(str(path)) as source:
        places = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.pos is not None]
    data = bytearray(path.read_bytes())
    for begin, size in places:
        data[begin + size // 3 : begin + size] = bytes(size - size // 3)
    path.write_bytes(data)
    found = list(Decoder(threads=2).decode(str(path), timeline, range(400), SMALL))
    assert [one.number for one in found] == list(range(400))
    assert sum(isinstance(one, BadFrame) for one in found) > 390


@pytest.mark.parametrize('together', [True, False])
def test_two_fields_are_one_frame(tmp_path: Path, together: bool) -> None:
    path = write_fields(tmp_path / 'a.ts', 22, together=together)
    timeline = video.survey(str(path))
    assert (len(timeline), timeline.packets, timeline.counted) == (22, 44, False)
    assert timeline.times.tolist() == pytest.approx([n / 25 for n in range(22)])
    assert [footage.number_of(one.pixels) for one in decoded(path, range(22))] == list(range(22))
    for number in (0, 5, 14, 21):
        (alone,) = decoded(path, [number])
        assert footage.number_of(alone.pixels) == number
        # Both halves, not one of them twice.
        (whole,) = decoded(path, [number], (64, 96, 3))
        assert np.abs(whole.pixels.astype(int) - footage.numbered(number)).max() <= 2
