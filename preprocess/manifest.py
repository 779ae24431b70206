"""What a set of records is: Manifest <-> manifest.NAME.json."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar, cast

from preprocess import files
from preprocess.failures import InputError
from preprocess.set_names import Part
from preprocess.settings import Json, digest

# Raised when a reader of the older form could misunderstand the newer.
FORMAT_VERSION = 1
# What manifests of the first releases don't say.
_LATER = ('sampling', 'preparation', 'frame_rejects_by_reason')
_T = TypeVar('_T')


@dataclass(frozen=True)
class EncoderInfo:
    """Which encoder made the vectors; `path` is relative to the manifest's folder.

    `sha256` is the float32 graph's; `quantised` the quantised model's, where that made them.
    """

    spec: str
    key: str
    path: str
    sha256: str
    input_shape: tuple[int, int, int]
    engine: str
    precision: str
    batch_size: int
    quantised: str | None = None


@dataclass(frozen=True)
class Shard:
    """One record file; `file` is relative to the manifest's folder."""

    file: str
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Rows:
    """Where every row of the input went; `duplicate` counts exact repeats."""

    read: int
    accepted: int
    rejected: int
    duplicate: int

    def __post_init__(self) -> None:
        if self.read != self.accepted + self.rejected + self.duplicate:
            raise ValueError(f'rows are unaccounted for: {self}')


@dataclass(frozen=True)
class Examples:
    """What the accepted rows gave: one example each for pictures; for footage a frame of several rows counts once."""

    written: int
    rejected_frames: int = 0
    expanded: int = -1  # not said: all that were not rejected were written

    def __post_init__(self) -> None:
        if self.expanded == -1:
            object.__setattr__(self, 'expanded', self.written + self.rejected_frames)
        if self.written + self.rejected_frames != self.expanded:
            raise ValueError(f'frames are unaccounted for: {self}')


@dataclass(frozen=True)
class Manifest:
    """Everything a consumer needs to know of a set of records, and what it must refuse."""

    name: str
    encoder: EncoderInfo
    vector_shape: tuple[int, ...]
    labels: tuple[str, ...]
    multi_label: bool
    shards: tuple[Shard, ...]
    rows: Rows
    examples: Examples
    rejects_by_reason: Mapping[str, int]
    counts_per_label: Mapping[str, int]
    unlabelled: int
    settings: Mapping[str, Json]
    part: Part | None = None
    digest: str = field(default='')
    # Of footage: which frames of a recording were taken, what was done to them first, and why some are missing.
    sampling: Mapping[str, Json] | None = None
    preparation: Mapping[str, Json] | None = None
    frame_rejects_by_reason: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum(shard.records for shard in self.shards) != self.examples.written:
            raise ValueError(f'the shards hold {sum(s.records for s in self.shards)} records, not {self.examples}')
        if sum(self.rejects_by_reason.values()) != self.rows.rejected:
            raise ValueError(f'rejects are unaccounted for: {self.rejects_by_reason} against {self.rows}')
        if sum(self.frame_rejects_by_reason.values()) != self.examples.rejected_frames:
            raise ValueError(
                f'rejected frames are unaccounted for: {self.frame_rejects_by_reason} against {self.examples}'
            )
        if not self.digest:
            object.__setattr__(self, 'digest', digest(self.settings))

    @property
    def vector_size(self) -> int:
        """How many numbers an embedding has."""
        return math.prod(self.vector_shape)

    @property
    def is_pixels(self) -> bool:
        """Whether the records hold pixels, uint8[H,W,C], instead of embeddings."""
        return len(self.vector_shape) == 3

    def write(self, path: str) -> None:
        """Publish the manifest: from here on its shards count."""
        files.write_atomic(path, self.data())

    def data(self) -> bytes:
        """The file's content, JSON."""
        content = {'version': FORMAT_VERSION, **asdict(self), 'part': str(self.part) if self.part else None}
        text = json.dumps(content, indent=1, ensure_ascii=False) + '\n'
        # A path that isn't UTF-8 holds surrogates, whose backslash form is JSON's own.
        return text.encode('utf-8', 'backslashreplace')

    @classmethod
    def read(cls, path: str) -> 'Manifest':
        """The manifest in a file; InputError naming the file when it isn't one."""
        try:
            return _from_json(json.loads(files.read_text(path)))
        except FileNotFoundError:
            raise InputError('there is no manifest', where=path, do='make the records with preprocess.run') from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f'not a manifest this version reads: {type(error).__name__}: {error}',
                where=path,
                do='make the records again (preprocess.run --overwrite)',
            ) from None


def _from_json(content: dict[str, Json]) -> Manifest:
    if content.pop('version') != FORMAT_VERSION:
        raise ValueError('its version is another')
    known = {name: content[name] for name in Manifest.__dataclass_fields__ if name in content or name not in _LATER}
    part = cast('str | None', known['part'])
    index, _, of = (part or '').partition('-of-')
    encoder = cast('dict[str, Json]', known['encoder'])
    return Manifest(
        **{  # type: ignore[arg-type]  # JSON's shape is checked by the constructors, its leaves are what we wrote
            **known,
            'encoder': _built(
                EncoderInfo, {**encoder, 'input_shape': tuple(cast('list[int]', encoder['input_shape']))}
            ),
            'vector_shape': _tuple(known['vector_shape']),
            'labels': _tuple(known['labels']),
            'shards': tuple(_built(Shard, shard) for shard in _tuple(known['shards'])),
            'rows': _built(Rows, known['rows']),
            'examples': _built(Examples, known['examples']),
            'part': Part(int(index), int(of)) if part else None,
        }
    )


def _tuple(content: Json) -> tuple[Json, ...]:
    return tuple(cast('list[Json]', content))


def _built(kind: type[_T], content: object) -> _T:
    return kind(**cast('dict[str, Json]', content))
