"""Spans that lie over each other -> pieces that don't, each with its labels; and the background between them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

# The first row wins; ranges of different labels are rejected, both; every label counts.
OVERLAPS = ('first', 'reject', 'all')
NO_OWNER = -1


@dataclass(frozen=True, slots=True)
class Span:
    """[start, stop) in seconds or in frames."""

    start: Fraction
    stop: Fraction
    label: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch with its labels and the places of the ranges that gave them; without a stop it goes on to the end."""

    start: Fraction
    stop: Fraction | None
    labels: tuple[str, ...]
    owners: tuple[int, ...] = (NO_OWNER,)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two ranges, by their places, and how much they share."""

    first: int
    second: int
    length: Fraction


@dataclass(frozen=True)
class Settled:
    """Pieces in order, none over another; the overlaps there were, and the places of ranges left with nothing."""

    pieces: tuple[Piece, ...]
    overlaps: tuple[Overlap, ...] = ()
    rejected: frozenset[int] = frozenset()
    covered: frozenset[int] = frozenset()


def settle(spans: Sequence[Span], overlap: str) -> Settled:
    """Pieces of the spans by the rule for overlaps; spans of one label never contradict each other."""
    overlaps = tuple(_overlaps(spans))
    rejected = frozenset(
        place
        for pair in overlaps
        if overlap == 'reject' and spans[pair.first].label != spans[pair.second].label
        for place in (pair.first, pair.second)
    )
    pieces = tuple(_joined(_elementary(spans, rejected, every=overlap == 'all')))
    owners = {owner for piece in pieces for owner in piece.owners}
    covered = frozenset(
        place for place, span in enumerate(spans) if span.start < span.stop and place not in owners | rejected
    )
    return Settled(pieces, overlaps, rejected, covered)


def with_background(pieces: Sequence[Piece], taken: Iterable[Span], label: str, *, end: Fraction | None) -> list[Piece]:
    """The pieces, and what nobody labelled, rejected or ignored from 0 to the end (None: wherever that is)."""
    busy = sorted([*((piece.start, piece.stop) for piece in pieces), *((span.start, span.stop) for span in taken)])
    found = list(pieces)
    reached = Fraction(0)
    for start, stop in busy:
        if start > reached:
            found.append(Piece(reached, start if end is None else min(start, end), (label,)))
        reached = max(reached, stop or reached)
    if end is None or reached < end:
        found.append(Piece(reached, end, (label,)))
    return sorted((piece for piece in found if piece.stop is None or piece.start < piece.stop), key=_start)


def _start(piece: Piece) -> Fraction:
    return piece.start


def _overlaps(spans: Sequence[Span]) -> Iterator[Overlap]:
    """Every pair of spans that share something, in the order of their rows."""
    ordered = sorted((span.start, span.stop, place) for place, span in enumerate(spans) if span.start < span.stop)
    running: list[tuple[Fraction, Fraction, int]] = []
    found = []
    for start, stop, place in ordered:
        running = [one for one in running if one[1] > start]
        for _, other_stop, other in running:
            found.append(Overlap(min(place, other), max(place, other), min(stop, other_stop) - start))
        running.append((start, stop, place))
    yield from sorted(found, key=lambda pair: (pair.first, pair.second))


def _elementary(spans: Sequence[Span], without: frozenset[int], *, every: bool) -> Iterator[Piece]:
    """The stretches between neighbouring borders, each with the span that owns it (or every one that holds it)."""
    begins: defaultdict[Fraction, list[int]] = defaultdict(list)
    ends: defaultdict[Fraction, list[int]] = defaultdict(list)
    for place, span in enumerate(spans):
        if span.start < span.stop and place not in without:
            begins[span.start].append(place)
            ends[span.stop].append(place)
    running: set[int] = set()
    for border, following in pairwise(sorted({*begins, *ends})):
        running = (running | {*begins[border]}) - {*ends[border]}
        if running:
            owners = tuple(sorted(running)) if every else (min(running),)
            yield Piece(border, following, tuple(dict.fromkeys(spans[owner].label for owner in owners)), owners)


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Neighbours of the same owners as one."""
    last: Piece | None = None
    for piece in pieces:
        if last and last.stop == piece.start and last.owners == piece.owners:
            last = replace(last, stop=piece.stop)
            continue
        if last:
            yield last
        last = piece
    if last:
        yield last


def lengths(pieces: Iterable[Piece]) -> Mapping[str, Fraction]:
    """How long each label holds; what goes on to the end counts nothing."""
    found: defaultdict[str, Fraction] = defaultdict(Fraction)
    for piece in pieces:
        for label in piece.labels:
            found[label] += (piece.stop - piece.start) if piece.stop is not None else 0
    return dict(found)
