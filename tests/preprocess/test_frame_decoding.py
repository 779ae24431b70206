"""Frames on their way from the threads that decode to the network: all come out, and no fault stays unseen."""

import itertools
import threading

import numpy as np
import pytest

from preprocess.embedder import Embedded, Embedder, Failed
from preprocess.footage import VideoFile, WantedFrames
from preprocess.frame_decoding import FrameDecoders, FrameLane
from preprocess.image_formats import ImageError
from preprocess.shelves import Refusal

FILE = VideoFile('/v/a.mp4', 1, '1', b'x' * 32)


class Engine:
    """A vector is the frame's number."""

    input_shape, vector_size, batch_size, streams = (1, 1, 3), 1, 4, 1

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault

    def encode(self, pixels):
        if self.fault:
            raise self.fault
        return pixels.reshape(len(pixels), -1)[:, :1].astype(np.float32)


def piece(first: int, count: int) -> WantedFrames:
    return WantedFrames(b'p' * 24, FILE, np.arange(first, first + count), ())


def pixels(number: int) -> np.ndarray:
    return np.full((1, 1, 3), number, np.uint8)


def decode(wanted):
    return ((number, pixels(number)) for number in wanted.numbers.tolist())


def run(pieces, decode=decode, *, engine=None, threads=2):
    """What comes out of a lane, all of it."""
    with Embedder(engine or Engine(), read=lambda uri: b'', decode=lambda data: pixels(0), readers=1) as embedder:
        decoders = FrameDecoders(decode, threads=threads)
        try:
            lane = FrameLane(embedder, decoders)
            taken = itertools.chain(*(lane.put(one) for one in pieces), lane.drain())
            return [result for results in taken for result in results]
        finally:
            decoders.close()


@pytest.mark.parametrize('threads', [1, 3])
def test_every_frame_comes_out_with_its_own_vector(threads):
    results = run([piece(first, 7) for first in range(0, 84, 7)], threads=threads)
    assert all(isinstance(one, Embedded) for one in results)
    assert sorted(one.item.number for one in results) == list(range(84))
    assert all(one.vector.tolist() == [one.item.number] and one.key == one.item.key for one in results)


def test_a_frame_that_can_not_be_decoded_comes_out_as_that():
    def spoiled(wanted):
        for number in wanted.numbers.tolist():
            yield number, Refusal('decode', 'corrupt', 'bad') if number % 3 == 0 else pixels(number)

    results = run([piece(0, 10)], spoiled)
    assert {one.item.number for one in results if isinstance(one, Failed)} == {0, 3, 6, 9}
    assert all(one.key == one.item.key for one in results)


@pytest.mark.parametrize(('reason', 'is_remembered'), [('truncated', True), ('unreadable', False), ('changed', False)])
def test_a_video_that_fails_half_way_refuses_the_rest_and_what_may_pass_is_not_remembered(reason, is_remembered):
    def ending(wanted):
        yield 0, pixels(0)
        raise ImageError(reason, 'it ends')

    results = run([piece(0, 3)], ending)
    failed = {one.item.number: one for one in results if isinstance(one, Failed)}
    assert {number: (one.reason, one.key is not None) for number, one in failed.items()} == {
        1: (reason, is_remembered),
        2: (reason, is_remembered),
    }


def test_a_frame_the_decoder_forgets_is_not_lost():
    results = run([piece(0, 3)], lambda wanted: iter([(0, pixels(0)), (2, pixels(2))]))
    assert {one.item.number: getattr(one, 'reason', None) for one in results} == {0: None, 1: 'corrupt', 2: None}


@pytest.mark.parametrize('fault', ['decoder', 'network'])
def test_a_fault_of_the_machine_ends_the_run(fault):
    def failing(wanted):
        yield 0, pixels(0)
        raise RuntimeError('no such luck')

    with pytest.raises(RuntimeError, match='no such luck'):
        run([piece(0, 8)] * 4, *([failing] if fault == 'decoder' else []), engine=Engine(
            RuntimeError('no such luck') if fault == 'network' else None))  # fmt: skip


def test_a_lane_that_is_stopped_gives_what_was_decoded_and_decodes_no_further():
    begun, go_on = threading.Event(), threading.Event()

    def slow(wanted):
        for number in wanted.numbers.tolist():
            if number == 3:
                begun.set()
                go_on.wait(10)
            yield number, pixels(number)

    with Embedder(Engine(), read=lambda uri: b'', decode=lambda data: pixels(0), readers=1) as embedder:
        decoders = FrameDecoders(slow, threads=1)
        lane = FrameLane(embedder, decoders)
        results = [one for some in lane.put(piece(0, 50)) for one in some]
        begun.wait(10)
        lane.stop()
        go_on.set()
        results += [one for some in lane.drain() for one in some]
        decoders.close()
    assert sorted(one.item.number for one in results) == [0, 1, 2, 3]


def test_no_more_pieces_wait_than_there_are_threads():
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def held(wanted):
        waiting.release()
        go_on.wait(10)
        return decode(wanted)

    with Embedder(Engine(), read=lambda uri: b'', decode=lambda data: pixels(0), readers=1) as embedder:
        decoders = FrameDecoders(held, threads=1)
        lane = FrameLane(embedder, decoders)
        assert list(lane.put(piece(0, 2))) == []
        waiting.acquire(timeout=10)
        second = lane.put(piece(2, 2))
        assert next(second) == []  # the caller is asked to look around, its piece waits
        go_on.set()
        results = [one for some in itertools.chain(second, lane.drain()) for one in some]
        decoders.close()
    assert sorted(one.item.number for one in results) == [0, 1, 2, 3]
