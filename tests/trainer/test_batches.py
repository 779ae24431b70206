import numpy as np
import pytest
import tensorflow as tf

from preprocess.failures import InputError
from preprocess.record_sets import find_records
from tests.trainer import raw_records
from trainer import data, reading, stream
from trainer.batches import InMemory
from trainer.classes import Classes
from trainer.head_kinds import Windowing
from trainer.stream import Streamed

_ROWS = 30


@pytest.fixture(params=['memory', 'stream', 'stream in one window'])
def batches(request, tmp_path, monkeypatch):
    """A way to shuffle 27 of 30 records, each of which carries its number as its vector."""
    streamed = request.param != 'memory'
    if request.param == 'stream':
        # Windows of 4 rows, pieces of 2 batches.
        monkeypatch.setattr(stream, 'BLOCK_BYTES', 4 * 4 * 2)
        monkeypatch.setattr(stream, '_CALL_BYTES', 2 * 5 * 4 * 2)
    vectors = np.stack([np.arange(_ROWS), np.zeros(_ROWS)], axis=1)
    labels = [() if row % 10 == 9 else (row % 2,) for row in range(_ROWS)]
    found = find_records([raw_records.write(tmp_path, 'set', vectors, labels, shards=3)])
    examples = data.examples(data.read('training', found, stream=streamed), Classes(('a', 'b')))
    return lambda size, seed: (Streamed if streamed else InMemory)(examples, size, seed)


def _numbers(batches, first, last):
    """The numbers of the records of each step, whose targets are checked on the way."""
    steps = []
    for work in batches.steps(first, last):
        values = tf.gather(work.values, work.indices).numpy()[:, :, 0].astype(int)
        np.testing.assert_array_equal(tf.gather(work.targets, work.indices), values % 2)
        steps += values.tolist()
    return steps


def test_every_record_in_use_comes_once_an_epoch(batches):
    used = [row for row in range(_ROWS) if row % 10 != 9]
    epoch = [number for step in _numbers(batches(9, 0), 0, 3) for number in step]
    assert sorted(epoch) == used
    assert epoch != used


def test_epochs_differ_and_the_seed_decides_them(batches):
    first, second = _numbers(batches(27, 0), 0, 2)
    assert first != second
    assert _numbers(batches(27, 0), 0, 2) == [first, second]
    assert _numbers(batches(27, 1), 0, 2)[0] != first


@pytest.mark.parametrize('start', [1, 4, 7, 11])
def test_any_step_is_found_without_those_before_it(batches, start):
    assert _numbers(batches(5, 0), start, 14) == _numbers(batches(5, 0), 0, 14)[start:]


def test_steps_may_be_asked_for_piece_by_piece(batches):
    asked = batches(5, 0)
    pieces = [_numbers(asked, first, last) for first, last in ((0, 3), (3, 4), (4, 12))]
    assert [step for piece in pieces for step in piece] == _numbers(batches(5, 0), 0, 12)


def test_a_batch_may_be_larger_than_the_set(batches):
    (step,) = _numbers(batches(60, 0), 0, 1)
    assert np.bincount(step).max() == 3
    assert np.bincount(step, minlength=_ROWS)[0] >= 2


def test_what_goes_wrong_while_reading_ahead_is_raised_where_it_is_waited_for(tmp_path):
    found = find_records([raw_records.write(tmp_path, 'set', *raw_records.clusters(40), shards=1)])
    examples = data.examples(data.read('training', found, stream=True), Classes(('a', 'b', 'c')))
    shard = next(tmp_path.glob('set-*'))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(InputError, match='it ends in the middle of its compressed data'):
        list(Streamed(examples, 10, 0).steps(0, 10))


_RUNS = ((0, 9), (9, 12), (12, 13), (13, 30))


@pytest.fixture(params=['memory', 'stream', 'stream of small batches', 'stream in one block'])
def windows_of_four(request, tmp_path, monkeypatch):
    """A way to shuffle windows of 4 frames among 30 in three files, each frame carrying its number."""
    streamed = request.param != 'memory'
    if request.param.startswith('stream of'):
        # Blocks of 3 windows, calls of one step, 5 records read at a time.
        monkeypatch.setattr(stream, 'BLOCK_BYTES', 3 * 2 * 8)
        monkeypatch.setattr(stream, '_CALL_BYTES', 1)
        monkeypatch.setattr(reading, 'READ_BATCH', 5)
    elif request.param == 'stream':
        monkeypatch.setattr(stream, 'BLOCK_BYTES', 7 * 2 * 8)
        monkeypatch.setattr(reading, 'READ_BATCH', 3)
    pattern = raw_records.write_footage(tmp_path, 'set', [last - first for first, last in _RUNS], per_shard=(2, 1, 1))
    raw = data.read('training', find_records([pattern]), stream=streamed, windowing=Windowing(4))
    examples = data.examples(raw, Classes(('a', 'b')))
    return lambda size, seed: (Streamed if streamed else InMemory)(examples, size, seed)


def _windows(batches, first, last):
    """The numbers of the first frames of each step's windows; frames and targets are checked on the way."""
    steps = []
    for work in batches.steps(first, last):
        values = tf.gather(work.values, work.indices).numpy()[:, :, :, 0].astype(int)
        starts = values[:, :, 0]
        np.testing.assert_array_equal(values, starts[:, :, None] + np.arange(4))
        np.testing.assert_array_equal(tf.gather(work.targets, work.indices[:, :, 0]), (starts + 3) % 2)
        steps += starts.tolist()
    return steps


_STARTS = [start for first, last in _RUNS for start in range(first, last - 3)]


def test_every_window_comes_once_an_epoch_and_none_goes_over_a_cut(windows_of_four):
    epoch = [start for step in _windows(windows_of_four(4, 0), 0, 5) for start in step]
    assert sorted(epoch) == _STARTS
    assert epoch != _STARTS


@pytest.mark.parametrize('start', [1, 4, 9])
def test_any_step_of_windows_is_found_without_those_before_it(windows_of_four, start):
    assert _windows(windows_of_four(3, 1), start, 15) == _windows(windows_of_four(3, 1), 0, 15)[start:]


def test_windows_of_a_handful_of_rows_need_no_more_memory_than_they_have(tmp_path, monkeypatch):
    pattern = raw_records.write_footage(tmp_path, 'set', [200], per_shard=(1,))
    raw = data.read('training', find_records([pattern]), stream=True, windowing=Windowing(4))
    few = data.spread_over_classes(data.examples(raw, Classes(('a', 'b'))), 10, seed=0)
    joined, sizes = reading.Piece.joined, []

    def watched(parts):
        sizes.append(sum(len(part.values) for part in parts))
        return joined(parts)

    monkeypatch.setattr(reading.Piece, 'joined', watched)
    assert len(_windows(Streamed(few, 5, 0), 0, 2)) == 2
    assert max(sizes) <= 40
