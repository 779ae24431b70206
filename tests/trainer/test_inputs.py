from dataclasses import replace

import numpy as np
import pytest

from preprocess.compiled import CompiledEncoder
from preprocess.encoders import EncoderSpec
from preprocess.failures import InputError, UsageError
from preprocess.labels import Labels
from preprocess.manifest import EncoderInfo
from tests import models
from tests.trainer import raw_records, sets
from tests.trainer.raw_records import learning
from trainer import inputs, training
from trainer import sets as reading
from trainer.config import Learning, TrainConfig

_LABELS = ('red', 'green', 'blue')


def _info(encoder: CompiledEncoder, **changes) -> EncoderInfo:
    said = {name: getattr(encoder, name) for name in EncoderInfo.__dataclass_fields__ if name != 'path'}
    return EncoderInfo(**{**said, 'path': 'encoder', **changes})


def _write(directory, name, *, labels=_LABELS, width=6, **changes):
    directory.mkdir(exist_ok=True)
    encoder = models.tiny_encoder(directory / 'encoder')
    vectors = [[row % 3 == column % 3 for column in range(width)] for row in range(12)]
    rows = sets.embedded(name, vectors, labels=[(row % 3,) for row in range(12)])
    return sets.write_records(directory, rows, labels, encoder=_info(encoder, **changes))


@pytest.fixture
def config(tmp_path):
    return TrainConfig(
        train_data_paths=(_write(tmp_path, 'train'),),
        eval_data_paths=(_write(tmp_path, 'eval'),),
        output_path=str(tmp_path / 'out'),
        learning=Learning(max_steps=25, hidden_units=0, batch_size=12),
    )


def test_the_manifests_say_what_is_learnt(config, tmp_path):
    found = inputs.find(config)
    assert (found.labels, found.multi_label) == (_LABELS, False)
    assert found.encoder_dir == str(tmp_path / 'encoder')
    assert '"labels"' in found.manifest_json


def test_flags_that_say_the_same_as_the_manifest_are_fine(config, tmp_path):
    Labels(_LABELS).write(str(tmp_path / 'dict.txt'))
    found = inputs.find(replace(config, label_count=3, input_dict=str(tmp_path / 'dict.txt')))
    assert found.labels == tuple(_LABELS)


def test_a_weight_for_an_unknown_label_is_refused_before_anything_is_read(config):
    with pytest.raises(UsageError, match='not in the dictionary: rond') as raised:
        inputs.find(learning(config, class_weights='red=1,rond=2'))
    assert (raised.value.exit_code, raised.value.where) == (2, '--class_weights')
    inputs.find(learning(config, class_weights='red=2,unlabelled=3', unlabelled_class=True))


def test_a_contradicting_label_count_is_refused(config):
    with pytest.raises(InputError, match='2 labels asked for, the records have 3') as raised:
        inputs.find(replace(config, label_count=2))
    assert raised.value.exit_code == 3


def test_a_contradicting_dictionary_is_refused(config, tmp_path):
    Labels(('green', 'red', 'blue')).write(str(tmp_path / 'dict.txt'))
    with pytest.raises(InputError, match=r'other labels \(green, red, blue\)'):
        inputs.find(replace(config, input_dict=str(tmp_path / 'dict.txt')))


def test_a_contradicting_encoder_is_refused_and_the_same_one_is_not(config, tmp_path):
    with pytest.raises(InputError, match='the encoder mini was asked for, the records were made with tiny'):
        inputs.find(replace(config, encoder='mini'))
    key = EncoderSpec('mini', batch_size=8).key()
    same = replace(
        config,
        encoder='mini',
        train_data_paths=(_write(tmp_path / 'm', 'train', key=key),),
        eval_data_paths=(_write(tmp_path / 'm', 'eval', key=key),),
    )
    inputs.find(same)


def test_several_labels_where_the_records_have_one_are_refused(config):
    with pytest.raises(InputError, match='one label each'):
        inputs.find(replace(config, learning=replace(config.learning, multi_label=True)))


@pytest.mark.parametrize(
    ('other', 'what'),
    [
        ({'labels': ('red', 'green', 'violet')}, 'labels'),
        ({'width': 5}, 'vector size'),
        ({'key': 'another'}, 'encoder'),
    ],
)
def test_sets_that_do_not_fit_each_other_are_refused(config, tmp_path, other, what):
    with pytest.raises(InputError, match=f'another {what}'):
        inputs.find(replace(config, eval_data_paths=(_write(tmp_path / 'other', 'eval', **other),)))


def test_a_set_whose_manifest_counts_nothing_is_refused_before_anything_is_read(config, tmp_path):
    nothing = sets.embedded('none', np.zeros((0, 6)))
    empty = sets.write_records(tmp_path, nothing, _LABELS)
    with pytest.raises(InputError, match='no training records'):
        inputs.find(replace(config, eval_data_paths=(empty,), train_data_paths=(empty,)))


def test_an_encoder_that_is_not_the_records_is_refused_before_training(config, tmp_path):
    models.tiny_encoder(tmp_path / 'encoder', side=32)
    with pytest.raises(InputError, match='not the encoder the records were made with'):
        training.train(config)
    assert not (tmp_path / 'out' / 'train').exists()


def test_an_encoder_that_is_gone_is_missed_before_training(config, tmp_path):
    (tmp_path / 'encoder' / 'encoder.json').unlink()
    with pytest.raises(InputError, match='no compiled encoder'):
        training.train(config)


def test_an_encoder_of_another_size_than_the_embeddings_is_refused(tmp_path):
    pattern = raw_records.write(tmp_path, 'set', *raw_records.clusters(6))
    config = TrainConfig(train_data_paths=(pattern,), eval_data_paths=(pattern,), output_path=str(tmp_path / 'out'))
    with pytest.raises(InputError, match='records have 8 numbers each, the vectors of the encoder tiny 6'):
        reading.read(config, inputs.find(config), models.tiny_encoder(tmp_path / 'encoder'))


def test_embeddings_of_two_sizes_are_refused(tmp_path):
    train = raw_records.write(tmp_path, 'train', *raw_records.clusters(6))
    evaluation = raw_records.write(tmp_path, 'eval', np.zeros((2, 5)), [(0,), (1,)])
    config = TrainConfig(train_data_paths=(train,), eval_data_paths=(evaluation,), output_path=str(tmp_path / 'out'))
    with pytest.raises(InputError, match='have 8 numbers each, the evaluation records 5'):
        reading.read(config, inputs.find(config), None)
