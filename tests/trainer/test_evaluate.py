"""A real small model against real records: figures, files, refusals, and one evaluation after another."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preprocess import interrupts
from preprocess.failures import InputError, Interrupted, RunFailed, UsageError
from preprocess.manifest import EncoderInfo
from tests.models import COLOURS, LABELS, colour_head, picture_bytes, tiny_encoder
from tests.trainer.sets import embedded, write_records
from trainer import evaluate
from trainer.embedded_set import EmbeddedSet
from trainer.evaluate import EvaluateConfig
from trainer.evaluation import Evaluation
from trainer.export import ModelParts, write_model

ROOT = Path(__file__).parents[2]


class Run:
    """An output directory with a model of colours and the records of train, eval and test."""

    def __init__(self, directory: Path, *, labels: tuple[str, ...] = LABELS, multi_label: bool = False) -> None:
        self.directory = directory
        self.labels = labels
        self.records = directory / 'preprocessed'
        self.records.mkdir(parents=True)
        (directory / 'pictures').mkdir()
        compiled = tiny_encoder(self.records / 'encoder')
        self.compiled = compiled
        self.encoder = EncoderInfo(
            spec=compiled.spec,
            key=compiled.key,
            path='encoder',
            sha256=compiled.sha256,
            input_shape=compiled.input_shape,
            engine='tensorflow',
            precision='float32',
            batch_size=8,
        )
        self.multi_label = multi_label

    def write(self, rows: EmbeddedSet, *, rejects: dict[str, int] | None = None) -> str:
        return write_records(self.records, rows, LABELS, rejects=rejects, encoder=self.encoder)

    def export(self, name: str = 'model', *, strength: float = 1.0) -> str:
        head = colour_head(self.labels, multi_label=self.multi_label)
        weights = (head.weights[0] * np.float32(strength), head.weights[1])
        manifest = self.records / 'manifest.train.json'
        text = manifest.read_text() if manifest.exists() else None
        parts = ModelParts(replace(head, weights=weights), self.labels, self.compiled, manifest_json=text)
        write_model(parts, str(self.directory / name))
        return str(self.directory / name)

    def config(self, **changes: object) -> EvaluateConfig:
        asked: dict[str, object] = {
            'model_dir': str(self.directory / 'model'),
            'data_paths': (f'{self.records}/eval',),
            'output_dir': str(self.directory),
        }
        return EvaluateConfig(**{**asked, **changes})  # type: ignore[arg-type]  # as each test says


def colours(name: str, said: list[str], *, labels: list[str] | None = None, folder: Path | None = None) -> EmbeddedSet:
    """Rows whose pictures are of these colours, labelled so (or as `labels` say; '' for none)."""
    random = np.random.default_rng(len(name))
    vectors = np.array([[channel / 255 for channel in COLOURS[colour]] * 2 for colour in said], np.float32)
    vectors += random.normal(scale=0.01, size=vectors.shape).astype(np.float32)
    ids = [tuple(LABELS.index(word) for word in label.split('|') if word) for label in (labels or said)]
    uris = [f'{folder or "/pictures"}/{name}{row}.jpg' for row in range(len(said))]
    return embedded(name, vectors, labels=ids, uris=uris)


def a_run(directory: Path) -> Run:
    """Forty training rows; ten eval rows of which one is labelled wrong and one has no label; five test rows."""
    run = Run(directory)
    run.write(colours('train', ['red'] * 20 + ['green'] * 10 + ['blue'] * 10), rejects={'missing': 3})
    said = ['red', 'red', 'red', 'green', 'green', 'green', 'blue', 'blue', 'blue', 'red']
    labelled = [*said[:-2], 'red', '']  # the last blue one is labelled red
    run.write(colours('eval', said, labels=labelled), rejects={'corrupt': 1})
    run.write(colours('test', ['red', 'green', 'blue', 'blue', 'blue']))
    run.export()
    return run


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return a_run(tmp_path_factory.mktemp('run'))


@pytest.fixture(scope='module')
def result(run: Run) -> Evaluation:
    paths = {f'{name}_data_paths': (f'{run.records}/{name}',) for name in ('train', 'test')}
    return evaluate.evaluate(run.config(**paths, settings={'Pipeline': {'input_path': 'flowers'}}))


def test_accuracy_counts_labelled_rows_only(result: Evaluation) -> None:
    assert (result.eval.rows, result.eval.unlabelled, result.eval.metrics.examples) == (10, 1, 9)
    assert result.eval.metrics.accuracy == pytest.approx(8 / 9)
    assert result.test is not None
    assert (result.test.metrics.examples, result.test.metrics.accuracy) == (5, 1.0)


def test_baselines_learn_from_the_training_records(result: Evaluation) -> None:
    # red is the most common training label; of nine eval rows four are labelled so, of five test rows one.
    assert result.eval.majority_class.accuracy == pytest.approx(4 / 9)
    assert result.eval.majority_class.note == "always 'red', the most common label of the training set"
    assert result.eval.logistic_regression is not None
    assert result.eval.logistic_regression.accuracy == pytest.approx(8 / 9)
    assert result.test is not None and result.test.majority_class.accuracy == pytest.approx(1 / 5)


def test_metrics_json_holds_the_eval_figures_and_the_test_figures_under_test(run: Run, result: Evaluation) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(Path(result.paths.metrics).read_text(), parse_constant=refuse)

    assert found['accuracy'] == pytest.approx(8 / 9)
    assert found['unlabelled_share'] == pytest.approx(1 / 10)
    assert found['confusion_matrix'] == [[3, 0, 1], [0, 3, 0], [0, 0, 2]]
    assert found['per_class']['blue']['precision'] == pytest.approx(2 / 3)
    assert found['majority_class']['accuracy'] == pytest.approx(4 / 9)
    assert found['logistic_regression']['accuracy'] == pytest.approx(8 / 9)
    assert found['test']['accuracy'] == 1.0
    assert found['labels'] == list(LABELS)
    assert found['serving_agreement'] is None
    assert [one['right'] for one in found['leakage']['overlaps']] == ['eval', 'test', 'test']


def test_predictions_name_every_row_and_keep_the_scores_of_the_model(run: Run, result: Evaluation) -> None:
    lines = Path(result.paths.predictions).read_text().splitlines()

    assert lines[0] == 'image_uri,label,prediction,score_red,score_green,score_blue'
    assert len(lines) == 11
    assert lines[9].startswith('/pictures/eval8.jpg,red,blue,')
    assert lines[10].startswith('/pictures/eval9.jpg,,red,')
    assert sum(map(float, lines[1].split(',')[3:])) == pytest.approx(1, abs=1e-5)
    assert len(Path(result.paths.test_predictions).read_text().splitlines()) == 6


def test_pictures_and_report_are_there(run: Run, result: Evaluation) -> None:
    for path in (result.paths.confusion_matrix, result.paths.test_confusion_matrix):
        assert Path(path).read_bytes().startswith(b'\x89PNG')
    text = (run.directory / 'report.html').read_text()
    assert '88.9\u00a0% of 9 pictures labelled right' in text
    assert 'rows.csv:10' in text  # a reject of the training set
    assert 'input_path' in text and 'flowers' in text
    assert run.encoder.key in text


def test_notices_warn_of_few_rows(result: Evaluation) -> None:
    assert 'The eval set has 9 pictures with a label only: its figures are rough.' in result.notices


def test_without_training_records_the_model_knows_its_most_common_label(run: Run, tmp_path: Path) -> None:
    found = evaluate.evaluate(run.config(output_dir=str(tmp_path)))

    assert found.eval.majority_class.accuracy == pytest.approx(4 / 9)
    assert (found.eval.logistic_regression, found.leakage, found.test) == (None, None, None)
    assert 'train: 3 of' in (tmp_path / 'report.html').read_text()


def test_the_positive_class_can_be_asked_for(run: Run, tmp_path: Path) -> None:
    found = evaluate.evaluate(run.config(output_dir=str(tmp_path), positive_label='blue'))

    positive = json.loads(Path(found.paths.metrics).read_text())['positive']
    assert (positive['label'], positive['sensitivity'], positive['specificity']) == ('blue', 1.0, 6 / 7)


def test_an_unknown_positive_class_is_refused_with_the_nearest(run: Run) -> None:
    with pytest.raises(UsageError) as raised:
        evaluate.evaluate(run.config(positive_label='bleu'))
    assert (raised.value.where, raised.value.do) == ('--positive_label', "did you mean 'blue'?")


def test_what_is_not_for_the_model_is_refused_before_tensorflow_is_loaded(run: Run, tmp_path: Path) -> None:
    raw = write_records(tmp_path, embedded('eval', np.ones((2, 5))), LABELS)
    (tmp_path / 'manifest.eval.json').unlink()
    cases = [
        (f'{run.records}/eval', 'bleu', "error: the model has no label 'bleu'"),
        (f'{raw}-*', 'blue', 'error: these are not records for this model: they have vectors of 5 numbers'),
    ]
    for paths, label, said in cases:
        words = ['--model_dir', f'{run.directory}/model', '--data_paths', paths, '--positive_label', label]
        program = (
            'import sys\n'
            'sys.modules["tensorflow"] = None  # importing it fails from here on\n'
            'from preprocess import command\n'
            'from trainer import evaluate\n'
            'command.run(evaluate.main)'
        )
        ended = subprocess.run(
            [sys.executable, '-c', program, *words, '--output_dir', str(tmp_path / 'out')],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
        )
        assert ended.stderr.startswith(said)
        assert ended.stderr.count('\n') == 3


def test_a_second_model_is_compared_with_the_first_on_common_rows_by_the_labels_of_now(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write(colours('train', ['red', 'green', 'blue']))
    run.write(colours('eval', ['red', 'green', 'blue', 'blue'], labels=['red', 'green', 'blue', 'red']))
    run.export(strength=-1)  # calls the strongest colour the weakest
    first = evaluate.evaluate(run.config())
    assert first.before_and_now is None

    run.export(strength=1)
    # Two rows stay, their labels mended; one comes in.
    run.write(colours('eval', ['red', 'green', 'blue', 'blue', 'red']))
    second = evaluate.evaluate(run.config())
    again = evaluate.evaluate(run.config(positive_label='red'))

    assert second.before_and_now is not None
    assert (second.before_and_now.rows, second.before_and_now.before, second.before_and_now.now) == (4, 0.0, 1.0)
    assert again.before_and_now == second.before_and_now  # the same model evaluated again


def test_a_test_set_that_is_gone_leaves_no_figures_behind(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    evaluate.evaluate(run.config(test_data_paths=(f'{run.records}/test',)))
    found = evaluate.evaluate(run.config())

    assert not Path(found.paths.test_predictions).exists()
    assert not Path(found.paths.test_confusion_matrix).exists()


def test_rows_without_a_label_count_where_the_model_has_a_class_for_them(tmp_path: Path) -> None:
    run = Run(tmp_path, labels=(*LABELS, 'unlabelled'))
    run.write(colours('train', ['red', 'red', 'green'], labels=['', '', 'green']))
    run.write(colours('eval', ['red', 'green', 'blue', 'red'], labels=['red', 'green', '', 'red']))
    run.export()

    found = evaluate.evaluate(run.config())

    assert (found.eval.unlabelled, found.eval.metrics.examples, found.eval.metrics.accuracy) == (0, 4, 3 / 4)
    assert found.eval.metrics.per_class['unlabelled'].support == 1
    assert found.eval.majority_class.note == "always 'unlabelled', the most common label of the training set"


def test_several_labels_a_picture_are_evaluated_by_the_threshold_of_the_model(tmp_path: Path) -> None:
    run = Run(tmp_path, multi_label=True)
    run.write(colours('train', ['red', 'green', 'blue', 'red'], labels=['red', 'green', 'blue', 'red|blue']))
    run.write(colours('eval', ['red', 'green', 'blue'], labels=['red', 'green|blue', 'blue']))
    run.export()

    found = evaluate.evaluate(run.config(train_data_paths=(f'{run.records}/train',)))

    assert found.eval.metrics.accuracy == pytest.approx(2 / 3)
    assert 'eval1.jpg,green|blue,green,' in Path(found.paths.predictions).read_text()
    assert 'confusion_matrix' not in json.loads(Path(found.paths.metrics).read_text())
    assert 'Found and missed' in (tmp_path / 'report.html').read_text()


def test_records_of_another_precision_are_scored_again_through_the_model(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.encoder = replace(run.encoder, precision='bfloat16')
    said = ['red', 'green', 'blue']
    run.write(colours('train', said))
    run.write(colours('eval', said, folder=tmp_path / 'pictures'))
    for row, colour in enumerate(said[:2]):
        (tmp_path / 'pictures' / f'eval{row}.jpg').write_bytes(picture_bytes(colour, form='PNG'))
    run.export()

    found = evaluate.evaluate(run.config()).serving_agreement

    assert found is not None
    assert (found.pictures, found.unreadable, found.same_label) == (2, 1, 1.0)
    assert found.largest_difference is not None and found.largest_difference < 0.1


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'labels': ('red', 'green', 'violet')}, 'another labels than the model: red, green, violet'),
        ({'encoder': EncoderInfo('other', 'k', 'e', 's', (16, 16, 3), 'tensorflow', 'float32', 8)}, 'another encoder'),
    ],
)
def test_records_of_another_kind_are_refused(run: Run, tmp_path: Path, change: dict[str, object], said: str) -> None:
    kind = {'labels': LABELS, 'encoder': run.encoder, **change}
    prefix = write_records(tmp_path, colours('eval', ['red']), kind['labels'], encoder=kind['encoder'])  # type: ignore[arg-type]

    with pytest.raises(InputError, match=said) as raised:
        evaluate.evaluate(run.config(data_paths=(prefix,), output_dir=str(tmp_path / 'out')))
    assert raised.value.where == str(tmp_path)
    assert not (tmp_path / 'out' / 'eval').exists()


@pytest.mark.parametrize(
    ('rows', 'said'),
    [
        (embedded('eval', np.ones((2, 5))), 'vectors of 5 numbers, the model takes 6'),
        (embedded('eval', np.ones((2, 6)), labels=[(0,), (7,)]), 'label ids up to 7, the model has 3 classes'),
        (embedded('eval', np.ones((2, 6)), labels=[(0,), (0, 1)]), 'some have several labels'),
    ],
)
def test_raw_records_of_another_kind_are_refused_too(run: Run, tmp_path: Path, rows: EmbeddedSet, said: str) -> None:
    prefix = write_records(tmp_path, rows, tuple('abcdefgh'))
    (tmp_path / 'manifest.eval.json').unlink()

    with pytest.raises(InputError, match=said):
        evaluate.evaluate(run.config(data_paths=(f'{prefix}-*',), output_dir=str(tmp_path / 'out')))


def test_raw_records_of_the_model_s_kind_are_evaluated(run: Run, tmp_path: Path) -> None:
    prefix = write_records(tmp_path, colours('eval', ['red', 'blue']), LABELS)
    (tmp_path / 'manifest.eval.json').unlink()

    found = evaluate.evaluate(run.config(data_paths=(f'{prefix}-*',), output_dir=str(tmp_path / 'out')))

    assert found.eval.metrics.accuracy == 1.0


def test_a_set_without_a_labelled_picture_is_refused(run: Run, tmp_path: Path) -> None:
    rows = colours('eval', ['red', 'blue'], labels=['', ''])
    prefix = write_records(tmp_path, rows, LABELS, encoder=run.encoder)

    with pytest.raises(InputError, match='the eval set has no labelled picture'):
        evaluate.evaluate(run.config(data_paths=(prefix,)))


@pytest.mark.parametrize(
    ('directory', 'do'),
    [('nowhere', 'give the folder that trainer.task or trainer.export wrote'), ('.', 'did you mean .*/model?')],
)
def test_a_folder_without_a_model_is_refused(run: Run, directory: str, do: str) -> None:
    with pytest.raises(InputError, match='there is no model here') as raised:
        evaluate.evaluate(run.config(model_dir=str(run.directory / directory)))
    assert re.match(do, raised.value.do)


@pytest.mark.parametrize('file', ['saved_model.pb', 'assets/model.json', 'assets/dict.txt', 'assets/manifest.json'])
def test_a_damaged_model_is_refused(run: Run, tmp_path: Path, file: str) -> None:
    model = shutil.copytree(run.directory / 'model', tmp_path / 'model')
    (model / file).write_bytes(b'{')

    with pytest.raises(InputError) as raised:
        evaluate.evaluate(run.config(model_dir=str(model), output_dir=str(tmp_path)))
    assert raised.value.where.startswith(str(model))


def test_a_model_that_answers_nan_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write(colours('eval', ['red']))
    run.export(strength=math.nan)

    with pytest.raises(RunFailed, match='NaN'):
        evaluate.evaluate(run.config())


def test_an_interrupted_evaluation_writes_nothing_and_says_how_to_go_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupts, 'requested', lambda: True)

    with pytest.raises(Interrupted):
        evaluate.evaluate(run.config(output_dir=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_figures_and_where_things_are(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ['--model-dir', f'{run.directory}/model', '--data_paths', f'{run.records}/eval']
    code = evaluate.main([*words, '--train_data_paths', f'{run.records}/train', '--output_dir', str(tmp_path)])

    out = capsys.readouterr().out.replace('\u00a0', ' ')
    assert code == 0
    assert 'eval accuracy 88.9 % (66.7 % to 100.0 %) on 9 pictures; most common label 44.4 %' in out
    assert f'report: {tmp_path}/report.html' in out
    assert (tmp_path / 'log.txt').exists()


@pytest.mark.parametrize('missing', ['--model_dir', '--data_paths', '--output_dir'])
def test_a_missing_flag_is_named(missing: str) -> None:
    flags = {'--model_dir': 'm', '--data_paths': 'd', '--output_dir': 'o'}
    words = [word for name, value in flags.items() if name != missing for word in (name, value)]

    with pytest.raises(UsageError, match=f'{missing} is missing') as raised:
        evaluate.main(words)
    assert raised.value.where == missing


def test_a_mistake_is_three_lines_and_an_exit_code(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, '-m', 'trainer.evaluate', '--model_dir', 'none', '--data_paths', 'none', '--output_dir', '.'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        timeout=120,
    )

    assert ended.returncode == 3
    assert [line.split(':')[0] for line in ended.stderr.splitlines()] == ['error', 'where', 'do']
