"""What the terminal shows of a job: one phase after the other, each with its own total."""

import json
from collections import Counter

import pytest

from preprocess import display, files
from preprocess.display import Display


@pytest.fixture
def shown(monkeypatch) -> list[tuple[object, ...]]:
    """What every phase's progress was told."""
    told: list[tuple[object, ...]] = []

    class FakeProgress:
        def __init__(self, name, *, unit):
            self.name = f'{name} {unit}' if unit in ('frames', 'files') else name

        def __enter__(self):
            return self

        def __exit__(self, *ended):
            told.append((self.name, 'over'))

        def update(self, done, *, failed, total):
            told.append((self.name, done, failed, total))

    monkeypatch.setattr(display, 'Progress', FakeProgress)
    return told


def report(tallies: str, **counts: int) -> None:
    files.write_atomic(f'{tallies}/worker.json', json.dumps(Counter(counts)).encode())


def test_looking_up_is_followed_by_embedding_and_writing(tmp_path, shown):
    tallies = str(tmp_path)
    with Display(tallies) as one:
        report(tallies, read=10, named=4)
        one.look(False)
        report(tallies, read=10, named=9, duplicates=1, accepted=3, wanted=6)
        one.look(False)
        report(tallies, read=10, named=9, duplicates=1, accepted=8, rejected=1, wanted=6, written=2)
        one.look(False)
    assert shown == [
        ('looking up', 4, 0, 10),
        ('looking up', 10, 0, 10),
        ('looking up', 'over'),
        ('embedding', 4, 0, 10),
        ('embedding', 10, 1, 10),
        ('embedding', 'over'),
        ('writing', 2, 0, 8),
        ('writing', 'over'),
    ]


def test_no_more_is_done_than_there_is_when_a_worker_reports_late(tmp_path, shown):
    with Display(str(tmp_path)) as one:
        report(str(tmp_path), read=300, accepted=261, wanted=300, written=300)
        one.look(False)
    assert shown[-2:] == [('writing', 300, 0, 300), ('writing', 'over')]


def test_of_footage_the_files_are_shown_then_the_frames(tmp_path, shown):
    tallies = str(tmp_path)
    with Display(tallies) as one:
        report(tallies, read=3, named=2, files=2, surveyed=1)
        one.look(False)
        known = {'read': 3, 'named': 3, 'files': 2, 'surveyed': 2, 'expanded_rows': 2, 'rejected': 1, 'frames': 100}
        report(tallies, **known, wanted=60, frames_placed=40)
        one.look(False)
        report(tallies, **known, wanted=60, frames_placed=90, frames_refused=10, written=30)
        one.look(False)
    assert shown == [
        ('looking up', 2, 0, 3),
        ('looking up', 'over'),
        ('reading the times of videos files', 1, 0, 2),
        ('reading the times of videos files', 2, 0, 2),
        ('reading the times of videos files', 'over'),
        ('embedding frames', 41, 1, 101),
        ('embedding frames', 101, 11, 101),
        ('embedding frames', 'over'),
        ('writing', 30, 0, 90),
        ('writing', 'over'),
    ]


def test_an_interruption_is_passed_on_to_the_workers(tmp_path, shown):
    with Display(str(tmp_path)) as one:
        one.look(True)
    assert (tmp_path / 'stop').exists()
