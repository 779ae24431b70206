"""Videos to decode: something rough that moves, with a camera's grain, coded as cameras and phones do."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

RATE = 30
# A keyframe every two seconds, three B-frames between two others.
_OPTIONS = {'preset': 'veryfast', 'crf': '21', 'g': '60', 'bf': '3', 'x264-params': 'scenecut=0'}
_GRAINS = 8


def draw(path: Path, *, size: tuple[int, int], seconds: float) -> Path:
    """A video of this size, the view wandering over a large picture."""
    width, height = size
    scene = _scene(width * 5 // 4, height * 5 // 4)
    random = np.random.default_rng(1)
    grains = [random.normal(0, 3, (height, width, 1)).astype(np.int16) for _ in range(_GRAINS)]
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=RATE, options=_OPTIONS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        stream.codec_context.time_base = Fraction(1, RATE)
        for number in range(int(seconds * RATE)):
            across = int((np.sin(number / 30) + 1) / 2 * (scene.shape[1] - width))
            down = int((np.cos(number / 37) + 1) / 2 * (scene.shape[0] - height))
            view = scene[down : down + height, across : across + width] + grains[number % _GRAINS]
            frame = av.VideoFrame.from_ndarray(np.clip(view, 0, 255).astype(np.uint8), 'rgb24')
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def repeated(piece: Path, path: Path, *, seconds: float) -> Path:
    """A longer video of the same packets over and over, each time later."""
    with av.open(str(path), 'w') as container, av.open(str(piece)) as opened:
        template = opened.streams.video[0]
        stream = container.add_stream_from_template(template)
        assert template.time_base is not None
        packets = [packet for packet in opened.demux(template) if packet.size]
        length = round(Fraction(template.frames, RATE) / template.time_base)
        for turn in range(round(seconds * RATE) // template.frames + 1):
            for packet in packets[: round(seconds * RATE) - turn * template.frames]:
                copy = av.Packet(bytes(packet))
                copy.stream, copy.time_base, copy.is_keyframe = stream, packet.time_base, packet.is_keyframe
                assert packet.pts is not None and packet.dts is not None
                copy.pts, copy.dts = packet.pts + turn * length, packet.dts + turn * length
                container.mux(copy)
    return path


def seconds(path: Path) -> float:
    """How long a video is."""
    with av.open(str(path)) as container:
        return container.streams.video[0].frames / RATE


def _scene(width: int, height: int) -> np.ndarray:
    random = np.random.default_rng(0)
    scene = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((8, 80), (60, 40), (400, 15)):
        coarse = random.normal(0, strength, (cells * height // width + 1, cells, 3)).astype(np.float32)
        layers = [
            Image.fromarray(coarse[:, :, channel]).resize((width, height), Image.Resampling.BICUBIC)
            for channel in range(3)
        ]
        scene += np.stack([np.asarray(layer) for layer in layers], axis=2)
    return np.clip(scene + 128, 0, 255).astype(np.int16)
