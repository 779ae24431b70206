"""A video in pieces that are decoded by themselves: each worth opening the file for, enough of them for everyone."""

from preprocess import decoding_plan
from preprocess.footage import WantedFrames
from preprocess.timelines import Timeline
from preprocess.video_reader import VideoReader

# Frames that come out of a piece at most, and frames that are decoded for it: a kill costs no more than some pieces,
# and none of them keeps the others waiting at the end.
MOST_FRAMES = 128
_MOST_DECODED = 512
# Opening a file and finding the first frame takes as long as decoding three to five frames of 1280 x 720 (measured).
_LEAST_DECODED = 64
# What all videos of a run are divided into at least: a few pieces for each of many workers.
_PIECES = 64


def divide(wanted: WantedFrames, timeline: Timeline, reader: VideoReader, *, videos: int) -> list[WantedFrames]:
    """The pieces of a video, one of so many in the run."""
    numbers = wanted.numbers.tolist()
    # None is, where all wanted frames stand before the first keyframe.
    decoded = max(1, decoding_plan.decoded_frames(timeline, numbers))
    most = frames_in_piece(len(numbers), decoded, videos=videos)
    return [wanted.some(piece) for piece in reader.splits(timeline, numbers, most=most)]


def frames_in_piece(wanted: int, decoded: int, *, videos: int) -> int:
    """How many frames to take into one piece, of so many for which so many must be decoded."""
    fair = -(-wanted * max(videos, 1) // _PIECES)
    least, most = (-(-wanted * frames // decoded) for frames in (_LEAST_DECODED, _MOST_DECODED))
    return max(1, min(max(fair, least), most, MOST_FRAMES))
