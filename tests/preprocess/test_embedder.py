"""The pump around the network: full batches, nobody held up, nothing lost."""

import hashlib
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from preprocess.embedder import Embedded, Embedder, Failed, Hands
from preprocess.image_formats import ImageError


@dataclass(frozen=True)
class Item:
    uri: str


class FakeEngine:
    """Answers the mean of a picture, and remembers its batches."""

    input_shape = (1, 1, 3)
    vector_size = 2

    def __init__(self, batch_size: int = 4, streams: int = 1) -> None:
        self.batch_size = batch_size
        self.streams = streams
        self.batches: list[int] = []

    def encode(self, pixels):
        self.batches.append(len(pixels))
        value = pixels[:, 0, 0, 0].astype(np.float32)
        vectors = np.stack([value, -value], axis=1)
        vectors[value == 13] = np.nan
        return vectors


def read(uri: str) -> bytes:
    if uri == 'gone':
        raise ImageError('missing', 'no such file')
    return uri.encode()


def decode(data: bytes) -> np.ndarray:
    if data == b'broken':
        raise ImageError('corrupt', 'bad bytes')
    return np.full((1, 1, 3), int(data), np.uint8)


def embed(engine, uris, **hands):
    with Embedder(engine, read=read, decode=decode, readers=3, **hands) as embedder:
        lane = embedder.open_lane()
        results = [result for uri in uris for result in lane.put(Item(uri))]
        return results + lane.drain()


def vectors_of(results):
    return {result.item.uri: result.vector.tolist() for result in results if isinstance(result, Embedded)}


def test_every_picture_gets_its_own_vector():
    results = embed(FakeEngine(), [str(n) for n in range(14, 120)])
    assert vectors_of(results) == {str(n): [n, -n] for n in range(14, 120)}
    assert {r.item.uri: r.key for r in results} == {str(n): hashlib.sha256(b'%d' % n).digest() for n in range(14, 120)}


def test_batches_are_full_except_the_last():
    engine = FakeEngine(batch_size=8)
    embed(engine, [str(n) for n in range(14, 84)])
    assert engine.batches == [8] * 8 + [6]


def test_as_many_batches_as_streams_are_in_the_network_at_once():
    both = threading.Barrier(2)

    class MeetingEngine(FakeEngine):
        def encode(self, pixels):
            both.wait(30)  # breaks unless another batch is there at the same time
            return super().encode(pixels)

    results = embed(MeetingEngine(batch_size=4, streams=2), [str(n) for n in range(14, 46)])
    assert vectors_of(results) == {str(n): [n, -n] for n in range(14, 46)}


def test_a_rest_does_not_wait_for_the_batch_before_it():
    both = threading.Barrier(2)

    class MeetingEngine(FakeEngine):
        def encode(self, pixels):
            both.wait(30)
            return super().encode(pixels)

    engine = MeetingEngine(batch_size=4, streams=2)
    assert len(vectors_of(embed(engine, [str(n) for n in range(14, 20)]))) == 6
    assert sorted(engine.batches) == [2, 4]


def test_a_bad_picture_leaves_alone_with_its_reason():
    results = embed(FakeEngine(), ['1', 'gone', '2', 'broken', '13', '3'])
    assert vectors_of(results) == {'1': [1, -1], '2': [2, -2], '3': [3, -3]}
    assert sorted((r.item.uri, r.stage, r.reason) for r in results if isinstance(r, Failed)) == [
        ('13', 'embed', 'nonfinite-embedding'),
        ('broken', 'decode', 'corrupt'),
        ('gone', 'read', 'missing'),
    ]


def test_only_bad_pictures_need_no_network():
    engine = FakeEngine()
    assert len(embed(engine, ['gone'] * 50)) == 50
    assert engine.batches == []


def test_a_slow_picture_holds_up_nobody():
    others_are_done = threading.Event()

    def decode_slowly(data: bytes) -> np.ndarray:
        if data == b'99':
            assert others_are_done.wait(30)
        return decode(data)

    engine = FakeEngine(batch_size=4)
    with Embedder(engine, read=read, decode=decode_slowly, readers=2) as embedder:
        lane = embedder.open_lane()
        results = lane.put(Item('99'))
        for _ in range(40):
            results += lane.put(Item('1'))
            if len(results) >= 24:
                others_are_done.set()
        results += lane.drain()
    assert len(results) == 41
    assert results[0].item.uri == '1'


def test_callers_share_the_network_and_get_their_own_results():
    engine = FakeEngine(batch_size=16)
    found: dict[int, dict[str, list[float]]] = {}
    with Embedder(engine, read=read, decode=decode, readers=3) as embedder:

        def work(first: int) -> None:
            lane = embedder.open_lane()
            results = [r for n in range(first, first + 50) for r in lane.put(Item(str(n)))] + lane.drain()
            found[first] = vectors_of(results)

        threads = [threading.Thread(target=work, args=(first,)) for first in (14, 64, 114, 164)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {first: {str(n): [n, -n] for n in range(first, first + 50)} for first in (14, 64, 114, 164)}


def test_a_lane_can_be_drained_again_and_again():
    engine = FakeEngine(batch_size=4)
    with Embedder(engine, read=read, decode=decode, readers=2) as embedder:
        lane = embedder.open_lane()
        assert lane.drain() == []
        for n in (1, 2, 3):
            assert vectors_of(lane.put(Item(str(n))) + lane.drain()) == {str(n): [n, -n]}


def test_no_more_pictures_are_under_way_than_four_batches():
    held = threading.Semaphore(0)
    under_way = []

    def wait_to_read(uri: str) -> bytes:
        under_way.append(uri)
        held.acquire()
        return uri.encode()

    with Embedder(FakeEngine(batch_size=2), read=wait_to_read, decode=decode, readers=20) as embedder:
        lane = embedder.open_lane()
        feeder = threading.Thread(target=lambda: [lane.put(Item('1')) for _ in range(12)], daemon=True)
        feeder.start()
        while len(under_way) < 8:
            feeder.join(0.001)
        assert feeder.is_alive()
        assert lane.under_way <= 9  # the ninth waits at the door
        for _ in range(12):
            held.release()
        feeder.join()
        lane.drain()
    assert len(under_way) == 12


@pytest.mark.parametrize('part', ['read', 'decode', 'encode'])
def test_a_fault_of_the_machine_is_raised_where_the_pictures_are_handed_in(part):
    def fail(*_):
        raise OSError(28, 'No space left on device')

    engine = FakeEngine(batch_size=2)
    if part == 'encode':
        engine.encode = fail
    parts = {'read': read, 'decode': decode, **({part: fail} if part != 'encode' else {})}
    with Embedder(engine, readers=2, **parts) as embedder, pytest.raises(OSError, match='No space'):
        lane = embedder.open_lane()
        for _ in range(100):
            lane.put(Item('1'))


def test_there_is_a_decoder_per_core_and_readers_enough_for_the_storage():
    assert Hands.for_machine(2) == Hands(readers=4, decoders=2)
    assert Hands.for_machine(2, remote=True) == Hands(readers=16, decoders=2)
    assert Hands.for_machine(32, remote=True) == Hands(readers=34, decoders=32)
