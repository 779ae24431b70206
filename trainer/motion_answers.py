"""What each baseline says of every frame it is asked about, and the sets on which all of them are measured alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess import arrays, files
from preprocess.bursts import Signal
from preprocess.failures import InputError
from trainer.embedded_set import EmbeddedSet
from trainer.metrics import Floats
from trainer.moments import Moments
from trainer.motion_sets import MotionSet, Stretch
from trainer.scored_set import Question, ScoredSet

# The scores of a stretch: float64[frames, classes].
Answers = NDArray[np.float64]
Answer = Callable[[Stretch], Answers]


@dataclass(frozen=True, eq=False)
class Asked:
    """A set, and of each of its stretches the frames that count: they have a label, and every baseline answers."""

    motion: MotionSet
    places: tuple[NDArray[np.int64], ...]

    @property
    def frames(self) -> int:
        """How many frames count."""
        return sum(map(len, self.places))


def asked(motion: MotionSet, answered: Sequence[Callable[[int], range]]) -> Asked:
    """The frames that count, given which frames of a stretch of some length each baseline answers for."""
    places = []
    for stretch in motion.stretches:
        counts = ~np.isnan(stretch.labels)
        for valid in answered:
            found = valid(len(stretch))
            counts[: found.start] = False
            counts[found.stop :] = False
        places.append(np.flatnonzero(counts))
    found_set = Asked(motion, tuple(places))
    if not found_set.frames:
        raise InputError(
            f'no frame of the {motion.name} set can be judged: its {motion.labelled:,} labelled frames have too little '
            'before or after them',
            where=', '.join(sorted({stretch.group for stretch in motion.stretches})),
            do='give a longer part, or smaller windows (--d, --h, --n)',
        )
    return found_set


def of_rule(scores: Callable[[Signal], Signal]) -> Answer:
    """A rule that scores the second of two classes."""

    def answer(stretch: Stretch) -> Answers:
        positive = scores(stretch.signal)
        return np.stack([1 - positive, positive], axis=1)

    return answer


def of_majority(counts: Sequence[int]) -> Answer:
    """The share of each class, whatever the frame."""
    shares = np.array(counts, np.float64) / max(sum(counts), 1)
    return lambda stretch: np.tile(shares, (len(stretch), 1))


def counts(motion: MotionSet, classes: int) -> list[int]:
    """How many frames of a set have each label."""
    ids = np.concatenate([one.labels[~np.isnan(one.labels)].astype(np.int64) for one in motion.stretches])
    return [int(count) for count in np.bincount(ids, minlength=classes)]


def write(one: Asked, answer: Answer, folder: str) -> None:
    """Y_pred.npy: the score of the last class for every frame, in float64; of several stretches one file each."""
    start = 'Y_pred' if one.motion.name == 'eval' else f'Y_pred.{one.motion.name}'
    for number, stretch in enumerate(one.motion.stretches, start=1):
        name = start if len(one.motion.stretches) == 1 else f'{start}.{number:03d}'
        arrays.write(files.join(folder, f'{name}.npy'), answer(stretch)[:, -1])


def scored(question: Question, one: Asked, answer: Answer) -> ScoredSet:
    """The frames that count with a baseline's scores."""
    stretches = [(stretch, rows) for stretch, rows in zip(one.motion.stretches, one.places, strict=True) if len(rows)]
    scores = np.concatenate([answer(stretch)[rows] for stretch, rows in stretches])
    rows = EmbeddedSet(
        name=one.motion.name,
        uris=tuple(stretch.uris[row] for stretch, rows in stretches for row in rows),
        vectors=np.concatenate([known_then(stretch.signal)[rows] for stretch, rows in stretches]),
        label_ids=tuple((int(stretch.labels[row]),) for stretch, rows in stretches for row in rows),
        groups=tuple(stretch.group for stretch, rows in stretches for _ in rows),
        moments=Moments(
            tuple(stretch.videos[row] for stretch, rows in stretches for row in rows),
            np.concatenate([stretch.frames[rows] for stretch, rows in stretches]),
            np.concatenate([stretch.times[rows] for stretch, rows in stretches]),
        ),
    )
    return ScoredSet(rows, scores.astype(np.float32), question)


def known_then(signal: Signal) -> Floats:
    """float32[frames, 1]: what is known of the motion at each frame, that into it from the one before."""
    return np.append(0.0, signal[:-1]).astype(np.float32)[:, None]
