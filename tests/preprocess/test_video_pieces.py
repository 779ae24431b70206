"""How finely videos are divided: no piece too small to be worth its opening, enough of them for all workers."""

import pytest

from preprocess.video_pieces import MOST_FRAMES, frames_in_piece


@pytest.mark.parametrize(
    ('wanted', 'decoded', 'videos', 'frames'),
    [
        (10_800, 101_600, 1, 55),  # three hours at one frame a second: as many as are worth 512 decoded ones
        (324_000, 324_000, 1, MOST_FRAMES),  # all of them
        (600, 5_640, 1, 10),  # ten minutes at one frame a second are divided into 60
        (60, 564, 1, 7),  # one minute: not finer than 64 decoded frames each
        (600, 5_640, 1000, 55),  # of a thousand such each worker has whole ones
        (10, 94, 10_000, 55),  # ten seconds: one piece
        (1, 250, 1, 1),
        (0, 1, 0, 1),
    ],
)
def test_pieces_are_as_big_as_the_work_in_them_and_the_number_of_videos_say(wanted, decoded, videos, frames):
    assert frames_in_piece(wanted, decoded, videos=videos) == frames
