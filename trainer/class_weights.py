"""How much each class counts in the loss: all alike, balanced by their numbers, or as the user says."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.failures import UsageError
from trainer.classes import Classes

NONE = 'none'
BALANCED = 'balanced'
_FLAG = '--class_weights'


@dataclass(frozen=True, eq=False)
class Weights:
    """For each class, what a row that is of it counts, and with several labels a row what one that isn't counts."""

    of: NDArray[np.float32]
    others: NDArray[np.float32]


def parse(text: str) -> Mapping[str, float] | None:
    """The weights by name in `a=0.13,b=0.87`; None for the words none and balanced."""
    if text in (NONE, BALANCED):
        return None
    weights: dict[str, float] = {}
    for piece in text.split(','):
        name, equals, number = piece.rpartition('=')
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if not (equals and name.strip() and 0 <= weight < float('inf')):
            raise UsageError(
                f'class weights {text!r} are not understood at {piece!r}',
                where=_FLAG,
                do="write none, balanced, or numbers by label like 'a=0.13,b=0.87'",
            )
        weights[name.strip()] = weight
    return weights


def check(text: str, classes: Classes) -> None:
    """UsageError when weights are given by names that no class has."""
    if unknown := [name for name in parse(text) or {} if name not in classes.names]:
        raise UsageError(
            f'class weights for labels that are not in the dictionary: {", ".join(unknown)}',
            where=_FLAG,
            do=f'the labels are {", ".join(classes.names)}; those left out count 1',
        )


def make(text: str, classes: Classes, counts: NDArray[np.int64], rows: int) -> Weights:
    """The weights of the classes, of which there are `counts` among `rows`; all 1 means unweighted."""
    ones = np.ones(len(classes), np.float32)
    if text == BALANCED and classes.multi_label:
        # Each label is a question of its own, whose two answers shall count alike.
        return Weights(_share(rows, 2 * counts), _share(rows, 2 * (rows - counts)))
    if text == BALANCED:
        return Weights(_share(rows, int(np.count_nonzero(counts)) * counts), ones)
    check(text, classes)
    by_name = parse(text) or {}
    return Weights(np.array([by_name.get(name, 1.0) for name in classes.names], np.float32), ones)


def _share(rows: int, counts: NDArray[np.int64]) -> NDArray[np.float32]:
    # A class nobody has is never looked up; 1 keeps it finite.
    return np.where(counts > 0, rows / np.maximum(counts, 1), 1.0).astype(np.float32)
