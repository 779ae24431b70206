"""Rows of footage spread over frames, against what a plain loop over all frames and rows says."""

import random
from fractions import Fraction

import numpy as np
import pytest

from preprocess.expansion import Expansion, expand
from preprocess.footage import VideoFile, frame_key
from preprocess.recordings import Recording
from preprocess.rows import Row
from preprocess.sampling import EVERY_FRAME, KEYFRAMES, Sampling
from preprocess.shelves import Refusal
from preprocess.stretches import Claim, Claimed, settle
from preprocess.timelines import Timeline
from tests.preprocess.test_pictures import job

TICKS = 1000


def timeline(milliseconds: list[int], end: int) -> Timeline:
    """Frames shown at these times; every fifth one is a keyframe."""
    keys = list(range(0, len(milliseconds), 5))
    return Timeline(
        time_base=Fraction(1, TICKS),
        pts=np.array(milliseconds, np.int64),
        end=end,
        places=np.arange(len(milliseconds)),
        packets=len(milliseconds),
        disposable=np.zeros(len(milliseconds), np.bool_),
        keyframes=np.array(keys),
        key_places=np.array(keys),
        key_pts=np.array([milliseconds[key] for key in keys]),
        width=96,
        height=64,
    )


def row(line: int, label: str, start=None, stop=None, frame=None, **more) -> Row:
    ending = '' if start is None else f'#t={start},{stop}'
    return Row(f'/v/a.mp4{ending}' + (f'#frame={frame}' if frame is not None else ''), '', (label,), 'a.csv', line,
               start=start, stop=stop, frame=frame, **more)  # fmt: skip


def expanded(found: list[Row], one: Timeline, sampling: Sampling, **settings) -> Expansion:
    jobs = [job(0, **settings)]
    (claimed,) = settle([(0, row) for row in found], jobs).recordings
    recording = Recording.of(claimed.video, [('/v/a.mp4', one)])
    return expand(claimed, recording, [VideoFile('/v/a.mp4', 1, '1', b'x' * 32)], sampling, jobs)


def by_frame(result: Expansion) -> dict[int, tuple[int, ...]]:
    return {
        int(number): taken.uses[place].label_ids
        for taken in result.taken
        for number, place in zip(taken.numbers, taken.rows, strict=True)
    }


@pytest.mark.parametrize('sampling', [EVERY_FRAME, KEYFRAMES, Sampling(1.0), Sampling(3.7), Sampling(50.0)])
@pytest.mark.parametrize('multi_label', [False, True])
def test_frames_are_those_a_plain_loop_finds(sampling, multi_label):
    chance = random.Random(sampling.text)
    names = {'cat': 0, 'dog': 1}
    for _ in range(40):
        times = sorted(chance.sample(range(0, 9000), chance.randint(1, 60)))
        times = [one - times[0] for one in times]
        one = timeline(times, times[-1] + 200)
        borders = [chance.choice([*times, chance.randint(0, 9000)]) / TICKS for _ in range(40)]
        rows = [
            row(line, chance.choice(['cat', 'dog']), min(pair), max(pair))
            for line, pair in enumerate(zip(borders[::2], borders[1::2], strict=True))
        ]
        rows = list({(one.start, one.stop): one for one in rows}.values())
        samples = Recording.of('/v/a.mp4', [('/v/a.mp4', one)]).samples(sampling)
        labels, disputed, used = {}, set(), set()
        for frame, time in zip(samples.frame.tolist(), samples.time.tolist(), strict=True):
            over = [
                one for one in rows if one.start - 1e-6 <= time < one.stop - 1e-6 and one.start < one_end(one, times)
            ]
            used.update(one.line for one in over)
            said = {one.labels[0] for one in over}
            if len(said) == 1 or (said and multi_label):
                labels[frame] = tuple(sorted(names[label] for label in said))
            elif said:
                disputed.add(frame)
        result = expanded(rows, one, sampling, multi_label=multi_label)
        assert by_frame(result) == labels
        refused = result.refused_frames.get(0, [])
        assert sum(some.frames for some in refused) == len(disputed)
        assert {reject.row for reject in result.rejects[0]} == {one.line for one in rows} - used
        if used:
            assert (result.expanded[0].rows, result.expanded[0].frames) == (len(used), len(labels) + len(disputed))


def one_end(row: Row, times: list[int]) -> float:
    return (times[-1] + 200) / TICKS


def test_the_steps_of_frames_are_their_places_among_all_samples():
    one = timeline(list(range(0, 3000, 100)), 3000)
    (taken,) = expanded([row(1, 'cat', 0.5, 1.0), row(2, 'dog', 2.0, 2.2)], one, EVERY_FRAME).taken
    assert taken.steps.tolist() == [5, 6, 7, 8, 9, 20, 21]
    assert taken.times.tolist() == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 2.0, 2.1])


def test_disputed_frames_are_told_in_runs_that_follow_one_another():
    one = timeline(list(range(0, 3000, 100)), 3000)
    rows = [row(1, 'cat', 0.0, 3.0), row(2, 'dog', 0.5, 1.0), row(3, 'dog', 2.0, 2.2)]
    result = expanded(rows, one, EVERY_FRAME)
    (refused,) = result.refused_frames[0]
    assert [(reject.uri, reject.frames, reject.last_frame) for reject in refused.rejects] == [
        ('/v/a.mp4#frame=5', 5, 9),
        ('/v/a.mp4#frame=20', 2, 21),
    ]
    assert refused.rejects[1].message == 'a.csv:1 says cat; a.csv:3 says dog'


def test_rows_of_one_stretch_are_settled_as_those_of_a_picture():
    rows = [row(1, 'cat', 1.0, 2.0), row(2, 'cat', 1.0, 2.0), row(3, 'cat', 0.0, 2.0), row(4, 'owl', 5.0, 6.0)]
    settled = settle([(0, one) for one in rows], [job(0)])
    assert [one.claims for one in settled.recordings] == [
        (Claim(0, rows[0], (0,)), Claim(0, rows[2], (0,))),
    ]
    assert dict(settled.duplicates) == {0: 1}
    assert [(reject.row, reject.reason) for reject in settled.rejects[0]] == [(4, 'unknown-label')]


def test_a_row_that_can_not_be_read_is_refused_in_every_set():
    claimed = Claimed('/v/a.mp4', (Claim(0, row(1, 'cat'), (0,)), Claim(1, row(2, 'dog'), (1,))))
    found = claimed.rejects(Refusal('read', 'missing', 'no such file'))
    assert {index: [one.row for one in rejects] for index, rejects in found.items()} == {0: [1], 1: [2]}


def test_the_keys_of_a_files_frames_lie_together_in_the_order_of_their_numbers():
    one, other = VideoFile('/v/a.mp4', 1, '1', b'x' * 32), VideoFile('/v/b.mp4', 1, '1', b'y' * 32)
    keys = [frame_key(file.prefix(''), number) for file in (one, other) for number in range(300)]
    ordered = sorted(keys)
    assert ordered in (keys, keys[300:] + keys[:300])
    assert all(len(key) == 32 for key in keys)
    assert one.prefix('') != one.prefix('gray=yes')
    assert one.prefix('') == one._replace(uri='/elsewhere.mp4', version='2').prefix('')
