import numpy as np
import pytest

from preprocess.record_sets import FoundShard, find_records
from preprocess.records import Record, RecordError, RecordWriter
from tests.trainer import clips, raw_records
from trainer import reading
from trainer.forms import Form
from trainer.reading import OnDisk, Piece

GRAY = Form((2, 3, 1))


def _frames(path, sizes):
    with RecordWriter(str(path)) as writer:
        for number, size in enumerate(sizes):
            writer.write(Record('a.mp4#frame=0', None, (0,), pixels=bytes([number]) * size))
    return FoundShard(str(path), None)


def test_frames_are_uint8_of_their_shape(tmp_path):
    (batch,) = reading.read_shard(_frames(tmp_path / 'a.tfrecord.gz', [6, 6]), GRAY)
    assert (batch.values.dtype.name, batch.values.shape) == ('uint8', (2, 2, 3, 1))
    assert batch.values.numpy()[1].max() == batch.values.numpy()[1].min() == 1


@pytest.mark.parametrize('sizes', [[5], [6, 5], [12], [12, 12]])
def test_frames_of_another_size_are_refused_naming_the_file(tmp_path, sizes):
    shard = _frames(tmp_path / 'a.tfrecord.gz', sizes)
    with pytest.raises(RecordError, match=r'not records with frames of 2 x 3 pixels \(gray\)') as raised:
        list(reading.read_shard(shard, GRAY))
    assert raised.value.where == shard.path


def test_vectors_where_frames_are_wanted_are_refused(tmp_path):
    pattern = raw_records.write(tmp_path, 'set', np.zeros((2, 6)), [(0,), (1,)], shards=1)
    with pytest.raises(RecordError, match='not records with frames'):
        list(reading.read_shard(find_records([pattern]).shards[0], GRAY))


def test_large_frames_are_read_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, '_READ_BYTES', 13)
    shard = _frames(tmp_path / 'a.tfrecord.gz', [6] * 5)
    assert [len(batch.label_counts) for batch in reading.read_shard(shard, GRAY)] == [2, 2, 1]


def test_places_say_where_frames_stand_and_pictures_are_of_no_recording(tmp_path):
    path = tmp_path / 'a.tfrecord.gz'
    with RecordWriter(str(path)) as writer:
        writer.write(Record('p.jpg', np.zeros(2, np.float32)))
        writer.write(Record('v#frame=7', np.zeros(2, np.float32), video='v', frame=7, time=0.5, step=3))
    (batch,) = reading.read_shard(FoundShard(str(path), None), Form((2,)), values=False, places=True)
    assert batch.values is None
    assert batch.places.videos.numpy().tolist() == [b'', b'v']
    assert (batch.places.frames[1], batch.places.times[1], batch.places.steps[1]) == (7, 0.5, 3)


def test_a_compact_piece_has_only_the_records_its_windows_need():
    piece = Piece(np.array([100, 101, 140]), np.array([0, 1, 40]), np.arange(50, dtype=np.float32)[:, None])
    small = piece.compact(3)
    assert small.values[:, 0].tolist() == [0, 1, 2, 3, 40, 41, 42]
    np.testing.assert_array_equal(small.gathered(3), piece.gathered(3))
    singles = piece.compact(None)
    assert singles.values[:, 0].tolist() == [0, 1, 40]
    np.testing.assert_array_equal(singles.gathered(None), piece.gathered(None))


def test_windows_on_disk_come_in_order_whatever_the_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, 'READ_BATCH', 4)
    pattern = raw_records.write_footage(tmp_path, 'set', [9, 3, 7], per_shard=(1, 1, 1))
    found = find_records([pattern])
    rows = np.array([0, 5, 6, 9, 12, 15])
    for size in (1, 2, 100):
        on_disk = OnDisk(found.shards, (9, 3, 7), Form((2,)), rows, 3)
        starts, values = zip(*on_disk.batches(size), strict=True)
        assert np.concatenate(starts).tolist() == rows.tolist()
        np.testing.assert_array_equal(np.concatenate(values)[:, :, 0], rows[:, None] + np.arange(3))


def test_a_form_says_what_it_is():
    assert str(Form((256,))) == '256 numbers'
    assert str(Form((120, 160, 1))) == '120 x 160 pixels (gray)'
    assert str(Form((224, 224, 3))) == '224 x 224 pixels'
    assert (Form((120, 160, 1)).bytes, Form((256,)).bytes) == (19200, 1024)


def test_frames_too_many_for_the_memory_are_read_each_time(tmp_path, monkeypatch):
    from trainer import data

    encoder = clips.pixel_encoder(tmp_path / 'encoder', (12, 12, 1))
    prefix = clips.write(tmp_path, 'set', [clips.dots('a.mp4')], clips.DOT_LABELS, encoder)
    asked = []
    monkeypatch.setattr(data, 'fits_in_memory', lambda size: bool(asked.append(size)))
    assert data.read('training', find_records([prefix])).values is None
    assert asked == [40 * 144]  # a byte a pixel
