"""Scores along a video -> segments: where they begin and end, what is smoothed away, what a cut keeps apart."""

import numpy as np
import pytest

from predict.segments import Rule, Segment, Track, segments, smooth

LABELS = ('cut', 'sew')


def track(text: str, *, step: float = 1.0, start: float = 0.0) -> Track:
    """A sample a letter: `c` is cut, `s` is sew, `?` is neither more than the other, `_` is a cut of one step."""
    kept = [(place, letter) for place, letter in enumerate(text) if letter != '_']
    times = np.array([start + place * step for place, _ in kept])
    scores = {'c': (0.9, 0.1), 's': (0.2, 0.8), '?': (0.5, 0.5)}
    return Track('v.mp4', times, times + step, np.array([scores[letter] for _, letter in kept]).reshape(-1, 2))


def bounds(found: list[Segment]) -> list[tuple[float, float, str]]:
    return [(one.start, one.stop, one.label) for one in found]


def test_segments_begin_and_end_with_their_samples() -> None:
    found = segments(track('ccss', step=0.5, start=3.0), LABELS, Rule(smooth_s=0))
    assert found == [Segment(3.0, 4.0, 'cut', pytest.approx(0.9)), Segment(4.0, 5.0, 'sew', pytest.approx(0.8))]


def test_a_border_stays_where_it_was_when_scores_are_smoothed() -> None:
    scores = np.repeat([[0.9, 0.1], [0.1, 0.9]], 50, axis=0)
    times = np.arange(100) / 25
    sharp = Track('v.mp4', times, times + 1 / 25, scores)
    for smooth_s in (0.2, 0.5, 1.0, 1.9):
        assert bounds(segments(sharp, LABELS, Rule(smooth_s=smooth_s))) == [(0.0, 2.0, 'cut'), (2.0, 4.0, 'sew')]


def test_a_single_stray_sample_is_smoothed_away() -> None:
    stray = track('ccccsccccc', step=0.1)
    assert len(segments(stray, LABELS, Rule(smooth_s=0))) == 3
    assert bounds(segments(stray, LABELS, Rule(smooth_s=0.5))) == [(0.0, pytest.approx(1.0), 'cut')]


def test_smoothing_is_the_mean_of_as_many_samples_on_either_side() -> None:
    rising = Track('v', np.arange(5.0), np.arange(5.0) + 1, np.array([[0.0], [3.0], [6.0], [12.0], [24.0]]))
    assert smooth(rising, 2.0).ravel().tolist() == [0.0, 3.0, 7.0, 14.0, 24.0]
    assert smooth(rising, 0.0).ravel().tolist() == [0.0, 3.0, 6.0, 12.0, 24.0]


def test_nothing_is_smoothed_across_a_cut_and_no_segment_spans_it() -> None:
    assert bounds(segments(track('cc_cc'), LABELS, Rule(smooth_s=3))) == [(0.0, 2.0, 'cut'), (3.0, 5.0, 'cut')]


def test_short_segments_go_to_the_neighbour_that_scores_higher_there() -> None:
    found = segments(track('ccscc'), LABELS, Rule(smooth_s=0, min_segment_s=2))
    assert bounds(found) == [(0.0, 5.0, 'cut')]
    assert bounds(segments(track('cccsss'), LABELS, Rule(smooth_s=0, min_segment_s=3))) == [
        (0, 3, 'cut'),
        (3, 6, 'sew'),
    ]


def test_a_stretch_that_is_too_short_as_a_whole_is_no_segment() -> None:
    assert bounds(segments(track('c_sss'), LABELS, Rule(smooth_s=0, min_segment_s=2))) == [(2.0, 5.0, 'sew')]


def test_below_the_threshold_there_is_no_segment() -> None:
    found = segments(track('cc??ss'), LABELS, Rule(smooth_s=0, threshold=0.6))
    assert bounds(found) == [(0.0, 2.0, 'cut'), (4.0, 6.0, 'sew')]


def test_a_short_gap_of_uncertainty_is_filled_from_its_neighbours() -> None:
    found = segments(track('cc?cc'), LABELS, Rule(smooth_s=0, threshold=0.6, min_segment_s=2))
    assert bounds(found) == [(0.0, 5.0, 'cut')]


def test_several_labels_have_segments_of_their_own_that_may_overlap() -> None:
    times = np.arange(4.0)
    scores = np.array([[0.9, 0.1], [0.9, 0.7], [0.4, 0.8], [0.1, 0.9]])
    both = Track('v', times, times + 1, scores)
    found = segments(both, LABELS, Rule(smooth_s=0, multi_label=True))
    assert bounds(found) == [(0.0, 2.0, 'cut'), (1.0, 4.0, 'sew')]


def test_no_samples_give_no_segments() -> None:
    empty = Track('v', np.zeros(0), np.zeros(0), np.zeros((0, 2)))
    assert segments(empty, LABELS, Rule()) == []
    assert segments(empty, LABELS, Rule(multi_label=True)) == []


def test_times_must_ascend_and_rules_make_sense() -> None:
    with pytest.raises(ValueError, match='ascend'):
        Track('v', np.array([1.0, 1.0]), np.array([2.0, 2.0]), np.zeros((2, 1)))
    with pytest.raises(ValueError, match='smooth_s'):
        Rule(smooth_s=-1)
