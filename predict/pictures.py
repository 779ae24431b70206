"""The pictures a command line names: paths, folders, globs, a list or a picture on standard input."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from preprocess import files
from preprocess.command import FlagParser
from preprocess.failures import InputError

if TYPE_CHECKING:
    from preprocess.images import Pixels

SUFFIXES = ('.jpg', '.jpeg', '.jpe', '.mpo', '.png', '.gif', '.webp', '.bmp', '.tif', '.tiff')
_GLOB = re.compile(r'[*?[]')
_STDIN = '-'
_PICTURE_BEGINS = re.compile(rb'\xff\xd8\xff|\x89PNG|GIF8[79]a|BM|RIFF|II[*+]\0|MM\0[*+]')


@dataclass(frozen=True, eq=False)
class Picture:
    """What to predict from: a path, the bytes of a picture file, or pixels (RGB, gray or RGBA)."""

    key: str
    source: 'str | bytes | Pixels'


@dataclass(frozen=True)
class Unusable:
    """A picture known to be lost before any decoder saw it; it keeps its place among the answers."""

    key: str
    error: str


def parse_args(parser: FlagParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse flags and `pictures`, the names among them; after `--` everything is a name."""
    words = list(sys.argv[1:] if argv is None else argv)
    end = words.index('--') if '--' in words else len(words)
    found, rest = parser.parse_known_intermixed_args(words[:end])
    strays = [word for word in rest if word.startswith('-') and word != _STDIN]
    if strays:
        known = ' '.join(parser.flags())
        parser.error(f'unknown flag {strays[0]} (a name that begins with - goes after --; flags: {known})')
    found.pictures = [*found.pictures, *rest, *words[end + 1 :]]
    return found


def named(words: Sequence[str], stdin: BinaryIO) -> list[Picture | Unusable]:
    """Every picture the words name, in their order; a folder means the pictures in and below it."""
    found = [picture for word in words for picture in (_from_stdin(stdin) if word == _STDIN else _expanded(word))]
    if not found:
        raise InputError(
            'no picture is named', where='standard input' if words else 'the command line', do='name some pictures'
        )
    return found


def _from_stdin(stdin: BinaryIO) -> Iterator[Picture | Unusable]:
    """A picture's own bytes, or a list of paths: one a line, or ended by NUL as `find -print0` writes them."""
    data = stdin.read()
    # No path holds a NUL and every picture's header does, so a list that begins with BMW.jpg is still a list.
    if _PICTURE_BEGINS.match(data) and b'\0' in data[:64]:
        yield Picture(_STDIN, data)
        return
    separator = b'\0' if b'\0' in data else b'\n'
    for line in data.split(separator):
        path = line.removesuffix(b'\r').decode('utf-8', 'surrogateescape')
        if path:
            yield from _expanded(path)


def _expanded(word: str) -> Iterator[Picture | Unusable]:
    try:
        if files.is_dir(word):
            yield from _in_folder(word)
        else:
            paths = files.glob(word) if _GLOB.search(word) else []
            yield from (Picture(path, path) for path in paths or [word])
    except OSError as error:
        yield Unusable(word, f'unreadable: {error.strerror or error}')


def _in_folder(folder: str) -> Iterator[Picture | Unusable]:
    found = False
    for listed in files.list_dir(folder, recursive=True):
        hidden = any(part.startswith('.') for part in listed.uri[len(folder) :].split('/'))
        if listed.uri.lower().endswith(SUFFIXES) and not hidden:
            found = True
            yield Picture(listed.uri, listed.uri)
    if not found:
        yield Unusable(folder, 'missing: no pictures in this folder')
