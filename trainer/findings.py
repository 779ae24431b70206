"""The nouns of the report: everything it is made of, and one part of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from preprocess.settings import Json
from trainer.accounts import Account
from trainer.drawings import Drawing
from trainer.evaluation import Evaluation
from trainer.history import CurvePoint
from trainer.mistakes import Mistakes
from trainer.thresholds import Roc
from trainer.timeline_pictures import Pictures


@dataclass(frozen=True)
class Findings:
    """Everything a report is made of."""

    evaluation: Evaluation
    accounts: tuple[Account, ...]
    mistakes: Mistakes
    confusion: Drawing
    test_confusion: Drawing | None
    roc: Roc | None  # of the class looked for
    timelines: Pictures
    test_timelines: Pictures
    curves: tuple[CurvePoint, ...]
    settings: Mapping[str, Mapping[str, Json]]  # heading -> name -> value
    made_at: str


@dataclass(frozen=True)
class Section:
    """One part of the report; `slug` is its address in the page and the name of its template."""

    slug: str
    title: str
    view: object
