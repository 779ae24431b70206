"""Rows of pictures settled between sets and parts, and a picture's bytes."""

import os
from pathlib import Path

import pytest

from preprocess import images, pictures
from preprocess.image_formats import ImageError
from preprocess.labels import Labels
from preprocess.manifest import EncoderInfo
from preprocess.pictures import Picture, Use
from preprocess.rows import Reject, Row
from preprocess.set_names import Part, SetName
from preprocess.sets import SetJob, staging_folder, work_folder

ENCODER = EncoderInfo('fake', 'k', 'encoder/k', 's', (8, 8, 3), 'tensorflow', 'float32', 8)


def job(index: int = 0, *, part: Part | None = None, **changed) -> SetJob:
    given = {
        'index': index,
        'name': SetName('/out', f'set{index}', part),
        'csvs': ('a.csv',),
        'labels': Labels(('cat', 'dog')),
        'image_root': None,
        'working_dir': '/',
        'ignore_label_case': False,
        'multi_label': False,
        'limit': None,
        'max_reject_fraction': 0.05,
        'shards': 1,
        'encoder': ENCODER,
        'vector_shape': (6,),
        'settings': {},
        'run_id': 'r',
    }
    return SetJob(**{**given, **changed})


def row(uri: str, line: int, *labels: str, source: str = 'a.csv', group: str | None = None) -> Row:
    return Row(uri, uri, labels, source, line, group=group)


def test_a_picture_of_several_sets_is_one_with_a_use_in_each():
    settled = pictures.settle(
        [(1, row('x', 5, 'dog')), (0, row('x', 2, 'cat', group='g')), (0, row('y', 3))], [job(0), job(1)]
    )
    assert settled.pictures == [
        Picture('x', (Use(0, (0,), 'g', 'a.csv', 2), Use(1, (1,), None, 'a.csv', 5))),
        Picture('y', (Use(0, (), None, 'a.csv', 3),)),
    ]
    assert not any(settled.rejects.values()) and not any(settled.duplicates.values())


def test_repeats_and_contradictions_are_matters_of_each_set():
    found = [(0, row('x', 1, 'cat')), (0, row('x', 2, 'cat')), (1, row('x', 1, 'cat')), (1, row('x', 2, 'dog'))]
    settled = pictures.settle(found, [job(0), job(1)])
    assert settled.pictures == [Picture('x', (Use(0, (0,), None, 'a.csv', 1),))]
    assert dict(settled.duplicates) == {0: 1}
    assert [(reject.row, reject.reason) for reject in settled.rejects[1]] == [
        (1, 'conflicting-labels'),
        (2, 'conflicting-labels'),
    ]


def test_a_picture_that_fails_is_a_reject_in_every_set_that_wanted_it():
    picture = Picture('x', (Use(0, (0,), None, 'a.csv', 2), Use(1, (1,), None, 'b.csv', 5)))
    assert picture.rejects(stage='decode', reason='corrupt', message='bad') == [
        (0, Reject('a.csv', 2, 'x', 'decode', 'corrupt', 'bad')),
        (1, Reject('b.csv', 5, 'x', 'decode', 'corrupt', 'bad')),
    ]


def test_parts_share_all_rows_and_keep_those_of_one_picture_together(tmp_path):
    csv = tmp_path / 'a.csv'
    csv.write_text(''.join(f'{n % 50}.png,cat\n' for n in range(200)) + ',cat\n' * 20)
    parts = [list(pictures.read_rows(job(part=Part(index, 4)), [str(csv)])) for index in range(4)]
    assert sum(map(len, parts)) == 220
    uris = [{found.uri for found in part if isinstance(found, Row)} for part in parts]
    assert sum(map(len, uris)) == len(set.union(*uris)) == 50
    assert all(any(isinstance(found, Reject) for found in part) for part in parts)


def test_rows_that_can_not_be_used_are_rejects_with_their_line_once_those_of_a_picture_are_together(tmp_path):
    csv = tmp_path / 'a.csv'
    csv.write_text('a.png,cat\nb.png,owl\nc.png,cat,dog\nd.png\n')
    found = list(pictures.read_rows(job(), [str(csv)]))
    settled = pictures.settle([(0, one) for one in found if isinstance(one, Row)], [job()])
    assert [(one.row, one.reason) for one in settled.rejects[0]] == [(2, 'unknown-label'), (3, 'several-labels')]
    assert [picture.uses[0].line for picture in settled.pictures] == [1, 4]


def test_unreadable_files_say_why(tmp_path):
    (tmp_path / 'empty').touch()
    os.mkfifo(tmp_path / 'pipe')
    wanted = {'gone': 'missing', 'empty/x': 'missing', '.': 'is-a-directory', 'pipe': 'unreadable'}
    reasons = {}
    for name in wanted:
        with pytest.raises(ImageError) as refused:
            pictures.read_bytes(str(tmp_path / name))
        reasons[name] = refused.value.reason
    assert reasons == wanted


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_file_that_may_not_be_read_says_so(tmp_path):
    (tmp_path / 'secret').touch(mode=0)
    with pytest.raises(ImageError) as refused:
        pictures.read_bytes(str(tmp_path / 'secret'))
    assert refused.value.reason == 'forbidden'


def test_no_more_is_read_of_a_huge_file_than_its_refusal_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(images, 'MAX_BYTES', 100)
    (tmp_path / 'huge').write_bytes(b'x' * 1000)
    assert len(pictures.read_bytes(str(tmp_path / 'huge'))) == 101


def test_unfinished_files_lie_where_no_glob_for_records_finds_them():
    name = SetName('/out', 'train', Part(0, 4))
    assert Path(work_folder(name)).name == '.train.0-of-4.work'
    assert Path(staging_folder('/store', name)).name.startswith('.writing-')
    assert staging_folder('/store', name) != staging_folder('/store', SetName('/out', 'eval'))


def test_a_row_with_an_unknown_label_still_contradicts_the_others_of_its_picture():
    settled = pictures.settle([(0, row('x', 1, 'cat')), (0, row('x', 2, 'wolf'))], [job(0)])
    assert settled.pictures == []
    assert [(one.row, one.reason) for one in settled.rejects[0]] == [
        (1, 'conflicting-labels'),
        (2, 'conflicting-labels'),
    ]


def test_equal_rows_with_an_unknown_label_are_each_rejected_for_it():
    settled = pictures.settle([(0, row('x', 1, 'wolf')), (0, row('x', 2, 'wolf'))], [job(0)])
    assert [(one.row, one.reason) for one in settled.rejects[0]] == [(1, 'unknown-label'), (2, 'unknown-label')]
    assert dict(settled.duplicates) == {}
