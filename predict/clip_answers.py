"""The answers to a video's frames -> one answer for each of its seconds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predict.answers import Prediction, Style, answered
from predict.clips import Clip
from preprocess.settings import Json


@dataclass(frozen=True)
class Rule:
    """When labels hold: the model's threshold where several may, and the server's own."""

    holds: float = 0.5
    threshold: float | None = None


def reply(clip: Clip, answers: Sequence[Prediction], style: Style, rule: Rule) -> dict[str, Json]:
    """The video and its seconds, as JSON."""
    return {
        'duration': round(clip.duration, 3),
        'frames': len(clip.times),
        'unread': clip.unread,
        'seconds': seconds(clip, answers, style, rule),
    }


def seconds(clip: Clip, answers: Sequence[Prediction], style: Style, rule: Rule) -> list[Json]:
    """For each second the label of the mean scores of its frames; a second without a frame is as the one before."""
    found: list[Json] = []
    scores: list[tuple[float, ...]] = []
    for second in range(max(1, math.ceil(clip.duration))):
        own = [
            answer.scores
            for time, answer in zip(clip.times, answers, strict=True)
            if second <= time < second + 1 and answer.error is None
        ]
        scores = own or scores
        if scores:
            stop = min(float(second + 1), clip.duration)
            found.append({'start': second, 'stop': round(stop, 3), **_row(scores, style, rule)})
    return found


def _row(scores: Sequence[tuple[float, ...]], style: Style, rule: Rule) -> dict[str, Json]:
    mean = np.asarray(np.mean(scores, axis=0, dtype=np.float64), np.float32)
    answer = answered(mean, style.names, threshold=rule.holds if style.multi_label else None)
    if rule.threshold is not None:
        answer = style.decided(answer, rule.threshold)
    row = style.json(answer)
    return {'label': row['label'], 'score': round(float(mean.max()), 6), 'top': row.get('top', [])}
