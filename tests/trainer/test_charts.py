"""Chart geometry worked out by hand."""

import pytest

from trainer import charts
from trainer.charts import Series


def chart(*ys: float | None, xs: tuple[float, ...] | None = None, top: float | None = None) -> charts.Chart | None:
    found = xs or tuple(float(step) for step in range(0, 100 * len(ys), 100))
    return charts.line_chart('Loss', [Series('eval set', 'eval', found, ys)], x_title='steps', top=top)


def test_a_line_goes_from_corner_to_corner_of_its_axes() -> None:
    found = chart(0.0, 0.5, 1.0)

    assert found is not None
    # Labels of three characters at the left: 35 pixels.
    assert found.lines[0].points == '35.0,194.0 189.5,102.0 344.0,10.0'
    assert found.lines[0].end == (float(found.right), float(found.top))
    assert found.lines[0].last == '1.000'


def test_axes_end_on_round_numbers_and_every_tick_is_on_one() -> None:
    found = chart(0.13, 0.87)

    assert found is not None
    assert [tick.text for tick in found.y_ticks] == ['0', '0.2', '0.4', '0.6', '0.8', '1']
    assert [tick.text for tick in found.x_ticks] == ['0', '20', '40', '60', '80', '100']


def test_an_axis_does_not_go_beyond_what_there_can_be() -> None:
    found = chart(0.97, 0.999, top=1.0)

    assert found is not None
    assert [found.y_ticks[0].text, found.y_ticks[-1].text] == ['0.97', '1']


def test_a_line_goes_on_over_places_that_were_not_measured() -> None:
    found = chart(1.0, None, 2.0, 3.0, None)

    assert found is not None
    assert [point.split(',')[0] for point in found.lines[0].points.split()] == ['35.0', '241.0', '344.0']
    assert found.lines[0].last == '3.000'


def test_small_numbers_have_room_for_their_names() -> None:
    found = chart(0.0015, 0.0001)

    assert found is not None
    assert [tick.text for tick in found.y_ticks] == ['0', '0.0005', '0.001', '0.0015']
    assert found.left == 14 + 6 * 7
    assert found.lines[0].last == '1.0e-04'


@pytest.mark.parametrize('ys', [(), (None, None)])
def test_nothing_measured_gives_no_chart(ys: tuple[None, ...]) -> None:
    assert chart(*ys) is None


@pytest.mark.parametrize('value', [0.0, 1.0, 1e-12, 5e8])
def test_a_single_value_has_axes_around_it(value: float) -> None:
    found = chart(value, xs=(1.0,))

    assert found is not None
    assert len(found.y_ticks) >= 2
    x, y = found.lines[0].end
    assert found.left <= x <= found.right and found.top <= y <= found.bottom


def test_very_many_points_are_thinned_and_the_last_is_kept() -> None:
    ys = tuple(float(step % 7) for step in range(5003))
    found = chart(*ys)

    assert found is not None
    points = found.lines[0].points.split()
    assert len(points) <= 400
    assert points[-1] == f'{found.lines[0].end[0]},{found.lines[0].end[1]}'
