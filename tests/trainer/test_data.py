import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preprocess.failures import InputError
from preprocess.record_sets import FoundShard, find_records
from preprocess.records import Record, RecordError, RecordWriter
from tests.trainer import raw_records
from trainer import classes, data, reading
from trainer.classes import Classes
from trainer.forms import Form

_AB = Classes(('a', 'b'))


def _read(directory, labels, *, shards=1, stream=False):
    vectors = np.arange(len(labels) * 4, dtype=np.float32).reshape(-1, 4)
    pattern = raw_records.write(directory, 'set', vectors, labels, shards=shards)
    return data.read('training', find_records([pattern]), stream=stream)


def test_records_come_back_in_the_order_of_their_shards(tmp_path):
    found = data.examples(_read(tmp_path, [(0,), (1,), (0,)], shards=2), _AB)
    np.testing.assert_array_equal(found.values[:, 0], [0, 8, 4])
    np.testing.assert_array_equal(found.targets, [0, 0, 1])
    np.testing.assert_array_equal(found.counts(), [2, 1])


def test_records_without_a_label_are_counted_and_left_out(tmp_path):
    found = data.examples(_read(tmp_path, [(0,), (), (1,)]), _AB)
    assert (len(found), found.unlabelled) == (2, 1)
    np.testing.assert_array_equal(found.rows, [0, 2])


def test_records_without_a_label_may_be_a_class_of_their_own(tmp_path):
    found = data.examples(
        _read(tmp_path, [(0,), (), (1,)]), classes.make(['a', 'b'], multi_label=False, unlabelled=True)
    )
    np.testing.assert_array_equal(found.counts(), [1, 1, 1])
    np.testing.assert_array_equal(found.targets, [0, 2, 1])


def test_several_labels_are_a_row_of_yes_and_no(tmp_path):
    several = classes.make(['a', 'b'], multi_label=True, unlabelled=True)
    found = data.examples(_read(tmp_path, [(0, 1), (1,), ()]), several)
    np.testing.assert_array_equal(found.targets, [[1, 1, 0], [0, 1, 0], [0, 0, 1]])


def test_several_labels_without_multi_label_are_refused_naming_the_file(tmp_path):
    raw = _read(tmp_path, [(0,), (0, 1)], shards=2)
    with pytest.raises(InputError, match='several labels') as raised:
        data.examples(raw, _AB)
    assert raised.value.where.endswith('set-00001-of-00002.tfrecord.gz')


@pytest.mark.parametrize('wrong', [2, -1])
def test_a_label_id_outside_the_dictionary_is_refused_naming_the_file(tmp_path, wrong):
    raw = _read(tmp_path, [(0,), (wrong,)], shards=2)
    with pytest.raises(InputError, match=f'label id {wrong}') as raised:
        data.examples(raw, _AB)
    assert raised.value.where.endswith('set-00001-of-00002.tfrecord.gz')


def test_a_shard_without_records_is_tolerated(tmp_path):
    raw = _read(tmp_path, [(0,)], shards=3)
    assert raw.shard_sizes == (1, 0, 0)


def test_a_set_without_records_is_refused(tmp_path):
    with pytest.raises(InputError, match='no training records'):
        _read(tmp_path, [], shards=2)


def test_a_set_without_labelled_records_is_refused(tmp_path):
    with pytest.raises(InputError, match='no labelled training records'):
        data.examples(_read(tmp_path, [(), ()]), _AB)


@pytest.mark.parametrize('place', [0.3, 0.6, 0.9])
def test_a_flipped_byte_is_found_and_its_file_named(tmp_path, place):
    vectors, labels = raw_records.clusters(200)
    raw_records.write(tmp_path, 'set', vectors, labels, shards=1)
    shard = next(tmp_path.glob('set-*'))
    content = bytearray(shard.read_bytes())
    content[int(len(content) * place)] ^= 0xFF
    shard.write_bytes(content)
    with pytest.raises(RecordError) as raised:
        data.read('training', find_records([str(shard)]))
    # Where the damaged bytes still can be unpacked, the record's own checksum tells.
    assert raised.value.what in (
        'the file is corrupt: its compressed data can not be unpacked',
        'the file is torn or corrupt: a record fails its checksum',
    )
    assert raised.value.where == str(shard)


def test_a_record_that_fails_its_checksum_is_told_in_plain_words(tmp_path):
    raw_records.write(tmp_path, 'set', *raw_records.clusters(200), shards=1)
    shard = next(tmp_path.glob('set-*'))
    content = bytearray(gzip.decompress(shard.read_bytes()))
    content[40] ^= 0xFF
    shard.write_bytes(gzip.compress(content))
    with pytest.raises(RecordError) as raised:
        list(reading.read_shard(FoundShard(str(shard), None), Form((raw_records.WIDTH,))))
    assert raised.value.what == 'the file is torn or corrupt: a record fails its checksum'


def test_a_torn_file_is_named(tmp_path):
    raw_records.write(tmp_path, 'set', *raw_records.clusters(200), shards=1)
    shard = next(tmp_path.glob('set-*'))
    shard.write_bytes(shard.read_bytes()[:-200])
    with pytest.raises(RecordError, match='torn: it ends in the middle of its compressed data'):
        data.read('training', find_records([str(shard)]))


def test_another_vector_size_is_refused_naming_the_file(tmp_path):
    raw_records.write(tmp_path, 'a', np.zeros((2, 4)), [(0,), (1,)], shards=1)
    raw_records.write(tmp_path, 'b', np.zeros((2, 5)), [(0,), (1,)], shards=1)
    with pytest.raises(RecordError, match='not records with embeddings of 4 numbers;') as raised:
        data.read('training', find_records([f'{tmp_path}/a-*', f'{tmp_path}/b-*']))
    assert '/b-' in raised.value.where


def test_a_shard_with_fewer_records_than_its_manifest_lists_is_refused(tmp_path):
    raw_records.write(tmp_path, 'set', np.zeros((2, 4)), [(0,), (1,)], shards=1)
    shard = FoundShard(str(next(tmp_path.glob('set-*'))), 3)
    with pytest.raises(RecordError, match='2 records where its manifest lists 3'):
        list(reading.read_shard(shard, Form((4,))))


def test_frames_without_a_manifest_have_no_shape_and_are_refused(tmp_path):
    path = tmp_path / 'set-00000-of-00001.tfrecord.gz'
    with RecordWriter(str(path)) as writer:
        writer.write(Record('a.jpg', None, (0,), pixels=bytes(12)))
    with pytest.raises(InputError, match='without a manifest nothing tells the shape') as raised:
        data.read('training', find_records([str(path)]))
    assert raised.value.where == str(path)


def test_unpacked_records_are_read_too(tmp_path):
    import gzip

    raw_records.write(tmp_path, 'set', np.ones((2, 4)), [(0,), (1,)], shards=1)
    packed = next(tmp_path.glob('set-*'))
    plain = Path(tmp_path, 'plain.tfrecord')
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    assert data.read('training', find_records([str(plain)])).shard_sizes == (2,)


def test_a_streamed_set_keeps_labels_and_gives_its_embeddings_each_time(tmp_path):
    found = data.examples(_read(tmp_path, [(0,), (), (1,)], shards=2, stream=True), _AB)
    assert found.values is None
    for _ in range(2):
        rows, values = zip(*found.whole().batches(1), strict=True)
        assert [one.tolist() for one in rows] == [[0], [1], [2]]
        np.testing.assert_array_equal(np.concatenate(values)[:, 0], [0, 8, 4])


def test_a_set_too_large_for_memory_is_streamed(tmp_path, monkeypatch):
    monkeypatch.setattr(data, 'fits_in_memory', lambda size: size < 1000)
    assert _read(tmp_path, [(0,)] * 2).values is not None
    assert _read(tmp_path, [(0,)] * 1000).values is None


def test_a_limit_is_spread_over_the_classes(tmp_path):
    labels = [(0,)] * 20 + [(1,)] * 20 + [(2,)]
    found = data.examples(_read(tmp_path, labels), Classes(('a', 'b', 'c')))
    limited = data.spread_over_classes(found, 7, seed=3)
    np.testing.assert_array_equal(limited.counts(), [3, 3, 1])
    np.testing.assert_array_equal(limited.rows, data.spread_over_classes(found, 7, seed=3).rows)
    assert not np.array_equal(limited.rows, data.spread_over_classes(found, 7, seed=4).rows)
    assert data.spread_over_classes(found, 100, seed=3) is found


def test_a_limit_counts_records_without_a_label_as_a_class(tmp_path):
    found = data.examples(
        _read(tmp_path, [()] * 5 + [(0,)] * 5 + [()]), classes.make(['a'], multi_label=False, unlabelled=True)
    )
    np.testing.assert_array_equal(data.spread_over_classes(found, 4, seed=0).counts(), [2, 2])


def test_some_rows_are_drawn_by_the_seed(tmp_path):
    found = data.examples(_read(tmp_path, [(0,)] * 30), _AB)
    drawn = data.some(found, 10, seed=1)
    assert len(set(drawn.rows)) == 10
    np.testing.assert_array_equal(drawn.rows, data.some(found, 10, seed=1).rows)


@pytest.mark.parametrize('stream', [False, True])
def test_only_rows_in_use_are_gone_through(tmp_path, stream):
    found = replace(data.examples(_read(tmp_path, [(0,)] * 6, stream=stream), _AB), rows=np.array([1, 3, 4]))
    rows, values = zip(*found.batches(2), strict=True)
    assert [one.tolist() for one in rows] == [[1, 3], [4]]
    np.testing.assert_array_equal(np.concatenate(values)[:, 0], [4, 12, 16])
