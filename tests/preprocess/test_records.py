"""Record files: the bytes TensorFlow would write and read, and no damage goes unseen."""

import gzip
import random
import struct
from dataclasses import replace
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from preprocess import records
from preprocess.record_sets import find_records
from preprocess.records import Record, RecordError, RecordWriter

GZIP_HEADER_BYTES = 10


def record(seed: int, size: int = 5) -> Record:
    rng = random.Random(seed)
    return Record(
        image_uri=rng.choice(['gs://b/a b.jpg', '/p/%20#é.png', 'x', '/' + 'd' * 300, '/bytes\udcff.jpg']) + str(seed),
        embedding=np.random.default_rng(seed).standard_normal(size).astype(np.float32),
        label_ids=tuple(sorted(rng.sample([0, 1, 127, 128, 300, 2**40, -1], rng.randint(0, 3)))),
        group=rng.choice([None, 'subject 1', '']),
    )


def frame(seed: int, **changed) -> Record:
    return replace(
        record(seed), **{'video': '/v/é 1.mp4', 'frame': seed, 'time': seed / 8, 'step': seed * 2, **changed}
    )


def write(path: Path, count: int = 4) -> list[Record]:
    found = [record(seed) for seed in range(count)]
    with RecordWriter(str(path)) as writer:
        for one in found:
            writer.write(one)
    assert (writer.count, writer.bytes) == (count, path.stat().st_size)
    return found


def test_records_are_the_examples_tensorflow_would_write():
    import tensorflow as tf

    def feature(**kinds):
        return tf.train.Feature(**kinds)

    for seed in range(200):
        one = record(seed, size=seed % 7)
        features = {
            'embedding': feature(float_list=tf.train.FloatList(value=one.embedding)),
            'image_uri': feature(
                bytes_list=tf.train.BytesList(value=[one.image_uri.encode('utf-8', 'surrogateescape')])
            ),
        }
        if one.label_ids:
            features['label'] = feature(int64_list=tf.train.Int64List(value=one.label_ids))
        if one.group is not None:
            features['group'] = feature(bytes_list=tf.train.BytesList(value=[one.group.encode()]))
        example = tf.train.Example(features=tf.train.Features(feature=features))
        assert tf.train.Example.FromString(records.encode(one)) == example
        assert records.decode(example.SerializeToString()) == one
        if one.embedding.size:  # an empty list is written as nothing by protobuf
            assert records.encode(one) == example.SerializeToString(deterministic=True)


def test_footage_and_pixels_are_the_examples_tensorflow_would_write():
    import tensorflow as tf

    for seed in range(50):
        one = frame(seed, embedding=None, pixels=bytes([seed]) * 12) if seed % 2 else frame(seed)
        kinds = {
            'image_uri': tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[one.image_uri.encode('utf-8', 'surrogateescape')])
            ),
            'video': tf.train.Feature(bytes_list=tf.train.BytesList(value=['/v/é 1.mp4'.encode()])),
            'frame': tf.train.Feature(int64_list=tf.train.Int64List(value=[seed])),
            'time': tf.train.Feature(float_list=tf.train.FloatList(value=[seed / 8])),
            'step': tf.train.Feature(int64_list=tf.train.Int64List(value=[seed * 2])),
        }
        if one.embedding is None:
            kinds['pixels'] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes([seed]) * 12]))
        else:
            kinds['embedding'] = tf.train.Feature(float_list=tf.train.FloatList(value=one.embedding))
        if one.label_ids:
            kinds['label'] = tf.train.Feature(int64_list=tf.train.Int64List(value=one.label_ids))
        if one.group is not None:
            kinds['group'] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[one.group.encode()]))
        serialised = tf.train.Example(features=tf.train.Features(feature=kinds)).SerializeToString(deterministic=True)
        assert records.encode(one) == serialised
        assert records.decode(serialised) == one


def test_a_record_is_either_a_vector_or_pixels_and_footage_is_told_whole():
    with pytest.raises(ValueError, match='either an embedding or pixels'):
        Record('a.jpg', None)
    with pytest.raises(ValueError, match='either an embedding or pixels'):
        Record('a.jpg', np.ones(2, np.float32), pixels=b'ab')
    with pytest.raises(ValueError, match='video, frame, time and step'):
        Record('a.mp4#frame=1', np.ones(2, np.float32), video='a.mp4', frame=1, time=0.5)
    with pytest.raises(ValueError, match='no embedding'):
        _ = Record('a.jpg', None, pixels=b'ab').vector


def test_records_that_differ_in_one_field_are_not_equal():
    one = frame(3)
    changes = [{'video': 'b'}, {'frame': 4}, {'time': 0.5}, {'step': 7}, {'embedding': None, 'pixels': b'x'}]
    assert all(one != replace(one, **changed) for changed in changes)
    assert one == replace(one)


def test_files_are_read_by_tensorflow_and_its_files_by_us(tmp_path):
    import tensorflow as tf

    ours, theirs, plain = (tmp_path / name for name in ('ours.tfrecord.gz', 'theirs.tfrecord.gz', 'plain.tfrecord'))
    written = write(ours, 50)
    raw = [data.numpy() for data in tf.data.TFRecordDataset([str(ours)], compression_type='GZIP')]
    assert [records.decode(data) for data in raw] == written
    for path, compression in ((theirs, 'GZIP'), (plain, '')):
        with tf.io.TFRecordWriter(str(path), compression) as writer:
            for data in raw:
                writer.write(data)
        assert list(records.read(str(path))) == written


def test_records_of_the_earlier_systems_are_found_by_glob(tmp_path):
    import tensorflow as tf

    def example(uri: str, labels: list[int]) -> bytes:
        features = {
            'image_uri': tf.train.Feature(bytes_list=tf.train.BytesList(value=[uri.encode()])),
            'embedding': tf.train.Feature(float_list=tf.train.FloatList(value=[0.25] * 2048)),
        }
        if labels:
            features['label'] = tf.train.Feature(int64_list=tf.train.Int64List(value=labels))
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

    for shard in range(2):
        path = str(tmp_path / f'train-0000{shard}-of-00002.tfrecord.gz')
        with tf.io.TFRecordWriter(path, 'GZIP') as writer:
            writer.write(example(f'gs://bucket/{shard}/hugs.jpg', [shard]))
            writer.write(example(f'gs://bucket/{shard}/unlabelled.jpg', []))
    found = find_records([f'{tmp_path}/train*'])
    assert (found.labels, found.encoder, found.records) == (None, None, None)
    read = [record for path in found.paths for record in records.read(path)]
    assert [(record.image_uri, record.label_ids) for record in read] == [
        ('gs://bucket/0/hugs.jpg', (0,)),
        ('gs://bucket/0/unlabelled.jpg', ()),
        ('gs://bucket/1/hugs.jpg', (1,)),
        ('gs://bucket/1/unlabelled.jpg', ()),
    ]
    assert all(record.embedding.shape == (2048,) for record in read)


def test_features_it_does_not_know_are_skipped():
    import tensorflow as tf

    one = record(3)
    example = tf.train.Example.FromString(records.encode(one))
    example.features.feature['video'].bytes_list.value.append(b'clip.mp4')
    example.features.feature['frame'].int64_list.value.append(17)
    example.features.feature['time'].float_list.value.append(0.5)
    assert records.decode(example.SerializeToString()) == one


def test_numbers_written_one_by_one_are_read_too():
    one_by_one = b''.join(b'\x0d' + struct.pack('<f', value) for value in (1.5, -2.0))
    floats = b'\x12' + bytes([len(one_by_one)]) + one_by_one
    entry = b'\x0a\x09embedding\x12' + bytes([len(floats)]) + floats
    features = b'\x0a' + bytes([len(entry)]) + entry
    assert records.decode(b'\x0a' + bytes([len(features)]) + features).embedding.tolist() == [1.5, -2.0]


def test_the_same_records_give_the_same_file(tmp_path):
    write(tmp_path / 'a.tfrecord.gz')
    write(tmp_path / 'b.tfrecord.gz')
    assert (tmp_path / 'a.tfrecord.gz').read_bytes() == (tmp_path / 'b.tfrecord.gz').read_bytes()


def test_a_file_without_records_is_read_as_none(tmp_path):
    write(tmp_path / 'none.tfrecord.gz', 0)
    assert list(records.read(str(tmp_path / 'none.tfrecord.gz'), expect=0)) == []


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), RecordWriter(str(tmp_path / 'a.tfrecord.gz')) as writer:
        writer.write(record(1))
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_file_cut_anywhere_is_named(tmp_path):
    path = tmp_path / 'a.tfrecord.gz'
    write(path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError) as refused:
            list(records.read(str(path)))
        assert refused.value.where == str(path)
        assert refused.value.exit_code == 3


def test_no_flipped_byte_changes_a_record_unseen(tmp_path):
    path = tmp_path / 'a.tfrecord.gz'
    written = write(path)
    whole = path.read_bytes()
    unseen = 0
    for place in range(GZIP_HEADER_BYTES, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            assert list(records.read(str(path))) == written
            unseen += 1
        except RecordError as error:
            assert error.where == str(path)
    assert unseen <= 1  # the last byte of the compressed data has bits that mean nothing


def test_a_corrupt_record_inside_a_sound_gzip_is_named(tmp_path):
    path = tmp_path / 'a.tfrecord.gz'
    write(path)
    plain = bytearray(gzip.decompress(path.read_bytes()))
    for place in range(0, len(plain), 5):
        damaged = plain.copy()
        damaged[place] ^= 1
        path.write_bytes(gzip.compress(damaged))
        with pytest.raises(RecordError, match='torn or corrupt'):
            list(records.read(str(path)))


def test_a_length_that_can_not_be_is_not_believed(tmp_path):
    path = tmp_path / 'a.tfrecord'
    length = struct.pack('<Q', 1 << 50)
    crc = google_crc32c.value(length)
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    path.write_bytes(length + struct.pack('<I', masked) + b'x' * 100)
    with pytest.raises(RecordError, match='a record of'):
        list(records.read(str(path)))


@pytest.mark.parametrize('expect', [3, 5])
def test_a_file_with_more_or_fewer_records_than_its_manifest_lists_is_named(tmp_path, expect):
    path = tmp_path / 'a.tfrecord.gz'
    write(path, 4)
    with pytest.raises(RecordError, match=f'4 records where its manifest lists {expect}'):
        list(records.read(str(path), expect=expect))


@pytest.mark.parametrize('data', [b'', b'\x0a', b'\x0a\x05abc', b'\xff' * 30, b'hello', b'\x0a\x02\x0a\x00'])
def test_bytes_that_are_no_record_are_refused(data):
    with pytest.raises(ValueError, match=r'not a tf.train.Example|no feature'):
        records.decode(data)


def test_random_bytes_never_raise_anything_else():
    rng = random.Random(5)
    whole = records.encode(record(1))
    refused = 0
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            records.decode(bytes(damaged[: rng.randint(0, len(damaged))]))
        except ValueError:
            refused += 1
    assert refused > 1000
