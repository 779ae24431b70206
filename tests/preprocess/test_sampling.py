"""Which frames are taken, and what they stand for."""

import argparse

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess import sampling
from preprocess.failures import UsageError
from preprocess.sampling import EVERY_FRAME, KEYFRAMES, Sampling

NO_KEYFRAMES = np.array([0])


def chosen(which: Sampling, times: list[float], end: float) -> list[tuple[int, float]]:
    frames, stand_for = which.choose(np.array(times), NO_KEYFRAMES, end)
    return list(zip(frames.tolist(), stand_for.tolist(), strict=True))


def by_the_grid(times: NDArray[np.float64], rate: float, end: float) -> list[tuple[int, float]]:
    """What the rule says, point by point: the last frame shown by k / rate, repeats dropped."""
    found: list[tuple[int, float]] = []
    for k in range(int(end * rate) + 2):
        if k / rate >= end:
            break
        frame = int(np.flatnonzero(times <= k / rate + 1e-6)[-1])
        if not found or found[-1][0] != frame:
            found.append((frame, k / rate))
    return found


def test_one_a_second_of_a_steady_video() -> None:
    assert chosen(Sampling(1.0), [n / 30 for n in range(91)], 91 / 30) == [(0, 0), (30, 1), (60, 2), (90, 3)]


def test_a_frame_is_taken_for_the_first_point_it_is_the_last_one_shown_by() -> None:
    assert chosen(Sampling(1.0), [0, 0.4, 0.9, 3.5, 3.6], 5) == [(0, 0), (2, 1), (4, 4)]


def test_a_grid_finer_than_the_frames_takes_each_once() -> None:
    times = [n / 30 for n in range(10)]
    assert [frame for frame, _ in chosen(Sampling(240.0), times, 10 / 30)] == list(range(10))


def test_the_last_frame_stands_until_the_end() -> None:
    assert chosen(Sampling(1.0), [0, 0.5], 1.0) == [(0, 0)]
    assert chosen(Sampling(1.0), [0, 0.5], 1.1) == [(0, 0), (1, 1)]


@pytest.mark.parametrize('seed', range(20))
def test_the_fast_choice_is_the_rule(seed: int) -> None:
    chance = np.random.default_rng(seed)
    times = np.concatenate([[0], np.cumsum(chance.choice([1, 1, 2, 7, 40], 200) / 30)])
    end = times[-1] + 1 / 30
    for rate in (0.3, 1.0, 7.0, 30.0, 29.97):
        found, rule = chosen(Sampling(rate), times.tolist(), end), by_the_grid(times, rate, end)
        assert [frame for frame, _ in found] == [frame for frame, _ in rule]
        assert [time for _, time in found] == pytest.approx([time for _, time in rule])


def test_a_gap_of_years_costs_nothing() -> None:
    assert chosen(Sampling(1.0), [0, 1e9], 1e9 + 1) == [(0, 0), (1, 1e9)]


def test_every_frame_and_keyframes_stand_for_their_own_times() -> None:
    times = np.array([0, 0.2, 0.7, 1.9])
    assert EVERY_FRAME.choose(times, NO_KEYFRAMES, 2)[0].tolist() == [0, 1, 2, 3]
    assert EVERY_FRAME.choose(times, NO_KEYFRAMES, 2)[1].tolist() == times.tolist()
    frames, stand_for = KEYFRAMES.choose(times, np.array([0, 2]), 2)
    assert (frames.tolist(), stand_for.tolist()) == ([0, 2], [0, 0.7])


@pytest.mark.parametrize('which', [Sampling(), Sampling(0.2), EVERY_FRAME, KEYFRAMES])
def test_a_sampling_survives_a_manifest(which: Sampling) -> None:
    assert Sampling.from_json(which.to_json()) == which


def test_its_text_tells_samplings_apart() -> None:
    assert [which.text for which in (Sampling(), Sampling(0.5), EVERY_FRAME, KEYFRAMES)] == [
        'frames_per_second=1.0',
        'frames_per_second=0.5',
        'every_frame',
        'keyframes',
    ]


@pytest.mark.parametrize('value', [{}, {'frames_per_second': 'all'}, {'every_frame': False}, {'seconds': 1}])
def test_what_is_no_sampling_is_refused(value: dict[str, str]) -> None:
    with pytest.raises(ValueError, match='no sampling'):
        Sampling.from_json(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(('rate', 'which'), [(0, 'frames_per_second'), (None, 'frames_per_second'), (1, 'keyframes')])
def test_a_sampling_that_can_not_be_is_not_born(rate: float | None, which: sampling.Which) -> None:
    with pytest.raises(ValueError, match='second'):
        Sampling(rate, which)


def parsed(*words: str) -> Sampling:
    parser = argparse.ArgumentParser()
    sampling.add_flags(parser)
    return sampling.from_flags(parser.parse_args(words))


def test_flags_say_which() -> None:
    assert parsed() == Sampling(1.0)
    assert parsed('--frames_per_second', '0.5') == Sampling(0.5)
    assert parsed('--every_frame') == EVERY_FRAME
    assert parsed('--keyframes') == KEYFRAMES


@pytest.mark.parametrize(
    'words',
    [
        ('--every_frame', '--keyframes'),
        ('--frames_per_second', '2', '--every_frame'),
        ('--frames_per_second', '0'),
        ('--frames_per_second', 'nan'),
        ('--frames_per_second', 'inf'),
    ],
)
def test_impossible_flags_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        parsed(*words)
