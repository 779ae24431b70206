"""What footage will take, before a run is started: its times read, a few frames decoded and run through the network."""

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocess import decoding_plan, engines, expansion, files, footage_files, stretches
from preprocess.compiled import CompiledEncoder
from preprocess.engines import Engine
from preprocess.footage import Ints, VideoFile
from preprocess.image_formats import ImageError
from preprocess.labels import Labels
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.processor import usable_cores
from preprocess.progress import Progress, duration
from preprocess.recordings import Recording
from preprocess.rows import Row
from preprocess.stretches import Claimed
from preprocess.timelines import Timeline
from preprocess.video_children import ReaderApart

Pixels = NDArray[np.uint8]
# Recordings whose times are read; of more of them so many speak for all.
_MOST_SURVEYED = 40
# Videos that are decoded for a while, and how much of each: a second or two on one core.
_MOST_TIMED = 4
_TIMED_FRAMES = 256
_TIMED_BATCHES = 8


@dataclass(frozen=True)
class LabelRules:
    """How the labels of a set are read."""

    labels: Labels
    ignore_label_case: bool
    multi_label: bool
    index: int = 0


class Wanted(NamedTuple):
    """The frames that are wanted of a file."""

    uri: str
    timeline: Timeline
    numbers: Ints


@dataclass
class FootageStock:
    """What rows of footage name; where not every recording was looked at, `scale` says how many stand behind one."""

    recordings: int = 0
    scale: float = 1.0
    rejects: Counter[str] = field(default_factory=Counter)
    rejected_frames: int = 0
    duplicates: int = 0
    rows: int = 0
    seconds: float = 0.0
    wanted: list[Wanted] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """How many frames go through the network."""
        return round(self.scale * sum(len(one.numbers) for one in self.wanted))

    @property
    def decoded(self) -> int:
        """How many frames must be decoded for these."""
        return round(self.scale * sum(map(_decoded, self.wanted)))

    @property
    def megapixels(self) -> float:
        """How much that is."""
        return self.scale * sum(_decoded(one) * _megapixels(one.timeline) for one in self.wanted)


@dataclass(frozen=True)
class FootagePace:
    """What this machine does in a second, either by itself on all cores: megapixels decoded, frames in the network."""

    megapixels: float
    frames: float


def take_stock(config: SetConfig, found: Iterable[Row], embedding: EmbeddingConfig) -> FootageStock:
    """What a set's rows of footage claim, as far as that is known from the times of their videos."""
    labels = Labels.read(config.input_dict)
    rules = LabelRules(labels, config.ignore_label_case, config.multi_label)
    settled = stretches.settle(((0, row) for row in found), [rules])
    stock = FootageStock(recordings=len(settled.recordings), duplicates=settled.duplicates[0])
    stock.rejects.update(reject.reason for reject in settled.rejects[0])
    some = settled.recordings[:: max(1, -(-len(settled.recordings) // _MOST_SURVEYED))]
    stock.scale = len(settled.recordings) / len(some) if some else 1.0
    progress = Progress('reading the times of videos', total=len(some), unit='recordings')
    with progress, ThreadPoolExecutor(2) as threads:
        for claimed, recording in zip(some, threads.map(_surveyed, some), strict=True):
            _add(stock, claimed, recording, embedding, rules)
            progress.advance()
    return stock


def _surveyed(claimed: Claimed) -> Recording | ImageError:
    reader = ReaderApart()
    try:
        parts = footage_files.parts_of(claimed.video)
        return Recording.of(claimed.video, [(part.uri, reader.survey(part.uri)) for part in parts])
    except ImageError as error:
        return error


def _add(
    stock: FootageStock,
    claimed: Claimed,
    recording: Recording | ImageError,
    embedding: EmbeddingConfig,
    rules: LabelRules,
) -> None:
    if isinstance(recording, ImageError):
        stock.rejects[recording.reason] += len(claimed.claims)
        return
    found = expansion.expand(
        claimed, recording, [VideoFile(part.uri, 0, '', b'') for part in recording.parts], embedding.sampling, [rules]
    )
    timelines = {part.uri: part.timeline for part in recording.parts}
    stock.rejects.update(reject.reason for reject in found.rejects[0])
    stock.rejected_frames += sum(refused.frames for refused in found.refused_frames[0])
    stock.rows += found.expanded[0].rows if 0 in found.expanded else 0
    stock.seconds += recording.duration
    by_uri: dict[str, list[Ints]] = defaultdict(list)
    for taken in found.taken:
        by_uri[taken.file.uri].append(taken.numbers)
    stock.wanted += [Wanted(uri, timelines[uri], np.unique(np.concatenate(some))) for uri, some in by_uri.items()]


def stock_lines(name: str, stock: FootageStock) -> list[str]:
    """What was counted."""
    about = 'about ' if stock.scale > 1 else ''
    told = ', '.join(f'{count:,} {reason}' for reason, count in stock.rejects.most_common())
    line = (
        f'{name:<8}  {about}{round(stock.rows * stock.scale):,} rows of footage in {stock.recordings:,} recordings '
        f'({duration(stock.seconds * stock.scale)}): {about}{stock.frames:,} frames, {stock.decoded:,} to be decoded '
        'for them'
    )
    line += f', {stock.rejected_frames:,} frames that rows disagree about' if stock.rejected_frames else ''
    line += f', {stock.duplicates:,} repeats' if stock.duplicates else ''
    return [line + (f', {stock.rejects.total():,} rows to be rejected ({told})' if told else '')]


def bytes_to_read(stock: FootageStock) -> int:
    """How large the files are that have frames to be decoded; a file is read in part where few are wanted."""
    return round(stock.scale * sum(files.stat(one.uri).size for one in stock.wanted))


def pace(encoder_dir: str, stocks: Sequence[FootageStock], embedding: EmbeddingConfig) -> FootagePace | None:
    """How fast some of the frames are decoded, and then run through the network; None when none can be decoded."""
    wanted = [one for stock in stocks for one in stock.wanted]
    if not wanted:
        return None
    engine = engines.load_engine(CompiledEncoder.load(encoder_dir))
    with Progress('decoding some frames to see how long it takes'):
        decoded = [_timed(one, engine, embedding) for one in wanted[:: max(1, -(-len(wanted) // _MOST_TIMED))]]
    pixels = [square for one in decoded for square in one.pixels]
    seconds = sum(one.seconds for one in decoded)
    if not pixels or not seconds:
        return None
    megapixels = sum(one.megapixels for one in decoded)
    return FootagePace(usable_cores() * megapixels / seconds, _network_pace(engine, pixels))


class _Timed(NamedTuple):
    pixels: list[Pixels]
    megapixels: float
    seconds: float


def _timed(wanted: Wanted, engine: Engine, embedding: EmbeddingConfig) -> _Timed:
    """Frames from the middle of a file, decoded by one core."""
    reader, timeline = ReaderApart(), wanted.timeline
    numbers = _few(wanted)
    begun = time.perf_counter()
    pixels: list[Pixels] = []
    try:
        for _, found in reader.frames(wanted.uri, timeline, numbers, engine.input_shape, embedding.preparation):
            pixels += [found] if isinstance(found, np.ndarray) else []
    except ImageError:
        pass  # the run itself refuses it by name
    seconds = time.perf_counter() - begun
    some = Wanted(wanted.uri, timeline, np.array(numbers, np.int64))
    return _Timed(pixels, _decoded(some) * _megapixels(timeline), seconds)


def _few(wanted: Wanted) -> list[int]:
    """So many of the frames that some hundreds must be decoded for them, one after the other from the middle on."""
    numbers = wanted.numbers
    begin = len(numbers) // 2
    share = max(1, len(numbers) * _TIMED_FRAMES // max(1, _decoded(wanted)))
    some: list[int] = numbers[begin : begin + share].tolist()
    return some


def _network_pace(engine: Engine, pixels: Sequence[Pixels]) -> float:
    """Frames a second, the network alone on all cores; the first batches plan."""
    size = engine.batch_size
    in_turn = itertools.cycle(pixels)
    batches = [np.stack([next(in_turn) for _ in range(size)]) for _ in range(_TIMED_BATCHES)]
    with ThreadPoolExecutor(engine.streams) as streams:
        list(streams.map(engine.encode, batches[: engine.streams]))
        begun = time.perf_counter()
        list(streams.map(engine.encode, batches))
        return len(batches) * size / (time.perf_counter() - begun)


def time_lines(stocks: Mapping[str, FootageStock], measured: FootagePace, vector_bytes: int) -> tuple[list[str], float]:
    """What decoding and the network will take, each by itself, and the seconds of both: they share the cores."""
    frames = sum(stock.frames for stock in stocks.values())
    decoded = sum(stock.decoded for stock in stocks.values())
    decoding_s = sum(stock.megapixels for stock in stocks.values()) / measured.megapixels
    network_s = frames / measured.frames
    return [
        f'decoding  {decoded:,} frames of footage at {decoded / max(decoding_s, 1e-9):,.0f}/s here: '
        f'{_hours(decoding_s)} decoder hours',
        f'network   {frames:,} frames at {measured.frames:,.1f}/s here: {_hours(network_s)} network hours; writes '
        f'{frames * vector_bytes / 1e6:,.1f} MB of records and as much into the store',
    ], decoding_s + network_s


def _hours(seconds: float) -> str:
    return f'{seconds / 3600:,.2f}' if seconds >= 36 else f'{seconds / 3600:.4f}'


def _decoded(wanted: Wanted) -> int:
    return decoding_plan.decoded_frames(wanted.timeline, wanted.numbers)


def _megapixels(timeline: Timeline) -> float:
    return timeline.width * timeline.height / 1e6
