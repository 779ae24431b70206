"""Vectors in pieces of the store -> scores, by the head alone, in small files under the rows they belong to.

A shard's pictures give one file of answers, sorted by row; a row of footage gives two of its own. So what becomes of
millions of rows is told to whoever puts it in order, a little at a time.
"""

import heapq
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predict import along, segment_files
from predict.along import Found, FrameRow, Rows, Score
from predict.description import Windowing
from predict.footage import Sampled
from predict.head_file import HeadGraph
from predict.segments import Track
from preprocess import files, frame_shards, pieces, quiet
from preprocess.footage import Floats, Taken
from preprocess.frame_shards import PlacedFrames
from preprocess.pieces import PieceError
from preprocess.records import Record
from preprocess.sets import SetJob
from preprocess.shards import Damaged, Entry, Placed, ShardWritten

Scores: TypeAlias = NDArray[np.float32]
# Vectors that are in memory, and scored, at a time; always as many: rows of other batches differ in their last bits.
_ROWS_AT_ONCE = 256
_ANSWERS_AT_ONCE = 4096
_NO_PIXELS = np.zeros((0, 0, 0), np.uint8)


@dataclass(frozen=True)
class Scorer:
    """A head on disk, and what it looks at."""

    head: str
    labels: tuple[str, ...]
    window: Windowing | None

    def load(self) -> Score:
        """The head in this process."""
        return _loaded(self.head, len(self.labels))


@dataclass(frozen=True, eq=False, slots=True)
class TimedTaken(Taken):
    """Frames a row takes, and when each sample of the whole recording begins: the last one ends at `clock[-1]`."""

    clock: Floats

    def end(self, step: int, time: float) -> float:
        """Until when a frame is the last one shown; a frame that was named stands for its own moment."""
        return float(self.clock[step + 1]) if step >= 0 else time


class Answer(NamedTuple):
    """The scores of a picture, and the row that asked: the number of its CSV among all, and its line."""

    csv: int
    line: int
    scores: Scores


@dataclass(frozen=True, eq=False)
class FrameScores:
    """What was said of a row of footage: how many frames it had, and its scores along its time."""

    frames: int
    track: Track

    def write(self, path: str) -> None:
        """Write it as arrays."""
        held = io.BytesIO()
        np.savez(held, frames=self.frames, times=self.track.times, ends=self.track.ends, scores=self.track.scores)
        files.write_atomic(path, held.getvalue())

    @classmethod
    def read(cls, path: str, video: str) -> 'FrameScores':
        """What `write` wrote; FileNotFoundError when nothing was."""
        with np.load(io.BytesIO(files.read_bytes(path)), allow_pickle=False) as held:
            return cls(int(held['frames']), Track(video, held['times'], held['ends'], held['scores']))


def of_footage(job: SetJob, csv: int, line: int) -> str:
    """Where the scores of a row of footage are, without the extension: .npz as arrays, .csv as they are published."""
    return files.join(job.work, 'footage', f'{csv:05d}-{line:09d}')


def write_answers(
    job: SetJob, index: int, placed: Iterable[Placed | PlacedFrames], scorer: Scorer
) -> ShardWritten | list[Damaged]:
    """Score what is in a shard; pieces that turn out to be damaged or gone come back instead, all of them."""
    everything = list(placed)
    damaged: list[Damaged] = []
    answers = _of_pictures(job, [one for one in everything if isinstance(one, Placed)], scorer, damaged)
    frames = 0
    by_row: dict[tuple[str, int], list[PlacedFrames]] = defaultdict(list)
    for one in everything:
        if isinstance(one, PlacedFrames):
            by_row[one.taken.uses[0].source, one.taken.uses[0].line].append(one)
            frames += len(one.positions)
    for (source, line), of_row in sorted(by_row.items(), key=itemgetter(0)):
        _score_row(job, (job.csvs.index(source), line), of_row, scorer, damaged)
    if damaged:
        return damaged
    path = files.join(job.work, 'answers', f'{index:05d}')
    files.write_atomic(path, answers.tobytes())
    return ShardWritten(index, path, len(answers) + frames, answers.nbytes, '', {}, 0, frames)


def merged(paths: Sequence[str], labels: int) -> Iterator[Answer]:
    """The answers in some files, each sorted by row, as one sequence in the order of the rows."""
    return heapq.merge(*(_read(path, labels) for path in paths), key=itemgetter(0, 1))


def _read(path: str, labels: int) -> Iterator[Answer]:
    dtype = _answer_type(labels)
    with files.open_read(path) as opened:
        while data := opened.read(dtype.itemsize * _ANSWERS_AT_ONCE):
            some = np.frombuffer(data, dtype)
            yield from map(Answer, some['csv'].tolist(), some['line'].tolist(), some['scores'])


def _answer_type(labels: int) -> 'np.dtype[np.void]':
    return np.dtype([('csv', '<u4'), ('line', '<u8'), ('scores', '<f4', (labels,))])


def _of_pictures(job: SetJob, placed: Sequence[Placed], scorer: Scorer, damaged: list[Damaged]) -> NDArray[np.void]:
    by_piece: dict[str, list[Entry]] = defaultdict(list)
    for one in placed:
        by_piece[one.piece] += one.entries
    numbers = {path: number for number, path in enumerate(job.csvs)}
    answers = np.zeros(sum(map(len, by_piece.values())), _answer_type(len(scorer.labels)))
    done = 0
    for piece in sorted(by_piece):
        entries = sorted(by_piece[piece], key=lambda entry: entry.position)
        try:
            scores = _of_piece(piece, sorted({entry.position for entry in entries}), job, scorer)
        except PieceError as error:
            pieces.mark_bad(error)
            damaged.append(Damaged(piece, error.why, is_late=True))
            continue
        except FileNotFoundError:
            damaged.append(Damaged(piece, '', is_late=True))
            continue
        here = answers[done : done + len(entries)]
        here['csv'] = [numbers[entry.source] for entry in entries]
        here['line'] = [entry.line for entry in entries]
        here['scores'] = scores[np.unique([entry.position for entry in entries], return_inverse=True)[1]]
        done += len(entries)
    return answers[np.lexsort((answers['line'], answers['csv']))]


def _of_piece(path: str, positions: Sequence[int], job: SetJob, scorer: Scorer) -> Scores:
    """The scores of the rows at ascending positions."""
    piece, score = pieces.open_piece(path), scorer.load()
    scores = np.empty((len(positions), len(scorer.labels)), np.float32)
    for first in range(0, len(positions), _ROWS_AT_ONCE):
        some = positions[first : first + _ROWS_AT_ONCE]
        rows = _as_seen(piece.rows(some), job)
        scores[first : first + len(some)] = score(along.padded(list(rows), _ROWS_AT_ONCE))[: len(some)]
    return scores


def _as_seen(rows: NDArray[np.uint8], job: SetJob) -> Rows:
    """Rows of a piece as the head looks at them."""
    return rows.reshape(-1, *job.vector_shape) if job.is_pixels else rows.view(np.dtype('<f4'))


def _score_row(
    job: SetJob,
    row: tuple[int, int],
    placed: Sequence[PlacedFrames],
    scorer: Scorer,
    damaged: list[Damaged],
) -> None:
    """Score the frames that one row of footage takes, in their order, as many in memory as the head looks at."""
    taken = placed[0].taken
    if not isinstance(taken, TimedTaken):
        raise TypeError(f'frames of {taken.video} came without their times')
    found = Found(taken.video)
    frames = 0

    def note(piece: str, why: str) -> None:
        damaged.append(Damaged(piece, why, is_late=True))

    def rows() -> Iterator[FrameRow]:
        nonlocal frames
        for record in frame_shards.records(placed, is_pixels=job.is_pixels, damaged=note):
            frames += 1
            yield _frame_row(record, taken, job)

    for said in along.said(rows(), scorer.window, scorer.load()):
        found.add(said, scorer.labels)
    found.close_gaps(scorer.window)
    if not damaged:
        stem = of_footage(job, *row)
        segment_files.write_samples(f'{stem}.csv', found.samples, scorer.labels)
        FrameScores(frames, found.track(len(scorer.labels))).write(f'{stem}.npz')


def _frame_row(record: Record, taken: TimedTaken, job: SetJob) -> FrameRow:
    time, step = record.time or 0.0, record.step or 0
    frame = Sampled(step, record.image_uri, time, taken.end(step, time), _NO_PIXELS)
    if record.pixels is not None:
        return FrameRow(frame, np.frombuffer(record.pixels, np.uint8).reshape(job.vector_shape))
    if record.embedding is None:
        raise TypeError(f'{record.image_uri} has neither vector nor pixels')
    return FrameRow(frame, np.asarray(record.embedding, np.float32))


@lru_cache(maxsize=2)
def _loaded(head: str, labels: int) -> Score:
    with quiet.loading():
        return HeadGraph.read(head).load(labels, where=head)
