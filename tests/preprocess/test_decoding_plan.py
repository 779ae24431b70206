"""No packet is decoded that the wanted frames don't rest on, and none that they do is left out."""

from fractions import Fraction

import numpy as np
import pytest

from preprocess.decoding_plan import decoded_frames, passes
from preprocess.timelines import Timeline

# Shown:    0  1  2  3 | 4  5  6  7 | 8  9
# Decoded:  0  3 .1 .2 | 6 .4 .5  7 | 8  9     (a dot: nothing rests on it; 4 and 5 are shown before keyframe 6)
DECODED = [0, 3, 1, 2, 6, 4, 5, 7, 8, 9]


def timeline() -> Timeline:
    return Timeline(
        time_base=Fraction(1, 10),
        pts=np.arange(10),
        end=10,
        places=np.argsort(DECODED),
        packets=10,
        disposable=np.isin(np.arange(10), [1, 2, 4, 5]),
        keyframes=np.array([0, 6, 8]),
        key_places=np.array([0, 4, 8]),
        key_pts=np.array([0, 6, 8]),
        width=8,
        height=8,
    )


def decoded(*frames: int) -> list[list[int]]:
    """The frames each pass decodes, in the order of decoding."""
    return [[DECODED[place] for place in one.places] for one in passes(timeline(), frames)]


def test_a_keyframe_needs_itself() -> None:
    assert decoded(0) == [[0]]
    assert decoded(8) == [[8]]


def test_frames_nothing_rests_on_are_left_out() -> None:
    assert decoded(3) == [[0, 3]]
    assert decoded(2) == [[0, 3, 2]]
    assert decoded(1, 2) == [[0, 3, 1, 2]]
    assert decoded(9) == [[8, 9]]


def test_what_is_shown_before_an_open_keyframe_is_reached_from_the_one_before() -> None:
    assert decoded(5) == [[0, 3, 6, 5]]


def test_from_an_open_keyframe_what_is_shown_before_it_is_left_out() -> None:
    assert decoded(7) == [[6, 7]]


def test_passes_join_where_nothing_would_be_decoded_in_vain() -> None:
    assert decoded(*range(10)) == [DECODED]
    # All that lies between 3 and keyframe 6 are frames nothing rests on.
    assert decoded(3, 7) == [[0, 3, 6, 7]]
    # 3 and 7 would be.
    assert decoded(0, 6) == [[0], [6]]
    assert decoded(0, 8) == [[0], [8]]


def test_the_frames_that_must_be_decoded_are_counted() -> None:
    assert decoded_frames(timeline(), range(10)) == 10
    assert decoded_frames(timeline(), [0, 8]) == 2
    assert decoded_frames(timeline(), []) == 0


def test_every_wanted_frame_is_in_one_pass() -> None:
    chance = np.random.default_rng(0)
    for _ in range(200):
        wanted = np.flatnonzero(chance.random(10) < chance.random()).tolist()
        found = list(passes(timeline(), wanted))
        assert [number for one in found for number in one.wanted.tolist()] == wanted
        for one in found:
            sent = {DECODED[place] for place in one.places}
            assert sent >= set(one.wanted.tolist())
            assert one.places.tolist() == sorted(set(one.places.tolist()))
            assert one.places[0] == timeline().key_places[one.key]


@pytest.mark.parametrize(('wanted', 'end'), [(0, 17), (3, 20), (25, 30)])
def test_where_frames_are_counted_those_that_may_come_out_before_are_decoded_too(wanted: int, end: int) -> None:
    zero = np.array([0])
    counted = Timeline(
        time_base=Fraction(1, 10),
        pts=np.arange(30),
        end=30,
        places=np.arange(30),
        packets=30,
        disposable=np.zeros(30, np.bool_),
        keyframes=zero,
        key_places=zero,
        key_pts=zero,
        counted=True,
        width=8,
        height=8,
    )
    (one,) = passes(counted, [wanted])
    assert one.places.tolist() == list(range(end))
