"""The motion signal: values worked out by hand, and the published ones from the published frames."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess import motion_signal
from preprocess.motion_signal import Measuring

FISH = Path(__file__).parents[3] / 'shared' / 'reference' / 'fish'
needs_published = pytest.mark.skipif(not FISH.exists(), reason='the published frames are not beside the checkout')


def gray(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


def test_a_value_is_the_mean_absolute_difference_to_the_next_frame() -> None:
    frames = [gray([0, 255], [10, 10]), gray([255, 0], [10, 61]), gray([255, 0], [10, 61])]

    signal = motion_signal.of_frames(frames)

    assert signal.dtype == np.float64
    assert signal.tolist() == pytest.approx([(1 + 1 + 0 + 51 / 255) / 4, 0.0, 0.0], abs=1e-7)


def test_growing_darker_counts_as_growing_brighter() -> None:
    dark, bright = gray([3, 4, 5]), gray([250, 4, 6])

    assert motion_signal.difference(dark, bright) == motion_signal.difference(bright, dark) > 0.3


@pytest.mark.parametrize(('frames', 'signal'), [([], []), ([gray([7])], [0.0])])
def test_without_a_second_frame_nothing_moves(frames: list[np.ndarray], signal: list[float]) -> None:
    assert motion_signal.of_frames(frames).tolist() == signal


def test_the_signal_of_a_long_recording_needs_two_frames_at_a_time() -> None:
    given: list[weakref.ref[np.ndarray]] = []

    def frames() -> Iterator[np.ndarray]:
        for value in range(50):
            assert sum(frame() is not None for frame in given) <= 2
            frame = np.full((2, 2), value, np.uint8)
            given.append(weakref.ref(frame))
            yield frame
            del frame

    assert motion_signal.of_frames(frames()).tolist() == pytest.approx([1 / 255] * 49 + [0.0], abs=1e-7)


def test_frames_of_several_sizes_are_no_recording() -> None:
    with pytest.raises(ValueError, match='frames of'):
        motion_signal.of_frames([gray([1, 2]), gray([1, 2, 3])])


def test_beside_frames_that_can_not_be_decoded_the_signal_runs_straight() -> None:
    frames = [gray([value]) for value in (0, 51, 51, 51, 0, 0)]
    frames[2] = None  # type: ignore[call-overload]

    # 0.2 before, 0.2 after; the two values that need frame 2 lie between them.
    assert motion_signal.of_frames(frames).tolist() == pytest.approx([0.2, 0.2, 0.2, 0.2, 0.0, 0.0], abs=1e-7)
    assert motion_signal.of_frames([None, *frames[:2], None]).tolist() == pytest.approx([0.2, 0.2, 0.2, 0.0], abs=1e-7)
    assert motion_signal.of_frames([None, None]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize('stop', range(1, 8))
def test_a_signal_found_in_two_goes_is_the_one_found_in_one(stop: int) -> None:
    frames = [None if place in (2, 5) else gray([31 * place % 256, 7 * place]) for place in range(8)]
    first = Measuring()
    for frame in frames[:stop]:
        first.add(frame)
    begun = first.begun()

    again = Measuring(begun)
    for frame in frames[len(begun.values) :]:
        again.add(frame)

    assert again.signal().tolist() == motion_signal.of_frames(frames).tolist()
    assert (again.undecodable, again.frames) == (2, 8)
    assert stop - 3 < len(begun.values) < stop


@needs_published
def test_the_published_values_between_the_published_frames_are_reproduced() -> None:
    frames = [np.asarray(Image.open(path)) for path in sorted((FISH / 'sample_images').glob('*.png'))]
    published = np.load(FISH / 'targets' / 'train' / 'Y_tilde.npy')

    signal = motion_signal.of_frames(frames)

    assert len(signal) == 11
    assert signal[:10] == pytest.approx(published[:10], rel=1e-7, abs=0)
