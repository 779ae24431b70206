import numpy as np
import pytest

from trainer import windows
from trainer.head_kinds import Windowing
from trainer.windows import RecordLabels


def _labels(*ids: tuple[int, ...]) -> RecordLabels:
    return RecordLabels(
        np.array([label for of_record in ids for label in of_record], np.int64),
        np.array([len(of_record) for of_record in ids], np.int64),
    )


def _of(found: RecordLabels, start: int) -> list[int]:
    end = int(np.cumsum(found.counts)[start])
    return found.ids[end - found.counts[start] : end].tolist()


def test_windows_follow_one_another_by_their_stride_in_every_run():
    steps = [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3]
    found = windows.runs(['a'] * 7 + ['b'] * 4, np.array(steps), (11,))
    assert found.windows(Windowing(3)).tolist() == [0, 1, 2, 3, 4, 7, 8]
    assert found.windows(Windowing(3, stride=2)).tolist() == [0, 2, 4, 7]
    assert found.windows(Windowing(4, stride=9)).tolist() == [0, 7]
    assert found.windows(Windowing(8)).tolist() == []
    assert found.longest == 7


@pytest.mark.parametrize(
    ('videos', 'steps', 'sizes', 'starts'),
    [
        ('aaaa', [0, 1, 2, 3], (4,), [0, 1, 2]),
        ('aaaa', [0, 1, 3, 4], (4,), [0, 2]),  # a cut
        ('aaaa', [3, 2, 1, 0], (4,), []),  # not in order
        ('aaaa', [0, 0, 1, 2], (4,), [1, 2]),
        ('aabb', [0, 1, 2, 3], (4,), [0, 2]),  # another recording
        ('aaaa', [0, 1, 2, 3], (2, 2), [0, 2]),  # another file of records
        ('aaaa', [0, 1, 2, 3], (0, 4, 0), [0, 1, 2]),
    ],
)
def test_no_window_goes_over_a_cut(videos, steps, sizes, starts):
    assert windows.runs(list(videos), np.array(steps), sizes).windows(Windowing(2)).tolist() == starts


def test_pictures_are_in_no_window():
    found = windows.runs(['', '', 'a', 'a', ''], np.zeros(5, np.int64) + [0, 1, 2, 3, 4], (5,))
    assert found.windows(Windowing(2)).tolist() == [2]
    assert windows.runs(['', ''], np.array([0, 1]), (2,)).longest == 0


def test_random_runs_are_cut_as_a_plain_loop_cuts_them():
    random = np.random.default_rng(3)
    for _ in range(50):
        videos = random.integers(0, 3, 30).astype(str).tolist()
        steps = np.cumsum(random.integers(1, 3, 30))
        windowing = Windowing(int(random.integers(1, 5)), int(random.integers(1, 4)))
        expected, run = [], 0
        for start in range(30):
            if start and not (videos[start] == videos[start - 1] and steps[start] == steps[start - 1] + 1):
                run = start
            inside = range(start + 1, start + windowing.length)
            whole = start + windowing.length <= 30 and all(
                videos[place] == videos[start] and steps[place] == steps[place - 1] + 1 for place in inside
            )
            if whole and (start - run) % windowing.stride == 0:
                expected.append(start)
        assert windows.runs(videos, steps, (30,)).windows(windowing).tolist() == expected


@pytest.mark.parametrize(('label', 'expected'), [('last', [[2], [1], [1]]), ('centre', [[], [2], [1]])])
def test_a_window_has_the_label_of_its_last_or_its_centre_frame(label, expected):
    found = windows.labels(
        _labels((0,), (), (2,), (1,), (1,)), np.array([0, 1, 2]), Windowing(3, label=label), multi_label=False
    )
    assert [_of(found, start) for start in range(3)] == expected
    assert found.counts[3:].tolist() == [0, 0]


def test_of_four_frames_the_third_is_the_centre():
    assert [Windowing(length, label='centre').spoken for length in (2, 3, 4, 5)] == [1, 1, 2, 2]
    assert [Windowing(length, label='majority').spoken for length in (4, 5)] == [2, 2]
    assert [Windowing(length).spoken for length in (4, 5)] == [3, 4]


@pytest.mark.parametrize(
    ('ids', 'expected'),
    [
        ([(0,), (0,), (1,), (2,)], [0]),
        ([(1,), (0,), (0,), (1,)], [1]),  # of equals the one that comes last
        ([(1,), (1,), (0,), (0,)], [0]),
        ([(1,), (), (), ()], []),  # most have none
        ([(1,), (1,), (), ()], []),
        ([(), (), (1,), (1,)], [1]),
    ],
)
def test_a_window_has_the_label_of_most_of_its_frames(ids, expected):
    found = windows.labels(_labels(*ids), np.array([0]), Windowing(4, label='majority'), multi_label=False)
    assert _of(found, 0) == expected


def test_with_several_labels_a_window_has_those_of_more_than_half_its_frames():
    of_records = _labels((0, 1), (1,), (0, 1, 2), ())
    found = windows.labels(of_records, np.array([0, 1]), Windowing(3, label='majority'), multi_label=True)
    assert (_of(found, 0), _of(found, 1)) == ([0, 1], [1])


def test_labels_of_most_are_those_of_a_plain_count(monkeypatch):
    monkeypatch.setattr(windows, '_COUNTED', 7)
    random = np.random.default_rng(0)
    ids = [(int(label),) if label < 3 else () for label in random.integers(0, 4, 60)]
    starts = np.arange(0, 56, 2)
    found = windows.labels(_labels(*ids), starts, Windowing(5, label='majority'), multi_label=False)
    for start in starts.tolist():
        inside = ids[start : start + 5]
        most = max(inside.count(one) for one in inside)
        assert _of(found, start) == list([one for one in inside if inside.count(one) == most][-1])


def test_no_run_is_long_enough_and_the_longest_is_named():
    found = windows.runs(list('aab'), np.array([0, 1, 0]), (3,))
    error = found.too_short(Windowing(5), name='training', where='x')
    assert error.exit_code == 3
    assert error.what == 'a window has 5 frames, and the longest run of consecutive training frames 2'
    assert error.do.startswith('give --window 2 or less')
