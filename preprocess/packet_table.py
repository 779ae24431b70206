"""One pass over the packets of a video: what each says of its time and of the frame in it, none decoded."""

from array import array
from dataclasses import dataclass, field
from typing import TypeAlias

from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from preprocess import bitstreams
from preprocess.containers import OpenVideo, VideoError, said
from preprocess.h264_fields import Field

# 92 hours at 30 frames a second; the timeline of so many takes 0.7 GB while it is made.
MAX_FRAMES = 10_000_000
# MP4 and MOV keep an index of all packets, and the time at which the whole ends.
_ISO = 'mov'
# Containers that say how long a frame is shown; of the others FFmpeg only guesses it.
_STATING_LENGTHS = (_ISO, 'matroska')


# Ten million Python numbers would take eight times the room.
Column: TypeAlias = 'array[int]'


def _numbers() -> Column:
    return array('q')


def _marks() -> Column:
    return array('b')


@dataclass
class PacketTable:
    """The packets of a stream in decoding order, column by column."""

    ticks: int  # of a frame at the stream's rate, where nothing tells its time
    states_lengths: bool
    stated_end: int | None  # when the container says that the video ends
    pts: Column = field(default_factory=_numbers)
    dts: Column = field(default_factory=_numbers)
    lengths: Column = field(default_factory=_numbers)  # to the next packet in decoding order, as containers have it
    keys: Column = field(default_factory=_marks)
    hidden: Column = field(default_factory=_marks)
    untimed: Column = field(default_factory=_marks)
    continues: Column = field(default_factory=_marks)  # the frame of the packet before
    not_needed: Column = field(default_factory=_marks)  # by any other frame of its layer
    layers: Column = field(default_factory=_marks)
    _field: Field | None = None  # the last packet's, when the next may complete it

    def __len__(self) -> int:
        return len(self.pts)

    def add(self, packet: 'Packet[VideoStream]', facts: bitstreams.Facts) -> None:
        """Keep what a packet says."""
        self.untimed.append(packet.pts is None)
        dts = packet.dts if packet.dts is not None else packet.pts
        self.dts.append(len(self.dts) * self.ticks if dts is None else dts)
        self.pts.append(self.dts[-1] if packet.pts is None else packet.pts)
        self.lengths.append(packet.duration or 0)
        self.keys.append(packet.is_keyframe and facts.may_begin is not False)
        self.hidden.append(packet.is_discard or facts.shown is False)
        self.not_needed.append(packet.is_disposable if facts.disposable is None else facts.disposable)
        self.layers.append(facts.layer)
        completes = bool(facts.field and self._field and facts.field.completes(self._field))
        self.continues.append(completes)
        self._field = None if completes else facts.field

    @classmethod
    def read(cls, video: OpenVideo) -> 'PacketTable':
        """All packets of a video; VideoError when there are none, too many, or fewer than announced."""
        stream, kind = video.stream, video.container.format.name
        parsing = bitstreams.parsing(stream.codec_context.name, stream.codec_context.extradata)
        table = cls(_ticks(stream), kind.startswith(_STATING_LENGTHS), _stated_end(stream, kind))
        broken = ''
        try:
            for packet in video.packets():
                table.add(packet, parsing.facts(packet))
                if len(table) > MAX_FRAMES:
                    raise VideoError('too-many-frames', f'more than {MAX_FRAMES:,} frames')
        except FFmpegError as error:
            broken = said(error)
        announced = len(stream.index_entries) if kind.startswith(_ISO) else 0
        if announced > len(table):
            message = f'{len(table):,} of its {announced:,} frames are there; copy or record it again'
            raise VideoError('truncated', message)
        if broken:
            raise VideoError('corrupt', f'after {len(table):,} frames: {broken}')
        if not len(table):
            raise VideoError('no-frames', 'it announces a video, but holds no frame of it')
        return table


def _ticks(stream: VideoStream) -> int:
    rate, time_base = stream.guessed_rate, stream.time_base
    return max(1, round(1 / (rate * time_base))) if rate and time_base else 1


def _stated_end(stream: VideoStream, kind: str) -> int | None:
    if not kind.startswith(_ISO) or stream.start_time is None or not stream.duration:
        return None
    return stream.start_time + stream.duration
