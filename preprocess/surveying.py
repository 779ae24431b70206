"""One pass over the packets of a video, none decoded but one: when each frame is shown, where decoding may begin."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import chain

import numpy as np
from av.buffer import Buffer
from av.error import FFmpegError
from av.video.frame import VideoFrame

from preprocess import shown_order
from preprocess.completeness import is_cut_short
from preprocess.containers import OpenVideo, VideoError, opened, said
from preprocess.packet_table import PacketTable
from preprocess.timelines import Timeline

_log = logging.getLogger(__name__)
# Containers that keep no presentation times, where codecs show frames in another order than they decode them.
_TIMELESS = frozenset(['avi', 'h264', 'hevc'])
_REORDERING = frozenset(['h264', 'hevc'])
# How many keyframes are tried for one that decodes, which tells how the video is turned.
_TRIED_KEYFRAMES = 3
_FIXED_POINT = 1 << 16  # of the numbers in a display matrix


@dataclass(frozen=True)
class _Look:
    """How the frames look once decoded."""

    width: int
    height: int
    rotation: int = 0
    mirrored: bool = False


def survey(uri: str) -> Timeline:
    """The timeline of a video file; VideoError says why it has none."""
    if is_cut_short(uri):
        raise VideoError('truncated', 'the file ends before its own headers say; copy or record it again')
    with opened(uri) as video:
        context = video.stream.codec_context
        table = PacketTable.read(video)
        reorders = context.name in _REORDERING and context.reorder_depth > 0
        counted = all(table.untimed) or (video.container.format.name in _TIMELESS and reorders)
        time_base, codec, created = video.stream.time_base or Fraction(1), context.name, _created(video)
    order = shown_order.by_count(table, time_base) if counted else shown_order.by_times(table, time_base)
    look = _look(uri)
    turned = look.rotation % 180 != 0
    return Timeline(
        time_base=time_base,
        pts=order.pts,
        end=order.end,
        places=order.places,
        packets=len(table),
        disposable=order.disposable,
        keyframes=order.keyframes,
        key_places=order.key_places,
        key_pts=order.key_pts,
        counted=counted,
        width=look.height if turned else look.width,
        height=look.width if turned else look.height,
        rotation=look.rotation,
        mirrored=look.mirrored,
        codec=codec,
        created=created,
    )


def _look(uri: str) -> _Look:
    """Size and orientation, from the first keyframe that decodes."""
    with opened(uri) as video:
        video.stream.codec_context.thread_count = 1
        for frame in _first_frames(video):
            rotation, mirrored = _orientation(frame)
            return _Look(frame.width, frame.height, rotation, mirrored)
        context = video.stream.codec_context
        return _Look(context.width, context.height)


def _first_frames(video: OpenVideo) -> Iterator[VideoFrame]:
    tried = 0
    for packet in chain(video.packets(), [None]):
        tried += packet is not None and packet.is_keyframe
        if tried > _TRIED_KEYFRAMES:
            return
        try:
            yield from video.stream.codec_context.decode(packet)
        except FFmpegError as error:
            _log.info('while looking for a first frame: %s', said(error))


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Degrees to turn a frame clockwise, and whether to mirror it then; other angles than right ones are left alone."""
    found = frame.side_data.get('DISPLAYMATRIX')
    if not isinstance(found, Buffer):
        return 0, False
    a, b, _, c, d = np.frombuffer(memoryview(found), np.int32)[:5] / _FIXED_POINT
    return _TURNS.get((round(a), round(b), round(c), round(d)), (0, False))


# The upper left of a display matrix (a, b, c, d), which takes a frame's (x, y) to (ax + cy, bx + dy).
_TURNS = {
    (1, 0, 0, 1): (0, False),
    (0, 1, -1, 0): (90, False),
    (-1, 0, 0, -1): (180, False),
    (0, -1, 1, 0): (270, False),
    (-1, 0, 0, 1): (0, True),
    (0, 1, 1, 0): (90, True),
    (1, 0, 0, -1): (180, True),
    (0, -1, -1, 0): (270, True),
}


def _created(video: OpenVideo) -> datetime | None:
    """When the recording was begun, as the camera says."""
    text = video.stream.metadata.get('creation_time') or video.container.metadata.get('creation_time')
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    # A camera without a clock says 1904 or 1970.
    if found is None or found.year < 1990:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
