"""The command line of create_docs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from preprocess import files
from preprocess.create_docs import main
from preprocess.failures import InputError, UsageError
from preprocess.rows import Row, read_csv

ROOT = Path(__file__).parents[2]
FLOWERS = ROOT.parent / 'shared' / 'photos' / 'flowers'


def touch(folder: Path, *paths: str) -> str:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return str(folder)


def crops(folder: Path) -> str:
    return touch(
        folder,
        *(
            f'{label}/v{video}_{frame}_0.jpg'
            for label in ('Positives', 'Negatives')
            for video in range(8)
            for frame in range(4)
        ),
        'Negatives/.hidden',
    )


def test_it_prints_the_table_and_the_files_and_says_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / 'docs')
    assert main([crops(tmp_path / 'set'), '--output_dir', out, '--eval_fraction', '0.5']) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == ['class', 'train', 'eval', 'total']
    assert [line.split()[0] for line in lines[1:4]] == ['positive', 'negative', 'pictures']
    assert lines[5:] == [f'{out}/{name}' for name in ('all_data.csv', 'train_set.csv', 'eval_set.csv', 'dict.txt')]
    assert printed.err == 'skipped: 1 hidden\n'


def test_without_an_output_directory_the_files_go_beside_the_pictures(tmp_path: Path) -> None:
    source = crops(tmp_path / 'set')
    main([source])
    assert files.exists(f'{source}/dict.txt')
    (tmp_path / 'a.csv').write_text('a.jpg,rose\n')
    main([str(tmp_path / 'a.csv'), '--eval_fraction', '0'])
    assert files.read_text(f'{tmp_path}/dict.txt') == 'rose\n'


def test_every_flag_arrives(tmp_path: Path) -> None:
    (tmp_path / 'a.csv').write_text(
        ''.join(
            f'"{label}/v{number % 50}_{number}_0.jpg","{label}"\n'
            for label in ('b', 'B', 'c,d')
            for number in range(200)
        )
    )
    (tmp_path / 'root').mkdir()
    out = str(tmp_path / 'docs')
    words = (
        '--eval-fraction 0.2 --test_fraction=0.2 --group_pattern video_frame_box --balance --ignore_label_case --seed 7'
    )
    flags = ['--label_order', '"c,d",b', '--image_root', str(tmp_path / 'root'), '--output_dir', out, *words.split()]
    assert main([str(tmp_path / 'a.csv'), *flags]) == 0
    assert files.read_text(f'{out}/dict.txt') == 'c,d\nb\n'
    found = {name: list(read_csv(f'{out}/{name}_set.csv')) for name in ('train', 'eval', 'test')}
    rows = [row for members in found.values() for row in members if isinstance(row, Row)]
    assert {row.uri.startswith(f'{tmp_path}/root/') for row in rows} == {True}
    groups = [{row.group for row in members if isinstance(row, Row)} for members in found.values()]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 50
    labels = [row.labels for row in found['train'] if isinstance(row, Row)]
    assert labels.count(('b',)) == labels.count(('c,d',)) > 0


@pytest.mark.parametrize(
    ('argv', 'error', 'where'),
    [
        (['nothing'], InputError, 'nothing'),
        (['empty'], InputError, 'empty'),
        (['loose'], InputError, 'loose'),
        (['empty.csv'], InputError, 'empty.csv'),
        (['ftp://bucket/a.csv'], InputError, 'ftp://bucket/a.csv'),
        (['set', '--label_order', 'positive,rose'], InputError, '--label_order'),
        (['set', '--eval_fraction', '2'], UsageError, '--eval_fraction'),
        (['set', '--eval_fraction', 'many'], UsageError, 'python -m preprocess.create_docs'),
        (['set', '--group_pattern', '['], UsageError, '--group_pattern ['),
        (['set', '--evaluation_fraction', '.1'], UsageError, 'python -m preprocess.create_docs'),
        ([], UsageError, 'python -m preprocess.create_docs'),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], error: type[Exception], where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    crops(tmp_path / 'set')
    touch(tmp_path, 'loose/a.jpg', 'empty.csv')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(error) as caught:
        main(argv)
    assert caught.value.where == where  # type: ignore[attr-defined] # every Failure has it


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-m', 'preprocess.create_docs', *argv]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, env=dict(os.environ))


def test_as_a_process_mistakes_are_three_lines_and_an_exit_code(tmp_path: Path) -> None:
    ended = run(str(tmp_path))
    assert (ended.returncode, ended.stdout) == (3, '')
    assert [line.partition(':')[0] for line in ended.stderr.splitlines()] == ['error', 'where', 'do']
    ended = run(str(tmp_path), '--no_such_flag')
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 3)


def test_as_a_process_it_writes_the_documents(tmp_path: Path) -> None:
    ended = run(crops(tmp_path / 'set'), '--output_dir', str(tmp_path / 'docs'))
    assert (ended.returncode, ended.stderr) == (0, 'skipped: 1 hidden\n')
    assert sorted(os.listdir(tmp_path / 'docs')) == ['all_data.csv', 'dict.txt', 'eval_set.csv', 'train_set.csv']


@pytest.mark.skipif(not FLOWERS.is_dir(), reason='the photographs are not beside this checkout')
def test_the_flowers_have_five_classes_of_sixty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(FLOWERS), '--output_dir', str(tmp_path), '--eval_fraction', '0.2'])
    lines = capsys.readouterr().out.splitlines()[1:7]
    assert [(line.split()[0], line.split()[-1]) for line in lines] == [
        ('daisy', '60'),
        ('dandelion', '60'),
        ('roses', '60'),
        ('sunflowers', '60'),
        ('tulips', '60'),
        ('pictures', '300'),
    ]
