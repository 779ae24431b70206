"""Whether the exported model says of pictures what their records give: another engine or precision moves scores."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from preprocess import files, images
from preprocess.failures import Failure
from preprocess.images import Pixels, Shape
from preprocess.locations import is_video
from preprocess.preparation import NOTHING, Preparation
from preprocess.progress import Progress
from preprocess.settings import Json
from preprocess.shelves import Refusal
from preprocess.timelines import Timeline
from preprocess.video_reader import VideoReader
from trainer.embedded_set import EmbeddedSet
from trainer.evaluation import ServingAgreement
from trainer.metrics import Bools, Floats

PICTURES = 200
# Where pictures were moved away since they were embedded, not every one of a million is looked for.
_MOST_TRIED = 1000
# The times of a video are read before its frames are, which takes a while for hours of it.
_MOST_VIDEOS = 4
# One fixed size: rows of a padded batch don't depend on how many there are.
_BATCH = 32
_FRAME = re.compile(r'(?s)(?P<video>.+)#frame=(?P<number>\d+)')


def measure(
    sets: Iterable[tuple[EmbeddedSet, Callable[[], Floats]]],
    shape: Shape,
    score_pixels: Callable[[Pixels], Floats],
    preparation: Mapping[str, Json] | None = None,
) -> ServingAgreement:
    """Score 200 pictures through the whole model, beside the scores of their records.

    Those of the first set come first; where it has fewer, the next ones fill up.
    """
    compared = _Compared(score_pixels)
    of_row = _Pictures(shape, Preparation.from_json(preparation) if preparation else NOTHING)
    with Progress('scoring pictures again', total=PICTURES, unit='pictures') as progress:
        for rows, scores in sets:
            if compared.pictures >= PICTURES:
                break
            compared.look(rows, scores, of_row, progress)
    return compared.result()


class _Compared:
    """Pictures scored again, and how far that is from what their records gave."""

    def __init__(self, score_pixels: Callable[[Pixels], Floats]) -> None:
        self._score_pixels = score_pixels
        self.pictures = self._unreadable = 0
        self._same: list[Bools] = []
        self._differences: list[Floats] = []

    def look(self, rows: EmbeddedSet, scores: Callable[[], Floats], of_row: '_Pictures', progress: Progress) -> None:
        """Take rows of a set until there are pictures enough."""
        read: dict[int, Pixels] = {}
        for row in _sample(rows.uris):
            if self.pictures >= PICTURES:
                break
            pixels = of_row.read(rows.source.frames(row) if rows.source else [rows.uris[row]])
            if pixels is None:
                self._unreadable += 1
                continue
            read[row] = pixels
            self.pictures += len(pixels)
            progress.update(self.pictures, failed=self._unreadable)
        is_clip = rows.source is not None and rows.source.length is not None
        again = _scored(list(read.values()), self._score_pixels, is_clip=is_clip)
        if again is not None:
            before = scores()[list(read)]
            self._same.append(again.argmax(axis=1) == before.argmax(axis=1))
            self._differences.append(np.abs(again - before))

    def result(self) -> ServingAgreement:
        """All of it together."""
        if not self._same:
            return ServingAgreement(0, self._unreadable, None, None, None)
        differences = np.concatenate(self._differences)
        return ServingAgreement(
            pictures=self.pictures,
            unreadable=self._unreadable,
            same_label=float(np.mean(np.concatenate(self._same))),
            largest_difference=float(differences.max()),
            mean_difference=float(differences.mean()),
        )


def _sample(uris: Sequence[str]) -> list[int]:
    """Rows by a hash of their URIs: the same in every run, whatever the order of the records; and of few videos."""
    videos = {found['video'] for uri in uris if (found := _FRAME.fullmatch(uri))}
    chosen = set(sorted(videos, key=_hash)[:_MOST_VIDEOS])
    among = [row for row, uri in enumerate(uris) if not (found := _FRAME.fullmatch(uri)) or found['video'] in chosen]
    return sorted(among, key=lambda row: _hash(uris[row]))[:_MOST_TRIED]


def _hash(uri: str) -> bytes:
    return hashlib.blake2b(uri.encode('utf-8', 'surrogateescape'), digest_size=16).digest()


class _Pictures:
    """Pictures and frames of video as pixels, as they were embedded."""

    def __init__(self, shape: Shape, preparation: Preparation) -> None:
        self._shape, self._preparation = shape, preparation
        self._timelines: dict[str, Timeline] = {}

    def read(self, uris: Sequence[str]) -> Pixels | None:
        """All of them as uint8[N,H,W,C]; None when one can't be read."""
        try:
            return np.stack([pixels for part in _by_file(uris) for pixels in self._of_file(*part)])
        except (OSError, ValueError, Failure):  # an ImageError is a ValueError, and so is a path that can't be one
            return None  # counted: a picture may have been moved or replaced since it was embedded

    def _of_file(self, uri: str, numbers: Sequence[int]) -> Iterator[Pixels]:
        if not numbers:
            yield images.to_pixels(files.read_bytes(uri, limit=images.MAX_BYTES + 1), self._shape)
            return
        reader = VideoReader()
        if uri not in self._timelines:
            self._timelines[uri] = reader.survey(uri)
        for _, found in reader.frames(uri, self._timelines[uri], numbers, self._shape, self._preparation):
            if isinstance(found, Refusal):
                raise ValueError(found.message)
            yield found


def _by_file(uris: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Pictures one by one, without a number; frames that follow one another in a file together."""
    waiting: tuple[str, list[int]] = ('', [])
    for uri in uris:
        found = _FRAME.fullmatch(uri)
        of_video = found is not None and is_video(found['video'])
        if waiting[1] and not (found and of_video and found['video'] == waiting[0]):
            yield waiting
            waiting = ('', [])
        if found and of_video:
            waiting = (found['video'], [*waiting[1], int(found['number'])])
        else:
            yield uri, []
    if waiting[1]:
        yield waiting


def _scored(pictures: Sequence[Pixels], score_pixels: Callable[[Pixels], Floats], *, is_clip: bool) -> Floats | None:
    """The rows' scores: a clip has one, pictures have one each."""
    if not pictures:
        return None
    if is_clip:
        return np.concatenate([score_pixels(frames) for frames in pictures])
    batches, every = [], np.concatenate(pictures)
    for start in range(0, len(every), _BATCH):
        batch = every[start : start + _BATCH]
        padding = [(0, _BATCH - len(batch)), (0, 0), (0, 0), (0, 0)]
        batches.append(score_pixels(np.pad(batch, padding))[: len(batch)])
    return np.concatenate(batches)
