"""The manifest: what it says adds up, and comes back as it was written."""

import json
from dataclasses import replace

import pytest

from preprocess.failures import InputError
from preprocess.manifest import Examples, Manifest, Rows
from preprocess.set_names import Part, SetName, parse_name
from tests.preprocess.written_sets import write_set


def test_a_manifest_comes_back_as_it_was_written(tmp_path):
    manifest = write_set(tmp_path, part=Part(1, 4))
    assert Manifest.read(str(tmp_path / 'manifest.train.1-of-4.json')) == manifest
    assert manifest.vector_size == 4
    assert len(manifest.digest) == 64


def test_rows_examples_and_rejects_must_add_up(tmp_path):
    manifest = write_set(tmp_path)
    with pytest.raises(ValueError, match='unaccounted'):
        Rows(10, 5, 4, 0)
    with pytest.raises(ValueError, match='shards hold 6'):
        replace(manifest, examples=Examples(7))
    with pytest.raises(ValueError, match='rejects are unaccounted'):
        replace(manifest, rejects_by_reason={})


def test_frames_must_add_up(tmp_path):
    assert Examples(6) == Examples(6, 0, 6)
    with pytest.raises(ValueError, match='frames are unaccounted'):
        Examples(6, 1, 8)
    manifest = write_set(tmp_path)
    with pytest.raises(ValueError, match='rejected frames are unaccounted'):
        replace(manifest, examples=Examples(6, 2))
    replace(manifest, examples=Examples(6, 2), frame_rejects_by_reason={'corrupt': 2})


def test_what_was_done_to_footage_comes_back(tmp_path):
    manifest = write_set(
        tmp_path,
        vector_shape=(8, 9, 1),
        examples=Examples(6, 1, 7),
        sampling={'frames_per_second': 2.0},
        preparation={'gray': True, 'roi': [0, 0, 4, 4]},
        frame_rejects_by_reason={'corrupt': 1},
    )
    again = Manifest.read(str(tmp_path / 'manifest.train.json'))
    assert again == manifest
    assert again.is_pixels


def test_a_manifest_of_an_earlier_release_is_read(tmp_path):
    manifest = write_set(tmp_path)
    path = tmp_path / 'manifest.train.json'
    said = json.loads(path.read_text())
    for name in ('sampling', 'preparation', 'frame_rejects_by_reason'):
        del said[name]
    said['examples'] = {'written': 6}
    path.write_text(json.dumps(said))
    assert Manifest.read(str(path)) == manifest
    assert not manifest.is_pixels


@pytest.mark.parametrize('content', ['', '{}', '[]', 'null', '{"version": 99}', 'no json'])
def test_a_file_that_is_no_manifest_is_named(tmp_path, content):
    path = tmp_path / 'manifest.train.json'
    path.write_text(content)
    with pytest.raises(InputError) as error:
        Manifest.read(str(path))
    assert error.value.where == str(path)


def test_names_of_files_are_read_as_they_are_written():
    for part in (None, Part(0, 4)):
        for name in ('train', 'a.b', 'été'):
            one = SetName('/d', name, part)
            assert parse_name('/d', one.manifest().removeprefix('/d/')) == one
            assert one.owns(one.shard_file(2, 12))
    assert parse_name('/d', 'train-00000-of-00001.tfrecord.gz') is None
    assert not SetName('/d', 'train').owns('train_old-00000-of-00001.tfrecord.gz')
    assert not SetName('/d', 'train').owns('train.0-of-4-00000-of-00001.tfrecord.gz')
    assert SetName('/d', 'train', Part(0, 4)).shard_file(1, 2) == 'train.0-of-4-00001-of-00002.tfrecord.gz'


def test_the_manifest_is_plain_json_as_the_formats_say(tmp_path):
    write_set(tmp_path)
    said = json.loads((tmp_path / 'manifest.train.json').read_text())
    assert said['rows'] == {'read': 9, 'accepted': 6, 'rejected': 2, 'duplicate': 1}
    assert said['examples'] == {'written': 6, 'rejected_frames': 0, 'expanded': 6}
    assert [shard['records'] for shard in said['shards']] == [1, 2, 3]
    assert said['encoder']['path'] == 'encoder/' + 'k' * 16
    assert said['labels'] == ['cat', 'dög']
    assert said['vector_shape'] == [4]


def test_no_file_beside_the_records_begins_with_the_name_of_the_set():
    name = SetName('/d', 'train')
    assert not name.manifest().startswith('/d/train')
    assert not name.rejects().startswith('/d/train')
