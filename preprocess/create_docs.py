"""A folder or CSV of labelled pictures -> train_set.csv, eval_set.csv (test_set.csv), all_data.csv and dict.txt.

python -m preprocess.create_docs Samples
python -m preprocess.create_docs birds.csv --output_dir docs --group_pattern video_frame_box --balance
"""

import argparse
import csv
import dataclasses
from collections.abc import Sequence

from preprocess import command, files, rows, split_rules
from preprocess.command import FlagParser
from preprocess.documents import DocsConfig, create_docs
from preprocess.labels import tidy
from preprocess.progress import say
from preprocess.samples import Reading


def add_flags(parser: argparse._ActionsContainer) -> None:
    """The flags of splitting alone; `pipeline.py` has them too, beside flags that others share."""
    split_rules.add_flags(parser)
    parser.add_argument(
        '--group_pattern',
        metavar='REGEX|video_frame_box',
        help='finds the group (subject, video) in a path: a group is never on both sides of a split',
    )
    parser.add_argument(
        '--label_order',
        metavar='A,B,C',
        default='',
        help='labels in the order of their ids; others follow (default: sorted, positive before negative)',
    )
    parser.add_argument(
        '--balance',
        action='store_true',
        help="cut every class of the training set to the smallest one's size, within each group first",
    )


def from_flags(flags: argparse.Namespace, *, source: str, output_dir: str) -> DocsConfig:
    """The configuration the flags describe; --image_root, --ignore_label_case and --seed are among them."""
    reading = Reading(
        image_root=flags.image_root,
        group_pattern=flags.group_pattern,
        ignore_label_case=flags.ignore_label_case,
        label_order=_label_order(flags.label_order),
    )
    return DocsConfig(
        source=source,
        output_dir=output_dir,
        split=split_rules.from_flags(flags),
        balance=flags.balance,
        reading=reading,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the documents, print the table of classes and splits."""
    flags = _parser().parse_args(argv)
    config = from_flags(flags, source=flags.source, output_dir=flags.output_dir or '')
    config = dataclasses.replace(config, leave_one_out=flags.leave_one_out)
    # Looked for after the flags were found to be possible.
    result = create_docs(dataclasses.replace(config, output_dir=config.output_dir or _beside(config.source)))
    for note in result.notes:
        say(note)
    print(result.table)
    print()
    for path in (*result.paths.values(), result.dictionary, *result.folds.values()):
        print(path)
    return 0


def _parser() -> FlagParser:
    parser = FlagParser(
        'python -m preprocess.create_docs',
        'Makes the CSVs of a split and the dictionary of labels from a folder of labelled pictures or a CSV.',
    )
    parser.add_argument(
        'source', metavar='SOURCE', help='DIR with DIR/<label>/*.jpg, or a CSV of image,label (comma list, pattern)'
    )
    parser.add_argument('--output_dir', metavar='DIR', help='where the files go (default: the folder of SOURCE)')
    add_flags(parser)
    parser.add_argument(
        '--leave_one_out',
        action='store_true',
        help='for every group a folder leave_one_out/GROUP: sets to learn from all others, to evaluate on it',
    )
    parser.add_argument(
        '--image_root', metavar='DIR', help='folder relative paths in a CSV belong to (default: its own)'
    )
    parser.add_argument(
        '--ignore_label_case', action='store_true', help='labels that differ in case only are one, spelt as most are'
    )
    parser.add_argument('--seed', type=int, default=0, help='another seed makes another split (default %(default)s)')
    return parser


def _beside(source: str) -> str:
    return source if files.is_dir(source) else files.parent(rows.expand_inputs(source)[0])


def _label_order(flag: str) -> tuple[str, ...]:
    """The labels of a comma list; one that holds a comma is quoted as in a CSV."""
    cells = next(csv.reader([flag]), [])
    return tuple(dict.fromkeys(filter(None, map(tidy, cells))))


if __name__ == '__main__':
    command.run(main)
