"""What a training came to: train/result.json, there only when the training is complete."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from preprocess import files
from preprocess.failures import InputError
from preprocess.settings import Json
from trainer.classes import Classes

if TYPE_CHECKING:
    from trainer.heads import TrainedHead

FILE = 'result.json'


@dataclass(frozen=True)
class Quality:
    """What was measured over a whole set."""

    loss: float
    accuracy: float
    auc: float | None
    constant: bool = False  # the scores are the same for every input

    def text(self, majority: float) -> str:
        """`0.463, 0.763 (majority class 0.500), AUC 0.812`: loss and accuracy as the earlier trainers wrote them."""
        auc = '' if self.auc is None else f', AUC {self.auc:.3f}'
        return f'{self.loss:.3f}, {self.accuracy:.3f} (majority class {majority:.3f}){auc}'


@dataclass(frozen=True)
class Scored:
    """The weights after some step, measured on both sets."""

    step: int
    train: Quality
    eval: Quality


@dataclass(frozen=True)
class TrainResult:
    """A complete training; `head` reads its weights."""

    checkpoint_dir: str
    steps: int
    best: Scored
    last: Scored
    majority_train: float  # accuracy of always answering the training set's most common class
    majority_eval: float
    classes: Classes
    head_spec: Mapping[str, Json]
    settings: Mapping[str, Json]
    digest: str
    export_last: bool = False
    skipped: bool = False  # it was complete already

    @property
    def chosen(self) -> Scored:
        """The weights that are exported."""
        return self.last if self.export_last else self.best

    def head(self) -> 'TrainedHead':
        """The head with the chosen weights, from the checkpoint."""
        from trainer import checkpoints
        from trainer.head_spec import HeadSpec
        from trainer.heads import TrainedHead

        kept = checkpoints.latest(self.checkpoint_dir)
        if kept is None:
            raise InputError(
                'the training is complete, but its checkpoint is gone or damaged',
                where=self.checkpoint_dir,
                do='train again with --overwrite',
            )
        last = self.export_last or kept.best is None
        weights = kept.network.weights if last or kept.best is None else kept.best.weights
        return TrainedHead(HeadSpec(**self.head_spec), weights)  # type: ignore[arg-type]  # JSON of its own fields

    def write(self) -> None:
        """Publish: from here on the training is complete."""
        content = asdict(self)
        for name in ('checkpoint_dir', 'export_last', 'skipped'):
            del content[name]
        text = json.dumps(content, indent=1, ensure_ascii=False) + '\n'
        files.write_atomic(files.join(self.checkpoint_dir, FILE), text.encode())


def read(checkpoint_dir: str, *, export_last: bool) -> TrainResult | None:
    """The result of a complete training; None where there is none."""
    try:
        content = json.loads(files.read_text(files.join(checkpoint_dir, FILE)))
        return TrainResult(
            checkpoint_dir,
            export_last=export_last,
            skipped=True,
            **{
                **content,
                'best': _scored(content['best']),
                'last': _scored(content['last']),
                'classes': Classes(**{**content['classes'], 'names': tuple(content['classes']['names'])}),
            },
        )
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f'not the result of a training this version reads: {error}',
            where=files.join(checkpoint_dir, FILE),
            do='train again with --overwrite',
        ) from None


def _scored(content: dict[str, dict[str, float]]) -> Scored:
    return Scored(
        step=cast('int', content['step']),
        train=Quality(**content['train']),  # type: ignore[arg-type]  # JSON's numbers
        eval=Quality(**content['eval']),  # type: ignore[arg-type]  # as above
    )
