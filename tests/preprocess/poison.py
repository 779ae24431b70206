"""Decoders that misbehave on marked pictures, for children of tests."""

import os
import signal

import numpy as np

from preprocess import images
from preprocess.video_reader import VideoReader

CRASHING_FRAME = 25


def decode(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """The real policy, except that b'loop', b'sleep', b'crash', b'quit', b'raise' and b'print' do what they say."""
    while data == b'loop':
        pass
    if data == b'sleep':
        signal.pause()
    if data == b'crash':
        os.kill(os.getpid(), signal.SIGSEGV)
    if data == b'quit':
        os._exit(3)
    if data == b'raise':
        raise RuntimeError('as asked')
    if data == b'print':
        print('chatter of a library', flush=True)
        return np.full(shape, 7, np.uint8)
    return images.to_pixels(data, shape)


class CrashingReader(VideoReader):
    """The real one, except that its process ends at a frame, or at a file called crash."""

    def survey(self, uri):
        if 'crash' in uri:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().survey(uri)

    def frames(self, uri, timeline, numbers, *rest):
        for number, found in super().frames(uri, timeline, numbers, *rest):
            if number == CRASHING_FRAME:
                os.kill(os.getpid(), signal.SIGSEGV)
            yield number, found


class FailingReader(VideoReader):
    """One with a bug."""

    def survey(self, uri):
        raise KeyError('as asked')


class KilledReader(VideoReader):
    """One whose process is always ended from outside."""

    def survey(self, uri):
        os.kill(os.getpid(), signal.SIGKILL)

    def frames(self, uri, timeline, numbers, *rest):
        os.kill(os.getpid(), signal.SIGKILL)
