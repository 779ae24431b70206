"""What simple answers come to on footage that was labelled by its motion: two rules, an LSTM on the signal, majority.

python -m trainer.baseline --motion_dir motion --output_dir baselines
python -m trainer.baseline --signal Y_tilde.npy --labels Y_label.npy --output_dir baselines
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from preprocess import claims, command, files
from preprocess.command import FlagParser
from preprocess.failures import InputError
from preprocess.progress import say
from trainer import baseline_config
from trainer.baseline_config import HARD, LSTM, MAJORITY, PROBABILISTIC, RULES, BaselineConfig

if TYPE_CHECKING:
    from preprocess.bursts import BurstRule
    from preprocess.settings import Json
    from trainer.motion_answers import Answer, Asked
    from trainer.motion_reports import Line
    from trainer.motion_sets import MotionSets

_TWO = 2


def run(config: BaselineConfig) -> 'list[Line]':
    """Measure every baseline on the eval set (and the test set), on the same frames; write what came of it."""
    from trainer import motion_answers, motion_reports
    from trainer.scored_set import Question, Yardsticks

    sets = _sets(config)
    names = _possible(config, sets)
    answers = _answers(config, sets, names)
    question = Question(sets.label_names, None, None, config.seed)
    asked = _asked(config, sets, names)
    of = sets.by_name.get('train', sets.by_name['eval'])
    source = 'of the training set' if 'train' in sets.by_name else 'of the eval set, for want of a training set'
    held = Yardsticks(motion_answers.counts(of, len(sets.label_names)), source, None)
    settings = _settings(config)
    scored = {
        name: {side: motion_answers.scored(question, one, answer) for side, one in asked.items()}
        for name, answer in answers.items()
    }
    lines = []
    for name, found in scored.items():
        say(f'measuring {name.replace("_", " ")}')
        folder = files.join(config.output_dir, name)
        lines += motion_reports.publish_one(name, found, held, folder, settings)
        for one in asked.values():
            motion_answers.write(one, answers[name], files.join(folder, 'eval'))
    motion_reports.publish_all(lines, scored, config.output_dir, settings)
    return lines


def _sets(config: BaselineConfig) -> 'MotionSets':
    from trainer import motion_sets

    if config.motion_dir:
        sets = motion_sets.of_result(config.motion_dir)
    else:
        sets = motion_sets.of_arrays(
            config.arrays, config.label_names, config.label_rule, frames_per_second=config.frames_per_second
        )
    if not any(one.labelled for name, one in sets.by_name.items() if name == 'eval'):
        raise InputError(
            'there is no labelled frame to be judged on',
            where=config.motion_dir or config.arrays['eval'][1],
            do='give an eval set that is longer than a clip and the frames that are looked ahead',
        )
    return sets


def _possible(config: BaselineConfig, sets: 'MotionSets') -> list[str]:
    """The baselines that were asked for, without those that these sets are not for."""
    left_out = {}
    if len(sets.label_names) != _TWO:
        left_out.update(dict.fromkeys(RULES, f'it tells two labels apart, there are {len(sets.label_names)}'))
    if 'train' not in sets.by_name:
        left_out[LSTM] = 'there is no training set'
    elif not sets.by_name['train'].labelled:
        left_out[LSTM] = 'the training set has no labelled frame'
    for name in config.baselines:
        if name in left_out:
            say(f'{name.replace("_", " ")} is left out: {left_out[name]}')
    found = [name for name in config.baselines if name not in left_out]
    if not found:
        raise InputError('no baseline is left', where='--baselines', do='ask for majority, or give a training set')
    return found


def _answers(config: BaselineConfig, sets: 'MotionSets', names: Sequence[str]) -> 'dict[str, Answer]':
    from trainer import motion_answers

    found: dict[str, Answer] = {}
    for name in names:
        if name == PROBABILISTIC:
            found[name] = motion_answers.of_rule(config.probabilistic.scores)
        elif name == HARD:
            found[name] = motion_answers.of_rule(config.hard_rule.scores)
        elif name == MAJORITY:
            of = sets.by_name.get('train', sets.by_name['eval'])
            found[name] = motion_answers.of_majority(motion_answers.counts(of, len(sets.label_names)))
        else:
            found[name] = _lstm(config, sets)
    return found


def _lstm(config: BaselineConfig, sets: 'MotionSets') -> 'Answer':
    from trainer import motion_lstm

    folder = files.join(config.output_dir, LSTM)
    return motion_lstm.fit(sets.by_name['train'], sets.by_name['eval'], sets.label_names, config.lstm, folder)


def _asked(config: BaselineConfig, sets: 'MotionSets', names: Sequence[str]) -> 'dict[str, Asked]':
    """The frames that count: the same for all baselines."""
    from trainer import motion_answers

    ranges = {
        PROBABILISTIC: config.probabilistic.past.valid,
        HARD: config.hard_rule.past.valid,
        LSTM: config.lstm.valid,
    }
    answered = [ranges[name] for name in names if name in ranges]
    sides = [side for side in ('eval', 'test') if side in sets.by_name and sets.by_name[side].labelled]
    found: dict[str, Asked] = {side: motion_answers.asked(sets.by_name[side], answered) for side in sides}
    for side, one in found.items():
        if one.frames < one.motion.labelled:
            say(f'{side}: {one.frames:,} of {one.motion.labelled:,} labelled frames have what every baseline looks at')
    return found


def _settings(config: BaselineConfig) -> 'Mapping[str, Json]':
    return cast('Mapping[str, Json]', asdict(config))


def table(lines: 'Sequence[Line]') -> str:
    """The comparison for a terminal."""
    from preprocess.sample_files import aligned
    from trainer.wording import decimal, percent

    head = ['set', 'baseline', 'AUC', 'accuracy', 'best accuracy', 'from', 'best J', 'from', 'true pos.', 'false pos.']
    rows: list[list[str | int]] = []
    for line in lines:
        row: list[str | int] = [line.set_name, line.baseline.replace('_', ' ')]
        found = line.figures
        accuracy = percent(line.result.metrics.accuracy)
        if found:
            best, youden = found.best_accuracy, found.best_youden
            rates = percent(youden.true_positive_rate), percent(youden.false_positive_rate)
            row += [decimal(found.roc_auc), accuracy, percent(best.accuracy), decimal(best.threshold)]
            row += [decimal(youden.youden_j), decimal(youden.threshold), *rates]
        else:
            row += [decimal(line.result.metrics.roc_auc), accuracy, *[''] * 6]
        rows.append(row)
    return aligned(head, rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the baselines the flags ask for, print how they compare."""
    parser = FlagParser(
        'python -m trainer.baseline', 'Measures simple answers on footage that was labelled by its motion.'
    )
    baseline_config.add_flags(parser)
    flags = parser.parse_args(argv)
    config = baseline_config.from_flags(flags, rule=_rule(flags.motion_dir))
    command.log_to(files.join(config.output_dir, 'log.txt'))
    with claims.Claim(files.join(config.output_dir, '.claim'), doing='trainer.baseline'):
        lines = run(config)
    print(table(lines))
    frames = {line.set_name: line.result.metrics.examples for line in lines}
    print('on ' + ', '.join(f'{count:,} frames of the {name} set' for name, count in frames.items()))
    print(f'\n{files.join(config.output_dir, "metrics.json")}')
    for line in lines:
        if line.set_name == 'eval':
            print(files.join(config.output_dir, line.baseline, 'report.html'))
    return 0


def _rule(motion_dir: str | None) -> 'BurstRule':
    """What the labels were made by; as published where nothing tells."""
    from preprocess import motion_results
    from preprocess.bursts import BurstRule

    result = motion_results.read(motion_dir) if motion_dir else None
    return result.rule if result and result.rule else BurstRule()


if __name__ == '__main__':
    command.run(main)
