"""This package as pip and Vertex AI install it, written below a folder or bucket; prints where it is."""

import sys

from preprocess import command, source_package
from preprocess.failures import UsageError


def main(argv: object = None) -> None:
    """The command."""
    if len(sys.argv) != 2:
        raise UsageError('one folder is wanted', where='stage_package.py', do='stage_package.py gs://BUCKET/packages')
    print(source_package.build().stage(sys.argv[1]))


if __name__ == '__main__':
    command.run(main)
