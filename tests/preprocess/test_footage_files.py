"""Getting to know the files of recordings: hashed once, surveyed once, and every fault has its reason."""

import hashlib
import os
from pathlib import Path

import pytest

from preprocess import footage_files, kept_timelines, recordings
from preprocess.footage_files import Part, Surveyed, Surveyor, Unsurveyed
from preprocess.image_formats import ImageError
from preprocess.shelves import Refusal
from preprocess.timelines import Timeline
from preprocess.video_reader import VideoReader
from tests import footage

LONG_AGO = (10**18, 10**18)


class Reader(VideoReader):
    """The real one, and how often it was asked."""

    def __init__(self) -> None:
        object.__setattr__(self, 'asked', [])

    def survey(self, uri):
        self.asked.append(uri)
        return super().survey(uri)


@pytest.fixture
def place(tmp_path) -> Path:
    footage.write_numbered(tmp_path / 'a.mp4', 10)
    os.utime(tmp_path / 'a.mp4', ns=LONG_AGO)
    return tmp_path


class Bench:
    """A surveyor, what it read and asked."""

    def __init__(self, place: Path, *, retry: bool = False) -> None:
        self.place, self.read, self.reader = place, [], Reader()
        self.surveyor = Surveyor(self.reader, str(place / 'store'), retry, self.read.append)

    def survey(self, name: str = 'a.mp4', known=None) -> Surveyed | Unsurveyed:
        return self.surveyor.survey(Part('v', 0, str(self.place / name)), known or {})


def test_a_file_is_known_by_all_of_its_bytes_and_its_times_are_kept(place):
    bench = Bench(place)
    found = bench.survey()
    sha256 = hashlib.sha256((place / 'a.mp4').read_bytes()).digest()
    assert isinstance(found, Surveyed) and found.file.sha256 == sha256
    assert sum(bench.read) == (place / 'a.mp4').stat().st_size
    timeline = kept_timelines.find(str(place / 'store'), sha256)
    assert isinstance(timeline, Timeline) and len(timeline) == 10
    assert Timeline.from_bytes(found.file.times).pts.tolist() == timeline.pts.tolist()
    again = Bench(place)
    assert again.survey(known={found.new_entry: sha256}) == found._replace(new_entry=None)
    assert (again.read, again.reader.asked) == ([], [])


def test_a_file_that_was_just_written_is_not_noted(place):
    os.utime(place / 'a.mp4')
    assert Bench(place).survey().new_entry is None


def test_times_that_are_too_many_bytes_to_carry_are_looked_up(place, monkeypatch):
    monkeypatch.setattr(footage_files, '_CARRIED_BYTES', 10)
    bench = Bench(place)
    file = bench.survey().file
    assert file.times == b''
    assert len(footage_files.timeline_of(file, bench.reader, str(place / 'store'))) == 10
    assert len(bench.reader.asked) == 1


def test_a_kept_timeline_that_is_damaged_is_read_again(place):
    bench = Bench(place)
    bench.survey()
    (path,) = (place / 'store' / kept_timelines.FOLDER).iterdir()
    kept = path.read_bytes()
    for spoiled in (kept[:-1], b'', kept[:30] + b'x' + kept[31:], b'what'):
        path.write_bytes(spoiled)
        assert isinstance(bench.survey(), Surveyed)
        assert path.read_bytes() == kept
    assert len(bench.reader.asked) == 5


def test_a_video_without_frames_is_looked_at_once_unless_that_is_asked_for(place):
    footage.without_video(place / 'sound.mp4')
    bench = Bench(place)
    for _ in range(2):
        found = bench.survey('sound.mp4')
        assert isinstance(found, Unsurveyed) and found.refusal.reason == 'no-video-stream'
    assert len(bench.reader.asked) == 1
    asked_again = Bench(place, retry=True)
    assert asked_again.survey('sound.mp4') == found
    assert len(asked_again.reader.asked) == 1


def test_what_may_pass_is_not_remembered(place):
    bench = Bench(place)
    assert bench.survey('gone.mp4').refusal == Refusal('survey', 'missing', 'No such file or directory')
    (place / 'empty.mp4').touch()
    assert bench.survey('empty.mp4').refusal.reason == 'empty-file'
    assert not (place / 'store').exists()


def test_a_file_that_changes_while_it_is_surveyed_is_refused(place):
    class Touching(VideoReader):
        def survey(self, uri):
            os.utime(uri, ns=(1, 1))
            return super().survey(uri)

    surveyor = Surveyor(Touching(), str(place / 'store'), False, lambda read: None)
    assert surveyor.survey(Part('v', 0, str(place / 'a.mp4')), {}).refusal.reason == 'changed'
    assert not (place / 'store').exists()


def test_a_stop_is_heeded_while_a_file_is_hashed(place):
    class Stop(Exception):
        pass

    def stop(read):
        raise Stop

    with pytest.raises(Stop):
        Surveyor(Reader(), str(place / 'store'), False, stop).survey(Part('v', 0, str(place / 'a.mp4')), {})


@pytest.mark.parametrize(
    ('name', 'reason'), [('bare/', 'is-a-directory'), ('bad.txt', 'bad-list'), ('latin.txt', 'bad-list'),
                         ('gone.txt', 'missing')]
)  # fmt: skip
def test_a_recording_whose_parts_can_not_be_told_has_its_reason(tmp_path, name, reason):
    (tmp_path / 'bare').mkdir()
    (tmp_path / 'bad.txt').write_text('nothing known\n')
    (tmp_path / 'latin.txt').write_bytes("file 'é.mp4'\n".encode('latin-1'))
    with pytest.raises(ImageError) as refused:
        footage_files.parts_of(f'{tmp_path}/{name}')
    assert refused.value.reason == reason


def test_parts_are_numbered_in_their_order(tmp_path):
    (tmp_path / 'list.txt').write_text("file 'b.mp4'\nfile 'a.mp4'\n")
    video = f'{tmp_path}/list.txt'
    assert footage_files.parts_of(video) == [
        Part(video, number, uri) for number, uri in enumerate(recordings.part_uris(video))
    ]
