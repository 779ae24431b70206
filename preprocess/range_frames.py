"""Frames already extracted -> for every sheet and camera their numbers in order, told from their names alone."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from preprocess import command, files, interrupts
from preprocess.failures import InputError, Interrupted, UsageError
from preprocess.path_patterns import Found
from preprocess.progress import Progress, say
from preprocess.ties import Claim, Ties

FLAG = '--frames'


@dataclass(frozen=True)
class FrameSequence:
    """The frames of one recording that were extracted, in order, with the numbers in their names.

    `video` is what the recording is called: their path, with `%06d` for the number.
    """

    sheet: str
    video: str
    names: tuple[str, ...]
    numbers: tuple[int, ...]
    uris: tuple[str, ...]

    @property
    def base(self) -> int:
        """The number of the first frame: 1, as ffmpeg writes them, unless there is a frame 0."""
        return 0 if self.numbers[0] == 0 else 1


def find_frames(patterns: Sequence[str], ties: Ties) -> list[FrameSequence]:
    """The frames of all sheets; frames without sheet and sheets without frames are refused."""
    groups: defaultdict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    called: dict[tuple[str, str, str], str] = {}
    with Progress('listing frames', unit='files') as progress:
        for value in patterns:
            claim = ties.claim(value, FLAG)
            _check_number(claim)
            sheets: dict[str, str] = {}
            for found in _listed(claim):
                progress.advance()
                subject = found.fields.get('subject', '')
                known = subject or files.parent(found.uri)
                if known not in sheets:
                    sheets[known] = claim.sheet or _sheet(claim, subject, found, ties)
                key = sheets[known], subject, found.fields.get('camera', '')
                called.setdefault(key, _video(found))
                groups[key].append((int(found.fields['frame']), found.uri))
    loose = {subject or uris[0][1]: subject for (sheet, subject, _), uris in groups.items() if not sheet}
    if len(loose) == len(ties.sheets) == 1 and all(not sheet for sheet, _, _ in groups):
        say(f'{loose.popitem()[0]} is taken for the subject of {ties.sheets[0]}, the only one of both')
        groups = defaultdict(list, {(ties.sheets[0], *key[1:]): group for key, group in groups.items()})
        called = {(ties.sheets[0], *key[1:]): video for key, video in called.items()}
    ties.check([sheet for sheet, _, _ in groups if sheet], loose, FLAG)
    return [_sequence(key, called[key], group) for key, group in sorted(groups.items())]


def _video(found: Found) -> str:
    """What the recording of a frame is called: as ffmpeg names the files it writes."""
    number = found.fields['frame']
    before, _, after = found.uri.rpartition(number)
    return f'{before}%0{len(number)}d{after}' if number.startswith('0') else f'{before}%d{after}'


def _check_number(claim: Claim) -> None:
    if not claim.pattern.has('frame'):
        raise UsageError(
            'nothing says where the number of a frame stands in its name',
            where=f'{FLAG} {claim.pattern.text}',
            do="write it into the pattern: 'frames/S{subject}C{camera}{frame}.jpg'",
        )


def _listed(claim: Claim) -> Iterator[Found]:
    found = None
    for found in claim.pattern.find():
        if interrupts.requested():
            raise Interrupted('interrupted', where=found.uri, do=f'run it again: {command.this_command()}')
        if not found.is_dir:
            yield found
    if found is None:
        raise InputError('no frame fits the pattern', where=f'{FLAG} {claim.pattern.text}', do='check the path')


def _sheet(claim: Claim, subject: str, found: Found, ties: Ties) -> str:
    if subject:
        return ties.of_subject(subject, claim.pattern.before('subject')) or ''
    return ties.of_names([part for part in reversed(files.parent(found.uri).split('/')) if part]) or ''


def _sequence(key: tuple[str, str, str], video: str, group: Sequence[tuple[int, str]]) -> FrameSequence:
    sheet, _, camera = key
    ordered = sorted(group)
    folders = [part for part in reversed(files.parent(ordered[0][1]).split('/')) if part]
    names = (*([camera] if camera else []), *folders)
    return FrameSequence(sheet, video, names, tuple(n for n, _ in ordered), tuple(uri for _, uri in ordered))
