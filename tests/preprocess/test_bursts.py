"""Burst labels: as a plain loop finds them, with the borders of the valid frames exact, and as they were published."""

from pathlib import Path

import numpy as np
import pytest

from preprocess.bursts import BurstRule
from preprocess.failures import UsageError

PUBLISHED = Path(__file__).parents[3] / 'shared' / 'reference' / 'fish' / 'targets'
needs_published = pytest.mark.skipif(not PUBLISHED.exists(), reason='the published signals are not beside the checkout')


def by_hand(signal: np.ndarray, rule: BurstRule) -> list[float]:
    """The definition, one frame at a time."""
    labels = [0.0] * len(signal)
    for t in range(len(signal)):
        if t < 4 * rule.n - 1 or t > len(signal) - 2 - rule.h:
            continue
        window = [float(value) for value in signal[t : t + rule.h + 1]]
        spread = max(window) - min(window)
        if spread >= rule.c and signal[t] <= min(window) + rule.b * spread:
            labels[t] = 1.0
    return labels


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('rule', [BurstRule(), BurstRule(n=1, h=3, b=0.2, c=0.5), BurstRule(n=2, h=0, b=0, c=0)])
def test_labels_are_those_of_the_definition(rule: BurstRule, seed: int) -> None:
    random = np.random.default_rng(seed)
    # Few distinct values, so that ties at the thresholds occur.
    signal = random.integers(0, 4, 300) * 0.0005 * random.choice([1, 500])

    assert rule.labels(signal).tolist() == by_hand(signal, rule)


@pytest.mark.parametrize('frames', [0, 1, 8, 9, 10, 11, 12, 13, 50])
def test_only_frames_with_a_whole_past_and_future_are_valid(frames: int) -> None:
    rule = BurstRule(n=2, h=3)

    assert list(rule.valid(frames)) == [t for t in range(frames) if 7 <= t <= frames - 5]


def test_the_first_and_last_valid_frame_may_be_labelled_and_their_neighbours_may_not() -> None:
    rule = BurstRule(n=2, h=3, b=0, c=0)
    # Every frame is at its window's least and no spread is asked for: 1 wherever a label may stand.
    assert np.flatnonzero(rule.labels(np.zeros(20))).tolist() == list(range(7, 16))


def test_the_frame_h_ahead_counts_and_the_one_after_it_does_not() -> None:
    rule = BurstRule(n=1, h=5, b=0.1, c=1.0)
    signal = np.zeros(30)
    signal[20] = 1.0

    assert np.flatnonzero(rule.labels(signal)).tolist() == [15, 16, 17, 18, 19]


def test_a_spread_of_exactly_c_and_a_rest_of_exactly_b_count() -> None:
    rule = BurstRule(n=1, h=2, b=0.5, c=1.0)
    # Window of frame 4: 0.5, 1.0, 0.0: the spread is c, the frame lies half the spread above the least.
    signal = np.array([0, 0, 0, 0, 0.5, 1.0, 0.0, 0.0, 0.0])

    assert rule.labels(signal)[4] == 1.0
    assert rule.labels(np.where(signal == 0.5, 0.5000001, signal))[4] == 0.0
    assert rule.labels(np.where(signal == 1.0, 0.9999999, signal))[4] == 0.0


def test_labels_are_float64_and_as_long_as_the_signal() -> None:
    for frames in (0, 5, 200):
        labels = BurstRule().labels(np.zeros(frames))
        assert (labels.dtype, labels.shape) == (np.float64, (frames,))


@needs_published
@pytest.mark.parametrize(('part', 'frames', 'bursts'), [('train', 44_956, 6_005), ('validation', 3_593, 455)])
def test_the_published_labels_follow_from_the_published_signals(part: str, frames: int, bursts: int) -> None:
    signal, published = (np.load(PUBLISHED / part / name) for name in ('Y_tilde.npy', 'Y_label.npy'))

    labels = BurstRule().labels(signal)

    assert len(labels) == len(published) == frames
    assert int((labels != published).sum()) == 0
    assert int(labels.sum()) == bursts


@pytest.mark.parametrize(
    ('change', 'flag'), [({'n': 0}, '--n'), ({'h': -1}, '--h'), ({'b': float('nan')}, '--b'), ({'c': -0.1}, '--c')]
)
def test_an_impossible_rule_is_not_born(change: dict[str, float], flag: str) -> None:
    with pytest.raises(UsageError) as raised:
        BurstRule(**change)  # type: ignore[arg-type]
    assert raised.value.where == flag
