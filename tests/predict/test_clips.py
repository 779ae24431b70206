"""Videos sent to the server: a label for each second, and what may not come."""

import asyncio
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from predict import api, clip_answers, clip_child, clips
from predict.answers import Prediction, Style
from predict.clip_answers import Rule
from predict.clips import Clip, ClipLimits, ClipRequest, Clips
from predict.refusals import Refused
from preprocess import images
from preprocess.image_formats import ImageError
from preprocess.preparation import NOTHING
from tests import footage
from tests.predict import servers

SHAPE = (8, 8, 3)


@pytest.fixture(scope='module')
def dark_then_light(tmp_path_factory) -> bytes:
    """Three seconds of black, two and a half of white."""
    path = tmp_path_factory.mktemp('clips') / 'a.mp4'
    shades = [footage.COLOURS['black']] * 30 + [footage.COLOURS['white']] * 25
    footage.write(path, [np.full((64, 96, 3), shade, np.uint8) for shade in shades], times=10)
    return path.read_bytes()


def decode(data: bytes, limits: ClipLimits = ClipLimits()) -> Clip:  # noqa: B008  # frozen
    return asyncio.run(Clips(limits).decode(data, SHAPE))


def refusal(data: bytes, **limits: float) -> Refused:
    with pytest.raises(Refused) as refused:
        decode(data, dataclasses.replace(ClipLimits(), **limits))
    return refused.value


@pytest.fixture(scope='module')
def server():
    with servers.serving(servers.FakeAnswerer(), max_request_mb=1) as running:
        yield running


def test_a_video_is_answered_second_by_second(server, dark_then_light):
    answer = server.post('/video', dark_then_light)
    assert answer.status == 200, answer.body
    said = answer.json
    assert (said['duration'], said['frames'], said['unread']) == (5.5, 11, 0)
    assert [one['label'] for one in said['seconds']] == ['dark'] * 3 + ['light'] * 3
    assert [(one['start'], one['stop']) for one in said['seconds']] == [*((s, s + 1) for s in range(5)), (5, 5.5)]
    assert all(one['score'] > 0.9 and one['top'][0]['label'] == one['label'] for one in said['seconds'])


def test_a_form_may_hold_one_video_and_its_name_is_nowhere(server, dark_then_light):
    def part(name: str) -> bytes:
        head = f'--x\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
        return head.encode() + dark_then_light + b'\r\n'

    kind = {'content_type': 'multipart/form-data; boundary=x'}
    answer = server.post('/video', part('../../etc/passwd;http://h/a.m3u8') + b'--x--\r\n', **kind)
    assert answer.status == 200 and b'passwd' not in answer.body
    assert server.post('/video', part('a') + part('b') + b'--x--\r\n', **kind).json['reason'] == 'bad-request'


@pytest.mark.parametrize(
    ('data', 'status', 'reason'),
    [
        (b'', 400, 'empty-file'),
        (b'no video at all', 415, 'not-a-video'),
        (bytes(2_000_000), 413, 'too-many-bytes'),
    ],
)
def test_what_is_no_video_or_too_large_is_refused(server, data, status, reason):
    answer = server.post('/video', data)
    assert (answer.status, answer.json['reason']) == (status, reason)


def decoded_here(folder: Path, data: bytes, **limits: float) -> Refused:
    """Why a video is refused, without a child."""
    (folder / 'clip.mp4').write_bytes(data)
    asked = ClipRequest(str(folder / 'clip.mp4'), SHAPE, NOTHING, dataclasses.replace(ClipLimits(), **limits))
    with pytest.raises((Refused, ImageError)) as refused:
        clip_child.decoded(asked)
    return Refused(refused.value.reason, refused.value.message)


@pytest.mark.parametrize(
    'data', [b'#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n', b'ffconcat version 1.0\nfile /etc/passwd\n']
)
def test_lists_of_other_files_are_no_videos(tmp_path, data):
    refused = decoded_here(tmp_path, data)
    assert refused.reason == 'not-a-video' and 'passwd' not in refused.message


def test_a_video_cut_short_is_refused(tmp_path, dark_then_light):
    refused = decoded_here(tmp_path, dark_then_light[: len(dark_then_light) // 2])
    assert (refused.status, refused.reason) == (422, 'truncated')


def test_the_limits_are_said(tmp_path, dark_then_light):
    long = decoded_here(tmp_path, dark_then_light, seconds=5)
    assert (long.reason, long.status, long.message) == ('too-long', 413, '5.5 s of video, 5 s may come')
    many = decoded_here(tmp_path, dark_then_light, frames=10)
    assert (many.reason, many.status, many.message) == ('too-many-frames', 413, '11 frames to look at, 10 is the most')


def test_a_decoder_that_takes_too_long_is_ended(dark_then_light):
    slow = refusal(dark_then_light, timeout_s=0.001)
    assert (slow.reason, slow.message) == ('too-slow', 'decoding it took longer than 0.001 s')


def test_a_decoder_that_takes_too_much_memory_ends_alone(dark_then_light):
    assert refusal(dark_then_light, memory_bytes=1 << 20).reason == 'corrupt'


def test_one_video_is_decoded_at_a_time(dark_then_light):
    async def two() -> list[object]:
        one = Clips()
        return await asyncio.gather(*(one.decode(dark_then_light, SHAPE) for _ in range(2)), return_exceptions=True)

    first, second = asyncio.run(two())
    assert isinstance(first, Clip) and isinstance(second, Refused)
    assert (second.reason, second.retry_after_s) == ('busy', 2)


def test_a_client_that_hangs_up_takes_its_decoder_with_it(dark_then_light):
    async def cancelled() -> tuple[bool, bool]:
        one = Clips()
        work = asyncio.create_task(one.decode(dark_then_light, SHAPE))
        while not one._is_busy:
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return work.cancelled(), one._is_busy

    assert asyncio.run(cancelled()) == (True, False)


def test_a_request_is_read_as_it_was_written():
    asked = ClipRequest('/tmp/x', SHAPE, NOTHING, ClipLimits(seconds=3))
    assert ClipRequest.read(asked.text()) == asked
    clip = Clip(1.5, (0.0, 0.5), (b'a\nb', b'c'), 2)
    assert Clip.heard(clip.said()) == clip


def test_without_the_video_extra_the_server_says_so(monkeypatch):
    monkeypatch.setattr(clips.importlib.util, 'find_spec', lambda name: None)
    assert 'headlight[video]' in refusal(b'x').message


# ------------------------------------------------------------------ the answer of a second


def answer(*scores: float) -> Prediction:
    return Prediction('', int(np.argmax(scores)), None, scores, ())


def test_a_second_has_the_mean_of_its_frames_and_without_one_that_of_the_second_before():
    clip = Clip(3.0, (0.0, 0.5, 2.0), (b'', b'', b''), 0)
    answers = [answer(0.9, 0.1), answer(0.3, 0.7), answer(0.2, 0.8)]
    rows = clip_answers.seconds(clip, answers, Style(('a', 'b'), False, 1), Rule())
    assert [(row['label'], row['score']) for row in rows] == [('a', 0.6), ('a', 0.6), ('b', 0.8)]
    assert rows[0]['top'] == [{'label': 'a', 'score': 0.6}]


def test_below_the_threshold_a_second_is_unsure_and_several_labels_may_hold():
    clip = Clip(1.0, (0.0,), (b'',), 0)
    (row,) = clip_answers.seconds(clip, [answer(0.55, 0.45)], Style(('a', 'b'), False), Rule(threshold=0.6))
    assert row['label'] == 'unsure'
    (row,) = clip_answers.seconds(clip, [answer(0.9, 0.8)], Style(('a', 'b'), True), Rule(holds=0.5))
    assert row['label'] == 'a|b'


def test_more_frames_than_the_line_holds_are_asked_about_in_turns(dark_then_light, monkeypatch):
    monkeypatch.setattr(api, '_FRAMES_IN_LINE', 2)
    with servers.serving(servers.FakeAnswerer(), queue=8) as small:
        assert len(small.post('/video', dark_then_light).json['seconds']) == 6


def test_a_busy_line_is_said_with_when_to_come_again(dark_then_light):
    model = servers.FakeAnswerer()
    with servers.serving(model, batch_size=1, queue=1) as small:
        model.gate.clear()
        picture = images.png_bytes(np.zeros((8, 8, 3), np.uint8))
        first, second = servers.together(
            lambda: small.post('/predict', picture), lambda: _while_busy(small, model, dark_then_light)
        )
    assert first.status == 200
    assert (second.status, second.json['reason']) == (503, 'busy') and 'retry-after' in second.headers


def _while_busy(small: servers.Running, model: servers.FakeAnswerer, video: bytes) -> servers.Answer:
    model.began.acquire(timeout=60)
    try:
        return small.post('/video', video)
    finally:
        model.gate.set()


def test_a_decoder_that_is_told_to_end_with_the_whole_service_goes_on():
    code = """
import os, signal
from predict import clip_child
from predict.clips import ClipLimits
clip_child._limit(ClipLimits())
os.kill(os.getpid(), signal.SIGTERM)
print('goes on')
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, 'goes on\n'), done.stderr
