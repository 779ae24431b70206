"""What is done to raw frames before anything looks at them."""

import argparse
from dataclasses import replace

import numpy as np
import pytest

from preprocess import preparation
from preprocess.failures import UsageError
from preprocess.preparation import NOTHING, Preparation, Region
from tests.preprocess.test_timelines import UNEVEN


def gray(*levels: int) -> preparation.Pixels:
    return np.array(levels, np.uint8).reshape(1, -1, 1)


def test_the_background_is_taken_away_whichever_is_brighter() -> None:
    prepared = preparation.finish(gray(0, 10, 200, 255), NOTHING, gray(5, 10, 255, 0))
    assert prepared.ravel().tolist() == [5, 0, 55, 255]


def test_contrast_goes_from_black_to_white() -> None:
    stretched = preparation.stretch(gray(50, 75, 110, 150))
    assert stretched.ravel().tolist() == [0, 64, 153, 255]


def test_a_few_hot_pixels_do_not_hold_back_the_stretch() -> None:
    pixels = np.full((100, 100, 1), 60, np.uint8)
    pixels[:50] = 40
    pixels[0, :20], pixels[1, :20] = 255, 0
    stretched = preparation.stretch(pixels)
    assert stretched[75, 50, 0] == 255
    assert stretched[25, 50, 0] == 0


def test_an_even_frame_stays_as_it_is() -> None:
    pixels = np.full((4, 4, 3), 90, np.uint8)
    np.testing.assert_array_equal(preparation.stretch(pixels), pixels)


def test_each_channel_is_stretched_by_itself() -> None:
    pixels = np.stack([gray(0, 100)[..., 0], gray(50, 60)[..., 0], gray(7, 7)[..., 0]], axis=2)
    assert preparation.stretch(pixels).tolist() == [[[0, 0, 7], [255, 255, 7]]]


def test_stretching_never_wraps_around() -> None:
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (64, 64, 3), np.uint8)
    stretched = preparation.stretch(pixels)
    for channel in range(3):
        order = np.argsort(pixels[:, :, channel].ravel(), kind='stable')
        assert np.all(np.diff(stretched[:, :, channel].ravel()[order].astype(int)) >= 0)


def test_the_median_forgets_what_passes_by() -> None:
    still = gray(10, 20, 30)
    frames = [still.copy() for _ in range(7)]
    for place, frame in enumerate(frames[:3]):
        frame[0, place % 3] = 255
    np.testing.assert_array_equal(preparation.median(frames), still)
    assert preparation.median([gray(1), gray(2), gray(8), gray(9)]).ravel().tolist() == [2]


def test_the_background_is_of_frames_all_over_the_file() -> None:
    assert preparation.background_frames(UNEVEN).tolist() == [0, 1, 2, 3, 4, 5]
    count = 1000
    steady = replace(
        UNEVEN,
        pts=np.arange(count),
        end=count,
        places=np.arange(count),
        packets=count,
        disposable=np.zeros(count, np.bool_),
        keyframes=np.array([0]),
        key_places=np.array([0]),
        key_pts=np.array([0]),
    )
    frames = preparation.background_frames(steady)
    assert (len(frames), frames[0], frames[-1]) == (preparation.BACKGROUND_FRAMES, 0, 999)
    assert set(np.diff(frames)) <= {16, 17}


def test_keyframes_are_enough_for_a_background_where_there_are_many() -> None:
    keys = np.arange(0, 2000, 10)
    many = replace(
        UNEVEN,
        pts=np.arange(2000),
        end=2000,
        places=np.arange(2000),
        packets=2000,
        disposable=np.zeros(2000, np.bool_),
        keyframes=keys,
        key_places=keys,
        key_pts=keys,
    )
    assert set(preparation.background_frames(many) % 10) == {0}


def parsed(*words: str) -> Preparation:
    parser = argparse.ArgumentParser()
    preparation.add_flags(parser)
    return preparation.from_flags(parser.parse_args(words))


def test_flags_say_what_is_done() -> None:
    assert parsed() == NOTHING
    words = ['--size', '320x240', '--gray', '--background', 'median', '--contrast', 'stretch', '--roi', '1,2,30,40']
    asked = parsed(*words)
    assert asked == Preparation((320, 240), True, 'median', 'stretch', Region(1, 2, 30, 40))
    assert asked.text == 'roi=1,2,30,40 size=320x240 gray=yes background=median contrast=stretch'
    assert NOTHING.text == ''


@pytest.mark.parametrize(
    'words',
    [
        ('--size', '320'),
        ('--size', '0x240'),
        ('--size=-3x4',),
        ('--roi', '1,2,3'),
        ('--roi', '1,2,0,4'),
        ('--roi', 'a,b,c,d'),
        ('--roi=-1,2,3,4',),
    ],
)
def test_impossible_flags_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        parsed(*words)


def test_a_preparation_that_can_not_be_is_not_born() -> None:
    with pytest.raises(ValueError, match='choose from none, median'):
        Preparation(background='mean')
    with pytest.raises(ValueError, match='no size'):
        Preparation(size=(0, 4))
