"""One decoder at work: every wanted frame of a pass in order, or why there is none.

Several threads, and hardware, tell of a fault late and lose frames that were well: it only ends their pass (`Trouble`),
whose frames are then decoded by one thread, where every verdict is exact.

A frame is bad when no picture comes of its packet, when FFmpeg marks the picture (it paints over faults it finds), or
when it rests on such a one. What a frame rests on may be shown after it: then it waits until that came out well.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from preprocess.containers import said
from preprocess.decoding_plan import Pass
from preprocess.packets import Packets
from preprocess.timelines import Timeline

_NO_PICTURE = 'no picture comes of it'


@dataclass(frozen=True)
class BadFrame:
    """A frame that is there and can't be decoded; `reason` is a key of preprocess.reasons.REASONS."""

    number: int
    reason: str
    message: str


class Trouble(Exception):
    """Something of this pass can't be decoded, and it isn't sure what."""


Picture = tuple[int, VideoFrame | BadFrame]


def run(packets: Packets, timeline: Timeline, one: Pass, *, exact: bool) -> Iterator[Picture]:
    """The wanted frames of a pass, in order; not `exact`, a fault raises Trouble before any frame that rests on it."""
    packets.begin(one.key)
    outcomes = _Outcomes(timeline, one, exact=exact)
    try:
        for place in one.places.tolist():
            yield from outcomes.of(_answers(packets, outcomes, place))
        yield from outcomes.of(_answers(packets, outcomes, None))
        yield from outcomes.rest()
    finally:
        packets.reset()


def _answers(packets: Packets, outcomes: '_Outcomes', place: int | None) -> list[VideoFrame]:
    """The frames that come out when the packet at a place goes in, or at the end."""
    try:
        return packets.decoded(place)
    except FFmpegError as error:
        outcomes.complain(said(error))
        return []


class _Outcomes:
    """What came of the packets of a pass: frames in order of their times, faults, and what rests on faults."""

    def __init__(self, timeline: Timeline, one: Pass, *, exact: bool) -> None:
        self._timeline = timeline
        self._exact = exact
        self._complaint = _NO_PICTURE
        self._wanted = set(one.wanted.tolist())
        self._counted = 0
        self._miscounted = False
        self._faults: dict[int, str] = {}  # by place, from the keyframe of the group on
        self._lowest: int | None = None  # the first of them that others rest on
        self._group = 0
        self._held: deque[Picture] = deque()
        numbers = timeline.numbers[one.places]
        needed = np.where(timeline.skippable[one.places], -1, numbers)
        known = np.maximum(numbers, np.maximum.accumulate(needed))
        order = np.argsort(numbers, kind='stable')[np.count_nonzero(numbers < 0) :]
        # Each frame sent, and the frame that must have come out before it is known to rest on no fault.
        self._expected = deque(zip(numbers[order].tolist(), known[order].tolist(), strict=True))
        self._known = dict(self._expected)

    def complain(self, message: str) -> None:
        """FFmpeg has failed; of which frame, the one that doesn't come out will tell."""
        if not self._exact:
            raise Trouble(message)
        self._complaint = message
        self._miscounted = self._timeline.counted

    def of(self, frames: list[VideoFrame]) -> Iterator[Picture]:
        """What is known now that these frames have come out."""
        for frame in frames:
            number = self._number(frame)
            self._missed(before=number)
            if number < 0 or not self._expected or self._expected[0][0] != number:
                continue  # shown at no time of its own
            self._expected.popleft()
            if frame.is_corrupt:
                self._note(number, 'its data is damaged')
            if number in self._wanted:
                self._held.append((number, frame))
            yield from self._released(number)

    def rest(self) -> Iterator[Picture]:
        """What is left when all frames have come out."""
        self._missed(before=len(self._timeline))
        yield from self._released(len(self._timeline))

    def _number(self, frame: VideoFrame) -> int:
        if self._timeline.counted or frame.pts is None:
            self._counted += 1
            # One that never came out leaves no gap: nobody knows which frames these are.
            return -1 if self._miscounted else self._counted - 1
        number = int(np.searchsorted(self._timeline.pts, frame.pts))
        return number if number < len(self._timeline) and self._timeline.pts[number] == frame.pts else -1

    def _missed(self, *, before: int) -> None:
        while self._expected and self._expected[0][0] < before:
            number, _ = self._expected.popleft()
            self._note(number, self._complaint)
            if number in self._wanted:
                self._held.append((number, BadFrame(number, 'corrupt', self._complaint)))

    def _note(self, number: int, fault: str) -> None:
        if not self._exact:
            raise Trouble(fault)
        place = int(self._timeline.places[number])
        self._faults[place] = fault
        if not self._timeline.disposable[number] and (self._lowest is None or place < self._lowest):
            self._lowest = place

    def _released(self, latest: int) -> Iterator[Picture]:
        """Held frames of which all is known, now that this one has come out."""
        while self._held and self._known[self._held[0][0]] <= latest:
            number, picture = self._held.popleft()
            yield number, self._fault(number) or picture

    def _fault(self, number: int) -> BadFrame | None:
        """What is wrong with a frame: its own fault, or one in what it rests on."""
        if not self._faults:
            return None
        self._forget(before=int(self._timeline.key_places[self._timeline.key_of(number)]))
        place = int(self._timeline.places[number])
        if place in self._faults:
            return BadFrame(number, 'corrupt', self._faults[place])
        if self._lowest is None or self._lowest > place:
            return None
        below = int(self._timeline.numbers[self._lowest])
        return BadFrame(number, 'corrupt', f'it rests on frame {below:,}, which can not be decoded')

    def _forget(self, *, before: int) -> None:
        """Faults of packets before a keyframe hurt none of the frames that are decoded from it."""
        if before == self._group:
            return
        self._group = before
        self._faults = {place: fault for place, fault in self._faults.items() if place >= before}
        numbers = self._timeline.numbers
        self._lowest = min((p for p in self._faults if not self._timeline.disposable[numbers[p]]), default=None)
