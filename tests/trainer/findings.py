"""An evaluation of a small made-up set, with whatever labels and file names a test wants."""

import numpy as np

from trainer import confusion, evaluation, leakage, mistakes, scored_set
from trainer.accounts import Account, Frames, RejectExample, Rejects
from trainer.embedded_set import EmbeddedSet
from trainer.evaluation import Evaluation, ServingAgreement
from trainer.findings import Findings
from trainer.history import CurvePoint
from trainer.predictions import BeforeAndNow
from trainer.scored_set import Question, ScoredSet
from trainer.timeline_pictures import Pictures


def sharp_scores(label_ids: list[int], classes: int, wrong: set[int]) -> np.ndarray:
    """0.9 for the label of each row, or in the rows of `wrong` for the class after it."""
    said = [(label + (row in wrong)) % classes for row, label in enumerate(label_ids)]
    scores = np.full((len(said), classes), 0.1 / (classes - 1), np.float32)
    scores[np.arange(len(said)), said] = 0.9
    return scores


def scored(
    name: str, labels: tuple[str, ...], *, wrong: set[int] | None = None, folder: str = '/p/', rows: int = 60
) -> ScoredSet:
    """A set whose rows have the labels in turn, and vectors that tell them apart."""
    ids = [row % len(labels) for row in range(rows)]
    vectors = np.random.default_rng(len(name)).normal(size=(rows, 8)).astype(np.float32)
    vectors[np.arange(rows), np.array(ids) % 8] += 6
    members = EmbeddedSet(
        name,
        tuple(f'{folder}{name}{row}.jpg' for row in range(rows)),
        vectors,
        tuple((index,) for index in ids),
        (None,) * rows,
    )
    return ScoredSet(members, sharp_scores(ids, len(labels), wrong or set()), Question(labels, None, None, 0))


def findings(
    labels: tuple[str, ...] = ('cat', 'dog', 'fox'), *, folder: str = '/p/', text: str = 'so it is'
) -> Findings:
    """Everything a report can hold; `folder` begins every file name, `text` is what messages and settings say."""
    train = scored('train', labels, folder=folder)
    asked, kept_back = (scored(name, labels, wrong={3, 4, 5, 20}, folder=folder) for name in ('eval', 'test'))
    train.rows.vectors[:2] = asked.rows.vectors[3:5]
    held = scored_set.yardsticks(train.rows, train.question)
    shared, twins = leakage.find([train.rows, asked.rows, kept_back.rows], labels)
    result = Evaluation(
        model_dir='/run/model',
        model_sha256='0' * 64,
        predictions_sha256='1' * 64,
        labels=labels,
        eval=asked.result(held, twins['eval']),
        test=kept_back.result(held, twins['test']),
        before_and_now=BeforeAndNow(50, 0.8, 0.94),
        leakage=shared,
        serving_agreement=ServingAgreement(200, 1, 0.995, 0.01, 0.001),
        notices=(f'Mind this: {text}.',),
        paths=evaluation.paths('/run'),
    )
    example = RejectExample(f'{folder}rows.csv:17', f'{folder}gone.jpg', text)
    per_label = dict(zip(labels, train.rows.counts(len(labels)), strict=True))
    return Findings(
        evaluation=result,
        accounts=(
            Account('train', 70, 62, 7, 1, 2, per_label, (Rejects('missing', 7, (example,)),), 62),
            Account('eval', 6, 6, 0, 0, 0, per_label, (), 60, Frames(72, 12, (Rejects('corrupt', 12, (example,)),))),
        ),
        mistakes=mistakes.find(asked.predictions, asked.confidence(), with_thumbnails=True),
        confusion=confusion.draw(asked.grid()),
        test_confusion=confusion.draw(kept_back.grid()),
        roc=None,
        timelines=Pictures((), 0),
        test_timelines=Pictures((), 0),
        curves=(CurvePoint(1, 0.1, 1.1, 0.3, 0.5, 1.2, 0.3, 0.5), CurvePoint(100, 2.0, 0.1, 1.0, 1.0, 0.4, 0.9, 0.97)),
        settings={'Training': {'max_steps': 100, 'label': text, 'labels': list(labels)}, 'Empty': {}},
        made_at='2026-01-02 03:04 UTC',
    )
