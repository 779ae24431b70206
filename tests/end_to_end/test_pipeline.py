"""The whole way with one command, and the same command again after something changed."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from preprocess import demo, manifest
from preprocess.failures import TooManyRejects
from preprocess.labels import Labels
from tests.end_to_end.conftest import PER_CLASS, Finished, run

ROOT = Path(__file__).parents[2]
ALL = PER_CLASS * len(demo.DEMO_LABELS)


def manifest_of(out: Path, name: str) -> manifest.Manifest:
    return manifest.Manifest.read(str(out / 'preprocessed' / f'manifest.{name}.json'))


def side_of_picture(out: Path) -> dict[str, str]:
    sides = {}
    for side in ('train', 'eval'):
        with (out / 'data' / f'{side}_set.csv').open() as opened:
            sides.update({Path(row[0]).name: side for row in csv.reader(opened)})
    return sides


def test_a_run_leaves_what_the_documents_promise(finished: Finished) -> None:
    names = {str(path.relative_to(finished.out)) for path in finished.out.rglob('*') if path.is_file()}
    assert {
        'preprocessed/manifest.train.json',
        'preprocessed/manifest.eval.json',
        'preprocessed/rejects.train.jsonl',
        'preprocessed/rejects.eval.jsonl',
        'preprocessed/train-00000-of-00001.tfrecord.gz',
        'preprocessed/eval-00000-of-00001.tfrecord.gz',
        'preprocessed/dict.txt',
        'model/saved_model.pb',
        'model/assets/dict.txt',
        'eval/metrics.json',
        'eval/predictions.csv',
        'eval/confusion_matrix.png',
        'report.html',
        'run.json',
        'log.txt',
    } <= names
    # The old glob for records matches records only.
    assert [name for name in names if name.startswith('preprocessed/train') and 'tfrecord' not in name] == []
    assert not any('.claim' in name or '.tmp' in name or '.work' in name for name in names)


def test_every_row_is_accounted_for(finished: Finished) -> None:
    train, evaluation = manifest_of(finished.out, 'train'), manifest_of(finished.out, 'eval')
    assert train.rows.read + evaluation.rows.read == ALL
    assert train.rows.accepted + evaluation.rows.accepted == ALL
    assert train.examples.written == train.rows.accepted
    assert sum(train.counts_per_label.values()) == train.rows.accepted


def test_the_last_lines_say_what_came_out(finished: Finished) -> None:
    starts = [line.split('  ')[0] for line in finished.printed.splitlines()]
    assert starts == ['rows', 'embedded', 'vectors', 'accuracy', 'model', 'report', 'curves', 'next']
    assert f'{ALL} read: {ALL} accepted, 0 rejected, 0 repeats' in finished.printed
    accuracy = json.loads((finished.out / 'eval' / 'metrics.json').read_text())['accuracy']
    assert f'eval accuracy {accuracy * 100:.1f}' in finished.printed
    assert accuracy >= 0.9


def test_the_command_it_names_next_answers(finished: Finished) -> None:
    picture = finished.pictures / 'heart' / 'heart-000.jpg'
    answer = subprocess.run(
        [sys.executable, '-m', 'predict.local', '--json', '--model_dir', str(finished.out / 'model'), str(picture)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert json.loads(answer.stdout)['label'] == 'heart'


def test_the_same_command_again_does_nothing_and_says_so(again: Finished, finished: Finished) -> None:
    # In its own place: a moved CSV is another CSV.
    before = (finished.out / 'model' / 'saved_model.pb').stat().st_mtime_ns
    repeated = run(finished.out.parent, *finished.flags)
    assert repeated.printed == finished.printed
    assert (finished.out / 'model' / 'saved_model.pb').stat().st_mtime_ns == before
    said = repeated.said
    assert f'{finished.out}/preprocessed/train: ' in said and 'are there already' in said
    assert 'training is complete' in said and 'skipped' in said
    assert 'evaluation: ' in said


@pytest.mark.slow
def test_a_mended_label_redoes_only_what_follows_and_keeps_the_model_before(tmp_path: Path) -> None:
    demo.draw_demo(str(tmp_path / 'pictures'), pictures_per_class=8, seed=4)
    table = tmp_path / 'all.csv'
    rows = [f'pictures/{path.parent.name}/{path.name},{path.parent.name}' for path in pictures_in(tmp_path)]
    train = [row for number, row in enumerate(rows) if number % 4]
    wrong = [*train[:-1], train[-1].rpartition(',')[0] + ',arrow']
    (tmp_path / 'eval.csv').write_text('\n'.join(rows[::4]))
    table.write_text('\n'.join(wrong))
    Labels(demo.DEMO_LABELS).write(str(tmp_path / 'dict.txt'))
    flags = csv_flags(tmp_path)
    run_csvs(tmp_path, *flags)
    eval_before = (tmp_path / 'out/preprocessed/manifest.eval.json').stat().st_mtime_ns
    model_before = (tmp_path / 'out/model/saved_model.pb').read_bytes()

    table.write_text('\n'.join(train))
    mended = run_csvs(tmp_path, *flags)
    assert 'eval: 10 records are there already' in mended.said
    assert 'training anew, other settings: train_records: ' in mended.said
    assert (tmp_path / 'out/preprocessed/manifest.eval.json').stat().st_mtime_ns == eval_before
    assert (tmp_path / 'out/model.previous/saved_model.pb').read_bytes() == model_before
    assert (tmp_path / 'out/model/saved_model.pb').read_bytes() != model_before
    assert 'accuracy  before and now, on the 10 pictures evaluated both times: ' in mended.printed


def test_pictures_moved_between_class_folders_keep_their_side(again: Finished) -> None:
    before = side_of_picture(again.out)
    moved = sorted((again.pictures / 'star').iterdir())[:6]
    for path in moved:
        path.rename(again.pictures / 'moon' / path.name)
    documents_only(again)
    assert side_of_picture(again.out) == before
    assert len(before) == ALL


@pytest.mark.slow
def test_a_limit_takes_pictures_of_every_class(again: Finished) -> None:
    home = again.out.parent
    limited = run(home, '--encoder', 'mini', '--eval_fraction', '0.3', '--max_steps', '20', '--limit', '20')
    train, evaluation = manifest_of(again.out, 'train'), manifest_of(again.out, 'eval')
    assert train.rows.accepted + evaluation.rows.accepted == 20
    assert min(train.counts_per_label.values()) >= 2
    assert 'rows      20 read: 20 accepted' in limited.printed


def test_records_and_a_model_made_earlier_skip_their_stages(finished: Finished, tmp_path: Path) -> None:
    records = finished.out / 'preprocessed'
    handed_in = run_csvs(
        tmp_path,
        f'--preprocessed_eval_set={records / "eval"}',
        f'--pretrained_model_path={finished.out / "model"}',
    )
    assert not (tmp_path / 'out' / 'preprocessed').exists()
    assert not (tmp_path / 'out' / 'model').exists()
    assert (tmp_path / 'out' / 'report.html').exists()
    assert f'model     {finished.out / "model"}' in handed_in.printed


def test_a_dry_run_tells_what_a_run_will_take_and_writes_nothing(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / 'pictures').symlink_to(finished.pictures)
    (finished.pictures / 'star' / 'empty.jpg').touch()
    try:
        cloud = '--cloud', '--num_workers', '4', '--train_machine_type', 'n2-standard-4'
        told = run(tmp_path, *finished.flags, *cloud, '--dry_run', '--max_reject_fraction', '0.5').printed.splitlines()
    finally:
        (finished.pictures / 'star' / 'empty.jpg').unlink()
    assert not (tmp_path / 'out').exists()
    assert sum('1 to be rejected (1 empty-file)' in line for line in told) == 1
    here, there = told[:5], told[5:]
    assert [line.split()[0] for line in here] == ['train', 'eval', 'embedding', 'training', 'in']
    assert here[2].startswith(f'embedding {ALL} pictures at ')
    assert there[0] == (
        f'cloud     4 x n2-standard-8, 32 vCPUs, us-central1: {ALL + 1:,} rows, {ALL:,} pictures to embed, 0 in the '
        'store already'
    )
    assert [line.split()[0] for line in there[1:7]] == ['moves', 'time', 'cost', 'keeping', 'training', 'in']
    assert ' on n2-standard-4, 5 min of it until it is up: $0.' in there[5]
    assert {line.split()[0] for line in there[7:]} == {'assumed', 'check'}


def pictures_in(home: Path) -> list[Path]:
    return sorted((home / 'pictures').rglob('*.jpg'))


def csv_flags(home: Path) -> list[str]:
    return [
        *('--train_input_path', str(home / 'all.csv')),
        *('--eval_input_path', str(home / 'eval.csv')),
        *('--input_dict', str(home / 'dict.txt')),
        *('--encoder', 'mini', '--max_steps', '50'),
    ]


def run_csvs(home: Path, *flags: str) -> Finished:
    """Run on CSVs or records instead of a folder."""
    return run(home, *flags, source='')


def documents_only(again: Finished) -> None:
    from preprocess.documents import DocsConfig, create_docs
    from preprocess.split_rules import SplitRules

    create_docs(DocsConfig(str(again.pictures), str(again.out / 'data'), SplitRules(eval_fraction=0.3)))


@pytest.mark.parametrize('command', ['pipeline.py', '-m preprocess.run', '-m trainer.task'])
def test_a_flag_nobody_knows_is_exit_2_in_three_lines(command: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, *command.split(), '--no_such_flag', '1'], capture_output=True, text=True, cwd=ROOT
    )
    assert ended.returncode == 2
    assert [line.split(':')[0] for line in ended.stderr.splitlines()] == ['error', 'where', 'do']


def test_every_row_of_a_csv_is_in_a_manifest_and_named_as_its_author_wrote_it(tmp_path: Path) -> None:
    demo.draw_demo(str(tmp_path / 'pictures'), pictures_per_class=8, seed=5)
    rows = [f'pictures/{path.parent.name}/{path.name},{path.parent.name}' for path in pictures_in(tmp_path)]
    bad = ['# a remark', 'gone.jpg,moon', ',star', rows[0].rpartition(',')[0] + ',star', rows[1]]
    (tmp_path / 'mine.csv').write_text('\n'.join([*rows, *bad]) + '\n')
    flags = ['--input_path', str(tmp_path / 'mine.csv'), '--eval_fraction', '0.3', '--encoder', 'mini']
    with pytest.raises(TooManyRejects, match='4 of 45 rows rejected'):
        run_csvs(tmp_path, *flags, '--max_steps', '20')
    told = run_csvs(tmp_path, *flags, '--max_steps', '20', '--max_reject_fraction', '0.3').printed
    assert 'rows      45 read: 39 accepted, 5 rejected, 1 repeats' in told
    manifests = [manifest_of(tmp_path / 'out', side) for side in ('train', 'eval')]
    assert sum(one.rows.read for one in manifests) == 45
    rejects = [
        json.loads(line)
        for side in ('train', 'eval')
        for line in (tmp_path / 'out/preprocessed' / f'rejects.{side}.jsonl').read_text().splitlines()
    ]
    assert {reject['source'] for reject in rejects} == {str(tmp_path / 'mine.csv')}
    assert sorted((reject['row'], reject['reason']) for reject in rejects) == [
        (1, 'conflicting-labels'),
        (41, 'comment'),
        (42, 'missing'),
        (43, 'wrong-columns'),
        (44, 'conflicting-labels'),
    ]
    assert 'wrong-columns' in (tmp_path / 'out/report.html').read_text()
