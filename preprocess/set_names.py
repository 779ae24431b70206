"""How the files of a set of records are named: no file beside the records begins with a set's name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from preprocess import files

_FILE = re.compile(r'manifest\.(?P<name>.+?)(\.(?P<index>\d+)-of-(?P<of>\d+))?\.json')


@dataclass(frozen=True)
class Part:
    """Which share of a CSV this is, when several runs divide it: part `index` of `of`, counted from 0."""

    index: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise ValueError(f'a shard is i/n with 0 <= i < n, got {self.index}/{self.of}')

    def siblings(self) -> 'Iterator[Part]':
        """All parts of the whole this is one of."""
        return (Part(index, self.of) for index in range(self.of))

    def __str__(self) -> str:
        return f'{self.index}-of-{self.of}'


@dataclass(frozen=True)
class SetName:
    """Where a set of records lives: PREFIX = directory/name, and which part of it."""

    directory: str
    name: str
    part: Part | None = None

    @classmethod
    def of(cls, prefix: str, part: Part | None = None) -> 'SetName':
        """The set a PREFIX means."""
        return cls(files.parent(prefix), files.name(prefix), part)

    @property
    def stem(self) -> str:
        """The set's name with its part, as file names carry it."""
        return f'{self.name}.{self.part}' if self.part else self.name

    def manifest(self) -> str:
        """Path of the manifest."""
        return files.join(self.directory, f'manifest.{self.stem}.json')

    def rejects(self) -> str:
        """Path of the rejected rows."""
        return files.join(self.directory, f'rejects.{self.stem}.jsonl')

    def shard_file(self, index: int, of: int) -> str:
        """File name of one shard."""
        return f'{self.stem}-{index:05d}-of-{of:05d}.tfrecord.gz'

    def owns(self, file: str) -> bool:
        """Whether a file name is that of a shard of exactly this set and part."""
        return re.fullmatch(re.escape(self.stem) + r'-\d{5,}-of-\d{5,}\.tfrecord\.gz', file) is not None


def parse_name(directory: str, file: str) -> SetName | None:
    """The set whose manifest `file` would be; None for other files."""
    found = _FILE.fullmatch(file)
    if not found:
        return None
    part = Part(int(found['index']), int(found['of'])) if found['index'] else None
    return SetName(directory, found['name'], part)
