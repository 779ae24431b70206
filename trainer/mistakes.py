"""Where a model goes wrong: the pictures it is most sure of and wrong about, and the classes it mixes up most."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from preprocess.progress import Progress
from trainer import thumbnails
from trainer.metrics import Floats
from trainer.moments import Moments
from trainer.predictions import Predictions
from trainer.thumbnails import Thumbnail

WORST = 24
MOST_PAIRS = 10
_APART_S = 2.0


@dataclass(frozen=True)
class Mistake:
    """One picture the model is wrong about."""

    uri: str
    label: str
    predicted: str
    confidence: float
    thumbnail: Thumbnail | None  # None where pictures were left out on request


@dataclass(frozen=True)
class Mixup:
    """How often one label was taken for another."""

    label: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Mistakes:
    """What a set's predictions got wrong."""

    wrong: int
    worst: tuple[Mistake, ...]  # most confident first
    mixups: tuple[Mixup, ...]  # most frequent first


def find(predictions: Predictions, confidence: Floats, *, with_thumbnails: bool) -> Mistakes:
    """Look at every labelled picture; `confidence` is how sure the model is of each of its answers."""
    wrong = [row for row, label in enumerate(predictions.labels) if label and label != predictions.predicted[row]]
    worst = _apart(sorted(wrong, key=lambda row: (-confidence[row], predictions.uris[row])), predictions.moments)
    pairs = Counter((predictions.labels[row], predictions.predicted[row]) for row in wrong)
    frequent = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:MOST_PAIRS]
    with Progress('drawing the worst mistakes', total=len(worst), unit='pictures') as progress:
        shown = []
        for row in worst:
            shown.append(_mistake(predictions, row, float(confidence[row]), with_thumbnails=with_thumbnails))
            progress.advance()
    return Mistakes(len(wrong), tuple(shown), tuple(Mixup(*pair, count) for pair, count in frequent))


def _apart(rows: Sequence[int], moments: Moments | None) -> list[int]:
    """The first rows; of footage not two of one moment, which would be the same picture again and again."""
    if moments is None:
        return list(rows[:WORST])
    chosen: list[int] = []
    taken: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        video, time = moments.videos[row], float(moments.times[row])
        if not video or all(abs(time - other) >= _APART_S for other in taken[video]):
            chosen.append(row)
            taken[video].append(time)
        if len(chosen) == WORST:
            break
    return chosen


def _mistake(predictions: Predictions, row: int, confidence: float, *, with_thumbnails: bool) -> Mistake:
    uri = predictions.uris[row]
    thumbnail = thumbnails.of_picture(uri) if with_thumbnails else None
    return Mistake(uri, predictions.labels[row], predictions.predicted[row], confidence, thumbnail)
