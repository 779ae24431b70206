"""What the motion command is asked for: sources, the rule of labels, how frames are prepared, how they are divided."""

import argparse
import math
from dataclasses import asdict, dataclass, field

from preprocess import contiguous, group_split, preparation
from preprocess.bursts import BurstRule
from preprocess.contiguous import Contiguous
from preprocess.failures import UsageError
from preprocess.group_split import GroupSplit
from preprocess.labels import Labels
from preprocess.preparation import Preparation
from preprocess.settings import Settings

_EXAMPLE = 'python -m preprocess.motion tank.mp4 --output_dir motion'


@dataclass(frozen=True)
class MotionConfig:
    """Everything the flags say."""

    sources: tuple[str, ...]
    output_dir: str
    rule: BurstRule = BurstRule()
    preparation: Preparation = Preparation(gray=True)
    labels: tuple[str, ...] = ()  # the user's own, one file for each recording
    label_names: tuple[str, ...] = ('rest', 'burst')
    contiguous: Contiguous | None = None
    groups: GroupSplit | None = None
    frames_per_second: float = 30.0
    as_video: bool = False
    overwrite: bool = False
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        if not self.sources or not self.output_dir:
            where = '--output_dir' if self.sources else 'SOURCE'
            raise UsageError(f'{where} is missing', where=where, do=f'for instance: {_EXAMPLE}')
        if self.contiguous and self.groups:
            raise UsageError(
                'groups and times are two ways to split',
                where=f'{group_split.FLAG} and {contiguous.FLAG}',
                do='give one of them',
            )
        if not 0 < self.frames_per_second < math.inf:
            raise UsageError(
                f'{self.frames_per_second:g} is no rate', where='--fps', do='give a number above 0, such as 30'
            )
        _check_names(self.label_names, own=bool(self.labels))
        object.__setattr__(self, 'settings', self._settings())

    def _settings(self) -> Settings:
        """What the labels and rows depend on, beside the frames."""
        return {
            **({'labels': list(self.labels)} if self.labels else asdict(self.rule)),
            'label_names': list(self.label_names),
            'preparation': self.preparation.text,
            'fps': self.frames_per_second,
            'as_video': self.as_video,
            'contiguous': [str(share) for share in self.contiguous.shares] if self.contiguous else None,
            'split': ['='.join(word) for word in self.groups.words] if self.groups else None,
        }


def add_flags(parser: argparse.ArgumentParser) -> None:
    """All flags of the command."""
    rule = BurstRule()
    parser.add_argument(
        'sources',
        metavar='SOURCE',
        nargs='*',
        help='a video, its parts (a.mp4;b.mp4, a folder, a list), a folder of numbered frames, or a Y_tilde.npy',
    )
    parser.add_argument('--output_dir', metavar='DIR', help='gets signals, labels, labelled CSVs and motion.json')
    labels = parser.add_argument_group('labels')
    labels.add_argument('--n', type=int, default=rule.n, help='slices of 4 frames in a clip (default %(default)s)')
    labels.add_argument('--h', type=int, default=rule.h, help='frames looked ahead for a burst (default %(default)s)')
    labels.add_argument(
        '--b', type=float, default=rule.b, help='how near to the least motion rest is (default %(default)s)'
    )
    labels.add_argument('--c', type=float, default=rule.c, help='how much motion must vary (default %(default)s)')
    labels.add_argument(
        '--labels', nargs='+', default=(), metavar='Y_LABEL.npy', help='your own instead, one file for each recording'
    )
    labels.add_argument(
        '--label_names', default='rest,burst', metavar='A,B', help='what 0, 1, … are called (default %(default)s)'
    )
    frames = parser.add_argument_group('frames')
    preparation.add_flags(frames)
    frames.add_argument(
        '--fps', type=float, default=30.0, help='of frames in folders, for the time column (default %(default)s)'
    )
    frames.add_argument(
        '--as_video',
        action='store_true',
        help='make a lossless video of the frames of each folder, as prepared: rows are stretches of it, for windows',
    )
    split = parser.add_argument_group(
        'split (default: by folders called train, test …, else --contiguous 0.83,0.07,0.1)'
    )
    split.add_argument(
        '--contiguous',
        metavar='TRAIN,EVAL[,TEST]',
        help='every recording cut in time order: fractions (0.83,0.07,0.1) or counts of frames',
    )
    split.add_argument('--split', metavar='SIDES', help='whole recordings by name: train=tank1-tank3,eval=tank4')
    parser.add_argument('--overwrite', action='store_true', help='find the signals again, too')


def from_flags(flags: argparse.Namespace) -> MotionConfig:
    """The configuration the flags describe."""
    flags.gray = True  # the signal is one of brightness
    return MotionConfig(
        sources=tuple(flags.sources),
        output_dir=flags.output_dir or '',
        rule=BurstRule(flags.n, flags.h, flags.b, flags.c),
        preparation=preparation.from_flags(flags),
        labels=tuple(flags.labels),
        label_names=tuple(name.strip() for name in flags.label_names.split(',')),
        contiguous=None if flags.contiguous is None else Contiguous.parse(flags.contiguous),
        groups=None if flags.split is None else GroupSplit.parse(flags.split),
        frames_per_second=flags.fps,
        as_video=flags.as_video,
        overwrite=flags.overwrite,
    )


def _check_names(names: tuple[str, ...], *, own: bool) -> None:
    try:
        Labels(names)
    except ValueError as error:
        raise UsageError(str(error), where='--label_names', do='give names that differ, such as rest,burst') from error
    if len(names) < 2 or (len(names) > 2 and not own):
        raise UsageError(f'{len(names)} names for 2 classes', where='--label_names', do='give two, such as rest,burst')
