"""How fast a head trains, beside Keras, the bare compiled step and scikit-learn: `python benchmarks/training.py`.

Everything over the same records of drawn vectors, in one run; ratios of medians, because machines are noisy.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np  # after the log level, which TensorFlow reads when it is loaded
import results
import tensorflow as tf
from numpy.typing import NDArray

from preprocess import record_sets, records
from preprocess.records import Record, RecordWriter
from trainer import data, heads, training
from trainer.batches import InMemory
from trainer.class_weights import make as class_weights
from trainer.classes import Classes
from trainer.config import Learning, Schedule, TrainConfig
from trainer.head_spec import HeadSpec
from trainer.layers import Mode
from trainer.network import Network, Recipe

VECTOR_SIZE = 2048
CLASSES = 10
BATCH = 100
STRETCH = 25
# What a way leaves running for a moment (a queue that fills up) must not count for the next.
PAUSE_S = 1.0


def main() -> None:
    """Measure, print, and leave the figures for RESULTS.md."""
    flags = _flags()
    with tempfile.TemporaryDirectory() as scratch:
        paths = _write_records(Path(scratch), flags.rows)
        examples = _examples(paths['train'], flags.rows)
        found = _measure(examples, paths, flags)
        found |= _whole_run(paths, Path(scratch), flags.steps)
    found['ours / keras'] = found['ours, steps/s'] / found['keras model.fit, steps/s']
    found['ours / bare step'] = found['ours, steps/s'] / found['bare compiled step, steps/s']
    together = found['bare steps compiled 25 at a time, steps/s']
    found['ours / bare steps 25 at a time'] = found['ours, steps/s'] / together
    for name, value in found.items():
        print(f'{name:<45} {value:,.3f}')
    results.write(
        'training', f'Training a head: batches of {BATCH}, {flags.rows:,} records of {VECTOR_SIZE} numbers', found
    )


def _measure(examples: data.ExampleSet, paths: dict[str, str], flags: argparse.Namespace) -> dict[str, float]:
    """Steps a second of each way, the ways taking turns."""
    ways = {
        'ours, steps/s': _ours(examples),
        'bare compiled step, steps/s': _bare(examples, 1),
        'bare steps compiled 25 at a time, steps/s': _bare(examples, STRETCH),
        'keras model.fit, steps/s': _keras(paths['train']),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(2 * STRETCH)  # tracing and the first steps are nobody's speed
    for _ in range(flags.rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way(flags.steps // 2)
            rates[name].append(flags.steps // 2 / (time.perf_counter() - begun))
            time.sleep(PAUSE_S)
    return {name: statistics.median(found) for name, found in rates.items()}


def _ours(examples: data.ExampleSet) -> Callable[[int], None]:
    spec = HeadSpec(VECTOR_SIZE, CLASSES)
    weights = class_weights('none', examples.classes, examples.counts(), len(examples))
    recipe = Recipe(spec=spec, batch_size=BATCH, optimizer='adam', learning_rate=1e-3, l2=0.0, weights=weights, seed=0)
    network = Network(recipe, tf.distribute.get_strategy())
    batches = InMemory(examples, BATCH, 0)

    def train(steps: int) -> None:
        for first in range(0, steps, STRETCH):
            for work in batches.steps(first, first + STRETCH):
                network.learn(work, first)

    return train


def _bare(examples: data.ExampleSet, together: int) -> Callable[[int], None]:
    """Nothing but the arithmetic, so many steps compiled together, on tensors whose batches were cut beforehand."""
    spec = HeadSpec(VECTOR_SIZE, CLASSES)
    weights = [tf.Variable(weight) for weight in heads.initial_weights(spec, 0)]
    slots = [(tf.Variable(tf.zeros_like(w)), tf.Variable(tf.zeros_like(w))) for w in weights]
    rows = len(examples.rows) // BATCH * BATCH
    assert examples.values is not None
    embeddings = tf.reshape(examples.values[:rows], [-1, BATCH, VECTOR_SIZE])
    targets = tf.reshape(examples.targets[:rows], [-1, BATCH])

    def step(x: tf.Tensor, y: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = heads.logits(spec, weights, x, mode=Mode(drop=lambda values, _: tf.nn.dropout(values, 0.5)))
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        for weight, (m, v), gradient in zip(weights, slots, tape.gradient(loss, weights), strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=tf.pow(0.9, number),
                beta2_power=tf.pow(0.999, number),
                lr=1e-3,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-7,
                grad=gradient,
            )
        return loss

    @tf.function
    def stretch(first: tf.Tensor) -> tf.Tensor:
        loss = tf.constant(0.0)
        for number in tf.range(first, first + together):
            at = number % len(embeddings)
            loss = step(embeddings[at], targets[at], tf.cast(number + 1, tf.float32))
        return loss

    def train(steps: int) -> None:
        for first in range(0, steps, together):
            loss = stretch(tf.constant(first))
        loss.numpy()

    return train


def _keras(path: str) -> Callable[[int], None]:
    """The same head with Keras' defaults, over the same records read by tf.data."""
    import keras

    features = {
        'embedding': tf.io.FixedLenFeature([VECTOR_SIZE], tf.float32),
        'label': tf.io.FixedLenFeature([], tf.int64),
    }

    def parsed(serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_example(serialised, features)
        return example['embedding'], example['label']

    shards = list(record_sets.find_records([path]).paths)
    dataset = tf.data.TFRecordDataset(shards, 'GZIP').shuffle(1000).batch(BATCH).map(parsed)
    dataset = dataset.repeat().prefetch(tf.data.AUTOTUNE)
    model = keras.Sequential(
        [
            keras.layers.Dense(512, activation='relu'),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(CLASSES, activation='softmax'),
        ]
    )
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    return lambda steps: model.fit(dataset, steps_per_epoch=steps, verbose=0)


def _whole_run(paths: dict[str, str], scratch: Path, steps: int) -> dict[str, float]:
    """A training as users run it: its share of reading, its accuracy; and logistic regression to the same."""
    from sklearn.linear_model import LogisticRegression

    config = TrainConfig(
        train_data_paths=(paths['train'],),
        eval_data_paths=(paths['eval'],),
        output_path=str(scratch / 'out'),
        learning=Learning(max_steps=steps),
        schedule=Schedule(verbosity='ERROR'),
    )
    begun = time.perf_counter()
    for name, side in (('training', 'train'), ('evaluation', 'eval')):
        data.read(name, record_sets.find_records([paths[side]]))
    reading_s = time.perf_counter() - begun
    begun = time.perf_counter()
    result = training.train(config)
    whole_s = time.perf_counter() - begun
    (train_x, train_y), (eval_x, eval_y) = (_arrays(paths[side]) for side in ('train', 'eval'))
    for iterations in (5, 10, 15, 20, 30, 50, 100, 200):
        begun = time.perf_counter()
        with warnings.catch_warnings(action='ignore'):  # it is stopped before it would end by itself
            regression = LogisticRegression(max_iter=iterations).fit(train_x, train_y)
        regression_s = time.perf_counter() - begun
        if regression.score(eval_x, eval_y) >= result.chosen.eval.accuracy:
            break
    return {
        'whole training, s': whole_s,
        'reading the training and evaluation records, s': reading_s,
        'reading / whole': reading_s / whole_s,
        'accuracy': result.chosen.eval.accuracy,
        'scikit-learn LogisticRegression to the same accuracy, s': regression_s,
        'its accuracy': float(regression.score(eval_x, eval_y)),
    }


def _arrays(path: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    found = [record for shard in record_sets.find_records([path]).paths for record in records.read(shard)]
    return np.stack([one.embedding for one in found if one.embedding is not None]), np.array(
        [one.label_ids[0] for one in found]
    )


def _examples(path: str, rows: int) -> data.ExampleSet:
    raw = data.read('training', record_sets.find_records([path]))
    assert len(raw.labels.counts) == rows
    names = tuple(str(label) for label in range(CLASSES))
    return data.examples(raw, Classes(names, multi_label=False, unlabelled=False))


def _write_records(scratch: Path, rows: int) -> dict[str, str]:
    """Vectors like a network's: not negative, many near zero, classes that overlap."""
    random = np.random.default_rng(0)
    centres = random.gamma(0.3, 1.0, (CLASSES, VECTOR_SIZE)).astype(np.float32)
    paths = {}
    for side, count in (('train', rows), ('eval', rows // 10)):
        shards = max(count // 5000, 1)
        for shard in range(shards):
            path = scratch / f'{side}-{shard:05d}-of-{shards:05d}.tfrecord.gz'
            with RecordWriter(str(path)) as writer:
                for row in range(shard, count, shards):
                    label = row % CLASSES
                    noise = random.gamma(0.3, 2.0, VECTOR_SIZE).astype(np.float32)
                    writer.write(
                        Record(f'/pictures/{row}.jpg', (0.2 * centres[label] + noise).astype(np.float32), (label,))
                    )
        paths[side] = str(scratch / f'{side}-*.tfrecord.gz')
    return paths


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rows', type=int, default=20_000, help='training records (default 20000)')
    parser.add_argument('--steps', type=int, default=1000, help='steps of a training (default 1000)')
    parser.add_argument('--rounds', type=int, default=5, help='how often the ways take turns (default 5)')
    return parser.parse_args()


if __name__ == '__main__':
    main()
