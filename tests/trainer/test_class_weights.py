import numpy as np
import pytest

from preprocess.failures import UsageError
from trainer import class_weights
from trainer.classes import Classes

_AB = Classes(('a', 'b'))


def test_no_weights_are_all_one():
    weights = class_weights.make('none', _AB, np.array([1, 9]), 10)
    np.testing.assert_array_equal(weights.of, [1, 1])
    np.testing.assert_array_equal(weights.others, [1, 1])


def test_balanced_classes_count_the_same_in_sum_and_a_row_one_on_average():
    counts = np.array([1, 9])
    weights = class_weights.make('balanced', _AB, counts, 10)
    np.testing.assert_allclose(weights.of * counts, [5, 5], rtol=1e-6)


def test_a_class_without_rows_takes_no_share():
    weights = class_weights.make('balanced', Classes(('a', 'b', 'none')), np.array([1, 3, 0]), 4)
    np.testing.assert_allclose(weights.of, [2, 2 / 3, 1], rtol=1e-6)


def test_balanced_with_several_labels_weighs_the_two_answers_of_each_label():
    weights = class_weights.make('balanced', Classes(('a', 'b'), multi_label=True), np.array([2, 8]), 10)
    np.testing.assert_allclose(weights.of, [2.5, 0.625])
    np.testing.assert_allclose(weights.others, [0.625, 2.5])


def test_weights_by_name_may_leave_labels_out():
    weights = class_weights.make('b=0.25', _AB, np.array([1, 1]), 2)
    np.testing.assert_array_equal(weights.of, [1, 0.25])


def test_a_name_may_hold_an_equals_sign():
    assert class_weights.parse('x=y=2, z = 3') == {'x=y': 2.0, 'z': 3.0}


@pytest.mark.parametrize('text', ['some', 'a', 'a=x', 'a=-1', '=1', 'a=1,', 'a=inf', 'a=nan', ''])
def test_weights_that_are_not_understood_are_a_usage_error(text):
    with pytest.raises(UsageError, match='--class_weights'):
        class_weights.parse(text)


def test_an_unknown_label_is_named_with_the_known_ones():
    with pytest.raises(UsageError, match='dictionary: c') as raised:
        class_weights.make('a=1,c=2', _AB, np.array([1, 1]), 2)
    assert 'a, b' in raised.value.do
