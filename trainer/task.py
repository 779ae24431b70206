"""`python -m trainer.task`: records -> trained head -> SavedModel, alone, as a cloud job, or as a node of several."""

import json
import os
from collections.abc import Sequence

from preprocess import command, files, settings
from preprocess.claims import Claim
from preprocess.command import FlagParser
from preprocess.progress import say
from trainer import config as configuration
from trainer import environment as surroundings
from trainer import export, inputs, training
from trainer.config import TrainConfig
from trainer.environment import Environment
from trainer.export import ModelParts
from trainer.result import TrainResult

# Beside the checkpoints: which weights and which encoder the exported model was made of.
_EXPORTED = 'exported.json'
_THRESHOLD = 0.5


def main(argv: Sequence[str] | None = None) -> None:
    """Train, export, and write predictions where they are asked for."""
    parser = FlagParser(
        'python -m trainer.task',
        'Train a head on embedded records and export it with its encoder as a SavedModel.',
        epilog='The same command again continues, or says that there is nothing to do.',
    )
    configuration.add_flags(parser)
    found = parser.parse_args(argv)
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
    command.log_to(files.join(config.output_path, 'log.txt'), verbosity=config.schedule.verbosity)
    with Claim(files.join(config.output_path, '.claim'), doing='trainer.task'):
        result = training.train(config, environment)
        exported = export_trained(config, result)
        if config.write_predictions:
            write_predictions(config, result)
    for line in summary(config, result) if exported or not result.skipped else ():
        say(line)


def export_trained(config: TrainConfig, result: TrainResult, *, keep_previous: bool = False) -> bool:
    """Export the chosen weights of a complete training; False when the model there is made of just these."""
    found = inputs.find(config)
    encoder = training.encoder_of(config, found)
    made_of = settings.digest(
        {
            'training': result.digest,
            'step': result.chosen.step,
            'encoder': encoder.key if encoder else None,
            'labels': list(result.classes.names),
        }
    )
    marker = files.join(config.checkpoint_dir, _EXPORTED)
    there = files.exists(files.join(config.model_dir, 'saved_model.pb'))
    if there and _marked(marker) == made_of:
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
    files.delete(marker)
    export.export_model(parts, config.model_dir, keep_previous=keep_previous)
    files.write_atomic(marker, json.dumps({'made_of': made_of}).encode())
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


def _marked(marker: str) -> str | None:
    try:
        return str(json.loads(files.read_text(marker))['made_of'])
    except FileNotFoundError:
        return None


if __name__ == '__main__':
    command.run(main)
