"""Paths that fit a pattern with wildcards and named parts: `frames/S{subject}C{camera}{frame}.jpg`."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from preprocess import files
from preprocess.failures import UsageError

# {frame:06} is a number of just six digits, {frame} of any.
_NAMED = re.compile(r'\{(?P<name>\w+)(?::0?(?P<digits>\d+)d?)?\}')
_TOKEN = re.compile(rf'{_NAMED.pattern}|\{{\{{|\}}\}}|\*|\?|\[[^\]]+\]|.', re.DOTALL)
_MAGIC = re.compile(r'[*?[{]')
_ANY_DEPTH = '**'
_NUMBERS = frozenset(['frame'])


class Found(NamedTuple):
    """A path, what its named parts are, and whether it is a folder."""

    uri: str
    fields: Mapping[str, str]
    is_dir: bool


@dataclass(frozen=True)
class PathPattern:
    """A pattern of paths, absolute; `**` is any number of folders."""

    text: str
    base: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, *, names: Sequence[str], flag: str) -> Self:
        """A pattern whose named parts are among `names`."""
        whole = files.absolute(text)
        place = whole.partition('://')[2].partition('/')[0] if files.is_remote(whole) else ''
        base = whole[: whole.index('://') + 3] + place if place else '/'
        parts = tuple(part for part in whole[len(base) :].split('/') if part)
        for found in _NAMED.finditer(whole.replace('{{', '').replace('}}', '')):
            if found['name'] not in names:
                known = ', '.join(f'{{{name}}}' for name in names)
                raise UsageError(
                    f'{found[0]} is no part of a path', where=f'{flag} {text}', do=f'the parts are {known}'
                )
        if not parts:
            raise UsageError('the pattern is empty', where=flag, do='give a path, with * and ? where names differ')
        return cls(text, base, parts)

    def find(self) -> Iterator[Found]:
        """What fits, folder by folder in the order of names; no file is looked at, folders are listed."""
        yield from _walk(self.base, self.parts, {})

    def in_other_case(self) -> str | None:
        """The pattern that would fit something if its extension were written in capitals, or without."""
        stem, extension = os.path.splitext(self.text)
        last = self.parts[-1].removesuffix(extension)
        for other in {extension.upper(), extension.lower()} - {extension}:
            spelt = replace(self, text=stem + other, parts=(*self.parts[:-1], last + other))
            if extension[1:].isalnum() and next(spelt.find(), None):
                return spelt.text
        return None

    def has(self, name: str) -> bool:
        """Whether a part is named."""
        return any(found['name'] == name for part in self.parts for found in _NAMED.finditer(part))

    def before(self, name: str) -> str:
        """The letters that stand before a named part: S for `S{subject}`."""
        found = re.search(rf'([^\W\d_]*)\{{{name}[:}}]', '/'.join(self.parts))
        return found[1] if found else ''


def _walk(folder: str, parts: Sequence[str], fields: Mapping[str, str]) -> Iterator[Found]:
    part, *rest = parts
    if part == _ANY_DEPTH:
        yield from _walk(folder, rest or ['*'], fields)
        for name, is_dir in files.entries(folder).items():
            if is_dir and not name.startswith('.'):
                yield from _walk(files.join(folder, name), parts, fields)
    elif not _MAGIC.search(part):
        yield from _below(folder, part, rest, fields)
    else:
        entries = files.entries(folder)
        # A name with a bracket in it may be meant as it is written.
        if part in entries:
            yield from _below(folder, part, rest, fields)
        else:
            yield from _fitting(folder, entries, parts, fields)


def _below(folder: str, name: str, rest: Sequence[str], fields: Mapping[str, str]) -> Iterator[Found]:
    path = files.join(folder, name)
    if rest:
        yield from _walk(path, rest, fields)
    elif files.exists(path):
        yield Found(path, fields, files.is_dir(path))


def _fitting(
    folder: str, entries: Mapping[str, bool], parts: Sequence[str], fields: Mapping[str, str]
) -> Iterator[Found]:
    part, *rest = parts
    pattern = re.compile(''.join(_regex(part, fields)))
    for name, is_dir in entries.items():
        # What is hidden is nobody's, unless it is asked for.
        if (name.startswith('.') and not part.startswith('.')) or (rest and not is_dir):
            continue
        if not (found := pattern.fullmatch(name)):
            continue
        both = {**fields, **found.groupdict()}
        if rest:
            yield from _walk(files.join(folder, name), rest, both)
        else:
            yield Found(files.join(folder, name), both, is_dir)


def _regex(part: str, fields: Mapping[str, str]) -> Iterator[str]:
    """The pieces of a regular expression for one name; what was named before has to be the same again."""
    seen: set[str] = set()
    for token in _TOKEN.finditer(part):
        name = token['name']
        if name is None:
            yield _WILD.get(token[0]) or _literal(token[0])
        elif name in fields:
            yield re.escape(fields[name])
        elif name in seen:
            yield f'(?P={name})'
        else:
            seen.add(name)
            yield f'(?P<{name}>{_content(name, token["digits"])})'


_WILD = {'*': '[^/]*', '?': '[^/]', '{{': r'\{', '}}': r'\}'}


def _content(name: str, digits: str | None) -> str:
    if digits:
        return rf'[0-9]{{{int(digits)}}}'
    # As few characters as may be: in C2000123, 2 is the camera and all that follows the frame.
    return '[0-9]+' if name in _NUMBERS else '[^/]+?'


def _literal(token: str) -> str:
    if len(token) > 1:
        inner = token[1:-1].replace('\\', r'\\')
        return f'[^{inner[1:]}]' if inner.startswith('!') else f'[{inner}]'
    return re.escape(token)
