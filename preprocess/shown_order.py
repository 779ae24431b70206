"""From packets in the order of decoding to frames in the order of their times, and the packets to begin with."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from preprocess.containers import VideoError
from preprocess.decoding_plan import MOST_REORDERED
from preprocess.packet_table import PacketTable

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
# Movies count milliseconds where their videos count finer.
_ROUNDED_S = 0.001


@dataclass(frozen=True)
class ShownOrder:
    """The shown frames in order of their times, and where decoding may begin."""

    pts: Integers
    end: int
    places: Integers  # the packet that completes each
    disposable: Flags
    keyframes: Integers
    key_places: Integers
    key_pts: Integers


@dataclass(frozen=True)
class _Frames:
    """What packets say of the frames they hold, a frame being one packet or a field each of two."""

    begins: Integers
    completes: Integers
    pts: Integers
    keys: Integers
    shown: Flags
    disposable: Flags

    @classmethod
    def of(cls, table: PacketTable) -> '_Frames':
        """The frames of a table."""
        continues = np.array(table.continues, np.bool_)
        # A packet without a time among others with theirs belongs to the frame before.
        continues |= np.array(table.untimed, np.bool_)
        continues[0] = False
        begins = np.flatnonzero(~continues)
        layers = np.array(table.layers, np.int64)
        not_needed = np.array(table.not_needed, np.bool_) & (layers == layers.max())
        return cls(
            begins=begins,
            completes=np.append(begins[1:], len(table)) - 1,
            pts=np.array(table.pts, np.int64)[begins],
            keys=np.flatnonzero(np.array(table.keys, np.bool_)[begins]),
            shown=~np.array(table.hidden, np.bool_)[begins],
            disposable=np.logical_and.reduceat(not_needed, begins),
        )


def by_times(table: PacketTable, time_base: Fraction) -> ShownOrder:
    """The order of times, checked against the order of decoding."""
    frames = _Frames.of(table)
    keys, shown = frames.keys, frames.shown.copy()
    if not len(keys):
        raise VideoError('no-frames', 'it holds no frame that decoding could begin with')
    _check_keyframes(frames.pts, keys, time_base)
    # Before the first keyframe frames can't be decoded, and yet have their numbers and times.
    if table.untimed[0] and keys[0] > 0:
        shown[0] = False  # the rest of one whose beginning isn't there
    chosen = np.flatnonzero(shown)
    if not len(chosen):
        raise VideoError('no-frames', 'none of its frames is shown')
    chosen = chosen[np.lexsort((chosen, frames.pts[chosen]))]
    _check_reordering(chosen)
    # Of frames at the same time one counts.
    chosen = chosen[~np.append(frames.pts[chosen[:-1]] == frames.pts[chosen[1:]], False)]
    times = frames.pts[chosen]
    numbers = np.searchsorted(times, frames.pts[keys])
    # Of several keys in front of the same frame the last one counts; behind the last frame none does.
    last = np.append(numbers[1:] != numbers[:-1], True) & (numbers < len(times))
    return ShownOrder(
        pts=times,
        end=_end(table, int(frames.begins[chosen[-1]]), times, time_base),
        places=frames.completes[chosen],
        disposable=frames.disposable[chosen],
        keyframes=numbers[last],
        key_places=frames.begins[keys][last],
        key_pts=frames.pts[keys][last],
    )


def by_count(table: PacketTable, time_base: Fraction) -> ShownOrder:
    """The order of frames whose packets don't tell their times: they come out as they are decoded from the first."""
    times = np.unique(np.array(table.dts, np.int64))
    if len(times) != len(table):
        raise VideoError('non-monotonic-times', 'it tells no times of its frames, and not even their order')
    places, zero = np.arange(len(times)), np.zeros(1, np.int64)
    return ShownOrder(
        pts=times,
        end=_end(table, len(table) - 1, times, time_base),
        places=places,
        disposable=np.zeros(len(times), np.bool_),
        keyframes=zero,
        key_places=zero,
        key_pts=times[:1],
    )


def _check_keyframes(pts: Integers, keys: Integers, time_base: Fraction) -> None:
    """Refuse a clock that goes back: no frame decoded before a keyframe may be shown at its time or after it."""
    keys = keys[keys > 0]
    latest = np.maximum.accumulate(pts)[keys - 1]
    back = np.flatnonzero(latest >= pts[keys])
    if len(back):
        frame = int(keys[back[0]])
        seconds = float((int(latest[back[0]]) - int(pts[frame])) * time_base)
        message = f'at frame {frame:,} its clock goes back by {seconds:.3f} s, so a time means two frames'
        raise VideoError('non-monotonic-times', message)


def _check_reordering(chosen: Integers) -> None:
    """Refuse times that no decoder's order of frames can have."""
    decoded = np.argsort(np.argsort(chosen, kind='stable'), kind='stable')
    far = np.flatnonzero(np.abs(decoded - np.arange(len(chosen))) > MOST_REORDERED)
    if len(far):
        message = f'around frame {int(far[0]):,} its times go to and fro'
        raise VideoError('non-monotonic-times', message)


def _end(table: PacketTable, packet: int, times: Integers, time_base: Fraction) -> int:
    """When the last frame is over, in ticks: as the container says, else after as long as frames usually take."""
    last, length = int(times[-1]), table.lengths[packet]
    # Rounded to the milliseconds of another clock; of a frame that is decoded before its time it is right alone.
    if table.stated_end is not None and table.stated_end > last:
        rounded = abs(table.stated_end - last - length) * time_base <= _ROUNDED_S
        return last + length if rounded else table.stated_end
    if length and (table.states_lengths or len(times) == 1):
        return last + length
    return last + (int(np.median(np.diff(times))) if len(times) > 1 else table.ticks)
