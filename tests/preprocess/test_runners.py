"""The same records on every runner, with one worker and with two."""

from pathlib import Path

import pytest

from preprocess.embedding import Existing, embed_sets
from preprocess.manifest import Manifest
from preprocess.options import EmbeddingConfig, SetConfig
from tests.preprocess.fakes import FAKE, draw, model_dir
from tests.preprocess.portable import job_server

LOCAL = {
    'one process': ['--runner=DirectRunner', '--direct_running_mode=multi_processing', '--direct_num_workers=1'],
    'two processes': ['--direct_running_mode=multi_processing', '--direct_num_workers=2'],
    'two threads': ['--direct_running_mode=multi_threading', '--direct_num_workers=2'],
}


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('data')
    draw(folder / 'pics', 90)
    (folder / 'dict.txt').write_text('cat\ndog\n')
    rows = [f'pics/{n:05d}.png,{("cat", "dog")[n % 2]}\n' for n in range(90)]
    (folder / 'train.csv').write_text(''.join([*rows, rows[0], 'pics/gone.png,cat\n']))
    (folder / 'eval.csv').write_text(''.join(rows[60:]))
    return folder


def embed(data: Path, out: Path, *beam_args: str, existing=Existing.KEEP) -> list[Manifest]:
    sets = [
        SetConfig(
            input_path=str(data / f'{name}.csv'),
            input_dict=str(data / 'dict.txt'),
            output_path=str(out / name),
            shards=2,
        )
        for name in ('train', 'eval')
    ]
    asked = EmbeddingConfig(encoder=model_dir(data))
    return list(embed_sets(sets, asked, beam_args, existing=existing, machinery=FAKE).manifests)


@pytest.fixture(scope='module')
def expected(data, tmp_path_factory) -> list[Manifest]:
    """What one worker in this process makes."""
    manifests = embed(data, tmp_path_factory.mktemp('expected'))
    assert [vars(manifest.rows) for manifest in manifests] == [
        {'read': 92, 'accepted': 90, 'rejected': 1, 'duplicate': 1},
        {'read': 30, 'accepted': 30, 'rejected': 0, 'duplicate': 0},
    ]
    return manifests


@pytest.mark.parametrize('runner', LOCAL)
def test_the_local_runner_makes_the_same_files_byte_for_byte(data, expected, tmp_path, runner):
    # Manifests hold the sha256 of every record file.
    assert embed(data, tmp_path, *LOCAL[runner]) == expected


def test_records_out_of_a_full_store_are_the_same_files(data, expected, tmp_path):
    two_processes = LOCAL['two processes']
    assert embed(data, tmp_path, *two_processes) == expected
    pieces = sorted(tmp_path.rglob('*.piece'))
    assert embed(data, tmp_path, *two_processes, existing=Existing.REDO) == expected
    assert sorted(tmp_path.rglob('*.piece')) == pieces


@pytest.fixture(scope='module')
def portable(tmp_path_factory):
    with job_server(tmp_path_factory.mktemp('server')) as beam_args:
        yield beam_args


@pytest.mark.parametrize('workers', [1, 2])
def test_a_job_server_with_external_workers_makes_the_same_files(data, expected, tmp_path, portable, workers):
    assert embed(data, tmp_path, *portable, f'--direct_num_workers={workers}') == expected
