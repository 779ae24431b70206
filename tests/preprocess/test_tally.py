"""Counts from workers to the driver, and the driver's word back."""

import pytest

from preprocess import files, tally
from preprocess.tally import Tally


def test_the_counts_of_all_workers_are_summed(tmp_path):
    folder = str(tmp_path / 'tallies')
    assert tally.total(folder) == {}
    for number in (1, 2, 3):
        worker = Tally(folder)
        worker.add(read=number)
        worker.add(read=10, rejected=1)
        worker.write()
    assert tally.total(folder) == {'read': 36, 'rejected': 3}


def test_files_are_written_once_a_second_at_most(tmp_path, monkeypatch):
    now, written = [0.0], []
    monkeypatch.setattr(files, 'write_atomic', lambda path, data: written.append(data))
    worker = Tally(str(tmp_path), clock=lambda: now[0])
    for _ in range(20):
        now[0] += 0.125
        worker.add(read=1)
    assert written == [b'{"read": 8}', b'{"read": 16}']
    worker.write()
    worker.write()
    assert written[2:] == [b'{"read": 20}']


def test_a_full_disk_does_not_stop_the_work_for_its_tally(tmp_path, monkeypatch):
    def fail(path, data):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(files, 'write_atomic', fail)
    worker = Tally(str(tmp_path))
    worker.add(read=1)
    worker.write()
    assert list(tmp_path.iterdir()) == []


def test_workers_hear_that_they_should_stop(tmp_path):
    now = [0.0]
    worker, other = Tally(str(tmp_path), clock=lambda: now[0]), Tally(str(tmp_path / 'other'))
    assert not worker.should_stop()
    tally.ask_to_stop(str(tmp_path))
    now[0] += tally.LOCALLY_EVERY_S
    assert worker.should_stop()
    assert not other.should_stop()
    assert tally.total(str(tmp_path)) == {}


def test_an_object_store_is_asked_only_now_and_then(monkeypatch):
    now, asked = [0.0], []
    monkeypatch.setattr(files, 'exists', lambda path: asked.append(path) or len(asked) == 2)
    worker = Tally('gs://bucket/tallies', clock=lambda: now[0])
    heard = []
    for _ in range(16):
        heard.append(worker.should_stop())
        now[0] += 1
    assert heard == [False] * 10 + [True] * 6
    assert asked == ['gs://bucket/tallies/stop'] * 2


@pytest.mark.parametrize('name', ['.x.json.tmp', 'stop', '.hidden.json'])
def test_files_under_way_are_not_counted(tmp_path, name):
    (tmp_path / name).write_text('{"read"')
    assert tally.total(str(tmp_path)) == {}
