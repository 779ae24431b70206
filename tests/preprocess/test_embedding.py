"""The embedding job in this process: every row accounted for, the same records whatever the way, nothing left over."""

import hashlib
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preprocess import files, images, interrupts, pieces, publishing, shards, transforms
from preprocess.arrivals import Refused
from preprocess.compiled import CompiledEncoder
from preprocess.embedding import Existing, embed_sets
from preprocess.failures import InputError, Interrupted, RunFailed, TooManyRejects
from preprocess.options import EmbeddingConfig
from preprocess.record_sets import find_records
from preprocess.set_names import Part
from preprocess.sets import staging_folder
from tests.preprocess.fakes import FAKE, FakeEngine, draw, model_dir, picture
from tests.preprocess.runs import (
    config,
    embed,
    found,
    label,
    left_over,
    rejects,
    vector_pieces,
    vectors_kept,
    write_csv,
)


@pytest.fixture
def folder(tmp_path) -> Path:
    draw(tmp_path / 'pics', 30)
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    write_csv(tmp_path, 'train.csv', [f'pics/{n:05d}.png,{label(n)}' for n in range(30)])
    return tmp_path


@pytest.fixture
def hundred(folder) -> Path:
    """More pictures than are under way at a time."""
    draw(folder / 'pics', 100)
    write_csv(folder, 'train.csv', [f'pics/{n:05d}.png,{label(n)}' for n in range(100)])
    return folder


def vector_of(data: bytes) -> bytes:
    engine = FakeEngine(CompiledEncoder.load(ENCODER_OF_FAKES[0]))
    return engine.encode(images.to_pixels(data, (8, 8, 3))[None])[0].tobytes()


ENCODER_OF_FAKES: list[str] = []


def test_every_picture_becomes_a_record_of_its_own_vector_and_label(folder):
    (manifest,) = embed(config(folder), folder=folder)
    out = folder / 'out'
    ENCODER_OF_FAKES[:] = [str(out / manifest.encoder.path)]
    by_name = found(out / 'train')
    assert set(by_name) == {f'{n:05d}.png' for n in range(30)}
    for number in range(30):
        record = by_name[f'{number:05d}.png']
        assert record.image_uri == str(folder / 'pics' / f'{number:05d}.png')
        assert record.label_ids == (number % 2,)
        assert record.embedding.tobytes() == vector_of(picture(number))
    assert (manifest.labels, manifest.counts_per_label) == (('cat', 'dog'), {'cat': 15, 'dog': 15})
    assert (manifest.encoder.input_shape, manifest.vector_shape) == ((8, 8, 3), (6,))
    assert manifest.encoder.sha256 == files.sha256(str(out / manifest.encoder.path / 'graph.pb'))
    assert sorted(path.name for path in out.iterdir()) == [
        'dict.txt',
        'embeddings',
        'encoder',
        'manifest.train.json',
        'rejects.train.jsonl',
        'train-00000-of-00001.tfrecord.gz',
    ]
    assert (out / 'dict.txt').read_text() == 'cat\ndog\n'
    assert rejects(folder) == []
    assert left_over(out) == []


TEN_KINDS = [
    ('pics/gone-{}.png,cat', 'missing'),
    ('pics/folder-{}.png,cat', 'is-a-directory'),
    ('pics/empty-{}.png,cat', 'empty-file'),
    ('pics/cut-{}.png,cat', 'truncated'),
    ('pics/text-{}.png,cat', 'not-an-image'),
    ('pics/doc-{}.png,cat', 'unsupported-format'),
    ('pics/red-{}.png,cat', 'nonfinite-embedding'),
    (',cat', 'wrong-columns'),
    ('pics/unknown-{}.png,dgo', 'unknown-label'),
    ('pics/both-{}.png,cat,dog', 'several-labels'),
]


def spoil(pics: Path, kind: int) -> None:
    (pics / f'folder-{kind}.png').mkdir()
    (pics / f'empty-{kind}.png').write_bytes(b'')
    (pics / f'cut-{kind}.png').write_bytes(picture(kind)[:-30])
    (pics / f'text-{kind}.png').write_bytes(b'hello, this is no picture')
    (pics / f'doc-{kind}.png').write_bytes(b'%PDF-1.7 and so on')
    (pics / f'red-{kind}.png').write_bytes(picture(kind, colour=(255, 0, 0)))
    for name in ('unknown', 'both'):
        (pics / f'{name}-{kind}.png').write_bytes(picture(kind))


def test_fifty_bad_rows_of_ten_kinds_leave_by_their_own_door(folder):
    draw(folder / 'pics', 970, first=30)
    good = [f'pics/{number:05d}.png,{label(number)}' for number in range(1000)]
    lines, wanted = [], []
    for number, line in enumerate(good):
        lines.append(line)
        if number % 20 == 7:
            row, reason = TEN_KINDS[number // 20 % 10]
            lines.append(row.format(number // 200))
            wanted.append((len(lines), reason))
    for kind in range(5):
        spoil(folder / 'pics', kind)
    write_csv(folder, 'train.csv', lines)
    (manifest,) = embed(config(folder), folder=folder, max_reject_fraction=0.05)
    assert [(reject['row'], reject['reason']) for reject in rejects(folder)] == wanted
    assert Counter(reason for _, reason in wanted) == manifest.rejects_by_reason
    assert all(reject['source'] == str(folder / 'train.csv') for reject in rejects(folder))
    assert all(set(reject) == {'source', 'row', 'uri', 'stage', 'reason', 'message'} for reject in rejects(folder))
    assert vars(manifest.rows) == {'read': 1050, 'accepted': 1000, 'rejected': 50, 'duplicate': 0}
    assert len(found(folder / 'out' / 'train')) == manifest.examples.written == 1000


def test_repeats_are_counted_and_contradictions_all_rejected(folder):
    write_csv(
        folder,
        'train.csv',
        ['pics/00000.png,cat', 'pics/00000.png,cat', 'pics/00001.png,cat', 'pics/00001.png,dog', 'pics/00000.png,cat'],
    )
    (manifest,) = embed(config(folder), folder=folder)
    assert vars(manifest.rows) == {'read': 5, 'accepted': 1, 'rejected': 2, 'duplicate': 2}
    assert [(reject['row'], reject['reason']) for reject in rejects(folder)] == [
        (3, 'conflicting-labels'),
        (4, 'conflicting-labels'),
    ]
    assert list(found(folder / 'out' / 'train')) == ['00000.png']


def test_rows_without_a_label_are_kept_and_groups_travel(folder):
    write_csv(folder, 'train.csv', ['image,label,group', 'pics/00000.png,,s1', 'pics/00001.png,dog,'])
    (manifest,) = embed(config(folder), folder=folder)
    by_name = found(folder / 'out' / 'train')
    assert (by_name['00000.png'].label_ids, by_name['00000.png'].group) == ((), 's1')
    assert (by_name['00001.png'].label_ids, by_name['00001.png'].group) == ((1,), None)
    assert (manifest.unlabelled, manifest.counts_per_label) == (1, {'cat': 0, 'dog': 1})


def test_several_labels_are_sorted_ids_when_they_are_allowed(folder):
    write_csv(folder, 'train.csv', ['pics/00000.png,dog,cat', 'pics/00001.png,dog'])
    (manifest,) = embed(config(folder, multi_label=True), folder=folder)
    assert found(folder / 'out' / 'train')['00000.png'].label_ids == (0, 1)
    assert manifest.multi_label
    assert manifest.counts_per_label == {'cat': 1, 'dog': 2}


def test_a_picture_in_two_sets_is_embedded_once(folder):
    write_csv(folder, 'eval.csv', [f'pics/{n:05d}.png,{label(n)}' for n in range(20, 30)])
    train, evaluation = embed(config(folder), config(folder, 'eval'), folder=folder)
    assert (train.rows.accepted, evaluation.rows.accepted) == (30, 10)
    kept = vectors_kept(folder / 'out')
    assert len(kept) == len(set(kept)) == 30
    by_name = found(folder / 'out' / 'train')
    for name, record in found(folder / 'out' / 'eval').items():
        assert record == by_name[name]


def test_equal_contents_under_two_names_are_two_records_with_one_vector(folder):
    (folder / 'pics' / 'copy.png').write_bytes(picture(3))
    write_csv(folder, 'train.csv', ['pics/00003.png,cat', 'pics/copy.png,dog'])
    embed(config(folder), folder=folder)
    by_name = found(folder / 'out' / 'train')
    assert by_name['copy.png'].embedding.tobytes() == by_name['00003.png'].embedding.tobytes()


def test_a_limit_takes_so_many_pictures_spread_over_the_classes(folder):
    (manifest,) = embed(config(folder, limit=6), folder=folder)
    assert vars(manifest.rows) == {'read': 6, 'accepted': 6, 'rejected': 0, 'duplicate': 0}
    assert manifest.counts_per_label == {'cat': 3, 'dog': 3}


def test_several_csvs_make_one_set_in_any_order(folder):
    write_csv(folder, 'a.csv', [f'pics/{n:05d}.png,{label(n)}' for n in range(10)])
    write_csv(folder, 'b.csv', [f'pics/{n:05d}.png,{label(n)}' for n in range(5, 15)])
    one, other = (
        config(folder, output_path=str(folder / 'x' / 'one')),
        config(folder, output_path=str(folder / 'x/two')),
    )
    one = replace(one, input_path=f'{folder}/a.csv,{folder}/b.csv')
    other = replace(other, input_path=f'{folder}/[ab].csv')
    first, second = embed(one, other, folder=folder)
    assert vars(first.rows) == vars(second.rows) == {'read': 20, 'accepted': 15, 'rejected': 0, 'duplicate': 5}
    assert [shard.sha256 for shard in first.shards] == [shard.sha256 for shard in second.shards]


def test_the_same_rows_give_the_same_files_byte_for_byte(folder):
    (first,) = embed(config(folder, shards=3), folder=folder)
    lines = (folder / 'train.csv').read_text().splitlines()
    write_csv(folder, 'train.csv', lines[::-1])
    (second,) = embed(config(folder, shards=3), folder=folder, existing=Existing.REDO)
    assert first.shards == second.shards
    assert [shard.records for shard in first.shards] != [30, 0, 0]


def test_small_pieces_and_many_blocks_make_no_difference(hundred, monkeypatch):
    (first,) = embed(config(hundred, shards=3), folder=hundred)
    monkeypatch.setattr(pieces, 'PIECE_BYTES', 4 * 24)
    monkeypatch.setattr(pieces, '_GAP_BYTES', 0)
    monkeypatch.setattr(transforms, 'ROWS_PER_BLOCK', 2)
    monkeypatch.setattr(transforms, 'PICTURES_PER_BLOCK', 3)
    monkeypatch.setattr(transforms, '_ROWS_WAITING', 5)
    monkeypatch.setattr('preprocess.stock._ROWS_PER_RANGE', 4)
    monkeypatch.setattr('preprocess.stock._ROWS_PER_BLOCK', 0)
    (second,) = embed(
        config(hundred, shards=3), folder=hundred, existing=Existing.REDO, embedding_store=str(hundred / 'store')
    )
    assert first.shards == second.shards
    assert len(vector_pieces(hundred / 'store')) >= 5
    assert left_over(hundred / 'store') == []


def test_shards_that_no_picture_falls_into_exist_all_the_same(folder):
    write_csv(folder, 'train.csv', ['pics/00000.png,cat'])
    (manifest,) = embed(config(folder, shards=4), folder=folder)
    assert sorted(shard.records for shard in manifest.shards) == [0, 0, 0, 1]
    assert len(found(folder / 'out' / 'train')) == 1


def test_fewer_shards_than_before_leave_none_of_the_old(folder):
    embed(config(folder, shards=3), folder=folder)
    embed(config(folder, shards=2), folder=folder, existing=Existing.REDO)
    assert sorted(path.name for path in (folder / 'out').glob('train*')) == [
        'train-00000-of-00002.tfrecord.gz',
        'train-00001-of-00002.tfrecord.gz',
    ]


def test_the_number_of_shards_follows_the_size():
    assert shards.how_many(0, 8192) == shards.how_many(8192, 8192) == 1
    assert shards.how_many(100_000, 8192) == 13
    # Of small vectors as many as can be ordered in memory.
    assert shards.how_many(1_000_000, 64) == 10


@pytest.mark.slow
def test_four_parts_of_one_csv_are_the_whole_once_the_folder_is_moved(folder):
    write_csv(folder, 'train.csv', (folder / 'train.csv').read_text().splitlines() + ['pics/00004.png,cat', ',cat'])
    parts = [embed(config(folder, part=Part(index, 4)), folder=folder)[0] for index in range(4)]
    assert sum(part.rows.read for part in parts) == 32
    assert sum(part.rows.accepted for part in parts) == 30
    assert sum(part.rows.duplicate for part in parts) == 1
    assert sum(part.rows.rejected for part in parts) == 1
    (folder / 'out').rename(folder / 'moved')
    assert set(found(folder / 'moved' / 'train')) == {f'{n:05d}.png' for n in range(30)}
    assert (folder / 'moved' / 'manifest.train.0-of-4.json').exists()
    embed(config(folder, output_path=str(folder / 'whole' / 'train')), folder=folder)
    assert found(folder / 'whole' / 'train') == found(folder / 'moved' / 'train')


def test_a_part_without_any_row_is_complete(folder):
    write_csv(folder, 'train.csv', ['pics/00000.png,cat'])
    parts = [embed(config(folder, part=Part(index, 3)), folder=folder)[0] for index in range(3)]
    assert sorted(part.rows.read for part in parts) == [0, 0, 1]
    assert len(found(folder / 'out' / 'train')) == 1


def test_a_whole_set_replaces_its_parts_only_when_asked(folder):
    embed(config(folder, part=Part(0, 2)), config(folder, part=Part(1, 2)), folder=folder)
    with pytest.raises(InputError, match='divided otherwise'):
        embed(config(folder), folder=folder)
    embed(config(folder), folder=folder, existing=Existing.REDO)
    assert [path.name for path in (folder / 'out').glob('train*')] == ['train-00000-of-00001.tfrecord.gz']
    assert len(found(folder / 'out' / 'train')) == 30


# Running again.


class CountingEngine(FakeEngine):
    loaded = 0

    def __init__(self, encoder: CompiledEncoder) -> None:
        super().__init__(encoder)
        CountingEngine.loaded += 1


def test_what_is_there_already_is_kept_with_one_line(folder, capsys):
    embed(config(folder), folder=folder)
    capsys.readouterr()
    CountingEngine.loaded = 0
    (manifest,) = embed(config(folder), folder=folder, machinery=replace(FAKE, load=CountingEngine))
    assert CountingEngine.loaded == 0
    assert manifest.rows.accepted == 30
    assert capsys.readouterr().err == (f'{folder}/out/train: 30 records are there already (--overwrite redoes them)\n')


def test_what_a_kill_at_the_very_end_left_is_cleared_away_by_the_same_command(folder, capsys):
    embed(config(folder), folder=folder)
    left = [folder / 'out' / '.train.work', Path(staging_folder(f'{folder}/out/embeddings', config(folder).name))]
    for one in left:
        one.mkdir(parents=True)
        (one / 'torn').write_bytes(b'')
    embed(config(folder), folder=folder)
    assert 'there already' in capsys.readouterr().err
    assert [one for one in left if one.exists()] == []


def test_other_settings_are_refused_with_what_changed(folder):
    embed(config(folder), folder=folder)
    with pytest.raises(InputError) as refused:
        embed(config(folder, ignore_label_case=True), folder=folder)
    assert 'ignore_label_case: false -> true' in refused.value.what
    assert '--overwrite' in refused.value.do
    (folder / 'dict.txt').write_text('cat\ndog\nowl\n')
    with pytest.raises(InputError, match='labels: '):
        embed(config(folder), folder=folder)
    (manifest,) = embed(config(folder), folder=folder, existing=Existing.REPLACE)
    assert manifest.labels == ('cat', 'dog', 'owl')


def test_where_pieces_are_kept_and_how_many_rejects_are_allowed_change_nothing(folder, capsys):
    embed(config(folder), folder=folder)
    embed(config(folder), folder=folder, embedding_store=str(folder / 'store'), max_reject_fraction=0.5)
    assert 'there already' in capsys.readouterr().err


@pytest.mark.parametrize('damage', ['missing shard', 'torn shard', 'no manifest', 'no encoder'])
def test_what_is_incomplete_is_made_again(folder, damage):
    (before,) = embed(config(folder), folder=folder)
    shard = folder / 'out' / before.shards[0].file
    if damage == 'missing shard':
        shard.unlink()
    elif damage == 'torn shard':
        shard.write_bytes(shard.read_bytes()[:-1])
    elif damage == 'no encoder':
        (folder / 'out' / before.encoder.path / 'encoder.json').unlink()
    else:
        (folder / 'out' / 'manifest.train.json').unlink()
    assert embed(config(folder), folder=folder) == [before]
    assert len(found(folder / 'out' / 'train')) == 30


def test_shards_left_by_a_run_that_was_killed_are_swept_away(folder):
    embed(config(folder), folder=folder)
    (folder / 'out' / 'train-00000-of-00009.tfrecord.gz').write_bytes(b'')
    (folder / 'out' / 'trainer-00000-of-00009.tfrecord.gz').write_bytes(b'')
    embed(config(folder), folder=folder)
    assert sorted(path.name for path in (folder / 'out').glob('train*')) == [
        'train-00000-of-00001.tfrecord.gz',
        'trainer-00000-of-00009.tfrecord.gz',
    ]


# What stops a run.


def test_too_many_rejects_publish_nothing_but_the_rejects(folder):
    write_csv(folder, 'train.csv', ['pics/gone.png,cat'] + [f'pics/{n:05d}.png,{label(n)}' for n in range(9)])
    with pytest.raises(TooManyRejects) as refused:
        embed(config(folder), folder=folder, max_reject_fraction=0.05)
    assert refused.value.exit_code == 4
    assert refused.value.what == '1 of 10 rows rejected (10.0%, the limit is 5.0%): 1 missing'
    assert '--max_reject_fraction 0.1' in refused.value.do
    assert [reject['reason'] for reject in rejects(folder)] == ['missing']
    assert not list((folder / 'out').glob('train*'))
    assert not (folder / 'out' / 'manifest.train.json').exists()
    assert list((folder / 'out' / 'embeddings').rglob('*.piece'))
    assert left_over(folder / 'out') == []
    (manifest,) = embed(config(folder), folder=folder, max_reject_fraction=0.1)
    assert manifest.rows.accepted == 9


def test_too_many_rejects_leave_the_older_set_in_place(folder):
    embed(config(folder), folder=folder)
    before = found(folder / 'out' / 'train')
    write_csv(folder, 'train.csv', ['pics/gone.png,cat', 'pics/00000.png,cat'])
    with pytest.raises(TooManyRejects):
        embed(config(folder), folder=folder, max_reject_fraction=0.05, existing=Existing.REPLACE)
    assert found(folder / 'out' / 'train') == before


def test_a_set_whose_every_row_is_rejected_is_an_error_of_the_input(folder):
    write_csv(folder, 'train.csv', ['pics/gone.png,cat', 'pics/away.png,dog'])
    with pytest.raises(InputError) as refused:
        embed(config(folder), folder=folder)
    assert (refused.value.exit_code, refused.value.what) == (3, 'every row was rejected (2 missing)')


def test_one_set_with_too_many_rejects_does_not_cost_the_other(folder):
    write_csv(folder, 'eval.csv', ['pics/gone.png,cat', 'pics/00000.png,cat'])
    with pytest.raises(TooManyRejects):
        embed(config(folder), config(folder, 'eval'), folder=folder, max_reject_fraction=0.1)
    assert len(found(folder / 'out' / 'train')) == 30
    assert not (folder / 'out' / 'manifest.eval.json').exists()


def test_labels_none_of_which_is_known_stop_it_before_anything_starts(folder):
    write_csv(folder, 'train.csv', ['pics/00000.png,Cat', 'pics/00001.png,Dogs'])
    with pytest.raises(InputError) as refused:
        embed(config(folder), folder=folder)
    assert "the nearest one is 'cat'" in refused.value.what
    assert refused.value.where == f'{folder}/train.csv:1'
    assert not (folder / 'out').exists()
    assert embed(config(folder, ignore_label_case=True), folder=folder)[0].counts_per_label == {'cat': 1, 'dog': 0}


def test_a_poisoned_picture_costs_only_itself(folder):
    draw(folder / 'pics', 170, first=30)
    (folder / 'pics' / '00077.png').write_bytes(b'loop')
    write_csv(folder, 'train.csv', [f'pics/{n:05d}.png,{label(n)}' for n in range(200)])
    poisoned = replace(FAKE, decode='tests.preprocess.poison:decode', decode_timeout_s=0.5)
    (manifest,) = embed(config(folder), folder=folder, machinery=poisoned)
    assert manifest.rows.accepted == 199
    assert [(reject['row'], reject['reason']) for reject in rejects(folder)] == [(78, 'too-slow')]


class BrokenEngine(FakeEngine):
    def encode(self, pixels: np.ndarray) -> np.ndarray:
        raise OSError(28, os.strerror(28))


def test_a_full_disk_in_a_worker_is_three_lines_and_no_manifest(folder):
    with pytest.raises(RunFailed) as failed:
        embed(config(folder), folder=folder, machinery=replace(FAKE, load=BrokenEngine))
    assert (failed.value.exit_code, failed.value.what) == (5, 'no space left on device')
    assert failed.value.where == f'{folder}/out or {folder}/out/embeddings'
    assert not list((folder / 'out').glob('*train*'))
    assert left_over(folder / 'out') == []


class InterruptingEngine(FakeEngine):
    def encode(self, pixels: np.ndarray) -> np.ndarray:
        interrupts._requested.set()
        return super().encode(pixels)


def test_an_interrupted_run_keeps_its_vectors_and_can_be_repeated(hundred):
    try:
        with pytest.raises(Interrupted) as stopped:
            embed(config(hundred), folder=hundred, machinery=replace(FAKE, load=InterruptingEngine))
    finally:
        interrupts.clear()
    assert stopped.value.exit_code == 130
    assert 'the same command continues' in stopped.value.do
    kept = vectors_kept(hundred / 'out')
    assert 0 < len(kept) < 100
    assert left_over(hundred / 'out') == []
    assert embed(config(hundred), folder=hundred)[0].rows.accepted == 100


def test_a_bundle_done_twice_writes_nothing_twice(folder):
    write_csv(folder, 'train.csv', [*(folder / 'train.csv').read_text().splitlines(), 'gone.png,cat'])
    asked = EmbeddingConfig(encoder=model_dir(folder))
    (manifest,) = embed_sets([config(folder)], asked, ['--direct_runner_bundle_repeat=2'], machinery=FAKE).manifests
    assert vars(manifest.rows) == {'read': 31, 'accepted': 30, 'rejected': 1, 'duplicate': 0}
    assert len(found(folder / 'out' / 'train')) == 30
    assert left_over(folder / 'out') == []


def test_a_run_that_ends_while_shards_get_their_names_leaves_nothing_that_passes_for_records(folder, monkeypatch):
    take_name = publishing._take_name

    def end_at_the_second(shard, path):
        if shard.index == 1:
            raise OSError(28, os.strerror(28))
        take_name(shard, path)

    with monkeypatch.context() as patched:
        patched.setattr(publishing, '_take_name', end_at_the_second)
        with pytest.raises(RunFailed):
            embed(config(folder, shards=2), folder=folder)
    for spec in ('train', 'train*', ''):
        with pytest.raises(InputError, match='missing'):
            find_records([str(folder / 'out' / spec)])
    embed(config(folder, shards=2), folder=folder)
    assert len(found(folder / 'out' / 'train')) == 30


# What a runner loses.


def test_rows_the_runner_lost_are_noticed(folder, monkeypatch):
    take = publishing.Gathered.of

    def lose_one_reject(arrived):
        return take([arrival for arrival in arrived if not isinstance(arrival, Refused)])

    write_csv(folder, 'train.csv', ['pics/gone.png,cat', 'pics/00000.png,cat'])
    monkeypatch.setattr(publishing.Gathered, 'of', lose_one_reject)
    with pytest.raises(RunFailed, match='2 rows were read, but 1 arrived'):
        embed(config(folder), folder=folder)
    assert not (folder / 'out' / 'manifest.train.json').exists()


def test_a_set_the_runner_never_finished_is_noticed(folder, monkeypatch):
    monkeypatch.setattr(publishing, 'finish', lambda job, arrived: None)
    with pytest.raises(RunFailed, match='never finished'):
        embed(config(folder), folder=folder)


def test_a_csv_nobody_read_is_noticed(folder, monkeypatch):
    monkeypatch.setattr(publishing, 'note_rows_read', lambda job, task, read: None)
    with pytest.raises(RunFailed, match='nobody finished reading'):
        embed(config(folder), folder=folder)


def test_shards_that_are_not_what_was_written_are_noticed(folder, monkeypatch):
    finish = publishing.finish

    def finish_and_damage(job, arrivals):
        finish(job, arrivals)
        (shard,) = (folder / 'out').glob('train*')
        shard.write_bytes(shard.read_bytes() + b'x')

    monkeypatch.setattr(publishing, 'finish', finish_and_damage)
    with pytest.raises(RunFailed, match='not what it wrote'):
        embed(config(folder), folder=folder)


def test_beam_counts_what_happened_to_every_row(folder, monkeypatch):
    from apache_beam import Pipeline
    from apache_beam.metrics import MetricsFilter
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    counted: Counter[str] = Counter()

    def run(build, beam_args, *, look, log):
        pipeline = Pipeline(runner=FnApiRunner())
        build(pipeline)
        found = pipeline.run().metrics().query(MetricsFilter().with_namespace('headlight'))
        for counter in found['counters']:
            counted[counter.key.metric.name] += counter.committed

    rows = (folder / 'train.csv').read_text().splitlines()
    write_csv(folder, 'train.csv', [*rows, rows[0], 'pics/gone.png,cat', ',cat'])
    monkeypatch.setattr('preprocess.jobs.run', run)
    (manifest,) = embed(config(folder), folder=folder)
    assert counted == {
        'read': 33,
        'named': 31,
        'wanted': 30,
        'accepted': 30,
        'rejected': 2,
        'duplicates': 1,
        'embedded': 30,
        'bytes_read': sum(len(picture(number)) for number in range(30)),
        'written': 30,
        'bytes_written': manifest.shards[0].bytes,
    }


def test_no_connection_leaves_the_machine(folder, monkeypatch):
    import socket

    connect = socket.socket.connect

    def guarded(self, address):
        assert self.family == socket.AF_UNIX or address[0] in ('localhost', '127.0.0.1', '::1'), address
        return connect(self, address)

    monkeypatch.setattr(socket.socket, 'connect', guarded)
    asked = EmbeddingConfig(encoder=model_dir(folder))
    (manifest,) = embed_sets([config(folder)], asked, ['--runner=DirectRunner'], machinery=FAKE).manifests
    assert manifest.rows.accepted == 30


def test_the_hash_of_a_part_is_the_same_on_every_machine():
    from preprocess.shelves import hash_of

    assert [hash_of(text) % 4 for text in ('a.jpg', 'b.jpg', 'é.jpg', '')] == [
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), 'big') % 4
        for text in ('a.jpg', 'b.jpg', 'é.jpg', '')
    ]
