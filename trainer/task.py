"""`python -m trainer.task`: records -> trained head -> SavedModel, alone, as a cloud job, or as a node of several."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from preprocess import command, files, run_json
from preprocess.claims import BEAT_EVERY_S, STALE_AFTER_S, Claim
from preprocess.cloud_jobs import LeftToRun
from preprocess.command import FlagParser
from preprocess.progress import say
from trainer import config as configuration
from trainer import environment as surroundings
from trainer import export, export_mark, inputs, training, vertex, vertex_flags
from trainer.config import TrainConfig
from trainer.environment import Environment
from trainer.export import ModelParts
from trainer.result import TrainResult

_THRESHOLD = 0.5


def main(argv: Sequence[str] | None = None) -> None:
    """Train, export, and write predictions where they are asked for."""
    parser = FlagParser(
        'python -m trainer.task',
        'Train a head on embedded records and export it with its encoder as a SavedModel.',
        epilog='The same command again continues, or says that there is nothing to do.',
    )
    configuration.add_flags(parser)
    vertex_flags.add_cloud_flags(parser)
    vertex_flags.add_flags(parser)
    found = parser.parse_args(argv)
    if found.cloud:
        run_on_vertex(found)
        return
    vertex_flags.check_without_cloud(found)
    environment = surroundings.read(os.environ)
    if not environment.trains:
        say(f'nothing to do for a {environment.role}: the nodes that train keep the weights and evaluate themselves')
        return
    for line in configuration.retired_lines(found):
        say(line)
    run(configuration.from_flags(found, environment), environment)


def run(config: TrainConfig, environment: Environment) -> None:
    """Everything this process has to do."""
    if not environment.is_chief:
        training.follow(config, environment)
        return
    with _claimed(config, environment):
        result = training.train(config, environment)
        exported = export_trained(config, result, keep_previous=config.keep_previous)
        if config.write_predictions:
            write_predictions(config, result)
    for line in summary(config, result) if exported or not result.skipped else ():
        say(line)


@contextmanager
def _claimed(config: TrainConfig, environment: Environment) -> Iterator[None]:
    """The right to write the result, with a log of how it came about.

    Of a cloud job the output directory is held by the command that submitted it and looks on: its own are below it.
    """
    home = config.checkpoint_dir if environment.job_id else config.output_path
    if not environment.job_id and config.output_path.startswith('gs://'):
        noted = run_json.stage(files.join(config.output_path, run_json.FILE), 'vertex')
        vertex.check_alone(noted, do='with --cloud the same command attaches to it')
    command.log_to(files.join(home, 'log.txt'), verbosity=config.schedule.verbosity)
    with ExitStack() as held:
        for place in dict.fromkeys((home, config.checkpoint_dir)):
            # A job that was taken off its machine starts again before its mark is old enough to be nobody's.
            patience_s = STALE_AFTER_S + BEAT_EVERY_S if environment.job_id else 0.0
            held.enter_context(Claim(files.join(place, '.claim'), doing='trainer.task', patience_s=patience_s))
        yield


def run_on_vertex(flags: argparse.Namespace) -> None:
    """Have a job of Vertex AI do it, and look on."""
    from trainer import vertex_training

    for line in configuration.retired_lines(flags):
        say(line)
    config = configuration.from_flags(flags, Environment())
    vertex_training.check_places(config)
    cloud = vertex_flags.from_flags(flags, config.output_path)
    path = files.join(config.output_path, run_json.FILE)
    journal = vertex_training.Journal(
        lambda: run_json.stage(path, 'vertex'), lambda facts: run_json.note(path, 'vertex', facts)
    )
    command.log_to(files.join(config.output_path, 'log.txt'), verbosity=config.schedule.verbosity)
    try:
        with Claim(files.join(config.output_path, '.claim'), doing='trainer.task --cloud'):
            result = vertex_training.train_on_vertex(config, cloud, journal)
    except LeftToRun as left:
        for line in left.lines:
            say(line)
        return
    for line in () if result.skipped else summary(config, result):
        say(line)


def export_trained(config: TrainConfig, result: TrainResult, *, keep_previous: bool = False) -> bool:
    """Export the chosen weights of a complete training; False when the model there is made of just these."""
    found = inputs.find(config)
    encoder = training.encoder_of(config, found)
    made_of = export_mark.made_of(result, encoder.key if encoder else None)
    there = export_mark.is_there(config)
    if there and export_mark.read(config) == made_of:
        return False
    if result.skipped:
        why = 'the model there is not known to be of its weights and encoder' if there else 'there is no model'
        say(f'{why}: it is exported again, to {config.model_dir}')
    training.load_tensorflow()
    parts = ModelParts(
        result.head(),
        result.classes.names,
        encoder,
        _THRESHOLD,
        found.manifest_json,
        config.learning.windowing,
    )
    export_mark.remove(config)
    export.export_model(parts, config.model_dir, keep_previous=keep_previous)
    export_mark.write(config, made_of)
    return True


def write_predictions(config: TrainConfig, result: TrainResult) -> None:
    """eval/predictions.csv: what the chosen weights say of every evaluation record."""
    training.load_tensorflow()
    from trainer import data, head_predictions, predictions

    found = inputs.find(config)
    raw = data.read(
        'evaluation', found.eval, stream=config.schedule.streaming_eval, windowing=config.learning.windowing
    )
    examples = data.examples(raw, result.classes)
    threshold = _THRESHOLD if result.classes.multi_label else None
    said = head_predictions.of_head(result.head(), examples, threshold=threshold)
    path = files.join(config.output_path, 'eval', 'predictions.csv')
    predictions.write(path, said)
    say(f'{len(said):,} predictions are in {path}')


def summary(config: TrainConfig, result: TrainResult) -> list[str]:
    """What came out, in a few lines."""
    chosen, which = result.chosen, 'last' if result.export_last else 'best'
    return [
        f'{result.steps:,} steps; the {which} weights are those of step {chosen.step:,}',
        f'- on train set {chosen.train.text(result.majority_train)}',
        f'-- on eval set {chosen.eval.text(result.majority_eval)}',
        f'the model is in {config.model_dir}; curves: tensorboard --logdir {config.log_dir}',
    ]


if __name__ == '__main__':
    command.run(main)
