"""How figures and lists of names are written for readers."""

from collections.abc import Sequence

NOTHING = '–'
_MOST_NAMED = 5
_SMALL = 0.0005


def named(names: Sequence[str], *, of: int | None = None) -> str:
    """The first few of many names."""
    more = (of or len(names)) - _MOST_NAMED
    shown = ', '.join(names[:_MOST_NAMED])
    return f'{shown} and {more:,} more' if more > 0 else shown


def percent(share: float | None) -> str:
    """0.8666 as 86.7 %."""
    return NOTHING if share is None else f'{100 * share:.1f}\u00a0%'


def decimal(value: float | None) -> str:
    """0.86661 as 0.867, 0.0000186 as 1.9e-05."""
    if value is None:
        return NOTHING
    return f'{value:.1e}' if 0 < abs(value) < _SMALL else f'{value:.3f}'


def counted(number: int, unit: str) -> str:
    """1 frame, 2 frames."""
    return f'{number:,} {unit}' + ('' if number == 1 else 's')


def count(value: int | None) -> str:
    """1234 as 1,234."""
    return NOTHING if value is None else f'{value:,}'
