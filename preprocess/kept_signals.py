"""Finding the motion signal of a recording, which takes as long as decoding it: what is found is kept on the way."""

import io
import time
import zipfile
from dataclasses import dataclass, field

import numpy as np

from preprocess import command, files, interrupts
from preprocess.bursts import Signal
from preprocess.failures import InputError, Interrupted
from preprocess.motion_signal import NOTHING, Begun, Measuring
from preprocess.motion_sources import Source
from preprocess.preparation import Preparation
from preprocess.progress import Progress, say

_KEEP_EVERY_S = 20.0


@dataclass(frozen=True)
class Found:
    """A signal, and how many of its frames could not be decoded."""

    signal: Signal
    undecodable: int


@dataclass(frozen=True)
class Keeper:
    """Where the first values of an unfinished signal are kept; `digest` says what they depend on."""

    path: str
    digest: str
    _saved: list[float] = field(default_factory=lambda: [time.monotonic()])

    def load(self) -> Begun:
        """What was kept of the same frames; nothing where it is of others, or damaged."""
        try:
            with np.load(io.BytesIO(files.read_bytes(self.path)), allow_pickle=False) as kept:
                begun = Begun(kept['values'], int(kept['undecodable']))
                return begun if str(kept['digest']) == self.digest else NOTHING
        except FileNotFoundError:
            return NOTHING
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            say(f'{self.path} is damaged: the signal is found anew')
            return NOTHING

    def is_due(self) -> bool:
        """Whether enough was found since it was last kept."""
        return time.monotonic() - self._saved[-1] > _KEEP_EVERY_S

    def save(self, begun: Begun) -> None:
        """Keep what was found so far."""
        buffer = io.BytesIO()
        np.savez(buffer, values=begun.values, undecodable=begun.undecodable, digest=np.array(self.digest))
        files.write_atomic(self.path, buffer.getvalue())
        self._saved[-1] = time.monotonic()


def find(source: Source, wanted: Preparation, keeper: Keeper) -> Found:
    """The signal of a recording; what an interrupted run kept of it is not found again."""
    begun = keeper.load()
    if len(begun.values):
        say(f'{source.name}: going on with frame {len(begun.values):,} of {len(source):,}')
    measuring = Measuring(begun)
    with Progress(f'motion of {source.name}', total=len(source), unit='frames') as progress:
        progress.advance(measuring.frames)
        for frame in source.grays(wanted, start=measuring.frames):
            measuring.add(frame)
            progress.advance(failed=frame is None)
            _stop_if_asked(source, measuring, keeper)
            if keeper.is_due():
                keeper.save(measuring.begun())
    # Should the next recording be interrupted, this one is not decoded again.
    keeper.save(measuring.begun())
    if measuring.frames != len(source) or measuring.undecodable == len(source):
        raise InputError(
            f'of {len(source):,} frames {measuring.frames - measuring.undecodable:,} can be decoded',
            where=source.uri,
            do='repair the video, or leave it out',
        )
    return Found(measuring.signal(), measuring.undecodable)


def _stop_if_asked(source: Source, measuring: Measuring, keeper: Keeper) -> None:
    if interrupts.requested():
        keeper.save(measuring.begun())
        raise Interrupted(
            f'interrupted at frame {measuring.frames:,} of {len(source):,}',
            where=source.uri,
            do=f'the same command continues: {command.this_command()}',
        )
