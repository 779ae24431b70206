"""Sheets of when which label holds -> frame ranges, labelled rows of footage or of extracted frames, a report.

python -m preprocess.ranges rawcsv/P*.csv --output_dir labels
python -m preprocess.ranges rawcsv/P*.csv --videos 'S{subject}C*/*.MP4' --subjects P5-P11=1-7 \
    --split train=P5-P9,eval=P10,test=P11 --output_dir labels
"""

import argparse
import csv
from collections.abc import Sequence
from fractions import Fraction

from preprocess import clock_times, command, split_rules
from preprocess.clock_times import BadTime
from preprocess.command import FlagParser
from preprocess.failures import UsageError
from preprocess.labelling import Counting
from preprocess.labels import tidy
from preprocess.overlaps import OVERLAPS
from preprocess.progress import say
from preprocess.range_rules import ENDS, LAB_FPS, RangeRules
from preprocess.range_run import RangesConfig, make_ranges
from preprocess.range_times import CLAP, FIRST_ROW, MIDNIGHT, ClockRules, parse_offsets, parse_origins
from preprocess.sheet_columns import ColumnChoice

_NONE = 'none'
_EPILOG = "The lab's own frames, to the frame: --ends strict --frame_base 0 --ignore none."


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files, print the tables."""
    result = make_ranges(from_flags(_parser().parse_args(argv)))
    for note in result.notes:
        say(note)
    print(result.table)
    print()
    for path in (result.frame_ranges, *result.paths):
        print(path)
    return 0


def from_flags(flags: argparse.Namespace) -> RangesConfig:
    """The configuration the flags describe."""
    return RangesConfig(
        sheets=tuple(flags.sheets),
        output_dir=flags.output_dir,
        videos=tuple(flags.videos),
        frames=tuple(flags.frames),
        subjects=flags.subjects,
        columns=ColumnChoice.parse(flags.columns) if flags.columns else ColumnChoice(),
        clocks=ClockRules(parse_origins(flags.origin), parse_offsets(flags.video_offset), flags.midnight),
        rules=RangeRules(
            ends=flags.ends,
            overlap=flags.overlap,
            background=None if flags.background is None else tidy(flags.background),
            ignored=_ignored(flags.ignore),
            point_seconds=None if flags.point_seconds is None else _seconds(flags.point_seconds),
        ),
        fps=None if flags.fps is None else _rate(flags.fps),
        counting=Counting(flags.frame_base, flags.stride),
        split=split_rules.from_flags(flags),
        leave_one_out=flags.leave_one_out,
        image_root=flags.image_root,
    )


def _parser() -> FlagParser:
    parser = FlagParser(
        'python -m preprocess.ranges',
        'Turns sheets of times into frame ranges, labelled rows of footage or extracted frames, and a report.',
        epilog=_EPILOG,
    )
    parser.add_argument(
        'sheets',
        metavar='SHEET',
        nargs='+',
        help="the lab's rawcsv, video,label,start,stop, a BORIS export; .csv, .tsv, .xlsx, a pattern or a folder",
    )
    parser.add_argument('--output_dir', metavar='DIR', required=True, help='where the files go')
    parser.add_argument(
        '--columns', metavar='ROLE=COLUMN,…', help='columns by heading or place: label=PROCEDURE,start=2,stop=3'
    )
    _add_footage_flags(parser.add_argument_group('footage'))
    _add_clock_flags(parser.add_argument_group('clocks'))
    _add_rule_flags(parser.add_argument_group('rules'))
    sides = parser.add_argument_group('splits')
    split_rules.add_flags(sides)
    sides.add_argument(
        '--leave_one_out',
        action='store_true',
        help='for every group a folder leave_one_out/GROUP: sets to learn from all others, to evaluate on it',
    )
    sides.add_argument('--seed', type=int, default=0, help='another seed makes another split (default %(default)s)')
    return parser


def _add_footage_flags(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        '--videos',
        metavar='[SHEET=]PATTERN',
        action='append',
        default=[],
        help="recordings: 'P5=S1C*/*.MP4', 'S{subject}C{camera}/*.MP4'; files of one folder and camera are its pieces",
    )
    group.add_argument(
        '--frames',
        metavar='[SHEET=]PATTERN',
        action='append',
        default=[],
        help="frames already extracted: 'frames/S{subject}C{camera}{frame}.jpg', local, s3:// or gs://",
    )
    group.add_argument(
        '--stride', type=int, default=1, metavar='N', help='of extracted frames every N-th only (default %(default)s)'
    )
    group.add_argument(
        '--subjects',
        metavar='SHEET=SUBJECT,…',
        help='which {subject} a sheet is, where names differ: P5=1,P6=2 or P5-P8=1-4',
    )
    group.add_argument(
        '--image_root', metavar='DIR', help="folder that videos named in a sheet belong to (default: the sheet's)"
    )


def _add_clock_flags(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        '--origin',
        metavar=f'[SHEET=]{CLAP}|{FIRST_ROW}|TIME',
        action='append',
        default=[],
        help=f'what begins the recording: a label, the first row, a time (default: {CLAP} for times of a day, else 0)',
    )
    group.add_argument(
        '--video_offset',
        metavar='[NAME=]SECONDS',
        action='append',
        default=[],
        help="when that happens on the recording's clock; NAME is a sheet, or the folder, camera or name of a video",
    )
    group.add_argument(
        '--midnight',
        choices=sorted(MIDNIGHT),
        default='auto',
        help='times of a day run on past midnight where their dates agree (auto), by the clock alone, by their dates '
        'alone, or never (default %(default)s)',
    )
    group.add_argument(
        '--fps',
        metavar='RATE',
        help=f"frames a second: 25, 30000/1001 (default: what BORIS says, else the videos' own, else {LAB_FPS})",
    )
    group.add_argument(
        '--frame_base',
        type=int,
        choices=(0, 1),
        help='the number of the first frame (default: 0 if there is a frame 0, else 1)',
    )


def _add_rule_flags(group: argparse._ActionsContainer) -> None:
    default = RangeRules()
    group.add_argument(
        '--ends',
        choices=[*ENDS],
        default=default.ends,
        help="start <= t < stop, start < t < stop (the lab's), or start <= t <= stop (default %(default)s)",
    )
    group.add_argument(
        '--overlap',
        choices=OVERLAPS,
        default=default.overlap,
        help='the first row wins, ranges of different labels are rejected, or all labels hold (default %(default)s)',
    )
    group.add_argument('--background', metavar='LABEL', help='label of what no range holds (default: it is left out)')
    group.add_argument(
        '--ignore',
        metavar='LABEL,…',
        default=','.join(default.ignored),
        help='labels that do not count, or none (default %(default)s)',
    )
    group.add_argument(
        '--point_seconds', metavar='S', help='how long a point event lasts, around its moment (default: one frame)'
    )


def _ignored(flag: str) -> tuple[str, ...]:
    cells = next(csv.reader([flag]), [])
    labels = tuple(label for label in map(tidy, cells) if label)
    return () if labels == (_NONE,) else labels


def _rate(flag: str) -> Fraction:
    try:
        rate = Fraction(flag)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise UsageError(f'{flag!r} is no rate', where='--fps', do='give frames a second: 25 or 30000/1001')
    return rate


def _seconds(flag: str) -> Fraction:
    try:
        time = clock_times.parse(flag)
    except BadTime:
        time = None
    if time is None:
        raise UsageError(f'{flag!r} is no time', where='--point_seconds', do='give seconds: 0.5')
    return time.seconds


if __name__ == '__main__':
    command.run(main)
