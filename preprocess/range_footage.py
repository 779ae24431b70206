"""The recordings of sheets: patterns of files, folders of pieces, several cameras, what a sheet's own column names."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from preprocess import files, recordings
from preprocess.failures import InputError
from preprocess.group_split import some
from preprocess.locations import is_video
from preprocess.path_patterns import Found
from preprocess.progress import Progress, say
from preprocess.sheet_tables import stem
from preprocess.sheets import Sheet
from preprocess.ties import Claim, Ties, listed

FLAG = '--videos'
_SEPARATORS = re.compile(r'[/\\]')


@dataclass(frozen=True)
class Footage:
    """One recording of a sheet as a cell names it, and what it may be called by: its camera, its folder, its file."""

    uri: str
    sheet: str
    names: tuple[str, ...]
    subject: str = ''


@dataclass(frozen=True)
class _Piece:
    """A file of a recording, and the pattern that found it."""

    found: Found
    claim: Claim


def find_footage(sheets: Sequence[Sheet], patterns: Sequence[str], ties: Ties, *, root: str | None) -> list[Footage]:
    """The recordings of all sheets, each of a single one; footage without sheet and sheets without are refused."""
    claims = [ties.claim(value, FLAG) for value in patterns]
    with Progress('looking for videos', unit='files'):
        pieces = [_Piece(found, claim) for claim in claims for found in listed(claim) if _is_footage(found)]
    by_column = [footage for sheet in sheets if sheet.media for footage in _of_column(sheet, pieces, root)]
    used = {part for footage in by_column for part in footage.uri.split(';')}
    # What sheets name themselves is theirs, however many files a pattern gave to look for it in.
    by_column_alone = len({footage.sheet for footage in by_column}) == len(sheets)
    rest = [] if by_column_alone else [piece for piece in pieces if piece.found.uri not in used]
    free = _of_patterns(rest, ties)
    tied = [*by_column, *(footage for footage in free if footage.sheet)]
    loose = [footage for footage in free if not footage.sheet]
    if len(sheets) == 1 and not tied and _is_one(loose):
        say(f'{loose[0].subject or loose[0].uri} is taken for {sheets[0].name}, the only one of both')
        tied, loose = [replace(footage, sheet=sheets[0].name) for footage in loose], []
    ties.check([footage.sheet for footage in tied], {footage.uri: footage.subject for footage in loose}, FLAG)
    _check_once(tied)
    return list(dict.fromkeys(tied))


def _is_one(loose: Sequence[Footage]) -> bool:
    """Whether footage is one recording, or of one subject."""
    subjects = {footage.subject for footage in loose}
    return len(loose) == 1 or (len(subjects) == 1 and '' not in subjects)


def _is_footage(found: Found) -> bool:
    return found.is_dir or is_video(found.uri)


def _of_patterns(pieces: Sequence[_Piece], ties: Ties) -> list[Footage]:
    """The recordings that patterns found: files of one folder and camera are the pieces of one, in their order."""
    groups: defaultdict[tuple[object, ...], list[_Piece]] = defaultdict(list)
    for piece in pieces:
        fields = piece.found.fields
        groups[piece.claim, *_own(piece, ties), fields.get('subject'), fields.get('camera')].append(piece)
    for (_, _, called, *_), group in groups.items():
        if called and len(group) > 1:
            raise InputError(
                f'these may be pieces of one recording of {called}, or its cameras: '
                f'{some([files.name(piece.found.uri) for piece in group])}',
                where=f'{FLAG} {group[0].claim.pattern.text}',
                do=f"say which: {FLAG} '{called}={called}*.mp4' for pieces, '{{subject}}_{{camera}}.mp4' for cameras",
            )
    return [_recording(group, ties) for group in groups.values()]


def _own(piece: _Piece, ties: Ties) -> tuple[str, str | None]:
    """What a file is a piece of: itself where it has a sheet's name, else its folder; and the sheet like it."""
    found = piece.found
    if found.is_dir:
        return found.uri, None
    called = None
    if piece.claim.sheet is None and 'subject' not in found.fields:
        called = ties.of_names([stem(found.uri)])
    if called and ties.called(stem(found.uri)):
        return found.uri, None
    return files.parent(found.uri), called


def _recording(pieces: Sequence[_Piece], ties: Ties) -> Footage:
    found, claim = pieces[0].found, pieces[0].claim
    uris = [piece.found.uri for piece in pieces]
    uri = f'{found.uri.rstrip("/")}/' if found.is_dir else _cell(uris)
    folders = [part for part in reversed(files.parent(found.uri).split('/')) if part]
    own = [files.name(found.uri)] if found.is_dir else [stem(uris[0])] if len(uris) == 1 else []
    names = (*own, *folders)
    sheet = claim.sheet
    if sheet is None and 'subject' in found.fields:
        sheet = ties.of_subject(found.fields['subject'], claim.pattern.before('subject'))
    elif sheet is None:
        sheet = ties.of_names(names)
    camera = found.fields.get('camera')
    return Footage(uri, sheet or '', (*([camera] if camera else []), *names), found.fields.get('subject', ''))


def _cell(uris: Sequence[str]) -> str:
    """How a CSV names the pieces: a single one by itself, all of a folder by the folder, others one by one."""
    ordered = sorted(uris, key=recordings.natural_key)
    if len(ordered) == 1:
        return ordered[0]
    folder = files.parent(ordered[0])
    beside = {name for name, is_dir in files.entries(folder).items() if not is_dir and is_video(name)}
    if {files.name(uri) for uri in ordered} == {name for name in beside if not name.startswith('.')}:
        return f'{folder}/'
    return ';'.join(ordered)


def _of_column(sheet: Sheet, pieces: Sequence[_Piece], root: str | None) -> Iterator[Footage]:
    """The recordings a sheet names, where they are: beside it, or among the files of the patterns by their names."""
    by_name = {files.name(piece.found.uri): piece.found.uri for piece in pieces}
    folder = files.absolute(root or files.parent(sheet.entries[0].source if sheet.entries else sheet.source))
    for cell in sheet.media:
        uris: list[str] = []
        for part in filter(None, map(str.strip, cell.split(';'))):
            # The later pieces of a recording may be named as seen from the first.
            beside = [files.parent(uris[0])] if uris else []
            places = dict.fromkeys(files.join(place, part) for place in (folder, files.absolute('.'), *beside))
            uri = next(filter(None, map(_there, places)), by_name.get(_SEPARATORS.split(part)[-1]))
            if uri is None:
                raise InputError(
                    f'the video {part!r} of {sheet.name} is not there: nothing is at {" or ".join(places)}',
                    where=f'{sheet.entries[0].where if sheet.entries else sheet.source}',
                    do=f"mend the path, give its folder (--image_root), or where to look: {FLAG} 'videos/**/*'",
                )
            uris.append(uri)
        yield Footage(';'.join(uris), sheet.name, tuple(map(stem, uris)))


def _there(path: str) -> str | None:
    """What is at a path, in one spelling."""
    if not files.exists(path):
        return None
    plain = path.rstrip('/') if files.is_remote(path) else os.path.normpath(path)
    return f'{plain}/' if files.is_dir(path) else plain


def _check_once(tied: Sequence[Footage]) -> None:
    owners: dict[str, str] = {}
    for footage in tied:
        other = owners.setdefault(footage.uri, footage.sheet)
        if other != footage.sheet:
            raise InputError(
                f'two sheets have this video: {other} and {footage.sheet}',
                where=footage.uri,
                do='give each its own, or put the rows of both in one sheet',
            )
