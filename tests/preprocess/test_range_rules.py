"""Ranges and frames: the rules against plain loops over every frame."""

import random
from collections.abc import Sequence
from fractions import Fraction

import pytest

from preprocess.failures import UsageError
from preprocess.overlaps import OVERLAPS, Piece, Span, lengths, settle, with_background
from preprocess.range_rules import ENDS, Range, RangeRules, in_frames, in_seconds, sound
from preprocess.range_times import TimedEntry, TimedSheet
from preprocess.sheets import Entry, Sheet

FPS = Fraction(30000, 1001)
# Whether frame n lies in a range, as one would say it, in units of frames.
HOLDS = {
    'half_open': lambda start, n, stop: start <= n < stop,
    'strict': lambda start, n, stop: start < n < stop,
    'closed': lambda start, n, stop: start <= n <= stop,
}


def ranges(*rows: tuple[str, object, object]) -> list[Range]:
    """Ranges in frames, put on the clock of seconds."""
    return [
        Range(Entry('s', line, label, '', ''), Fraction(str(start)) / FPS, Fraction(str(stop)) / FPS)
        for line, (label, start, stop) in enumerate(rows, 2)
    ]


def pieces(rows: Sequence[Range], **rules: object) -> list[tuple[int, int, tuple[str, ...]]]:
    chosen = RangeRules(**rules)  # type: ignore[arg-type]  # the settings of one test each
    found = settle(in_frames(rows, chosen), chosen.overlap).pieces
    return [(int(piece.start), int(piece.stop or -1), piece.labels) for piece in found]


@pytest.mark.parametrize(
    ('ends', 'expected'),
    [('half_open', [10, 11, 12]), ('strict', [11, 12]), ('closed', [10, 11, 12, 13])],
)
def test_a_border_on_a_frame_is_in_or_out_as_the_ends_say(ends: str, expected: list[int]) -> None:
    ((first, end, _),) = pieces(ranges(('a', 10, 13)), ends=ends)
    assert list(range(first, end)) == expected


@pytest.mark.parametrize('ends', [*ENDS])
def test_a_border_between_frames_is_the_same_by_every_rule(ends: str) -> None:
    assert pieces(ranges(('a', '9.5', '12.5')), ends=ends) == [(10, 13, ('a',))]


@pytest.mark.parametrize('start', [0, '29.999999', 30, '30.000001', 30000])
def test_whole_seconds_of_broken_rates_are_exact(start: object) -> None:
    """30 frames are 1.001 s: in floats, 30 · 1.001 s · 30000/1001 is not 900."""
    ((first, _, _),) = pieces(ranges(('a', start, 40000)))
    assert first == {0: 0, '29.999999': 30, 30: 30, '30.000001': 31, 30000: 30000}[start]  # type: ignore[index]


def test_adjacent_ranges_share_no_frame_and_lose_none() -> None:
    rows = ranges(('a', 3, 10), ('b', 10, 20))
    assert pieces(rows) == [(3, 10, ('a',)), (10, 20, ('b',))]
    assert pieces(rows, ends='strict') == [(4, 10, ('a',)), (11, 20, ('b',))]
    # Both hold frame 10; the first row has it.
    assert pieces(rows, ends='closed') == [(3, 11, ('a',)), (11, 21, ('b',))]


def test_of_nested_ranges_the_first_row_wins() -> None:
    assert pieces(ranges(('a', 0, 100), ('b', 40, 60))) == [(0, 100, ('a',))]
    assert pieces(ranges(('b', 40, 60), ('a', 0, 100))) == [(0, 40, ('a',)), (40, 60, ('b',)), (60, 100, ('a',))]


def test_the_first_row_wins_on_the_very_frame() -> None:
    """By the strict rule frame 10 is not the first row's, so the second has it."""
    assert pieces(ranges(('a', 5, 10), ('b', 3, 20)), ends='strict') == [
        (4, 6, ('b',)),
        (6, 10, ('a',)),
        (10, 20, ('b',)),
    ]


def test_contradicting_ranges_can_be_rejected_both() -> None:
    rows = ranges(('a', 0, 10), ('b', 5, 15), ('c', 20, 30), ('c', 25, 40))
    found = settle(in_frames(rows, RangeRules()), 'reject')
    assert found.rejected == {0, 1}
    assert [(int(piece.start), int(piece.stop or 0), piece.labels) for piece in found.pieces] == [
        (20, 30, ('c',)),
        (30, 40, ('c',)),
    ]


def test_every_label_can_count() -> None:
    rows = ranges(('a', 0, 10), ('b', 5, 15), ('a', 7, 8))
    assert pieces(rows, overlap='all') == [
        (0, 5, ('a',)),
        (5, 7, ('a', 'b')),
        (7, 8, ('a', 'b')),
        (8, 10, ('a', 'b')),
        (10, 15, ('b',)),
    ]


def test_a_range_under_others_is_covered() -> None:
    found = settle(in_frames(ranges(('a', 0, 10), ('b', 10, 20), ('c', 5, 15)), RangeRules()), 'first')
    assert found.covered == {2}
    assert [(pair.first, pair.second, pair.length) for pair in found.overlaps] == [(0, 2, 5), (1, 2, 5)]


def by_the_frame(rows: Sequence[Range], rules: RangeRules, count: int) -> list[tuple[str, ...]]:
    """What every frame is, found by trying every row on it."""
    holding = [
        [place for place, row in enumerate(rows) if HOLDS[rules.ends](row.start * rules.fps, n, row.stop * rules.fps)]
        for n in range(count)
    ]
    names = [row.entry.label for row in rows]
    if rules.overlap == 'first':
        return [(names[found[0]],) if found else () for found in holding]
    if rules.overlap == 'all':
        return [tuple(dict.fromkeys(names[place] for place in found)) for found in holding]
    fighting = {place for found in holding for place in found if len({names[other] for other in found}) > 1}
    return [tuple(dict.fromkeys(names[place] for place in found if place not in fighting)) for found in holding]


@pytest.mark.parametrize('overlap', OVERLAPS)
@pytest.mark.parametrize('ends', [*ENDS])
def test_every_frame_is_what_a_plain_loop_says(ends: str, overlap: str) -> None:
    chance = random.Random(f'{ends} {overlap}')
    rules = RangeRules(ends=ends, overlap=overlap)
    for _ in range(60):
        rows = []
        for _ in range(chance.randint(1, 9)):
            # On frames, just beside them, and between them; nested, adjacent, alike.
            start = Fraction(chance.randint(0, 40)) + chance.choice([0, Fraction(1, 2), Fraction(1, 10**6)])
            rows.append(
                (chance.choice('abc'), start, start + Fraction(chance.randint(1, 60), chance.choice([1, 2, 3])))
            )
        found = ranges(*rows)
        held: list[tuple[str, ...]] = [() for _ in range(110)]
        for first, end, labels in pieces(found, ends=ends, overlap=overlap):
            assert held[first:end] == [()] * (end - first)
            held[first:end] = [labels] * (end - first)
        assert held == by_the_frame(found, rules, 110)


def test_seconds_and_frames_tell_the_same_of_half_open_ranges() -> None:
    chance = random.Random(3)
    for _ in range(50):
        rows = ranges(
            *(
                ('ab'[k % 2], start, start + chance.randint(1, 99))
                for k, start in enumerate(chance.sample(range(500), 8))
            )
        )
        rules = RangeRules()
        frames = settle(in_frames(rows, rules), 'first').pieces
        seconds = settle(in_seconds(rows), 'first').pieces
        assert [(piece.start / FPS, (piece.stop or 0) / FPS, piece.labels) for piece in frames] == [
            (piece.start, piece.stop, piece.labels) for piece in seconds
        ]


def timed(*rows: tuple[str, float | None, float | None], is_point: bool = False) -> TimedSheet:
    entries = [
        TimedEntry(
            Entry('s', line, label, '', '', is_point), *(None if time is None else Fraction(time) for time in times)
        )
        for line, (label, *times) in enumerate(rows, 2)
    ]
    return TimedSheet(Sheet('P5', 's', (), 'P5'), tuple(entries), Fraction(100))


def test_what_can_label_nothing_leaves_with_its_reason() -> None:
    sheet = timed(
        ('a', 101, 103),
        ('b', 110, 109),
        ('c', 104, 104),
        ('d', None, 105),
        ('e', 105, None),
        ('f', None, None),
        ('g', 90, 99),
        ('h', 90, 100),
        ('i', 90, 101),
        ('CLAP', 106, 107),
        ('clap', 107, 107),
    )
    found = sound(sheet, RangeRules())
    assert [(each.entry.label, each.start, each.stop) for each in found.ranges] == [('a', 1, 3), ('i', -10, 1)]
    assert [(one.entry.label, one.reason) for one in found.dropped] == [
        ('b', 'inverted'),
        ('c', 'zero-length'),
        ('d', 'empty-time'),
        ('e', 'empty-time'),
        ('f', 'empty-time'),
        ('g', 'before-recording'),
        ('h', 'before-recording'),
        ('CLAP', 'ignored'),
        ('clap', 'zero-length'),
    ]
    assert [each.entry.label for each in found.ignored] == ['CLAP']


def test_a_range_that_began_before_the_recording_begins_with_it() -> None:
    found = sound(timed(('i', 90, 101)), RangeRules())
    assert in_seconds(found.ranges) == [Span(Fraction(0), Fraction(1), 'i')]
    for ends in ENDS:
        (span,) = in_frames(found.ranges, RangeRules(ends=ends, fps=Fraction(10)))
        assert (span.start, span.stop) == (0, 11 if ends == 'closed' else 10)


def test_an_offset_moves_every_range() -> None:
    (found,) = sound(timed(('a', 101, 103)), RangeRules(), offset=Fraction('12.5')).ranges
    assert (found.start, found.stop) == (Fraction('13.5'), Fraction('15.5'))


def test_a_point_event_is_the_nearest_frame_or_as_long_as_was_said() -> None:
    rules = RangeRules(fps=Fraction(10))
    for moment, frame in ((101.0, 10), (101.04, 10), (101.06, 11)):
        (span,) = in_frames(sound(timed(('bite', moment, moment), is_point=True), rules).ranges, rules)
        assert (span.start, span.stop) == (frame, frame + 1)
    rules = RangeRules(fps=Fraction(10), point_seconds=Fraction(1))
    (found,) = sound(timed(('bite', 105, 105), is_point=True), rules).ranges
    assert (found.start, found.stop) == (Fraction('4.5'), Fraction('5.5'))


def test_the_background_is_what_nobody_labelled_ignored_or_rejected() -> None:
    held = [Piece(Fraction(10), Fraction(20), ('a',), (0,)), Piece(Fraction(20), Fraction(25), ('b',), (1,))]
    taken = [Span(Fraction(30), Fraction(40), 'CLAP'), Span(Fraction(22), Fraction(28), 'x')]
    found = with_background(held, taken, 'rest', end=Fraction(50))
    assert [(float(piece.start), float(piece.stop or 0), piece.labels[0]) for piece in found] == [
        (0, 10, 'rest'),
        (10, 20, 'a'),
        (20, 25, 'b'),
        (28, 30, 'rest'),
        (40, 50, 'rest'),
    ]
    assert with_background(held, taken, 'rest', end=None)[-1] == Piece(Fraction(40), None, ('rest',))
    assert [piece.labels[0] for piece in with_background(held, taken, 'rest', end=Fraction(15))] == ['rest', 'a', 'b']
    assert with_background([], [], 'rest', end=Fraction(3)) == [Piece(Fraction(0), Fraction(3), ('rest',))]


def test_lengths_add_up_by_label() -> None:
    found = [
        Piece(Fraction(0), Fraction(3), ('a', 'b')),
        Piece(Fraction(5), Fraction(6), ('a',)),
        Piece(Fraction(9), None, ('c',)),
    ]
    assert lengths(found) == {'a': 4, 'b': 3, 'c': 0}


@pytest.mark.parametrize(
    ('settings', 'where'),
    [
        ({'fps': Fraction(0)}, '--fps'),
        ({'ends': 'open'}, '--ends'),
        ({'overlap': 'last'}, '--overlap'),
        ({'background': '  '}, '--background'),
        ({'point_seconds': Fraction(0)}, '--point_seconds'),
    ],
)
def test_impossible_rules_are_not_born(settings: dict[str, object], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        RangeRules(**settings)  # type: ignore[arg-type]
    assert caught.value.where == where
