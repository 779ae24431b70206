"""One way to decode a video, in a process of its own: frames at 299 x 299, and the processor's seconds they took.

python benchmarks/contenders/decoding.py ours|bare VIDEO every|1fps
"""

import json
import os
import sys
import time
from collections.abc import Iterator

import av
from av.video.reformatter import Interpolation, VideoReformatter

from preprocess import decoding_plan, video
from preprocess.recordings import Recording
from preprocess.sampling import EVERY_FRAME, Sampling

SIDE = 299
SAMPLINGS = {'every': EVERY_FRAME, '1fps': Sampling(1.0)}


def ours(path: str, sampling: Sampling) -> Iterator[object]:
    """As the pipeline decodes; the timeline is read before."""
    timeline = video.survey(path)
    frames = Recording.of(path, [(path, timeline)]).samples(sampling).frame.tolist()
    yield None
    yield from video.Decoder(hardware=False).decode(path, timeline, frames, (SIDE, SIDE, 3))


def bare(path: str, sampling: Sampling) -> Iterator[object]:
    """PyAV's own loop over all frames, each scaled; of one a second, the packets that must be decoded are known."""
    timeline = video.survey(path)
    frames = set(Recording.of(path, [(path, timeline)]).samples(sampling).frame.tolist())
    wanted = {int(timeline.pts[number]) for number in frames}
    needed = {int(place) for one in decoding_plan.passes(timeline, sorted(frames)) for place in one.places}
    yield None
    reformatter = VideoReformatter()
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for place, packet in enumerate(container.demux(stream)):
            if place in needed or not packet.size:
                for frame in packet.decode():
                    if frame.pts in wanted:
                        yield reformatter.reformat(
                            frame, SIDE, SIDE, 'rgb24', interpolation=int(Interpolation.BILINEAR), threads=1
                        ).to_ndarray()


WAYS = {'ours': ours, 'bare': bare}


def main() -> None:
    """Print what it took."""
    way, path, sampling = sys.argv[1:]
    os.environ['OMP_NUM_THREADS'] = '1'
    frames = WAYS[way](path, SAMPLINGS[sampling])
    next(frames)
    begun = time.process_time()
    count = sum(1 for _ in frames)
    print(json.dumps({'frames': count, 'seconds': time.process_time() - begun}))


if __name__ == '__main__':
    main()
