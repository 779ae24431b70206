"""The packets of a video by their place in the order of decoding, from wherever that has to begin."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

import av
from av.codec.context import ThreadType
from av.codec.hwaccel import HWAccel
from av.error import FFmpegError
from av.video.frame import VideoFrame

from preprocess.containers import VideoError, opened, said
from preprocess.timelines import Timeline

if TYPE_CHECKING:
    VideoPacket = av.Packet[av.VideoStream]

# Reading this many packets on is cheaper than a seek, and leaves storages on the network in peace.
_READ_ON = 100
# How far before a keyframe reading begins when a seek to it led behind it: containers know their keyframes to a degree.
_MARGINS_S = (0.0, 1.0, 5.0, 30.0)


class Packets:
    """An open video whose packets are decoded in ascending order, from one keyframe or another."""

    def __init__(self, uri: str, timeline: Timeline, *, threads: int = 1, hardware: HWAccel | None = None) -> None:
        self._uri = uri
        self._timeline = timeline
        self._threads = threads
        self._hardware = hardware
        self._keys = {int(pts): index for index, pts in enumerate(timeline.key_pts)}
        self._resources = ExitStack()
        self._open()

    def decoded(self, place: int | None) -> list[VideoFrame]:
        """The frames that come out when the packet at a place, at or behind the last one, goes in; None: the rest."""
        decoder = self._video.stream.codec_context
        frames = decoder.decode(None if place is None else self._at(place))
        if self._hardware:
            for frame in frames:
                # A frame on its way out of the hardware loses what its colours mean.
                frame.colorspace, frame.color_range = decoder.colorspace, decoder.color_range
        return frames

    def reset(self) -> None:
        """Make the decoder ready for another keyframe."""
        self._video.stream.codec_context.flush_buffers()

    def close(self) -> None:
        """Close the file."""
        self._resources.close()

    def begin(self, key: int) -> None:
        """Be ready for the packets from this keyframe on."""
        target = int(self._timeline.key_places[key])
        if self._next <= target <= self._next + _READ_ON:
            return
        if not any(self._seek(key, margin) for margin in _MARGINS_S):
            self._open()

    def _at(self, place: int) -> 'VideoPacket':
        while self._next <= place:
            packet = self._read()
        return packet

    def _open(self) -> None:
        self._resources.close()
        self._video = self._resources.enter_context(opened(self._uri, hardware=self._hardware))
        self._video.stream.codec_context.thread_count = self._threads
        self._video.stream.codec_context.thread_type = ThreadType.AUTO
        self._packets = self._video.packets()
        self._found: VideoPacket | None = None
        self._next = 0

    def _read(self) -> 'VideoPacket':
        packet = self._found or self._following()
        self._found = None
        number = int(self._timeline.numbers[self._next])
        if self._tells_time(number) and packet.pts != self._timeline.pts[number]:
            raise VideoError('changed', f'frame {number:,} is not at the time it had when the file was surveyed')
        self._next += 1
        return packet

    def _tells_time(self, number: int) -> bool:
        """Whether the next packet says when its frame is shown: the second half of a frame need not."""
        before = int(self._timeline.numbers[self._next - 1]) if self._next else 0
        return number >= 0 and before >= 0 and not self._timeline.counted

    def _following(self) -> 'VideoPacket':
        try:
            return next(self._packets)
        except StopIteration:
            raise VideoError('truncated', f'the file ends after {self._next:,} frames') from None
        except FFmpegError as error:
            raise VideoError('truncated', f'the file ends after {self._next:,} frames: {said(error)}') from None

    def _seek(self, key: int, margin_s: float) -> bool:
        """Whether reading now begins at a keyframe no later than this one."""
        ticks = int(margin_s / self._timeline.time_base)
        try:
            self._video.container.seek(int(self._timeline.key_pts[key]) - ticks, stream=self._video.stream)
            self._packets = self._video.packets()
            self._found = next(packet for packet in self._packets if packet.is_keyframe and packet.pts in self._keys)
        except (FFmpegError, StopIteration):
            return False
        self._next = int(self._timeline.key_places[self._keys[self._found.pts or 0]])
        return self._next <= int(self._timeline.key_places[key])
