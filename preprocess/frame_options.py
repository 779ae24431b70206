"""Which frames of which recording are written, under which names."""

import os
import re
from dataclasses import dataclass

from preprocess import files
from preprocess.failures import UsageError
from preprocess.options import DEFAULT_MAX_REJECT_FRACTION
from preprocess.preparation import NOTHING, Preparation
from preprocess.recordings import Recording
from preprocess.sampling import Sampling
from preprocess.settings import Json, Settings

FORMATS = ('jpg', 'png')
_SUFFIXES = {'.jpg': 'jpg', '.jpeg': 'jpg', '.png': 'png'}
_NUMBER = re.compile(r'%(?:0\d{1,2})?d')


@dataclass(frozen=True)
class FrameNames:
    """How the files are called: a pattern with the frame's number in it, and the number of the first frame of all."""

    pattern: str = '%06d.jpg'
    first: int = 1

    @classmethod
    def of(cls, pattern: str | None, *, kind: str | None, first: int) -> 'FrameNames':
        """The names the flags ask for."""
        pattern = pattern or '%06d'
        said = _SUFFIXES.get(os.path.splitext(pattern)[1].lower())
        if said and kind and said != kind:
            raise UsageError(
                f'the names say {said}, the format {kind}', where=f'--name {pattern}', do='give one of the two'
            )
        return cls(pattern if said else f'{pattern}.{kind or FORMATS[0]}', first)

    def __post_init__(self) -> None:
        if len(_NUMBER.findall(self.pattern)) != 1 or self.pattern.count('%') != 1 or '/' in self.pattern:
            raise UsageError(
                f'{self.pattern!r} is no pattern for names',
                where='--name',
                do='give a name with one number in it, like S4C2%06d.jpg',
            )
        if self.first < 0:
            raise UsageError(f'the first number must be 0 or more, got {self.first}', where='--first', do='give 0 or 1')

    @property
    def kind(self) -> str:
        """jpg or png."""
        return _SUFFIXES[os.path.splitext(self.pattern)[1].lower()]

    def name(self, step: int) -> str:
        """The name of the frame that is taken as this one of the recording, from 0."""
        return self.pattern % (self.first + step)


@dataclass(frozen=True)
class FramesConfig:
    """What is written, and how it is decoded."""

    source: str
    output_dir: str
    names: FrameNames = FrameNames()
    quality: int = 95
    sampling: Sampling = Sampling()
    start: float = 0.0
    stop: float | None = None
    preparation: Preparation = NOTHING
    max_reject_fraction: float = DEFAULT_MAX_REJECT_FRACTION
    threads: int | None = None  # None: one of each core

    def __post_init__(self) -> None:
        if not 0 <= self.start < float('inf'):
            raise UsageError(f'{self.start:g} s is no time of a recording', where='--start', do='give 0 or more')
        if self.stop is not None and not self.stop > self.start:
            raise UsageError(f'it stops at {self.stop:g} s, before it starts', where='--stop', do='give a later second')
        if not 1 <= self.quality <= 100:
            raise UsageError(f'a quality is 1 to 100, got {self.quality}', where='--quality', do='leave it out')
        if self.threads is not None and self.threads < 1:
            raise UsageError(f'it takes 1 thread or more, got {self.threads}', where='--threads', do='leave it out')
        if not 0 <= self.max_reject_fraction <= 1:
            raise UsageError(
                f'a fraction is between 0 and 1, got {self.max_reject_fraction}',
                where='--max_reject_fraction',
                do='give 0.05 for five of a hundred frames',
            )

    def settings(self, recording: Recording) -> Settings:
        """What each file depends on. (A stretch writes some of the files of the whole, under the same names.)"""
        parts: dict[str, Json] = {
            f'part {number} {files.name(part.uri)}': part.timeline.digest for number, part in enumerate(recording.parts)
        }
        return {
            **parts,
            'sampling': self.sampling.text,
            'preparation': self.preparation.text,
            'name': self.names.pattern,
            'first': self.names.first,
            'quality': self.quality if self.names.kind == 'jpg' else None,
        }
