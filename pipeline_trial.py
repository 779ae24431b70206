"""pipeline.py --dry_run: every input checked, a few pictures through every stage, and what the full run will take."""

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pipeline_demo
from pipeline_stages import PipelineConfig, Run, make_documents, make_model, make_records, make_report, sets_of
from preprocess import command, dataflow_config, files, options, quotes
from preprocess.costs import TrainingFleet, Workload
from preprocess.documents import DocsResult
from preprocess.failures import TooManyRejects
from preprocess.machines import Accelerator, Machine
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.progress import say, unsaid
from preprocess.quotes import Asked
from preprocess.splits import TRAIN
from trainer import config as training_config
from trainer import head_spec, vertex_job

if TYPE_CHECKING:
    from preprocess.footage_forecast import FootageStock
    from preprocess.forecast import Stock

TRIAL_PICTURES = 32
TRIAL_STEPS = (20, 220)


def dry_run(config: PipelineConfig, flags: argparse.Namespace, beam_args: Sequence[str]) -> list[str]:
    """Check every input, run a few pictures through every stage, and say what the full run will take."""
    cloud = _cloud(config, flags, beam_args)
    with tempfile.TemporaryDirectory(prefix='headlight-dry-run-') as scratch:
        source = files.join(scratch, 'demo', 'pictures') if flags.demo else config.input_path
        trial = dataclasses.replace(config, output_dir=scratch, input_path=source, limit=TRIAL_PICTURES)
        # What is tried is tried here: nothing is submitted.
        run = Run(trial, flags, [] if cloud else beam_args, {})
        command.log_to(files.join(scratch, 'log.txt'), verbosity=flags.verbosity)
        if flags.demo and source:
            pipeline_demo.draw(source, per_class=pipeline_demo.DEMO_PICTURES_PER_CLASS, seed=flags.seed)
        steps = flags.max_steps or training_config.DEFAULT_MAX_STEPS
        try:
            return _forecast(run, make_documents(run), cloud, steps=steps)
        except TooManyRejects as error:
            raise _with_the_first(error) from error


def _with_the_first(error: TooManyRejects) -> TooManyRejects:
    """The same error, with the first of its rejects: their list goes with the folder that was tried in."""
    try:
        first = json.loads(files.read_text(error.where).partition('\n')[0])
    except (OSError, ValueError):
        return error
    what = f'{error.what}, such as this one: {first["message"]}'
    return TooManyRejects(what, where=f'{first["source"]}:{first["row"]}', do=error.do)


@dataclass(frozen=True)
class _Cloud:
    """What the run asks of the cloud, and where the vectors are that it can take."""

    asked: Asked
    fleet: TrainingFleet | None  # None: there is no training there
    store: str


def _cloud(config: PipelineConfig, flags: argparse.Namespace, beam_args: Sequence[str]) -> _Cloud | None:
    """None for a run on this machine."""
    if not dataflow_config.is_asked_for(flags, beam_args):
        return None
    store = flags.embedding_store or config.path(options.STORE)
    # With a runner's name alone only the embedding is elsewhere.
    fleet = _training_fleet(flags) if flags.cloud and not config.pretrained_model else None
    return _Cloud(quotes.from_flags(flags, beam_args), fleet, store)


def _training_fleet(flags: argparse.Namespace) -> TrainingFleet:
    kind = flags.train_machine_type or vertex_job.DEFAULT_MACHINE
    asked = vertex_job.Machines.of_words(
        kind, flags.train_accelerator, nodes=flags.train_nodes or 1, spot=flags.train_spot
    )
    card = Accelerator(asked.accelerator.lower().replace('_', '-'), asked.accelerators) if asked.accelerator else None
    return TrainingFleet(Machine.named(kind, where='--train_machine_type'), asked.nodes, accelerator=card)


def _forecast(run: Run, documents: DocsResult | None, cloud: _Cloud | None, *, steps: int) -> list[str]:
    from preprocess import footage_forecast, forecast

    everything = sets_of(dataclasses.replace(run, config=dataclasses.replace(run.config, limit=None)), documents)
    stocks = {side: forecast.take_stock(one) for side, one in everything.items()}
    limit = run.flags.max_reject_fraction
    lines = [
        line for side, stock in stocks.items() for line in forecast.stock_lines(side, stock, max_reject_fraction=limit)
    ]
    embedding = options.embedding_from_flags(run.flags)
    filmed = {
        side: footage_forecast.take_stock(everything[side], stock.footage, embedding)
        for side, stock in stocks.items()
        if stock.footage
    }
    lines += [line for side, stock in filmed.items() for line in footage_forecast.stock_lines(side, stock)]
    say(f'running {TRIAL_PICTURES} {"frames" if filmed else "pictures"} through every stage')
    begun = time.monotonic()
    with unsaid():
        records = make_records(run, documents)
        step_s = _try_training(run, records)
    overhead_s = time.monotonic() - begun
    embedding_s = 0.0
    for told, seconds in (_of_pictures(stocks, records), _of_footage(filmed, records, embedding)):
        lines += told
        embedding_s += seconds
    lines += forecast.time_lines(embedding_s, overhead_s=overhead_s, training_s=step_s * steps, steps=steps)
    if cloud and stocks:
        work = _workload(_Counted(everything, stocks, filmed, records), cloud.store, embedding_s)
        training = quotes.Training(step_s * steps, cloud.fleet) if cloud.fleet else None
        lines += quotes.lines(work, cloud.asked, training)
    return lines


@dataclass(frozen=True)
class _Counted:
    """What the sets of a run have, and the records of a few of their pictures."""

    sets: Mapping[str, SetConfig]
    stocks: 'Mapping[str, Stock]'
    filmed: 'Mapping[str, FootageStock]'
    records: Mapping[str, str]


def _workload(counted: _Counted, store: str, embedding_s: float) -> Workload:
    """Pictures and frames as a job has them to do, by the time all of them would take here."""
    from preprocess import footage_forecast, kept_vectors, rows
    from preprocess.compiled import CompiledEncoder
    from preprocess.processor import usable_cores
    from preprocess.record_sets import find_records

    stocks, filmed = counted.stocks.values(), counted.filmed.values()
    frames = sum(stock.frames for stock in filmed)
    moved = sum(stock.bytes_to_read for stock in stocks) + sum(map(footage_forecast.bytes_to_read, filmed))
    encoder_dir = next((find_records([prefix]).encoder_dir for prefix in counted.records.values()), None)
    encoder = CompiledEncoder.load(encoder_dir) if encoder_dir else None
    kept = 0.0
    for stock in stocks:
        known = kept_vectors.count(stock.found, store, encoder) if encoder else 0
        kept += known * len(stock.rows) / max(len(stock.found), 1)
    count = sum(len(stock.rows) for stock in stocks) + frames
    return Workload(
        rows=sum(stock.read for stock in stocks) + frames,
        pictures=count,
        in_store=round(kept),
        picture_bytes=moved / max(count, 1),
        seconds_per_picture=embedding_s * usable_cores() / max(count, 1),
        vector_bytes=encoder.vector_bytes if encoder else 0,
        csvs=sum(len(rows.expand_inputs(one.input_path)) for one in counted.sets.values()),
    )


def _of_pictures(stocks: 'Mapping[str, Stock]', records: Mapping[str, str]) -> tuple[list[str], float]:
    from preprocess import forecast

    pictures = sum(len(stock.rows) for stock in stocks.values())
    side, largest = max(stocks.items(), key=lambda item: len(item[1].rows), default=('', None))
    pace = forecast.pace(records[side], largest) if largest and largest.rows else None
    return forecast.embedding_lines(pictures, pace) if pace else ([], 0.0)


def _of_footage(
    stocks: 'Mapping[str, FootageStock]', records: Mapping[str, str], embedding: EmbeddingConfig
) -> tuple[list[str], float]:
    from preprocess import footage_forecast
    from preprocess.compiled import CompiledEncoder
    from preprocess.record_sets import find_records

    encoder_dir = next((find_records([records[side]]).encoder_dir for side in stocks), None)
    pace = footage_forecast.pace(encoder_dir, list(stocks.values()), embedding) if encoder_dir else None
    if not pace or not encoder_dir:
        return [], 0.0
    return footage_forecast.time_lines(stocks, pace, CompiledEncoder.load(encoder_dir).vector_bytes)


def _try_training(run: Run, records: Mapping[str, str]) -> float:
    """A short training and a longer one, the model evaluated; the seconds a step takes."""
    learning = training_config.learning_from_flags(run.flags)
    if learning.head != 'softmax' and not run.config.pretrained_model:
        return _try_head(run, records, learning)
    seconds = []
    for run.flags.max_steps in TRIAL_STEPS:
        begun = time.monotonic()
        model_dir = run.config.pretrained_model or make_model(run, records)
        seconds.append(time.monotonic() - begun)
    make_report(run, records, model_dir)
    return max(seconds[1] - seconds[0], 0) / (TRIAL_STEPS[1] - TRIAL_STEPS[0])


def _try_head(run: Run, records: Mapping[str, str], learning: training_config.Learning) -> float:
    """Heads of footage take long: they are timed by themselves. A few frames spread over a recording make no window."""
    from preprocess.record_sets import find_records
    from trainer import classes, training

    found = find_records([records[TRAIN]]).manifests[0]
    head_spec.check(learning, found.vector_shape, is_footage=found.sampling is not None)
    training.load_tensorflow()
    from trainer import step_time

    told_apart = classes.make(found.labels, multi_label=found.multi_label, unlabelled=learning.unlabelled_class)
    step_s = step_time.measure(learning, found.vector_shape, told_apart)
    if learning.windowing is None:
        run.flags.max_steps, run.flags.epochs = 1, None
        make_report(run, records, make_model(run, records))
    return step_s
