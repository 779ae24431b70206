"""Records as the earlier systems left them: shards without a manifest, of classes that are easy to tell apart."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from preprocess.records import Record, RecordWriter
from trainer.config import Learning, Schedule, TrainConfig

WIDTH = 8


def write(
    directory: Path, name: str, vectors: np.ndarray, labels: Sequence[tuple[int, ...]], *, shards: int = 2
) -> str:
    """Write records name0.jpg, name1.jpg … dealt over the shards; the glob that finds them."""
    for shard in range(shards):
        with RecordWriter(f'{directory}/{name}-{shard:05d}-of-{shards:05d}.tfrecord.gz') as writer:
            for row in range(shard, len(vectors), shards):
                writer.write(Record(f'{name}{row}.jpg', np.asarray(vectors[row], np.float32), tuple(labels[row])))
    return f'{directory}/{name}-*'


def write_footage(directory: Path, name: str, runs: Sequence[int], *, per_shard: Sequence[int]) -> str:
    """Write frames that carry their number, labelled by whether it is odd: runs of so many without a cut, so many runs
    a shard, two runs a recording; the glob that finds them."""
    number = run = 0
    for shard, count in enumerate(per_shard):
        with RecordWriter(f'{directory}/{name}-{shard:05d}-of-{len(per_shard):05d}.tfrecord.gz') as writer:
            for length in runs[run : run + count]:
                for _ in range(length):
                    # A cut is a step that is missing.
                    step = number + run
                    vector, video = np.array([number, 0], np.float32), f'{name}{run // 2}.mp4'
                    place = {'video': video, 'frame': step, 'time': step / 10, 'step': step}
                    writer.write(Record(f'{video}#frame={step}', vector, (number % 2,), **place))
                    number += 1
                run += 1
    return f'{directory}/{name}-*'


def clusters(rows: int, *, classes: int = 3, seed: int = 0, spread: float = 0.5) -> tuple[np.ndarray, list[tuple[int]]]:
    """Vectors around one corner for each class, and their labels, one class after the other."""
    labels = [row % classes for row in range(rows)]
    noise = np.random.default_rng(seed).normal(0, spread, (rows, WIDTH))
    return 3 * np.eye(WIDTH)[labels] + noise, [(label,) for label in labels]


def both_sets(directory: Path, *, rows: int = 60, **more: float) -> TrainConfig:
    """A training set, an evaluation set a third as large, and a quiet, short training on them."""
    train = write(directory, 'train', *clusters(rows, seed=1, **more))
    evaluation = write(directory, 'eval', *clusters(rows // 3, seed=2, **more), shards=1)
    return TrainConfig(
        train_data_paths=(train,),
        eval_data_paths=(evaluation,),
        output_path=str(directory / 'out'),
        label_count=3,
        learning=Learning(max_steps=100, batch_size=20, hidden_units=16),
        schedule=Schedule(eval_interval_secs=0),
    )


def learning(config: TrainConfig, **changes: object) -> TrainConfig:
    """The same training with other settings."""
    return replace(config, learning=replace(config.learning, **changes))
