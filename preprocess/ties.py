"""Which footage belongs to which sheet: as `SHEET=PATTERN` says it, by subject, or by names that are the same."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from preprocess.failures import InputError, UsageError
from preprocess.group_split import in_order, some
from preprocess.path_patterns import Found, PathPattern
from preprocess.sheets import Sheet

SUBJECTS_FLAG = '--subjects'
PLACEHOLDERS = ('subject', 'camera', 'frame')
_FROM_TO = re.compile(r'(?P<stem>.*?)(?P<first>\d+)-(?P<again>.*?)(?P<last>\d+)')


class Claim(NamedTuple):
    """A pattern, and the sheet it is for where that was said."""

    sheet: str | None
    pattern: PathPattern
    flag: str


@dataclass(frozen=True)
class Ties:
    """The sheets there are by name, and which subject each is where names alone don't say it."""

    sheets: tuple[str, ...]
    subjects: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, sheets: Sequence[Sheet], subjects: str | None) -> 'Ties':
        """The ties of sheets by what `--subjects P5-P8=1-4` says of them."""
        names = tuple(sheet.name for sheet in sheets)
        return cls(names, _subjects(subjects, names) if subjects else {})

    def claim(self, value: str, flag: str) -> Claim:
        """`SHEET=PATTERN` or a pattern alone."""
        name, equals, rest = value.partition('=')
        sheet = self.called(name.strip()) if equals else None
        if equals and sheet is None and '/' not in name and '{' not in name:
            raise InputError(
                f'there is no sheet {name!r}',
                where=f'{flag} {value}',
                do=f'the sheets are {some(in_order(self.sheets))}',
            )
        return Claim(sheet, PathPattern.parse(rest if sheet else value, names=PLACEHOLDERS, flag=flag), flag)

    def called(self, name: str) -> str | None:
        """The sheet of a name, in any case."""
        return next((sheet for sheet in self.sheets if sheet.casefold() == name.casefold()), None)

    def of_subject(self, subject: str, before: str) -> str | None:
        """The sheet of a subject: the one that was said, or the one called as the subject is in paths."""
        if subject in self.subjects:
            return self.subjects[subject]
        return self.called(subject) or self.called(before + subject)

    def of_names(self, names: Iterable[str]) -> str | None:
        """The sheet called like the first of these names that is a sheet's, or begins with one: `P5_front`."""
        for name in names:
            if sheet := self.called(name):
                return sheet
        for name in names:
            if begun := [sheet for sheet in self.sheets if _begins(name, sheet)]:
                return max(begun, key=len)
        return None

    def check(self, tied: Iterable[str], loose: Mapping[str, str], flag: str) -> None:
        """Refuse sheets without footage and footage without a sheet (with its subject, or ''), naming both."""
        missing = [sheet for sheet in in_order(self.sheets) if sheet not in {*tied}]
        if not missing and not loose:
            return
        wrong = [f'sheets without {_KINDS[flag]}: {some(missing)}'] if missing else []
        wrong += [f'{_KINDS[flag]} without a sheet: {some(in_order(loose))}'] if loose else []
        subjects = in_order(subject for subject in loose.values() if subject)
        raise InputError('; '.join(wrong), where=flag, do=self._remedy(missing, subjects, flag, bool(loose)))

    def _remedy(self, missing: Sequence[str], subjects: Sequence[str], flag: str, are_loose: bool) -> str:
        if not are_loose:
            return f"leave these sheets out, or give what is theirs: {flag} '{missing[0]}=…'"
        if not missing:
            return 'give their sheets too, or a pattern that leaves them out'
        if not subjects:
            return f"say what belongs together: {flag} '{missing[0]}=…'"
        pairs = zip(missing, subjects, strict=False)
        return f'say which subject each sheet is, such as {SUBJECTS_FLAG} {",".join(f"{a}={b}" for a, b in pairs)}'


_KINDS = {'--videos': 'video', '--frames': 'frames'}


def listed(claim: Claim) -> list[Found]:
    """What fits a pattern; nothing at all is an error."""
    found = list(claim.pattern.find())
    if not found:
        fitting = claim.pattern.in_other_case()
        remedy = f'write it as the files do: {fitting}' if fitting else 'check the path'
        raise InputError('nothing fits the pattern', where=f'{claim.flag} {claim.pattern.text}', do=remedy)
    return found


def _begins(name: str, sheet: str) -> bool:
    rest = name[len(sheet) :]
    return name.casefold().startswith(sheet.casefold()) and bool(rest) and not rest[0].isalnum()


def _subjects(text: str, sheets: Sequence[str]) -> dict[str, str]:
    """Sheets by subject."""
    found: dict[str, str] = {}
    for pair in map(str.strip, text.split(',')):
        sheet, equals, subject = (word.strip() for word in pair.partition('='))
        if not equals or not sheet or not subject:
            raise UsageError(
                f'{pair!r} names no subject', where=f'{SUBJECTS_FLAG} {text}', do='write P5=1,P6=2 or P5-P8=1-4'
            )
        named, values = ([sheet], [subject]) if sheet in sheets else (_spread(sheet), _spread(subject))
        if len(named) != len(values):
            raise UsageError(
                f'{sheet} is {_counted(named, "sheet")}, {subject} is {_counted(values, "subject")}',
                where=f'{SUBJECTS_FLAG} {text}',
                do='give as many of both, or each by itself: P5=1,P6=2',
            )
        if unknown := [name for name in named if name not in sheets]:
            raise InputError(
                f'there is no sheet {some(unknown)}',
                where=f'{SUBJECTS_FLAG} {text}',
                do=f'the sheets are {some(in_order(sheets))}',
            )
        found |= zip(values, named, strict=True)
    return found


def _counted(names: Sequence[str], what: str) -> str:
    return f'{len(names)} {what}{"s" if len(names) != 1 else ""}'


def _spread(text: str) -> list[str]:
    """`P5-P8` as P5, P6, P7, P8."""
    ends = _FROM_TO.fullmatch(text)
    if not ends or ends['again'] not in ('', ends['stem']):
        return [text]
    width = len(ends['first']) if ends['first'].startswith('0') else 0
    return [f'{ends["stem"]}{number:0{width}}' for number in range(int(ends['first']), int(ends['last']) + 1)]
