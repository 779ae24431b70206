"""A batch of predictions from beginning to end: inputs checked, the model taken apart, one job run, its result told."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from predict import videos
from predict.answers import Style
from predict.batch_inputs import Named
from predict.batch_layout import Layout
from predict.batch_model import Parted
from predict.batch_options import BatchConfig
from predict.batch_product import Predictions
from predict.batch_record import RunRecord
from predict.batch_results import Publication
from predict.batch_scores import Scorer
from predict.footage import View
from preprocess import dataflow, embedding, files, jobs, preflight, settings, shelves
from preprocess.embedding import Machinery, Making
from preprocess.failures import Failure, InputError, RunFailed, TooManyRejects, UsageError
from preprocess.job_notes import JobNote
from preprocess.labels import Labels
from preprocess.manning import processes_here
from preprocess.options import SetConfig
from preprocess.preflight import Inputs
from preprocess.progress import Progress, say
from preprocess.rows import Row
from preprocess.sets import staging_folder, work_folder


def predict(config: BatchConfig, beam_args: Sequence[str] = (), *, machinery: Machinery | None = None) -> RunRecord:
    """Answer every row; one that is answered already, all of it with the same settings, is left as it is."""
    means = machinery or Machinery()
    beam_args = means.dataflow.beam_args if means.dataflow else beam_args
    jobs.check(beam_args)
    model = Parted.read(config.model_dir)
    _check(config, model)
    view = videos.view(config.sampling, model.description, config.model_dir)
    named = Named.of(config.input_path)
    layout = config.layout
    with embedding.claim(layout.set_name, doing=f'predicting {config.output_path}'), _listed(named, layout) as csvs:
        batch = _Batch(config, model, view, named, layout)
        inputs = batch.inputs(csvs)
        if means.dataflow:
            dataflow.check_rows([inputs])
        under_way = dataflow.under_way([inputs], where=means.dataflow)
        record = None if under_way else batch.find_complete(inputs)
        if record is None:
            record = batch.make(inputs, beam_args, means, under_way)
    _judge(record, config, layout)
    return record


def _check(config: BatchConfig, model: Parted) -> None:
    labels = model.description.labels
    if config.top_k and config.top_k > len(labels):
        raise UsageError(
            f'--top_k {config.top_k}, but the model has {len(labels)} labels', where='--top_k', do='give fewer'
        )


@contextmanager
def _listed(named: Named, layout: Layout) -> Iterator[tuple[str, ...]]:
    """The CSVs that say what is to be answered; a listing is one for as long as it is needed."""
    if not named.is_listing:
        yield named.csvs()
        return
    path = layout.path(layout.listing)
    try:
        named.write_listing(path)
        yield (path,)
    finally:
        if not dataflow.is_noted(layout.set_name):  # else a job there reads it, with us or without
            files.delete(path)


@dataclass(frozen=True)
class _Batch:
    """What is asked for, with what was found of it."""

    config: BatchConfig
    model: Parted
    view: View
    named: Named
    layout: Layout

    def inputs(self, csvs: tuple[str, ...]) -> Inputs:
        """The rows, looked at; InputError when they are not for this model."""
        config, root = self.config, os.getcwd() if self.named.is_listing else self.config.image_root
        labels = Labels(self.model.description.labels)
        records = SetConfig(
            input_path=','.join(csvs),
            input_dict=files.join(config.model_dir, 'assets', 'dict.txt'),
            output_path=self.layout.prefix,
            image_root=root,
        )
        with Progress('checking the inputs'):
            inputs = preflight.look(records, csvs, labels, settings={**self._rows(csvs), **self._settings()})
        if window := self.model.description.manner.window:
            self._check_footage(preflight.first_rows(records, csvs), window.length)
        return inputs

    def _rows(self, csvs: tuple[str, ...]) -> dict[str, settings.Json]:
        if self.named.is_listing:
            (listing,) = csvs
            return {f'input {self.config.input_path}': files.sha256(listing)}
        root = self.config.image_root
        return {**preflight.digests(csvs), 'image_root': files.absolute(root) if root else None}

    def _settings(self) -> dict[str, settings.Json]:
        rule = self.config.rule
        return {
            'model': self.model.digest,
            'encoder_key': self.model.key,
            'threshold': rule.threshold,
            'top_k': self.config.top_k,
            'csv': self.config.csv,
            'smooth_s': rule.smooth_s,
            'min_segment_s': rule.min_segment_s,
            'sampling': self.view.sampling.text,
        }

    def _check_footage(self, first: Sequence[object], window: int) -> None:
        """Stop early where a model of windows is shown pictures."""
        found = [row for row in first if isinstance(row, Row)]
        if found and not any(row.is_footage for row in found):
            self.model.description.for_single_pictures(self.config.model_dir)

    def find_complete(self, inputs: Inputs) -> RunRecord | None:
        """The record of the result that is there, whole, and made with the same settings; others are refused."""
        path = self.layout.path(self.layout.record)
        if self.config.overwrite or not files.exists(path):
            return None
        there = RunRecord.read(path)
        if there.digest != settings.digest(inputs.settings):
            changes = '; '.join(settings.changes(there.settings, inputs.settings))
            raise InputError(
                f'these predictions were made otherwise ({changes})',
                where=path,
                do='choose another --output_path, or replace them with --overwrite',
            )
        if not there.is_whole(self.layout.directory) or (self.config.retry_rejected and there.failed):
            return None
        hint = '--retry_rejected tries the failed ones again, --overwrite all' if there.failed else '--overwrite redoes'
        say(f'{self.layout.prefix}: there already: {there.told()} ({hint})')
        return there

    def make(
        self, inputs: Inputs, beam_args: Sequence[str], machinery: Machinery, under_way: Sequence[JobNote]
    ) -> RunRecord:
        """Run the job."""
        name, store = self.layout.set_name, self.config.store
        shelves.check_place(store)
        shelves.make_place(store)
        # Named by the model: a worker that knows the head of this path must not take another's for it.
        head = files.absolute(files.join(work_folder(name), f'head-{self.model.digest[:16]}'))
        with embedding.work_folders([name], store):
            model = self.model.in_store(store)
            with jobs.importing_beam():
                encoder = model.take_apart(store, staging=staging_folder(store, name), head=head)
            product = self._product(head)
            if jobs.is_local(beam_args) and processes_here(beam_args) == 1:
                # The worker is this process: what takes seconds is told before rows are counted.
                with Progress('loading the head'):
                    product.scorer.load()
            making = Making(
                [inputs],
                self.config.embedding(self.view.sampling, self.view.preparation),
                encoder,
                store,
                machinery,
                self.config.overwrite,
                beam_args,
                product,
            )
            _, ((_, outcome),) = making.make(under_way)
        record = RunRecord.read(self.layout.path(self.layout.record))
        if not record.is_whole(self.layout.directory):
            raise RunFailed(
                'the runner says it is done, but the predictions are not what it wrote',
                where=self.layout.prefix,
                do='see whether something else writes there, and run the same command again',
            )
        say(f'{self.layout.prefix}: {record.told()}')
        for note in self._notes(outcome.notes, outcome.from_working_dir):
            say(note)
        return record

    def _product(self, head: str) -> Predictions:
        description = self.model.description
        style = Style(description.labels, description.multi_label, self.config.top_k)
        threshold = description.threshold if description.multi_label else None
        window = description.manner.window
        layout = Layout(files.absolute(self.layout.directory), self.layout.stem, self.layout.is_one_file)
        publication = Publication(
            layout, style, threshold, self.config.rule, window, self.config.csv, self.named.is_listing
        )
        return Predictions(Scorer(head, description.labels, window), publication)

    def _notes(self, notes: Sequence[str], from_working_dir: int) -> Iterator[str]:
        yield from notes
        if from_working_dir and not self.named.is_listing:
            yield f'{from_working_dir:,} rows were found in the working directory instead of beside the CSV'


def _judge(record: RunRecord, config: BatchConfig, layout: Layout) -> None:
    """Raise when nothing, or too little, could be answered; what there is stays."""
    if failure := _failure(record, config, layout):
        raise failure


def _failure(record: RunRecord, config: BatchConfig, layout: Layout) -> Failure | None:
    where = layout.path(record.files[0].file)
    if record.rows and not record.answered:
        return InputError(
            f'no row could be answered: {record.told()}',
            where=where,
            do='look there for what is wrong with each row, mend it, and run the same command with --retry_rejected',
        )
    if record.failed > config.max_reject_fraction * record.rows:
        return TooManyRejects(
            f'{record.failed:,} of {record.rows:,} rows failed ({record.failed / record.rows:.1%}, the limit is '
            f'{config.max_reject_fraction:.1%}); the others are answered',
            where=where,
            do='mend what is said there and run the same command with --retry_rejected, or raise --max_reject_fraction',
        )
    return None
