"""Finding records: what a manifest vouches for is taken, everything else is refused by name."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preprocess import records
from preprocess.failures import InputError
from preprocess.record_sets import find_records
from preprocess.records import Record, RecordWriter
from preprocess.set_names import Part
from tests.preprocess.written_sets import ENCODER, write_set


def found(*specs) -> list[str]:
    return [Path(path).name for path in find_records([str(spec) for spec in specs]).paths]


def refused(*specs) -> InputError:
    with pytest.raises(InputError) as error:
        find_records([str(spec) for spec in specs])
    assert error.value.exit_code == 3
    return error.value


TRAIN = [f'train-0000{index}-of-00003.tfrecord.gz' for index in range(3)]


def test_a_prefix_a_folder_and_a_glob_name_the_same_set(tmp_path):
    write_set(tmp_path)
    for spec in (tmp_path / 'train', tmp_path, tmp_path / 'train*', tmp_path / 'train-*.tfrecord.gz', f'{tmp_path}/'):
        assert found(spec) == TRAIN
    everything = find_records([str(tmp_path / 'train')])
    assert (everything.records, everything.labels, everything.vector_size) == (6, ('cat', 'dög'), 4)
    assert everything.encoder == ENCODER
    assert everything.encoder_dir == str(tmp_path / 'encoder' / ('k' * 16))


def test_what_a_training_leaves_beside_records_hides_none_of_them(tmp_path):
    write_set(tmp_path)
    for folder in ('train', 'train_set', 'eval'):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'result.json').write_text('{}')
    for spec in (tmp_path / 'train', tmp_path, tmp_path / 'train*', tmp_path / 'train-*'):
        assert found(spec) == TRAIN
    assert 'no manifest in this folder' in refused(f'{tmp_path}/train/').what


def test_a_prefix_that_is_a_folder_of_other_records_too_must_be_told_apart(tmp_path):
    write_set(tmp_path)
    (tmp_path / 'train').mkdir()
    write_set(tmp_path / 'train', 'more', shards=1)
    assert 'and a folder that holds others' in refused(tmp_path / 'train').what
    assert found(tmp_path / 'train-*') == TRAIN
    assert found(f'{tmp_path}/train/') == ['more-00000-of-00001.tfrecord.gz']


def test_lists_and_repetitions_name_each_file_once(tmp_path):
    write_set(tmp_path)
    write_set(tmp_path, 'more', shards=1)
    more = ['more-00000-of-00001.tfrecord.gz']
    assert found(f'{tmp_path}/train,{tmp_path}/more') == TRAIN + more
    assert found(f'{tmp_path}/more', f'{tmp_path}/train', f'{tmp_path}/train*') == more + TRAIN


def test_a_moved_folder_stays_valid(tmp_path):
    (tmp_path / 'old').mkdir()
    write_set(tmp_path / 'old')
    shutil.move(tmp_path / 'old', tmp_path / 'new')
    assert find_records([str(tmp_path / 'new' / 'train')]).records == 6


def test_relative_specs_are_relative_to_the_working_directory(tmp_path, monkeypatch):
    write_set(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert found('train') == found('./train') == found('train*') == found('.') == TRAIN


def test_a_folder_with_several_sets_asks_for_one(tmp_path):
    write_set(tmp_path)
    write_set(tmp_path, 'eval')
    assert refused(tmp_path).do == f'name one: {tmp_path}/eval or {tmp_path}/train'


def test_records_without_a_manifest_are_read_by_glob_only(tmp_path):
    write_set(tmp_path)
    (tmp_path / 'manifest.train.json').unlink()
    assert found(tmp_path / 'train*') == TRAIN
    assert find_records([str(tmp_path / 'train*')]).labels is None
    assert find_records([str(tmp_path / 'train*')]).records is None
    assert 'no manifest' in refused(tmp_path / 'train').what
    assert 'no manifest' in refused(tmp_path).what
    assert f'{tmp_path}/train-*' in refused(tmp_path / 'train').do


def test_a_single_file_can_be_named(tmp_path):
    write_set(tmp_path)
    assert found(tmp_path / TRAIN[1]) == [TRAIN[1]]


@pytest.mark.parametrize('spec', ['train', '', 'train*', 'train-*'])
def test_a_missing_shard_is_named(tmp_path, spec):
    write_set(tmp_path)
    (tmp_path / TRAIN[1]).unlink()
    assert refused(tmp_path / spec).where == str(tmp_path / TRAIN[1])


@pytest.mark.parametrize('spec', ['train', '', 'train*', 'train-00001*'])
def test_a_truncated_shard_is_named(tmp_path, spec):
    write_set(tmp_path)
    whole = (tmp_path / TRAIN[1]).read_bytes()
    (tmp_path / TRAIN[1]).write_bytes(whole[:-5])
    assert refused(tmp_path / spec).where == str(tmp_path / TRAIN[1])


def test_a_shard_with_a_record_more_is_named(tmp_path):
    write_set(tmp_path)
    path = tmp_path / TRAIN[0]
    more = [*records.read(str(path)), Record('more.jpg', np.ones(4, np.float32))]
    with RecordWriter(str(path)) as writer:
        for record in more:
            writer.write(record)
    assert refused(tmp_path / 'train').where == str(path)


@pytest.mark.parametrize(
    'stranger',
    [
        'train-00003-of-00004.tfrecord.gz',
        'train_old-00000-of-00001.tfrecord.gz',
        'train.5-of-4-00000-of-00001.tfrecord.gz',
        'train.txt',
    ],
)
def test_a_glob_that_matches_what_the_manifest_does_not_list_is_refused(tmp_path, stranger):
    write_set(tmp_path)
    shutil.copy(tmp_path / TRAIN[0], tmp_path / stranger)
    assert refused(tmp_path / 'train*').where == str(tmp_path / stranger)
    assert found(tmp_path / 'train') == TRAIN


def test_a_stale_shard_by_itself_is_refused_too(tmp_path):
    write_set(tmp_path)
    shutil.copy(tmp_path / TRAIN[0], tmp_path / 'train-00000-of-00005.tfrecord.gz')
    assert refused(tmp_path / 'train-*-of-00005*').where.endswith('train-00000-of-00005.tfrecord.gz')


def test_records_without_manifest_beside_another_set_are_read_raw(tmp_path):
    write_set(tmp_path, 'eval')
    write_set(tmp_path, 'old')
    (tmp_path / 'manifest.old.json').unlink()
    assert len(found(tmp_path / 'old*')) == 3


def test_a_glob_over_two_sets_takes_both(tmp_path):
    write_set(tmp_path)
    write_set(tmp_path, 'train2', shards=1)
    assert found(tmp_path / 'train*') == [*TRAIN, 'train2-00000-of-00001.tfrecord.gz']


def test_all_parts_of_a_divided_set_are_taken(tmp_path):
    for index in range(12):
        write_set(tmp_path, shards=1, part=Part(index, 12))
    names = [f'train.{index}-of-12-00000-of-00001.tfrecord.gz' for index in range(12)]
    assert found(tmp_path / 'train') == found(tmp_path) == names
    assert sorted(found(tmp_path / 'train*')) == sorted(names)
    assert found(tmp_path / 'train.3-of-12*') == [names[3]]
    assert find_records([str(tmp_path / 'train')]).records == 12


@pytest.mark.parametrize('spec', ['train', '', 'train*'])
def test_a_missing_part_is_named(tmp_path, spec):
    for index in (0, 1, 3):
        write_set(tmp_path, shards=1, part=Part(index, 4))
    error = refused(tmp_path / spec)
    assert error.where == str(tmp_path / 'manifest.train.2-of-4.json')
    assert error.do == 'run preprocess.run --shard 2/4 first'


@pytest.mark.parametrize('spec', ['train*', '*.gz', 'train.2-of-4-*'])
def test_a_part_whose_manifest_is_missing_is_named_for_what_it_is(tmp_path, spec):
    write_set(tmp_path, 'eval')
    for index in range(4):
        write_set(tmp_path, shards=1, part=Part(index, 4))
    (tmp_path / 'manifest.train.2-of-4.json').unlink()
    error = refused(tmp_path / spec, tmp_path / 'eval')
    assert error.where == str(tmp_path / 'train.2-of-4-00000-of-00001.tfrecord.gz')
    assert error.what == (
        'by its name this file is of train, part 2 of 4, whose manifest, manifest.train.2-of-4.json, is missing'
    )
    assert error.do.startswith('make that part again (preprocess.run --shard 2/4), ')


def test_a_set_whose_manifest_is_missing_is_named_where_manifests_speak_for_others(tmp_path):
    write_set(tmp_path, 'eval')
    write_set(tmp_path)
    (tmp_path / 'manifest.train.json').unlink()
    error = refused(tmp_path / '*.gz')
    assert error.where == str(tmp_path / TRAIN[0])
    assert error.what == 'by its name this file is of train, whose manifest, manifest.train.json, is missing'


def test_a_file_of_an_older_division_is_left_over_from_another_run(tmp_path):
    write_set(tmp_path, shards=1, part=Part(0, 1))
    shutil.copy(tmp_path / 'train.0-of-1-00000-of-00001.tfrecord.gz', tmp_path / TRAIN[0])
    error = refused(tmp_path / 'train*')
    assert (error.where, 'left over from another run' in error.what) == (str(tmp_path / TRAIN[0]), True)
    assert f'prefix, {tmp_path}/train,' in error.do


def test_two_divisions_of_one_set_are_refused(tmp_path):
    write_set(tmp_path, shards=1, part=Part(0, 1))
    write_set(tmp_path, shards=1)
    assert 'two divisions' in refused(tmp_path / 'train').what


@pytest.mark.parametrize(
    ('aspect', 'changed'),
    [
        ('labels', {'labels': ('dog', 'cat'), 'counts_per_label': {}}),
        ('encoder', {'encoder': replace(ENCODER, key='other')}),
        ('vector size', {'vector_shape': (5,)}),
        ('multi_label', {'multi_label': True}),
    ],
)
def test_sets_that_do_not_belong_together_are_refused(tmp_path, aspect, changed):
    write_set(tmp_path)
    write_set(tmp_path, 'eval', **changed)
    error = refused(tmp_path / 'train', tmp_path / 'eval')
    assert f'another {aspect} than {tmp_path}/manifest.train.json' in error.what
    assert error.where == str(tmp_path / 'manifest.eval.json')


@pytest.mark.parametrize('spec', ['nothing', 'nothing*', 'no/such/folder/train', ' , '])
def test_nothing_there_is_an_error(tmp_path, spec, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(spec).exit_code == 3
