"""Labelled pictures -> embedded records: the command `python -m preprocess.run`."""

import argparse
import dataclasses
from collections.abc import Sequence

from preprocess import cloud_checks, command, dataflow_config, files, options
from preprocess.cloud_jobs import LeftToRun
from preprocess.dataflow import Dataflow
from preprocess.embedding import LOG, Existing, Machinery
from preprocess.embedding import embed_sets as embed_sets  # what pipeline.py calls
from preprocess.options import PreprocessConfig


def main(argv: Sequence[str] | None = None, *, machinery: Machinery | None = None) -> int:
    """One set of labelled CSVs -> one set of records."""
    parser = command.FlagParser(
        'python -m preprocess.run',
        'Labelled pictures -> embedded records. What is not listed here is handed to Apache Beam (--runner …).',
    )
    options.add_flags(parser)
    found, beam_args = command.parse_with_beam(parser, argv)
    config = options.from_flags(found)
    if dataflow_config.is_asked_for(found, beam_args):
        machinery = _on_dataflow(config, found, beam_args, machinery or Machinery())
    else:
        beam_args = [*dataflow_config.handed_on(found), *beam_args]
    command.log_to(files.join(config.records.name.directory, LOG), verbosity=config.verbosity)
    existing = Existing.REDO if config.overwrite else Existing.KEEP
    try:
        embed_sets([config.records], config.embedding, beam_args, existing=existing, machinery=machinery)
    except LeftToRun as left:
        print('\n'.join(left.lines))
    return 0


def _on_dataflow(
    config: PreprocessConfig, found: argparse.Namespace, beam_args: Sequence[str], machinery: Machinery
) -> Machinery:
    """The same on Dataflow, once all is known to be there that it needs."""
    records, directory = config.records, config.records.name.directory
    dataflow_config.check_on_bucket('--output_path', records.output_path)
    # Parts of a set are embedded side by side.
    about = f'{records.name.stem}-{files.name(directory)}'
    cloud = dataflow_config.from_flags(found, beam_args, output_dir=directory, about=about)
    asked = cloud_checks.Embedding(
        encoder=config.embedding.spec_for(is_here=False),
        store=config.embedding.embedding_store or files.join(directory, options.STORE),
        inputs={'--input_path': records.input_path, '--input_dict': records.input_dict},
        image_root=records.image_root,
    )
    cloud_checks.run(cloud_checks.of_dataflow(cloud, asked, output_dir=directory))
    return dataclasses.replace(machinery, dataflow=Dataflow(cloud))


if __name__ == '__main__':
    command.run(main)
