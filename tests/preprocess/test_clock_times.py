"""Times as people write them."""

import random
from datetime import date
from fractions import Fraction

import pytest

from preprocess.clock_times import BadTime, ClockTime, near, parse, written

OF_A_RECORDING = {
    '12.5': '12.5',
    '0': '0',
    '.5': '0.5',
    '7.': '7',
    '-3.25': '-3.25',
    '+3': '3',
    ' 4.5 s ': '4.5',
    '6,004.35': '6004.35',
    '1,234,567': '1234567',
    '1.5E+02': '150',
    '00:33.81': '33.81',
    '90:00': '5400',
    '1:02:03': '3723',
    '-00:03:20.15': '-200.15',
    '00:13:21.00': '801',
    '25:00:00': '90000',
    '0:00:00.123456789': '0.123456789',
    '09:21:58:740439': '33718.740439',
    '09:21:58,740': '33718.740',
}
OF_A_DAY = {
    # The last field is a fraction, however few digits it has: the lab's programs read it so.
    '2019-04-04 09:21:58:740439': '33718.740439',
    '2019-04-04 09:21:58:74': '33718.74',
    '2019-04-04 00:00:00:000001': '0.000001',
    '2019-04-04T09:21:58.740439': '33718.740439',
    '2019/04/04 09:21:58': '33718',
    '2019-04-04 09:21': '33660',
}


@pytest.mark.parametrize('text', OF_A_RECORDING)
def test_times_of_a_recording_are_exact_seconds(text: str) -> None:
    assert parse(text) == ClockTime(Fraction(OF_A_RECORDING[text]))


@pytest.mark.parametrize('text', OF_A_DAY)
def test_times_of_a_day_are_exact_and_know_their_date(text: str) -> None:
    assert parse(text) == ClockTime(Fraction(OF_A_DAY[text]), of_day=True, day=date(2019, 4, 4))


def test_half_days_and_dates_of_unknown_order_are_read() -> None:
    assert parse('12:00:01 AM') == ClockTime(Fraction(1), of_day=True)
    assert parse('4/5/2019 9:21 p.m.') == ClockTime(Fraction(76860), of_day=True)


def test_a_blank_is_no_time_and_no_mistake() -> None:
    assert (parse(''), parse('  \t')) == (None, None)


def test_a_comma_is_a_point_only_where_the_file_says_so() -> None:
    assert parse('12,5', decimal_comma=True) == ClockTime(Fraction('12.5'))
    assert parse('1,234', decimal_comma=True) == ClockTime(Fraction('1.234'))
    assert parse('1,234') == ClockTime(Fraction(1234))


@pytest.mark.parametrize(
    'text',
    [
        'N/A',
        '12,5',
        '1:2:3:4',
        '00:12:34:15',
        '10:61',
        '00:61:00',
        '2019-04-04 24:00:00',
        '2019-13-04 10:00:00',
        '13:00 PM',
        '--3',
        '1e999',
        '9' * 40,
        '٣',
        'nan',
        'inf',
        '=A1',
    ],
)
def test_what_is_no_time_says_so(text: str) -> None:
    with pytest.raises(BadTime, match='is no|has more|may be|is a formula'):
        parse(text)


def test_a_time_near_another_is_on_the_right_side_of_midnight() -> None:
    late, early = Fraction(86390), Fraction(10)
    assert near(early, late) == 86410
    assert near(late, early) == -10
    assert near(early, early) == 10
    # Further on than a day, the clock runs on.
    assert near(early, Fraction(86400 * 3 + 5)) == 86400 * 3 + 10


def test_written_seconds_read_back_as_they_were() -> None:
    chance = random.Random(7)
    for _ in range(500):
        seconds = Fraction(chance.randint(-(10**11), 10**11), 10 ** chance.randint(0, 9))
        found = parse(written(seconds))
        assert found and found.seconds == seconds
    assert [written(Fraction(text)) for text in ('6', '200.150', '-0.05', '1/3', '-0')] == [
        '6',
        '200.15',
        '-0.05',
        '0.333333333',
        '0',
    ]
