"""Which frame is shown when, and that a timeline is the same after it was kept."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest

from preprocess.timelines import OutdatedTimeline, Timeline

# Six frames of which the third is decoded before the second, and decoding may begin again at the fifth.
UNEVEN = Timeline(
    time_base=Fraction(1, 10),
    pts=np.array([5, 6, 8, 12, 20, 21]),
    end=30,
    places=np.array([0, 2, 1, 3, 4, 5]),
    packets=6,
    disposable=np.array([False, True, False, False, False, True]),
    keyframes=np.array([0, 4]),
    key_places=np.array([0, 4]),
    key_pts=np.array([5, 20]),
    width=320,
    height=240,
    rotation=90,
    codec='h264',
    created=datetime(2019, 4, 4, 9, 21, 58, tzinfo=UTC),
)


def test_times_count_from_the_first_shown_frame() -> None:
    assert UNEVEN.times.tolist() == pytest.approx([0, 0.1, 0.3, 0.7, 1.5, 1.6])
    assert UNEVEN.duration == pytest.approx(2.5)
    assert len(UNEVEN) == 6


@pytest.mark.parametrize(
    ('seconds', 'frame'),
    [(0, 0), (0.0999, 0), (0.1, 1), (0.2999, 1), (0.7, 3), (1.4999, 3), (1.5, 4), (1.6, 5), (99, 5), (-1, 0)],
)
def test_the_frame_for_a_time_is_the_last_one_shown_by_then(seconds: float, frame: int) -> None:
    assert UNEVEN.at(seconds) == frame


@pytest.mark.parametrize(
    ('start', 'stop', 'frames'),
    [(0, 0.3, (0, 2)), (0.1, 0.1, (1, 1)), (0.05, 0.31, (1, 3)), (0, 99, (0, 6)), (5, 9, (6, 6)), (0.3, 0.1, (2, 2))],
)
def test_the_frames_of_a_stretch_are_those_shown_first_within_it(
    start: float, stop: float, frames: tuple[int, int]
) -> None:
    assert UNEVEN.within(start, stop) == frames


def test_a_written_time_means_the_frame_it_was_rounded_from() -> None:
    thirds = replace(UNEVEN, time_base=Fraction(1, 3), key_pts=UNEVEN.key_pts)
    for number, time in enumerate(thirds.times):
        assert thirds.at(float(f'{time:.6f}')) == number


def test_decoding_begins_at_the_keyframe_before() -> None:
    assert [UNEVEN.key_of(frame) for frame in range(6)] == [0, 0, 0, 0, 1, 1]


def test_packets_know_their_frames() -> None:
    assert UNEVEN.numbers.tolist() == [0, 2, 1, 3, 4, 5]
    hidden = replace(UNEVEN, places=UNEVEN.places + 1, packets=8)
    assert hidden.numbers.tolist() == [-1, 0, 2, 1, 3, 4, 5, -1]


def test_a_kept_timeline_is_the_same() -> None:
    again = Timeline.from_bytes(UNEVEN.to_bytes())
    for name in ('pts', 'places', 'disposable', 'keyframes', 'key_places', 'key_pts'):
        np.testing.assert_array_equal(getattr(again, name), getattr(UNEVEN, name))
    for name in (
        'time_base',
        'end',
        'packets',
        'counted',
        'width',
        'height',
        'rotation',
        'mirrored',
        'codec',
        'created',
    ):
        assert getattr(again, name) == getattr(UNEVEN, name)
    assert again.to_bytes() == UNEVEN.to_bytes()
    assert Timeline.from_bytes(replace(UNEVEN, created=None).to_bytes()).created is None


def test_three_hours_of_frames_are_kept_in_little() -> None:
    count = 3 * 3600 * 30
    steady = replace(
        UNEVEN,
        pts=np.arange(count) * 1001,
        end=count * 1001,
        places=np.arange(count),
        packets=count,
        disposable=np.arange(count) % 2 == 1,
        keyframes=np.arange(0, count, 30),
        key_places=np.arange(0, count, 30),
        key_pts=np.arange(0, count, 30) * 1001,
    )
    assert len(steady.to_bytes()) < 30_000


def damaged_files() -> dict[str, bytes]:
    data = UNEVEN.to_bytes()
    return {
        'nothing': b'',
        'something else': b'HLPIECE1' + data[8:],
        'its head alone': data[:20],
        'half of it': data[:-10],
        'other numbers': data[:12] + data[12:].replace(b'"frames":6', b'"frames":7'),
        'no JSON': data[:12] + b'x' + data[13:],
    }


@pytest.mark.parametrize('which', damaged_files())
def test_damaged_timelines_are_refused(which: str) -> None:
    with pytest.raises(ValueError, match='timeline'):
        Timeline.from_bytes(damaged_files()[which])


@pytest.mark.parametrize(
    'wrong',
    [
        {'pts': np.array([5, 5, 8, 12, 20, 21])},
        {'pts': np.array([], np.int64), 'places': np.array([], np.int64), 'disposable': np.array([], np.bool_)},
        {'end': 20},
        {'keyframes': np.array([], np.int64)},
        {'keyframes': np.array([0, 0])},
        {'key_places': np.array([0])},
        {'disposable': np.array([True])},
    ],
)
def test_a_timeline_that_can_not_be_is_not_born(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r'time|keyframe|begin'):
        replace(UNEVEN, **wrong)  # type: ignore[arg-type]


def test_a_timeline_of_an_earlier_version_is_known_as_one() -> None:
    with pytest.raises(OutdatedTimeline, match='earlier version'):
        Timeline.from_bytes(UNEVEN.to_bytes().replace(b'HLTIME2', b'HLTIME1', 1))
