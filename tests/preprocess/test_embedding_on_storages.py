"""The embedding job with everything on gs://: the records of a local run, whatever the network does."""

import csv
import io
import json
import uuid
from pathlib import Path

import pytest

from preprocess import files, preflight, records, retries
from preprocess.embedding import embed_sets
from preprocess.failures import InputError, RunFailed
from preprocess.manifest import Manifest
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.record_sets import find_records
from preprocess.retries import Patience
from tests.fakes.fixtures import BUCKET, gcs_environment
from tests.fakes.gcs import FakeGcs
from tests.preprocess.fakes import FAKE, draw, model_dir
from tests.preprocess.portable import job_server
from tests.preprocess.test_objects import ODD as ALL_ODD

PICTURES = 90
# Storages on the network aren't asked whether a file has the name of a stretch of video.
ODD = [name for name in ALL_ODD if '#t=' not in name]


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, CSV and dictionary on this machine; one row's picture is missing, one row is there twice."""
    folder = tmp_path_factory.mktemp('data')
    draw(folder / 'pics', PICTURES)
    (folder / 'dict.txt').write_text('cat\ndog\n')
    rows = [f'pics/{number:05d}.png,{("cat", "dog")[number % 2]}\n' for number in range(PICTURES)]
    (folder / 'train.csv').write_text(''.join([*rows, rows[0], 'pics/gone.png,cat\n']))
    model_dir(folder)
    return folder


@pytest.fixture
def there(data: Path, gcs: FakeGcs) -> str:
    """The same on the bucket."""
    place = f'gs://{BUCKET}/{uuid.uuid4().hex}'
    files.copy_tree(str(data), place, last='train.csv')
    return place


def embed(place: str, out: str, *beam_args: str, **settings) -> Manifest:
    one = SetConfig(
        input_path=f'{place}/train.csv', input_dict=f'{place}/dict.txt', output_path=f'{out}/train', shards=2
    )
    asked = EmbeddingConfig(encoder=f'{place}/fake_model', **settings)
    return embed_sets([one], asked, beam_args, machinery=FAKE).manifests[0]


def learnt_from(out: str) -> dict[str, tuple[object, ...]]:
    """Everything in the records but the folder of the pictures."""
    shards = find_records([f'{out}/train']).shards
    listed = [record for shard in shards for record in records.read(shard.path, expect=shard.records)]
    return {files.name(one.image_uri): (one.vector.tobytes(), one.label_ids) for one in listed}


@pytest.fixture(scope='module')
def expected(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    out = str(tmp_path_factory.mktemp('expected'))
    embed(str(data), out)
    made = learnt_from(out)
    assert len(made) == PICTURES
    return made


def test_the_records_are_those_of_a_local_run_and_nothing_else_is_left(there: str, expected) -> None:
    manifest = embed(there, f'{there}/out')
    assert vars(manifest.rows) == {'read': 92, 'accepted': 90, 'rejected': 1, 'duplicate': 1}
    assert learnt_from(f'{there}/out') == expected
    (reject,) = map(json.loads, files.read_text(f'{there}/out/rejects.train.jsonl').splitlines())
    assert (reject['reason'], reject['uri']) == ('missing', f'{there}/pics/gone.png')
    assert not [one.uri for one in files.list_dir(f'{there}/out', recursive=True) if '/.' in one.uri]


@pytest.mark.slow
def test_a_second_run_asks_for_no_picture(there: str, gcs: FakeGcs, expected) -> None:
    embed(there, f'{there}/out')
    asked: list[str] = []
    with gcs.failing(1.0, where=lambda method, path: bool(asked.append(path))):
        embed(there, f'{there}/out2', embedding_store=f'{there}/out/embeddings')
    assert learnt_from(f'{there}/out2') == expected
    assert not [path for path in asked if '.png' in path and 'alt=media' in path]


@pytest.mark.slow
def test_rows_of_a_local_csv_may_be_anywhere(data: Path, there: str, tmp_path: Path, expected) -> None:
    rows = [
        f'{there if number % 2 else data}/pics/{number:05d}.png,{("cat", "dog")[number % 2]}' for number in range(90)
    ]
    (tmp_path / 'train.csv').write_text('\n'.join(rows))
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    model_dir(tmp_path)
    embed(str(tmp_path), str(tmp_path / 'out'))
    assert learnt_from(str(tmp_path / 'out')) == expected


def test_every_row_is_written_when_a_tenth_of_the_requests_fail(there: str, gcs: FakeGcs, expected) -> None:
    with gcs.failing(0.1, seed=5) as faults:
        manifest = embed(there, f'{there}/out')
        made = learnt_from(f'{there}/out')
    assert made == expected
    assert manifest.rows.accepted == PICTURES
    assert faults.done.total() > 30 and len(faults.done) == 6


def test_a_picture_that_fails_for_ever_costs_its_row_alone(there: str, gcs: FakeGcs, monkeypatch) -> None:
    monkeypatch.setattr(retries, 'PATIENCE', Patience(0.01, 0.05, 0.3))
    with gcs.failing(1.0, '503', where=lambda method, path: '00007.png' in path):
        manifest = embed(there, f'{there}/out')
    assert manifest.rejects_by_reason == {'missing': 1, 'unreadable': 1}
    assert len(learnt_from(f'{there}/out')) == PICTURES - 1


@pytest.mark.slow
def test_a_storage_that_goes_down_ends_the_run_and_what_was_done_is_kept(
    there: str, gcs: FakeGcs, expected, monkeypatch
) -> None:
    monkeypatch.setattr(retries, 'PATIENCE', Patience(0.01, 0.05, 0.3))
    goes_down_at = gcs.requests['GET'] + 150
    with (
        gcs.failing(1.0, '503', 'reset', where=lambda method, path: gcs.requests['GET'] > goes_down_at),
        pytest.raises(RunFailed, match='the storage does not answer'),
    ):
        embed(there, f'{there}/out')
    monkeypatch.setattr(retries, 'PATIENCE', Patience(0.01, 0.05, 2))
    embed(there, f'{there}/out')
    assert learnt_from(f'{there}/out') == expected


def test_nothing_is_begun_where_nothing_answers(there: str, gcs: FakeGcs, monkeypatch) -> None:
    monkeypatch.setattr(retries, 'PATIENCE', Patience(0.01, 0.05, 0.3))
    with gcs.failing(1.0, '429', '503', 'reset'), pytest.raises(RunFailed, match='the storage does not answer'):
        embed(there, f'{there}/out')


def test_what_can_not_be_read_is_rejected_for_its_reason(there: str, gcs: FakeGcs) -> None:
    files.write_atomic(f'{there}/pics/00004.png', b'')
    files.delete(f'{there}/pics/00005.png')
    files.write_atomic(f'{there}/pics/00005.png/below.png', b'')
    gcs.objects.forbidden.append(f'{there}/pics/00003'.removeprefix('gs://'))
    embed(there, f'{there}/out', max_reject_fraction=0.1)
    rejects = map(json.loads, files.read_text(f'{there}/out/rejects.train.jsonl').splitlines())
    assert {files.name(one['uri']): one['reason'] for one in rejects} == {
        '00003.png': 'forbidden',
        '00004.png': 'empty-file',
        '00005.png': 'is-a-directory',
        'gone.png': 'missing',
    }


def test_an_output_that_can_not_be_written_is_told_before_anything_is_done(there: str, gcs: FakeGcs) -> None:
    with pytest.raises(InputError, match='there is no such bucket'):
        embed(there, 'gs://no-such-bucket/out')
    gcs.objects.forbidden.append(f'{there}/out'.removeprefix('gs://'))
    with pytest.raises(PermissionError, match='forbidden: .* does not have storage.objects access'):
        embed(there, f'{there}/out')


def test_paths_are_used_as_they_are_written(there: str, data: Path) -> None:
    for number, name in enumerate(ODD):
        files.copy(f'{data}/pics/{number:05d}.png', f'{there}/odd/{name}')
    text = io.StringIO()
    csv.writer(text).writerows([f'odd/{name}', 'cat'] for name in ODD)
    files.write_atomic(f'{there}/train.csv', text.getvalue().encode())
    embed(there, f'{there}/out')
    shards = find_records([f'{there}/out/train']).shards
    made = {record.image_uri for shard in shards for record in records.read(shard.path)}
    assert made == {f'{there}/odd/{name}' for name in ODD}
    assert len(ODD) >= 20


@pytest.fixture(scope='module')
def portable(gcs_server: FakeGcs, tmp_path_factory: pytest.TempPathFactory):
    """A job server whose workers are processes that reach the bucket."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in gcs_environment(gcs_server).items():
            patched.setenv(name, value)
        with job_server(tmp_path_factory.mktemp('server')) as beam_args:
            yield [*beam_args, '--direct_num_workers=2']


def test_two_workers_elsewhere_make_the_same_records(there: str, portable, expected) -> None:
    embed(there, f'{there}/out', *portable)
    assert learnt_from(f'{there}/out') == expected
    assert not [one.uri for one in files.list_dir(f'{there}/out', recursive=True) if '/.' in one.uri]


@pytest.mark.slow
def test_two_workers_elsewhere_write_every_row_over_a_bad_network(there: str, portable, gcs: FakeGcs, expected) -> None:
    with gcs.failing(0.1, seed=6) as faults:
        embed(there, f'{there}/out', *portable)
        assert learnt_from(f'{there}/out') == expected
    assert faults.done.total() > 30


def test_more_pictures_are_asked_for_at_once_when_they_come_over_the_network(
    data: Path, there: str, tmp_path: Path
) -> None:
    rows = {'here': f'{data}/pics/00000.png,cat', 'there': f'{there}/pics/00000.png,cat'}
    for name, row in rows.items():
        (tmp_path / f'{name}.csv').write_text(row)
    found = [
        preflight.check(
            SetConfig(
                input_path=f'{tmp_path}/{name}.csv', input_dict=f'{data}/dict.txt', output_path=f'{tmp_path}/out/{name}'
            ),
            encoder_key='key',
            encoder='fake',
        ).is_remote
        for name in rows
    ]
    assert found == [False, True]
