import json
from dataclasses import asdict

import pytest

from preprocess.failures import UsageError
from trainer import head_spec, heads
from trainer.config import Learning
from trainer.head_spec import HeadSpec

FISH = (120, 160, 1)


def _trained(spec):
    return sum(weight.size for weight in heads.weights_of(spec) if weight.trained)


@pytest.mark.parametrize(('layers', 'weights'), [(1, 11_537), (2, 66_849)])
def test_the_published_models_have_the_published_counts_of_weights(layers, weights):
    learning = Learning(head='convlstm', layers=layers)
    spec = head_spec.of_learning(learning, FISH, classes=2, multi_label=False)
    assert (spec.window, spec.clip_frames, spec.slices, spec.filters, learning.batch_size) == (120, 4, 30, 16, 4)
    assert _trained(spec) == weights
    shapes = heads.weight_shapes(spec)
    assert shapes[:2] == ((3, 3, 4, 64), (3, 3, 16, 64))
    if layers == 2:
        assert shapes[4:6] == ((3, 3, 16, 128), (3, 3, 32, 128))


def test_the_small_network_of_the_lab_has_its_layers_and_no_bottleneck_of_one():
    spec = head_spec.of_learning(Learning(head='cnn'), (224, 224, 3), classes=28, multi_label=False)
    matrices = [shape for shape in heads.weight_shapes(spec) if len(shape) > 1]
    assert matrices == [(3, 3, 3, 16), (3, 3, 16, 32), (3, 3, 32, 64), (26 * 26 * 64, 64), (64, 64), (64, 28)]


@pytest.mark.parametrize('kind', ['lstm', 'convlstm', 'cnn'])
def test_heads_of_footage_tell_two_classes_apart_by_one_number(kind):
    learning = Learning(head=kind)
    shape = (9,) if kind == 'lstm' else (60, 60, 3)
    outputs = {
        (classes, multi_label): head_spec.of_learning(learning, shape, classes=classes, multi_label=multi_label).outputs
        for classes, multi_label in ((2, False), (3, False), (2, True), (1, True))
    }
    assert outputs == {(2, False): 1, (3, False): 3, (2, True): 2, (1, True): 1}


def test_a_spec_comes_back_from_json():
    spec = head_spec.of_learning(Learning(head='convlstm'), FISH, classes=3, multi_label=False)
    assert HeadSpec(**json.loads(json.dumps(asdict(spec)))) == spec


@pytest.mark.parametrize(
    ('head', 'shape', 'what', 'do'),
    [
        ('softmax', (8, 8, 3), 'does not look at frames', 'choose --head convlstm or cnn'),
        ('lstm', (8, 8, 3), 'does not look at frames', 'choose --head convlstm or cnn'),
        ('cnn', (8,), 'does not look at vectors', 'choose --head softmax or lstm'),
        ('convlstm', (8,), 'does not look at vectors', 'or embed to frames (--encoder pixels:HEIGHTxWIDTH)'),
        ('cnn', (12, 60, 3), '12 x 60 are too small for 3 layers', 'give --layers 2 or less'),
        ('cnn', (3, 60, 3), 'too small for 3 layers', 'embed larger frames'),
        ('convlstm', (2, 60, 3), 'too small for 1 layers', 'embed larger frames'),
    ],
)
def test_a_head_that_can_not_look_at_the_records_is_a_usage_error_with_its_remedy(head, shape, what, do):
    with pytest.raises(UsageError) as raised:
        head_spec.check(Learning(head=head), shape)
    assert what in raised.value.what
    assert do in raised.value.do
    assert raised.value.exit_code == 2


def test_windows_of_single_pictures_are_a_usage_error():
    with pytest.raises(UsageError, match='these records are of single pictures'):
        head_spec.check(Learning(head='lstm'), (8,), is_footage=False)
    head_spec.check(Learning(head='softmax'), (8,), is_footage=False)


@pytest.mark.parametrize(
    'wrong',
    [
        {'kind': 'lstm', 'frame': (2, 2, 1)},
        {'kind': 'cnn'},
        {'kind': 'cnn', 'frame': (3, 3, 3), 'filters': 2},
        {'kind': 'convlstm', 'frame': (2, 2, 1), 'filters': 2},
        {'kind': 'lstm', 'window': 5, 'clip_frames': 2},
    ],
)
def test_an_impossible_head_is_not_born(wrong):
    with pytest.raises(ValueError):
        HeadSpec(**{'input_size': 4, 'classes': 2, **wrong})
