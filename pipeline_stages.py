"""The stages of pipeline.py in order: documents, records, model, report; each leaves alone what is still right."""

import argparse
import dataclasses
import shlex
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from preprocess import create_docs, files, options, run_json, settings
from preprocess.documents import REJECTS, DocsResult, origins_path
from preprocess.documents import create_docs as write_documents
from preprocess.failures import InputError, TooManyRejects, UsageError
from preprocess.manifest import Manifest
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.progress import say
from preprocess.provenance import Provenance
from preprocess.settings import Json, Settings
from preprocess.splits import EVAL, SIDES, TEST, TRAIN
from trainer import config as training_config
from trainer.config import TrainConfig

if TYPE_CHECKING:
    from preprocess.embedding import Machinery
    from trainer.result import TrainResult


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
    """One run under way: what was asked for, the flags as they were given, and what run.json says.

    `machinery` embeds elsewhere than here, `trains` trains and exports elsewhere.
    """

    config: PipelineConfig
    flags: argparse.Namespace
    beam_args: Sequence[str]
    journal: dict[str, Json]
    machinery: 'Machinery | None' = None
    trains: 'Callable[[TrainConfig], TrainResult] | None' = None

    def note(self, stage: str, facts: Settings) -> None:
        """Write what a stage did into run.json; what a command elsewhere wrote meanwhile stays."""
        self.journal[stage] = dict(facts)
        run_json.note(self.config.path(run_json.FILE), stage, facts)

    def noted(self, stage: str) -> Settings:
        """What an earlier run, or this one, noted of a stage."""
        facts = self.journal.get(stage)
        return facts if isinstance(facts, dict) else {}


def make_documents(run: Run) -> DocsResult | None:
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


def make_records(run: Run, documents: DocsResult | None) -> dict[str, str]:
    """Records by set: those of every set that came as pictures, made in one job, and those that came as records."""
    from preprocess.embedding import Existing, embed_sets

    config = run.config
    sets = sets_of(run, documents)
    if sets:
        begun = time.monotonic()
        existing = Existing.REDO if config.overwrite else Existing.REPLACE
        made = embed_sets(
            list(sets.values()), _embedding(run), run.beam_args, existing=existing, machinery=run.machinery
        )
        facts: dict[str, Json] = {side: one.digest for side, one in zip(sets, made.manifests, strict=True)}
        if made.sources:
            run.note('embed', {**facts, 'sources': str(made.sources), 'seconds': round(time.monotonic() - begun, 1)})
    return {**config.records, **{side: one.output_path for side, one in sets.items()}}


def sets_of(run: Run, documents: DocsResult | None) -> dict[str, SetConfig]:
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
    from preprocess.rows import Row

    if limit is None:
        return {}
    sizes, has_footage = Counter[str](), False
    for side, spec in inputs.items():
        for row in (row for path in rows.expand_inputs(spec) for row in rows.read_csv(path, image_root=image_root)):
            sizes[side] += 1
            has_footage = has_footage or (isinstance(row, Row) and row.is_footage)
    # A row of footage may give any number of frames.
    return subsets.shares(sizes, limit, at_most_all=not has_footage)


def _embedding(run: Run) -> EmbeddingConfig:
    asked = options.embedding_from_flags(run.flags)
    return dataclasses.replace(asked, embedding_store=asked.embedding_store or run.config.path(options.STORE))


def make_model(run: Run, records: Mapping[str, str]) -> str:
    """The head trained and exported; the directory of the model. Another model that was there stays as .previous."""
    from trainer import task
    from trainer import training as trainings

    config = _training(run, records)
    begun = time.monotonic()
    if run.trains:
        result, exported = run.trains(config), False
    else:
        result = trainings.train(config)
        exported = task.export_trained(config, result, keep_previous=True)
    if exported or not result.skipped:
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


def make_report(run: Run, records: Mapping[str, str], model_dir: str) -> list[str]:
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


def account(run: Run, documents: DocsResult | None, records: Mapping[str, str]) -> list[str]:
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
    lines += _footage_account(manifests)
    if sources := run.noted('embed').get('sources'):
        lines.append(f'embedded  {sources}')
    encoder = manifests[0].encoder
    lines.append(
        f'vectors   {encoder.spec}, {manifests[0].vector_size:,} numbers, {encoder.engine} {encoder.precision}'
    )
    return lines


def _footage_account(manifests: Sequence[Manifest]) -> list[str]:
    """Where the frames went that rows of footage asked for."""
    filmed = [one for one in manifests if one.sampling]
    refused = Counter[str]()
    for one in filmed:
        refused.update(one.frame_rejects_by_reason)
    if not filmed:
        return []
    written, expanded = (sum(getattr(one.examples, name) for one in filmed) for name in ('written', 'expanded'))
    told = ', '.join(f'{count:,} {reason}' for reason, count in refused.most_common())
    return [f'examples  {written:,} of {expanded:,} from footage' + (f'; rejected frames: {told}' if told else '')]


def places(run: Run, model_dir: str) -> list[str]:
    """Where things are, and what to do next."""
    previous = f' (the one before: {model_dir}.previous)' if files.exists(f'{model_dir}.previous') else ''
    return [
        f'model     {model_dir}{previous}',
        f'report    {run.config.path("report.html")}',
        f'curves    tensorboard --logdir {shlex.quote(run.config.output_dir)}',
        f'next      python -m predict.local --model_dir {shlex.quote(model_dir)} {_what_to_ask(model_dir)}',
    ]


def _what_to_ask(model_dir: str) -> str:
    """Models that learnt from footage are asked about footage."""
    from trainer import exported

    manifest = exported.read(model_dir).manifest
    return 'VIDEO…' if manifest and manifest.sampling else 'PICTURE…'
