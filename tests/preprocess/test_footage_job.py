"""Rows of footage through the embedding job: every record is the frame its row claims, whatever else goes wrong."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preprocess import encoders, engines, files, frame_shards, interrupts, kept_timelines, pieces, records
from preprocess.arrivals import Sources
from preprocess.embedding import Existing
from preprocess.failures import InputError, Interrupted, TooManyRejects
from preprocess.manifest import Manifest
from preprocess.preparation import Preparation, Region
from preprocess.record_sets import find_records
from preprocess.records import Record
from preprocess.sampling import EVERY_FRAME, KEYFRAMES, Sampling
from preprocess.set_names import Part
from preprocess.video_children import ReaderApart
from preprocess.video_reader import VideoReader
from tests import footage
from tests.preprocess.fakes import FAKE, draw
from tests.preprocess.runs import config, embed, left_over, make, rejects, vector_pieces, vectors_kept, write_csv

SIDE = 16
PIXELS = f'pixels:{SIDE}x{SIDE}'
# Of this module and not of an object: what Beam hands to a worker is a copy.
COUNTS: Counter[str] = Counter()


class CountedReader(VideoReader):
    """The real one, and how often it was asked."""

    def survey(self, uri):
        COUNTS['surveyed'] += 1
        return super().survey(uri)

    def frames(self, uri, timeline, numbers, shape, preparation):
        for number, found in super().frames(uri, timeline, numbers, shape, preparation):
            COUNTS['decoded'] += 1
            yield number, found


MACHINERY = replace(FAKE, compile=encoders.compile_encoder, load=engines.load_engine, reader=CountedReader())


@pytest.fixture(scope='module')
def videos(tmp_path_factory) -> Path:
    """90 numbered frames at 30 a second, and the same in three parts at uneven times."""
    place = tmp_path_factory.mktemp('videos')
    footage.write_numbered(place / 'a.mp4', 90)
    first = 0
    for part, count in (('p1.mp4', 20), ('p2.mp4', 30), ('p10.mp4', 25)):
        times = np.cumsum([0, *np.random.default_rng(first).choice([1, 2, 5], count - 1) / 30]).tolist()
        footage.write_numbered(place / 'parts' / part, count, first=first, times=times)
        first += count
    return place


@pytest.fixture
def folder(videos, tmp_path) -> Path:
    COUNTS.clear()
    (tmp_path / 'a.mp4').write_bytes((videos / 'a.mp4').read_bytes())
    (tmp_path / 'dict.txt').write_text('cat\ndog\n')
    return tmp_path


def run(folder: Path, *lines: str, name: str = 'train', **settings):
    """One set of these rows."""
    if lines:
        write_csv(folder, f'{name}.csv', list(lines))
    asked = {'machinery': MACHINERY, 'encoder': PIXELS, 'sampling': EVERY_FRAME, **settings}
    limits = {key: asked.pop(key) for key in ('limit', 'part', 'multi_label', 'shards') if key in asked}
    return make(config(folder, name, **limits), folder=folder, **asked)


def taken(folder: Path, name: str = 'train') -> list[Record]:
    """The records in the order they are written, each file by itself checked to be in the order of time."""
    found = []
    for shard in find_records([str(folder / 'out' / name)]).shards:
        of_shard = list(records.read(shard.path, expect=shard.records))
        assert [(one.video, one.time) for one in of_shard] == sorted((one.video, one.time) for one in of_shard)
        found += of_shard
    return found


def shown(record: Record) -> int:
    """The number the frame itself says."""
    shape = (SIDE, SIDE, len(record.pixels) // SIDE**2)
    return footage.number_of(np.frombuffer(record.pixels, np.uint8).reshape(shape))


def labelled(found: list[Record]) -> dict[int, tuple[int, ...]]:
    """Frame by what it shows -> its labels; every record must be the frame it says it is."""
    assert all(shown(one) == one.frame for one in found)
    assert all(one.image_uri == f'{one.video}#frame={one.frame}' for one in found)
    return {one.frame: one.label_ids for one in found}


CAT, DOG = (0,), (1,)


# Which frames, with which labels.


def test_frames_have_the_labels_of_the_stretches_they_are_shown_in(folder):
    made = run(folder, '"a.mp4#t=0.5,1.0",cat', '"a.mp4#t=1.0,2.0333",dog', 'a.mp4#t=2.9,cat')
    found = taken(folder)
    assert labelled(found) == {
        **{frame: CAT for frame in range(15, 30)},
        **{frame: DOG for frame in range(30, 61)},
        **{frame: CAT for frame in range(87, 90)},
    }
    assert [one.step for one in found] == [one.frame for one in found]
    assert [one.time for one in found] == pytest.approx([one.frame / 30 for one in found], abs=1e-6)
    (manifest,) = made.manifests
    assert (manifest.rows.read, manifest.rows.accepted) == (3, 3)
    assert (manifest.examples.written, manifest.examples.expanded) == (49, 49)
    assert manifest.counts_per_label == {'cat': 18, 'dog': 31}
    assert (manifest.sampling, manifest.vector_shape) == ({'every_frame': True}, (SIDE, SIDE, 3))
    assert made.sources == Sources(embedded=49, frames=49)


def test_a_sampled_frame_is_the_last_one_shown_at_each_point_of_the_grid(folder):
    (manifest,) = run(folder, '"a.mp4#t=0,1.5",cat', 'a.mp4#t=1.5,dog', sampling=Sampling(4.0)).manifests
    found = taken(folder)
    # Points at 0, 0.25, 0.5 … seconds: frames 0, 7 (0.233), 15, 22 (0.733) …
    grid = [int(point / 4 * 30 + 1e-9) for point in range(12)]
    assert labelled(found) == {frame: (CAT if number < 6 else DOG) for number, frame in enumerate(grid)}
    assert [(one.step, one.time) for one in found] == [(number, number / 4) for number in range(12)]
    assert manifest.sampling == {'frames_per_second': 4.0}


def test_one_frame_a_second_is_the_default_and_leaves_no_trace_in_the_settings(folder):
    write_csv(folder, 'train.csv', ['a.mp4,cat'])
    (manifest,) = embed(config(folder), folder=folder, machinery=MACHINERY, encoder=PIXELS)
    assert labelled(taken(folder)) == {0: CAT, 30: CAT, 60: CAT}
    assert 'sampling' not in manifest.settings


def test_keyframes_are_those_that_decode_by_themselves(folder):
    run(folder, '"a.mp4#t=0.3,2",cat', sampling=KEYFRAMES)
    found = taken(folder)
    assert labelled(found) == {frame: CAT for frame in (12, 24, 36, 48)}
    assert [one.step for one in found] == [1, 2, 3, 4]


def test_a_frame_named_by_number_is_taken_whether_it_is_sampled_or_not(folder):
    run(
        folder,
        'a.mp4#frame=30,cat',
        'a.mp4#frame=31,dog',
        'a.mp4#frame=32,dog',
        '"a.mp4#t=2,3",cat',
        sampling=Sampling(1.0),
    )
    found = taken(folder)
    assert labelled(found) == {30: CAT, 31: DOG, 32: DOG, 60: CAT}
    steps = {one.frame: one.step for one in found}
    assert (steps[30], steps[60]) == (1, 2)
    assert all(abs(a.step - b.step) > 1 for a in found for b in found if a is not b and min(a.step, b.step) < 0)


def test_rows_take_the_group_with_them(folder):
    write_csv(folder, 'train.csv', ['image,start,stop,label,group', 'a.mp4,0,0.1,cat,S1', 'a.mp4,0.1,0.2,dog,S2'])
    run(folder)
    assert [one.group for one in taken(folder)] == ['S1'] * 3 + ['S2'] * 3


@pytest.mark.parametrize('cell', ['{}/p1.mp4;p2.mp4;p10.mp4', '{}', '{}/mylist.txt'])
def test_parts_of_a_recording_share_one_clock(folder, videos, cell):
    place = videos / 'parts'
    (place / 'mylist.txt').write_text("file 'p1.mp4'\nfile 'p2.mp4'\nfile 'p10.mp4'\n")
    timelines = [VideoReader().survey(str(place / name)) for name in ('p1.mp4', 'p2.mp4', 'p10.mp4')]
    starts = np.cumsum([0.0, *(one.duration for one in timelines)])
    times = np.concatenate([start + one.times for start, one in zip(starts[:-1], timelines, strict=True)])
    border = float(times[33])
    name = cell.format(place)
    run(folder, f'"{name}#t=0,{border:.6f}",cat', f'"{name}#t={border:.6f}",dog')
    found = taken(folder)
    # The parts say the numbers of the recording, records those of their own file.
    assert [shown(one) for one in found] == [one.step for one in found] == list(range(75))
    assert [one.label_ids for one in found] == [CAT] * 33 + [DOG] * 42
    own = [('p1.mp4', 20), ('p2.mp4', 30), ('p10.mp4', 25)]
    assert [one.image_uri for one in found] == [
        f'{place}/{part}#frame={frame}' for part, count in own for frame in range(count)
    ]
    assert [one.frame for one in found] == [frame for _, count in own for frame in range(count)]
    assert [one.time for one in found] == pytest.approx(times.tolist(), abs=1e-5)
    assert {one.video for one in found} == {name + '/' if name == str(place) else name}


def test_pictures_and_footage_may_stand_in_one_csv(folder):
    draw(folder / 'pics', 5)
    made = run(
        folder, *[f'pics/{n:05d}.png,dog' for n in range(5)], '"a.mp4#t=0,0.5",cat', 'pics/00000.png,dog', shards=3
    )
    (manifest,) = made.manifests
    assert (manifest.rows.read, manifest.rows.accepted, manifest.rows.duplicate) == (7, 6, 1)
    assert (manifest.examples.written, manifest.counts_per_label) == (20, {'cat': 15, 'dog': 5})
    assert made.sources == Sources(embedded=20, frames=15)
    assert str(made.sources) == '20 pictures and frames: 0 from the store, 20 embedded, 0 rejected'
    found = [one for shard in find_records([str(folder / 'out' / 'train')]).paths for one in records.read(shard)]
    assert sum(one.video is None for one in found) == 5
    assert labelled([one for one in found if one.video]) == {frame: CAT for frame in range(15)}


# Rows that repeat, contradict or overlap each other.


def test_repeats_count_once_and_contradictions_are_all_rejected(folder):
    (manifest,) = run(
        folder,
        '"a.mp4#t=0,0.5",cat',
        '"a.mp4#t=0.0,0.50",cat',
        '"a.mp4#t=1,1.5",cat',
        '"a.mp4#t=1,1.5",dog',
    ).manifests
    assert (manifest.rows.accepted, manifest.rows.duplicate, manifest.rows.rejected) == (1, 1, 2)
    assert [(one['row'], one['reason']) for one in rejects(folder)] == [
        (3, 'conflicting-labels'),
        (4, 'conflicting-labels'),
    ]
    assert labelled(taken(folder)) == {frame: CAT for frame in range(15)}


def test_frames_two_stretches_disagree_about_are_refused_and_the_rest_of_both_stays(folder):
    (manifest,) = run(folder, '"a.mp4#t=0,1",cat', '"a.mp4#t=0.5,1.5",dog', '"a.mp4#t=0,0.2",cat').manifests
    assert labelled(taken(folder)) == {
        **{frame: CAT for frame in range(15)},
        **{frame: DOG for frame in range(30, 45)},
    }
    assert (manifest.rows.accepted, manifest.rows.rejected) == (3, 0)
    assert (manifest.examples.written, manifest.examples.rejected_frames, manifest.examples.expanded) == (30, 15, 45)
    assert manifest.frame_rejects_by_reason == {'conflicting-labels': 15}
    (refused,) = rejects(folder)
    assert refused == {
        'source': f'{folder}/train.csv',
        'row': 1,
        'uri': f'{folder}/a.mp4#frame=15',
        'stage': 'duplicates',
        'reason': 'conflicting-labels',
        'message': f'{folder}/train.csv:1 says cat; {folder}/train.csv:2 says dog',
        'frames': 15,
        'last_frame': 29,
    }


def test_with_several_labels_a_frame_has_those_of_all_stretches_it_is_in(folder):
    lines = ['"a.mp4#t=0,1",cat', '"a.mp4#t=0.5,1.5",dog', '"a.mp4#t=0.5,1.5",cat,dog', '"a.mp4#t=0.5,1.5",dog']
    (manifest,) = run(folder, *lines, multi_label=True).manifests
    assert labelled(taken(folder)) == {
        **{frame: CAT for frame in range(15)},
        **{frame: CAT + DOG for frame in range(15, 45)},
    }
    assert (manifest.rows.accepted, manifest.rows.duplicate, manifest.examples.rejected_frames) == (3, 1, 0)


def test_groups_that_disagree_about_a_frame_refuse_it_even_with_several_labels(folder):
    write_csv(folder, 'train.csv', ['image,start,stop,label,group', 'a.mp4,0,1,cat,S1', 'a.mp4,0.5,1.5,dog,S2'])
    (manifest,) = run(folder, multi_label=True).manifests
    assert manifest.frame_rejects_by_reason == {'conflicting-labels': 15}


# Rows and frames that can't be had.


def test_every_row_that_has_no_frames_says_why_and_the_rest_goes_on(folder):
    whole = folder / 'a.mp4'
    footage.cut(whole, folder / 'cut.mp4', keep=0.5)
    footage.without_video(folder / 'sound.mp4')
    footage.without_frames(folder / 'none.mp4')
    footage.with_clock_going_back(folder / 'back.ts')
    (folder / 'empty.mp4').touch()
    (folder / 'text.mp4').write_text('no video')
    (folder / 'bare').mkdir()
    (folder / 'dam').mkdir()
    (folder / 'dam' / 'a.mp4').hardlink_to(whole)
    (folder / 'list.txt').write_text('fiel a.mp4\n')
    wanted = {
        'cut.mp4': 'truncated',
        'sound.mp4': 'no-video-stream',
        'none.mp4': 'no-frames',
        'back.ts': 'non-monotonic-times',
        'empty.mp4': 'empty-file',
        'text.mp4': 'not-a-video',
        'gone.mp4': 'missing',
        'bare': 'is-a-directory',
        'list.txt': 'bad-list',
        '"a.mp4#t=3,4"': 'beyond-the-end',
        'a.mp4#t=50': 'beyond-the-end',
        'a.mp4#frame=90': 'beyond-the-end',
        '"a.mp4#t=1.01,1.02"': 'no-frame',
        '"a.mp4#t=1,1"': 'no-frame',
        '"a.mp4;cut.mp4#t=0,1"': 'truncated',
        'a.mp4;a.mp4#frame=3': 'bad-times',
        '"a.mp4#t=2,1"': 'bad-times',
        '"dam/a.mp4;dam/gone.mp4#t=0,1"': 'missing',
    }
    (manifest,) = run(folder, *[f'{cell},cat' for cell in wanted], '"a.mp4#t=0,0.1",cat').manifests
    assert {one['row']: one['reason'] for one in rejects(folder)} == dict(enumerate(wanted.values(), 1))
    assert (manifest.rows.read, manifest.rows.accepted, manifest.rows.rejected) == (19, 1, 18)
    assert labelled(taken(folder)) == {0: CAT, 1: CAT, 2: CAT}
    by_row = {one['row']: one for one in rejects(folder)}
    assert 'raise --frames_per_second' not in by_row[13]['message']
    assert f'{folder}/cut.mp4: ' in by_row[15]['message']
    # A part with a folder may lie in two places.
    assert f'{folder}/dam/gone.mp4, and {folder}/dam/dam/gone.mp4: ' in by_row[18]['message']


def test_a_stretch_without_a_sample_says_what_to_raise(folder):
    with pytest.raises(InputError, match='every row was rejected'):
        run(folder, '"a.mp4#t=0.1,0.9",cat', sampling=Sampling(1.0))
    assert 'raise --frames_per_second' in rejects(folder)[0]['message']


def test_a_stretch_that_goes_on_beyond_the_end_has_the_frames_there_are(folder, capsys):
    (manifest,) = run(folder, '"a.mp4#t=2.9,7",cat').manifests
    assert labelled(taken(folder)) == {frame: CAT for frame in (87, 88, 89)}
    assert 'train: 1 rows go on beyond the end of their recording' in capsys.readouterr().err
    assert manifest.rows.rejected == 0


@pytest.fixture
def spoiled(folder) -> tuple[Path, set[int]]:
    """A video of which some frames can't be decoded, and which those are."""
    footage.damaged(folder / 'a.mp4', folder / 'bad.mp4', packet=30)
    reader = VideoReader()
    timeline = reader.survey(str(folder / 'bad.mp4'))
    found = reader.frames(str(folder / 'bad.mp4'), timeline, range(90), (SIDE, SIDE, 3), Preparation())
    lost = {number for number, pixels in found if not isinstance(pixels, np.ndarray)}
    assert 0 < len(lost) < 20
    return folder, lost


def test_frames_that_can_not_be_decoded_are_refused_and_remembered(spoiled):
    folder, lost = spoiled
    made = run(folder, 'bad.mp4,cat')
    (manifest,) = made.manifests
    assert labelled(taken(folder)) == {frame: CAT for frame in set(range(90)) - lost}
    assert (manifest.examples.written, manifest.examples.rejected_frames) == (90 - len(lost), len(lost))
    assert manifest.frame_rejects_by_reason == {'corrupt': len(lost)}
    assert sum(one['frames'] for one in rejects(folder)) == len(lost)
    assert made.sources == Sources(embedded=90 - len(lost), rejected=len(lost), frames=90)
    COUNTS.clear()
    again = run(folder, 'bad.mp4,dog', existing=Existing.REPLACE)
    assert COUNTS == {}
    assert again.sources == Sources(from_store=90 - len(lost), rejected=len(lost), frames=90)
    run(folder, existing=Existing.REPLACE, retry_rejected=True)
    assert COUNTS['decoded'] == len(lost)


def test_videos_that_end_the_process_that_reads_them_cost_themselves_and_no_worker(folder):
    """One crashes FFmpeg at frame 25, of another not even the times can be read."""
    footage.write_numbered(folder / 'crash.mp4', 30)
    footage.write_numbered(folder / 'well.mp4', 20)
    machinery = replace(MACHINERY, reader=ReaderApart('tests.preprocess.poison:CrashingReader'))
    (manifest,) = run(folder, 'a.mp4,cat', 'crash.mp4,cat', 'well.mp4,dog', machinery=machinery).manifests

    assert (manifest.rows.accepted, manifest.rejects_by_reason) == (2, {'too-slow': 1})
    (row,) = (one for one in rejects(folder) if 'frames' not in one)
    assert row['message'] == 'reading its times: its process ended (Segmentation fault)'
    well, whole = (sorted(one.frame for one in taken(folder) if one.label_ids == label) for label in (DOG, CAT))
    assert well == list(range(20))
    (lost,) = (one for one in rejects(folder) if 'frames' in one)
    assert lost['uri'].endswith('a.mp4#frame=25')
    assert whole == sorted({*range(90)} - {*range(25, 25 + lost['frames'])})
    assert lost['message'] == 'decoding it: its process ended (Segmentation fault)'


def test_a_video_that_loses_too_many_frames_stops_the_run_by_name(spoiled):
    folder, lost = spoiled
    with pytest.raises(TooManyRejects) as error:
        run(folder, 'bad.mp4,cat', '"a.mp4#t=0,3",dog', max_reject_fraction=0.01)
    assert error.value.what.startswith(f'{len(lost)} of 90 frames of {folder}/bad.mp4 rejected')
    assert f'{len(lost)} corrupt' in error.value.what
    assert not (folder / 'out' / 'manifest.train.json').exists()
    limit = float(error.value.do.rsplit(' ', 1)[1])
    COUNTS.clear()
    (manifest,) = run(folder, max_reject_fraction=limit).manifests
    assert (COUNTS, manifest.examples.rejected_frames) == ({}, len(lost))


def test_a_video_that_is_written_to_meanwhile_gives_no_frame(folder, monkeypatch):
    class Changing(CountedReader):
        def frames(self, uri, *args):
            yield from super().frames(uri, *args)
            os.utime(uri, ns=(1, 1))

    with pytest.raises(InputError, match='every frame was rejected \\(15 changed'):
        run(folder, '"a.mp4#t=0,0.5",cat', machinery=replace(MACHINERY, reader=Changing()))
    assert vectors_kept(folder / 'out') == []
    (manifest,) = run(folder).manifests
    assert manifest.examples.written == 15


# The store.


def test_nothing_is_read_or_decoded_twice_whatever_becomes_of_labels_borders_and_names(folder):
    run(folder, '"a.mp4#t=0,1",cat', '"a.mp4#t=1,2",dog')
    assert COUNTS == {'surveyed': 1, 'decoded': 60}
    COUNTS.clear()
    made = run(folder, '"a.mp4#t=0,1.3",dog', '"a.mp4#t=1.3,2",cat', existing=Existing.REPLACE)
    assert (COUNTS, made.sources) == ({}, Sources(from_store=60, frames=60))
    assert labelled(taken(folder)) == {frame: DOG if frame < 39 else CAT for frame in range(60)}
    made = run(folder, '"a.mp4#t=1,3",dog', existing=Existing.REPLACE)
    assert (COUNTS, made.sources) == ({'decoded': 30}, Sources(from_store=30, embedded=30, frames=60))
    COUNTS.clear()
    (folder / 'a.mp4').rename(folder / 'renamed.mp4')
    made = run(folder, '"renamed.mp4#t=0,3",dog', existing=Existing.REPLACE)
    assert (COUNTS, made.sources) == ({}, Sources(from_store=90, frames=90))
    assert {one.video for one in taken(folder)} == {f'{folder}/renamed.mp4'}


def test_an_unchanged_video_is_not_hashed_again(folder, monkeypatch):
    os.utime(folder / 'a.mp4', ns=(10**18, 10**18))
    run(folder, '"a.mp4#t=0,1",cat')
    opened = []
    open_read = files.open_read
    monkeypatch.setattr(files, 'open_read', lambda uri: opened.append(uri) or open_read(uri))
    run(folder, '"a.mp4#t=0,1",dog', existing=Existing.REPLACE)
    assert not [uri for uri in opened if uri.endswith('.mp4')]


def test_other_samplings_share_the_frames_they_have_in_common(folder):
    run(folder, 'a.mp4,cat', sampling=Sampling(10.0))
    assert COUNTS['decoded'] == 30
    COUNTS.clear()
    made = run(folder, existing=Existing.REPLACE, sampling=Sampling(5.0))
    assert (COUNTS, made.sources) == ({}, Sources(from_store=15, frames=15))
    with pytest.raises(InputError, match='sampling: frames_per_second=5.0 -> every_frame'):
        run(folder)


def test_frames_prepared_otherwise_are_others(folder):
    run(folder, '"a.mp4#t=0,0.5",cat')
    asked = Preparation(gray=True, contrast='stretch', roi=Region(0, 0, 48, 64))
    (manifest,) = run(folder, existing=Existing.REPLACE, preparation=asked).manifests
    assert COUNTS['decoded'] == 30
    assert manifest.settings['preparation'] == 'roi=0,0,48,64 gray=yes contrast=stretch'
    assert Preparation.from_json(manifest.preparation) == asked
    path, reader = str(folder / 'a.mp4'), VideoReader()
    wanted = dict(reader.frames(path, reader.survey(path), range(15), (SIDE, SIDE, 3), asked))
    assert {one.frame: one.pixels for one in taken(folder)} == {n: pixels.tobytes() for n, pixels in wanted.items()}


def test_two_sets_share_the_frames_of_a_video(folder):
    write_csv(folder, 'train.csv', ['"a.mp4#t=0,1",cat'])
    write_csv(folder, 'eval.csv', ['"a.mp4#t=0.5,1.5",dog'])
    made = make(
        config(folder), config(folder, 'eval'), folder=folder, machinery=MACHINERY, encoder=PIXELS, sampling=EVERY_FRAME
    )
    assert (COUNTS['decoded'], made.sources.embedded) == (45, 45)
    assert labelled(taken(folder)) == {frame: CAT for frame in range(30)}
    assert labelled(taken(folder, 'eval')) == {frame: DOG for frame in range(15, 45)}


def test_copies_of_a_video_are_decoded_once(folder):
    (folder / 'b.mp4').write_bytes((folder / 'a.mp4').read_bytes())
    made = run(folder, '"a.mp4#t=0,1",cat', '"b.mp4#t=0,2",dog')
    assert (COUNTS['decoded'], made.sources.embedded) == (60, 60)
    found = taken(folder)
    assert labelled([one for one in found if one.video.endswith('b.mp4')]) == {frame: DOG for frame in range(60)}
    assert len(found) == 90


def test_a_damaged_piece_is_set_aside_and_its_frames_decoded_again(folder, monkeypatch):
    monkeypatch.setattr(pieces, 'PIECE_BYTES', 20 * SIDE * SIDE * 3)
    run(folder, '"a.mp4#t=0,2",cat')
    before = [one.pixels for one in taken(folder)]
    damaged = vector_pieces(folder / 'out')[0]
    data = bytearray(damaged.read_bytes())
    data[100] ^= 1  # in a row: seen only when it is read
    damaged.write_bytes(data)
    COUNTS.clear()
    made = run(folder, '"a.mp4#t=0,2",dog', existing=Existing.REPLACE)
    assert COUNTS['decoded'] == made.sources.embedded == len(pieces.open_piece(str(damaged)).keys)
    assert [one.pixels for one in taken(folder)] == before
    assert damaged.with_name(damaged.name + '.bad').exists()


def test_a_timeline_that_is_gone_is_read_again(folder):
    run(folder, '"a.mp4#t=0,1",cat')
    (path,) = (folder / 'out' / 'embeddings' / kept_timelines.FOLDER).iterdir()
    kept = path.read_bytes()
    path.unlink()
    run(folder, existing=Existing.REDO)
    assert path.read_bytes() == kept
    assert COUNTS == {'surveyed': 2, 'decoded': 30}


# How it is done.


def test_records_are_gathered_a_few_at_a_time_in_the_order_of_time(folder, monkeypatch):
    monkeypatch.setattr(pieces, 'PIECE_BYTES', 7 * SIDE * SIDE * 3)
    monkeypatch.setattr(frame_shards, '_CHUNK_BYTES', 10 * SIDE * SIDE * 3)
    monkeypatch.setattr(frame_shards, '_OPEN_PIECES', 2)
    read = []
    rows = frame_shards.Pieces.rows
    monkeypatch.setattr(
        frame_shards.Pieces, 'rows', lambda self, path, at: read.append(len(at)) or rows(self, path, at)
    )
    (folder / 'b.mp4').write_bytes((folder / 'a.mp4').read_bytes())
    run(folder, 'b.mp4,dog', 'a.mp4,cat')
    found = taken(folder)
    assert [one.frame for one in found] == [*range(90), *range(90)]
    assert max(read) <= 10
    assert len(vector_pieces(folder / 'out')) == 13


def test_a_long_video_is_decoded_in_pieces_that_begin_at_keyframes(folder, monkeypatch):
    monkeypatch.setattr('preprocess.video_pieces.MOST_FRAMES', 30)
    begun = []
    frames = CountedReader.frames

    def noted(self, uri, timeline, numbers, *rest):
        begun.append((numbers[0], len(numbers)))
        return frames(self, uri, timeline, numbers, *rest)

    monkeypatch.setattr(CountedReader, 'frames', noted)
    run(folder, 'a.mp4,cat')
    assert sorted(begun) == [(0, 24), (24, 24), (48, 24), (72, 18)]
    assert labelled(taken(folder)) == {frame: CAT for frame in range(90)}


def test_all_rows_of_a_recording_are_in_one_part(folder):
    names = [f'{n}.mp4' for n in range(6)]
    for name in names:
        (folder / name).write_bytes((folder / 'a.mp4').read_bytes())
    lines = [f'"{name}#t={start},{start + 0.5}",cat' for name in names for start in (0, 1, 2)]
    videos = []
    for index in range(2):
        run(folder, *lines, part=Part(index, 2))
        manifest = Manifest.read(str(folder / 'out' / f'manifest.train.{index}-of-2.json'))
        paths = [folder / 'out' / shard.file for shard in manifest.shards]
        videos.append({one.video for path in paths for one in records.read(str(path))})
        assert manifest.examples.written == 45 * len(videos[-1])
    assert not videos[0] & videos[1]
    assert len(videos[0] | videos[1]) == 6


def test_a_limit_takes_so_many_frames_when_there_are_fewer_rows(folder):
    (manifest,) = run(folder, '"a.mp4#t=0,1",cat', '"a.mp4#t=1,2",dog', limit=8).manifests
    assert labelled(taken(folder)) == {**{frame: CAT for frame in range(4)}, **{frame: DOG for frame in range(30, 34)}}
    assert manifest.rows.read == 2


def test_what_was_embedded_before_an_interruption_is_kept(folder, monkeypatch):
    monkeypatch.setattr('preprocess.video_pieces.MOST_FRAMES', 12)
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(interrupts, 'requested', lambda: COUNTS['decoded'] >= 30)
        run(folder, 'a.mp4,cat')
    kept = len(vectors_kept(folder / 'out'))
    assert 30 <= kept < 90
    COUNTS.clear()
    made = run(folder)
    assert (COUNTS['decoded'], made.sources.from_store) == (90 - kept, kept)
    assert labelled(taken(folder)) == {frame: CAT for frame in range(90)}
    assert left_over(folder / 'out') == []


def test_a_run_without_the_package_for_videos_names_the_extra(folder, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(InputError) as error:
        run(folder, 'a.mp4,cat')
    assert (error.value.where, error.value.do) == (f'{folder}/train.csv:1', "pip install 'headlight[video]'")
