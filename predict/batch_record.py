"""PREFIX.run.json: what a batch was made of and with, and which files it is. It is written last."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from preprocess import files
from preprocess.failures import InputError
from preprocess.settings import Json, digest

# Raised when a reader of the older form could misunderstand the newer.
FORMAT_VERSION = 1


@dataclass(frozen=True)
class FileMade:
    """One file of the result."""

    file: str
    lines: int
    bytes: int


@dataclass(frozen=True)
class RunRecord:
    """A whole batch."""

    settings: Mapping[str, Json]
    files: tuple[FileMade, ...]
    rows: int
    answered: int
    failed_by_reason: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rows != self.answered + self.failed:
            raise ValueError(f'{self.rows} rows, {self.answered} answered and {self.failed} failed')

    @property
    def failed(self) -> int:
        """How many rows have no answer."""
        return sum(self.failed_by_reason.values())

    @property
    def digest(self) -> str:
        """What tells this run from one with other settings."""
        return digest(self.settings)

    def write(self, path: str) -> None:
        """Write it."""
        said = {'version': FORMAT_VERSION, 'digest': self.digest, **asdict(self)}
        files.write_atomic(path, (json.dumps(said, indent=1, ensure_ascii=True) + '\n').encode())

    @classmethod
    def read(cls, path: str) -> 'RunRecord':
        """What is written; InputError when it can't be understood."""
        try:
            said = json.loads(files.read_text(path))
            if said.pop('version') != FORMAT_VERSION:
                raise ValueError('another version')
            del said['digest']
            return cls(**{**said, 'files': tuple(FileMade(**one) for one in said['files'])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f'not the record of a batch ({error})', where=path, do='predict again with --overwrite'
            ) from error

    def is_whole(self, directory: str) -> bool:
        """Whether all of its files are there, as long as they were."""
        try:
            return all(files.stat(files.join(directory, one.file)).size == one.bytes for one in self.files)
        except FileNotFoundError:
            return False

    def told(self) -> str:
        """Its account in a line."""
        reasons = sorted(self.failed_by_reason.items(), key=lambda item: (-item[1], item[0]))
        why = f' ({", ".join(f"{count:,} {reason}" for reason, count in reasons)})' if reasons else ''
        return f'{self.rows:,} rows: {self.answered:,} answered, {self.failed:,} failed{why}'
