"""Where rows of footage stand."""

import numpy as np
import pytest

from trainer.moments import Moments


def test_the_rows_of_each_recording_come_in_the_order_of_their_times() -> None:
    moments = Moments(
        ('b', 'a', '', 'b', 'a', 'b'), np.array([7, 2, 0, 3, 1, 4]), np.array([7.0, 0.2, 0.0, 3.0, 0.1, 3.0])
    )

    assert [(video, rows.tolist()) for video, rows in moments.by_video()] == [('a', [4, 1]), ('b', [3, 5, 0])]


def test_rows_without_footage_have_no_moments() -> None:
    assert Moments.of([(None, None, None), (None, None, None)]) is None
    assert Moments.of([]) is None
    mixed = Moments.of([(None, None, None), ('a', 4, 0.5)])
    assert mixed is not None
    assert (mixed.videos, mixed.frames.tolist(), mixed.times.tolist()) == (('', 'a'), [0, 4], [0.0, 0.5])


def test_columns_of_several_lengths_are_no_moments() -> None:
    with pytest.raises(ValueError, match='2 recordings, 1 frames'):
        Moments(('a', 'b'), np.array([1]), np.array([0.0]))
