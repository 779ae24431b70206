"""The dictionary of labels: one a line in dict.txt, and the line's number, from 0, is the class id."""

import difflib
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from preprocess import files
from preprocess.failures import InputError

_LIKENESS = 0.6


@dataclass(frozen=True)
class Labels:
    """Names of classes in the order of their ids."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for place, label in enumerate(self.names):
            if problem := _problem(label):
                raise ValueError(f'label {place} {problem}: {label!r}')
        if repeated := [label for label, count in Counter(self.names).items() if count > 1]:
            raise ValueError(f'labels given twice: {", ".join(map(repr, repeated))}')

    def __len__(self) -> int:
        return len(self.names)

    def id_of(self, name: str, *, ignore_case: bool = False) -> int | None:
        """The class id of a label, None for an unknown one; an exact match goes before one in another case."""
        name = tidy(name)
        found = self._ids.get(name)
        return self._folded_ids.get(name.casefold()) if found is None and ignore_case else found

    def nearest(self, name: str) -> str | None:
        """The label most like an unknown one, None when nothing is near."""
        if name not in self._nearest:
            close = difflib.get_close_matches(name.casefold(), list(self._by_fold), n=1, cutoff=_LIKENESS)
            self._nearest[name] = self._by_fold[close[0]] if close else None
        return self._nearest[name]

    def text(self) -> str:
        """What dict.txt holds."""
        return ''.join(f'{label}\n' for label in self.names)

    def write(self, path: str) -> None:
        """Write dict.txt."""
        files.write_atomic(path, self.text().encode())

    @classmethod
    def read(cls, path: str) -> Self:
        """Read dict.txt; a blank or repeated line is an error that names the line."""
        lines = _lines(path)
        seen: dict[str, int] = {}
        for number, label in enumerate(lines, 1):
            if not label:
                raise InputError(
                    'a blank line in the dictionary of labels',
                    where=f'{path}:{number}',
                    do='remove it: the number of a line is the id of its class',
                )
            if label in seen:
                raise InputError(
                    f'the label {label!r} stands here and in line {seen[label]}',
                    where=f'{path}:{number}',
                    do='remove one of them: the number of a line is the id of its class',
                )
            seen[label] = number
        return cls(tuple(lines))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {label: place for place, label in enumerate(self.names)}

    @cached_property
    def _folded_ids(self) -> dict[str, int]:
        # Where two labels differ in case only, ignoring it can't choose between them.
        counts = Counter(label.casefold() for label in self.names)
        return {label.casefold(): place for label, place in self._ids.items() if counts[label.casefold()] == 1}

    @cached_property
    def _by_fold(self) -> dict[str, str]:
        return {label.casefold(): label for label in reversed(self.names)}

    @cached_property
    def _nearest(self) -> dict[str, str | None]:
        # A mistake in a labelling tool repeats in every row: look for its neighbour once.
        return {}


def tidy(label: str) -> str:
    """A label without surrounding space, in composed form (NFC): how labels are compared and kept."""
    return label.strip() if label.isascii() else unicodedata.normalize('NFC', label).strip()


def _problem(label: str) -> str | None:
    if label != tidy(label):
        return 'has space around it or is not in composed form (NFC)'
    if not label:
        return 'is blank'
    if '\n' in label or '\r' in label:
        return 'holds a line break'
    return None


def _lines(path: str) -> list[str]:
    try:
        text = files.read_text(path).removeprefix('\ufeff')
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise InputError(
            f'the dictionary of labels can not be read: {(error.strerror or str(error)).lower()}',
            where=path,
            do='give a dict.txt with one label a line',
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f'the dictionary of labels is not UTF-8 at byte {error.start}',
            where=path,
            do='save it as UTF-8',
        ) from error
    lines = [tidy(line) for line in text.replace('\r\n', '\n').replace('\r', '\n').split('\n')]
    if lines[-1] == '':
        lines.pop()
    if not lines:
        raise InputError('the dictionary of labels is empty', where=path, do='give a dict.txt with one label a line')
    return lines
