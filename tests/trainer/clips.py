"""Generated footage as records: recordings whose frames or whose order of frames tell their labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preprocess.compiled import CompiledEncoder
from preprocess.encoders import EncoderSpec, compile_encoder
from preprocess.engines import load_engine
from preprocess.manifest import EncoderInfo, Examples, Manifest, Rows, Shard
from preprocess.records import Record, RecordWriter
from preprocess.set_names import SetName

Pixels = np.ndarray[tuple[int, int, int, int], np.dtype[np.uint8]]
# Red, green, blue, gray, one after the other or the other way round.
_ROUND = np.array([[230, 20, 20], [20, 230, 20], [20, 20, 230], [120, 120, 120]], np.uint8)
SOLID_LABELS = ('red', 'green', 'blue')
COLOUR_LABELS = ('forth', 'back')
DOT_LABELS = ('left', 'right')
SHAPE_LABELS = ('square', 'cross', 'bars')


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording, whose frames follow one another where their steps do."""

    video: str
    frames: Pixels
    labels: tuple[tuple[int, ...], ...]
    steps: tuple[int, ...]

    def uri(self, place: int) -> str:
        return f'{self.video}#frame={self.steps[place]}'


def solid(video: str, *, frames: int = 24, seed: int = 0, side: int = 16) -> Clip:
    """One of three colours for eight frames, then another."""
    labels = [(place // 8 + seed) % 3 for place in range(frames)]
    return _clip(video, _noisy(np.tile(_ROUND[labels][:, None, None], (1, side, side, 1)), seed), labels)


def colours(video: str, *, frames: int = 40, seed: int = 0, side: int = 16) -> Clip:
    """Colours that go round, for ten frames forth, for ten back: every colour is as frequent under both labels."""
    labels = [place // 10 % 2 for place in range(frames)]
    places = seed + np.cumsum([1 if label == 0 else -1 for label in labels])
    flat = np.tile(_ROUND[places % 4][:, None, None], (1, side, side, 1))
    return _clip(video, _noisy(flat, seed), labels)


def dots(video: str, *, frames: int = 40, seed: int = 0, side: int = 12) -> Clip:
    """A bright bar that wanders to the left for ten frames, to the right for ten, and comes back on the other side."""
    labels = [place // 10 % 2 for place in range(frames)]
    places = 5 * seed + np.cumsum([-1 if label == 0 else 1 for label in labels])
    gray = np.zeros((frames, side, side, 1), np.uint8)
    for frame, place in enumerate(places):
        gray[frame, :, [place % side, (place + 1) % side]] = 220
    return _clip(video, _noisy(gray, seed), labels)


def shapes(video: str, *, frames: int = 30, seed: int = 0, side: int = 24) -> Clip:
    """One of three shapes in every frame, of any colour, at any place."""
    random = np.random.default_rng(seed)
    pixels = np.zeros((frames, side, side, 3), np.uint8)
    labels = [place // 5 % len(SHAPE_LABELS) for place in range(frames)]
    for frame, label in zip(pixels, labels, strict=True):
        frame[:] = random.integers(0, 60, 3)
        top, left = random.integers(0, side - 10, 2)
        frame[top : top + 10, left : left + 10][_shape(label)] = random.integers(120, 255, 3)
    return _clip(video, _noisy(pixels, seed), labels)


def _shape(label: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    rows, columns = np.mgrid[:10, :10]
    square = np.ones((10, 10), bool)
    cross = (abs(rows - 4.5) < 2) | (abs(columns - 4.5) < 2)
    bars = rows % 4 < 2
    return (square, cross, bars)[label]


def _noisy(pixels: Pixels, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).integers(-15, 16, pixels.shape)
    return np.clip(pixels.astype(np.int64) + noise, 0, 255).astype(np.uint8)


def _clip(video: str, frames: Pixels, labels: Sequence[int]) -> Clip:
    return Clip(video, frames, tuple((label,) for label in labels), tuple(range(len(frames))))


def pixel_encoder(directory: Path, frame: tuple[int, ...]) -> CompiledEncoder:
    """The encoder that keeps frames of this shape."""
    height, width, channels = frame
    name = f'pixels:{height}x{width}' + (':gray' if channels == 1 else '')
    return compile_encoder(EncoderSpec(name, engine='pixels', precision='uint8'), str(directory))


def write(
    directory: Path,
    name: str,
    clips: Sequence[Clip],
    labels: tuple[str, ...],
    encoder: CompiledEncoder,
) -> str:
    """Write the set `name` of whole recordings, one a shard, as the embedding job would; the PREFIX."""
    engine = load_engine(encoder)
    of_set = SetName(str(directory), name)
    shards = []
    for number, clip in enumerate(clips):
        path = directory / of_set.shard_file(number, len(clips))
        vectors = engine.encode(clip.frames)
        with RecordWriter(str(path)) as writer:
            for place, vector in enumerate(vectors):
                writer.write(_record(clip, place, vector))
        shards.append(Shard(path.name, len(vectors), writer.bytes, writer.sha256))
    ids = [label for clip in clips for of_frame in clip.labels for label in of_frame]
    counts = np.bincount(np.array(ids, np.int64), minlength=len(labels)).tolist()
    records = sum(shard.records for shard in shards)
    Manifest(
        name=name,
        encoder=EncoderInfo(
            encoder.spec,
            encoder.key,
            'encoder',
            encoder.sha256,
            encoder.input_shape,
            encoder.engine,
            encoder.precision,
            encoder.batch_size,
        ),
        vector_shape=encoder.vector_shape,
        labels=labels,
        multi_label=any(len(of_frame) > 1 for clip in clips for of_frame in clip.labels),
        shards=tuple(shards),
        rows=Rows(len(clips), len(clips), 0, 0),
        examples=Examples(records),
        rejects_by_reason={},
        counts_per_label=dict(zip(labels, counts, strict=True)),
        unlabelled=sum(not of_frame for clip in clips for of_frame in clip.labels),
        settings={'input_path': f'{name}.csv'},
        sampling={'frames_per_second': 10.0},
        preparation={'size': None, 'gray': False, 'background': 'none', 'contrast': 'none', 'roi': None},
    ).write(of_set.manifest())
    return f'{directory}/{name}'


def _record(clip: Clip, place: int, vector: np.ndarray[tuple[int, ...], np.dtype[np.float32 | np.uint8]]) -> Record:
    is_pixels = vector.dtype == np.uint8
    return Record(
        clip.uri(place),
        None if is_pixels else vector.astype(np.float32),
        clip.labels[place],
        clip.video,
        video=clip.video,
        frame=clip.steps[place],
        time=clip.steps[place] / 10,
        step=clip.steps[place],
        pixels=vector.tobytes() if is_pixels else None,
    )
