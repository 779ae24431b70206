"""A short video that somebody sends: its frames, decoded in a child process that may take so much and no more.

The child (`python -m predict.clip_child`) sees the video under a name of ours; what the sender called it is nowhere.
"""

import asyncio
import dataclasses
import importlib.util
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Self

from predict.refusals import Refused
from preprocess.images import Shape
from preprocess.preparation import NOTHING, Preparation

# Formats are told by content; the name is one that videos may have.
_NAME = 'clip.mp4'
_QUIET = {'OPENBLAS_NUM_THREADS': '1', 'OMP_NUM_THREADS': '1'}  # whose stacks would count as memory


@dataclass(frozen=True)
class ClipLimits:
    """What a video may be, and what decoding it may take."""

    seconds: float = 60.0
    frames: int = 240
    frames_per_second: float = 2.0  # that are looked at
    timeout_s: float = 60.0
    memory_bytes: int = 4 << 30  # of address space


@dataclass(frozen=True)
class ClipRequest:
    """What the child is asked."""

    path: str
    shape: Shape
    preparation: Preparation
    limits: ClipLimits

    def text(self) -> str:
        """As the child's command line holds it."""
        limits = dataclasses.asdict(self.limits)
        return json.dumps([self.path, list(self.shape), self.preparation.to_json(), limits])

    @classmethod
    def read(cls, text: str) -> Self:
        """What a command line says."""
        path, (height, width, channels), preparation, limits = json.loads(text)
        return cls(path, (height, width, channels), Preparation.from_json(preparation), ClipLimits(**limits))


@dataclass(frozen=True)
class Clip:
    """The frames of a video that are looked at, as PNG squares, with the times from which they hold."""

    duration: float
    times: tuple[float, ...]
    pictures: tuple[bytes, ...]
    unread: int  # frames that could not be decoded

    def said(self) -> bytes:
        """A line of JSON, and behind it the pictures."""
        lengths = [len(picture) for picture in self.pictures]
        head = {'duration': self.duration, 'times': self.times, 'lengths': lengths, 'unread': self.unread}
        return json.dumps(head).encode() + b'\n' + b''.join(self.pictures)

    @classmethod
    def heard(cls, said: bytes) -> Self:
        """What a child said; Refused when that is a refusal."""
        head, _, body = said.partition(b'\n')
        about = json.loads(head)
        if 'refused' in about:
            raise Refused(*about['refused'])
        pictures, start = [], 0
        for length in about['lengths']:
            pictures.append(body[start : start + length])
            start += length
        return cls(about['duration'], tuple(about['times']), tuple(pictures), about['unread'])


@dataclass
class Clips:
    """Decodes videos, one at a time; others are told to come again."""

    limits: ClipLimits = field(default_factory=ClipLimits)
    _is_busy: bool = field(default=False, init=False)

    async def decode(self, data: bytes, shape: Shape, preparation: Preparation = NOTHING) -> Clip:
        """The frames of a video; Refused says why not. Cancelled, it ends its child."""
        if importlib.util.find_spec('av') is None:
            raise Refused('unsupported-codec', "this server reads no videos: pip install 'headlight[video]'")
        if self._is_busy:
            raise Refused('busy', 'another video is being decoded', retry_after_s=2)
        self._is_busy = True
        try:
            with tempfile.TemporaryDirectory(prefix='headlight-clip-') as folder:
                path = os.path.join(folder, _NAME)
                await asyncio.to_thread(_write, path, data)
                return Clip.heard(await self._ask(ClipRequest(path, shape, preparation, self.limits)))
        finally:
            self._is_busy = False

    async def _ask(self, request: ClipRequest) -> bytes:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, '-m', 'predict.clip_child', request.text()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **_QUIET, 'PYTHONPATH': paths},
            start_new_session=True,  # Ctrl-C lets it finish
        )
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                said, _ = await child.communicate()
        except TimeoutError:
            raise self._too_slow() from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode == -signal.SIGALRM:
            raise self._too_slow()
        if child.returncode:
            raise Refused('corrupt', 'the decoder gave up on it')
        return said

    def _too_slow(self) -> Refused:
        return Refused('too-slow', f'decoding it took longer than {self.limits.timeout_s:g} s')


def _write(path: str, data: bytes) -> None:
    with open(path, 'wb') as file:
        file.write(data)
