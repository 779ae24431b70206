"""Labelled pictures -> embedded records: the command `python -m preprocess.run`."""

from collections.abc import Sequence

from preprocess import command, files, options
from preprocess.embedding import LOG, Existing, Machinery
from preprocess.embedding import embed_sets as embed_sets  # what pipeline.py calls


def main(argv: Sequence[str] | None = None, *, machinery: Machinery | None = None) -> int:
    """One set of labelled CSVs -> one set of records."""
    parser = command.FlagParser(
        'python -m preprocess.run',
        'Labelled pictures -> embedded records. What is not listed here is handed to Apache Beam (--runner …).',
    )
    options.add_flags(parser)
    found, beam_args = command.parse_with_beam(parser, argv)
    config = options.from_flags(found)
    command.log_to(files.join(config.records.name.directory, LOG), verbosity=config.verbosity)
    existing = Existing.REDO if config.overwrite else Existing.KEEP
    beam_args = [*config.beam_args, *beam_args]
    embed_sets([config.records], config.embedding, beam_args, existing=existing, machinery=machinery)
    return 0


if __name__ == '__main__':
    command.run(main)
