"""Looking after a store: what is in it, whether it is whole, and many small pieces made into few."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from preprocess import files, kept_timelines, pieces, shelves
from preprocess.claims import Claim
from preprocess.compiled import INFO_FILE, CompiledEncoder
from preprocess.failures import InputError
from preprocess.files import FileStat
from preprocess.pieces import BAD, KEY_BYTES, OLD, SUFFIX, Piece, PieceError, PieceWriter, Shelf
from preprocess.progress import Progress
from preprocess.timelines import OutdatedTimeline

# A piece at least this full is left as it is.
_FULL = 0.5
# Rows read at a time from each piece that is merged.
_ROWS_AT_A_TIME = 64
# Pieces merged with one another: with so many rows of each, some 130 MB of vectors are in memory.
_PIECES_AT_A_TIME = 256
_CLAIM = '.compacting.claim'
_STAGING = '.writing-compacted'


@dataclass(frozen=True)
class ShelfReport:
    """What is on a shelf: the pieces that are read with their bytes and rows; those set aside; those replaced."""

    folder: str
    pieces: int
    bytes: int
    rows: int
    bad: tuple[str, ...]
    old: int


@dataclass(frozen=True)
class EncoderReport:
    """What the store has of one encoder; `name` is empty where its description is gone."""

    name: str
    key: str
    vectors: ShelfReport
    rejects: ShelfReport


@dataclass(frozen=True)
class StoreReport:
    """What is in a store."""

    index: ShelfReport
    encoders: tuple[EncoderReport, ...]
    timelines: int
    timeline_bytes: int


@dataclass
class Compacted:
    """What compacting did: pieces merged into how many new ones, rows that were there twice, pieces removed."""

    merged: int = 0
    written: int = 0
    duplicates: int = 0
    removed: int = 0
    bad: list[str] = field(default_factory=list)


def report(store: str) -> StoreReport:
    """Count what is in a store; the footers are read, the rows aren't."""
    _check(store)
    with Progress('counting', unit='pieces') as progress:
        encoders = [_encoder_report(folder, progress) for folder in _encoder_folders(store)]
        index = _shelf_report(files.join(store, shelves.INDEX), progress)
    timelines = _timelines(store)
    return StoreReport(index, tuple(encoders), len(timelines), sum(one.size for one in timelines))


def verify(store: str) -> list[PieceError]:
    """Check every row of every piece, and the times of videos; the damaged ones, which nobody reads any more."""
    _check(store)
    damaged = []
    found = [(path, path in one.bad) for one in map(pieces.find, _folders(store)) for path in [*one.good, *one.bad]]
    with Progress('checking', total=len(found), unit='pieces') as progress:
        for path, is_known in found:
            try:
                if is_known:
                    raise PieceError(path, f'set aside earlier: {_why(path)}')
                for _ in _rows(pieces.open_piece(path)):
                    pass
            except FileNotFoundError:
                pass  # compacted meanwhile
            except PieceError as error:
                damaged.append(error)
                if not is_known:
                    pieces.mark_bad(error)
            progress.advance()
    return [*damaged, *_damaged_timelines(store)]


def _timelines(store: str) -> list[FileStat]:
    folder = files.join(store, kept_timelines.FOLDER)
    return list(files.list_dir(folder)) if files.is_dir(folder) else []


def _damaged_timelines(store: str) -> Iterator[PieceError]:
    """Those that are damaged, which are removed: the next run reads the times of these videos again."""
    for found in _timelines(store):
        try:
            kept_timelines.read(found.uri)
        except (FileNotFoundError, OutdatedTimeline):
            pass
        except ValueError as error:
            files.delete(found.uri)
            yield PieceError(found.uri, f'{error}; removed')


def compact(store: str, *, grace_s: float) -> Compacted:
    """Merge small pieces and those that repeat others; remove pieces that were replaced or set aside long enough ago.

    Writers and readers may be at work meanwhile: what they have listed stays for the grace period.
    """
    _check(store)
    done = Compacted()
    with Claim(files.join(store, _CLAIM), doing='compacting the store'):
        files.delete_tree(files.join(store, _STAGING))
        try:
            with Progress('compacting'):
                for folder in _folders(store):
                    _compact_shelf(folder, files.join(store, _STAGING), done)
                    _remove_expired(folder, grace_s, done)
        finally:
            files.delete_tree(files.join(store, _STAGING))
    return done


def _compact_shelf(folder: str, staging: str, done: Compacted) -> None:
    opened = [piece for path in pieces.find(folder).good if (piece := _opened(path, done))]
    for holds in sorted({piece.holds for piece in opened}):
        kin = [piece for piece in opened if piece.holds == holds]
        chosen = [piece for piece in _worth_merging(kin) if _is_sound(piece, done)]
        if len(chosen) < 2:
            continue
        _merge(chosen, Shelf(folder, holds, chosen[0].row_bytes), staging, done)
        # Only now that every row is in a new piece are the old ones passed by.
        for piece in chosen:
            pieces.mark_old(piece.path)
        done.merged += len(chosen)


def _worth_merging(found: Sequence[Piece]) -> list[Piece]:
    """Pieces that are small, or have a key that another one has too."""
    keys = np.sort(np.concatenate([_keys(piece) for piece in found]))
    repeated = np.unique(keys[1:][keys[1:] == keys[:-1]])
    return [
        piece
        for piece in found
        if len(piece) * piece.row_bytes < _FULL * pieces.PIECE_BYTES or np.isin(_keys(piece), repeated).any()
    ]


def _merge(chosen: Sequence[Piece], shelf: Shelf, staging: str, done: Compacted) -> None:
    """Write the rows of some pieces as few, in the order of their keys; those of some hundred pieces at a time."""
    keys = np.concatenate([_keys(piece) for piece in chosen])
    numbers = np.repeat(np.arange(len(chosen), dtype=np.int32), [len(piece) for piece in chosen])
    places = np.concatenate([np.arange(len(piece), dtype=np.int32) for piece in chosen])
    # Stable, so that of equal keys the first piece's by name is kept, the one that readers choose.
    order = np.argsort(keys, kind='stable')
    is_first = np.concatenate([[True], keys[order][1:] != keys[order][:-1]])
    done.duplicates += int(np.count_nonzero(~is_first))
    kept = order[is_first]
    # Stable again, so that each group's rows stay in the order of their keys.
    groups = numbers[kept] // _PIECES_AT_A_TIME
    kept = kept[np.argsort(groups, kind='stable')]
    at_a_time = _ROWS_AT_A_TIME * min(len(chosen), _PIECES_AT_A_TIME)
    writer = PieceWriter(shelf, staging=staging)
    for group in np.split(kept, np.cumsum(np.bincount(groups))[:-1]):
        for some in np.array_split(group, 1 + len(group) // at_a_time):
            for number in np.unique(numbers[some]).tolist():
                wanted = places[some[numbers[some] == number]].tolist()
                for place, row in zip(wanted, chosen[number].rows(wanted), strict=True):
                    writer.add(chosen[number].key(place), row.tobytes())
            if writer.is_full:
                done.written += writer.publish() is not None
    done.written += writer.publish() is not None


def _keys(piece: Piece) -> NDArray[np.bytes_]:
    return np.frombuffer(piece.index, f'S{KEY_BYTES}')


def _opened(path: str, done: Compacted) -> Piece | None:
    try:
        return pieces.open_piece(path)
    except PieceError as error:
        _set_aside(error, done)
        return None


def _is_sound(piece: Piece, done: Compacted) -> bool:
    """Whether all of its rows are right; set aside when they aren't."""
    try:
        for _ in _rows(piece):
            pass
    except PieceError as error:
        _set_aside(error, done)
        return False
    return True


def _set_aside(error: PieceError, done: Compacted) -> None:
    pieces.mark_bad(error)
    done.bad.append(str(error))


def _remove_expired(folder: str, grace_s: float, done: Compacted) -> None:
    """Remove what was passed by for the grace period; the piece goes before its marker, lest it be taken up again."""
    for found in list(files.list_dir(folder)):
        marked = next((found.uri.removesuffix(end) for end in (OLD, BAD) if found.uri.endswith(SUFFIX + end)), None)
        if marked and time.time() - _since(found.uri) >= grace_s:
            files.delete(marked)
            files.delete(found.uri)
            done.removed += 1


def _since(marker: str) -> float:
    try:
        return float(json.loads(files.read_bytes(marker))['since'])
    except (ValueError, KeyError, TypeError):
        return 0.0


def _rows(piece: Piece) -> Iterator[NDArray[np.uint8]]:
    for first in range(0, len(piece), _ROWS_AT_A_TIME):
        yield piece.rows(range(first, min(first + _ROWS_AT_A_TIME, len(piece))))


def _encoder_report(folder: str, progress: Progress) -> EncoderReport:
    name, key = _encoder(folder)
    rejects = files.join(folder, shelves.REJECTS)
    return EncoderReport(name, key, _shelf_report(folder, progress), _shelf_report(rejects, progress))


def _shelf_report(folder: str, progress: Progress) -> ShelfReport:
    found = pieces.find(folder)
    rows, bad = 0, dict(found.bad)
    for path in found.good:
        try:
            rows += len(pieces.open_piece(path))
        except PieceError:
            bad[path] = 0
        progress.advance()
    return ShelfReport(folder, len(found.good), sum(found.good.values()), rows, tuple(sorted(bad)), len(found.old))


def _encoder(folder: str) -> tuple[str, str]:
    """An encoder's name and key; the name is empty, and the key short, where its description is gone."""
    try:
        encoder = CompiledEncoder.load(files.join(folder, shelves.ENCODER))
    except InputError:
        return '', files.name(folder)
    return encoder.spec, encoder.key


def _why(path: str) -> str:
    try:
        return str(json.loads(files.read_bytes(path + BAD))['why'])
    except (ValueError, KeyError, TypeError):
        return 'nobody wrote why'


def _check(store: str) -> None:
    if not files.is_dir(store):
        raise InputError('there is no such store', where=store, do='give the folder `embeddings` of a result')
    if not files.is_dir(files.join(store, shelves.INDEX)) and not _encoder_folders(store):
        raise InputError('this is no store of vectors', where=store, do='give the folder `embeddings` of a result')


def _folders(store: str) -> list[str]:
    """Every shelf's folder that is there."""
    named = [files.join(store, shelves.INDEX)]
    for folder in _encoder_folders(store):
        named += [folder, files.join(folder, shelves.REJECTS)]
    return [folder for folder in named if files.is_dir(folder)]


def _encoder_folders(store: str) -> list[str]:
    """The folders of encoders: those that have pieces or a compiled encoder."""
    found = set()
    for one in files.list_dir(store, recursive=True):
        first, *below = one.uri[len(store.rstrip('/')) + 1 :].split('/')
        is_piece = len(below) == 1 and below[0].endswith(SUFFIX)
        is_encoder = below == [shelves.ENCODER, INFO_FILE]
        if not first.startswith('.') and first != shelves.INDEX and (is_piece or is_encoder):
            found.add(files.join(store, first))
    return sorted(found)
