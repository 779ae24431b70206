"""One pass over the packets of a video, none decoded but one: when each frame is shown, where decoding may begin."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
from av.buffer import Buffer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from preprocess.completeness import is_cut_short
from preprocess.containers import OpenVideo, VideoError, opened, said
from preprocess.packet_table import PacketTable
from preprocess.timelines import Timeline

_log = logging.getLogger(__name__)
# Containers that keep no presentation times, where codecs show frames in another order than they decode them.
_TIMELESS = frozenset(['avi', 'h264', 'hevc'])
_REORDERING = frozenset(['h264', 'hevc'])
# Movies count milliseconds where their videos count finer.
_ROUNDED_S = 0.001
# How many keyframes are tried for one that decodes, which tells how the video is turned.
_TRIED_KEYFRAMES = 3
_FIXED_POINT = 1 << 16  # of the numbers in a display matrix


@dataclass(frozen=True)
class _Order:
    """The shown frames in order of their times, and where decoding may begin."""

    pts: NDArray[np.int64]
    end: int
    places: NDArray[np.int64]
    disposable: NDArray[np.bool_]
    keyframes: NDArray[np.int64]
    key_places: NDArray[np.int64]
    key_pts: NDArray[np.int64]


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
    order = _counted(table, time_base) if counted else _ordered(table, time_base)
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


def _ordered(table: PacketTable, time_base: Fraction) -> _Order:
    """The order of times, checked against the order of decoding."""
    pts = np.array(table.pts, np.int64)
    # A packet without a time among others with theirs is the second half of a frame, as camcorders write them.
    shown = ~(np.array(table.hidden, np.bool_) | np.array(table.untimed, np.bool_))
    keys = np.flatnonzero(table.keys)
    if not len(keys):
        raise VideoError('no-frames', 'it holds no frame that decoding could begin with')
    _check_clock(pts, keys, time_base)
    # What comes before the first keyframe, in either order, rests on frames that aren't there.
    shown[: keys[0]] = False
    shown &= pts >= pts[keys[0]]
    # Of frames at the same time the last one decoded is seen.
    places = np.flatnonzero(shown)
    places = places[np.lexsort((places, pts[places]))]
    if not len(places):
        raise VideoError('no-frames', 'none of its frames is shown')
    unseen = pts[places[:-1]] == pts[places[1:]]
    places = places[~np.append(unseen, False)]
    times = pts[places]
    layers = np.array(table.layers, np.int64)
    disposable = np.array(table.not_needed, np.bool_) & (layers == layers.max())
    numbers = np.searchsorted(times, pts[keys])
    # Of several keys in front of the same frame the last one counts; behind the last frame none does.
    last = np.append(numbers[1:] != numbers[:-1], True) & (numbers < len(times))
    return _Order(
        pts=times,
        end=_end(table, places, times, time_base),
        places=places,
        disposable=disposable[places],
        keyframes=numbers[last],
        key_places=keys[last],
        key_pts=pts[keys][last],
    )


def _counted(table: PacketTable, time_base: Fraction) -> _Order:
    """The order of frames whose packets don't tell their times: they come out as they are decoded from the first."""
    times = np.unique(np.array(table.dts, np.int64))
    if len(times) != len(table.dts):
        raise VideoError('bad-times', 'frames without times of their own')
    places = np.arange(len(times))
    zero = np.zeros(1, np.int64)
    return _Order(
        pts=times,
        end=_end(table, places, times, time_base),
        places=places,
        disposable=np.zeros(len(times), np.bool_),
        keyframes=zero,
        key_places=zero,
        key_pts=times[:1],
    )


def _check_clock(pts: NDArray[np.int64], keys: NDArray[np.int64], time_base: Fraction) -> None:
    """Refuse a clock that goes back: no frame decoded before a keyframe may be shown at its time or after it."""
    latest = np.maximum.accumulate(pts)[keys[1:] - 1]
    back = np.flatnonzero(latest >= pts[keys[1:]])
    if len(back):
        place = int(keys[1:][back[0]])
        seconds = float((int(latest[back[0]]) - int(pts[place])) * time_base)
        raise VideoError(
            'non-monotonic-times',
            f'at frame {place:,} its clock goes back by {seconds:.3f} s, so a time means two frames; remux it, or cut '
            'it there and name the parts',
        )


def _end(table: PacketTable, places: NDArray[np.int64], times: NDArray[np.int64], time_base: Fraction) -> int:
    """When the last frame is over, in ticks: as the container says, else after as long as frames usually take."""
    last, length = int(times[-1]), table.lengths[int(places[-1])]
    # Rounded to the milliseconds of another clock; of a frame that is decoded before its time it is right alone.
    if table.stated_end is not None and table.stated_end > last:
        rounded = abs(table.stated_end - last - length) * time_base <= _ROUNDED_S
        return last + length if rounded else table.stated_end
    if length and (table.states_lengths or len(times) == 1):
        return last + length
    return last + (int(np.median(np.diff(times))) if len(times) > 1 else table.ticks)


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
    for packet in video.container.demux(video.stream):
        tried += packet.is_keyframe
        if tried > _TRIED_KEYFRAMES:
            return
        try:
            yield from packet.decode()
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
