"""Decoding in children: the same pixels as in this process, and a poisoned picture costs only itself."""

import fcntl
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess import images
from preprocess.decoders import DecoderPool
from preprocess.failures import RunFailed
from preprocess.image_formats import ImageError

SHAPE = (16, 12, 3)
POISON = 'tests.preprocess.poison:decode'


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG')
    return buffer.getvalue()


def test_children_give_the_pixels_of_the_policy():
    pictures = [picture(seed) for seed in range(40)]
    with DecoderPool(SHAPE, children=2) as pool, ThreadPoolExecutor(4) as threads:
        for data, pixels in zip(pictures, threads.map(pool.decode, pictures), strict=True):
            np.testing.assert_array_equal(pixels, images.to_pixels(data, SHAPE))


def test_a_bad_picture_is_refused_with_its_reason_and_the_child_lives_on():
    with DecoderPool(SHAPE, children=1) as pool:
        with pytest.raises(ImageError) as refused:
            pool.decode(b'')
        assert refused.value.reason == 'empty-file'
        with pytest.raises(ImageError) as refused:
            pool.decode(b'no picture at all')
        assert refused.value.reason == 'not-an-image'
        assert pool.decode(picture(1)).shape == SHAPE


@pytest.mark.parametrize(
    ('poison', 'message'),
    [
        (b'loop', 'decoding took longer than 0.3 s'),
        (b'sleep', 'decoding took longer than 0.3 s'),
        (b'crash', 'decoding ended its process (Segmentation fault)'),
        (b'quit', 'decoding ended its process (exit code 3)'),
    ],
)
def test_a_poisoned_picture_is_rejected_and_the_next_one_decoded(poison, message):
    with DecoderPool(SHAPE, children=1, timeout_s=0.3, decode=POISON) as pool:
        with pytest.raises(ImageError) as refused:
            pool.decode(poison)
        assert (refused.value.reason, refused.value.message) == ('too-slow', message)
        np.testing.assert_array_equal(pool.decode(picture(2)), images.to_pixels(picture(2), SHAPE))


def test_what_a_library_prints_does_not_end_up_among_the_pixels(capfd):
    with DecoderPool(SHAPE, children=1, decode=POISON) as pool:
        np.testing.assert_array_equal(pool.decode(b'print'), np.full(SHAPE, 7, np.uint8))


def test_a_bug_in_the_decoder_rejects_the_picture_that_met_it():
    with DecoderPool(SHAPE, children=1, decode=POISON) as pool:
        with pytest.raises(ImageError) as refused:
            pool.decode(b'raise')
        assert (refused.value.reason, refused.value.message) == ('corrupt', 'the decoder raised RuntimeError: as asked')
        assert pool.decode(picture(1)).shape == SHAPE


def test_children_that_can_not_start_fail_the_run():
    with DecoderPool(SHAPE, children=1, decode='no.such.module:function') as pool, pytest.raises(RunFailed) as failed:
        pool.decode(picture(1))
    assert 'did not start: it ended its process (exit code 1)' in failed.value.what


def test_a_child_that_is_told_to_end_with_the_whole_service_decodes_on():
    with DecoderPool(SHAPE, children=1) as pool:
        pool.decode(picture(1))
        child = pool._free.get()
        child._process.terminate()
        pool._free.put(child)
        assert [pool.decode(picture(seed)).shape for seed in range(5)] == [SHAPE] * 5


def test_a_system_that_allows_no_wider_pipes_decodes_too(monkeypatch):
    def refuse(pipe: int, command: int, size: int) -> None:
        raise PermissionError('the limit of a user is reached')

    monkeypatch.setattr(fcntl, 'fcntl', refuse)
    with DecoderPool(SHAPE, children=1) as pool:
        assert pool.decode(picture(1)).shape == SHAPE


def test_children_are_only_started_when_they_are_needed():
    before = set(children_of_this_process())
    pool = DecoderPool(SHAPE, children=1, decode='no.such.module:function')
    assert set(children_of_this_process()) == before
    pool.close()


def test_a_child_started_ahead_takes_the_first_picture():
    before = set(children_of_this_process())
    with DecoderPool(SHAPE, children=2) as pool:
        pool.start_one()
        ahead = set(children_of_this_process()) - before
        assert len(ahead) == 1
        assert pool.decode(picture(1)).shape == SHAPE
        assert set(children_of_this_process()) - before == ahead


def children_of_this_process():
    """Process ids of this process' children, as the kernel lists them."""
    return Path(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read_text().split()
