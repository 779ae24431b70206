"""train/history.jsonl: what every evaluation during a training measured, one JSON object a line."""

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from preprocess import files

_log = logging.getLogger(__name__)
FILE = 'history.jsonl'


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation of both sets; None where a figure can't be had (AUC of a single class)."""

    step: int
    seconds: float
    train_loss: float | None = None
    train_accuracy: float | None = None
    train_auc: float | None = None
    eval_loss: float | None = None
    eval_accuracy: float | None = None
    eval_auc: float | None = None


def text(points: Sequence[CurvePoint]) -> str:
    """What the file holds."""
    return ''.join(json.dumps(_without_nan(point), allow_nan=False) + '\n' for point in points)


def read(path: str) -> tuple[CurvePoint, ...]:
    """The points of a training, in order of steps; none where there is no file.

    A training that was killed leaves points of steps it then does again: the later ones hold. A line the kill cut off
    is left out.
    """
    try:
        lines = files.read_text(path).splitlines()
    except FileNotFoundError:
        return ()
    points: list[CurvePoint] = []
    for number, line in enumerate(lines, 1):
        try:
            point = _point(json.loads(line))
        except (ValueError, TypeError, AttributeError) as error:
            _log.warning('%s:%d is left out: %s', path, number, error)
            continue
        points = [earlier for earlier in points if earlier.step < point.step]
        points.append(point)
    return tuple(points)


def _without_nan(point: CurvePoint) -> dict[str, float | None]:
    return {name: None if _is_nan(value) else value for name, value in asdict(point).items()}


def _is_nan(value: float | None) -> bool:
    return value is not None and not math.isfinite(value)


def _point(content: dict[str, float]) -> CurvePoint:
    known = {field.name for field in fields(CurvePoint)}
    return CurvePoint(**{name: value for name, value in content.items() if name in known})  # type: ignore[arg-type]  # JSON's numbers
