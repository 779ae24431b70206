"""Videos for tests, of which every frame can be told: whole ones in many forms, and broken ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Paint = Callable[[int], Pixels]

WIDTH, HEIGHT = 96, 64
# A frame's number stands in it as 4 x 4 squares, black for 0 and white for 1, the highest digit at the top left.
_BITS = 16
# Ticks a second of the videos made here: enough for every frame rate and for variable ones.
CLOCK = 30000
COLOURS = {
    'red': (220, 30, 30),
    'green': (30, 200, 30),
    'blue': (40, 60, 230),
    'yellow': (230, 220, 40),
    'black': (0, 0, 0),
    'white': (255, 255, 255),
}


def numbered(number: int, *, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """A frame that says which it is."""
    bits = [number >> bit & 1 for bit in reversed(range(_BITS))]
    squares = (np.array(bits, np.uint8) * 255).reshape(4, 4)
    gray = np.kron(squares, np.ones((height // 4, width // 4), np.uint8))
    return np.repeat(gray[:, :, None], 3, axis=2)


def number_of(pixels: Pixels) -> int:
    """The number a frame says, whatever size it was scaled to."""
    height, width = pixels.shape[:2]
    rows = [int((row + 0.5) * height / 4) for row in range(4)]
    columns = [int((column + 0.5) * width / 4) for column in range(4)]
    number = 0
    for row in rows:
        for column in columns:
            number = number * 2 + int(pixels[row, column].mean() > 127)
    return number


def shape(colour: str, step: int = 0, *, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """A coloured square on gray that moves a little with every step."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    side = height // 2
    left = (step * 3) % (width - side)
    pixels[height // 4 : height // 4 + side, left : left + side] = COLOURS[colour]
    return pixels


def quarters(number: int = 0, *, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """A frame that shows how it is turned: red, green, blue, white from the top left, as one reads."""
    pixels = np.empty((height, width, 3), np.uint8)
    half_h, half_w = height // 2, width // 2
    pixels[:half_h, :half_w], pixels[:half_h, half_w:] = COLOURS['red'], COLOURS['green']
    pixels[half_h:, :half_w], pixels[half_h:, half_w:] = COLOURS['blue'], COLOURS['white']
    return pixels


def colour_at(pixels: Pixels, across: float, down: float) -> str:
    """The named colour nearest to that of a point, given as fractions of width and height."""
    height, width = pixels.shape[:2]
    found = pixels[int(down * height), int(across * width)].astype(int)
    return min(COLOURS, key=lambda name: int(np.abs(np.array(COLOURS[name]) - found).sum()))


@dataclass(frozen=True)
class Style:
    """How a video is coded; by default H.264 with B-frames, a keyframe every 12 frames."""

    codec: str = 'libx264'
    gop: int = 12
    b_frames: int = 3
    open_gop: bool = False
    size: tuple[int, int] = (WIDTH, HEIGHT)
    turned: int = 0  # degrees clockwise a player turns it
    created: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    def coder_options(self) -> dict[str, str]:
        """The options of its encoder."""
        made = {'g': str(self.gop), 'bf': str(self.b_frames)}
        if self.codec == 'libx264':
            made['x264-params'] = f'scenecut=0:open-gop={int(self.open_gop)}'
            made['preset'] = 'veryfast'
        if self.codec == 'libx265':
            made = {
                'x265-params': f'keyint={self.gop}:min-keyint={self.gop}:scenecut=0:bframes={self.b_frames}:'
                f'open-gop={int(self.open_gop)}:log-level=none:pools=1'
            }
        return made | self.options


PLAIN = Style()


def write(path: Path, frames: Sequence[Pixels], *, times: Sequence[float] | float = 30, style: Style = PLAIN) -> Path:
    """A video of these frames, at so many a second or at these seconds (the last one is shown for 1/30 s then)."""
    rate, seconds = Fraction(30), times
    if isinstance(seconds, int | float):
        rate = Fraction(seconds).limit_denominator(1001)
        seconds = [float(n / rate) for n in range(len(frames))]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(style.codec, rate=rate, options=style.coder_options())
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = style.size
        stream.pix_fmt = 'yuv420p'
        # Some codecs know few clocks: of these, every frame is a tick.
        clock = Fraction(CLOCK) if style.codec not in ('mpeg2video', 'mpeg4') else rate
        stream.codec_context.time_base = 1 / clock
        if style.turned:
            stream.set_display_rotation(-style.turned)
        if style.created:
            container.metadata['creation_time'] = style.created
        ticks = [round(second * clock) for second in [*seconds, seconds[-1] + 1 / float(rate)]]
        lasting = {begin: end - begin for begin, end in zip(ticks, ticks[1:], strict=False)}
        for pixels, pts in zip(frames, ticks, strict=False):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), 'rgb24')
            frame.pts, frame.time_base = pts, 1 / clock
            _mux(container, stream.encode(frame), lasting)
        _mux(container, stream.encode(None), lasting)
    return path


def _mux(container: OutputContainer, packets: 'list[av.Packet[av.VideoStream]]', lasting: dict[int, int]) -> None:
    for packet in packets:
        # Encoders forget how long a frame is shown.
        packet.duration = lasting[packet.pts or 0]
        container.mux(packet)


def write_numbered(
    path: Path, count: int, *, first: int = 0, times: Sequence[float] | float = 30, style: Style = PLAIN
) -> Path:
    """A video whose frames say their numbers, from `first` on."""
    width, height = style.size
    frames = [numbered(first + n, width=width, height=height) for n in range(count)]
    return write(path, frames, times=times, style=style)


def cut(path: Path, target: Path, *, keep: float) -> Path:
    """A copy that ends too early."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * keep)])
    return target


def with_index_first(path: Path, target: Path) -> Path:
    """A copy of an MP4 whose index stands before its frames, as on the web."""
    with av.open(str(path)) as source, av.open(str(target), 'w', options={'movflags': 'faststart'}) as copy:
        stream = source.streams.video[0]
        written = copy.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = written
                copy.mux(packet)
    return target


def damaged(path: Path, target: Path, *, packet: int, at: float = 0.5, length: int = 16) -> Path:
    """A copy with some bytes of one encoded frame, counted in the order of decoding, turned around."""
    with av.open(str(path)) as source:
        packets = [one for one in source.demux(video=0) if one.size]
    chosen = packets[packet]
    assert chosen.pos is not None
    data = bytearray(path.read_bytes())
    begin = chosen.pos + int(chosen.size * at)
    for place in range(begin, min(begin + length, chosen.pos + chosen.size)):
        data[place] ^= 0xFF
    target.write_bytes(bytes(data))
    return target


def without_video(path: Path) -> Path:
    """A file with sound only."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('aac', rate=8000)
        assert isinstance(stream, av.AudioStream)
        for begin in range(0, 8192, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
            frame.sample_rate, frame.pts = 8000, begin
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def without_frames(path: Path) -> Path:
    """A file that announces a video and holds none of its frames."""
    # Without its fragments, an MP4 that is written in fragments.
    options = {'movflags': 'empty_moov+frag_keyframe'} if path.suffix == '.mp4' else {}
    with av.open(str(path), 'w', options=options) as container:
        stream = container.add_stream('mpeg4', rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        container.start_encoding()
    return path


def with_clock_going_back(path: Path, *, count: int = 24) -> Path:
    """Two transport streams put together byte by byte: the second begins at 0 again."""
    half = write_numbered(path.with_suffix('.half.ts'), count)
    path.write_bytes(half.read_bytes() * 2)
    return path
