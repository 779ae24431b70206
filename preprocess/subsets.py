"""A few rows that stand for many: spread over the classes, the same ones every time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from preprocess import splits
from preprocess.rows import Row


def spread(rows: Iterable[Row], count: int, *, seed: int = 0) -> list[Row]:
    """`count` rows, as many of each class as can be; which ones is a hash of their cells, so more rows keep the few."""
    classes: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        classes[row.labels].append(row)
    for members in classes.values():
        members.sort(key=lambda row: (splits.position(row.cell, seed=seed), row.source, row.line))
    picked: list[Row] = []
    depth = 0
    ordered = [classes[labels] for labels in sorted(classes)]
    while len(picked) < count and any(depth < len(members) for members in ordered):
        picked += [members[depth] for members in ordered if depth < len(members)][: count - len(picked)]
        depth += 1
    return picked


def shares(sizes: Mapping[str, int], count: int, *, at_most_all: bool = True) -> dict[str, int]:
    """`count` divided over sets in proportion to their sizes, at least one row of each that has any."""
    total = sum(sizes.values())
    if at_most_all and count >= total:
        return dict(sizes)
    return {name: _share(count * size / total, size, at_most_all) if size else 0 for name, size in sizes.items()}


def _share(share: float, size: int, at_most_all: bool) -> int:
    wanted = max(1, round(share))
    return min(size, wanted) if at_most_all else wanted
