"""A model and any number of pictures and videos -> JSON Lines: the command `python -m predict.batch`."""

import argparse
import dataclasses
from collections.abc import Sequence

from predict import batch_options, batch_run, batch_trial
from predict.batch_options import BatchConfig
from preprocess import cloud_checks, command, dataflow_config, files, quotes
from preprocess.cloud_jobs import LeftToRun
from preprocess.dataflow import Dataflow
from preprocess.embedding import LOG, Machinery


def main(argv: Sequence[str] | None = None, *, machinery: Machinery | None = None) -> int:
    """Answer every row of the input."""
    found, beam_args = command.parse_with_beam(batch_options.parser(), argv)
    config = batch_options.from_flags(found)
    if config.dry_run:
        asked = quotes.from_flags(found, beam_args) if dataflow_config.is_asked_for(found, beam_args) else None
        print('\n'.join(batch_trial.dry_run(config, machinery=machinery, asked=asked)))
        return 0
    if dataflow_config.is_asked_for(found, beam_args):
        machinery = _on_dataflow(config, found, beam_args, machinery or Machinery())
    else:
        beam_args = [*dataflow_config.handed_on(found), *beam_args]
    command.log_to(files.join(config.layout.directory, LOG), verbosity=config.verbosity)
    try:
        batch_run.predict(config, beam_args, machinery=machinery)
    except LeftToRun as left:
        print('\n'.join(left.lines))
    return 0


def _on_dataflow(
    config: BatchConfig, found: argparse.Namespace, beam_args: Sequence[str], machinery: Machinery
) -> Machinery:
    """The same on Dataflow: what workers read and write is where they can reach it; the model is taken apart here."""
    directory = config.layout.directory
    for flag, paths in (('--output_path', directory), ('--embedding_store', config.store), ('--input_path', '')):
        for path in filter(None, (paths or config.input_path).split(',')):
            dataflow_config.check_on_bucket(flag, path.strip())
    cloud = dataflow_config.from_flags(found, beam_args, output_dir=directory)
    folders = (directory, cloud.staging_location, cloud.temp_location, config.store)
    cloud_checks.run(cloud_checks.of_buckets(folders, cloud.place))
    return dataclasses.replace(machinery, dataflow=Dataflow(cloud))


if __name__ == '__main__':
    command.run(main)
