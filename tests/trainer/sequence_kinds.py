"""Footage on which each kind of head can do well, and how it learns to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from preprocess.compiled import CompiledEncoder
from tests.models import tiny_encoder
from tests.trainer import clips
from tests.trainer.clips import Clip
from trainer.config import Learning, Schedule, TrainConfig


@dataclass(frozen=True)
class Kind:
    """Made-up footage, its labels, and how a head learns from it."""

    footage: Callable[..., Clip]
    labels: tuple[str, ...]
    learning: Learning


KINDS = {
    'softmax': Kind(clips.solid, clips.SOLID_LABELS, Learning(max_steps=100, batch_size=20, hidden_units=16)),
    'lstm': Kind(
        clips.colours,
        clips.COLOUR_LABELS,
        Learning(
            head='lstm',
            window=4,
            hidden_units=16,
            max_steps=125,
            batch_size=32,
            dropout=0.1,
            learning_rate=0.01,
        ),
    ),
    'convlstm': Kind(
        clips.dots,
        clips.DOT_LABELS,
        Learning(head='convlstm', window=6, clip_frames=2, filters=4, max_steps=100, batch_size=16, learning_rate=0.01),
    ),
    'cnn': Kind(
        clips.shapes,
        clips.SHAPE_LABELS,
        Learning(
            head='cnn',
            filters=6,
            layers=2,
            hidden_units=32,
            dropout=0.2,
            max_steps=200,
            batch_size=32,
            augment='h,v',
        ),
    ),
}
WINDOWS = {'softmax': 1, 'lstm': 4, 'convlstm': 6, 'cnn': 1}


def encoder(directory: Path, kind: Kind) -> CompiledEncoder:
    frame = kind.footage('x').frames.shape[1:]
    return (
        tiny_encoder(directory) if kind.learning.head in ('softmax', 'lstm') else clips.pixel_encoder(directory, frame)
    )


def footage(directory: Path, kind: Kind) -> TrainConfig:
    compiled = encoder(directory / 'encoder', kind)
    train, evaluation = (
        clips.write(
            directory,
            name,
            [kind.footage(f'{name}{seed}.mp4', seed=seed + offset) for seed in range(count)],
            kind.labels,
            compiled,
        )
        for name, count, offset in (('train', 9, 0), ('eval', 3, 100))
    )
    return TrainConfig(
        train_data_paths=(train,),
        eval_data_paths=(evaluation,),
        output_path=str(directory / 'out'),
        learning=kind.learning,
        schedule=Schedule(eval_interval_secs=1000),
    )
