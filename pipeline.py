"""Everything with one command: labelled pictures in; records, a trained head, a SavedModel and a report out.

    python pipeline.py --demo --output_dir demo_output
    python pipeline.py --input_path photos/ --output_dir out

Flags -> config -> the stages in order. What a stage does lives in the three packages; a worker needs nothing of this.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

import pipeline_cloud
import pipeline_demo
import pipeline_trial
from pipeline_cloud import Cloud
from pipeline_stages import (
    PipelineConfig,
    Run,
    account,
    make_documents,
    make_model,
    make_records,
    make_report,
    places,
)
from preprocess import command, create_docs, dataflow_config, files, jobs, options, quotes, run_json
from preprocess.claims import Claim
from preprocess.cloud_jobs import LeftToRun
from preprocess.command import FlagParser
from preprocess.failures import UsageError
from preprocess.progress import say
from preprocess.splits import SIDES
from trainer import config as training_config
from trainer import vertex_flags

TRY = """nothing to do; try one of these:
  python pipeline.py --demo --output_dir demo_output
  python pipeline.py --input_path photos/ --output_dir out     (photos/<label>/*.jpg, or a CSV of image,label)"""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The command `headlight`."""
    command.run(run, argv)


def run(argv: Sequence[str] | None) -> int:
    """The command without its process: failures are raised."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        print(TRY, file=sys.stderr)
        return UsageError.exit_code
    flags, beam_args = command.parse_with_beam(flag_parser(), words)
    for line in training_config.retired_lines(flags):
        say(line)
    config = config_from_flags(flags)
    _check_values(config, flags)
    if not dataflow_config.is_asked_for(flags, beam_args):
        beam_args = [*dataflow_config.handed_on(flags), *beam_args]
        jobs.check(beam_args)
    if flags.dry_run:
        print('\n'.join(pipeline_trial.dry_run(config, flags, beam_args)))
        return 0
    cloud = pipeline_cloud.from_flags(config, flags, beam_args)
    if cloud:
        pipeline_cloud.check(cloud, config, flags)
    code = 0
    with Claim(config.path('.claim'), doing='pipeline.py'):
        command.log_to(config.path('log.txt'), verbosity=flags.verbosity)
        here = Run(config, flags, beam_args, run_json.read(config.path(run_json.FILE)))
        pipeline_cloud.check_alone(here, cloud)
        try:
            lines = _run_stages(_elsewhere(here, cloud), cloud)
        except LeftToRun as left:
            lines = list(left.lines)
        except pipeline_cloud.DeployFailed as failed:
            lines, code = [], failed.code
    print('\n'.join(lines))
    return code


def _elsewhere(run: Run, cloud: Cloud | None) -> Run:
    """The run with what its stages do in the cloud."""
    if cloud is None:
        return run
    trains = partial(pipeline_cloud.train, cloud.vertex, run) if cloud.vertex else None
    return dataclasses.replace(run, machinery=pipeline_cloud.machinery(cloud, run), trains=trains)


def _check_values(config: PipelineConfig, flags: argparse.Namespace) -> None:
    """An impossible value of a late stage is said before an early one has taken an hour."""
    if config.input_path or config.inputs:
        _ = options.embedding_from_flags(flags).spec
    if config.input_path:
        create_docs.from_flags(flags, source=config.input_path, output_dir=config.path('data'))
    windowing = training_config.learning_from_flags(flags).windowing
    if config.limit is not None and windowing:
        raise UsageError(
            f'--limit takes frames here and there, and this head looks at windows of {windowing.length} in a row',
            where='--limit',
            do='leave it out; to try something on little footage, give rows of short stretches',
        )
    training_config.schedule_from_flags(flags)


def _run_stages(run: Run, cloud: Cloud | None) -> list[str]:
    """Documents, embedding, training, evaluation: what is there already and still right is not done again."""
    run.note('command', {'line': command.this_command(), 'begun': time.strftime('%Y-%m-%dT%H:%M:%S%z')})
    if run.flags.demo:
        pipeline_demo.draw(
            run.config.path('demo', 'pictures'), per_class=pipeline_demo.DEMO_PICTURES_PER_CLASS, seed=run.flags.seed
        )
    documents = make_documents(run)
    records = make_records(run, documents)
    model_dir = run.config.pretrained_model or make_model(run, records)
    accuracy = make_report(run, records, model_dir)
    if run.flags.demo:
        accuracy = [*accuracy, pipeline_demo.fresh_line(run.config, model_dir)]
    deployed = pipeline_cloud.deploy(cloud, run, model_dir) if cloud else []
    return [*account(run, documents, records), *accuracy, *places(run, model_dir), *deployed]


def flag_parser() -> FlagParser:
    """Every flag but Beam's."""
    parser = FlagParser(
        'python pipeline.py',
        'Labelled pictures -> records, trained head, SavedModel, report; run again, only what changed is done again.',
        epilog='What is not listed here is handed to Apache Beam (--runner …). Without any flag it says what to try.',
    )
    given = parser.add_argument_group('pictures in')
    given.add_argument(
        '--input_path', metavar='DIR|CSV', help='pictures to be split: DIR/<label>/*.jpg or a CSV of image,label'
    )
    for side in SIDES:
        given.add_argument(f'--{side}_input_path', metavar='CSV', help=f'or: the {side} set, a CSV of image,label')
    given.add_argument('--input_dict', metavar='FILE', help='dict.txt for these CSVs: one label a line')
    given.add_argument('--limit', type=int, metavar='N', help='take N pictures only, spread over the classes')
    given.add_argument('--demo', action='store_true', help='draw pictures of five shapes and learn to tell them apart')
    skipped = parser.add_argument_group('results handed in, whose stage is skipped')
    for side in SIDES:
        skipped.add_argument(f'--preprocessed_{side}_set', metavar='PREFIX', help=f'records of the {side} set')
    skipped.add_argument(
        '--pretrained_model_path', metavar='DIR', help='a SavedModel to evaluate instead of training one'
    )
    out = parser.add_argument_group('result out')
    out.add_argument('--output_dir', metavar='DIR', help='where everything goes (with --demo: demo_output)')
    out.add_argument('--overwrite', action='store_true', help='do every stage again; vectors are kept')
    out.add_argument(
        '--dry_run', action='store_true', help='check the inputs, try a few pictures, say what it will take'
    )
    out.add_argument('--positive_label', metavar='LABEL', help='the class looked for (default: positive, if any)')
    out.add_argument('--no_thumbnails', action='store_true', help='leave pictures out of the report')
    out.add_argument('--seed', type=int, default=0, help='start of all chance: splits, weights, order (default 0)')
    out.add_argument(
        '--verbosity', choices=training_config.VERBOSITIES, default='INFO', help='how much is said (default INFO)'
    )
    create_docs.add_flags(parser.add_argument_group('splitting --input_path'))
    options.add_row_flags(parser)
    options.add_embedding_flags(parser)
    options.add_footage_flags(parser)
    training_config.add_learning_flags(parser)
    pipeline_cloud.add_flags(parser)
    vertex_flags.add_flags(parser)
    quotes.add_flags(parser.add_argument_group('what --dry_run reckons with for the cloud'))
    # None tells a flag that was given from the default; see _training.
    parser.set_defaults(encoder=None)
    return parser


def config_from_flags(flags: argparse.Namespace) -> PipelineConfig:
    """The run that flags ask for; fills in what --demo and the encoder's default leave open."""
    if flags.demo:
        flags.output_dir = flags.output_dir or 'demo_output'
        flags.input_path = files.join(flags.output_dir, 'demo', 'pictures')
        flags.encoder = flags.encoder or pipeline_demo.DEMO_ENCODER
    config = PipelineConfig(
        output_dir=flags.output_dir or '',
        input_path=flags.input_path,
        inputs=_given(flags, '{}_input_path'),
        input_dict=flags.input_dict,
        records=_given(flags, 'preprocessed_{}_set'),
        pretrained_model=flags.pretrained_model_path,
        limit=flags.limit,
        overwrite=flags.overwrite,
    )
    if config.input_path or config.inputs:
        flags.encoder = flags.encoder or options.DEFAULT_ENCODER
    return config


def _given(flags: argparse.Namespace, name: str) -> dict[str, str]:
    return {side: value for side in SIDES if (value := getattr(flags, name.format(side)))}


if __name__ == '__main__':
    main()
