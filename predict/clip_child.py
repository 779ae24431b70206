"""The process that decodes a video somebody sent: `python -m predict.clip_child REQUEST`.

It answers on standard output with a line of JSON and the frames as PNG. The kernel ends it when it takes too long or
too much memory, whatever the file does to the decoder.
"""

import json
import math
import os
import resource
import signal
import sys

from predict import footage
from predict.clips import Clip, ClipLimits, ClipRequest
from predict.footage import Tally, View
from predict.refusals import Refused
from preprocess import images, progress, video_reader
from preprocess.image_formats import ImageError
from preprocess.recordings import Recording
from preprocess.sampling import Sampling

# The parent is first, where it lives.
_GRACE_S = 5


def main(request: str) -> None:
    """Answer one request."""
    answer = os.fdopen(os.dup(1), 'wb')
    # What a C library prints must not end up among the pictures.
    os.dup2(2, 1)
    asked = ClipRequest.read(request)
    _limit(asked.limits)
    try:
        with progress.unsaid():
            said = decoded(asked).said()
    except (Refused, ImageError) as refused:
        said = json.dumps({'refused': [refused.reason, refused.message]}).encode()
    answer.write(said)
    answer.close()


def decoded(asked: ClipRequest) -> Clip:
    """The frames of a video; Refused or ImageError say why not."""
    reader = video_reader.with_every_core()
    recording = Recording.of(asked.path, [(asked.path, reader.survey(asked.path))])
    sampling = Sampling(asked.limits.frames_per_second)
    _check_size(recording, sampling, asked.limits)
    tally, view = Tally(), View(asked.shape, sampling, asked.preparation)
    frames = list(footage.look(recording, view, tally, reader))
    if not frames:
        raise Refused('corrupt', 'no frame of it can be decoded')
    pictures = tuple(images.png_bytes(frame.pixels) for frame in frames)
    return Clip(recording.duration, tuple(frame.time for frame in frames), pictures, tally.bad)


def _check_size(recording: Recording, sampling: Sampling, limits: ClipLimits) -> None:
    if recording.duration > limits.seconds:
        raise Refused('too-long', f'{recording.duration:.1f} s of video, {limits.seconds:g} s may come')
    if (count := len(recording.samples(sampling))) > limits.frames:
        raise Refused('too-many-frames', f'{count} frames to look at, {limits.frames} is the most')


def _limit(limits: ClipLimits) -> None:
    # Service managers tell every process of a service to end; the server still answers what it accepted.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # It writes no files.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.alarm(math.ceil(limits.timeout_s) + _GRACE_S)


if __name__ == '__main__':
    main(sys.argv[1])
