"""Decoded frames -> pixels at a size: upright, scaled in one step out of the decoder's own format.

The policy is that of pictures (preprocess.images): bilinear with antialiasing, the aspect not kept. swscale's bilinear
filter widens as frames shrink, as Pillow's does: brightness and colours scaled by Pillow and then put together are 0.3
levels of 255 away on average (photographs, 1280 x 720 to 299, 96 and 40 wide). Its area filter is 0.8 to 3.6 away, and
without the flag for colours it is 2 to 2.5 at even widths.
"""

from fractions import Fraction

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from preprocess.preparation import Region
from preprocess.timelines import Timeline

Pixels = NDArray[np.uint8]


# SWS_FULL_CHR_H_INT (libswscale/swscale.h): colours are scaled to the full width, too, not to half of it.
_FULL_COLOURS = 0x2000
_FLAGS = int(Interpolation.BILINEAR) | _FULL_COLOURS
# What a filter wants to be told, though it looks at no times.
_ANY_CLOCK = Fraction(1, 1000)


class Scaler:
    """Frames of one video to pixels of one size; keeps what swscale prepared for the frame before."""

    def __init__(self, timeline: Timeline, size: tuple[int, int], *, gray: bool, roi: Region | None) -> None:
        self._turned = timeline.rotation // 90
        self._mirrored = timeline.mirrored
        width, height = size
        self._size = (height, width) if self._turned % 2 else size
        self._format = 'gray' if gray else 'rgb24'
        self._crop = _Crop(_as_decoded(roi, timeline)) if roi else None
        self._reformatter = VideoReformatter()

    def pixels(self, frame: VideoFrame) -> Pixels:
        """The frame as uint8[H,W,3], or [H,W,1] of gray."""
        if self._crop:
            frame = self._crop.cut(frame)
        width, height = self._size
        scaled = self._reformatter.reformat(frame, width, height, self._format, interpolation=_FLAGS, threads=1)
        pixels = scaled.to_ndarray().astype(np.uint8, copy=False).reshape(height, width, -1)
        if self._turned:
            pixels = np.rot90(pixels, -self._turned)
        if self._mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(pixels)


class _Crop:
    """Cuts a region out of frames without copying them; made anew where a stream changes its frames' size."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._cuts: tuple[int, int, str] | None = None
        self._graph = Graph()

    def cut(self, frame: VideoFrame) -> VideoFrame:
        """The region of a frame."""
        kind = (frame.width, frame.height, frame.format.name)
        if kind != self._cuts:
            self._graph = self._made(frame)
            self._cuts = kind
        self._graph.push(frame)
        found = self._graph.pull()
        assert isinstance(found, VideoFrame)
        return found

    def _made(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_ANY_CLOCK)
        region = self._region
        crop = graph.add('crop', f'{region.width}:{region.height}:{region.x}:{region.y}:exact=1')
        sink = graph.add('buffersink')
        source.link_to(crop)
        crop.link_to(sink)
        graph.configure()
        return graph


def _as_decoded(region: Region, timeline: Timeline) -> Region:
    """Where a region of the upright frame is in the frame as it is decoded."""
    x, y, width, height = region.x, region.y, region.width, region.height
    if timeline.mirrored:
        x = timeline.width - x - width
    # Turned back, a quarter at a time: what was right is now on top.
    across, down = timeline.width, timeline.height
    for _ in range(timeline.rotation // 90):
        x, y, width, height = y, across - x - width, height, width
        across, down = down, across
    return Region(x, y, width, height)
