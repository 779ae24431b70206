"""A model against records it did not learn from: metrics, predictions, report. `python -m trainer.evaluate`."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from preprocess import command, files, quiet
from preprocess.command import FlagParser
from preprocess.failures import InputError, UsageError
from preprocess.progress import say
from preprocess.settings import Json, Settings

if TYPE_CHECKING:
    import argparse

    from preprocess.record_sets import RecordSet
    from trainer.evaluation import Evaluation, Paths, SetResult
    from trainer.examination import Examination
    from trainer.exported import Exported
    from trainer.predictions import BeforeAndNow

_log = logging.getLogger(__name__)
_EXAMPLE = 'python -m trainer.evaluate --model_dir OUT/model --data_paths OUT/preprocessed/eval --output_dir OUT'


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Which model against which records, and where to."""

    model_dir: str
    data_paths: tuple[str, ...]
    output_dir: str
    train_data_paths: tuple[str, ...] = ()
    test_data_paths: tuple[str, ...] = ()
    positive_label: str | None = None
    thumbnails: bool = True
    seed: int = 0
    settings: Mapping[str, Settings] = field(default_factory=dict)  # of earlier stages, by heading, for the report

    def __post_init__(self) -> None:
        for name in ('model_dir', 'data_paths', 'output_dir'):
            if not getattr(self, name):
                raise UsageError(f'--{name} is missing', where=f'--{name}', do=f'for instance: {_EXAMPLE}')
        if self.seed < 0:
            raise UsageError(f'a seed is 0 or more, got {self.seed}', where='--seed', do='give another one')


def evaluate(config: EvaluateConfig) -> 'Evaluation':
    """Score, measure and compare; write predictions, pictures, report and, when all is done, metrics.json."""
    found = _find(config)
    said = _model_for(config, found)
    say('loading the model')
    with quiet.loading():
        from trainer import evaluation, examination, scoring
    model = scoring.load(said)
    examined = examination.examine(model, found, positive_label=config.positive_label, seed=config.seed)
    places = evaluation.paths(config.output_dir)
    change = _publish_predictions(examined, places)
    result = _evaluation(examined, places, change)
    _publish_report(config, examined, result)
    files.write_atomic(places.metrics, evaluation.to_json(result).encode(errors='backslashreplace'))
    return result


def _find(config: EvaluateConfig) -> 'dict[str, RecordSet]':
    """Look for everything that is needed, before the seconds that loading TensorFlow takes."""
    from preprocess.record_sets import find_records

    if not files.exists(files.join(config.model_dir, 'saved_model.pb')):
        below = files.join(config.model_dir, 'model')
        hint = f'did you mean {below}?' if files.exists(files.join(below, 'saved_model.pb')) else ''
        raise InputError(
            'there is no model here: no saved_model.pb',
            where=config.model_dir,
            do=hint or 'give the folder that trainer.task or trainer.export wrote',
        )
    paths = {'train': config.train_data_paths, 'eval': config.data_paths, 'test': config.test_data_paths}
    return {name: find_records(specs) for name, specs in paths.items() if specs}


def _model_for(config: EvaluateConfig, found: 'Mapping[str, RecordSet]') -> 'Exported':
    """What the model says of itself, when the records and flags are for it."""
    from trainer import exported

    said = exported.read(config.model_dir)
    exported.check_positive(said, config.positive_label)
    for one in found.values():
        exported.check(said, one)
    return said


def _publish_predictions(examined: 'Examination', places: 'Paths') -> 'BeforeAndNow | None':
    """Write what the model says of every picture, and compare it with what an earlier model said."""
    from trainer import earlier, predictions

    earlier.set_aside(
        places.metrics, places.predictions, places.previous_predictions, model_sha256=examined.model.sha256
    )
    now = examined.scored['eval'].predictions
    predictions.write(places.predictions, now)
    if 'test' in examined.scored:
        predictions.write(places.test_predictions, examined.scored['test'].predictions)
    else:
        files.delete(places.test_predictions)
    if not files.exists(places.previous_predictions):
        return None
    return predictions.compare(predictions.read(places.previous_predictions), now)


def _evaluation(examined: 'Examination', places: 'Paths', change: 'BeforeAndNow | None') -> 'Evaluation':
    from trainer.evaluation import Evaluation

    return Evaluation(
        model_dir=examined.model.directory,
        model_sha256=examined.model.sha256,
        predictions_sha256=files.sha256(places.predictions),
        labels=examined.model.labels,
        eval=examined.results['eval'],
        test=examined.results.get('test'),
        before_and_now=change,
        leakage=examined.leakage,
        serving_agreement=examined.serving_agreement,
        notices=examined.notices,
        paths=places,
    )


def _publish_report(config: EvaluateConfig, examined: 'Examination', result: 'Evaluation') -> None:
    from trainer import figure_files, history, mistakes, report
    from trainer.findings import Findings

    asked = examined.scored['eval']
    curves = history.read(files.join(_train_dir(config), history.FILE))
    drawn = figure_files.publish(examined.scored, result.paths, curves)
    findings = Findings(
        evaluation=result,
        accounts=examined.accounts,
        mistakes=mistakes.find(asked.predictions, asked.confidence(), with_thumbnails=config.thumbnails),
        confusion=drawn.confusion['eval'],
        test_confusion=drawn.confusion.get('test'),
        roc=drawn.roc,
        timelines=drawn.timelines['eval'],
        test_timelines=drawn.timelines['test'],
        curves=curves,
        settings=_settings(config, examined),
        made_at=datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC'),
    )
    report.write(findings, result.paths.report)


def _settings(config: EvaluateConfig, examined: 'Examination') -> dict[str, Mapping[str, Json]]:
    """What led to the figures, by heading: earlier stages, this one, the records, the encoder, the versions."""
    from trainer.evaluation import versions

    mine = {name: value for name, value in asdict(config).items() if name != 'settings'}
    found: dict[str, Mapping[str, Json]] = {'Training': _training(config), **config.settings, 'Evaluation': mine}
    for name, records in examined.found.items():
        for one in records.manifests:
            part = f' {one.part}' if one.part else ''
            found[f'Records {name}{part}'] = one.settings
    described = [one.encoder for one in examined.found.values() if one.encoder]
    if described:
        found['Encoder'] = asdict(described[0])
    return {**found, 'Versions': dict(versions())}


def _train_dir(config: EvaluateConfig) -> str:
    """Where the training that made the model left its files: beside the model."""
    return files.join(files.parent(files.absolute(config.model_dir)), 'train')


def _training(config: EvaluateConfig) -> Mapping[str, Json]:
    try:
        content = json.loads(files.read_text(files.join(_train_dir(config), 'settings.json')))
        return {**content['settings'], 'max_steps': content['max_steps']}
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        _log.info('the report goes without the settings of the training: %r', error)
        return {}


def add_flags(parser: FlagParser) -> None:
    """All flags of trainer.evaluate."""
    records = parser.add_argument_group('records in')
    for name, what in (
        ('data_paths', 'records to evaluate on'),
        ('train_data_paths', 'what the model learnt from: for the baselines, and pictures that are in both'),
        ('test_data_paths', 'records kept back to the end, under their own heading'),
    ):
        records.add_argument(f'--{name}', action='extend', nargs='+', metavar='PREFIX|FOLDER|GLOB', help=what)
    parser.add_argument('--model_dir', metavar='DIR', help='the SavedModel to evaluate')
    parser.add_argument('--output_dir', metavar='DIR', help='gets eval/metrics.json, eval/predictions.csv, report.html')
    parser.add_argument('--positive_label', metavar='LABEL', help='the class looked for (default: positive, if any)')
    parser.add_argument('--no_thumbnails', action='store_true', help='leave pictures out of the report')
    parser.add_argument('--seed', type=int, default=0, help='of bootstrap intervals and samples (default 0)')


def from_flags(found: 'argparse.Namespace') -> EvaluateConfig:
    """The evaluation that flags ask for."""
    return EvaluateConfig(
        model_dir=found.model_dir or '',
        data_paths=tuple(found.data_paths or ()),
        output_dir=found.output_dir or '',
        train_data_paths=tuple(found.train_data_paths or ()),
        test_data_paths=tuple(found.test_data_paths or ()),
        positive_label=found.positive_label,
        thumbnails=not found.no_thumbnails,
        seed=found.seed,
    )


def summary_lines(result: 'Evaluation') -> list[str]:
    """The figures that matter, for a terminal."""
    from trainer.wording import counted, percent

    lines = [_set_line(result.eval)]
    if result.test:
        lines.append(_set_line(result.test))
    if change := result.before_and_now:
        lines.append(
            f'accuracy before and now, on the {counted(change.rows, result.eval.unit)} evaluated both times: '
            f'{percent(change.before)}, {percent(change.now)}'
        )
    return lines


def _set_line(result: 'SetResult') -> str:
    from trainer.wording import counted, percent

    low, high = result.metrics.accuracy_interval
    beside = f'most common label {percent(result.majority_class.accuracy)}'
    if result.logistic_regression:
        beside += f', logistic regression {percent(result.logistic_regression.accuracy)}'
    return (
        f'{result.name} accuracy {percent(result.metrics.accuracy)} ({percent(low)} to {percent(high)}) '
        f'on {counted(result.metrics.examples, result.unit)}; {beside}'
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate a model as the flags say."""
    parser = FlagParser('python -m trainer.evaluate', 'Evaluate a model on records it did not learn from.')
    add_flags(parser)
    config = from_flags(parser.parse_args(argv))
    command.log_to(files.join(config.output_dir, 'log.txt'))
    result = evaluate(config)
    print('\n'.join([*summary_lines(result), *(f'note: {notice}' for notice in result.notices)]))
    print(f'metrics: {result.paths.metrics}\nreport: {result.paths.report}')
    return 0


if __name__ == '__main__':
    command.run(main)
