"""What a run will read, write and take, before it is started: the input counted, a few pictures timed."""

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from preprocess import engines, files, images, pictures, record_sets, rows
from preprocess.compiled import CompiledEncoder
from preprocess.embedder import Embedded, Embedder, Hands
from preprocess.engines import Engine
from preprocess.files import FileStat
from preprocess.image_formats import ImageError
from preprocess.labels import Labels
from preprocess.options import SetConfig
from preprocess.progress import Progress, duration
from preprocess.rows import Reject, Row

# Asking for a file's size is waiting, not work.
_STAT_THREADS = 32
_TIMED_PICTURES = 64
# On a network asking takes as long as reading: of more pictures than these some stand for all.
_MOST_ASKED = 20_000


@dataclass(frozen=True)
class Stock:
    """What the CSVs of one set name: pictures that count, rejects by reason, repeats, the pictures' bytes, footage."""

    rows: tuple[Row, ...]
    rejects: Mapping[str, int]
    duplicates: int
    bytes_to_read: int
    footage: tuple[Row, ...] = ()  # counted by itself
    found: tuple[FileStat, ...] = ()  # the pictures' files, all of them or some that stand for all

    @property
    def rejected(self) -> int:
        """How many rows will be rejected."""
        return sum(self.rejects.values())

    @property
    def read(self) -> int:
        """How many rows of pictures the CSVs have."""
        return len(self.rows) + self.rejected + self.duplicates


@dataclass(frozen=True)
class Pace:
    """How fast a few pictures went, once everything was loaded, and how many bytes each became."""

    per_second: float
    vector_bytes: int


@dataclass(frozen=True)
class _Timed:
    """A picture that is embedded to see how long it takes."""

    uri: str


def take_stock(config: SetConfig) -> Stock:
    """Read every row of a set's CSVs and ask for the size of every picture."""
    labels = Labels.read(config.input_dict)
    rejects: Counter[str] = Counter()
    by_uri: dict[str, list[Row]] = {}
    footage: list[Row] = []
    with Progress(f'checking {config.input_path}', unit='rows') as progress:
        for path in rows.expand_inputs(config.input_path):
            for row in rows.read_csv(path, image_root=config.image_root):
                progress.advance()
                if isinstance(row, Row) and row.is_footage:
                    footage.append(row)
                    continue
                refused = row if isinstance(row, Reject) else _refused(row, labels, config)
                if refused:
                    rejects[refused.reason] += 1
                elif isinstance(row, Row):
                    by_uri.setdefault(row.uri, []).append(row)
    kept: list[Row] = []
    duplicates = 0
    for same in by_uri.values():
        resolution = rows.resolve_duplicates(same, ignore_case=config.ignore_label_case)
        duplicates += resolution.duplicates
        rejects.update(reject.reason for reject in resolution.rejects)
        kept += [resolution.kept] if resolution.kept else []
    return replace(_weighed(kept, rejects, duplicates), footage=tuple(footage))


def stock_lines(name: str, stock: Stock, *, max_reject_fraction: float) -> list[str]:
    """What was counted, and whether the run would stop over it."""
    if stock.footage and not stock.read:
        return []
    told = ', '.join(f'{count:,} {reason}' for reason, count in Counter(stock.rejects).most_common())
    line = f'{name:<8}  {stock.read:,} rows: {len(stock.rows):,} pictures, {stock.bytes_to_read / 1e6:,.1f} MB'
    line += f', {stock.duplicates:,} repeats' if stock.duplicates else ''
    line += f' going by {len(stock.found):,} of them' if len(stock.found) < len(stock.rows) else ''
    lines = [line + (f', {stock.rejected:,} to be rejected ({told})' if told else '')]
    if stock.rejected > max_reject_fraction * stock.read:
        lines.append(f'{name:<8}  the run will stop: more than --max_reject_fraction {max_reject_fraction:g} rejected')
    return lines


def pace(records: str, stock: Stock) -> Pace | None:
    """The pace of the encoder beside some records, over pictures of the whole stock; None when none can be decoded."""
    found = record_sets.find_records([records]).encoder_dir
    if found is None:
        return None
    return pace_of(CompiledEncoder.load(found), [row.uri for row in stock.rows])


def pace_of(encoder: CompiledEncoder, every: Sequence[str]) -> Pace | None:
    """The pace of an encoder over some of these pictures; None when none can be decoded."""
    engine = engines.load_engine(encoder)
    uris = every[:: max(len(every) // _TIMED_PICTURES, 1)][:_TIMED_PICTURES]
    if not any(_square(uri, engine) is not None for uri in uris[: engine.batch_size]):
        return None
    read = _held(uris) if _is_far(uris) else pictures.read_bytes
    # The first batches plan: a run pays for it once.
    _embed(uris[: engine.streams * engine.batch_size], engine, read)
    begun = time.perf_counter()
    timed = _embed(uris, engine, read)
    return Pace(timed / (time.perf_counter() - begun), encoder.vector_bytes)


def embedding_lines(pictures: int, measured: Pace) -> tuple[list[str], float]:
    """What embedding the pictures will take, and in seconds."""
    embedding_s = pictures / measured.per_second
    megabytes = pictures * measured.vector_bytes / 1e6
    return [
        f'embedding {pictures:,} pictures at {measured.per_second:,.1f}/s here: about {duration(embedding_s)}; '
        f'writes {megabytes:,.1f} MB of records and as much into the store'
    ], embedding_s


def time_lines(embedding_s: float, *, overhead_s: float, training_s: float, steps: int) -> list[str]:
    """What the full run will take; the overhead is what a run of a few pictures took."""
    total_s = overhead_s + embedding_s + training_s
    return [
        f'training  {steps:,} steps: about {duration(training_s)}',
        f'in all    about {duration(total_s)} on this machine; what the store has already takes no time',
    ]


def _refused(row: Row, labels: Labels, config: SetConfig) -> Reject | None:
    found = rows.label_ids(row, labels, ignore_case=config.ignore_label_case, multi_label=config.multi_label)
    return found if isinstance(found, Reject) else None


def _weighed(kept: Sequence[Row], rejects: Counter[str], duplicates: int) -> Stock:
    """The rows whose picture is there as far as that was asked, with the sum of the pictures' sizes."""
    asked: dict[str, FileStat | str] = {}
    some = kept[:: -(-len(kept) // _MOST_ASKED)] if _is_far(row.uri for row in kept) else kept
    step = Progress('asking for the sizes of pictures', total=len(some), unit='pictures')
    with step, ThreadPoolExecutor(max_workers=_STAT_THREADS) as askers:
        for row, answer in zip(some, askers.map(_stat, (row.uri for row in some), chunksize=64), strict=True):
            asked[row.uri] = answer
            step.advance()
    there = tuple(row for row in kept if not isinstance(asked.get(row.uri), str))
    rejects.update(answer for answer in asked.values() if isinstance(answer, str))
    found = tuple(answer for answer in asked.values() if isinstance(answer, FileStat))
    each = sum(one.size for one in found) / max(len(found), 1)
    return Stock(there, dict(rejects), duplicates, round(each * len(there)), found=found)


def _is_far(uris: Iterable[str]) -> bool:
    return any(map(files.is_remote, uris))


def _stat(uri: str) -> FileStat | str:
    """A file's size and version, or the reason it will be rejected for."""
    try:
        # An object store says so by itself.
        if not files.is_remote(uri) and files.is_dir(uri):
            return 'is-a-directory'
        found = files.stat(uri)
        return found if found.size else 'empty-file'
    except IsADirectoryError:
        return 'is-a-directory'
    except FileNotFoundError:
        return 'missing'
    except PermissionError:
        return 'forbidden'


def _held(uris: Sequence[str]) -> Callable[[str], bytes]:
    """What is far away is fetched first: the pace is then this machine's, and not that of its line."""
    read = functools.cache(pictures.read_bytes)

    def fetch(uri: str) -> None:
        # What can't be read is refused once more when it is its turn.
        with suppress(ImageError):
            read(uri)

    with ThreadPoolExecutor(max_workers=_STAT_THREADS) as fetchers:
        list(fetchers.map(fetch, uris))
    return read


def _embed(uris: Sequence[str], engine: Engine, read: Callable[[str], bytes]) -> int:
    """Read, decode and encode pictures as a run does, all of it at once; how many there were."""

    def decode(data: bytes) -> images.Pixels:
        return images.to_pixels(data, engine.input_shape)

    hands = Hands.for_machine()
    with Embedder[_Timed](engine, read=read, decode=decode, readers=hands.readers) as embedder:
        lane = embedder.open_lane()
        results = [result for uri in uris for result in lane.put(_Timed(uri))]
        results += lane.drain()
    return sum(isinstance(result, Embedded) for result in results)


def _square(uri: str, engine: Engine) -> images.Pixels | None:
    try:
        return images.to_pixels(files.read_bytes(uri), engine.input_shape)
    except (OSError, ImageError):
        return None  # The run itself rejects it by name; a forecast needs pictures that count.
