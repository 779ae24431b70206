"""Origins, midnight, offsets."""

from dataclasses import replace
from fractions import Fraction

import pytest

from preprocess.failures import InputError, UsageError
from preprocess.range_times import ClockRules, TimedSheet, parse_offsets, parse_origins, timed
from preprocess.sheets import Entry, Sheet


def sheet(*rows: tuple[str, str, str], kind: str = 'lab', name: str = 'P5') -> Sheet:
    entries = tuple(Entry('P5.csv', line, *row) for line, row in enumerate(rows, 2))
    return Sheet(name, 'P5.csv', entries, name, kind)


def seconds(found: TimedSheet) -> list[tuple[float | None, ...]]:
    """The times on the recording's clock."""
    return [
        tuple(None if time is None else float(time - found.origin) for time in (one.start, one.stop))
        for one in found.entries
    ]


def at(time: str, day: int = 4) -> str:
    return f'2019-04-{day:02} {time}'


CLAP = ('CLAP', at('09:00:00:500000'), at('09:00:00:500000'))
FIRST = ('BAGGING', at('09:00:10:000000'), at('09:00:12:250000'))


@pytest.mark.parametrize('rows', [[CLAP, FIRST], [FIRST, CLAP], [FIRST, ('Clap', *CLAP[1:])]])
def test_the_recording_begins_with_the_clap_wherever_its_row_is(rows: list[tuple[str, str, str]]) -> None:
    found = timed(sheet(*rows), ClockRules())
    assert seconds(found)[rows.index(FIRST)] == (9.5, 11.75)
    assert found.marker in ('CLAP', 'Clap')


def test_the_first_of_two_claps_counts_and_a_note_says_so() -> None:
    found = timed(sheet(CLAP, FIRST, ('CLAP', at('09:05:00'), at('09:05:00'))), ClockRules())
    assert seconds(found)[1] == (9.5, 11.75)
    assert found.notes == ('P5: 2 rows are CLAP; the recording begins with row 2',)


def test_a_clap_without_a_time_is_none() -> None:
    found = timed(sheet(('CLAP', '', ''), FIRST, CLAP), ClockRules())
    assert seconds(found)[:2] == [(None, None), (9.5, 11.75)]


@pytest.mark.parametrize(
    ('origin', 'begin'),
    [
        ('first_row', 0.0),
        ('09:00:00', 10.0),
        (at('09:00:08:000000'), 2.0),
        ('bagging', 0.0),
        ('33000', -590.0),
        ('P5=09:00:00', 10.0),
    ],
)
def test_what_begins_the_recording_may_be_said(origin: str, begin: float) -> None:
    found = timed(sheet(FIRST, ('SUTURING', at('09:01:00'), at('09:02:00'))), ClockRules(parse_origins([origin])))
    assert seconds(found)[0][0] == begin


def test_one_sheet_may_begin_otherwise_than_the_others() -> None:
    rules = ClockRules(parse_origins(['first_row', 'P6=09:00:00']))
    assert seconds(timed(sheet(CLAP, FIRST), rules))[1][0] == 9.5
    assert seconds(timed(sheet(CLAP, FIRST, name='P6'), rules))[1][0] == 10


def test_without_a_clap_the_sheet_is_refused_with_the_ways_out() -> None:
    for rules in (ClockRules(), ClockRules({'': 'clop'})):
        with pytest.raises(InputError, match=r'no row of P5 is cl[ao]p|no row of P5 is CLAP') as caught:
            timed(sheet(FIRST), rules)
        assert caught.value.where == 'P5.csv'
        assert '--origin first_row' in caught.value.do and 'P5=' in caught.value.do


def test_seconds_of_a_video_begin_with_0() -> None:
    found = timed(sheet(('run', '1.5', '00:01:00'), kind='plain'), ClockRules())
    assert (seconds(found), found.marker) == ([(1.5, 60.0)], None)


def test_times_with_dates_need_a_clap_in_any_sheet() -> None:
    with pytest.raises(InputError, match='is CLAP'):
        timed(sheet(FIRST, kind='plain'), ClockRules())


def test_the_clock_runs_on_past_midnight() -> None:
    rows = [
        ('CLAP', at('23:59:50'), at('23:59:50')),
        ('A', at('23:59:55'), at('00:00:05', 5)),
        ('B', at('00:00:10', 5), at('00:00:20', 5)),
        ('C', at('23:59:58'), at('23:59:59')),
    ]
    expected = [(0, 0), (5, 15), (20, 30), (8, 9)]
    assert seconds(timed(sheet(*rows), ClockRules())) == expected
    assert timed(sheet(*rows), ClockRules()).notes == ()
    assert seconds(timed(sheet(*rows), ClockRules(midnight='dates'))) == expected
    undated = [(label, start[11:], stop[11:]) for label, start, stop in rows]
    assert seconds(timed(sheet(*undated), ClockRules())) == expected
    assert seconds(timed(sheet(*rows), ClockRules(midnight='never')))[2] == (-86380, -86370)


def test_a_date_that_can_not_be_is_told_and_left_aside() -> None:
    rows = [CLAP, ('A', at('09:00:10:5', 4), at('09:00:12:5', 9)), FIRST]
    for rule in ('auto', 'clock'):
        found = timed(sheet(*rows), ClockRules(midnight=rule))
        assert seconds(found)[1] == (10, 12)
        (note,) = found.notes
        assert 'warning: P5: dates and times of rows 3 say different days' in note and '--midnight dates' in note
    assert seconds(timed(sheet(*rows), ClockRules(midnight='dates')))[1] == (10, 12 + 5 * 86400)


def test_a_time_that_falls_back_on_the_same_date_is_of_that_day() -> None:
    rows = [
        ('CLAP', at('13:00:00'), at('13:00:00')),
        ('A', at('00:00:00'), at('13:00:20')),
        ('B', at('13:00:30'), at('13:00:40')),
    ]
    found = timed(sheet(*rows), ClockRules())
    assert seconds(found) == [(0, 0), (-46800, 20), (30, 40)]
    assert len(found.notes) == 1 and 'rows 3 say different days' in found.notes[0]
    assert seconds(timed(sheet(*rows), ClockRules(midnight='clock')))[1] == (39600, -86380 + 86400)


def test_a_mistyped_stop_spoils_its_own_row_only() -> None:
    rows = [CLAP, ('A', at('09:00:10:5'), at('21:30:00:0')), FIRST]
    assert seconds(timed(sheet(*rows), ClockRules()))[2] == (9.5, 11.75)


def test_several_days_are_told_apart_by_their_dates_alone() -> None:
    rows = [CLAP, ('A', at('10:00:00:5', 6), at('10:00:01:5', 6))]
    assert seconds(timed(sheet(*rows), ClockRules(midnight='dates')))[1] == (3600 + 2 * 86400, 3601 + 2 * 86400)


def test_cells_that_are_no_times_leave_with_their_row() -> None:
    found = timed(sheet(CLAP, ('A', 'N/A', at('09:00:01')), FIRST), ClockRules())
    assert [(one.entry.line, one.reason) for one in found.dropped] == [(3, 'bad-time')]
    assert len(found.entries) == 2


def test_offsets_are_of_all_sheets_or_of_one() -> None:
    rules = ClockRules(offsets=parse_offsets(['-1.5', 'P6=0:02', 'C2=1,000.25']))
    assert rules.offsets == {'': Fraction('-1.5'), 'P6': Fraction(2), 'C2': Fraction('1000.25')}
    assert [timed(sheet(CLAP, name=name), rules).offset for name in ('P5', 'P6')] == [Fraction('-1.5'), 2]


@pytest.mark.parametrize('value', ['soon', 'P5=', '', 'P5=x'])
def test_an_offset_is_a_number_of_seconds(value: str) -> None:
    with pytest.raises(UsageError, match='no number of seconds'):
        parse_offsets([value])


def test_an_unknown_rule_for_midnight_names_the_others() -> None:
    with pytest.raises(UsageError) as caught:
        ClockRules(midnight='noon')
    assert caught.value.do == 'choose from auto, clock, dates, never'


def test_a_sheet_that_says_what_its_clock_begins_with_needs_no_origin() -> None:
    events = replace(sheet(('run', '101.5', '104'), kind='boris'), begins=Fraction('100.25'))
    found = timed(events, ClockRules())
    assert seconds(found) == [(1.25, 3.75)]
    assert found.notes == ('P5: 100.25 s are taken off its times, as its time offset says',)
    assert seconds(timed(events, ClockRules(origins={'P5': '100'}))) == [(1.5, 4.0)]
