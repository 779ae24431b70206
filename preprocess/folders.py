"""Folders of pictures -> rows: DIR/<label>/**, with a level of split folders above the labels or without."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from preprocess import command, files, interrupts, splits
from preprocess.failures import InputError, Interrupted
from preprocess.labels import tidy
from preprocess.progress import Progress
from preprocess.rows import Row

PICTURE_EXTENSIONS = frozenset(
    ['.jpg', '.jpeg', '.jpe', '.jfif', '.mpo', '.png', '.apng', '.gif', '.webp', '.bmp', '.dib', '.tif', '.tiff']
)
# What DeepMeerkat's folders are called, and what its clients expect of a model.
_CANONICAL_LABELS = {
    'positive': 'positive',
    'positives': 'positive',
    'negative': 'negative',
    'negatives': 'negative',
}
# Parts of a path: the label and the file name, with a split folder in front of them or without.
_LABEL_AND_NAME = 2


@dataclass(frozen=True)
class FolderListing:
    """The pictures of a folder as rows (`cell` = path below it), and what was passed over, by kind."""

    rows: tuple[Row, ...]
    skipped: Mapping[str, int]
    depth: int

    def key(self, row: Row) -> str:
        """What decides a picture's side: its path without split and label folders, in composed form."""
        return unicodedata.normalize('NFC', '/'.join(row.cell.split('/')[self.depth :]))


@dataclass(frozen=True)
class _Layout:
    """Which level of folders is what: the side of each top folder where the top level is splits."""

    sides: Mapping[str, str | None]
    has_split_level: bool

    @property
    def depth(self) -> int:
        return 2 if self.has_split_level else 1


def read_folder(path: str) -> FolderListing:
    """List a folder of labelled pictures; one without pictures or classes is refused."""
    root = files.absolute(path)
    pictures, skipped = _list_pictures(root, path)
    if not pictures:
        raise InputError(
            'no pictures in this folder',
            where=path,
            do='give a folder that has one folder of pictures for each label: DIR/<label>/*.jpg',
        )
    layout = _layout(pictures, path)
    rows = tuple(_rows(root, pictures, layout, skipped))
    if not rows:
        raise InputError(
            'the folder holds pictures, but none in a folder of its label',
            where=path,
            do='sort them into one folder for each label: DIR/<label>/*.jpg',
        )
    return FolderListing(rows, dict(sorted(skipped.items())), layout.depth)


def _list_pictures(root: str, shown: str) -> tuple[list[str], Counter[str]]:
    """Paths below the root of what looks like pictures, and counts of what doesn't."""
    below: list[str] = []
    skipped: Counter[str] = Counter()
    start = len(files.join(root, ''))
    try:
        with Progress('listing', unit='files') as progress:
            for found in files.list_dir(root, recursive=True):
                if interrupts.requested():
                    raise Interrupted('interrupted', where=shown, do=f'run it again: {command.this_command()}')
                progress.advance()
                path = found.uri[start:]
                if kind := _passed_over(path):
                    skipped[kind] += 1
                else:
                    below.append(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise InputError(
            f'the folder can not be listed: {(error.strerror or str(error)).lower()}',
            where=str(error.filename or shown),
            do='check the path and its permissions',
        ) from error
    return below, skipped


def _passed_over(path: str) -> str | None:
    """Why a file is no picture to label, None when it is one."""
    *folders, name = path.split('/')
    if name.startswith('._') or '__MACOSX' in folders:
        return '._* (macOS metadata)'
    if name.startswith('.') or any(folder.startswith('.') for folder in folders):
        return 'hidden'
    if not path.isascii() and any('\ud800' <= character <= '\udfff' for character in path):
        return 'names that are not UTF-8'
    extension = os.path.splitext(name)[1].lower()
    return None if extension in PICTURE_EXTENSIONS else f'other files ({extension or "no extension"})'


def _layout(pictures: Sequence[str], shown: str) -> _Layout:
    """Split folders above label folders, or label folders alone, told from names and depths."""
    deepest: dict[str, int] = {}
    for path in pictures:
        top, *rest = path.split('/')
        if rest:
            deepest[top] = max(deepest.get(top, 0), len(rest))
    sides = {top: splits.side_named(top) for top in deepest}
    named = {top: side for top, side in sides.items() if side}
    has_labels_below = any(deepest[top] >= _LABEL_AND_NAME for top in named)
    if len(set(named.values())) > 1:
        _check_split_level(sides, has_labels_below, shown)
        return _Layout(splits.merge_two_sides(named), True) if has_labels_below else _Layout({}, False)
    if named and len(named) == len(sides) and has_labels_below:
        # One split folder splits nothing: its labels count, the split is still to be made.
        return _Layout(dict.fromkeys(named), True)
    return _Layout({}, False)


def _check_split_level(sides: Mapping[str, str | None], has_labels_below: bool, shown: str) -> None:
    others = sorted(top for top, side in sides.items() if side is None)
    named = sorted(top for top, side in sides.items() if side)
    if has_labels_below and others:
        raise InputError(
            f'{_some(named)} are split folders, {_some(others)} beside them hold pictures too',
            where=shown,
            do=f'move {_some(others)} elsewhere, or into one of the split folders',
        )
    if not has_labels_below and not others:
        raise InputError(
            f'no class folders in the split folders {_some(named)}',
            where=shown,
            do='sort the pictures into one folder for each label: Training/<label>/*.jpg',
        )


def _some(names: Sequence[str]) -> str:
    return ', '.join(map(repr, names[:3])) + (f' and {len(names) - 3} more' if len(names) > 3 else '')


def _rows(root: str, pictures: Iterable[str], layout: _Layout, skipped: Counter[str]) -> Iterable[Row]:
    for number, path in enumerate(pictures, 1):
        parts = path.split('/')
        if len(parts) <= layout.depth:
            skipped['pictures outside the class folders'] += 1
            continue
        yield Row(
            uri=files.join(root, path),
            cell=path,
            labels=(_label(parts[layout.depth - 1], root),),
            source=root,
            line=number,
            split=layout.sides.get(parts[0]),
        )


def _label(folder: str, shown: str) -> str:
    label = tidy(folder)
    if not label or '\n' in label or '\r' in label:
        raise InputError(
            f'the folder name {folder!r} can not be a label', where=shown, do='rename it: a label is one line of text'
        )
    return _CANONICAL_LABELS.get(label.lower(), label)
