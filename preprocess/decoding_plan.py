"""Which packets must be decoded for some frames, and in which passes: no more than these frames rest on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.timelines import Timeline

# H.264 and HEVC keep no more frames waiting for their turn.
MOST_REORDERED = 16


# A pass ends where it can once it gives so many frames: what is known of it stays small.
LONG_PASS = 2000


@dataclass(frozen=True, eq=False)
class Pass:
    """One run of a decoder: from a keyframe through the packets in `places` to the last of the wanted frames."""

    key: int  # index among the timeline's keyframes
    places: NDArray[np.int64]
    wanted: NDArray[np.int64]


def passes(timeline: Timeline, frames: Sequence[int] | NDArray[np.int64]) -> Iterator[Pass]:
    """The passes that decode these frames, given in ascending order; none for those before the first keyframe."""
    joined: list[Pass] = []
    numbers = np.asarray(frames, np.int64)
    for wanted in _by_key(timeline, numbers[numbers >= timeline.keyframes[0]]):
        following = _pass(timeline, wanted)
        if joined and not _goes_on(timeline, joined, following):
            yield _joined(joined)
            joined = []
        joined.append(following)
    if joined:
        yield _joined(joined)


def decoded_frames(timeline: Timeline, frames: Sequence[int] | NDArray[np.int64]) -> int:
    """How many packets must be decoded for these frames."""
    return sum(len(one.places) for one in passes(timeline, frames))


def _by_key(timeline: Timeline, frames: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The frames that decoding reaches from the same keyframe, together."""
    if not len(frames):
        return []
    keys = np.searchsorted(timeline.keyframes, frames, 'right')
    return np.split(frames, np.flatnonzero(np.diff(keys)) + 1)


def _pass(timeline: Timeline, wanted: NDArray[np.int64]) -> Pass:
    key = timeline.key_of(int(wanted[0]))
    begin, end = int(timeline.key_places[key]), int(timeline.places[wanted].max()) + 1
    if timeline.counted:
        # They come out in another order than they went in, nobody knows which.
        end = min(end + MOST_REORDERED, timeline.packets)
    return Pass(key, begin + np.flatnonzero(_needed(timeline, key, wanted, begin, end)), wanted)


def _needed(timeline: Timeline, key: int, wanted: NDArray[np.int64], begin: int, end: int) -> NDArray[np.bool_]:
    """Which packets of [begin, end) the wanted frames rest on, decoding from a keyframe at `begin`."""
    numbers = timeline.numbers[begin:end]
    # Frames that follow an open keyframe but are shown before it rest on those before it, and on them nothing rests.
    needed: NDArray[np.bool_] = (numbers >= timeline.keyframes[key]) | (numbers < 0)
    needed &= ~timeline.skippable[begin:end]
    needed[timeline.places[wanted] - begin] = True
    needed[0] = True
    return needed


def _goes_on(timeline: Timeline, joined: list[Pass], following: Pass) -> bool:
    """Whether no packet would be decoded for nothing if the decoder simply went on."""
    last = joined[-1]
    if following.key != last.key + 1:
        return False
    begin, end = int(last.places[-1]) + 1, int(timeline.key_places[following.key])
    if begin > end:
        return True  # the last wanted frame itself comes behind the next keyframe
    return bool(np.all(timeline.skippable[begin:end])) and sum(len(one.wanted) for one in joined) < LONG_PASS


def _joined(some: list[Pass]) -> Pass:
    if len(some) == 1:
        return some[0]
    places = np.unique(np.concatenate([one.places for one in some]))
    return Pass(some[0].key, places, np.concatenate([one.wanted for one in some]))
