"""Making sets of records: inputs checked, the encoder compiled, one job run and watched, its results verified."""

import enum
import math
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from preprocess import decoders, encoders, engines, files, preflight, publishing, shards, tally
from preprocess.claims import Claim
from preprocess.compiled import GRAPH_FILE, INFO_FILE, CompiledEncoder
from preprocess.embedder import Hands, usable_cores
from preprocess.encoders import EncoderSpec
from preprocess.engines import Engine
from preprocess.failures import Failure, InputError, RunFailed, TooManyRejects
from preprocess.manifest import EncoderInfo, Manifest, is_whole
from preprocess.options import STORE, EmbeddingConfig, SetConfig
from preprocess.preflight import Inputs
from preprocess.progress import Progress, say
from preprocess.publishing import Outcome
from preprocess.set_names import SetName
from preprocess.sets import EmbeddingJob, SetJob, staging_folder, work_folder

ENCODERS = 'encoder'
LOG = 'log.txt'
# Rows settled together: what one worker holds in memory at a time.
_ROWS_PER_BUCKET = 1024
_MOST_BUCKETS = 4096


class Existing(enum.Enum):
    """What to do with records that are there already."""

    KEEP = 'keep those made with the same settings, refuse others'
    REPLACE = 'keep those made with the same settings, replace others'
    REDO = 'replace them all'


@dataclass(frozen=True)
class Machinery:
    """What makes and runs an encoder; `hands` None: what the machine suggests."""

    compile: Callable[[EncoderSpec, str], CompiledEncoder] = encoders.compile_in_child
    load: Callable[[CompiledEncoder], Engine] = engines.load_engine
    hands: Hands | None = None
    decode: str = decoders.DECODE
    decode_timeout_s: float = decoders.TIMEOUT_S


def embed_sets(
    sets: Sequence[SetConfig],
    embedding: EmbeddingConfig,
    beam_args: Sequence[str] = (),
    *,
    existing: Existing = Existing.KEEP,
    machinery: Machinery | None = None,
) -> list[Manifest]:
    """Make sets of records in one job, and return their manifests in order; those that are whole already are kept."""
    spec = embedding.spec
    with Progress('checking the inputs'):
        key = spec.key()
        inputs = [preflight.check(config, encoder_key=key, encoder=spec.canonical) for config in sets]
    with ExitStack() as held:
        for config in sets:
            held.enter_context(_claim(config))
        missing = [one for one in inputs if not _is_there(one, existing)]
        if missing:
            held.enter_context(_work_folders(missing, embedding))
            job = _job(missing, embedding, machinery or Machinery(), replace=existing is not Existing.KEEP)
            _run(job, beam_args)
            _verify(job)
    return [Manifest.read(config.name.manifest()) for config in sets]


def _claim(config: SetConfig) -> Claim:
    name = config.name
    return Claim(files.join(name.directory, f'.{name.stem}.claim'), doing=f'embedding {config.output_path}')


def _is_there(inputs: Inputs, existing: Existing) -> bool:
    if existing is Existing.REDO:
        return False
    manifest = preflight.find_complete(inputs, replace=existing is Existing.REPLACE)
    if manifest is None:
        return False
    publishing.remove_leftovers(inputs.config.name, manifest)
    say(f'{inputs.config.output_path}: {manifest.rows.accepted:,} records are there already (--overwrite redoes them)')
    return True


@contextmanager
def _work_folders(inputs: Sequence[Inputs], embedding: EmbeddingConfig) -> Iterator[None]:
    """Unfinished files of an earlier run are cleared away first, those of this one in the end."""
    names = [one.config.name for one in inputs]
    store = _store(inputs, embedding)
    unfinished = [*map(work_folder, names), *(staging_folder(store, name) for name in names)]
    for folder in unfinished:
        files.delete_tree(folder)
    try:
        yield
    finally:
        for folder in unfinished:
            files.delete_tree(folder)


def _store(inputs: Sequence[Inputs], embedding: EmbeddingConfig) -> str:
    return embedding.embedding_store or files.join(inputs[0].config.name.directory, STORE)


def _job(inputs: Sequence[Inputs], embedding: EmbeddingConfig, machinery: Machinery, *, replace: bool) -> EmbeddingJob:
    encoder = _compiled(embedding.spec, [one.config.name.directory for one in inputs], machinery)
    remote = any(files.is_remote(path) for one in inputs for path in [*one.csvs, one.config.image_root or ''])
    sets = tuple(
        _set_job(one, index, encoder=encoder, embedding=embedding, replace=replace) for index, one in enumerate(inputs)
    )
    return EmbeddingJob(
        sets=sets,
        load_engine=partial(machinery.load, encoder),
        encoder_key=encoder.key,
        store=files.absolute(_store(inputs, embedding)),
        hands=machinery.hands or Hands.for_machine(remote=remote),
        buckets=min(_MOST_BUCKETS, 1 + sum(one.about_rows for one in inputs) // _ROWS_PER_BUCKET),
        decode=machinery.decode,
        decode_timeout_s=machinery.decode_timeout_s,
    )


def _set_job(
    inputs: Inputs, index: int, *, encoder: CompiledEncoder, embedding: EmbeddingConfig, replace: bool
) -> SetJob:
    config = inputs.config
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
        max_reject_fraction=embedding.max_reject_fraction,
        shards=config.shards or shards.how_many(inputs.about_rows, encoder.vector_size),
        encoder=EncoderInfo(
            spec=encoder.spec,
            key=encoder.key,
            path=_encoder_path(encoder.key),
            sha256=encoder.sha256,
            input_shape=encoder.input_shape,
            engine=encoder.engine,
            precision=encoder.precision,
            batch_size=encoder.batch_size,
        ),
        vector_size=encoder.vector_size,
        settings=inputs.settings,
        run_id=uuid.uuid4().hex[:12],
        replace=replace,
    )


def _encoder_path(key: str) -> str:
    return f'{ENCODERS}/{key[:16]}'


def _compiled(spec: EncoderSpec, directories: Sequence[str], machinery: Machinery) -> CompiledEncoder:
    """The encoder beside the records, in every folder that gets some; built once."""
    first, *others = dict.fromkeys(map(files.absolute, directories))
    encoder = machinery.compile(spec, files.join(first, _encoder_path(spec.key())))
    for other in others:
        # The description comes last: where it is, the graph is whole.
        for file in (GRAPH_FILE, INFO_FILE):
            files.copy(files.join(encoder.directory, file), files.join(other, _encoder_path(encoder.key), file))
    return encoder


def _run(job: EmbeddingJob, beam_args: Sequence[str]) -> None:
    from preprocess import jobs, transforms

    encoder = job.sets[0].encoder
    say(
        f'embedding with {encoder.spec} on {_device()}: {encoder.engine} {encoder.precision}, batches of '
        f'{encoder.batch_size}, {job.hands.decoders} decoders beside it; {jobs.describe(beam_args)}'
    )
    with _Display(job.tallies) as display:
        log = None if files.is_remote(job.sets[0].work) else job.sets[0].path(LOG)
        jobs.run(lambda pipeline: pipeline | transforms.EmbedSets(job), beam_args, look=display.look, log=log)


class _Display:
    """How far the workers are, from what they report: pictures embedded, then records written."""

    def __init__(self, tallies: str) -> None:
        self._tallies = tallies
        self._is_writing = False
        self._shown = Progress('embedding', unit='pictures')

    def __enter__(self) -> Self:
        self._shown.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.__exit__(kind, error, trace)

    def look(self, is_interrupted: bool) -> None:
        """Show what the workers reported last, and pass on to them that the user wants to stop."""
        counts = tally.total(self._tallies)
        done = counts['accepted'] + counts['rejected'] + counts['duplicates']
        if counts['written'] and not self._is_writing:
            self._is_writing = True
            self._shown.update(done, failed=counts['rejected'], total=counts['read'])
            self._shown.__exit__(None, None, None)
            self._shown = Progress('writing', unit='records').__enter__()
        if self._is_writing:
            self._shown.update(counts['written'], total=counts['accepted'])
        else:
            self._shown.update(done, failed=counts['rejected'], total=counts['read'] or None)
        if is_interrupted:
            tally.ask_to_stop(self._tallies)


def _device() -> str:
    cards = files.glob('/dev/nvidia[0-9]*')
    cores = usable_cores()
    return f'{len(cards)} GPU' if cards else f'{cores} CPU core{"s" if cores > 1 else ""}'


def _verify(job: EmbeddingJob) -> None:
    """Say how every set ended; raise for the first one that isn't there."""
    outcomes = [(one, publishing.read_outcome(one)) for one in job.sets]
    for one, outcome in outcomes:
        say(_summary(one, outcome))
    for one, outcome in outcomes:
        if not outcome.is_published:
            raise _rejected(one, outcome)
        if not is_whole(one.name, Manifest.read(one.name.manifest())):
            raise RunFailed(
                'the runner says it is done, but the records are not what it wrote',
                where=one.name.manifest(),
                do='see whether something else writes there, and run the same command again',
            )


def _summary(one: SetJob, outcome: Outcome) -> str:
    rows = outcome.rows
    parts = [f'{rows.accepted:,} records']
    if rows.rejected:
        parts.append(f'{rows.rejected:,} rejected ({_histogram(outcome)})')
    if rows.duplicate:
        parts.append(f'{rows.duplicate:,} repeats')
    if outcome.from_working_dir:
        parts.append(f'{outcome.from_working_dir:,} found in the working directory instead of beside the CSV')
    return f'{one.name.stem}: {rows.read:,} rows: {", ".join(parts)}'


def _rejected(one: SetJob, outcome: Outcome) -> Failure:
    rows = outcome.rows
    if not rows.accepted:
        return InputError(
            f'every row was rejected ({_histogram(outcome)})',
            where=one.name.rejects(),
            do='look there for what is wrong with each row, mend the CSV or the files, and run the same command again',
        )
    fraction = rows.rejected / rows.read
    return TooManyRejects(
        f'{rows.rejected:,} of {rows.read:,} rows rejected ({fraction:.1%}, the limit is '
        f'{one.max_reject_fraction:.1%}): {_histogram(outcome)}',
        where=one.name.rejects(),
        do=f'mend them and run the same command again, or go on without these {rows.rejected:,} rows with '
        f'--max_reject_fraction {math.ceil(fraction * 1000) / 1000:g}',
    )


def _histogram(outcome: Outcome) -> str:
    ordered = sorted(outcome.rejects_by_reason.items(), key=lambda item: (-item[1], item[0]))
    return ', '.join(f'{count:,} {reason}' for reason, count in ordered)
