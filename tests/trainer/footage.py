"""A scored set of made-up recordings: bursts along time, and a model that finds most of them."""

import numpy as np

from trainer.embedded_set import EmbeddedSet
from trainer.moments import Moments
from trainer.scored_set import Question, ScoredSet


def scored(
    name: str = 'eval',
    labels: tuple[str, ...] = ('rest', 'burst'),
    *,
    videos: tuple[str, ...] = ('/lab/tank1.mp4', '/lab/tank2.mp4'),
    frames: int = 60,
) -> ScoredSet:
    """Recordings of so many frames at 10 a second; the first 5 and last 5 of each have no label."""
    random = np.random.default_rng(0)
    places = np.tile(np.arange(frames), len(videos))
    ids = places // 10 % len(labels)
    known = (places >= 5) & (places < frames - 5)
    scores = random.random((len(places), len(labels))).astype(np.float32)
    scores[np.arange(len(places)), ids] += np.repeat(np.arange(len(videos)), frames) * 0.3 + 0.5
    scores /= scores.sum(axis=1, keepdims=True)
    of = tuple(video for video in videos for _ in range(frames))
    rows = EmbeddedSet(
        name,
        tuple(f'{video}#frame={place}' for video, place in zip(of, places, strict=True)),
        random.normal(size=(len(places), 3)).astype(np.float32),
        tuple((int(label),) if is_known else () for label, is_known in zip(ids, known, strict=True)),
        tuple(f'group of {video}' for video in of),
        Moments(of, places, places / 10),
    )
    return ScoredSet(rows, scores, Question(labels, None, None, 0))
