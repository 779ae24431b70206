"""Frames of a video as picture files, numbered as ffmpeg numbers them, or as you like.

python -m preprocess.frames lecture.mp4 --output_dir frames
python -m preprocess.frames S4C2/ --output_dir frames --every_frame --size 224x224 --name 'S4C2%06d.jpg'
python -m preprocess.frames tank.mp4 --output_dir frames --every_frame --name '%05d.png' --first 0 --gray
"""

import argparse
from collections.abc import Sequence

from preprocess import claims, command, files, preparation, recordings, sampling
from preprocess.command import FlagParser
from preprocess.frame_options import FORMATS, FrameNames, FramesConfig
from preprocess.options import VERBOSITIES
from preprocess.progress import say

_DEFAULT = FramesConfig('', '')


def main(argv: Sequence[str] | None = None) -> int:
    """Write the frames, say in one line what was written."""
    flags = _parser().parse_args(argv)
    config = _config(flags)
    command.require('av', extra='video', why='videos')
    from preprocess import frame_files

    command.log_to(files.join(config.output_dir, frame_files.LOG), verbosity=flags.verbosity)
    with claims.Claim(files.join(config.output_dir, frame_files.CLAIM), doing='preprocess.frames'):
        outcome = frame_files.write_frames(config, overwrite=flags.overwrite)
    for note in outcome.notes:
        say(note)
    print(outcome.line)
    return 0


def _config(flags: argparse.Namespace) -> FramesConfig:
    return FramesConfig(
        source=files.absolute(recordings.typed(flags.source)),
        output_dir=flags.output_dir,
        names=FrameNames.of(flags.name, kind=flags.format, first=flags.first),
        quality=flags.quality,
        sampling=sampling.from_flags(flags),
        start=flags.start,
        stop=flags.stop,
        preparation=preparation.from_flags(flags),
        max_reject_fraction=flags.max_reject_fraction,
        threads=flags.threads,
    )


def _parser() -> FlagParser:
    parser = FlagParser('python -m preprocess.frames', 'Writes frames of a video as picture files.', epilog=__doc__)
    parser.add_argument(
        'source',
        metavar='SOURCE',
        help="a video; its parts as 'a.mp4;b.mp4', as a folder, or as ffmpeg's list (mylist.txt)",
    )
    parser.add_argument('--output_dir', metavar='DIR', required=True, help='where the pictures go')
    _add_name_flags(parser)
    sampling.add_flags(parser)
    parser.add_argument(
        '--start', type=float, default=0.0, metavar='S', help='only frames from this second of the recording on'
    )
    parser.add_argument('--stop', type=float, metavar='S', help='only frames before this second of the recording')
    preparation.add_flags(parser)
    parser.add_argument(
        '--max_reject_fraction',
        type=float,
        default=_DEFAULT.max_reject_fraction,
        metavar='F',
        help='exit code 4 when more of the frames can not be decoded (default %(default)s)',
    )
    parser.add_argument('--threads', type=int, metavar='N', help='threads that decode (default: one of each core)')
    parser.add_argument('--overwrite', action='store_true', help='write every frame again, whatever is there')
    parser.add_argument(
        '--verbosity', choices=VERBOSITIES, default='INFO', help='what log.txt holds (default %(default)s)'
    )
    return parser


def _add_name_flags(parser: FlagParser) -> None:
    parser.add_argument(
        '--name',
        metavar='PATTERN',
        help='names of the files, %%06d being the number: S4C2%%06d.jpg (default: %%06d and the format)',
    )
    parser.add_argument(
        '--first',
        type=int,
        default=_DEFAULT.names.first,
        metavar='N',
        help="the number of the recording's first frame (default %(default)s, as ffmpeg counts)",
    )
    parser.add_argument('--format', choices=FORMATS, help="the format, where the names don't say it (default jpg)")
    parser.add_argument(
        '--quality', type=int, default=_DEFAULT.quality, metavar='Q', help='of JPEG, 1 to 100 (default %(default)s)'
    )


if __name__ == '__main__':
    command.run(main)
