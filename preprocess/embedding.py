"""Making sets of records: inputs checked, the encoder compiled, one job run and watched, its results verified."""

import enum
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from preprocess import (
    dataflow,
    decoders,
    encoder_choice,
    encoders,
    engines,
    files,
    job_notes,
    jobs,
    kept_encoders,
    log_files,
    outcomes,
    pieces,
    preflight,
    publishing,
    shards,
    shelves,
    verdicts,
)
from preprocess.arrivals import Sources
from preprocess.claims import Claim
from preprocess.compiled import CompiledEncoder
from preprocess.dataflow import Dataflow
from preprocess.display import Display
from preprocess.embedder import Hands
from preprocess.encoders import EncoderSpec
from preprocess.engines import Engine
from preprocess.failures import RunFailed
from preprocess.job_notes import JobNote
from preprocess.jobs import Build
from preprocess.manifest import EncoderInfo, Manifest
from preprocess.manning import Manning, processes_here
from preprocess.options import STORE, EmbeddingConfig, SetConfig
from preprocess.outcomes import Outcome
from preprocess.pieces import Shelf
from preprocess.preflight import Inputs
from preprocess.processor import gpus, usable_cores
from preprocess.products import Product, Records
from preprocess.progress import Progress, say
from preprocess.provenance import Provenance
from preprocess.set_names import SetName
from preprocess.sets import EmbeddingJob, SetJob, staging_folder, work_folder
from preprocess.stock import Stock, how_many_ranges, write_lists
from preprocess.video_children import ReaderApart
from preprocess.video_reader import VideoReader

_log = logging.getLogger(__name__)
LOG = 'log.txt'
# Frames a second that footage is taken to have before it is looked at, and keyframes.
_FRAMES_A_SECOND = {'every_frame': 30.0, 'keyframes': 0.5}
# A store that loses pieces again and again is on a disk that is dying.
_MOST_LOOKS = 4


class Existing(enum.Enum):
    """What to do with records that are there already."""

    KEEP = 'keep those made with the same settings, refuse others'
    REPLACE = 'keep those made with the same settings, replace others'
    REDO = 'replace them all'


@dataclass(frozen=True)
class Machinery:
    """What makes and runs an encoder; `hands` None: what the machine suggests; `dataflow` None: not there."""

    compile: Callable[[EncoderSpec, str], CompiledEncoder] = encoders.compile_in_child
    load: Callable[..., Engine] = engines.load_engine
    hands: Hands | None = None
    decode: str = decoders.DECODE
    decode_timeout_s: float = decoders.TIMEOUT_S
    reader: VideoReader = ReaderApart()
    dataflow: Dataflow | None = None


@dataclass(frozen=True)
class Made:
    """The manifests of the sets asked for, in order, and where the pictures' vectors came from.

    `sources` is None when every set was there already.
    """

    manifests: tuple[Manifest, ...]
    sources: Sources | None


def embed_sets(
    sets: Sequence[SetConfig],
    embedding: EmbeddingConfig,
    beam_args: Sequence[str] = (),
    *,
    existing: Existing = Existing.KEEP,
    machinery: Machinery | None = None,
) -> Made:
    """Make sets of records in one job; those that are whole already are kept."""
    means = machinery or Machinery()
    beam_args = means.dataflow.beam_args if means.dataflow else beam_args
    jobs.check(beam_args)
    store = _store(sets, embedding)
    shelves.check_place(store)
    spec = encoder_choice.settle(sets, embedding, store=store, beam_args=beam_args)
    with Progress('checking the inputs'):
        key = spec.key()
        inputs = [
            preflight.check(
                config, encoder_key=key, encoder=spec.canonical, footage_settings=embedding.footage_settings
            )
            for config in sets
        ]
    if means.dataflow:
        dataflow.check_rows(inputs)
    sources = None
    with ExitStack() as held:
        for config in sets:
            held.enter_context(claim(config.name, doing=f'embedding {config.output_path}'))
        under_way = dataflow.under_way(inputs, where=means.dataflow)
        made_there = {stem for note in under_way for stem in note.runs}
        missing = [
            one
            for one in inputs
            if one.config.name.stem in made_there or not _is_there(one, store, existing, retry=embedding.retry_rejected)
        ]
        if missing:
            if means.dataflow:
                means.dataflow.before_work()
            shelves.make_place(store)
            held.enter_context(work_folders([one.config.name for one in missing], store))
            with jobs.importing_beam():
                encoder = kept_encoders.in_store(
                    spec, store, staging=staging_folder(store, missing[0].config.name), compile_into=means.compile
                )
            replace_others = existing is not Existing.KEEP
            making = Making(missing, embedding, encoder, store, means, replace_others, beam_args)
            sources, ended = making.make(under_way)
            verdicts.tell(ended)
            _advise(spec, sources, beam_args)
    return Made(tuple(Manifest.read(config.name.manifest()) for config in sets), sources)


def _absolute(provenance: Provenance) -> Provenance:
    return replace(
        provenance,
        origins=provenance.origins and files.absolute(provenance.origins),
        rejects=provenance.rejects and files.absolute(provenance.rejects),
    )


def claim(name: SetName, *, doing: str) -> Claim:
    """What keeps a second run from writing the same set meanwhile."""
    return Claim(files.join(name.directory, f'.{name.stem}.claim'), doing=doing)


def _is_there(inputs: Inputs, store: str, existing: Existing, *, retry: bool) -> bool:
    if existing is Existing.REDO:
        return False
    manifest = preflight.find_complete(inputs, replace=existing is Existing.REPLACE)
    if manifest is None or (retry and (manifest.rows.rejected or manifest.examples.rejected_frames)):
        return False
    publishing.remove_leftovers(inputs.config.name, manifest)
    _clear([inputs.config.name], store)
    written = manifest.examples.written
    say(f'{inputs.config.output_path}: {written:,} records are there already (--overwrite redoes them)')
    return True


@contextmanager
def work_folders(names: Sequence[SetName], store: str) -> Iterator[None]:
    """Unfinished files of an earlier run are cleared away first, those of this one in the end; not those of a job."""
    _clear(names, store)
    try:
        yield
    finally:
        _clear(names, store)


def _clear(names: Sequence[SetName], store: str) -> None:
    for name in names:
        if not dataflow.is_noted(name):  # else a job works there, with us or without
            files.delete_tree(work_folder(name))
            files.delete_tree(staging_folder(store, name))


def _store(sets: Sequence[SetConfig], embedding: EmbeddingConfig) -> str:
    return files.absolute(embedding.embedding_store or files.join(sets[0].name.directory, STORE))


@dataclass(frozen=True)
class Making:
    """Sets in the making: what is asked for, by what means; records, where no other product is named."""

    inputs: Sequence[Inputs]
    embedding: EmbeddingConfig
    encoder: CompiledEncoder
    store: str
    machinery: Machinery
    replace: bool
    beam_args: Sequence[str]
    product: Product = Records()

    def make(self, under_way: Sequence[JobNote] = ()) -> tuple[Sources, list[tuple[SetJob, Outcome]]]:
        """Look into the store, embed what is missing, publish; once more for sets whose pieces proved damaged.

        Jobs in the cloud that are `under_way` are seen to their ends first.
        """
        todo, sources, ended = list(self.inputs), Sources(), []
        for look, note in enumerate([*under_way, *[None] * _MOST_LOOKS]):
            now = [one for one in todo if note is None or one.config.name.stem in note.runs]
            job = self._job(now, note)
            found = self._outcomes(job, note, look)
            _name_damage(found)
            sources = sources.corrected(found[0].sources)
            ended += [pair for pair in zip(job.sets, found, strict=True) if not pair[1].must_repeat]
            again = [one for one, outcome in zip(now, found, strict=True) if outcome.must_repeat]
            todo = [one for one in todo if one not in now or one in again]
            if not todo:
                say(str(sources))
                return sources, ended
        raise RunFailed(
            f'pieces of the store are damaged or vanish at every one of {_MOST_LOOKS} looks',
            where=self.store,
            do='check the disk, or choose another --embedding_store',
        )

    def _outcomes(self, job: EmbeddingJob, note: JobNote | None, look: int) -> list[Outcome]:
        """How each set of a job ended, once the job has."""
        where = self.machinery.dataflow
        if not where:
            _run(job, self.product, self.beam_args)
            return [outcomes.read(one) for one in job.sets]
        _announce(job, f'on Dataflow, {where.config.workers}')
        where.run(job, _wired(job, self.product), under_way=note, attempt=look)
        try:
            return [outcomes.read(one) for one in job.sets]
        finally:
            job_notes.forget(one.name for one in job.sets)

    def _job(self, inputs: Sequence[Inputs], note: JobNote | None) -> EmbeddingJob:
        encoder = self.encoder
        manning = self._manning(remote=any(one.is_remote for one in inputs))
        about_rows = sum(one.about_rows for one in inputs)
        vectors = shelves.vectors(self.store, encoder.key, encoder.vector_bytes)
        refusals = shelves.rejects(self.store, encoder.key)
        recordings = sum(one.footage.recordings for one in inputs)
        lists = files.absolute(files.join(work_folder(inputs[0].config.name), 'lists'))
        known = _listed(vectors, about_rows, lists, least=recordings)
        seen = _listed(shelves.index(self.store), about_rows, lists, least=recordings, with_rows=True)
        # Refusals meet the same pictures as vectors do: they are cut at the same keys.
        left_alone = [] if self.embedding.retry_rejected else list(pieces.find(refusals.folder).good)
        refused = Stock(refusals, write_lists(lists, left_alone), known.ranges, True)
        return EmbeddingJob(
            sets=tuple(self._set_job(one, index, note) for index, one in enumerate(inputs)),
            load_engine=partial(_load, self.machinery.load, encoder, manning),
            store=self.store,
            seen=seen,
            vectors=known,
            refusals=refused,
            manning=manning,
            decode=self.machinery.decode,
            decode_timeout_s=self.machinery.decode_timeout_s,
            reader=self.machinery.reader,
            recordings=recordings,
            may_have_footage=any(one.footage.is_possible for one in inputs),
            retry_rejected=self.embedding.retry_rejected,
            packages=self.product.packages,
            needs=self.product.needs,
        )

    def _manning(self, *, remote: bool) -> Manning:
        given = self.machinery.hands
        return Manning(
            remote=remote,
            readers=given.readers if given else None,
            decoders=given.decoders if given else self.embedding.decoders,
            network_threads=self.embedding.network_threads,
            processes=processes_here(self.beam_args),
        )

    def _set_job(self, inputs: Inputs, index: int, note: JobNote | None) -> SetJob:
        config, encoder = inputs.config, self.encoder
        # Workers may run in another folder: every path is absolute.
        name = SetName(files.absolute(config.name.directory), config.name.name, config.part)
        return SetJob(
            index=index,
            name=name,
            csvs=tuple(map(files.absolute, inputs.csvs)),
            labels=inputs.labels,
            image_root=files.absolute(config.image_root) if config.image_root else None,
            working_dir=inputs.working_dir,
            ignore_label_case=config.ignore_label_case,
            multi_label=config.multi_label,
            limit=config.limit,
            max_reject_fraction=self.embedding.max_reject_fraction,
            shards=config.shards or self._about_shards(inputs, encoder),
            encoder=_info(self.product.encoder_for(encoder, name.directory)),
            vector_shape=encoder.vector_shape,
            settings=inputs.settings,
            run_id=note.runs[config.name.stem] if note else uuid.uuid4().hex[:12],
            sampling=self.embedding.sampling,
            preparation=self.embedding.preparation,
            replace=self.replace,
            provenance=_absolute(config.provenance),
        )

    def _about_shards(self, inputs: Inputs, encoder: CompiledEncoder) -> int:
        """Enough record files for the pictures, or for the footage, of which a recording is in one."""
        footage = inputs.footage
        frames = int(footage.seconds * _FRAMES_A_SECOND.get(self.embedding.sampling.which, 1.0))
        frames = int(frames * (self.embedding.sampling.frames_per_second or 1.0))
        of_footage = min(footage.recordings, shards.how_many(frames, encoder.vector_bytes))
        return max(shards.how_many(inputs.about_rows, encoder.vector_bytes), of_footage)


def _advise(spec: EncoderSpec, sources: Sources, beam_args: Sequence[str]) -> None:
    """Say what this machine could do faster, when it was kept busy."""
    worth_it = sources.embedded and spec.source.is_heavy and jobs.is_local(beam_args)
    if worth_it and (line := engines.advice(spec.engine, spec.precision)):
        say(line)


def _load(load: Callable[..., Engine], encoder: CompiledEncoder, manning: Manning) -> Engine:
    threads = manning.threads()
    return load(encoder, **({'threads': threads} if threads else {}))


def _listed(shelf: Shelf, about_rows: int, lists: str, *, least: int, with_rows: bool = False) -> Stock:
    """A shelf's pieces, listed once, and how finely to cut them for so many rows; recordings are worth a range each."""
    found = pieces.find(shelf.folder).good
    about_keys = sum(found.values()) // (shelf.row_bytes + pieces.KEY_BYTES)
    ranges = how_many_ranges(about_rows, about_keys, least=least)
    return Stock(shelf, write_lists(lists, list(found)), ranges, with_rows)


def _info(encoder: CompiledEncoder) -> EncoderInfo:
    return EncoderInfo(
        spec=encoder.spec,
        key=encoder.key,
        path=kept_encoders.path_beside_records(encoder.key),
        sha256=encoder.sha256,
        input_shape=encoder.input_shape,
        engine=encoder.engine,
        precision=encoder.precision,
        batch_size=encoder.batch_size,
        quantised=encoder.quantised,
    )


def _name_damage(outcomes: Sequence[Outcome]) -> None:
    """One line for every piece that could not be used; its pictures are embedded again."""
    for piece, why in sorted({(one.piece, one.why) for outcome in outcomes for one in outcome.damaged}):
        if why:
            say(f'{piece}: {why}; set aside, and its pictures are embedded again')
        else:
            _log.warning('%s vanished; its pictures are looked up once more', piece)


def _run(job: EmbeddingJob, product: Product, beam_args: Sequence[str]) -> None:
    count = job.manning.hands().decoders
    beside = f', {count} decoder{"" if count == 1 else "s"} beside it; {jobs.describe(beam_args)}'
    _announce(job, f'on {_device()}', beside)
    with Display(job.tallies) as display:
        log = log_files.for_workers(job.sets[0].path(LOG))
        jobs.run(_wired(job, product), beam_args, look=display.look, log=log)


def _announce(job: EmbeddingJob, where: str, more: str = '') -> None:
    encoder = job.sets[0].encoder
    say(
        f'embedding with {encoder.spec} {where}: {encoder.engine} {encoder.precision}, batches of '
        f'{encoder.batch_size}{more}'
    )


def _wired(job: EmbeddingJob, product: Product) -> Build:
    """The job as a pipeline of Beam's."""
    from preprocess import transforms

    return lambda pipeline: pipeline | transforms.EmbedSets(job, product)


def _device() -> str:
    cards, cores = gpus(), usable_cores()
    return f'{cards} GPU' if cards else f'{cores} CPU core{"s" if cores > 1 else ""}'
