"""What --input_path names: CSVs as they are; of folders, patterns and files a listing in the form of one."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from predict.pictures import SUFFIXES
from preprocess import files, rows
from preprocess.failures import InputError
from preprocess.locations import is_video
from preprocess.progress import Progress, say

_GLOB = re.compile(r'[*?[]')
_HEADER = b'image\n'


@dataclass(frozen=True)
class Named:
    """What the command line names: CSVs, or pictures and videos by files, folders and patterns."""

    words: tuple[str, ...]
    is_listing: bool

    @classmethod
    def of(cls, input_path: str) -> 'Named':
        """The words of a comma list; InputError where CSVs and other things are mixed, or something is not there."""
        whole = files.exists(input_path) or (';' in input_path and files.exists(input_path.partition(';')[0]))
        parts = [input_path] if whole else [part for part in map(str.strip, input_path.split(',')) if part]
        if not parts:
            raise InputError('nothing is named', where='--input_path', do='give a CSV, a folder, a pattern or a video')
        kinds = {part: _is_listed(part) for part in parts}
        if len(set(kinds.values())) > 1:
            other = next(part for part, listed in kinds.items() if listed != kinds[parts[0]])
            raise InputError(
                f'{parts[0]} and {other} are of different kinds: one is a CSV, the other is not',
                where='--input_path',
                do='predict them one after the other, with another --output_path',
            )
        return cls(tuple(parts), kinds[parts[0]])

    def csvs(self) -> tuple[str, ...]:
        """The CSVs, each once, in one order."""
        return tuple(rows.expand_inputs(','.join(self.words)))

    def write_listing(self, path: str) -> int:
        """Write everything that is found as a CSV of one column; how many there are."""
        with Progress('listing', unit='files') as progress, files.writing_atomic(path) as sink:
            sink.write(_HEADER)
            count = 0
            for found in self._found():
                sink.write(_line(found))
                progress.advance()
                count += 1
            if not count:
                raise InputError(
                    'no picture or video is there',
                    where=', '.join(self.words),
                    do='check the path or the pattern; CSVs are named by themselves',
                )
        return count

    def _found(self) -> Iterator[str]:
        for word in self.words:
            if files.is_dir(word):
                yield from _in_folder(word)
            elif _GLOB.search(word) and not files.exists(word):
                yield from filter(_is_shown, files.glob(word))
            else:
                yield word


def _is_listed(word: str) -> bool:
    """Whether a word names pictures or videos rather than CSVs; InputError when it names nothing."""
    is_there = files.exists(word)
    if _GLOB.search(word) and not is_there:
        found = files.glob(word)
        if not found:
            raise InputError('nothing matches this pattern', where=word, do='check it; quote it for the shell')
        return any(map(_is_shown, found))
    if _is_shown(word.split(';')[0].strip()) or files.is_dir(word):
        return True
    if not is_there:
        raise InputError('there is no such file or folder', where=word, do='check the path')
    return False


def _in_folder(folder: str) -> Iterator[str]:
    """The pictures and videos in and below a folder; what is hidden is not meant."""
    others = videos = 0
    for listed in files.list_dir(folder, recursive=True):
        is_hidden = any(part.startswith('.') for part in listed.uri[len(folder) :].split('/'))
        if is_hidden or not _is_shown(listed.uri):
            others += 1
            continue
        videos += is_video(listed.uri)
        yield listed.uri
    if others:
        say(f'{folder}: {others:,} files are neither pictures nor videos, or hidden: left out')
    if videos > 1:
        say(f'{folder}: {videos:,} videos, each by itself (parts of one recording: a.mp4;b.mp4, or a row of a CSV)')


def _is_shown(path: str) -> bool:
    return path.lower().endswith(SUFFIXES) or is_video(path)


def _line(path: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerow([path])
    try:
        return text.getvalue().encode()
    except UnicodeEncodeError:
        raise InputError(
            'a file name is not UTF-8', where=ascii(path), do='rename it: no line of JSON could hold it'
        ) from None
