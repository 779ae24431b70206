"""An LSTM on the motion signal alone: what windows of it tell, without a pixel, by the trainer of all heads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess import files
from preprocess.labels import Labels
from preprocess.progress import Progress
from preprocess.records import Record, RecordWriter
from trainer import training
from trainer.config import TrainConfig
from trainer.motion_answers import Answer, Answers, known_then
from trainer.motion_lstm_config import LstmConfig
from trainer.motion_sets import MotionSet, Stretch

_RECORDS, _DICTIONARY = 'records', 'dict.txt'


@dataclass(frozen=True)
class _Scale:
    """What the signal is divided by: values near 0.001 teach nothing."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, motion: MotionSet) -> '_Scale':
        values = np.concatenate([stretch.signal for stretch in motion.stretches])
        return cls(float(values.mean()), float(values.std()) or 1.0)

    def vectors(self, stretch: Stretch) -> NDArray[np.float32]:
        """float32[frames, 1]: at each frame the motion into it."""
        return ((known_then(stretch.signal) - self.mean) / self.deviation).astype(np.float32)


def fit(train: MotionSet, held_out: MotionSet, label_names: tuple[str, ...], config: LstmConfig, folder: str) -> Answer:
    """Learn from one set, the best weights being those that do best on the other; complete, it is not done again."""
    scale = _Scale.of(train)
    Labels(label_names).write(files.join(folder, _DICTIONARY))
    paths = {name: _write(one, scale, files.join(folder, _RECORDS, name)) for name, one in _sets(train, held_out)}
    result = training.train(
        TrainConfig(
            train_data_paths=(paths['train'],),
            eval_data_paths=(paths['eval'],),
            output_path=folder,
            input_dict=files.join(folder, _DICTIONARY),
            redo_if_changed=True,
            learning=config.learning(),
        )
    )
    head = result.head()

    def answer(stretch: Stretch) -> Answers:
        answers = np.zeros((len(stretch), len(label_names)))
        first = config.valid(len(stretch)).start
        if first < len(stretch):
            windows = np.lib.stride_tricks.sliding_window_view(scale.vectors(stretch), config.window, axis=0)
            # One window ends with each frame; the first of them begins with a motion nobody saw.
            answers[first:] = head.scores(windows[first - config.window + 1 :].transpose(0, 2, 1))
        return answers

    return answer


def _sets(train: MotionSet, held_out: MotionSet) -> tuple[tuple[str, MotionSet], ...]:
    return ('train', train), ('eval', held_out)


def _write(motion: MotionSet, scale: _Scale, prefix: str) -> str:
    """The set as records of one number each; where they are."""
    path = f'{prefix}-00000-of-00001.tfrecord.gz'
    with (
        Progress(f'writing the {motion.name} signal as records', unit='frames') as progress,
        RecordWriter(path) as writer,
    ):
        for place, stretch in enumerate(motion.stretches):
            for row, vector in enumerate(scale.vectors(stretch)):
                label = stretch.labels[row]
                writer.write(
                    Record(
                        stretch.uris[row],
                        vector,
                        () if np.isnan(label) else (int(label),),
                        stretch.group,
                        video=f'{stretch.videos[row]}#{place}',
                        frame=int(stretch.frames[row]),
                        time=float(stretch.times[row]),
                        step=row,
                    )
                )
                progress.advance()
    return path
