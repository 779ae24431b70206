"""The motion baselines: as plain loops compute them, on made-up and on published signals."""

import math
from pathlib import Path

import numpy as np
import pytest

from preprocess.failures import UsageError
from trainer.motion_baselines import HardRule, Past, Probabilistic

PUBLISHED = Path(__file__).parents[3] / 'shared' / 'reference' / 'fish' / 'targets'
needs_published = pytest.mark.skipif(not PUBLISHED.exists(), reason='the published signals are not beside the checkout')


def probabilistic_by_hand(y: list[float], *, h: int = 10) -> list[float]:
    """Two sigmoids of the 89 values before each frame, with the published parameters."""
    d, b, c, g1, g2, n = 89, 0.2, 0.0006, 5300, 11000, 30
    scores = [0.0] * len(y)
    for t in range(4 * n - 1, len(y) - 1 - h):
        window = y[t - d : t]
        spread = max(window) - min(window)
        threshold = min(window) + b * spread
        varied = 1 / (1 + math.exp(-g1 * (spread - c)))
        rests = 1 / (1 + math.exp(g2 * (y[t - 1] - threshold)))
        scores[t] = (varied + rests) / 2
    return scores


def hard_rule_by_hand(y: list[float], rule: HardRule) -> list[float]:
    scores = [0.0] * len(y)
    for t in range(len(y)):
        if t >= max(4 * rule.past.n - 1, rule.past.d) and t <= len(y) - 2 - rule.past.h:
            window = y[t - rule.past.d : t]
            spread = max(window) - min(window)
            scores[t] = float(spread >= rule.c and y[t - 1] <= min(window) + rule.b * spread)
    return scores


def made_up(frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 9, frames) * 0.0005


@needs_published
@pytest.mark.parametrize('part', ['train', 'validation'])
def test_the_probabilistic_baseline_of_the_published_signals_is_the_plain_loop_s(part: str) -> None:
    signal = np.load(PUBLISHED / part / 'Y_tilde.npy')

    scores = Probabilistic().scores(signal)

    assert scores.shape == signal.shape
    assert np.abs(scores - np.array(probabilistic_by_hand(signal.tolist()))).max() <= 1e-12


@pytest.mark.parametrize('frames', [0, 119, 129, 130, 131, 400])
def test_the_probabilistic_baseline_is_the_plain_loop_s_for_signals_of_any_length(frames: int) -> None:
    signal = made_up(frames, seed=frames)

    assert Probabilistic().scores(signal) == pytest.approx(probabilistic_by_hand(signal.tolist()), abs=1e-12)


@pytest.mark.parametrize(
    'rule',
    [
        HardRule(),
        HardRule(Past(d=3, n=1, h=0), b=0.5, c=0.0005),
        HardRule(Past(d=30, n=2, h=7), b=0.0, c=0.0),
    ],
)
@pytest.mark.parametrize('seed', range(4))
def test_the_hard_rule_is_the_plain_loop_s(rule: HardRule, seed: int) -> None:
    signal = made_up(300, seed)

    assert rule.scores(signal).tolist() == hard_rule_by_hand(signal.tolist(), rule)


def test_the_frame_s_own_value_and_those_before_the_window_say_nothing() -> None:
    rule = Probabilistic(Past(d=5, n=2, h=0))
    signal = made_up(40, seed=1)
    changed = signal.copy()
    changed[20] = changed[14] = 7.0

    before, after = rule.scores(signal)[20], rule.scores(changed)[20]

    assert before == after
    for place in (15, 19):
        changed = signal.copy()
        changed[place] = 7.0
        assert rule.scores(changed)[20] != before


def test_only_valid_frames_are_answered_for() -> None:
    # The least score there can be is above 0, so zeros tell the borders.
    scores = Probabilistic(Past(d=4, n=2, h=3)).scores(np.zeros(30))

    assert np.flatnonzero(scores).tolist() == list(range(7, 26))
    assert list(Past(d=9, n=2, h=3).valid(30)) == list(range(9, 26))
    assert list(Past(d=9, n=2, h=3).valid(5)) == []


def test_a_signal_far_above_the_published_ones_still_scores_between_0_and_1() -> None:
    scores = Probabilistic(Past(d=5, n=1, h=0)).scores(made_up(50, seed=3) * 1e6)

    assert np.isfinite(scores).all()
    assert scores.min() >= 0 and scores.max() <= 1


@pytest.mark.parametrize(('change', 'flag'), [({'d': 0}, '--d'), ({'d': 5, 'n': 0}, '--n'), ({'d': 5, 'h': -1}, '--h')])
def test_an_impossible_past_is_not_born(change: dict[str, int], flag: str) -> None:
    with pytest.raises(UsageError) as raised:
        Past(**change)
    assert raised.value.where == flag
