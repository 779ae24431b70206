"""The times people write into sheets -> exact seconds: of a day, or from the beginning of a recording."""

import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

DAY_S = 24 * 3600
_HALF_DAY_S = DAY_S // 2

_NUMBER = re.compile(
    r'(?P<sign>[+-]?)(?:(?P<whole>\d{1,12}|\d{1,3}(?:,\d{3})+)(?:\.(?P<fraction>\d{0,20}))?|\.(?P<bare>\d{1,20}))\s*s?',
    re.ASCII,
)
# Spreadsheets write small numbers so.
_SCIENTIFIC = re.compile(r'[+-]?\d{1,3}(?:\.\d{1,20})?[eE][+-]?\d{1,2}', re.ASCII)
_CLOCK = re.compile(
    r'(?:(?P<date>\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4})(?:\s+|T))?'
    r'(?P<sign>[+-]?)(?:(?P<hours>\d{1,4}):)?(?P<minutes>\d{1,4}):(?P<seconds>\d{1,2})'
    r'(?:(?P<mark>[.,:])(?P<fraction>\d{1,20}))?(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?',
    re.ASCII,
)
# A time code counts frames behind its third colon: with fewer digits than milliseconds have, it may be one.
_FEWEST_DIGITS = 3


class BadTime(ValueError):
    """Why a cell is no time."""


@dataclass(frozen=True, slots=True)
class ClockTime:
    """A time as it was written: its seconds, whether they are of a day, and of which where that is written too."""

    seconds: Fraction
    of_day: bool = False
    day: date | None = None


def parse(text: str, *, decimal_comma: bool = False) -> ClockTime | None:
    """Seconds, `H:M:S.fff`, `M:S`, or a date and time (also with a colon before the microseconds); None for a blank."""
    text = text.strip()
    if not text:
        return None
    if decimal_comma and text.count(',') == 1 and '.' not in text:
        text = text.replace(',', '.')
    if found := _NUMBER.fullmatch(text):
        whole, fraction = (found['whole'] or '0').replace(',', ''), found['fraction'] or found['bare'] or ''
        return ClockTime(_signed(found['sign'], Fraction(f'{whole}.{fraction}0')))
    if _SCIENTIFIC.fullmatch(text):
        return ClockTime(Fraction(text))
    if found := _CLOCK.fullmatch(text):
        return _clock(found)
    if text.startswith('='):
        raise BadTime(f'{text!r} is a formula without its result: open and save the workbook once')
    raise BadTime(f'{text!r} is no time: write seconds, H:M:S.fff, or YYYY-MM-DD H:M:S.fff')


def _clock(found: re.Match[str]) -> ClockTime:
    text = found[0]
    if found['mark'] == ':' and not found['date'] and len(found['fraction']) < _FEWEST_DIGITS:
        raise BadTime(f'{text!r} may be a time code, which counts frames: write H:M:S.fff')
    of_day = bool(found['date'] or found['half'])
    hours, minutes, seconds = (int(found[name] or 0) for name in ('hours', 'minutes', 'seconds'))
    if of_day and found['hours'] is None:
        # Of a day, two numbers are hours and minutes; of a recording, minutes and seconds.
        hours, minutes, seconds = minutes, seconds, 0
    if seconds >= 60 or ((found['hours'] or of_day) and minutes >= 60):
        raise BadTime(f'{text!r} has more than 59 minutes or seconds')
    if found['half']:
        hours = _of_half(hours, found['half'], text)
    if of_day and (hours >= 24 or found['sign']):
        raise BadTime(f'{text!r} is no time of a day')
    whole = hours * 3600 + minutes * 60 + seconds
    return ClockTime(
        _signed(found['sign'], whole + Fraction(f'0.{found["fraction"] or 0}')), of_day, _day(found['date'])
    )


def _of_half(hours: int, half: str, text: str) -> int:
    if not 1 <= hours <= 12:
        raise BadTime(f'{text!r} is no time of a half day')
    return hours % 12 + (12 if half in 'Pp' else 0)


def _day(text: str | None) -> date | None:
    """The date, where the order of its parts leaves no doubt."""
    if text is None or not text[:4].isdecimal():
        return None
    try:
        return date.fromisoformat(text.replace('/', '-'))
    except ValueError as error:
        raise BadTime(f'{text!r} is no date') from error


def _signed(sign: str, seconds: Fraction) -> Fraction:
    return -seconds if sign == '-' else seconds


def near(time: Fraction, other: Fraction) -> Fraction:
    """A time of day as seconds of a clock that runs on past midnight: within half a day of another time."""
    days = (other - time + _HALF_DAY_S) // DAY_S
    return time + days * DAY_S


def written(seconds: Fraction) -> str:
    """Seconds as a decimal number, as short as they are exact (to the nanosecond)."""
    digits = f'{round(seconds * 10**9):+011d}'
    sign, whole, fraction = digits[0], digits[1:-9], digits[-9:].rstrip('0')
    return f'{"-" if sign == "-" else ""}{int(whole)}' + (f'.{fraction}' if fraction else '')
