"""Whatever is done to the bytes of a video: right frames, bad frames, or a reason; never anything else."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from preprocess import video
from preprocess.containers import OpenVideo
from preprocess.reasons import REASONS
from preprocess.video import BadFrame, Decoder, VideoError
from tests import footage
from tests.footage import Style
from tests.interlaced import write_fields

COUNT = 30


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp('whole')
    whole = footage.write_numbered(folder / 'a.mp4', COUNT)
    return [
        whole,
        footage.with_index_first(whole, folder / 'b.mp4'),
        footage.write_numbered(folder / 'c.mkv', COUNT, style=Style(open_gop=True)),
        footage.write_numbered(folder / 'd.ts', COUNT),
        footage.write_numbered(folder / 'e.avi', COUNT),
        footage.write_numbered(folder / 'f.avi', COUNT, style=Style(codec='mpeg4', b_frames=2)),
        footage.write_numbered(folder / 'g.mp4', COUNT, style=Style(codec='libx265')),
        footage.write_numbered(folder / 'h.flv', COUNT),
        footage.write_numbered(folder / 'i.mpg', COUNT, style=Style(codec='mpeg2video')),
        write_fields(folder / 'j.ts', COUNT),
    ]


def spoil(data: bytearray, chance: random.Random) -> bytearray:
    """Bits flipped, the end missing, a stretch of rubbish, or a headers' bytes changed."""
    kind = chance.choice(['flip', 'cut', 'rubbish', 'header'])
    if kind == 'cut':
        return data[: chance.randrange(len(data))]
    if kind == 'rubbish':
        begin, length = chance.randrange(len(data)), chance.randrange(1, 2000)
        data[begin : begin + length] = chance.randbytes(min(length, len(data) - begin))
        return data
    for _ in range(chance.randrange(1, 20)):
        place = chance.randrange(len(data) if kind == 'flip' else min(len(data), 600))
        data[place] ^= 1 << chance.randrange(8)
    return data


def judge(path: Path, threads: int) -> None:
    """Every frame of the timeline is answered for, or the file has a reason of the list."""
    try:
        timeline = video.survey(str(path))
        wanted = range(min(len(timeline), 2 * COUNT))
        found = list(Decoder(threads=threads).decode(str(path), timeline, wanted, (16, 24, 3)))
    except VideoError as error:
        assert error.reason in REASONS
        return
    assert [one.number for one in found] == list(wanted)
    assert {one.reason for one in found if isinstance(one, BadFrame)} <= {'corrupt'}


@pytest.mark.parametrize('seed', range(8))
def test_spoilt_videos_are_answered_for(videos: list[Path], tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for whole in videos:
        path = tmp_path / f'spoilt{whole.suffix}'
        path.write_bytes(spoil(bytearray(whole.read_bytes()), chance))
        judge(path, chance.choice([1, 2]))


@pytest.mark.slow
def test_many_spoilt_videos_are_answered_for(videos: list[Path], tmp_path: Path) -> None:
    chance = random.Random(1000)
    for _ in range(3000):
        whole = chance.choice(videos)
        path = tmp_path / f'spoilt{whole.suffix}'
        path.write_bytes(spoil(bytearray(whole.read_bytes()), chance))
        judge(path, chance.choice([1, 2]))


def test_a_frame_that_can_not_be_scaled_is_bad_by_itself(videos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from av.error import ExternalError

    from preprocess.scaling import Scaler

    scale = Scaler.pixels
    count = iter(range(100))

    def third_time(self: Scaler, frame: object) -> object:
        if next(count) == 2:
            raise ExternalError(95, 'Operation not supported')
        return scale(self, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(Scaler, 'pixels', third_time)
    timeline = video.survey(str(videos[0]))
    found = list(video.decode(str(videos[0]), timeline, range(5), (16, 24, 3)))
    assert [one.number for one in found if isinstance(one, BadFrame)] == [2]


def test_a_stream_that_turns_up_under_way_ends_nothing_early() -> None:
    class Packet:
        size = 3

    class Container:
        def demux(self, stream: object) -> Iterator[Packet]:
            yield Packet()
            yield Packet()
            raise IndexError('list index out of range')  # as PyAV does behind the last packet

    assert len(list(OpenVideo(Container(), None).packets())) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize('suffix', ['mp4', 'mkv', 'flv'])
@pytest.mark.parametrize('at', [0.1, 0.9])
def test_frames_before_the_first_whole_keyframe_keep_their_numbers_and_times(
    tmp_path: Path, suffix: str, at: float
) -> None:
    whole = footage.write_numbered(tmp_path / f'a.{suffix}', 60)
    path = footage.damaged(whole, tmp_path / f'b.{suffix}', packet=0, at=at, length=2000)
    before, timeline = video.survey(str(whole)), video.survey(str(path))
    assert timeline.pts.tolist() == before.pts.tolist()
    for threads in (1, 2):
        found = list(Decoder(threads=threads).decode(str(path), timeline, range(len(timeline)), (64, 96, 3)))
        bad = [one.number for one in found if isinstance(one, BadFrame)]
        assert bad == list(range(12))
        good = {one.number: footage.number_of(one.pixels) for one in found if isinstance(one, video.Frame)}
        assert good == {number: number for number in range(12, 60)}


def test_a_damaged_first_keyframe_whose_flag_is_whole_costs_the_same_frames(tmp_path: Path) -> None:
    style = Style(codec='mpeg4', b_frames=2)
    whole = footage.write_numbered(tmp_path / 'a.mp4', 36, style=style)
    path = footage.damaged(whole, tmp_path / 'b.mp4', packet=0, at=0.1, length=2000)
    timeline = video.survey(str(path))
    assert timeline.times.tolist() == video.survey(str(whole)).times.tolist()
    found = list(video.decode(str(path), timeline, range(36), (64, 96, 3)))
    good = [(one.number, footage.number_of(one.pixels)) for one in found if isinstance(one, video.Frame)]
    assert good[-24:] == [(number, number) for number in range(12, 36)]
    assert all(number >= 12 for number, _ in good)


def test_frames_cut_off_before_a_keyframe_are_counted_as_bad(tmp_path: Path) -> None:
    whole = footage.write_numbered(tmp_path / 'a.mp4', 60)
    path = footage.damaged(whole, tmp_path / 'b.mp4', packet=0, at=0.1, length=2000)
    timeline = video.survey(str(path))
    assert [one.number for one in video.decode(str(path), timeline, [3, 7], (64, 96, 3))] == [3, 7]
    assert video.splits(timeline, [3, 7, 13], most=2) == [[3, 7], [13]]
    assert float(timeline.times[12]) == pytest.approx(0.4)
