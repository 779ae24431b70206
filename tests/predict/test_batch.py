"""predict.batch: a line for every row, equal to predict.local's; another head costs no network; kills cost nothing."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from predict import batch_child, batch_lines, batch_model
from predict.model import load
from preprocess import children, claims, files
from preprocess.failures import UsageError
from preprocess.settings import Json
from tests.models import LABELS, colour_head, noise_bytes, picture_bytes, random_head, tiny_encoder
from tests.predict import batches
from tests.predict.batches import Counted, lines, run
from trainer.export import ModelParts, write_model


@pytest.fixture(autouse=True)
def taken_apart(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Take models apart in this process, which has TensorFlow already; whether the encoder was asked for, each time."""
    asked: list[bool] = []

    def ask(module: str, request: dict[str, Json], *, doing: str, where: str) -> list[str]:
        asked.append(request['encoder'] is not None)
        return list(batch_child.main(json.dumps(request)))

    monkeypatch.setattr(batch_model.children, 'ask', ask)
    return asked


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Ten pictures that all look different."""
    (tmp_path / 'shots').mkdir()
    for number in range(10):
        (tmp_path / 'shots' / f'{number}.png').write_bytes(noise_bytes(number, form='PNG'))
    return tmp_path / 'shots'


def write_csv(path: Path, *rows: str) -> Path:
    path.write_text(''.join(f'{row}\n' for row in rows))
    return path


def other_head(folder: Path, *, multi_label: bool = False, seed: int = 3) -> str:
    """A model with the tiny encoder and a head of its own."""
    encoder = tiny_encoder(f'{folder}.encoder')
    head = random_head(encoder.vector_size, len(LABELS), seed=seed, multi_label=multi_label)
    write_model(ModelParts(head, LABELS, encoder), str(folder))
    return str(folder)


def assert_as_local(found: list[batches.Line], model: str, paths: list[str]) -> None:
    expected = load(model).predict(paths)
    assert [line['label'] for line in found] == ['|'.join(one.labels) for one in expected]
    np.testing.assert_allclose([line['scores'] for line in found], [one.scores for one in expected], rtol=0, atol=1e-5)


def test_every_picture_of_a_folder_gets_the_answer_of_predict_local(tmp_path: Path, shots: Path) -> None:
    model = other_head(tmp_path / 'model')
    assert run(model, tmp_path / 'out' / 'p', f'--input_path={shots}') == 0
    found, paths = lines(tmp_path / 'out' / 'p'), [str(shots / f'{n}.png') for n in range(10)]
    assert [line['key'] for line in found] == paths
    assert_as_local(found, model, paths)


def test_another_head_of_the_same_encoder_costs_no_network(
    tiny_model: str, tmp_path: Path, shots: Path, taken_apart: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    counted, words = Counted(), [f'--input_path={shots}', f'--embedding_store={tmp_path}/store']
    assert run(tiny_model, tmp_path / 'first' / 'p', *words, machinery=counted.machinery) == 0
    assert (counted.encoded, taken_apart) == (10, [True])
    model = other_head(tmp_path / 'model')
    capsys.readouterr()
    assert run(model, tmp_path / 'second' / 'p', *words, machinery=counted.machinery) == 0
    assert (counted.encoded, counted.loaded, taken_apart) == (10, 1, [True, False])
    assert '10 pictures: 10 from the store, 0 embedded, 0 rejected' in capsys.readouterr().err
    assert_as_local(lines(tmp_path / 'second' / 'p'), model, [str(shots / f'{n}.png') for n in range(10)])


def test_rows_keep_their_order_and_every_one_has_its_line(
    tiny_model: str, tmp_path: Path, coloured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (coloured / 'broken.jpg').write_bytes(b'\xff\xd8\xff no more')
    rows = ['image,label', 'red.jpg,red', 'gone.jpg', 'broken.jpg,blue', 'red.jpg,green', 'blue.jpg,what', ',red']
    table = write_csv(coloured / 'a.csv', rows[0], *(f'{row},' if ',' not in row else row for row in rows[1:]))
    counted = Counted()
    code = run(tiny_model, 'out/', f'--input_path={table}', '--csv', machinery=counted.machinery)
    assert code == 4
    found = lines(coloured / 'out' / 'predictions')
    assert [(line['row'], line['key']) for line in found] == [
        (2, 'red.jpg'),
        (3, 'gone.jpg'),
        (4, 'broken.jpg'),
        (5, 'red.jpg'),
        (6, 'blue.jpg'),
        (7, ''),
    ]
    assert [line.get('label') for line in found] == ['red', None, None, 'red', 'blue', None]
    assert [line.get('reason') for line in found] == [None, 'missing', 'truncated', None, None, 'wrong-columns']
    assert [line.get('truth') for line in found] == ['red', None, 'blue', 'green', 'what', None]
    assert found[1]['error'].startswith('missing: ')
    assert counted.encoded == 2  # a picture in two rows goes through the network once
    cells = list(csv.DictReader((coloured / 'out' / 'predictions.csv').open()))
    assert [cell['prediction'] for cell in cells] == ['red', '', '', 'red', 'blue', '']
    assert [bool(cell['error']) for cell in cells] == [False, True, True, False, False, True]
    assert float(cells[0]['score_red']) == pytest.approx(found[0]['scores'][0], abs=1e-6)
    said = capsys.readouterr().err
    assert '6 rows: 3 answered, 3 failed (1 missing, 1 truncated, 1 wrong-columns)' in said
    assert '3 of 6 rows failed (50.0%, the limit is 5.0%)' in said


def test_the_same_command_again_is_one_line_and_failures_are_tried_again_when_asked(
    tiny_model: str, coloured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_csv(coloured / 'a.csv', 'red.jpg', 'late.jpg')
    words = [f'--input_path={table}', '--max_reject_fraction=0.5']
    assert run(tiny_model, 'out/p', *words) == 0
    (coloured / 'late.jpg').write_bytes(picture_bytes('blue'))
    capsys.readouterr()
    assert run(tiny_model, 'out/p', *words) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('out/p: there already: 2 rows: 1 answered, 1 failed (1 missing)')
    assert run(tiny_model, 'out/p', *words, '--retry_rejected') == 0
    assert [one['label'] for one in lines('out/p')] == ['red', 'blue']


def test_other_settings_are_refused_until_they_may_replace(
    tiny_model: str, tmp_path: Path, coloured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny_model, 'out/p', '--input_path=red.jpg', '--csv') == 0
    assert run(tiny_model, 'out/p', '--input_path=red.jpg', '--threshold=0.99') == 3
    assert 'csv: true -> false; threshold: null -> 0.99' in capsys.readouterr().err
    assert run(tiny_model, 'out/p', '--input_path=red.jpg', '--threshold=0.9999', '--overwrite') == 0
    assert [one['label'] for one in lines('out/p')] == ['unsure']
    assert not (coloured / 'out' / 'p.csv').exists()


@pytest.mark.slow
def test_a_file_that_went_missing_is_made_again(tiny_model: str, coloured: Path) -> None:
    counted = Counted()
    assert run(tiny_model, 'out/p', '--input_path=*.jpg', machinery=counted.machinery) == 0
    (coloured / 'out' / 'p-00000-of-00001.jsonl').unlink()
    assert run(tiny_model, 'out/p', '--input_path=*.jpg', machinery=counted.machinery) == 0
    assert ([one['label'] for one in lines('out/p')], counted.encoded) == (['blue', 'green', 'red'], 3)


def test_many_lines_are_several_files_or_one_where_one_is_named(
    tiny_model: str, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_lines, 'LINES_PER_FILE', 2)
    assert run(tiny_model, 'out/p', '--input_path=*.jpg') == 0
    assert sorted(path.name for path in (coloured / 'out').glob('p-*')) == [
        'p-00000-of-00002.jsonl',
        'p-00001-of-00002.jsonl',
    ]
    assert [one['label'] for one in lines('out/p')] == ['blue', 'green', 'red']
    assert run(tiny_model, 'out/all.jsonl', '--input_path=*.jpg') == 0
    found = [json.loads(line)['key'] for line in (coloured / 'out' / 'all.jsonl').read_text().splitlines()]
    assert found == ['blue.jpg', 'green.jpg', 'red.jpg']


def test_several_labels_hold_from_the_threshold_on(several_labels_model: str, coloured: Path) -> None:
    assert run(several_labels_model, 'out/p', '--input_path=red.jpg', '--top_k=2') == 0
    (found,) = lines('out/p')
    (expected,) = load(several_labels_model).predict(['red.jpg'])
    assert found['labels'] == list(expected.labels)
    assert [one['label'] for one in found['top']][0] == 'red'


@pytest.mark.slow
def test_two_worker_processes_answer_as_one_does(tiny_model: str, tmp_path: Path, shots: Path) -> None:
    assert run(tiny_model, tmp_path / 'one' / 'p', f'--input_path={shots}') == 0
    words = [f'--input_path={shots}', f'--embedding_store={tmp_path}/fresh', *batches.TWO_PROCESSES]
    assert run(tiny_model, tmp_path / 'two' / 'p', *words) == 0
    assert lines(tmp_path / 'two' / 'p') == lines(tmp_path / 'one' / 'p')


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_and_leaves_nothing_behind(
    tiny_model: str, tmp_path: Path, shots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10, 40):
        (shots / f'{number}.png').write_bytes(noise_bytes(number, form='PNG'))
    count = tmp_path / 'count'
    environment = {'HEADLIGHT_TEST_COUNT': str(count), 'HEADLIGHT_TEST_PIECE': '8'}
    with batches.held(tmp_path, 4, tiny_model, f'--input_path={shots}', **environment):
        assert not list((tmp_path / 'out').glob('p*'))
    assert count.stat().st_size == 24
    again = batches.start(tmp_path, tiny_model, f'--input_path={shots}', **environment)
    said = again.communicate()[1]
    assert again.returncode == 0, said
    assert count.stat().st_size <= 40 + 16
    assert run(tiny_model, tmp_path / 'undisturbed' / 'p', f'--input_path={shots}') == 0
    assert lines(tmp_path / 'out' / 'p') == lines(tmp_path / 'undisturbed' / 'p')
    assert len(lines(tmp_path / 'out' / 'p')) == 40
    hidden = [path.name for path in (tmp_path / 'out').rglob('*') if path.name.startswith('.') or '.tmp' in path.name]
    assert hidden == []


def test_a_second_run_at_the_same_output_is_told_who_is_first(
    tiny_model: str, coloured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with claims.Claim('out/.p.claim', doing='predicting out/p'):
        assert run(tiny_model, 'out/p', '--input_path=red.jpg') == 3
    assert 'another run is writing this result: predicting out/p' in capsys.readouterr().err


def test_an_encoder_that_is_not_in_the_model_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(tmp_path / 'model')
    write_model(ModelParts(colour_head(), LABELS, None), model)
    assert run(model, tmp_path / 'p', '--input_path=red.jpg') == 3
    assert 'this model takes vectors, not pictures' in capsys.readouterr().err


def test_a_quantised_encoder_that_the_store_has_not_gives_way_to_its_float32_graph(
    tiny_model: str, coloured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_model, 'model')
    about = Path('model/assets/model.json')
    said = json.loads(about.read_text())
    about.write_text(json.dumps({**said, 'encoder': {**said['encoder'], 'engine': 'openvino', 'precision': 'int8'}}))
    assert run('model', 'out/p', '--input_path=*.jpg') == 0
    assert "the model's int8 encoder is not in" in capsys.readouterr().err
    assert_as_local(lines('out/p'), tiny_model, ['blue.jpg', 'green.jpg', 'red.jpg'])


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--input_path=gone.csv'], (3, 'there is no such file or folder')),
        (['--input_path=*.png'], (3, 'nothing matches')),
        (['--input_path=empty'], (3, 'no picture or video is there')),
        (['--input_path=red.jpg,a.csv'], (3, 'of different kinds')),
        (['--input_path=red.jpg', '--top_k=9'], (2, 'the model has 3 labels')),
        (['--input_path=red.jpg', '--output_path=out/p.csv'], (2, 'predictions are JSON Lines')),
        (['--input_path=red.jpg', '--threshold=9'], (2, 'from 0 to 1')),
        (['--input_path=red.jpg', '--runner=Spork'], (2, 'there is no runner Spork')),
        (['--input_path=red.jpg', '--num_workers=0'], (2, '0 workers')),
        (['--input_path=red.jpg', '--max_reject_fraction=5'], (2, 'between 0 and 1')),
        (['--input_path=broken.jpg'], (3, 'no row could be answered')),
    ],
)
def test_mistakes_are_told_in_three_lines(
    tiny_model: str, coloured: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: tuple[int, str]
) -> None:
    (coloured / 'empty').mkdir()
    (coloured / 'broken.jpg').write_bytes(b'nothing')
    write_csv(coloured / 'a.csv', 'red.jpg,red')
    code = run(tiny_model, 'out/p', *words)
    *_, what, where, do = capsys.readouterr().err.splitlines()
    assert code == told[0]
    assert told[1] in what
    assert (where[:7], do[:4]) == ('where: ', 'do: ')


def test_unknown_flags_are_answered_with_the_nearest(tiny_model: str) -> None:
    with pytest.raises(UsageError, match='--threshold'):
        run_main(tiny_model, '--treshold=1')


def run_main(model: str, *words: str) -> None:
    from predict import batch

    batch.main([f'--model_dir={model}', '--input_path=a', '--output_path=b', *words])


def test_a_foreign_model_is_refused(tmp_path: Path, coloured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (coloured / 'foreign').mkdir()
    (coloured / 'foreign' / 'saved_model.pb').write_bytes(b'')
    assert run('foreign', 'out/p', '--input_path=red.jpg') == 3
    assert 'this folder holds no model of ours' in capsys.readouterr().err


def test_a_damaged_graph_is_named(
    tiny_model: str, coloured: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_model, 'model')
    whole = Path('model/saved_model.pb').read_bytes()
    Path('model/saved_model.pb').write_bytes(whole[: len(whole) // 2])
    assert run('model', 'out/p', '--input_path=red.jpg') == 3
    assert 'damaged' in capsys.readouterr().err


@pytest.mark.slow
def test_pieces_that_rot_are_embedded_again(tiny_model: str, tmp_path: Path, shots: Path) -> None:
    counted, words = Counted(), [f'--input_path={shots}', f'--embedding_store={tmp_path}/store']
    assert run(tiny_model, tmp_path / 'a' / 'p', *words, machinery=counted.machinery) == 0
    (piece,) = [path for path in (tmp_path / 'store').rglob('*.piece') if path.parent.name not in ('index', 'rejects')]
    rotten = bytearray(piece.read_bytes())
    rotten[70] ^= 0xFF
    piece.write_bytes(bytes(rotten))
    assert run(tiny_model, tmp_path / 'b' / 'p', *words, machinery=counted.machinery) == 0
    assert counted.encoded == 20
    assert lines(tmp_path / 'b' / 'p') == lines(tmp_path / 'a' / 'p')


def test_a_row_the_runner_loses_is_noticed(
    tiny_model: str, coloured: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from predict import batch_scores

    merged = batch_scores.merged
    monkeypatch.setattr(batch_scores, 'merged', lambda paths, labels: list(merged(paths, labels))[1:].__iter__())
    assert run(tiny_model, 'out/p', '--input_path=*.jpg') == 5
    assert 'the runner lost data' in capsys.readouterr().err
    assert not list((coloured / 'out').glob('p*'))


@pytest.mark.slow
def test_the_child_that_takes_a_model_apart_answers_as_here(
    tiny_model: str, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tiny_model, 'here/p', '--input_path=*.jpg') == 0
    monkeypatch.undo()
    monkeypatch.chdir(coloured)
    assert batch_model.children is children
    assert run(tiny_model, 'there/p', '--input_path=*.jpg') == 0
    assert [line['scores'] for line in lines('there/p')] == [line['scores'] for line in lines('here/p')]


def test_object_storage_holds_model_pictures_and_predictions(tiny_model: str, gcs: object, coloured: Path) -> None:
    for name in ('red', 'blue'):
        files.copy(f'{name}.jpg', f'gs://bucket/shots/{name}.jpg')
    files.copy_tree(tiny_model, 'gs://bucket/model', last='saved_model.pb')
    assert run('gs://bucket/model', 'gs://bucket/out/p', '--input_path=gs://bucket/shots') == 0
    (found,) = [one.uri for one in files.list_dir('gs://bucket/out') if one.uri.endswith('.jsonl')]
    said = [json.loads(line) for line in files.read_text(found).splitlines()]
    assert [(line['key'], line['label']) for line in said] == [
        ('gs://bucket/shots/blue.jpg', 'blue'),
        ('gs://bucket/shots/red.jpg', 'red'),
    ]


def test_a_dry_run_for_the_cloud_says_what_a_job_will_take_and_submits_none(
    tmp_path: Path, shots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = other_head(tmp_path / 'model'), tmp_path / 'out' / 'p'
    assert run(model, out, f'--input_path={shots}') == 0
    (shots / 'new.png').write_bytes(noise_bytes(99, form='PNG'))
    before = sorted((tmp_path / 'out').rglob('*'))
    capsys.readouterr()
    assert run(model, out, f'--input_path={shots}', '--dry_run', '--cloud', '--num_workers=2') == 0
    told = capsys.readouterr().out.splitlines()
    there = next(number for number, line in enumerate(told) if line.startswith('cloud '))
    assert told[there] == (
        'cloud     2 x n2-standard-8, 16 vCPUs, us-central1: 11 rows, 1 pictures to embed, 10 in the store already'
    )
    assert [line.split()[0] for line in told[there + 1 : there + 5]] == ['moves', 'time', 'cost', 'keeping']
    assert sorted((tmp_path / 'out').rglob('*')) == before
