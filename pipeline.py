"""Everything with one command: labelled pictures in; records, a trained head, a SavedModel and a report out.

    python pipeline.py --demo --output_dir demo_output
    python pipeline.py --input_path photos/ --output_dir out

Flags -> config -> the stages in order. What a stage does lives in the three packages; a worker needs nothing of this.
"""

import argparse
import dataclasses
import json
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from preprocess import command, create_docs, files, jobs, options, quiet, settings
from preprocess.claims import Claim
from preprocess.command import FlagParser
from preprocess.documents import REJECTS, DocsResult, origins_path
from preprocess.documents import create_docs as write_documents
from preprocess.failures import InputError, TooManyRejects, UsageError
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.progress import say, unsaid
from preprocess.provenance import Provenance
from preprocess.settings import Json, Settings
from preprocess.splits import EVAL, SIDES, TEST, TRAIN
from trainer import config as training_config
from trainer.config import TrainConfig

TRY = """nothing to do; try one of these:
  python pipeline.py --demo --output_dir demo_output
  python pipeline.py --input_path photos/ --output_dir out     (photos/<label>/*.jpg, or a CSV of image,label)"""
DEMO_ENCODER = 'mini'
DEMO_PICTURES_PER_CLASS = 100
DEMO_FRESH_PER_CLASS = 20
# A seed the demo's training pictures are not drawn with: these the model never saw.
DEMO_FRESH_SEED = 1_000_003
TRIAL_PICTURES = 32
TRIAL_STEPS = (20, 220)


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """What one run of the pipeline is asked for."""

    output_dir: str
    input_path: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)  # CSVs by set
    input_dict: str | None = None
    records: Mapping[str, str] = field(default_factory=dict)  # records made earlier, by set
    pretrained_model: str | None = None
    limit: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not self.output_dir:
            raise UsageError('--output_dir is missing', where='--output_dir', do='say where the result goes')
        if self.limit is not None and self.limit < 2:
            raise UsageError(f'{self.limit} pictures teach nothing', where='--limit', do='give 2 or more')
        if self.input_path and (self.inputs or self.input_dict or self.records):
            raise UsageError(
                '--input_path excludes --train_input_path, --eval_input_path, --input_dict and --preprocessed_…_set',
                where='--input_path',
                do='give one input to be split, or sets that are',
            )
        if not self.input_path:
            self._check_sets()

    def _check_sets(self) -> None:
        """Every set that is needed comes from a CSV or from records, and CSVs come with their dictionary."""
        for side in [EVAL] if self.pretrained_model else [TRAIN, EVAL]:
            if side not in self.inputs and side not in self.records:
                raise UsageError(
                    f'nothing says what to {"learn from" if side == TRAIN else "evaluate on"}',
                    where=f'--{side}_input_path',
                    do=f'give --input_path, --{side}_input_path or --preprocessed_{side}_set',
                )
        if twice := sorted({*self.inputs} & {*self.records}):
            raise UsageError(
                f'the {twice[0]} set is given twice',
                where=f'--preprocessed_{twice[0]}_set',
                do=f'leave out this or --{twice[0]}_input_path',
            )
        if self.inputs and not self.input_dict:
            raise UsageError(
                'CSVs that are split already need their dictionary',
                where='--input_dict',
                do='give dict.txt (python -m preprocess.create_docs writes one)',
            )

    def path(self, *parts: str) -> str:
        """A path below the output directory."""
        return files.join(self.output_dir, *parts)


@dataclass(frozen=True)
class Run:
    """One run under way: what was asked for, the flags as they were given, and what run.json says."""

    config: PipelineConfig
    flags: argparse.Namespace
    beam_args: Sequence[str]
    journal: dict[str, Json]

    def note(self, stage: str, facts: Settings) -> None:
        """Write what a stage did into run.json."""
        self.journal[stage] = dict(facts)
        text = json.dumps(self.journal, indent=1, ensure_ascii=False) + '\n'
        files.write_atomic(self.config.path('run.json'), text.encode(errors='backslashreplace'))

    def noted(self, stage: str) -> Settings:
        """What an earlier run, or this one, noted of a stage."""
        facts = self.journal.get(stage)
        return facts if isinstance(facts, dict) else {}


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
    jobs.check(beam_args)
    if flags.dry_run:
        lines = _dry_run(config, flags, beam_args)
    else:
        with Claim(config.path('.claim'), doing='pipeline.py'):
            command.log_to(config.path('log.txt'), verbosity=flags.verbosity)
            lines = _run_stages(Run(config, flags, beam_args, _journal(config.path('run.json'))))
    print('\n'.join(lines))
    return 0


def _check_values(config: PipelineConfig, flags: argparse.Namespace) -> None:
    """An impossible value of a late stage is said before an early one has taken an hour."""
    if config.input_path or config.inputs:
        _ = options.embedding_from_flags(flags).spec
    if config.input_path:
        create_docs.from_flags(flags, source=config.input_path, output_dir=config.path('data'))
    training_config.learning_from_flags(flags)
    training_config.schedule_from_flags(flags)


def _run_stages(run: Run) -> list[str]:
    """Documents, embedding, training, evaluation: what is there already and still right is not done again."""
    run.note('command', {'line': command.this_command(), 'begun': time.strftime('%Y-%m-%dT%H:%M:%S%z')})
    if run.flags.demo:
        _draw(run.config.path('demo', 'pictures'), per_class=DEMO_PICTURES_PER_CLASS, seed=run.flags.seed)
    documents = _documents(run)
    records = _embed(run, documents)
    model_dir = run.config.pretrained_model or _train(run, records)
    accuracy = _evaluate(run, records, model_dir)
    if run.flags.demo:
        accuracy = [*accuracy, _fresh_line(run.config, model_dir)]
    return [*_account(run, documents, records), *accuracy, *_places(run, model_dir)]


def _documents(run: Run) -> DocsResult | None:
    """CSVs of the splits and the dictionary, written anew each time: what changed shows in their content."""
    config, flags = run.config, run.flags
    if not config.input_path:
        return None
    result = write_documents(create_docs.from_flags(flags, source=config.input_path, output_dir=config.path('data')))
    for line in [*result.notes, *result.table.splitlines()]:
        say(line)
    if EVAL not in result.paths:
        raise InputError(
            'there is no eval set', where=config.input_path, do='raise --eval_fraction, or give --eval_input_path'
        )
    if len(result.rejects) > flags.max_reject_fraction * result.read:
        raise TooManyRejects(
            f'{len(result.rejects):,} of {result.read:,} rows rejected (the limit is {flags.max_reject_fraction:.1%})',
            where=config.path('data', REJECTS),
            do='mend them and run the same command again, or raise --max_reject_fraction to go on without them',
        )
    return result


def _embed(run: Run, documents: DocsResult | None) -> dict[str, str]:
    """Records by set: those of every set that came as pictures, made in one job, and those that came as records."""
    from preprocess.embedding import Existing, embed_sets

    config = run.config
    sets = _sets(run, documents)
    if sets:
        begun = time.monotonic()
        existing = Existing.REDO if config.overwrite else Existing.REPLACE
        made = embed_sets(list(sets.values()), _embedding(run), run.beam_args, existing=existing)
        facts: dict[str, Json] = {side: one.digest for side, one in zip(sets, made.manifests, strict=True)}
        if made.sources:
            run.note('embed', {**facts, 'sources': str(made.sources), 'seconds': round(time.monotonic() - begun, 1)})
    return {**config.records, **{side: one.output_path for side, one in sets.items()}}


def _sets(run: Run, documents: DocsResult | None) -> dict[str, SetConfig]:
    """What is to be embedded, by set; a handed-in model needs no training set."""
    flags, inputs = run.flags, run.config.inputs
    if documents:
        inputs = {side: documents.paths[side] for side in SIDES if side in documents.paths}
    if run.config.pretrained_model:
        inputs = {side: path for side, path in inputs.items() if side != TRAIN}
    limits = _limits(inputs, run.config.limit, flags.image_root)
    return {
        side: SetConfig(
            input_path=path,
            input_dict=documents.dictionary if documents else run.config.input_dict or '',
            output_path=run.config.path('preprocessed', side),
            image_root=flags.image_root,
            ignore_label_case=flags.ignore_label_case,
            multi_label=flags.multi_label,
            limit=limits.get(side),
            provenance=_provenance(run, documents, side, is_first=side == next(iter(inputs))),
        )
        for side, path in inputs.items()
    }


def _provenance(run: Run, documents: DocsResult | None, side: str, *, is_first: bool) -> Provenance:
    """Where a set's rows come from; rows refused before there were sets are counted with the first."""
    if documents is None:
        return Provenance()
    origins = origins_path(run.config.path('data'), side)
    return Provenance(
        origins=origins if files.exists(origins) else None,
        rejects=run.config.path('data', REJECTS) if is_first else None,
        duplicates=documents.duplicates if is_first else 0,
    )


def _limits(inputs: Mapping[str, str], limit: int | None, image_root: str | None) -> dict[str, int]:
    """--limit divided over the sets in proportion to their rows; none without a limit."""
    from preprocess import rows, subsets

    if limit is None:
        return {}
    sizes = {
        side: sum(1 for path in rows.expand_inputs(spec) for _ in rows.read_csv(path, image_root=image_root))
        for side, spec in inputs.items()
    }
    return subsets.shares(sizes, limit)


def _embedding(run: Run) -> EmbeddingConfig:
    asked = options.embedding_from_flags(run.flags)
    return dataclasses.replace(asked, embedding_store=asked.embedding_store or run.config.path(options.STORE))


def _train(run: Run, records: Mapping[str, str]) -> str:
    """The head trained and exported; the directory of the model. Another model that was there stays as .previous."""
    from trainer import task
    from trainer import training as trainings

    config = _training(run, records)
    begun = time.monotonic()
    result = trainings.train(config)
    if task.export_trained(config, result, keep_previous=True) or not result.skipped:
        for line in task.summary(config, result):
            say(line)
        run.note('train', {'digest': result.digest, 'seconds': round(time.monotonic() - begun, 1)})
    return config.model_dir


def _training(run: Run, records: Mapping[str, str]) -> TrainConfig:
    config, flags = run.config, run.flags
    made_here = bool(config.input_path or config.inputs)
    return TrainConfig(
        train_data_paths=(records[TRAIN],),
        eval_data_paths=(records[EVAL],),
        output_path=config.output_dir,
        input_dict=config.input_dict,
        # Records of this run say their encoder themselves; those of the earlier systems have to be told.
        encoder=None if made_here else flags.encoder,
        encoder_weights=None if made_here else flags.encoder_weights,
        export_last=flags.export_last,
        overwrite=config.overwrite,
        redo_if_changed=True,
        learning=dataclasses.replace(training_config.learning_from_flags(flags), limit=None),
        schedule=training_config.schedule_from_flags(flags),
    )


def _evaluate(run: Run, records: Mapping[str, str], model_dir: str) -> list[str]:
    """Metrics, predictions and the report; the lines on accuracy for the summary."""
    from trainer.evaluate import EvaluateConfig, evaluate, summary_lines

    flags = run.flags
    config = EvaluateConfig(
        model_dir=model_dir,
        data_paths=(records[EVAL],),
        output_dir=run.config.output_dir,
        train_data_paths=(records[TRAIN],) if TRAIN in records else (),
        test_data_paths=(records[TEST],) if TEST in records else (),
        positive_label=flags.positive_label,
        thumbnails=not flags.no_thumbnails,
        seed=flags.seed,
        settings={'Pipeline': {name: value for name, value in vars(flags).items() if value not in (None, False)}},
    )
    basis = _basis(model_dir, records, [flags.positive_label, flags.no_thumbnails, flags.seed])
    noted = run.noted('evaluate')
    there = all(files.exists(run.config.path(*parts)) for parts in (('report.html',), ('eval', 'metrics.json')))
    if there and noted.get('basis') == basis and not run.config.overwrite:
        say('evaluation: the report is of this model and these records: skipped')
    else:
        noted = {'basis': basis, 'lines': list(summary_lines(evaluate(config)))}
        run.note('evaluate', noted)
    lines = noted.get('lines')
    return [f'accuracy  {str(line).removeprefix("accuracy ")}' for line in lines] if isinstance(lines, list) else []


def _basis(model_dir: str, records: Mapping[str, str], told: list[Json]) -> str:
    """A digest of everything an evaluation depends on."""
    from preprocess.record_sets import find_records
    from trainer import inputs

    found = {side: find_records([spec]) for side, spec in records.items()}
    identities: dict[str, Json] = {side: inputs.identity(one) for side, one in found.items()}
    manifests: list[Json] = [manifest.digest for one in found.values() for manifest in one.manifests]
    model = files.sha256(files.join(model_dir, 'saved_model.pb'))
    return settings.digest({'model': model, 'records': identities, 'manifests': manifests, 'told': told})


def _account(run: Run, documents: DocsResult | None, records: Mapping[str, str]) -> list[str]:
    """Where every row went."""
    from preprocess.record_sets import find_records

    manifests = [one for side in SIDES if side in records for one in find_records([records[side]]).manifests]
    if not manifests:
        return ['rows      unknown: the records have no manifest']
    reasons = Counter[str]()
    for one in manifests:
        reasons.update(one.rejects_by_reason)
    read, accepted, repeats = (
        sum(getattr(one.rows, name) for one in manifests) for name in ('read', 'accepted', 'duplicate')
    )
    left_out = f', {documents.left_out:,} left out to balance' if documents and documents.left_out else ''
    lines = [
        f'rows      {read:,} read: {accepted:,} accepted, {reasons.total():,} rejected, {repeats:,} repeats{left_out}'
    ]
    if reasons:
        told = ', '.join(f'{count:,} {reason}' for reason, count in reasons.most_common())
        lines.append(f'rejected  {told} (rejects.*.jsonl say which)')
    if sources := run.noted('embed').get('sources'):
        lines.append(f'embedded  {sources}')
    encoder = manifests[0].encoder
    lines.append(
        f'vectors   {encoder.spec}, {manifests[0].vector_size:,} numbers, {encoder.engine} {encoder.precision}'
    )
    return lines


def _places(run: Run, model_dir: str) -> list[str]:
    """Where things are, and what to do next."""
    previous = f' (the one before: {model_dir}.previous)' if files.exists(f'{model_dir}.previous') else ''
    return [
        f'model     {model_dir}{previous}',
        f'report    {run.config.path("report.html")}',
        f'curves    tensorboard --logdir {shlex.quote(run.config.output_dir)}',
        f'next      python -m predict.local --model_dir {shlex.quote(model_dir)} PICTURE…',
    ]


def _draw(directory: str, *, per_class: int, seed: int) -> None:
    """The demo's pictures, drawn once."""
    from preprocess import demo

    if not files.is_dir(directory):
        say(f'drawing {per_class * len(demo.DEMO_LABELS)} pictures into {directory}')
        unfinished = f'{directory}.unfinished'
        files.delete_tree(unfinished)
        demo.draw_demo(unfinished, pictures_per_class=per_class, seed=seed)
        files.rename(unfinished, directory)


def _fresh_line(config: PipelineConfig, model_dir: str) -> str:
    """How the exported model labels pictures that were drawn after it was trained."""
    with quiet.loading():
        from predict.model import load

    directory = config.path('demo', 'fresh')
    _draw(directory, per_class=DEMO_FRESH_PER_CLASS, seed=DEMO_FRESH_SEED)
    paths = [found.uri for found in files.list_dir(directory, recursive=True)]
    answers = load(model_dir).predict(paths)
    right = sum(answer.label == files.name(files.parent(path)) for path, answer in zip(paths, answers, strict=True))
    share = f'{right / len(paths):.3f}'
    return f'fresh     {right} of {len(paths)} new pictures labelled right by the exported model ({share})'


def _dry_run(config: PipelineConfig, flags: argparse.Namespace, beam_args: Sequence[str]) -> list[str]:
    """Check every input, run a few pictures through every stage, and say what the full run will take."""
    with tempfile.TemporaryDirectory(prefix='headlight-dry-run-') as scratch:
        source = files.join(scratch, 'demo', 'pictures') if flags.demo else config.input_path
        trial = dataclasses.replace(config, output_dir=scratch, input_path=source, limit=TRIAL_PICTURES)
        run = Run(trial, flags, beam_args, {})
        command.log_to(files.join(scratch, 'log.txt'), verbosity=flags.verbosity)
        if flags.demo and source:
            _draw(source, per_class=DEMO_PICTURES_PER_CLASS, seed=flags.seed)
        return _forecast(run, _documents(run), steps=flags.max_steps or training_config.DEFAULT_MAX_STEPS)


def _forecast(run: Run, documents: DocsResult | None, *, steps: int) -> list[str]:
    from preprocess import forecast

    everything = _sets(dataclasses.replace(run, config=dataclasses.replace(run.config, limit=None)), documents)
    stocks = {side: forecast.take_stock(one) for side, one in everything.items()}
    limit = run.flags.max_reject_fraction
    lines = [
        line for side, stock in stocks.items() for line in forecast.stock_lines(side, stock, max_reject_fraction=limit)
    ]
    say(f'running {TRIAL_PICTURES} pictures through every stage')
    begun = time.monotonic()
    with unsaid():
        records = _embed(run, documents)
        step_s = _try_training(run, records)
    overhead_s = time.monotonic() - begun
    pictures = sum(len(stock.rows) for stock in stocks.values())
    side, largest = max(stocks.items(), key=lambda item: len(item[1].rows), default=('', None))
    pace = forecast.pace(records[side], largest) if largest else None
    training_s = step_s * steps
    return [*lines, *forecast.time_lines(pictures, pace, overhead_s=overhead_s, training_s=training_s, steps=steps)]


def _try_training(run: Run, records: Mapping[str, str]) -> float:
    """A short training and a longer one, the model evaluated; the seconds a step takes."""
    seconds = []
    for run.flags.max_steps in TRIAL_STEPS:
        begun = time.monotonic()
        model_dir = run.config.pretrained_model or _train(run, records)
        seconds.append(time.monotonic() - begun)
    _evaluate(run, records, model_dir)
    return max(seconds[1] - seconds[0], 0) / (TRIAL_STEPS[1] - TRIAL_STEPS[0])


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
    # None tells a flag that was given from the default; see _training.
    parser.set_defaults(encoder=None)
    return parser


def config_from_flags(flags: argparse.Namespace) -> PipelineConfig:
    """The run that flags ask for; fills in what --demo and the encoder's default leave open."""
    if flags.demo:
        flags.output_dir = flags.output_dir or 'demo_output'
        flags.input_path = files.join(flags.output_dir, 'demo', 'pictures')
        flags.encoder = flags.encoder or DEMO_ENCODER
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


def _journal(path: str) -> dict[str, Json]:
    """What run.json says so far; a torn one says nothing."""
    try:
        content = json.loads(files.read_text(path))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


if __name__ == '__main__':
    main()
