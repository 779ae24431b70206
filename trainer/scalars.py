"""Curves for others to read: TensorBoard's events, and the metric file of a hyper-parameter study."""

import json
import os
import tempfile
import time
from collections.abc import Callable

import tensorflow as tf

from preprocess import files, near
from preprocess.files import FileStat
from trainer.environment import Environment
from trainer.result import Quality

# An event file is copied whole each time.
_COPY_EVERY_S = 30.0
TRAIN, TRAIN_SET, EVAL_SET = 'train', 'train_set', 'eval_set'


class Scalars:
    """Writes scalars below a directory, each kind into a folder of its own.

    For a directory on the network, which TensorFlow can't write to, they are written here and copied now and then.
    """

    def __init__(self, log_dir: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log_dir = log_dir
        self._is_remote = files.is_remote(log_dir)
        self._here = tempfile.mkdtemp(dir=near.folder()) if self._is_remote else files.without_scheme(log_dir)
        self._clock = clock
        self._copied_at = clock()
        self._copied: set[FileStat] = set()
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def quality(self, of_set: str, step: int, quality: Quality) -> None:
        """loss, accuracy and auc of a set."""
        found = {'loss': quality.loss, 'accuracy': quality.accuracy, 'auc': quality.auc}
        self.write(of_set, step, {name: value for name, value in found.items() if value is not None})

    def write(self, kind: str, step: int, values: dict[str, float]) -> None:
        """Some scalars at a step."""
        if kind not in self._writers:
            self._writers[kind] = tf.summary.create_file_writer(files.join(self._here, kind))
        with self._writers[kind].as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def flush(self) -> None:
        """What was written so far can be seen from now on."""
        for writer in self._writers.values():
            writer.flush()
        if self._is_remote and self._clock() - self._copied_at >= _COPY_EVERY_S:
            self._copy()

    def close(self) -> None:
        """Nothing more will be written."""
        for writer in self._writers.values():
            writer.close()
        if self._is_remote:
            self._copy()

    def _copy(self) -> None:
        self._copied_at = self._clock()
        start = len(files.join(self._here, ''))
        for found in list(files.list_dir(self._here, recursive=True)):
            if found not in self._copied:
                files.copy(found.uri, files.join(self._log_dir, found.uri[start:]))
                self._copied.add(found)


def report_trial(environment: Environment, step: int, quality: Quality) -> None:
    """Tell a hyper-parameter study how good the evaluation set came out, where there is a study."""
    if environment.metric_file is None:
        return
    found = {'eval_loss': quality.loss, 'eval_accuracy': quality.accuracy, 'eval_auc': quality.auc}
    os.makedirs(os.path.dirname(os.path.abspath(environment.metric_file)), exist_ok=True)
    with open(environment.metric_file, 'a', encoding='utf-8') as opened:
        for name, value in found.items():
            if value is not None:
                # The reader, cloudml-hypertune's, expects numbers as texts.
                said = {
                    'timestamp': time.time(),
                    'trial': environment.metric_trial,
                    name: str(value),
                    'global_step': str(step),
                }
                opened.write(json.dumps(said) + '\n')
